"""The thread that drives the rounds; forks, signals and the end of the process."""
