"""An INI file for fileConfig."""

import logging.config
from pathlib import Path

logging.config.fileConfig(Path(__file__).with_name("logging.ini"), disable_existing_loggers=False)
logging.getLogger("shop").info("open")
