"""What an operator turns: a destination held and released, given-up logins sent again, and nothing else with them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.outbox.base import Row
from bot.outbox.sqlite import SqliteOutbox
from bot.senders.base import Verdict
from tests.support.bots import event_of
from tests.support.cli import USERS, invoke, write
from tests.support.outbox_stores import FREE
from tests.support.providers import Answer, Provider

ROUTES = """
trusted_hosts: ["{eng}", "{ops}"]
destinations:
  eng: {{type: slack, webhook_url: env:ENG_HOOK, pace: {{messages: 100, per: 1}}, digest: {{over: 100}}}}
  ops: {{type: slack, webhook_url: env:OPS_HOOK, pace: {{messages: 100, per: 1}}, digest: {{over: 100}}}}
default: [{default}]
"""


class Desk:
    """An operator's folder: logins go to `eng`, and `ops` is another channel."""

    def __init__(self, folder: Path, eng: Provider, ops: Provider) -> None:
        self.folder, self.eng, self.ops = folder, eng, ops
        self.state = folder / "state.sqlite"
        self.routes = folder / "routes.yml"
        self.route_to("eng")
        self.environment = {
            "ROUTES": str(self.routes),
            "STATE_FILE": str(self.state),
            "USERS_FILE": str(write(folder, "users.csv", USERS)),
            "ENG_HOOK": eng.url,
            "OPS_HOOK": ops.url,
            "COLUMNS": "200",
        }

    def route_to(self, default: str) -> None:
        self.routes.write_text(ROUTES.format(eng=self.eng.host, ops=self.ops.host, default=default))

    def __call__(self, *words: object) -> Any:
        return invoke(*words, **self.environment)

    def run(self, *numbers: int) -> str:
        """Run the events of these numbers; the summary."""
        path = write(self.folder, "events.jsonl", [event_of(number) for number in numbers])
        return str(self("run", *([path] if numbers else [])).stdout.splitlines()[-1])

    def fail(self, *numbers: int) -> None:
        """Have these events given up for `eng`, which is well again afterwards."""
        self.eng.always(Answer(404, "no_service"))
        self.run(*numbers)
        self.eng.always(Answer(200, "ok"))

    @property
    def letters(self) -> list[tuple[str, str]]:
        listed = json.loads(self("dead-letters", "list", "--json").stdout)
        return [(letter["destination"], letter["event_id"]) for letter in listed]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Provider.slack() as eng, Provider.slack() as ops:
        yield Desk(tmp_path, eng, ops)


# hold, release


def test_what_arrives_for_a_held_destination_waits_and_others_go_on(desk: Desk) -> None:
    desk.route_to("eng, ops")
    held = desk("hold", "eng")
    assert (held.exit_code, held.stdout) == (0, "eng is held. To go on: python -m bot release eng\n")
    assert held.stderr == f"note: there was no state at {desk.state}; it was made\n"
    assert desk.run(1, 2) == "2 logins: 2 sent, 0 already said, 2 waiting, 0 given up, 0 refused"
    assert (len(desk.eng.posts), len(desk.ops.posts)) == (0, 2)


def test_a_run_ends_with_what_is_held_and_says_how_it_goes_on(desk: Desk) -> None:
    desk("hold", "eng")
    result = desk("run", write(desk.folder, "one.json", event_of(1)))
    assert result.exit_code == 0
    assert result.stderr == "eng is held; what waits for it goes on after: python -m bot release eng\n"


def test_what_was_held_is_told_by_the_next_run_after_its_release(desk: Desk) -> None:
    desk("hold", "eng")
    desk.run(1, 2)
    released = desk("release", "eng")
    assert released.stdout == (
        "eng is released; 2 logins wait, and the next `run`, or the function's clock, tells them\n"
    )
    assert desk.eng.posts == ()
    assert desk.run() == "0 logins: 2 sent, 0 already known, 0 waiting, 0 given up, 0 refused"
    assert len(desk.eng.posts) == 2


def test_holding_and_releasing_twice_is_said_and_harmless(desk: Desk) -> None:
    desk("hold", "eng")
    desk.run(1)
    assert (
        desk("hold", "eng").stdout == "eng was held already; 1 login waits there. To go on: python -m bot release eng\n"
    )
    desk("release", "eng")
    assert desk("release", "eng").stdout.startswith("eng was not held; 1 login waits")
    desk.run()
    assert desk("release", "eng").stdout == "eng was not held\n"


def test_status_shows_who_is_held(desk: Desk) -> None:
    desk("hold", "ops")
    desk.run(1)
    shown = desk("status").stdout
    assert re.search(r"^ops \(held\) +0 ", shown, re.MULTILINE)
    assert re.search(r"^eng +0 ", shown, re.MULTILINE)
    held = {row["destination"]: row["held"] for row in json.loads(desk("status", "--json").stdout)}
    assert held == {"eng": False, "ops": True}


def test_a_destination_that_left_the_routing_file_can_still_be_released(desk: Desk) -> None:
    desk("hold", "ops")
    desk.routes.write_text("destinations: {eng: {type: console}}\ndefault: [eng]\n")
    assert desk("release", "ops").stdout == "ops is released\n"


def test_a_release_after_too_long_a_hold_says_what_will_be_given_up(desk: Desk) -> None:
    kept_at = SystemClock().now() - 25 * 3600
    outbox = SqliteOutbox(desk.state, SystemClock())
    outbox.keep([Row(destination="eng", event_id="event-1", group="eng", login="{}", kept_at=kept_at)])
    outbox.hold("eng", "eng")
    assert desk("release", "eng").stderr == (
        "note: some have waited longer than its give_up_after of 24 h and are given up, not told;"
        " `dead-letters replay --dest eng` sends those\n"
    )


# dead letters


def test_only_what_failed_is_sent_again(desk: Desk) -> None:
    desk.run(1)
    desk.fail(2, 3)
    before = len(desk.eng.posts)
    replayed = desk("dead-letters", "replay")
    assert (replayed.exit_code, replayed.stdout) == (0, "2 logins of eng wait for eng again\n")
    assert replayed.stderr == "the next `run`, or the function's clock, tells them\n"
    assert len(desk.eng.posts) == before, "the command itself sends nothing"
    assert desk.run(1, 2, 3) == "3 logins: 2 sent, 3 already known, 0 waiting, 0 given up, 0 refused"
    assert len(desk.eng.posts) == before + 2
    assert desk.letters == []
    assert desk("dead-letters", "replay").stdout == "no login was given up\n"


def test_a_dry_run_lists_and_changes_nothing(desk: Desk) -> None:
    desk.fail(1, 2)
    shown = desk("dead-letters", "replay", "--to", "ops", "--dry-run")
    assert shown.exit_code == 0
    assert len(re.findall(r"eng +alice · d-9067000001 +.*no_service.* event-[12]$", shown.stdout, re.MULTILINE)) == 2
    assert shown.stdout.endswith("2 logins of eng would wait for ops again\n")
    assert (shown.stderr, desk.letters) == ("", [("eng", "event-1"), ("eng", "event-2")])


def test_another_destination_hears_of_what_failed_and_of_nothing_that_it_heard_already(desk: Desk) -> None:
    desk.route_to("eng, ops")
    desk.fail(1)
    desk.route_to("eng")
    desk.fail(2)
    replayed = desk("dead-letters", "replay", "--to", "ops")
    assert replayed.stdout == "1 login of eng waits for ops again\n1 login of eng already said there, or waiting\n"
    desk.run()
    assert (len(desk.ops.posts), desk.letters) == (2, [])


def test_one_destinations_dead_letters_are_sent_again_alone(desk: Desk) -> None:
    desk.route_to("eng, ops")
    desk.ops.always(Answer(404, "no_service"))
    desk.fail(1)
    assert desk("dead-letters", "replay", "--dest", "eng").stdout == "1 login of eng waits for eng again\n"
    assert desk.letters == [("ops", "event-1")]
    assert desk("dead-letters", "replay", "--dest", "eng").stdout == "no login was given up for eng\n"


def test_a_destination_without_dead_letters_that_nobody_knows_is_a_mistake(desk: Desk) -> None:
    desk.fail(1)
    wrong = desk("dead-letters", "replay", "--dest", "egn")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr == "error: no destination 'egn' has dead letters; did you mean 'eng'?\n"


def test_the_letters_of_a_destination_that_left_the_file_stay_until_another_is_named(desk: Desk) -> None:
    desk.fail(1)
    desk.routes.write_text(desk.routes.read_text().replace("  eng:", "  team:").replace("[eng]", "[team]"))
    left = desk("dead-letters", "replay")
    assert (left.exit_code, left.stdout) == (0, "")
    assert left.stderr == (
        f"1 login stays given up: eng is no longer in {desk.routes}; name another destination with --to\n"
    )
    assert desk.letters == [("eng", "event-1")]
    assert desk("dead-letters", "replay", "--to", "ops").stdout == "1 login of eng waits for ops again\n"


def test_a_login_that_cannot_be_read_is_still_listed(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "state.sqlite", SystemClock())
    for number, login in enumerate(("{}", "7", "no JSON")):
        outbox.keep([Row(destination="eng", event_id=f"event-{number}", group="eng", login=login, kept_at=1.0)])
    turn = outbox.waiting("eng", 3)
    card = outbox.begin(turn, turn.rows, 60.0, FREE)
    assert card is not None
    outbox.settle(card, Verdict.dead("formatter failed", "payload"), 0.0)
    shown = invoke("dead-letters", "list", "--state", tmp_path / "state.sqlite", COLUMNS="200").stdout
    assert len(re.findall(r"eng +can't be read +formatter failed .* event-\d$", shown, re.MULTILINE)) == 3
    letters = json.loads(invoke("dead-letters", "list", "--json", "--state", tmp_path / "state.sqlite").stdout)
    assert [letter["login"] for letter in letters] == [{}, 7, "no JSON"]
