"""Thousands of processes with one handler each, against the quotas of one account, on a virtual clock.

``python -m tests.fleet`` runs a scenario, prints a table and draws it. Each process has the package's own rounds,
streams and client. Simulated is what surrounds them: the clock, the threads, boto3, the service and the program that
logs.
"""
