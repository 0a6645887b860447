"""How much work a second of speech is on this machine: measured once, then corrected by what really happens."""
