"""Logging configured by an INI file (fileconfig.ini) with ``logging.config.fileConfig``, as in older programs."""

import logging.config
from pathlib import Path

log = logging.getLogger("shop")


def main() -> None:
    logging.config.fileConfig(Path(__file__).with_name("fileconfig.ini"), disable_existing_loggers=False)
    log.info("order %d: %d pieces", 17, 3)


if __name__ == "__main__":
    main()
