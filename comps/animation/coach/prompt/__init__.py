"""Whether a prompt says what a picture generator has to know, and how to write one that does."""
