"""What is measured, and what it must be: a module for each heading of the goals.

Each has a ``group`` of cases and goals for given sizes, and the functions that measure, which run in a process of their
own (see `program`). Must not know: how rounds are run, or shown.
"""
