"""Random programs against the strict fake, random faults and kills, and an oracle that says what must hold afterwards.

``python -m tests.oracle --minutes 10`` is the long run; ``tests/oracle/test_oracle.py`` the short one. A seed gives the
same program and spool, the same faults in the same order, and kills after the same time; how the threads of all of them
interleave is up to the machine, so that a violation may need a few replays to come back.
"""
