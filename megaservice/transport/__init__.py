"""Reaching a service the same way whether it has a URL or lives in this process."""
