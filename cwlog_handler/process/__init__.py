"""What the handler has to do with its process: the thread that drives the rounds, forks, signals, the end."""
