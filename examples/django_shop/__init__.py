"""A Django project that logs to CloudWatch Logs: what matters is LOGGING in settings.py."""
