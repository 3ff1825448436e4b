"""A Django project that logs by settings.LOGGING, which is in django_shop/settings.py; this is its ``manage.py``.

``python django_manage.py runserver`` serves it.
"""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_shop.settings")
    execute_from_command_line(sys.argv)
