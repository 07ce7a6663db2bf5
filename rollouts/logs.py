"""How the controller logs: one line an event, as text or JSON, on standard error."""

import logging
import sys

import structlog

_LEVELS = {
    **dict.fromkeys(("trace", "debug"), logging.DEBUG),
    "info": logging.INFO,
    **dict.fromkeys(("warn", "warning"), logging.WARNING),
    "error": logging.ERROR,
    **dict.fromkeys(("fatal", "panic"), logging.CRITICAL),
}


def configure(level: str, form: str) -> None:
    """Set level (one that `--loglevel` takes) and form (json, else text) for the whole process."""
    last: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if form != "json":
        last = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
