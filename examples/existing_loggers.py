"""Adds CloudWatch Logs to a program that already logs: the handler is added to existing loggers.

Their other handlers stay as they are. The handler of the root logger gets all records that reach the root logger. The
handler of a library's logger gets that library's records, in a stream of its own.
"""

import logging

from cwlog_handler import CloudWatchLogsHandler


def the_program_as_it_was() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)


def add_cloudwatch() -> None:
    line = logging.Formatter("%(levelname)s %(name)s: %(message)s")

    everything = CloudWatchLogsHandler("my-app", "all")
    everything.setFormatter(line)
    logging.getLogger().addHandler(everything)

    payments = CloudWatchLogsHandler("my-app", "payments", level=logging.WARNING)
    payments.setFormatter(line)
    logging.getLogger("shop.payments").addHandler(payments)


def main() -> None:
    the_program_as_it_was()
    add_cloudwatch()
    logging.getLogger("shop").info("order %d: %d pieces", 17, 3)
    logging.getLogger("shop.payments").warning("card refused for order %d", 17)


if __name__ == "__main__":
    main()
