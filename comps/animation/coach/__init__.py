"""Tells, before any work starts, whether a picture, a recording and a prompt will make a good talking face."""
