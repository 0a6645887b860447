"""Whether a recording will move a mouth well, and what can be mended of it."""
