"""Many logins for one destination: digests under the channel's pace, each login on one card, the bad one found."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bot.config import Digest
from bot.delivery import LEASE, UNKEPT_REST
from bot.drawing import MOST_DOUBTS
from bot.outbox.base import OutboxError, Row
from bot.pace import Pace
from bot.routing import Directory
from bot.senders.base import Verdict
from tests.support.bots import Bot, event_of
from tests.support.channel import ROOM, Channel
from tests.support.clock import START, FakeClock
from tests.support.outbox_aws import FaultyAws
from tests.support.outbox_stores import STORES
from tests.support.outbox_table import SmallTable
from tests.test_delivery import Failing, dead_letters

UNSURE = Verdict.unsure("no answer")
DEAD_PLACE = Verdict.dead("404 no_service", "destination")
SLACK = Pace(messages=1, per=1.0, gap=0.0, group="ops")
TEAMS = Pace(messages=25, per=300.0, gap=0.35, group="ops")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def channel(clock: FakeClock) -> Channel:
    return Channel(clock=clock)


@pytest.fixture
def bot(tmp_path: Path, channel: Channel, clock: FakeClock) -> Bot:
    return Bot(tmp_path / "outbox.sqlite", {"ops": channel}, clock=clock)


def bot_with(bot: Bot, **different: Any) -> Bot:
    """The same bot, its destination `ops` with something different."""
    bot.different = {"ops": different}
    bot.pipeline = bot.pipeline_on(bot.outbox)
    return bot


def cards(channel: Channel) -> list[int]:
    return [len(payload["event_ids"]) for payload in channel.asked]


def names(numbers: range) -> list[str]:
    return [f"event-{number}" for number in numbers]


def events(numbers: range) -> list[dict[str, Any]]:
    return [event_of(number) for number in numbers]


@pytest.mark.parametrize(("waiting", "expected"), [(1, [1]), (3, [1, 1, 1]), (4, [4]), (40, [40])])
def test_few_logins_are_a_card_each_and_many_are_one(
    bot: Bot, channel: Channel, waiting: int, expected: list[int]
) -> None:
    bot.take_in(*events(range(waiting)))
    bot.tell()
    assert cards(channel) == expected
    assert channel.event_ids == names(range(waiting))


def test_a_destination_says_from_how_many_on_it_wants_a_digest(bot: Bot, channel: Channel) -> None:
    bot_with(bot, digest=Digest(over=10)).take_in(*events(range(11)))
    bot.tell()
    assert cards(channel) == [11]


def test_there_are_as_many_cards_as_the_channels_room_asks_for_and_every_login_is_on_one(
    bot: Bot, channel: Channel
) -> None:
    bot.take_in(*events(range(1000)))
    bot.tell()
    assert channel.event_ids == names(range(1000))
    assert max(cards(channel)) <= ROOM
    assert len(channel.asked) <= 1.1 * 1000 / ROOM


@pytest.mark.parametrize(
    ("pace", "most"), [(SLACK, {1.0: 1}), (TEAMS, {300.0: 25, 0.34: 1})], ids=["as Slack", "as Teams"]
)
def test_cards_keep_the_pace_for_all_running_copies(
    bot: Bot, channel: Channel, clock: FakeClock, pace: Pace, most: dict[float, int]
) -> None:
    bot_with(bot, pace=pace, digest=Digest(over=1000))
    other = bot_with(Bot(bot.path, {"ops": channel}, clock=clock), pace=pace, digest=Digest(over=1000))
    bot.take_in(*events(range(60)))
    while bot.outbox.next_due() is not None:
        for copy in (bot, other):
            copy.tell(seconds=7.0)
        clock.advance(1.0)
    assert channel.event_ids == names(range(60))
    for seconds, allowed in most.items():
        for start in channel.times:
            assert sum(start <= time < start + seconds for time in channel.times) <= allowed


def test_who_comes_at_the_end_of_a_wave_waits_for_a_part_of_the_window_and_the_first_for_nothing(
    bot: Bot, channel: Channel, clock: FakeClock
) -> None:
    bot_with(bot, pace=TEAMS)
    for number in range(60):
        bot.take_in(event_of(number))
        bot.tell(seconds=7.0)
        clock.advance(START + number + 1 - clock.now())
    while bot.outbox.next_due() is not None:
        clock.advance(1.0)
        bot.tell(seconds=7.0)
    told_at = {name: at for card, at in zip(channel.asked, channel.times, strict=True) for name in card["event_ids"]}
    waits = [told_at[f"event-{number}"] - (START + number) for number in range(60)]
    assert waits[:20] == [0.0] * 20
    assert max(waits) < 60.0
    assert len(channel.times) <= 25


def test_while_others_wait_no_message_of_the_window_is_saved(bot: Bot, channel: Channel, clock: FakeClock) -> None:
    bot_with(bot, pace=TEAMS, digest=Digest(over=1000)).take_in(*events(range(26)))
    bot.tell()
    assert len(channel.times) == 25
    assert clock.now() - START < 25 * 0.36


def test_no_message_is_saved_while_another_of_the_group_waits(tmp_path: Path, clock: FakeClock) -> None:
    channels = {name: Channel(clock=clock) for name in ("one", "two", "three")}
    pace = {name: {"pace": replace(TEAMS, group="owner")} for name in channels}
    bot = Bot(tmp_path / "o", channels, clock=clock, different=pace)
    spend(bot, clock, 20)
    bot.take_in(event_of(100))
    tell_all(bot, clock)
    last = [channel.times[-1] for channel in channels.values()]
    assert max(last) - min(last) < 1.1


def test_no_message_is_saved_while_a_login_rests_that_was_not_taken(
    bot: Bot, channel: Channel, clock: FakeClock
) -> None:
    spend(bot_with(bot, pace=TEAMS), clock, 19)
    channel.answers = [Verdict.again("503")]
    bot.take_in(event_of(100), event_of(101))
    began = clock.now()
    tell_all(bot, clock)
    assert [card["event_ids"] for card in channel.asked[-3:]] == [["event-100"], ["event-101"], ["event-100"]]
    assert channel.times[-1] - began < 5.0


def test_no_message_is_saved_where_a_card_died_before_which_others_waited(
    bot: Bot, channel: Channel, clock: FakeClock
) -> None:
    spend(bot_with(bot, pace=TEAMS), clock, 19)
    bot.take_in(event_of(100))
    turn = bot.outbox.waiting("ops", 1)
    assert bot.outbox.begin(turn, turn.rows, LEASE, TEAMS) is not None
    bot.take_in(event_of(101))
    clock.advance(LEASE + 1)
    bot.tell()
    assert channel.event_ids[-2:] == ["event-100", "event-101"]


def spend(bot: Bot, clock: FakeClock, cards: int) -> None:
    """Tell `cards` logins of `bot`, a card each, so that little is left of its pace's window."""
    first, *_ = bot.channels.values()
    while len(first.times) * len(bot.channels) < cards:
        bot.take_in(event_of(1000 + len(first.times)))
        tell_all(bot, clock)


def tell_all(bot: Bot, clock: FakeClock) -> None:
    while bot.outbox.next_due() is not None:
        bot.tell()
        clock.advance(1.0)


def test_a_message_is_saved_for_a_minute_at_the_most() -> None:
    pace = Pace(messages=5, per=3600.0, gap=1.0, group="ops")
    assert pace.at_leisure([0.0, 1.0, 2.0, 3.0]) == 63.0
    assert pace.at_leisure([0.0, 1.0, 2.0, 3.0, 63.0]) == 3600.0


@pytest.mark.parametrize(
    ("messages", "posted", "expected"),
    [
        (1, [5.0], 105.0),
        (4, [5.0, 6.0, 7.0], 8.0),
        (5, [5.0, 6.0, 7.0], 8.0),
        (5, [5.0, 6.0, 7.0, 8.0], 8.0 + 97.0 / 2),
        (5, [5.0, 6.0, 7.0, 8.0, 9.0], 105.0),
        (5, [5.0, 206.0, 207.0, 208.0, 209.0], 209.0 + 97.0 / 2),
        (5, [5.0, 6.0, 7.0, 8.0, 104.0], 105.0),
        (5, [], 0.0),
        (1000, [5.0], 6.0),
    ],
)
def test_the_last_fifth_of_a_window_is_spread_over_what_is_left_of_it(
    messages: int, posted: list[float], expected: float
) -> None:
    assert Pace(messages=messages, per=100.0, gap=1.0, group="ops").at_leisure(posted) == expected


def test_destinations_of_one_group_share_its_pace(tmp_path: Path, clock: FakeClock) -> None:
    pace = Pace(messages=1, per=1.0, gap=0.0, group="owner")
    channels = {name: Channel(clock=clock) for name in ("one", "two", "three")}
    bot = Bot(tmp_path / "o", channels, clock=clock, different={name: {"pace": pace} for name in channels})
    bot.take_in(*events(range(2)))
    bot.tell()
    times = sorted(time for channel in channels.values() for time in channel.times)
    assert len(times) == 6
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(times))


def test_a_429_holds_the_whole_group(tmp_path: Path, clock: FakeClock) -> None:
    pace = Pace(messages=100, per=1.0, gap=0.0, group="owner")
    channels = {"one": Channel(clock=clock, answers=[Verdict.again("429", after=30.0)]), "two": Channel(clock=clock)}
    bot = Bot(tmp_path / "o", channels, clock=clock, different={name: {"pace": pace} for name in channels})
    bot.take_in(event_of(1))
    bot.tell()
    clock.advance(27.0)
    bot.tell(seconds=5.0)
    assert len(channels["one"].times) + len(channels["two"].times) == 1
    clock.advance(3.0)
    bot.tell()
    assert [len(channel.event_ids) for channel in channels.values()] == [2, 1]


@pytest.mark.parametrize("store", ["sqlite", "small table"])
def test_a_429_that_names_no_time_holds_the_whole_group(tmp_path: Path, clock: FakeClock, store: str) -> None:
    pace = Pace(messages=100, per=1.0, gap=0.0, group="owner")
    busy = Verdict.again("429", throttled=True)
    channels = {"one": Channel(clock=clock, answers=[busy] * 2), "two": Channel(clock=clock)}
    bot = Bot(tmp_path / "o", channels, clock=clock, different={name: {"pace": pace} for name in channels})
    bot.pipeline = bot.pipeline_on(STORES[store](tmp_path, clock, FaultyAws(SmallTable())))
    bot.take_in(event_of(1), event_of(2))
    for _ in range(100):
        bot.tell(seconds=2.0)
        clock.advance(0.25)
    times = sorted(time for channel in channels.values() for time in channel.times)
    assert [time - START for time in times] == [0, 1, 3, 3, 3, 3], "held for 1 and 2 s, then told"
    assert {name: sorted(set(channel.event_ids)) for name, channel in channels.items()} == {
        "one": names(range(1, 3)),
        "two": names(range(1, 3)),
    }


@pytest.mark.parametrize("bad", ["event-0", "event-57", "event-99"])
def test_a_refused_digest_is_halved_until_the_one_bad_login_is_alone(bot: Bot, channel: Channel, bad: str) -> None:
    channel.refuses = bad
    bot.take_in(*events(range(100)))
    bot.tell(seconds=10_000.0)
    assert dead_letters(bot) == [("ops", bad, "400 invalid_payload")]
    taken = [
        event_id for payload in channel.asked if bad not in payload["event_ids"] for event_id in payload["event_ids"]
    ]
    assert sorted(taken) == sorted(set(names(range(100))) - {bad})
    assert len(channel.asked) <= 20, "a search, not one by one"
    assert sum(status.doubts for status in bot.outbox.status()) == 0


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", "small table"])
def test_one_bad_login_is_found_while_others_keep_coming(
    bot: Bot, channel: Channel, tmp_path: Path, store: str
) -> None:
    """Thirty logins a second, a card a second with room for forty: whoever queues up again meets new ones for ever."""
    outbox = STORES[store](tmp_path, bot.clock, FaultyAws(SmallTable()))
    bot_with(bot, pace=SLACK).pipeline = bot.pipeline_on(outbox)
    channel.refuses = "event-7"
    for second in range(25):
        bot.take_in(*events(range(second * 30, second * 30 + 30)))
        bot.tell(seconds=2.5)
        bot.clock.advance(max(0.0, START + second + 1 - bot.clock.now()))
    assert [(letter.event_id, letter.reason) for letter in outbox.dead_letters()] == [
        ("event-7", "400 invalid_payload")
    ]
    assert sum("event-7" in payload["event_ids"] for payload in channel.asked) <= 12, "halved, and halved again"
    assert bot.clock.now() < START + 60


def test_a_login_that_no_digest_can_draw_is_given_up_alone(bot: Bot, channel: Channel) -> None:
    bot_with(bot, formatter="tests.support.channel:PickyFormatter")
    bot.people = replace_names(bot, {"ws-mallory01": "mallory"})
    bot.pipeline = bot.pipeline_on(bot.outbox)
    bot.take_in(*events(range(20)), event_of(20, workspaceId="ws-mallory01"), *events(range(21, 40)))
    bot.tell()
    assert [event_id for _, event_id, _ in dead_letters(bot)] == ["event-20"]
    assert channel.event_ids == [*names(range(20)), *names(range(21, 40))]


def test_a_formatter_that_cannot_weigh_a_digest_costs_no_login(bot: Bot, channel: Channel) -> None:
    bot_with(bot, formatter="tests.support.channel:BadWeigher").take_in(*events(range(20)))
    bot.tell()
    assert (cards(channel), dead_letters(bot)) == ([1] * 20, [])


def test_a_row_that_is_given_up_with_one_more_doubt_is_on_no_card_with_others(bot: Bot, channel: Channel) -> None:
    """It alone ends with the next doubt, and the others wait for their next try."""
    channel.answers = [UNSURE, UNSURE]
    bot.take_in(*events(range(6)))
    row = bot.outbox.waiting("ops", 10).rows[0]
    bot.outbox.keep([replace(row, event_id="doubtful", kept_at=row.kept_at - 1, doubts=MOST_DOUBTS - 1)])
    bot.tell()
    assert [told.event_ids for told in bot.told] == [("doubtful",), tuple(names(range(6)))]
    assert [event_id for _, event_id, _ in dead_letters(bot)] == ["doubtful"]
    bot.clock.advance(10)
    bot.tell()
    assert channel.event_ids[-6:] == names(range(6))


def test_a_card_that_died_with_twelve_doubts_is_given_up_and_not_sent(bot: Bot, channel: Channel) -> None:
    bot.take_in(*events(range(2)))
    rows = [replace(row, doubts=MOST_DOUBTS - 1, event_id=f"{row.event_id}-old") for row in waiting(bot)]
    bot.outbox.keep([replace(row, group="dying", destination="ops") for row in rows])
    turn = bot.outbox.waiting("dying", 10)
    assert bot.outbox.begin(turn, turn.rows, LEASE, SLACK) is not None
    bot.clock.advance(LEASE)
    bot.tell()
    assert channel.event_ids == names(range(2))
    assert {event_id for _, event_id, _ in dead_letters(bot)} == {"event-0-old", "event-1-old"}
    assert all("may have been said 12 times" in reason for _, _, reason in dead_letters(bot))


def waiting(bot: Bot) -> tuple[Row, ...]:
    return bot.outbox.waiting("ops", 10).rows


def test_a_group_that_no_destination_paces_remembers_its_posts(bot: Bot) -> None:
    """Rows of a destination that was moved to another group are told there still, and forget no pace."""
    bot_with(bot, pace=replace(SLACK, group="new"))
    bot.take_in(event_of(1))
    (row,) = bot.outbox.waiting("new", 10).rows
    bot.outbox.keep([replace(row, event_id="old", group="ops")])
    bot.tell()
    assert sorted(event_id for told in bot.told for event_id in told.event_ids) == ["event-1", "old"]
    assert len(bot.outbox.waiting("ops", 10).posted) == 1


def test_no_time_for_a_fresh_secret_leaves_the_login_waiting(bot: Bot, channel: Channel) -> None:
    def slow() -> Verdict:
        bot.clock.advance(9.0)
        return DEAD_PLACE

    channel.answers = [slow]
    bot.take_in(event_of(1))
    assert bot.tell(seconds=10.0) == ["ops again"]
    assert (channel.refreshed, dead_letters(bot)) == (0, [])
    (status,) = bot.outbox.status()
    assert "no time was left to try its secret afresh" in status.last_reason


def replace_names(bot: Bot, names: dict[str, str]) -> Any:
    return type(bot.people)(bot.clock, names)


def test_a_digest_that_died_begun_is_told_again_with_the_same_logins(bot: Bot, channel: Channel) -> None:
    bot.take_in(*events(range(10)))
    bot.pipeline = bot.pipeline_on(Failing(bot.outbox, "settle", times=3))
    bot.tell()
    bot.take_in(*events(range(10, 20)))
    bot.clock.advance(LEASE)
    bot.tell()
    assert cards(channel) == [10, 10, 10]
    assert channel.asked[0]["event_ids"] == channel.asked[1]["event_ids"]
    assert [status.doubts for status in bot.outbox.status()] == [10]


def test_a_digest_of_directories_that_differ_is_on_the_defaults_clock(tmp_path: Path) -> None:
    directories = {
        "d-9067000001": Directory(id="d-9067000001", timezone="Asia/Tokyo", language="ja"),
        "d-9067000002": Directory(id="d-9067000002", timezone="Europe/Paris", language="ja"),
    }
    channel = Channel()
    bot = Bot(tmp_path / "o", {"ops": channel}, directories=directories)
    bot.take_in(*events(range(3)), event_of(3, directoryId="d-9067000002"))
    bot.tell()
    assert [(card["language"], card["timezone"]) for card in channel.asked] == [("ja", "UTC")]


@pytest.fixture
def pair(tmp_path: Path, clock: FakeClock) -> Bot:
    """Two destinations that both hear of everything; `audit` falls back on `ops`."""
    channels = {"audit": Channel(answers=[DEAD_PLACE] * 4), "ops": Channel()}
    return Bot(tmp_path / "o", channels, clock=clock, different={"audit": {"fallback": "ops"}})


def test_the_fallback_hears_of_what_was_given_up_in_one_digest_with_the_reason(pair: Bot) -> None:
    pair.outbox.hold("ops", "ops")
    pair.take_in(*events(range(6)))
    pair.tell()
    assert len(dead_letters(pair)) == 6
    pair.outbox.release("ops", "ops")
    pair.tell()
    (card,) = pair.channels["ops"].asked
    assert sorted(card["event_ids"]) == sorted(names(range(6)) * 2), "once as its own, once as the other's"
    assert card["given_up"] == ["audit: 404 no_service"]


def test_what_the_fallback_could_not_be_kept_for_goes_on_waiting(pair: Bot) -> None:
    pair.take_in(event_of(1))
    pair.pipeline = pair.pipeline_on(Failing(pair.outbox, "keep", times=1))
    pair.tell(seconds=2.5)
    assert dead_letters(pair) == []
    pair.clock.advance(5.0)
    pair.tell()
    pair.tell()
    assert [event_id for _, event_id, _ in dead_letters(pair)] == ["event-1"]
    assert [card["given_up"] for card in pair.channels["ops"].asked] == [[], ["audit: 404 no_service"]]


def test_the_fallback_hears_of_it_once_however_often_the_giving_up_is_repeated(pair: Bot) -> None:
    pair.take_in(event_of(1))
    pair.pipeline = pair.pipeline_on(Failing(pair.outbox, "settle", times=6))
    pair.tell()
    pair.pipeline = pair.pipeline_on(pair.outbox)
    pair.clock.advance(LEASE)
    for _ in range(3):
        pair.tell()
    fallen = [card for card in pair.channels["ops"].asked if card["given_up"]]
    assert len(fallen) == 1


def test_what_waited_too_long_is_given_up_together_and_the_fallback_hears_of_it(pair: Bot) -> None:
    pair.channels["audit"].answers = [Verdict.again("503", after=50.0)] * 3
    pair.different = {"audit": {"fallback": "ops", "give_up_after": 100.0}}
    pair.pipeline = pair.pipeline_on(pair.outbox)
    pair.take_in(*events(range(5)))
    for _ in range(4):
        pair.tell()
        pair.clock.advance(50.0)
    assert len(dead_letters(pair)) == 5
    assert pair.channels["ops"].asked[-1]["given_up"] == ["audit: not told within 100 s (last: 503)"]


def test_rows_that_wait_for_their_fallback_to_be_kept_rest_a_minute(pair: Bot) -> None:
    audit = pair.channels["audit"]
    audit.answers = [Verdict.again("503", after=50.0)] * 3
    pair.different = {"audit": {"fallback": "ops", "give_up_after": 100.0}}
    pair.pipeline = pair.pipeline_on(pair.outbox)
    pair.take_in(event_of(1))
    for _ in range(2):
        pair.tell()
        pair.clock.advance(50.0)
    pair.pipeline = pair.pipeline_on(Failing(pair.outbox, "keep", times=1))
    assert pair.tell() == ["audit again"]
    pair.clock.advance(UNKEPT_REST - 3.0)
    assert pair.tell() == []
    pair.clock.advance(3.0)
    assert pair.tell() == ["audit dead"]
    assert len(audit.asked) == 2, "it was given up without another try"
    pair.tell()
    assert pair.channels["ops"].asked[-1]["given_up"] == ["audit: not told within 100 s (last: 503)"]


def test_a_held_destination_is_not_posted_to_and_what_arrives_waits(bot: Bot, channel: Channel) -> None:
    bot.take_in(event_of(1))
    bot.outbox.hold("ops", "ops")
    bot.take_in(event_of(2))
    assert bot.tell() == []
    assert [(status.waiting, status.held) for status in bot.outbox.status()] == [(2, True)]
    bot.outbox.release("ops", "ops")
    assert bot.tell() == ["ops sent", "ops sent"]


def test_replayed_dead_letters_are_told_again_and_only_those(bot: Bot, channel: Channel) -> None:
    channel.answers = [Verdict.sent(), DEAD_PLACE, DEAD_PLACE]
    bot.take_in(event_of(1), event_of(2))
    bot.tell()
    assert bot.outbox.replay(bot.outbox.dead_letters(), to=None, group="ops") == 1
    assert bot.tell() == ["ops sent"]
    assert channel.event_ids == ["event-1", "event-2", "event-2", "event-2"]
    assert dead_letters(bot) == []


def test_a_store_that_fails_in_the_middle_of_a_storm_loses_and_doubles_nothing(bot: Bot, channel: Channel) -> None:
    bot.take_in(*events(range(200)))
    for method in ("waiting", "begin", "settle"):
        bot.pipeline = bot.pipeline_on(Failing(bot.outbox, method, times=1))
        bot.tell()
    with pytest.raises(OutboxError):
        Failing(bot.outbox, "due", times=1).due(0.0)
    assert channel.event_ids == names(range(200))


def test_rows_in_a_turn_that_cannot_be_read_are_found_like_any_other_bad_login(bot: Bot, channel: Channel) -> None:
    bot.take_in(*events(range(10)))
    kept = bot.outbox.waiting("ops", 10).rows[0]
    bot.outbox.keep([replace(kept, event_id="unreadable", login="{")])
    bot.tell()
    assert [event_id for _, event_id, _ in dead_letters(bot)] == ["unreadable"]
    assert channel.event_ids == names(range(10))
