"""The second half of the path: what was kept is told once, in order, under every verdict and in spite of everything."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.delivery import CALL_WAIT, LEASE, LONGEST_HOLD, LONGEST_OWN_HOLD
from bot.drawing import MOST_DOUBTS
from bot.outbox.base import OutboxError, Row
from bot.outbox.sqlite import SqliteOutbox
from bot.senders import answers
from bot.senders.base import SEND_SECONDS, Verdict
from bot.senders.wire import Answer
from tests.support.bots import Bot, event_of
from tests.support.channel import Channel

AGAIN = Verdict.again("503")
UNSURE = Verdict.unsure("no answer")
DEAD_CARD = Verdict.dead("400 invalid_payload", "payload")
DEAD_PLACE = Verdict.dead("404 no_service", "destination")


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def bot(tmp_path: Path, channel: Channel) -> Bot:
    return Bot(tmp_path / "outbox.sqlite", {"ops": channel})


def dead_letters(bot: Bot) -> list[tuple[str, str, str]]:
    return [(letter.destination, letter.event_id, letter.reason) for letter in bot.outbox.dead_letters()]


def test_logins_are_told_oldest_first_and_once(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1), event_of(2), event_of(3))
    assert bot.tell() == ["ops sent"] * 3
    assert bot.tell() == []
    assert channel.event_ids == ["event-1", "event-2", "event-3"]


def test_an_event_that_comes_again_is_not_told_again(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1), event_of(1))
    bot.tell()
    intake = bot.take_in(event_of(1))
    bot.tell()
    assert (intake.rows, intake.new) == (1, 0)
    assert channel.event_ids == ["event-1"]


def test_what_was_not_taken_is_told_again_in_the_same_call_when_the_wait_is_short(bot: Bot, channel: Channel) -> None:
    channel.answers = [AGAIN, Verdict.again("429", after=1.5)]
    bot.take_in(event_of(1))
    assert bot.tell() == ["ops again", "ops again", "ops sent"]
    assert bot.clock.slept == [1.0, 1.5]


def test_a_long_retry_after_is_left_to_the_clock_and_seen_by_every_copy(bot: Bot, channel: Channel) -> None:
    channel.answers = [Verdict.again("429", after=30.0)]
    bot.take_in(event_of(1))
    assert bot.tell() == ["ops again"]
    other = Bot(bot.path, {"ops": channel}, clock=bot.clock)
    bot.clock.advance(30.0 - CALL_WAIT - 0.1)
    assert other.tell() == []
    bot.clock.advance(CALL_WAIT + 0.1)
    assert other.tell() == ["ops sent"]
    assert channel.event_ids == ["event-1", "event-1"]


def test_what_comes_in_while_a_channel_is_held_for_a_moment_is_told_in_the_same_call(
    bot: Bot, channel: Channel
) -> None:
    channel.answers = [Verdict.again("429", after=1.5)]
    bot.take_in(event_of(1))
    assert bot.tell(seconds=3.0) == ["ops again"]
    bot.take_in(event_of(2))
    assert bot.tell() == ["ops sent", "ops sent"]
    assert bot.clock.slept == [1.5]


@pytest.mark.parametrize(
    ("verdicts", "pauses"),
    [
        ([AGAIN] * 5, [1, 2, 4, 8, 16]),
        ([AGAIN] * 12, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]),
        ([UNSURE] * 3, [3, 6, 12]),
        ([Verdict.again("503", after=0.0)] * 2, [1, 2]),
        ([Verdict.again("429", throttled=True)] * 8, [1, 2, 4, 8, 16, 32, LONGEST_OWN_HOLD, LONGEST_OWN_HOLD]),
        ([Verdict.again("429", after=1e9)], [LONGEST_HOLD]),
        ([Verdict.again("429", after=7.5)] * 2, [7.5, 7.5]),
        ([Verdict.again("429", after=0.001)] * 2, [1, 1]),
    ],
    ids=[
        "again",
        "again for long",
        "unsure",
        "after nothing",
        "throttled",
        "after an age",
        "after what it says",
        "after no time",
    ],
)
def test_pauses_grow_unless_the_provider_names_one(
    bot: Bot, channel: Channel, verdicts: list[Verdict], pauses: list[float]
) -> None:
    channel.answers = list(verdicts)
    bot.different = {"ops": {"give_up_after": 1e9}}
    bot.pipeline = bot.pipeline_on(bot.outbox)
    bot.take_in(event_of(1))
    for pause in pauses:
        before = len(channel.asked)
        bot.tell(seconds=2.0)  # enough for a send, too short for a wait
        assert len(channel.asked) == before + 1
        bot.clock.advance(pause - 0.01)
        assert bot.tell(seconds=2.0) == []
        bot.clock.advance(0.01)
    assert bot.tell() == ["ops sent"]


NO_TIME = {
    "none": {},
    "nothing": {"retry-after": "0"},
    "less than nothing": {"retry-after": "-5"},
    "no number": {"retry-after": "nan"},
    "no sense": {"retry-after": "soon"},
    "a date that is past": {
        "retry-after": "Mon, 23 Nov 2026 04:00:00 GMT",
        "date": "Mon, 23 Nov 2026 05:00:00 GMT",
    },
}


@pytest.mark.parametrize("headers", NO_TIME.values(), ids=NO_TIME.keys())
def test_a_429_that_names_no_time_holds_its_channel_longer_and_longer(
    bot: Bot, channel: Channel, headers: dict[str, str]
) -> None:
    """Three logins on a card each, told by two copies in turn: whichever comes next, the channel is left alone."""
    copies = [bot, Bot(bot.path, {"ops": channel}, clock=bot.clock)]
    channel.answers = [answers.verdict("Slack", Answer(429, headers, ""))] * 4
    bot.take_in(event_of(1), event_of(2), event_of(3))
    for number, pause in enumerate([1.0, 2.0, 4.0, 8.0]):
        assert copies[number % 2].tell(seconds=2.0) == ["ops again"]
        bot.clock.advance(pause - 0.01)
        assert [copy.tell(seconds=2.0) for copy in copies] == [[], []]
        bot.clock.advance(0.01)
    assert bot.tell(seconds=60.0) == ["ops sent"] * 3
    channel.answers = [answers.verdict("Slack", Answer(429, headers, ""))]
    bot.take_in(event_of(4), event_of(5))
    assert bot.tell(seconds=2.0) == ["ops again"]
    bot.clock.advance(1.0)
    assert bot.tell() == ["ops sent"] * 2, "what was taken begins the count anew"


def test_a_doubt_is_told_again_and_counted(bot: Bot, channel: Channel) -> None:
    channel.answers = [UNSURE]
    bot.take_in(event_of(1))
    assert bot.tell() == ["ops unsure"], "a doubt is no hurry: the clock tells it again"
    bot.clock.advance(3.0)
    assert bot.tell() == ["ops sent"]
    assert [status.doubts for status in bot.outbox.status()] == [1]


def test_a_login_that_may_have_been_said_too_often_is_given_up(bot: Bot, channel: Channel) -> None:
    channel.answers = [UNSURE] * 100
    bot.take_in(event_of(1))
    for _ in range(24 * 60):
        bot.tell()
        bot.clock.advance(60.0)
    assert len(channel.asked) == MOST_DOUBTS
    assert dead_letters(bot) == [("ops", "event-1", "may have been said 12 times (last: no answer)")]


@pytest.mark.slow
@pytest.mark.parametrize("bad", [AGAIN, UNSURE, Verdict.sent], ids=["not taken", "unsure", "no verdict"])
def test_a_login_that_is_never_taken_holds_up_no_other(bot: Bot, channel: Channel, bad: Any) -> None:
    """An hour of a login a minute: each is said within seconds, whatever becomes of the first."""
    channel.never, channel.instead = "event-0", bad
    for number in range(60):
        bot.take_in(event_of(number))
        bot.tell(seconds=10.0)
        assert number == 0 or channel.event_ids[-1] == f"event-{number}" or f"event-{number}" in channel.event_ids
        bot.clock.advance(50.0)
    assert {status.said for status in bot.outbox.status()} == {59}


def test_what_was_never_tried_is_tried_before_it_is_given_up(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1))
    bot.clock.advance(40 * 3600.0)
    assert bot.tell() == ["ops sent"]


def test_a_card_that_will_never_work_is_given_up_and_its_neighbours_go_on(bot: Bot, channel: Channel) -> None:
    channel.answers = [Verdict.sent(), DEAD_CARD]
    bot.take_in(event_of(1), event_of(2), event_of(3))
    assert bot.tell() == ["ops dead", "ops sent", "ops sent"]
    assert dead_letters(bot) == [("ops", "event-2", "400 invalid_payload")]
    assert channel.refreshed == 0


def test_a_dead_destination_is_tried_once_more_with_its_secret_read_afresh(bot: Bot, channel: Channel) -> None:
    channel.answers = [DEAD_PLACE]
    bot.take_in(event_of(1))
    assert bot.tell() == ["ops sent"]
    assert (channel.refreshed, len(channel.asked)) == (1, 2)


def test_a_destination_that_stays_dead_gives_its_logins_up_with_the_reason(bot: Bot, channel: Channel) -> None:
    channel.answers = [DEAD_PLACE, DEAD_PLACE]
    bot.take_in(event_of(1))
    assert bot.tell() == ["ops dead"]
    (letter,) = bot.outbox.dead_letters()
    assert letter.reason == "404 no_service"
    assert letter.first_try == letter.last_try == bot.clock.now()
    assert bot.take_in(event_of(1)).new == 0, "what was given up does not come back by a repeat"


def test_a_login_that_waited_too_long_is_given_up_with_the_last_reason(bot: Bot, channel: Channel) -> None:
    bot.different = {"ops": {"give_up_after": 100.0}}
    bot.pipeline = bot.pipeline_on(bot.outbox)
    channel.answers = [Verdict.again("503 from ops", after=99.0)]
    bot.take_in(event_of(1))
    bot.tell()
    bot.clock.advance(100.0)
    assert bot.tell() == ["ops dead"]
    assert dead_letters(bot) == [("ops", "event-1", "not told within 100 s (last: 503 from ops)")]
    assert len(channel.asked) == 1


def test_a_copy_with_another_routing_file_leaves_what_it_does_not_know_alone(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1))
    other = Bot(bot.path, {"other": Channel()}, clock=bot.clock)
    assert other.tell() == ["ops again"]
    assert other.tell() == []
    bot.clock.advance(60.0)
    assert bot.tell() == ["ops sent"]


def test_a_destination_that_left_the_routing_file_for_good_gives_its_logins_up(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1))
    without = Bot(bot.path, {"other": Channel()}, clock=bot.clock)
    without.tell()
    bot.clock.advance(24 * 3600.0)
    assert without.tell() == ["ops dead"]
    (letter,) = bot.outbox.dead_letters()
    assert letter.reason == "not told within 86400 s (last: destination 'ops' is not in this routing file)"
    assert (letter.tries, letter.first_try) == (0, None), "nothing was ever sent"


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "a formatter that raises": (
        {"formatter": "tests.support.channel:PickyFormatter"},
        "formatter 'tests.support.channel:PickyFormatter' failed with ValueError",
    ),
    "a formatter that is not there": (
        {"formatter": "tests.support.channel:Nothing"},
        "formatter 'tests.support.channel:Nothing' failed with PluginError",
    ),
}


@pytest.mark.parametrize(("different", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_card_that_cannot_be_drawn_is_given_up_and_tells_nothing_of_the_error(
    tmp_path: Path, different: dict[str, Any], reason: str
) -> None:
    bot = Bot(tmp_path / "o", {"ops": Channel()}, names={"ws-8n1k2m3p4": "mallory"}, different={"ops": different})
    bot.take_in(event_of(1))
    assert bot.tell() == ["ops dead"]
    assert dead_letters(bot) == [("ops", "event-1", reason)]


def test_a_sender_that_raises_is_a_doubt(bot: Bot, channel: Channel) -> None:
    channel.answers = [RuntimeError("https://hooks.example/hunter2")]
    bot.take_in(event_of(1))
    assert bot.tell() == ["ops unsure"]
    assert "hunter2" not in str(bot.told)


def test_a_sender_that_cannot_be_made_leaves_its_logins_waiting(tmp_path: Path) -> None:
    different = {"ops": {"type": "tests.support.channel:UnmakeableSender"}}
    bot = Bot(tmp_path / "o", {"ops": Channel(), "eng": Channel()}, different=different)
    bot.take_in(event_of(1))
    assert bot.tell(seconds=2.0) == ["eng sent", "ops again"]
    assert {status.destination: status.waiting for status in bot.outbox.status()} == {"ops": 1, "eng": 0}


def test_one_destinations_trouble_is_never_anothers(tmp_path: Path) -> None:
    channels = {f"team-{number:02}": Channel() for number in range(20)}
    channels["team-07"].answers = [DEAD_PLACE] * 200
    bot = Bot(tmp_path / "o", channels)
    bot.take_in(*(event_of(number) for number in range(5)))
    bot.tell()
    for name, channel in channels.items():
        if name != "team-07":
            assert channel.event_ids == [f"event-{number}" for number in range(5)], name
    assert {letter.destination for letter in bot.outbox.dead_letters()} == {"team-07"}


def test_nothing_is_begun_that_the_call_has_no_time_to_settle(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1))
    assert bot.tell(seconds=1.9) == []
    assert channel.asked == []


def test_a_send_may_take_no_longer_than_the_call(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1), event_of(2))
    bot.pipeline.tell(until=bot.clock.now() + 3.0)
    assert channel.timeouts == [3.0, 3.0]
    bot.take_in(event_of(3))
    bot.tell()
    assert channel.timeouts[-1] == SEND_SECONDS


def test_a_wait_never_goes_past_the_calls_end(bot: Bot, channel: Channel) -> None:
    channel.answers = [Verdict.again("429", after=1.5)]
    bot.take_in(event_of(1))
    assert bot.tell(seconds=3.0) == ["ops again"]
    assert bot.clock.slept == []


class Failing:
    """The outbox, which fails at one method as often as `times` says, before or after it did its work."""

    def __init__(self, inner: SqliteOutbox, method: str, *, times: int, after: bool = False) -> None:
        self._inner, self._method, self._times, self._after = inner, method, times, after

    def __getattr__(self, name: str) -> Any:
        real: Callable[..., Any] = getattr(self._inner, name)
        return real if name != self._method else self._failing(real)

    def _failing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._times <= 0:
                return real(*args, **kwargs)
            self._times -= 1
            if self._after:
                real(*args, **kwargs)
            raise OutboxError("the disk is full")

        return call


@pytest.mark.parametrize("method", ["due", "waiting", "begin"])
def test_an_outbox_that_fails_before_a_send_costs_a_turn_and_no_login(bot: Bot, channel: Channel, method: str) -> None:
    bot.take_in(event_of(1))
    bot.pipeline = bot.pipeline_on(Failing(bot.outbox, method, times=1))
    assert bot.tell() == []
    assert channel.asked == []
    assert bot.tell() == ["ops sent"]


@pytest.mark.parametrize("after", [False, True], ids=["not written", "answer lost"])
def test_a_verdict_is_written_in_spite_of_a_failing_outbox(bot: Bot, channel: Channel, *, after: bool) -> None:
    bot.take_in(event_of(1))
    bot.pipeline = bot.pipeline_on(Failing(bot.outbox, "settle", times=2, after=after))
    assert bot.tell() == ["ops sent"]
    bot.clock.advance(LEASE + 1)
    assert bot.tell() == []
    assert channel.event_ids == ["event-1"]


def test_a_verdict_that_cannot_be_written_is_a_doubt_that_is_counted(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1))
    bot.pipeline = bot.pipeline_on(Failing(bot.outbox, "settle", times=3))
    assert bot.tell() == ["ops sent"]
    assert bot.told[0].settled is False
    bot.clock.advance(LEASE + 1)
    assert bot.tell() == ["ops sent"]
    assert channel.event_ids == ["event-1", "event-1"]
    assert [status.doubts for status in bot.outbox.status()] == [1]


def test_only_one_of_two_copies_tells_a_card(bot: Bot, channel: Channel) -> None:
    other = Bot(bot.path, {"ops": channel}, clock=bot.clock)
    bot.take_in(event_of(1), event_of(2))
    channel.answers = [lambda: Verdict.sent("while the other copy told: " + str(other.tell()))]
    bot.tell()
    assert bot.told[0].verdict.reason == "while the other copy told: []"
    assert channel.event_ids == ["event-1", "event-2"]


def test_a_copy_that_comes_back_after_its_lease_writes_nothing(bot: Bot, channel: Channel) -> None:
    other = Bot(bot.path, {"ops": channel}, clock=bot.clock)

    def slow() -> Verdict:
        bot.clock.advance(LEASE + 1)
        other.tell(seconds=5.0)
        return DEAD_CARD

    bot.take_in(event_of(1))
    channel.answers = [slow]
    bot.tell()
    assert bot.told[0].settled is False
    assert dead_letters(bot) == []
    assert [(status.said, status.doubts) for status in bot.outbox.status()] == [(1, 1)]


def test_rows_of_an_earlier_version_of_a_login_are_still_told(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1))
    kept: Row = bot.outbox.waiting("ops", 1).rows[0]
    newer = kept.login.replace('"event-1"', '"event-2"').replace("{", '{"mood":"fine",', 1)
    bot.outbox.keep([replace(kept, event_id="event-2", login=newer)])
    bot.tell()
    assert channel.event_ids == ["event-1", "event-2"]


def test_a_login_that_cannot_be_read_back_is_given_up_alone(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1))
    kept = bot.outbox.waiting("ops", 1).rows[0]
    bot.outbox.keep([replace(kept, event_id="event-2", login="{")])
    assert bot.tell() == ["ops dead", "ops sent"]
    assert [event_id for _, event_id, _ in dead_letters(bot)] == ["event-2"]


def test_the_lease_outlives_a_card_sent_twice() -> None:
    assert 2 * SEND_SECONDS + 2 * CALL_WAIT < LEASE
