"""Logs into the account that the company keeps all logs in: the handler assumes a role there.

The program's own credentials assume the role: those of its task, instance or function. The handler asks STS for it
before its first request, on its own thread, and again in time before the session ends.
"""

import logging
import logging.config

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "role_arn": "arn:aws:iam::222222222222:role/my-app-logs",
            "external_id": "4711",
            "role_session_name": "my-app",
            "boto3_config": {"tcp_keepalive": True, "user_agent_extra": "my-app/2.1"},
        },
    },
    "root": {"handlers": ["cloudwatch"], "level": "INFO"},
}

log = logging.getLogger("shop")


def main() -> None:
    logging.config.dictConfig(LOGGING)
    log.info("order %d: %d pieces", 17, 3)


if __name__ == "__main__":
    main()
