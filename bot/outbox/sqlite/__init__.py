"""The outbox in one SQLite file: for an operator's machine, and for whoever runs the bot without a cloud table."""

from bot.outbox.sqlite.outbox import SqliteOutbox

__all__ = ["SqliteOutbox"]
