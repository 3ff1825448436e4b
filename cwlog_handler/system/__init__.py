"""Threads, locks, clocks and stderr, safe for a library inside somebody else's process. Must not know: events, AWS."""
