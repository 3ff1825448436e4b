"""loguru with the handler as one of its sinks: loguru accepts any handler of the standard library.

``serialize=True`` makes a JSON document of each record, where Insights finds ``record.extra.number``. Without it, the
text is the line that ``format`` describes. ``diagnose=False`` keeps the values of variables out of tracebacks.
"""

from loguru import logger

from cwlog_handler import CloudWatchLogsHandler


def main() -> None:
    logger.add(CloudWatchLogsHandler("my-app", "json"), serialize=True, diagnose=False)
    lines = CloudWatchLogsHandler("my-app", "lines")
    logger.add(lines, format="{level} {name}: {message}", level="WARNING", diagnose=False)

    logger.bind(number=17).info("order of {pieces} pieces", pieces=3)
    try:
        {}["basket"]
    except KeyError:
        logger.exception("no basket")


if __name__ == "__main__":
    main()
