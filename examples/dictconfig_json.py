"""Logging configured by a JSON file (dictconfig.json), which an operator can change without changing the program.

A dict message becomes one JSON document that also has the fields of ``extra``. CloudWatch Logs Insights finds them all.
"""

import json
import logging.config
from pathlib import Path

log = logging.getLogger("shop")


def main() -> None:
    config = json.loads(Path(__file__).with_name("dictconfig.json").read_text(encoding="utf-8"))
    logging.config.dictConfig(config)
    log.info("configured by JSON")
    log.info({"event": "order", "number": 17, "pieces": 3}, extra={"customer": "Zoë"})


if __name__ == "__main__":
    main()
