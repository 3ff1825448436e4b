"""asyncio: coroutines log as usual, and the loop never waits for the network. Only ``flush`` needs a thread.

A filter on the handler adds a context variable to each record as ``request``: it shows which task logged the record.
"""

import asyncio
import contextvars
import logging

from cwlog_handler import CloudWatchLogsHandler

request = contextvars.ContextVar("request", default="-")


def add_request(record: logging.LogRecord) -> bool:
    record.request = request.get()
    return True


async def serve(number: int) -> None:
    request.set(f"r-{number}")
    logging.info("begins")
    await asyncio.sleep(0)
    logging.info("ends")


async def main() -> None:
    cloudwatch = CloudWatchLogsHandler("my-app")
    cloudwatch.addFilter(add_request)
    cloudwatch.setFormatter(logging.Formatter("%(request)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[cloudwatch])

    await asyncio.gather(*(serve(number) for number in range(3)))
    # Needed only to be sure that everything has arrived now. The end of the program delivers it anyway.
    await asyncio.to_thread(cloudwatch.flush)


if __name__ == "__main__":
    asyncio.run(main())
