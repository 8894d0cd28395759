"""The first half of the path: a batch is parsed, named, routed and kept, and one record's trouble stays its own."""

import json
from pathlib import Path
from threading import Thread

import pytest

from bot.delivery import Told
from bot.pipeline import in_threads
from bot.routing import Directory
from bot.senders.base import Verdict
from tests.support.bots import Bot, event_of
from tests.support.channel import Channel
from tests.support.clock import FakeClock
from tests.test_delivery import Failing


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path / "outbox.sqlite", {"ops": Channel(), "audit": Channel()})


def test_a_login_is_kept_for_everyone_who_hears_of_it(bot: Bot) -> None:
    intake = bot.take_in(event_of(1))
    assert (intake.rows, intake.new, intake.unkept) == (2, 2, "")
    assert {status.destination: status.waiting for status in bot.outbox.status()} == {"ops": 1, "audit": 1}
    assert bot.tell() == ["audit sent", "ops sent"]


def test_the_card_has_the_persons_and_the_directorys_name(tmp_path: Path) -> None:
    directories = {
        "d-9067000001": Directory(
            id="d-9067000001", name="Engineering", timezone="Asia/Tokyo", language="ja", notify=("ops",)
        )
    }
    bot = Bot(tmp_path / "o", {"ops": Channel()}, directories=directories)
    bot.take_in(event_of(1))
    bot.tell()
    (card,) = bot.channels["ops"].asked
    assert card["users"] == ["alice"]
    assert card["directories"] == ["Engineering"]
    assert (card["language"], card["timezone"]) == ("ja", "Asia/Tokyo")


def test_a_refused_record_costs_its_neighbours_nothing(bot: Bot) -> None:
    raws = [event_of(1), "garbage", event_of(2), {"detail-type": "Something Else"}, event_of(3)]
    intake = bot.take_in(*raws)
    assert [taken.refused for taken in intake.taken] == [
        "",
        "not JSON: expecting value at column 1",
        "",
        "detail-type is 'Something Else', not 'WorkSpaces Access'",
        "",
    ]
    bot.tell()
    assert bot.channels["ops"].event_ids == ["event-1", "event-2", "event-3"]


def test_names_are_asked_for_once_a_batch_and_waited_for_20_seconds_at_the_most(bot: Bot) -> None:
    bot.take_in(event_of(1), event_of(2, workspaceId="ws-other"))
    assert bot.people.asked == [(("ws-8n1k2m3p4", "ws-other"), 20.0)]


def test_naming_leaves_time_to_keep(bot: Bot) -> None:
    bot.pipeline.take_in([event_of(1)], until=bot.clock.now() + 9.0)
    assert bot.people.asked == [(("ws-8n1k2m3p4",), 6.0)]


def test_nobody_is_asked_for_the_names_of_nobody(bot: Bot) -> None:
    bot.take_in("garbage")
    assert bot.people.asked == []


def test_what_could_not_be_kept_is_not_told_and_comes_again(bot: Bot) -> None:
    bot.pipeline = bot.pipeline_on(Failing(bot.outbox, "keep", times=1))
    intake = bot.take_in(event_of(1))
    assert intake.unkept == "the disk is full"
    assert bot.tell() == []
    assert bot.take_in(event_of(1)).unkept == ""
    assert bot.tell() == ["audit sent", "ops sent"]


def test_what_was_kept_although_the_answer_was_lost_is_told_once(bot: Bot) -> None:
    bot.pipeline = bot.pipeline_on(Failing(bot.outbox, "keep", times=1, after=True))
    assert bot.take_in(event_of(1)).unkept == "the disk is full"
    bot.take_in(event_of(1))
    bot.tell()
    assert bot.channels["ops"].event_ids == ["event-1"]


def test_silence_keeps_nothing(tmp_path: Path) -> None:
    bot = Bot(tmp_path / "o", {})
    intake = bot.take_in(event_of(1))
    assert (intake.rows, intake.unkept) == (0, "")


def test_a_slow_channel_is_left_to_the_clock_for_a_minute(tmp_path: Path) -> None:
    def silence() -> Verdict:
        clock.advance(8.0)
        return Verdict.unsure("no answer")

    clock = FakeClock()
    slow, quick = Channel(answers=[silence]), Channel()
    bot = Bot(tmp_path / "o", {"slow": slow, "quick": quick}, clock=clock)
    asked = []
    for number, tell in enumerate(
        [bot.pipeline.tell_quickly] * 2 + [bot.pipeline.tell] + [bot.pipeline.tell_quickly] * 2
    ):
        bot.take_in(event_of(number))
        tell(until=bot.until)
        clock.advance(10.0 if number < 3 else 50.0)
        asked.append((len(slow.asked), len(quick.asked)))
    assert asked == [(1, 1), (1, 2), (4, 3), (4, 4), (6, 5)]


@pytest.mark.parametrize("threads", [0, 1, 2], ids=["none", "one", "two"])
def test_where_there_are_no_threads_groups_are_told_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """As often as a thread could be had, a group is told twice: the second time there is nothing left to tell."""
    start, left = Thread.start, iter(range(threads))

    def start_if_there_is_one(thread: Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", start_if_there_is_one)
    asked: list[str] = []

    def tell(group: str) -> list[Told]:
        asked.append(group)
        return []

    assert in_threads(tell, ["a", "b", "c", "d"]) == [[], [], [], []]
    assert set(asked) == {"a", "b", "c", "d"}
    assert len(asked) <= 8


def test_log_lines_name_the_event_and_never_the_person(bot: Bot, log: pytest.LogCaptureFixture) -> None:
    bot.take_in(event_of(1))
    bot.tell()
    lines = [json.dumps(getattr(record, "fields", {})) for record in log.records if record.name.startswith("bot")]
    assert any('"event-1"' in line and '"sent"' in line for line in lines)
    assert not any("alice" in line or "203.0.113.7" in line for line in lines)
