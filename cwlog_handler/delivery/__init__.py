"""One round of the work, from the inbox to the answers; knows nothing of AWS but its outcomes."""
