"""Python runs this first in a program that has its folder on the path: the program's handlers have time to deliver.

On a busy machine the usual 10 seconds of a handler may be too few. Near their end the handler also makes a request
again that has no answer yet, so that its records arrive twice if the answer was only slow. This is for programs that
are run as they stand, such as the recipes, and that are not about this time. What a program gives itself is only ever
made longer: a time-out that is no number is still an error.
"""

import sys
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

# Less than a program may take in all; half of it is more than any request may take.
SECONDS = 40.0


class Patience(MetaPathFinder):
    """Changes the handler's class once a program has imported it: nothing is imported before the program does so."""

    def find_spec(self, name, path=None, target=None):
        if name != "cwlog_handler.handler":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        execute = spec.loader.exec_module

        def execute_and_change(module):
            execute(module)
            make_patient(module.CloudWatchLogsHandler)

        spec.loader.exec_module = execute_and_change
        return spec


def make_patient(handler_class):
    init, flush = handler_class.__init__, handler_class.flush

    @wraps(init)
    def patient_init(self, *arguments, **options):
        init(self, *arguments, **{**options, "close_timeout": max(options.get("close_timeout", 0.0), SECONDS)})

    @wraps(flush)
    def patient_flush(self, timeout=None):
        return flush(self, None if timeout is None else max(timeout, SECONDS))

    handler_class.__init__, handler_class.flush = patient_init, patient_flush


sys.meta_path.insert(0, Patience())
