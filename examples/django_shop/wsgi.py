"""The WSGI application of the project, for ``runserver`` and for any WSGI server: it gives each request an id."""

import os

from django.core.wsgi import get_wsgi_application
from request_ids import wsgi_request_ids

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_shop.settings")
application = wsgi_request_ids(get_wsgi_application())
