"""Teams' cards are whole in a narrow window: a table where it fits, else lines."""

from typing import Any

import pytest

from bot.events import Person
from formatters.base import Audience
from formatters.teams import TeamsFormatter
from tests.support.logins import make_login


def body(*logins: dict[str, Any], language: str = "en") -> list[dict[str, Any]]:
    payload = TeamsFormatter().draw([make_login(**each) for each in logins], Audience(language))
    elements: list[dict[str, Any]] = payload["attachments"][0]["content"]["body"]
    return elements


def named(name: str, **different: Any) -> dict[str, Any]:
    return {"person": Person(name=name), **different}


FITTING = {
    "the usual login": named("alice"),
    "a long directory of short words": named("alice", directory_name="All of the northern offices and their guests"),
    "a long directory in Japanese": named("alice", directory_name="東京本社経理部第一課給与計算担当班長付"),
    "a long platform with hyphens": named("alice", platform="a-very-long-platform-of-short-words"),
}
TOO_WIDE = {
    "an IPv6 address": named("alice", address="2001:db8:85a3::8a2e:370:7334"),
    "a directory of one long word": named("alice", directory_name="Donaudampfschifffahrtsgesellschaft"),
}


@pytest.mark.parametrize("login", FITTING.values(), ids=FITTING.keys())
def test_facts_that_fit_a_narrow_window_are_a_table(login: dict[str, Any]) -> None:
    assert [each["type"] for each in body(login)] == ["TextBlock", "FactSet", "TextBlock"]


@pytest.mark.parametrize("login", TOO_WIDE.values(), ids=TOO_WIDE.keys())
def test_facts_that_do_not_fit_are_lines(login: dict[str, Any]) -> None:
    elements = body(login)
    assert {each["type"] for each in elements} == {"TextBlock"}
    assert [each["text"].split("**")[1] for each in elements[1:-1]] == [
        "Directory",
        "From",
        "With",
        "When",
        "WorkSpace",
        "Account",
    ]


def test_the_rows_of_a_digest_are_all_tables_or_all_lines() -> None:
    engineering = {"directory_id": "d-9067000001", "directory_name": "Engineering"}
    finance = {"directory_id": "d-9067000002", "directory_name": "Finance"}
    short = body(named("alice", **engineering), named("bob", **finance))
    long = body(named("alice", **engineering), named("bob.with.a.long.name.of.one.word", **finance))
    assert [each["type"] for each in short[1:]] == ["FactSet", "TextBlock", "FactSet", "TextBlock", "FactSet"]
    assert [each["type"] for each in long[1:]] == ["FactSet", "TextBlock", "TextBlock", "TextBlock", "TextBlock"]
    assert [each["text"] for each in long[2:4]] == ["Engineering", "**alice** 203.0.113.7 · Windows · 05:12:00"]


def test_a_typical_row_of_a_digest_takes_140_bytes_at_the_most() -> None:
    formatter, audience = TeamsFormatter(), Audience("en")

    def bytes_of(logins: int) -> int:
        drawn = [make_login(**named(f"user.{number}")) for number in range(logins)]
        return formatter.weigh(formatter.draw(drawn, audience)).used

    assert (bytes_of(100) - bytes_of(50)) / 50 <= 140
