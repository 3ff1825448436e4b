"""The recipes can be imported: their filters, handlers and middleware are tested by themselves, too."""

import logging
import os
import sys

import pytest

from ..programs import ROOT

EXAMPLES = ROOT / "examples"
# Where programs find the package and the recipes.
PATH = os.pathsep.join(map(str, (ROOT, EXAMPLES)))

sys.path.append(str(EXAMPLES))


class Kept(logging.Handler):
    """Keeps the records that it gets, and what a formatter makes of them at that moment."""

    def __init__(self, formatter=None):
        super().__init__()
        self.setFormatter(formatter)
        self.records, self.texts = [], []

    def emit(self, record):
        self.records.append(record)
        self.texts.append(self.format(record))


@pytest.fixture
def kept(logger):
    """A handler on the test's logger."""
    handler = Kept()
    logger.addHandler(handler)
    return handler
