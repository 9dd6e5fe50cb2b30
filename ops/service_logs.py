"""Logs of the services' code, while a command uses it in its own process."""

import logging
import sys

import structlog


def quiet_service_logs() -> None:
    """Log warnings of the services' code to stderr, and nothing below."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
