"""A program on a machine that is not in AWS: keys by a command, a proxy by the environment, a VPC endpoint.

All of this is boto3's own configuration, in on_premises.ini and in variables: ``AWS_CONFIG_FILE=on_premises.ini``,
``HTTPS_PROXY=http://proxy.example.com:3128``, and ``AWS_CA_BUNDLE`` if the proxy opens TLS with a CA of its own. The
handler is told the profile's name.
"""

import logging.config

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "log_stream_name": "on-premises/{machine_name}/{process_id}",
            "boto3_profile_name": "my-app",
        },
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch"]},
}

log = logging.getLogger("shop")


def main() -> None:
    logging.config.dictConfig(LOGGING)
    log.info("order %d", 17)


if __name__ == "__main__":
    main()
