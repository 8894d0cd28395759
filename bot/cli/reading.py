"""Events out of files and pipes: each with its place, so that a refusal can say where it stood."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, BinaryIO

from bot.cli.show import Mistake
from bot.events import not_json

STANDARD_INPUT = "-"
INPUT = "standard input"
BATCH = 500
"""Events taken in at once: enough for the look-ups of names, few enough to see them move."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that should be an event, and where it stood. `broken` says why it is not even JSON."""

    place: str
    raw: Any = None
    broken: str = ""


def read_one(path: str) -> Any:
    """The one event in a file or on standard input. Raises Mistake."""
    found = list(_read(path))
    if len(found) != 1:
        raise Mistake(f"{path} holds {len(found)} events, and this command wants one")
    if found[0].broken:
        raise Mistake(f"{found[0].place}: {found[0].broken}")
    return found[0].raw


def read_all(paths: Sequence[str]) -> Iterator[Found]:
    """Everything in the files, in order; `-` is standard input, read line by line. Raises Mistake."""
    for path in paths:
        yield from _read_lines() if path == STANDARD_INPUT else _read(path)


class Inbox:
    """What a second thread has read so far: a slow pipe holds up no login that is already here."""

    def __init__(self, found: Iterable[Found]) -> None:
        self._queue: Queue[Found | Exception | None] = Queue(maxsize=4 * BATCH)
        self._found = found
        self._failure: Exception | None = None
        self.ended = False
        Thread(target=self._read, daemon=True).start()

    def batch(self, wait: float) -> list[Found]:
        """All that is here, at most BATCH; waits up to `wait` seconds for the first.

        Raises what the reader raised, a Mistake mostly, once all that stood before it was handed out.
        """
        if self._failure is not None:
            raise self._failure
        batch: list[Found] = []
        while not self.ended and self._failure is None and len(batch) < BATCH:
            try:
                item = self._queue.get(timeout=wait) if not batch and wait > 0 else self._queue.get_nowait()
            except Empty:
                break
            if isinstance(item, Found):
                batch.append(item)
            else:
                self.ended, self._failure = item is None, item
        return batch

    def _read(self) -> None:
        try:
            for each in self._found:
                self._queue.put(each)
            self._queue.put(None)
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits for what was read
            self._queue.put(error)


def _read(path: str) -> Iterator[Found]:
    """One event, a list of events, or one event a line."""
    return _read_text(path, _decoded(_bytes(path)))


def _read_text(source: str, text: str) -> Iterator[Found]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = list(_lines(source, text.split("\n")))
        yield from lines if any(not line.broken for line in lines) else [Found(source, broken=not_json(error))]
        return
    yield from _each(source, whole)


def _read_lines() -> Iterator[Found]:
    """One event a line, as they come; what opens with a lone bracket is a document over many lines."""
    lines = (_decoded(line) for line in _stdin())
    first = next(lines, "")
    if first.strip() in ("{", "["):
        return _read_text(INPUT, first + "".join(lines))
    return _lines(INPUT, chain([first], lines))


def _lines(source: str, lines: Iterable[str]) -> Iterator[Found]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{source} line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Found(place, broken=not_json(error))
        else:
            yield from _each(place, value)


def _each(place: str, value: Any) -> Iterator[Found]:
    """The events of a list, or the one event."""
    if isinstance(value, list):
        yield from (Found(f"{place} [{index}]", each) for index, each in enumerate(value))
    else:
        yield Found(place, value)


def _bytes(path: str) -> bytes:
    try:
        return _stdin().read() if path == STANDARD_INPUT else Path(path).read_bytes()
    except OSError as error:
        raise Mistake(f"{path} can't be read: {(error.strerror or 'no such file').lower()}") from None


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise Mistake("standard input is closed; pipe events in, or name a file")
    return sys.stdin.buffer


def _decoded(data: bytes) -> str:
    """JSON may come as UTF-8, -16 or -32 (a Windows shell writes UTF-16); what is no text is refused as no JSON."""
    return data.decode(json.detect_encoding(data), "replace")
