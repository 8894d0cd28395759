"""Storms on simulated time: nobody lost, nobody twice, no limit broken, everybody in time, whatever dies meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bench.storm import memory_of_a_batch
from bot.outbox.dynamodb import create_table
from tests.support.storm.clock import SimClock
from tests.support.storm.queue import VISIBILITY
from tests.support.storm.table import Table
from tests.support.storm.world import TABLE, Storm, World

pytestmark = pytest.mark.slow

IN_TIME = {"slack": 120.0, "teams": 900.0, "mail": 60.0}
"""Seconds from an event until its login is named."""


@contextmanager
def morning(storm: Storm, folder: Path, store: str = "dynamodb") -> Iterator[World]:
    with World(storm, folder, store=store) as world:
        world.run()
        yield world


def faults(world: World) -> dict[str, int]:
    """What must not be, channel by channel, and is."""
    found: dict[str, int] = {}
    for name, notes in world.channels.items():
        if name not in world.storm.dead:
            found |= {f"{name} lost": world.lost(name), f"{name} twice": notes.twice, f"{name} over": notes.broken}
    return {what: count for what, count in found.items() if count}


@pytest.mark.parametrize("store", ["dynamodb", "sqlite"])
def test_a_storm_of_known_people_is_told_once_and_in_time(tmp_path: Path, store: str) -> None:
    with morning(Storm(logins=700, seconds=10.0), tmp_path, store) as world:
        assert faults(world) == {}
        assert {name: world.late(name) < IN_TIME[name] for name in IN_TIME} == dict.fromkeys(IN_TIME, True)
        assert world.directory.calls == 0
        assert world.queue.received > 700


def test_a_storm_of_unknown_people_is_asked_for_at_aws_own_pace(tmp_path: Path) -> None:
    with morning(Storm(logins=700, seconds=10.0, known=False), tmp_path) as world:
        assert faults(world) == {}
        assert 28 <= world.directory.calls <= 31
        assert world.directory.throttled == 0
        assert world.longest_wait_for_a_name <= 20.5


def test_ten_thousand_known_people_in_a_minute_are_told_once_and_in_time(tmp_path: Path) -> None:
    with morning(Storm(logins=10_000), tmp_path) as world:
        assert faults(world) == {}
        assert {name: world.late(name) < IN_TIME[name] for name in IN_TIME} == dict.fromkeys(IN_TIME, True)
        assert world.directory.calls == 0


def test_ten_thousand_unknown_people_in_a_minute_are_told_once_and_in_time_and_soon_have_their_names(
    tmp_path: Path,
) -> None:
    with morning(Storm(logins=10_000, known=False), tmp_path) as world:
        assert faults(world) == {}
        assert {name: world.late(name) < IN_TIME[name] for name in IN_TIME} == dict.fromkeys(IN_TIME, True)
        assert world.directory.calls <= 440
        assert world.longest_wait_for_a_name <= 20.5


def test_the_largest_batch_that_lambda_hands_over_fits_in_150_mb() -> None:
    _, most = memory_of_a_batch()
    assert most < 150


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_copies_that_die_in_a_storm_lose_nobody(tmp_path: Path, seed: int) -> None:
    """Who was on a card when its process died is told again: once for each card that was begun, and as a doubt."""
    storm = Storm(logins=300, seconds=10.0, channels=("slack", "mail"), deaths=(3.3, 6.1, 9.4), seed=seed)
    with morning(storm, tmp_path) as world:
        assert world.died == 3
        assert {name: world.lost(name) for name in storm.channels} == {"slack": 0, "mail": 0}
        assert {name: notes.broken for name, notes in world.channels.items()} == {"slack": 0, "mail": 0}
        doubts = {status.destination: status.doubts for status in world.outbox().status()}
        assert all(world.channels[name].twice <= doubts[name] for name in storm.channels)


def test_one_dead_channel_among_twenty_slows_down_no_other(tmp_path: Path) -> None:
    names = tuple(f"slack-{number}" for number in range(20))
    healthy = Storm(logins=150, seconds=60.0, channels=names, apart=True, aftermath=0.0)
    waits = {}
    for storm in (healthy, replace(healthy, dead=frozenset({"slack-7"}))):
        folder = tmp_path / f"{len(storm.dead)} dead"
        folder.mkdir()
        with morning(storm, folder, "sqlite") as world:
            assert faults(world) == {}
            waits[len(storm.dead)] = [wait for name in names if name != "slack-7" for wait in world.waits(name)]
    assert mean(waits[1]) <= mean(waits[0]) + 0.2
    assert max(waits[1]) <= max(waits[0]) + 1.0


def test_while_the_table_is_down_nothing_is_posted_and_afterwards_everything(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    storm = Storm(logins=200, seconds=10.0, channels=("slack",), table_is_down=lambda seconds: 4.0 <= seconds < 30.0)
    with morning(storm, tmp_path) as world:
        named_after = [at - world.start for at in world.channels["slack"].named_at]
        assert world.lost("slack") == 0
        assert not [seconds for seconds in named_after if 4.5 < seconds < 30.0]
        assert len(world.sent_back) >= 2
        assert sum(seconds > VISIBILITY for seconds in named_after) >= sum(world.sent_back) - storm.logins // 50
        assert [record.getMessage() for record in log.records].count("not kept") == len(world.sent_back)
        (doubts,) = [status.doubts for status in world.outbox().status()]
        assert world.channels["slack"].twice <= doubts


class MotoTable(Table):
    """The simulated table's time, and moto's answers."""

    def __init__(self, clock: SimClock, is_down: Callable[[], bool]) -> None:
        super().__init__(clock, is_down)
        self._client = boto3.client("dynamodb", region_name="eu-west-1")
        create_table(self._client, TABLE)

    def __getattribute__(self, name: str) -> Any:
        if name not in {"get_item", "put_item", "update_item", "batch_get_item", "batch_write_item", "query"}:
            return super().__getattribute__(name)

        def call(**request: Any) -> Any:
            with self.called(name):
                return getattr(self._client, name)(**request)

        return call


@mock_aws
def test_the_simulated_table_tells_the_same_story_as_motos(tmp_path: Path) -> None:
    storm = Storm(logins=40, seconds=4.0, known=False, one_twice_of=5, aftermath=100.0)
    stories = []
    for table in (Table, MotoTable):
        with World(storm, tmp_path, table=table) as world:
            world.run()
            assert faults(world) == {}
            stories.append({name: list(notes.named_at) for name, notes in world.channels.items()})
    assert stories[0] == stories[1]
