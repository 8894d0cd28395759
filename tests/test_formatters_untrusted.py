"""Whatever somebody else wrote is shown as text: it mentions nobody, links nothing, styles nothing, breaks no card."""

import html
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.events import Login, Person
from formatters import REGISTRY, email, formatter_class, slack, teams
from formatters.base import Audience, Payload
from formatters.languages import LANGUAGES
from formatters.text import show
from tests.support import limits, untrusted
from tests.support.examples import examples
from tests.support.logins import make_login

FORMATTERS = [formatter_class(name)() for name in REGISTRY]
AUDIENCES = st.builds(Audience, st.sampled_from(sorted(LANGUAGES)), st.sampled_from(["UTC", "Asia/Kathmandu"]))
SENTENCE = {"en": "{who} logged in", "ja": "{who} がログインしました"}

some = examples(30)


@some
@given(st.lists(untrusted.logins(), min_size=1, max_size=4), AUDIENCES)
@example([make_login(workspace_id="\u200b", directory_id="\u200b", directory_name="", person=None)], Audience())
def test_every_formatter_draws_a_card_that_its_channel_takes(logins: list[Login], audience: Audience) -> None:
    for formatter in FORMATTERS:
        payload = formatter.draw(logins, audience)
        limits.check(formatter.makes, payload)
        used, allowed = limits.size(formatter.makes, payload)
        assert used <= allowed
        assert formatter.weigh(payload).fits
        assert links(payload) <= {*map(console, logins), ""}


def links(payload: Payload) -> set[str]:
    """The hosts of all addresses that a channel makes links of, by structure or by markup."""
    urls = [str(each["url"]) for each in limits.objects(payload) if "url" in each]
    for text in limits.strings({key: payload[key] for key in payload if key not in ("data", "subject")}):
        urls += re.findall(r"(?<!\\)\]\((.*?)\)", text) if "@type" in payload else []
    for each in limits.objects(payload.get("blocks")):
        if each.get("type") == "mrkdwn":
            urls += [found for found in re.findall(r"<([^>|]*)", each["text"]) if not found.startswith("!date^")]
    if "subject" in payload:
        urls += re.findall(r"\w+://\S*", payload["text"])
    return {urlsplit(url).hostname or "" for url in urls}


def console(login: Login) -> str:
    return f"{login.region}.console.aws.amazon.com"


# Slack: https://docs.slack.dev/messaging/formatting-message-text


@pytest.mark.parametrize("value", untrusted.CORPUS.values(), ids=untrusted.CORPUS.keys())
def test_slack_gets_untrusted_text_only_where_it_parses_nothing(value: str) -> None:
    payload = slack.SlackFormatter().draw([untrusted.everywhere(value), make_login()], Audience())
    harmless = slack.SlackFormatter().draw([untrusted.everywhere("x"), make_login()], Audience())
    assert parsed_by_slack(payload) == parsed_by_slack(harmless)
    assert payload["mrkdwn"] is False
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", payload["text"])


def parsed_by_slack(payload: Payload) -> list[str]:
    """The strings in which Slack reads markup."""
    return [each["text"] for each in limits.objects(payload["blocks"]) if each.get("type") == "mrkdwn"]


def test_slack_shows_a_name_as_it_is() -> None:
    name = "<!channel> *x* &lt; `y`"
    payload = slack.SlackFormatter().draw([make_login(person=Person(name=name), directory_name="")], Audience())
    assert payload["blocks"][0]["text"] == {"type": "plain_text", "text": f"{name} logged in", "emoji": False}
    assert payload["text"].startswith("&lt;!channel&gt; *x* &amp;lt; `y` logged in")


# Teams: https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format


def render(text: str, preset: str) -> str:
    """Text as a Markdown reader draws it, with tables, strike-through and bare links where the preset has them."""
    return str(MarkdownIt(preset).render(text)).removeprefix("<p>").removesuffix("</p>\n")


@pytest.mark.parametrize("preset", ["commonmark", "js-default"])
@pytest.mark.parametrize("value", untrusted.CORPUS.values(), ids=untrusted.CORPUS.keys())
def test_markdown_makes_nothing_of_escaped_text(value: str, preset: str) -> None:
    shown = show(value, 200)
    assert html.unescape(render(teams.escape(shown), preset)) == shown
    assert not re.search(r"<(?!/?p>)", render(teams.escape(shown), preset))


@some
@given(untrusted.text)
def test_markdown_makes_nothing_of_any_escaped_text(value: str) -> None:
    shown = show(value, 200)
    assert html.unescape(render(teams.escape(shown), "js-default")) == shown


@pytest.mark.parametrize("value", untrusted.CORPUS.values(), ids=untrusted.CORPUS.keys())
def test_teams_expands_no_date_but_the_login_s_own(value: str) -> None:
    login = untrusted.everywhere(value)
    text = json.dumps(teams.TeamsFormatter().draw([login], Audience()))
    assert re.findall(r"\{\{.*?\}\}", text) == [
        "{{DATE(2026-11-23T05:12:00Z,SHORT)}}",
        "{{TIME(2026-11-23T05:12:00Z)}}",
    ]
    for formatter in FORMATTERS:
        if formatter.makes == "teams":
            assert "{{" not in json.dumps(formatter.draw([login, login], Audience()))


@pytest.mark.parametrize(
    "text",
    ["alice", "svc_backup", "d-9067000001", "203.0.113.7", "2001:db8::7", "5.23.0.1234", "a+b", "山田", "UTC+05:45"],
)
def test_what_markdown_reads_nothing_in_is_left_clean(text: str) -> None:
    assert teams.escape(text) == text


def test_a_bare_address_is_broken_for_those_who_link_it() -> None:
    assert teams.escape("https://evil.example www.x") == r"https:\//evil\.example www\.x"
    assert email.escape("https://evil.example www.x") == "https[:]//evil.example www[.]x"
    assert email.escape("HTTP://x WwW.x") == "HTTP[:]//x WwW[.]x"
    assert email.escape("eve@evil.example Mailto:eve") == "eve[@]evil.example Mailto[:]eve"
    assert email.escape("@everyone: at 05:12, 2001:db8::7") == "@everyone: at 05:12, 2001:db8::7"


# Mail


@pytest.mark.parametrize("value", untrusted.CORPUS.values(), ids=untrusted.CORPUS.keys())
@pytest.mark.parametrize("audience", [Audience(), Audience("ja", "Asia/Tokyo")], ids=["en", "ja"])
def test_mail_holds_no_address_that_it_did_not_make(value: str, audience: Audience) -> None:
    payload: Mapping[str, Any] = email.EmailFormatter().draw([untrusted.everywhere(value), make_login()], audience)
    assert not re.findall(r"://|www\.|mailto:|[^\s(<\[]@\S", payload["subject"] + payload["text"], re.IGNORECASE)
    assert not re.findall(r"://", json.dumps([login["console_url"] for login in payload["data"]["logins"][:1]]))
