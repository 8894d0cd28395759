"""Log lines as JSON on standard error: what happened, to which event, where, why. No card, no name, no secret.

On Lambda both streams end in one log group. The keys `timestamp` and `level` are those that Lambda reads.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One JSON object a line; what a line wants to say beyond its message comes as `extra={"fields": {…}}`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = places(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


class _StandardError(logging.Handler):
    """Looks standard error up with every line: tests and Lambda's runtime put another in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr)  # noqa: T201 - this is where lines go
        except Exception:  # noqa: BLE001 - a line that can't be written must not cost a login
            self.handleError(record)


def set_up(level: str = "INFO") -> None:
    """Send the bot's lines out, once. Libraries stay silent below WARNING: theirs may hold URLs."""
    logger = logging.getLogger("bot")
    logger.setLevel(level if level in logging.getLevelNamesMapping() else "INFO")
    if not any(isinstance(handler, _StandardError) for handler in logger.handlers):
        handler = _StandardError()
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
    logger.propagate = "AWS_LAMBDA_FUNCTION_NAME" not in os.environ  # there the root would print it twice


def to_standard_output(line: str) -> None:
    """One line for machines, whatever the log's level; in one piece, for others write at the same time."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def places(error: BaseException) -> list[str]:
    """The places of a traceback, innermost last, without the exception's text: it may hold untrusted strings."""
    trace = error.__traceback__
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return found
