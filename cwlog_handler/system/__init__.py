"""Threads, locks, clocks and stderr, as robust as a guest needs them; knows no event."""
