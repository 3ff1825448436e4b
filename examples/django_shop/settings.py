"""Django's settings: LOGGING is a configuration for dictConfig, which Django applies when it starts.

The root logger gets the project's own records and Django's, such as those of ``django.request``. Each has the id of its
request: see request_ids.py, and wsgi.py beside this file.
"""

SECRET_KEY = "only for this example"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "django_shop.urls"
WSGI_APPLICATION = "django_shop.wsgi.application"
TIME_ZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_ids": {"()": "request_ids.RequestIds"}},
    "formatters": {"line": {"format": "%(levelname)s %(name)s [%(request_id)s]: %(message)s"}},
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "log_stream_name": "django/{machine_name}/{process_id}",
            "filters": ["request_ids"],
            "formatter": "line",
        },
        # Warnings and errors also appear on the terminal where the program was started.
        "console": {
            "class": "logging.StreamHandler",
            "level": "WARNING",
            "filters": ["request_ids"],
            "formatter": "line",
        },
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch", "console"]},
}
