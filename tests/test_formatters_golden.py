"""Each sample event as each formatter draws it in each language, kept in tests/golden: a change of a card is seen.

`pytest tests/test_formatters_golden.py --update-golden` rewrites the files; read the difference before you commit it.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.events import Login, NamedAfter, NameGap, Person, parse
from formatters import REGISTRY, formatter_class
from formatters.base import Audience
from formatters.languages import LANGUAGES
from tests.support import limits
from tests.support.logins import EVENTS, event

GOLDEN = Path(__file__).parent / "golden"
RECEIVED = datetime(2026, 11, 23, 5, 12, 11, tzinfo=UTC)
ZONES = {"en": "America/New_York", "ja": "Asia/Tokyo"}
DIRECTORIES = {"d-9067000001": "Engineering", "d-9067000002": "経理部"}
PEOPLE: dict[str, Person | None] = {
    "web-access": Person(name="hanako", display_name="山田 花子", email="hanako@corp.example"),
    "ios": Person(name="svc_build", display_name="Build Service"),
    "zero-client": Person(name="EC2AMAZ-1A2B3C4", named_after=NamedAfter.COMPUTER, gap=NameGap.SHARED),
    "thin-client": Person(name="kiosk-7", named_after=NamedAfter.WORKSPACE, gap=NameGap.SHARED),
    "odd-ids": Person(name="ws-xyskdga", named_after=NamedAfter.ID, gap=NameGap.UNKNOWN),
    "ipv6": Person(name="ws-8n1k2m3p4", named_after=NamedAfter.ID, gap=NameGap.THROTTLED),
    "without-client-version": None,
}
STEMS = sorted(path.stem for path in EVENTS.glob("*.json"))
DIGESTS = ("several", "several-cut", "several-given-up")
MAX_ROWS = {"several-cut": 4}
GIVEN_UP = {
    "ios": ("it-teams", "Teams answered 404: WorkflowNotFound"),
    "ipv6": ("it-teams", "Teams answered 404: WorkflowNotFound"),
    "odd-ids": ("it-teams", "Teams answered 404: WorkflowNotFound"),
    "web-access": ("eng-slack", "Slack answered 410: channel_is_archived"),
}
"""Where logins of a fallback's digest could not be told, and why. The others are its own."""
FILES = [f"{name}/{stem}.{language}.json" for name in REGISTRY for stem in [*STEMS, *DIGESTS] for language in LANGUAGES]


def login_of(stem: str) -> Login:
    login = parse(event(stem), received_at=RECEIVED)
    person = PEOPLE.get(stem, Person(name="alice"))
    return replace(login, person=person, directory_name=DIRECTORIES.get(login.directory_id, ""))


def logins_of(stem: str) -> list[Login]:
    if stem not in DIGESTS:
        return [login_of(stem)]
    logins = {each: login_of(each) for each in STEMS}
    if stem == "several-given-up":
        for each, (destination, reason) in GIVEN_UP.items():
            logins[each] = replace(logins[each], given_up_by=destination, given_up_why=reason)
    return list(logins.values())


def drawn(file: str) -> str:
    name, _, rest = file.partition("/")
    stem, language, _ = rest.split(".")
    formatter = formatter_class(name)()
    payload = formatter.draw(logins_of(stem), Audience(language, ZONES.get(language, "UTC"), MAX_ROWS.get(stem)))
    limits.check(formatter.makes, payload)
    return json.dumps(payload, ensure_ascii=False, indent=2) + "\n"


@pytest.mark.parametrize("file", FILES)
def test_a_card_is_drawn_as_it_was(file: str, pytestconfig: pytest.Config) -> None:
    golden, card = GOLDEN / file, drawn(file)
    if pytestconfig.getoption("--update-golden"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(card, encoding="utf-8")
    assert golden.exists(), f"{file} is missing: see it with --update-golden"
    assert card == golden.read_text(encoding="utf-8")


def test_there_is_no_card_of_what_is_gone() -> None:
    assert {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.json")} <= set(FILES)
