"""Django's settings: LOGGING is a configuration for dictConfig, which Django applies when it starts.

The root logger gets the project's own records and Django's, such as those of ``django.request``.
"""

SECRET_KEY = "only for this example"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "django_shop.urls"
TIME_ZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "log_stream_name": "django/{machine_name}/{process_id}",
            "formatter": "line",
        },
        # Warnings and errors also appear on the terminal where the program was started.
        "console": {"class": "logging.StreamHandler", "level": "WARNING", "formatter": "line"},
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch", "console"]},
}
