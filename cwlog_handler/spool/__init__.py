"""Records on disk: what waits too long for the service outlives the process. Must not know: requests, threads, AWS."""
