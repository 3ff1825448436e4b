"""A Django project that logs to CloudWatch Logs. The part that matters is LOGGING in settings.py."""
