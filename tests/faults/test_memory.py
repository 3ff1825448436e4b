"""Memory while the endpoint is down for the whole run: as the kernel counts it, not as we do.

The full run, and what a record costs its caller meanwhile: `python -m tests.faults.memory 2000000`.
"""

import pytest

from ..network import nobody_listening
from .memory import BUFFER_BYTES, MIB, in_a_process

# Beyond the records themselves, a third of the bound for what the allocator cannot use, and as a constant what boto3
# needs to make one request of 10,000 events.
LEEWAY = 1.3
BOTO3_BYTES = 6 * MIB
# Records enough to fill the buffer more than once.
RECORDS = {"20 bytes": 450_000, "120 bytes": 200_000, "1 KB": 40_000, "emoji mixed": 200_000}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_process_grows_no_more_than_its_buffer_whatever_the_records_are(kind):
    """F38: a bound in bytes is one that the operator sees in `ps`; what is lost for it is counted to the record."""
    with nobody_listening() as port:
        run = in_a_process(kind, RECORDS[kind], f"http://127.0.0.1:{port}")
    assert run["growth"] <= LEEWAY * BUFFER_BYTES + BOTO3_BYTES, f"{run['growth'] / MIB:.1f} MiB"
    assert run["counted"] <= BUFFER_BYTES
    # The buffer was full, and used: a bound that keeps nothing is easy.
    assert run["overflow"] > RECORDS[kind] / 10
    assert run["growth"] >= 0.7 * BUFFER_BYTES
    assert run["emitted"] == RECORDS[kind] + 1 == run["pending"] + run["overflow"]
