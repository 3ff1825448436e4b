"""From a record to its text and its stream's name, on the caller's thread: no I/O, no thread."""
