"""What a record costs, beside other handlers and against the goals.

    python -m tests.benchmarks                                   # all: some 40 minutes
    python -m tests.benchmarks --only caller,cpu --rounds 3      # some
    python -m tests.benchmarks --short                           # a minute: is it worse than it was?
    python -m tests.benchmarks --json F --chart C.svg            # and draw the chart (or, with --draw, from an old F)

Every measurement is made in a process of its own, against an endpoint in another one that takes PutLogEvents at next to
no cost and checks afterwards that every record arrived exactly once. Handlers take turns, A B A B, in several rounds;
the table has medians, with the least and the most in brackets. CPU is that of all threads of the measured process.
"""
