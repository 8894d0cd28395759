"""The inbox as a person uses it: send a login, see its card, break the routing file and mend it, come back later."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bot.cli.inbox.shelf import Shelved
from bot.clock import SystemClock
from formatters.base import Audience
from formatters.slack import SlackFormatter
from tests.support.cli import ROOT
from tests.support.inbox import ROUTES, RunningInbox, inbox
from tests.support.logins import event, make_login

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PATIENCE_MS = 15_000
"""For machines that do much else; what is there is seen at once."""
FINANCE = "d-9067000002"


@pytest.fixture
def expect() -> Callable[..., Any]:
    """Waits for what is not there yet."""
    from playwright.sync_api import expect  # noqa: PLC0415 - half a second, only for those who browse

    expect.set_options(timeout=PATIENCE_MS)
    return expect


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningInbox]:
    with inbox(tmp_path, clock=SystemClock()) as started:
        started.bot.start()
        yield started


@pytest.fixture
def opened(window: "Page", running: RunningInbox, expect: Any) -> "Page":
    window.goto(running.url)
    expect(window.locator("#login [name=directory]")).to_have_value("d-9067000001")
    expect(window.locator("[aria-busy=true]")).to_have_count(0)
    return window


def column(window: "Page", name: str) -> "Locator":
    return window.get_by_role("region", name=name, exact=True)


def cards(window: "Page", name: str) -> "Locator":
    return column(window, name).locator("article.card")


def titles(window: "Page", name: str) -> "Locator":
    return cards(window, name).locator("> header h3")


def fill(window: "Page", **fields: str) -> None:
    for name, value in fields.items():
        window.locator(f"#login [name={name}]").fill(value)


def press(window: "Page", button: str) -> None:
    window.get_by_role("button", name=button, exact=True).click()


def height(shown: "Locator") -> float:
    box = shown.bounding_box()
    assert box is not None
    return box["height"]


# A login


def test_a_login_that_is_sent_is_a_card_with_its_name_in_its_column_and_in_no_other(
    opened: "Page", expect: Any, troubles: list[str]
) -> None:
    fill(opened, user="grace.hopper")
    press(opened, "Send")
    card = cards(opened, "eng-slack")
    expect(card.get_by_text("grace.hopper logged in – Engineering")).to_be_visible()
    expect(card.locator(".outcome")).to_have_text("sent")
    expect(card).to_contain_text("because of directories.d-9067000001: Engineering → eng-slack")
    expect(card.locator(".size")).to_contain_text(re.compile(r"\d{3} of 13,000 characters"))
    expect(opened.locator("#became")).to_have_text("1 login, heard by eng-slack")
    for other in ("ops-slack", "it-teams", "audit-mail"):
        expect(cards(opened, other)).to_have_count(0)
    assert troubles == []


def test_each_column_draws_as_its_channel_does(opened: "Page", expect: Any, troubles: list[str]) -> None:
    fill(opened, directory=FINANCE, user="山田太郎")
    press(opened, "Send")
    expect(cards(opened, "it-teams").locator(".ac-adaptiveCard")).to_contain_text("山田太郎 がログインしました")
    expect(cards(opened, "audit-mail").locator("[data-kind=mail]")).to_contain_text("山田太郎")
    assert troubles == []


def test_the_json_behind_a_card_is_shown_as_text(opened: "Page", expect: Any) -> None:
    press(opened, "Send")
    details = cards(opened, "eng-slack").locator("details.json")
    details.get_by_text("JSON").click()
    expect(details.locator("pre")).to_contain_text('"type": "header"')


def test_five_hundred_at_once_are_digests_and_each_of_them_is_on_one(opened: "Page", expect: Any) -> None:
    press(opened, "Send 500")
    expect(opened.locator("#became")).to_have_text("500 logins, heard by eng-slack")
    shown = titles(opened, "eng-slack")
    expect(shown.first).to_have_text(re.compile(r"^\d+ logins: alice"))
    opened.wait_for_function(
        """() => {
            const titles = document.querySelectorAll("[data-destination=eng-slack] article.card > header h3");
            return [...titles].reduce((sum, { textContent }) => sum + parseInt(textContent), 0) === 500;
        }"""
    )
    expect(column(opened, "eng-slack").locator(".waiting")).to_have_text("")
    assert shown.count() < 20


def test_a_long_card_is_folded_until_somebody_asks_or_comes_to_its_link_by_the_keyboard(
    opened: "Page", expect: Any
) -> None:
    press(opened, "Send 500")
    card = cards(opened, "eng-slack").last  # the first that comes: later ones stand above it
    drawn = card.locator("[data-kind]")
    card.get_by_role("button", name="Show all of it").click()
    assert height(drawn) > 1000
    card.get_by_role("button", name="Show less").click()
    assert height(drawn) < 500
    drawn.get_by_role("link").focus()
    expect(card.get_by_role("button", name="Show less")).to_be_visible()
    expect(drawn.get_by_role("link")).to_be_in_viewport()


def test_a_channel_that_asks_to_wait_shows_until_when(opened: "Page", expect: Any) -> None:
    column(opened, "eng-slack").get_by_role("combobox").select_option("busy")
    press(opened, "Send")
    card = cards(opened, "eng-slack")
    expect(card.locator(".outcome")).to_have_text(re.compile(r"^waiting until \d\d:\d\d:\d\d$"))
    expect(card.locator(".reason")).to_have_text("429: asks to wait 20 s")
    expect(column(opened, "eng-slack").locator(".waiting")).to_have_text(re.compile("^1 login waiting, next card at "))


def test_a_channel_that_does_not_answer_shows_both_cards_the_doubtful_and_the_repeated(
    opened: "Page", expect: Any
) -> None:
    answer = column(opened, "eng-slack").get_by_role("combobox")
    answer.select_option("silent")
    press(opened, "Send")
    outcomes = cards(opened, "eng-slack").locator(".outcome")
    expect(outcomes.last).to_have_text(re.compile(r"^unsure, told again at \d\d:\d\d:\d\d$"))
    answer.select_option("takes")
    expect(outcomes.first).to_have_text("sent")
    expect(outcomes.last).to_have_text(re.compile("^unsure"))


def test_a_channel_that_is_gone_shows_that_it_was_given_up_and_who_heard_instead(opened: "Page", expect: Any) -> None:
    column(opened, "it-teams").get_by_role("combobox").select_option("gone")
    fill(opened, directory=FINANCE, user="bob")
    press(opened, "Send")
    expect(cards(opened, "it-teams").locator(".outcome")).to_have_text("given up")
    expect(cards(opened, "ops-slack")).to_contain_text("because of fallback of it-teams")


def test_a_name_that_is_markup_is_text_wherever_it_stands(opened: "Page", expect: Any, troubles: list[str]) -> None:
    name = "<img src=x onerror=alert(1)>"
    fill(opened, user=name)
    press(opened, "Send")
    expect(titles(opened, "eng-slack")).to_contain_text(name)
    expect(opened.locator("#looked .summary")).to_contain_text(name)
    assert opened.locator("img").count() == 0
    assert troubles == []


def test_a_reload_and_a_restart_find_everything_again(window: "Page", expect: Any, tmp_path: Path) -> None:
    with inbox(tmp_path, clock=SystemClock()) as first:
        first.bot.start()
        window.goto(first.url)
        fill(window, user="grace.hopper")
        press(window, "Send")
        expect(cards(window, "eng-slack")).to_have_count(1)
        window.reload()
        expect(cards(window, "eng-slack").get_by_text("grace.hopper logged in – Engineering")).to_be_visible()
    with inbox(tmp_path, clock=SystemClock()) as second:
        window.goto(second.url)
        expect(cards(window, "eng-slack").get_by_text("grace.hopper logged in – Engineering")).to_be_visible()


def test_a_page_whose_bot_has_ended_says_so(window: "Page", expect: Any, tmp_path: Path) -> None:
    with inbox(tmp_path) as running:
        window.goto(running.url)
        expect(window.locator("#routing")).to_contain_text("is in force")
        expect(window.locator("#connection")).to_have_text("")
    expect(window.locator("#connection")).to_have_text("Not connected: is the bot still running?")


def test_an_open_page_goes_on_with_a_bot_that_is_started_anew(window: "Page", expect: Any, tmp_path: Path) -> None:
    with inbox(tmp_path, clock=SystemClock()) as first:
        window.goto(first.url)
        expect(window.locator("#routing")).to_contain_text("is in force")
        fill(window, user="grace.hopper")
    expect(window.locator("#connection")).to_have_text("Not connected: is the bot still running?")
    with inbox(tmp_path, clock=SystemClock(), port=first.port) as second:
        second.bot.start()
        expect(window.locator("#connection")).to_have_text("")
        press(window, "Send")
        expect(cards(window, "eng-slack").get_by_text("grace.hopper logged in – Engineering")).to_be_visible()


# The composer


def test_while_a_login_is_typed_it_is_seen_where_it_would_go_and_why(opened: "Page", expect: Any) -> None:
    looked = opened.locator("#looked")
    expect(looked.locator(".hears")).to_have_text("eng-slack because of directories.d-9067000001")
    fill(opened, user="svc-backup")
    expect(looked.locator(".hears")).to_have_text("Nobody hears of it.")
    looked.get_by_text("What was looked at").click()
    expect(looked.locator(".matched")).to_have_text("routes[0] user svc-* → nobody, on purpose")


def test_the_card_is_seen_in_each_language_before_it_is_sent(opened: "Page", expect: Any) -> None:
    fill(opened, directory=FINANCE, user="bob")
    looked = opened.locator("#looked")
    teams = looked.locator(".destination").filter(has_text="it-teams")
    expect(teams.get_by_text("bob がログインしました（Finance）")).to_be_visible()
    teams.get_by_text("English", exact=True).click()
    expect(teams.get_by_text("bob logged in – Finance")).to_be_visible()
    expect(cards(opened, "it-teams")).to_have_count(0)


def test_a_pasted_event_is_sent_as_it_is_and_said_once(opened: "Page", expect: Any) -> None:
    opened.get_by_text("Paste an event instead").click()
    fill(opened, user="", event=json.dumps(event()))
    press(opened, "Send")
    expect(cards(opened, "eng-slack")).to_have_count(1)
    press(opened, "Send")
    expect(opened.locator("#became")).to_have_text("1 login, heard by eng-slack; 1 known already, said once")
    expect(cards(opened, "eng-slack")).to_have_count(1)


def test_a_pasted_event_that_is_none_says_why(opened: "Page", expect: Any) -> None:
    opened.get_by_text("Paste an event instead").click()
    fill(opened, event='{"detail-type": "Other"}')
    expect(opened.locator("#looked")).to_have_text("detail-type is 'Other', not 'WorkSpaces Access'")
    fill(opened, event="{")
    expect(opened.locator("#looked")).to_contain_text("JSON")


def test_the_keyboard_alone_sends_a_login(opened: "Page", expect: Any) -> None:
    opened.locator("#login [name=user]").focus()
    opened.keyboard.press("Enter")
    expect(cards(opened, "eng-slack")).to_have_count(1)
    expect(opened.locator("#news")).to_have_text("New card for eng-slack: alice · Engineering · Windows")


# The routing file


def test_a_broken_routing_file_is_shown_at_its_line_and_once_mended_the_next_card_goes_elsewhere(
    opened: "Page", expect: Any, running: RunningInbox
) -> None:
    expect(opened.locator("#routing")).to_contain_text("is in force")
    running.routes.write_text(ROUTES.replace("notify: [eng-slack]", "notify: [eng-slak]"))
    alert = opened.get_by_role("alert")
    expect(alert).to_contain_text("has 1 mistake")
    expect(alert.get_by_role("listitem")).to_have_text(
        re.compile(r"^line 7 directories\..*no destination 'eng-slak'; did you mean 'eng-slack'\?$")
    )
    press(opened, "Send")
    expect(cards(opened, "eng-slack")).to_have_count(1)
    running.routes.write_text(ROUTES.replace("notify: [eng-slack]", "notify: [audit-mail]"))
    expect(alert).to_have_count(0)
    expect(opened.locator("#looked .hears")).to_contain_text("audit-mail")
    press(opened, "Send")
    expect(cards(opened, "audit-mail")).to_have_count(1)
    expect(cards(opened, "eng-slack")).to_have_count(1)


def test_another_routing_text_is_tried_on_the_login_and_saved_nowhere(
    opened: "Page", expect: Any, running: RunningInbox
) -> None:
    opened.get_by_text("Try another routing text").click()
    text = opened.get_by_label("Routing text")
    expect(text).to_have_value(ROUTES)
    text.fill(ROUTES.replace("notify: [eng-slack]", "notify: [ops-slack]"))
    expect(opened.locator("#tried .hears")).to_have_text("ops-slack because of directories.d-9067000001")
    expect(opened.locator("#looked .hears")).to_have_text("eng-slack because of directories.d-9067000001")
    text.fill(ROUTES.replace("notify: [eng-slack]", "notify: [ops-slak]"))
    press(opened, "line 7")
    selected = text.evaluate("each => each.value.slice(each.selectionStart, each.selectionEnd)")
    assert selected == "  d-9067000001: {name: Engineering, notify: [ops-slak]}"
    assert running.routes.read_text() == ROUTES


# For everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["window", "phone"])
def test_the_page_keeps_wcag_2_2_aa(
    opened: "Page", expect: Any, running: RunningInbox, scheme: Any, size: tuple[int, int]
) -> None:
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size({"width": size[0], "height": size[1]})
    column_of_gone = running.page_posts("/answer", {"destination": "audit-mail", "answer": "gone"})
    assert column_of_gone.status == 200
    running.program_posts({"detail-type": "Other"})
    fill(opened, directory=FINANCE)
    press(opened, "Send")
    expect(opened.locator("[data-destination=it-teams] article.card")).to_have_count(1)
    fill(opened, directory="d-9067000001")
    press(opened, "Send 50")
    running.routes.write_text(ROUTES.replace("default: [ops-slack]", "default: [ops-slak]"))
    expect(opened.get_by_role("alert")).to_be_visible()
    expect(opened.locator("[data-destination=eng-slack] article.card").first).to_be_attached()
    expect(opened.locator("[data-destination=eng-slack] .waiting")).to_have_text("")
    expect(opened.locator("#looked .hears")).to_have_text("eng-slack because of directories.d-9067000001")
    for summary in opened.locator("#composer summary:visible").all():
        summary.click()
    opened.evaluate(AXE.read_text(encoding="utf-8") + "; 0")
    found = opened.evaluate("tags => axe.run(document, { runOnly: tags })", WCAG)
    told = [
        (each["id"], node["target"], node["failureSummary"]) for each in found["violations"] for node in each["nodes"]
    ]
    assert told == []
    assert len(found["passes"]) > 15


def test_on_a_phone_one_column_is_shown_and_nothing_sticks_out(opened: "Page", expect: Any) -> None:
    opened.set_viewport_size({"width": 360, "height": 740})
    fill(opened, directory=FINANCE)
    press(opened, "Send")
    expect(column(opened, "it-teams")).to_be_hidden()
    opened.get_by_role("navigation").get_by_role("button", name="it-teams").click()
    expect(cards(opened, "it-teams")).to_have_count(1)
    expect(column(opened, "eng-slack")).to_be_hidden()
    assert opened.evaluate("document.documentElement.scrollWidth") == 360


def test_the_look_is_chosen_for_page_and_cards_and_remembered(opened: "Page", expect: Any) -> None:
    press(opened, "Send")
    drawn = cards(opened, "eng-slack").locator("[data-kind]")
    expect(drawn).to_have_attribute("data-theme", "light")
    opened.get_by_label("Dark").check()
    expect(drawn).to_have_attribute("data-theme", "dark")
    opened.reload()
    expect(drawn).to_have_attribute("data-theme", "dark")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"


def test_of_a_thousand_cards_only_those_near_the_window_are_drawn(
    window: "Page", expect: Any, running: RunningInbox
) -> None:
    payload = SlackFormatter().draw([make_login()], Audience())
    for number in range(1000):
        running.bot.shelf.add(
            Shelved(
                destination="eng-slack",
                kind="slack",
                told_at=1_795_410_000.0 + number,
                outcome="sent",
                reason="",
                until=None,
                event_ids=(f"event-{number}",),
                payload=payload,
            )
        )
    window.goto(running.url)
    shown = cards(window, "eng-slack")
    expect(shown).to_have_count(20)
    drawn = shown.locator("[data-kind]")
    expect(drawn.first).to_be_visible()
    assert drawn.count() < 10
    for page in range(1, 4):
        last = shown.nth(20 * page - 1)
        last.scroll_into_view_if_needed()
        expect(last.locator("[data-kind]")).to_be_visible()
        expect(shown.nth(20 * page)).to_be_attached()
    window.wait_for_function("most => document.querySelectorAll('article.card [data-kind]').length < most", arg=20)
