"""What gunicorn serves. Django is set up twice, as where a program needs its models before it makes the application."""

import logging
import os

import django
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_shop.settings")
django.setup()
for n in range(100):
    logging.getLogger("early").info("between two configurations %d", n)
application = get_wsgi_application()
