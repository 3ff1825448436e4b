"""The ``manage.py`` of a Django project whose logging is configured by LOGGING in django_shop/settings.py.

``python django_manage.py runserver`` serves it.
"""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_shop.settings")
    execute_from_command_line(sys.argv)
