"""Adapts a recogniser to a knowledge base: its words, their sounds, and the questions it can answer."""
