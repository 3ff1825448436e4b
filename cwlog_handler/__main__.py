"""``python -m cwlog_handler``: see `cwlog_handler.cli`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
