"""Django's settings. Django itself hands LOGGING to dictConfig, at each ``django.setup()``."""

from log_settings import log_settings

SECRET_KEY = "not a secret"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "django_shop.urls"
INSTALLED_APPS = ["django_shop.stock"]
LOGGING = log_settings()
