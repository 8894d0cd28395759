"""Log lines as JSON on standard error: what happened, to which event, where, why. No card, no name, no secret."""

import json
import logging
import os
import sys
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One JSON object a line; what a line wants to say beyond its message comes as `extra={"fields": {…}}`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = _where(record)
        return json.dumps(line, ensure_ascii=False, default=str)


class _StandardError(logging.Handler):
    """Looks standard error up with every line: tests and Lambda's runtime put another in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)  # noqa: T201 - this is where lines go


def set_up(level: str = "INFO") -> None:
    """Send the bot's lines out, once. Libraries stay silent below WARNING: theirs may hold URLs."""
    logger = logging.getLogger("bot")
    logger.setLevel(level if level in logging.getLevelNamesMapping() else "INFO")
    if not any(isinstance(handler, _StandardError) for handler in logger.handlers):
        handler = _StandardError()
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
    logger.propagate = "AWS_LAMBDA_FUNCTION_NAME" not in os.environ  # there the root would print it twice


def _where(record: logging.LogRecord) -> list[str]:
    """The places of a traceback, innermost last, without the exception's text: it may hold untrusted strings."""
    trace = record.exc_info[2] if record.exc_info else None
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places
