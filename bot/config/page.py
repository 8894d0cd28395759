"""A routing file as it was written: plain values, and the line on which each of them stands.

Read event by event, without recursion and with every size bounded: a routing file may come from a bucket, and
neither a deep nest nor an alias that multiplies itself may take the function down.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.config import MAX_BYTES
from bot.config.mistakes import Mistakes, Path, quoted

MAX_DEPTH = 20
MAX_VALUES = 100_000
"""Ten thousand directories, each with its own notify, are about 60,000 values in 700 KB."""

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, ten times as fast, where PyYAML was built with it. Only its events are used; no object is ever made."""

_PLAIN: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"-?(0|[1-9][0-9]{0,17})"), int),
    (re.compile(r"-?[0-9]{1,17}\.[0-9]{1,17}"), float),
)
"""What an unquoted scalar is, as YAML 1.2 and editors have it. All else is text: PyYAML's own YAML 1.1 would read
`no` as false, `012345670123` as an octal number and `12:30` as a count of seconds."""

_BROKEN = (
    ("mapping values are not allowed", "a colon stands where none can; put text that holds ': ' in quotes"),
    ("undefined tag handle", "a tag ('!…') that is not defined; leave it out"),
    ("expected ',' or '", "a bracket is not closed, or a comma is missing; mend the brackets"),
    ("end of stream", "a quote is not closed; close it"),
    ("document separator", "a quote is not closed; close it"),
    ("cannot start any token", "a character that text can't begin with (such as @ ` %); put the text in quotes"),
    ("characters are not allowed", "a control character; take it out"),
    ("expected node content", "a bracket or a value is missing; mend the brackets"),
    ("escape character", "an unknown \\ escape in double quotes; use single quotes"),
    ("expected key", "the indentation does not fit the lines above; align it"),
    ("<block end>", "the indentation does not fit the lines above; align it"),
    ("could not find expected ':'", "a key without its colon; write 'key: value'"),
)
"""What YAML's parsers complain of → what the operator does about it."""


class Unreadable(Exception):  # noqa: N818 - a turn of the story, caught where the file is opened
    """Nothing after this line can be understood."""

    def __init__(self, line: int | None, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Page:
    """The file's values, and the line (from 1) of every key path: `("routes", 0, "match")` → 12."""

    data: dict[str, Any]
    lines: dict[Path, int]


def read_page(content: bytes, mistakes: Mistakes) -> Page | None:
    """The page that `content` holds, or None; whatever is wrong with it is noted in `mistakes`."""
    try:
        page = _Builder(mistakes).build(_text(content))
    except Unreadable as problem:
        mistakes.note((), str(problem), line=problem.line)
        return None
    mistakes.lines = page.lines
    return page


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise Unreadable(None, f"the file has more than {MAX_BYTES:,} bytes; make it smaller")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(line, "a character that is not UTF-8; save the file as UTF-8") from None


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read. `merged` are the mappings that `<<` brings in, first one first."""

    path: Path
    value: Any
    anchor: str | None
    began: int  # how many values had been read before it
    key: str | None = None
    merged: list[Any] = field(default_factory=list)


class _Builder:
    def __init__(self, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self.lines: dict[Path, int] = {}
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.read = 0
        self.root: Any = None
        self.documents = 0

    def build(self, text: str) -> Page:
        for event in _events(text):
            self._take(event, event.start_mark.line + 1)
        if self.root is None:
            raise Unreadable(None, "the file is empty; start from routes.example.yml")
        if not isinstance(self.root, dict):
            raise Unreadable(1, "the file must be keys with values; start from routes.example.yml")
        return Page(self.root, self.lines)

    def _take(self, event: Any, line: int) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise Unreadable(line, "a second document begins ('---'); keep one")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._enter({} if isinstance(event, yaml.MappingStartEvent) else [], event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._leave()
            case yaml.AliasEvent():
                self._alias(str(event.anchor), line)
            case yaml.ScalarEvent():
                self._scalar(event, line)

    def _enter(self, value: Any, event: Any, line: int) -> None:
        self._refuse_tag(event, line)
        if len(self.open) >= MAX_DEPTH:
            raise Unreadable(line, f"nested deeper than {MAX_DEPTH} levels")
        if self._wants_key():
            raise Unreadable(line, "a list or mapping stands where a key should; write 'key: value'")
        path = self._place(value, line)
        self.open.append(_Open(path, value, event.anchor, self.read))

    def _leave(self) -> None:
        done = self.open.pop()
        for mapping in done.merged:
            done.value.update({key: value for key, value in mapping.items() if key not in done.value})
        if done.anchor:
            self.anchors[done.anchor] = (done.value, self.read - done.began)

    def _alias(self, anchor: str, line: int) -> None:
        if any(container.anchor == anchor for container in self.open):
            raise Unreadable(line, f"the alias *{quoted(anchor, bare=True)} stands inside of what it repeats")
        if anchor not in self.anchors:
            raise Unreadable(line, f"no anchor &{quoted(anchor, bare=True)} above; write it out, or anchor it first")
        if self._wants_key():
            raise Unreadable(line, "an alias stands where a key should; write the key")
        value, size = self.anchors[anchor]
        self._count(size, line)
        self._place(value, line)

    def _scalar(self, event: Any, line: int) -> None:
        if self._wants_key():
            self._key(event.value, line)
            return
        self._refuse_tag(event, line)
        value = _plain(event.value) if event.implicit[0] else event.value
        path = self._place(value, line)
        if value is None and self.open:
            self.mistakes.note(path, "has no value; give it one, or leave the key out", line=line)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)

    def _key(self, key: str, line: int) -> None:
        mapping = self.open[-1]
        mapping.key = key
        path = (*mapping.path, key)
        if key in mapping.value:
            first = self.lines[path]
            self.mistakes.note(path, f"written twice (first on line {first}); keep one", line=line)
        elif key != "<<":
            self.lines[path] = line

    def _place(self, value: Any, line: int) -> Path:
        """Put `value` where it belongs, and answer where that is."""
        self._count(1, line)
        if not self.open:
            self.root = value
            return ()
        here = self.open[-1]
        if isinstance(here.value, list):
            path = (*here.path, len(here.value))
            here.value.append(value)
            self.lines[path] = line
            return path
        key, here.key = here.key or "", None
        if key != "<<":
            here.value[key] = value
        elif isinstance(value, dict):
            here.merged.append(value)
        else:
            raise Unreadable(line, "'<<' takes the alias of a mapping, such as '<<: *usual'")
        return (*here.path, key)

    def _wants_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].value, dict) and self.open[-1].key is None

    def _count(self, values: int, line: int) -> None:
        self.read += values
        if self.read > MAX_VALUES:
            raise Unreadable(line, f"more than {MAX_VALUES:,} values, aliases written out; make the file smaller")

    def _refuse_tag(self, event: Any, line: int) -> None:
        if event.tag not in (None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise Unreadable(line, "a tag ('!…') means nothing here; leave it out")


def _plain(text: str) -> Any:
    return next((read(text) for pattern, read in _PLAIN if pattern.fullmatch(text)), text)


def _events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise _unreadable(text, error) from None


def _unreadable(text: str, error: yaml.YAMLError) -> Unreadable:
    complaint = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "")
    context = str(getattr(error, "context", None) or "")
    opening = getattr(error, "context_mark", None) if "quoted" in context or "flow" in context else None
    mark = opening or getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else text.count("\n", 0, getattr(error, "position", 0) or 0) + 1
    written = text.splitlines()[line - 1 : line]
    if written and "\t" in written[0][: len(written[0]) - len(written[0].lstrip())]:
        return Unreadable(line, "a tab indents the line; YAML takes spaces only")
    cure = next((cure for fragment, cure in _BROKEN if fragment in complaint), "no YAML can stand like this; mend it")
    return Unreadable(line, cure)
