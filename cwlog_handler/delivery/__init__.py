"""One round of the work, from the inbox to the answers. Knows nothing of AWS but the outcomes of requests."""
