"""Logging configured by a YAML file (dictconfig.yaml), read with PyYAML. Each logger writes to its own stream."""

import logging.config
from pathlib import Path

import yaml


def main() -> None:
    config = yaml.safe_load(Path(__file__).with_name("dictconfig.yaml").read_text(encoding="utf-8"))
    logging.config.dictConfig(config)
    logging.getLogger("shop.orders").info("order %d: %d pieces", 17, 3)
    logging.getLogger("shop.stock").warning("only %d left of %s", 2, "Käse")


if __name__ == "__main__":
    main()
