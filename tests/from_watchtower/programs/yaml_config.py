"""A YAML file for dictConfig, with credentials of its own from a profile."""

import logging.config
from pathlib import Path

import yaml

logging.config.dictConfig(yaml.safe_load(Path(__file__).with_name("logging.yaml").read_text()))


def sell():
    logging.getLogger("shop").debug("sold")


sell()
