"""Logins as a mail: a subject, plain text to read, and the same facts as JSON for programs that subscribe to the topic.

SNS makes mail of it. Its subjects are ASCII in every language, so a subject names what ASCII can name: the user, else
the WorkSpace; the directory, else its id.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from bot.events import Login, NamedAfter
from formatters.base import Audience, Payload, Weight
from formatters.content import MAX_VALUE, Content, console_url, directory_of, name_of, tell
from formatters.text import cut, show

MAX_SUBJECT = 99
"""ASCII characters, "less than 100" (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)."""
MAX_MESSAGE = 262_144
"""Bytes of an SNS message, all its forms together (the same page)."""
LINE = 78
"""Columns of a line of mail (RFC 5322, 2.1.1)."""
MAX_FIELD = 512


class EmailFormatter:
    makes: ClassVar[str] = "mail"

    def draw(self, logins: Sequence[Login], audience: Audience) -> Payload:
        content = tell(logins, audience)
        return {"subject": _subject(logins), "text": "\n".join(_lines(content)) + "\n", "data": _data(logins)}

    def weigh(self, payload: Payload) -> Weight:
        """As SNS gets it: the text for mailboxes, and for everybody else the JSON, as text inside JSON."""
        message = _compact({"default": _compact(payload["data"]), "email": payload["text"]})
        return Weight(len(message.encode()), MAX_MESSAGE, "bytes")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_LINKED = re.compile(r":(?=//)|(?<=mailto):|(?<=www)\.|(?<=[^\s(<])@(?=\S)", re.IGNORECASE)
"""What makes an address of its neighbours, in the eyes of a mail program."""


def escape(text: str) -> str:
    """Text for plain mail, in which readers' programs turn addresses into links: an address is broken visibly."""
    return _LINKED.sub(lambda found: f"[{found[0]}]", text)


def _subject(logins: Sequence[Login]) -> str:
    if len(logins) == 1:
        login = logins[0]
        said = f"WorkSpaces login: {_ascii_name(login)} ({_ascii_directory(login)})"
    else:
        directories = list(dict.fromkeys(map(_ascii_directory, logins)))
        more = f" and {len(directories) - 1} more" if len(directories) > 1 else ""
        said = f"WorkSpaces: {len(logins)} logins ({directories[0]}{more})"
    mark = "[SAMPLE] " if all(login.sample for login in logins) else ""
    return _ascii(escape(mark + said))


def _ascii_name(login: Login) -> str:
    name, _ = name_of(login)
    return cut(name if name.isascii() else show(login.workspace_id, MAX_SUBJECT), 44)


def _ascii_directory(login: Login) -> str:
    name = directory_of(login)
    return cut(name if name.isascii() else show(login.directory_id, MAX_SUBJECT), 24)


def _ascii(text: str) -> str:
    """What ASCII can't say is a question mark, an ellipsis three dots."""
    plain = text.replace("…", "...").encode("ascii", "replace").decode()
    return plain if len(plain) <= MAX_SUBJECT else plain[: MAX_SUBJECT - 3] + "..."


def _lines(content: Content) -> Iterator[str]:
    yield from _wrapped(content.headline)
    if content.notes:
        yield ""
    for note in content.notes:
        yield from _wrapped(note, indent="  ")
    yield ""
    for fact in content.facts:
        yield from _wrapped(f"{fact.label}: {fact.text}", indent="  ")
    for group in content.groups:
        yield ""
        if group.title:
            yield from _wrapped(group.title)
        for row in group.rows:
            yield from _wrapped(f"- {row.who}  {row.text}", indent="  ")
    if content.link:
        yield from ("", f"{content.link.label}:", content.link.url)


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(escape(text), LINE, subsequent_indent=indent, break_on_hyphens=False)


def _data(logins: Sequence[Login]) -> dict[str, Any]:
    """One login is a flat object; several are `{"logins": [such objects]}`."""
    return _fields(logins[0]) if len(logins) == 1 else {"logins": [_fields(login) for login in logins]}


def _fields(login: Login) -> dict[str, Any]:
    """All that is known, for programs: cleaned and not escaped, times in ISO 8601 and UTC, empty where unknown.

    `given_up_by` and `given_up_why` are there only where a fallback hears of it: a digest has room for more logins so.
    """
    name, named_after = name_of(login)
    person = login.person
    texts = {
        "event_id": login.event_id,
        "user": name if named_after is NamedAfter.USER else "",
        "name": name,
        "display_name": person.display_name if person else "",
        "email": person.email if person else "",
        "workspace_id": login.workspace_id,
        "directory_id": login.directory_id,
        "directory_name": login.directory_name,
        "account": login.account,
        "region": login.region,
        "address": login.address,
        "client": login.client,
        "client_version": login.client_version,
        "platform": login.platform,
    }
    if login.given_up_by:
        texts |= {"given_up_by": login.given_up_by, "given_up_why": show(login.given_up_why, MAX_VALUE)}
    return {
        **{key: show(text, MAX_FIELD) for key, text in texts.items()},
        "named_after": named_after.value,
        "name_gap": person.gap.value if person and person.gap else "",
        "logged_in_at": _iso(login.logged_in_at),
        "emitted_at": _iso(login.emitted_at),
        "received_at": _iso(login.received_at),
        "console_url": console_url(login),
        "sample": login.sample,
    }


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
