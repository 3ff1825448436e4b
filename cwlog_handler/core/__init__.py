"""Decisions about events and batches. Pure: no lock, clock, thread, logging or boto3."""
