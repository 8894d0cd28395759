"""The page that `preview --html` writes draws the card with no server and no network, by its reader's own clock."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bot.cli.page import Card
from tests.browser.drawn import show
from tests.support.cli import CONSOLE_ROUTES, invoke, write
from tests.support.logins import event

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def preview(folder: Path, *, to: str, user: str = "alice") -> Path:
    routes = write(folder, "routes.yml", CONSOLE_ROUTES)
    login = write(folder, "event.json", event())
    file = folder / "card.html"
    done = invoke("preview", "--event", login, "--to", to, "--user", user, "--routes", routes, "--html", file)
    assert done.exit_code == 0, done.output
    return file


@pytest.mark.parametrize(
    ("to", "headline"),
    [
        pytest.param("eng", "alice logged in – Engineering", id="Slack"),
        pytest.param("it", "alice がログインしました（Engineering）", id="Teams"),
    ],
)
def test_the_page_shows_the_card_light_and_dark_in_a_window_and_on_a_phone(
    window: "Page", troubles: list[str], tmp_path: Path, to: str, headline: str
) -> None:
    window.context.set_offline(True)
    window.goto(preview(tmp_path, to=to).as_uri())
    names = ["light, in a window", "dark, in a window", "light, on a phone", "dark, on a phone"]
    assert window.locator("figcaption").all_inner_texts() == names
    assert window.get_by_text(headline, exact=True).count() == 4
    assert window.locator(".complaints li").count() == 0
    assert troubles == []


def test_the_page_says_how_large_the_card_is_and_shows_the_json_behind_it(window: "Page", tmp_path: Path) -> None:
    window.goto(preview(tmp_path, to="eng").as_uri())
    assert "of 13,000 characters" in window.locator("dl").inner_text()
    window.get_by_text("The JSON behind it").click()
    assert json.loads(window.locator("details pre").inner_text())["blocks"][0]["type"] == "header"


@pytest.mark.parametrize(
    "user", ["</script><script>document.title='taken'</script>", "<!--<script>", "<img src=x onerror=x>"]
)
@pytest.mark.parametrize("to", ["eng", "it"])
def test_a_name_that_is_a_script_is_shown_and_not_run(
    window: "Page", troubles: list[str], tmp_path: Path, to: str, user: str
) -> None:
    window.goto(preview(tmp_path, to=to, user=user).as_uri())
    assert window.title() == to
    assert window.get_by_text(user).count() >= 4
    assert troubles == []


def test_the_page_runs_no_script_but_its_own(window: "Page", troubles: list[str], tmp_path: Path) -> None:
    file = preview(tmp_path, to="eng")
    slipped_in = "<script>document.title = 'taken'</script><img src='https://images.example/x.png'></html>"
    file.write_text(file.read_text(encoding="utf-8").replace("</html>", slipped_in), encoding="utf-8")
    window.goto(file.as_uri())
    assert window.title() == "eng"
    assert [said for said in troubles if "Content Security Policy" in said][1:]


LOGGED_IN_AT = datetime(2026, 11, 23, 5, 12, tzinfo=UTC)
"""What the cards below tell; 10:42 in the window's time zone."""


def a_slack_line(text: str) -> dict[str, Any]:
    return {"blocks": [{"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}]}


TIMES = {
    "Slack's date and time": ("slack", a_slack_line("<!date^1795410720^on {date_long} at {time}|x>"), "Monday"),
    "Slack's short date": (
        "slack",
        a_slack_line("<!date^1795410720^{date_short_pretty} {time_secs}|x>"),
        "23 Nov 2026",
    ),
    "Slack's number of a date": ("slack", a_slack_line("<!date^1795410720^{date_num}|x>"), "23/11/2026"),
    "a macro that Slack has not": ("slack", a_slack_line("<!date^1795410720^{moon}|at full moon>"), "at full moon"),
    "Teams' time": (
        "teams",
        {
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [{"type": "TextBlock", "text": "{{TIME(2026-11-23T05:12:00Z)}}"}],
        },
        "10:42",
    ),
}


@pytest.mark.parametrize(("kind", "payload", "shown"), TIMES.values(), ids=TIMES.keys())
def test_times_are_shown_by_the_readers_clock_and_language(
    window: "Page", tmp_path: Path, kind: str, payload: dict[str, Any], shown: str
) -> None:
    window.clock.set_fixed_time(LOGGED_IN_AT + timedelta(days=100))
    show(window, tmp_path, [Card("time", kind, payload)])
    assert shown in window.locator("[data-kind] article").inner_text()


@pytest.mark.parametrize(
    ("hours", "shown"), [(1, "today at 10:42"), (24, "yesterday at 10:42"), (-24, "tomorrow at 10:42")]
)
def test_slack_shows_a_near_day_by_its_name(window: "Page", tmp_path: Path, hours: int, shown: str) -> None:
    window.clock.set_fixed_time(LOGGED_IN_AT + timedelta(hours=hours))
    line = a_slack_line("<!date^1795410720^{date_short_pretty} at {time}|x>")
    show(window, tmp_path, [Card("day", "slack", line)])
    assert shown in window.locator("[data-kind] article").inner_text()


def test_a_slack_attachment_has_its_colour_beside_its_blocks(window: "Page", tmp_path: Path) -> None:
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "alice logged in"}}]
    coloured = {"text": "x", "attachments": [{"color": "#2eb886", "blocks": blocks, "fallback": "x"}]}
    show(window, tmp_path, [Card("bar", "slack", coloured)])
    bar = window.locator(".attachment")
    assert bar.inner_text().strip() == "alice logged in"
    assert bar.evaluate("each => getComputedStyle(each).borderLeft") == "4px solid rgb(46, 184, 134)"


def test_what_no_renderer_knows_is_shown_as_json(window: "Page", tmp_path: Path) -> None:
    show(window, tmp_path, [Card("page", "pager", {"page": "<b>alice</b>"})])
    assert '"page": "<b>alice</b>"' in window.locator("[data-kind] article").inner_text()
