"""Logging: structlog to stdout, JSON unless on a terminal. Static event names, never a payload or an e-mail."""

import logging
import sys

import structlog


def configure(style: str = "auto", level: str = "info") -> None:
    """Set up logging for a process. Lines of the standard library's loggers take the same road.

    Args:
        style: "json", "text" for people, or "auto": text on a terminal, JSON elsewhere.
        level: the lowest that is written: "debug", "info", "warning" or "error".
    """
    lowest = getattr(logging, level.upper())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # here: a console's own way shows the values of variables
    ]
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if style == "text" or (style == "auto" and sys.stdout.isatty())
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.WriteLoggerFactory(),  # one write a line: processes share a stdout
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    )
    out = logging.StreamHandler(sys.stdout)
    out.setFormatter(formatter)
    logging.basicConfig(handlers=[out], level=max(lowest, logging.WARNING), force=True)
