"""The routing file, watched: a change on disk is checked at once, and the last good one stays in force."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from bot.config import Config, ConfigError, load

_LINE = re.compile(r"line (\d+): ")


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake of a routing file, and its line; None where it has none, such as a file that is gone."""

    line: int | None
    text: str


def faults(mistakes: Sequence[str]) -> list[Fault]:
    """Mistakes as `load` words them, apart from their lines."""
    return [
        Fault(int(found[1]), mistake[found.end() :]) if (found := _LINE.match(mistake)) else Fault(None, mistake)
        for mistake in mistakes
    ]


class RoutingFile:
    """`config` and `text` are the last good ones; `faults` are those of the file as it stands now.

    A text that is not good is never handed on: one of its mistakes may be a secret written in plain.
    """

    def __init__(self, path: str, now: Callable[[], float]) -> None:
        """Raises ConfigError where the file is not good to begin with."""
        self.path = path
        self._now = now
        self._lock = Lock()
        self._seen = self._fingerprint()
        self.faults: list[Fault] = []
        self._apply()

    def _apply(self) -> None:
        self.config: Config = load(self.path)
        self.text = _text(self.path)
        self.applied_at = self._now()

    def changed(self) -> bool:
        """Look at the file: whether anything about it is other than at the last look, for better or worse."""
        with self._lock:
            fingerprint = self._fingerprint()
            if fingerprint == self._seen:
                return False
            self._seen = fingerprint
            try:
                self._apply()
            except ConfigError as error:
                self.faults = faults(error.mistakes)
            else:
                self.faults = []
            return True

    def _fingerprint(self) -> tuple[Any, ...] | None:
        try:
            found = Path(self.path).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""  # it comes from elsewhere than this disk
