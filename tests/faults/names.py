"""Ten thousand stream names, one after the other, in a process that does nothing else; tells what stays in memory.

    python -m tests.faults.names

Prints how many streams were kept at most, and the peak of traced memory in the first half and in the second.
"""

import gc
import os
import tracemalloc

from cwlog_handler.core.stream import Stream
from tests.faults.virtual import World
from tests.programs import AWS


def streams_kept() -> int:
    """How many streams are in memory, whoever refers to them."""
    gc.collect()
    return sum(isinstance(thing, Stream) for thing in gc.get_objects())


def main() -> None:
    """Log one record to each name, 20 a second."""
    os.environ.update(AWS)
    world = World()
    most_kept, peaks = 0, []
    tracemalloc.start()
    for number in range(10_000):
        world.log("m", level=40, stream=f"name-{number}")
        world.run(0.05)
        # What a test notes is not memory of ours.
        world.calls.clear()
        world.service.forget()
        if number % 250 == 0:
            gc.collect()
        if number % 2500 == 2499:
            most_kept = max(most_kept, streams_kept())
        if number % 5000 == 4999:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
    assert world.stats.delivered == 10_000
    print(most_kept, *peaks)


if __name__ == "__main__":
    main()
