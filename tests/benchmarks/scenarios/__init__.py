"""Real programs at their worst moments: what arrives, by ours and by watchtower, in one table.

    python -m tests.benchmarks.scenarios                       # all, some minutes
    python -m tests.benchmarks.scenarios "os.fork" "503 for 5 s" --json table.json

Each scenario is a small program that configures logging with ``dictConfig`` and logs. It is run once with each handler,
as a process of its own, against a fresh strict fake of the service over HTTP on 127.0.0.1, which it finds through
``AWS_ENDPOINT_URL``. Only the handler's class path differs: both are given ``log_group_name``, ``send_interval=1`` (a
second; watchtower's default is 60) and ``log_stream_name="{process_id}"`` (or ``"{logger_name}"`` where a scenario has
several streams); all else is each handler's default. boto3 is left at its defaults too.

A program writes down each logging call that has returned. The columns: *sent* are those calls; *delivered* those whose
message the service stored, whole; *lost* the rest; *doubled* the copies beyond the first; *exit* the seconds from the
last call's return to the end of the process. A program that does not end is killed at the scenario's limit, which then
stands as ``>limit``. A loss is *told* if the handler has said anything at all on stderr.
"""
