"""Routing from S3: a changed file comes into force, a broken one does not, and nothing is ever decided by a guess."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.config import MAX_BYTES, ConfigError, load
from bot.config.fence import Fence
from bot.last_good import records
from bot.routes_in_force import HotRoutes
from tests.support.aws import LoopbackAws
from tests.support.routes_on_s3 import BROKEN, MISTAKES, TABLE, URL, Stage, routes, staged


@pytest.fixture
def stage(aws: LoopbackAws) -> Iterator[Stage]:
    with staged(aws) as stage:
        yield stage


def language(copy: HotRoutes) -> str:
    return copy.in_force().defaults.language


def test_a_file_on_s3_is_in_force(stage: Stage) -> None:
    stage.put(routes("ja"))
    config = stage.copy().in_force()
    assert (config.source, config.defaults.language) == (URL, "ja")


@pytest.mark.parametrize(("every", "looks"), [(60.0, 2), (10.0, 5), (0.0, 32)], ids=["a minute", "10 s", "every call"])
def test_it_is_looked_at_as_often_as_was_asked(stage: Stage, every: float, looks: int) -> None:
    stage.put(routes())
    copy = stage.copy(every=every, table=False)
    for _ in range(31):
        copy.in_force()
        stage.clock.advance(1)
    stage.clock.advance(30)
    copy.in_force()
    assert stage.aws.calls["get_object"] == looks


def test_a_changed_file_comes_into_force_at_the_next_look_and_not_before(stage: Stage) -> None:
    stage.put(routes("en"))
    copy = stage.copy()
    first = copy.in_force()
    stage.put(routes("ja"))
    stage.clock.advance(59)
    assert copy.in_force() is first
    stage.clock.advance(1)
    assert language(copy) == "ja"


def test_a_file_that_did_not_change_is_not_read_again(stage: Stage) -> None:
    stage.put(routes())
    copy = stage.copy(every=0)
    assert copy.in_force() is copy.in_force()
    assert stage.aws.calls["put_item"] == 1, "it is kept once"


def test_a_clock_that_was_put_back_stops_no_look(stage: Stage) -> None:
    stage.put(routes("en"))
    copy = stage.copy()
    copy.in_force()
    stage.put(routes("ja"))
    stage.clock.advance(-3600)
    assert language(copy) == "ja"


# A broken file


def test_a_broken_file_leaves_the_last_good_one_in_force(stage: Stage, log: pytest.LogCaptureFixture) -> None:
    stage.put(routes("ja"))
    copy = stage.copy(every=0)
    copy.in_force()
    etag = stage.put(BROKEN)
    for _ in range(3):
        assert language(copy) == "ja"
    assert copy.refused == MISTAKES
    lines = [vars(record)["fields"] for record in log.records if record.message == "routes refused"]
    assert lines == [{"source": URL, "etag": etag, "mistake": mistake} for mistake in MISTAKES], "each once"


def test_a_mended_file_comes_into_force_and_nothing_is_refused_any_more(stage: Stage) -> None:
    stage.put(BROKEN)
    copy = stage.copy(every=0)
    with pytest.raises(ConfigError):
        copy.in_force()
    stage.put(routes("ja"))
    assert language(copy) == "ja"
    assert copy.refused == ()


def test_a_good_file_that_is_put_back_after_a_broken_one_is_in_force(stage: Stage) -> None:
    copy = stage.copy(every=0)
    for content in (routes("ja"), BROKEN, routes("ja")):
        stage.put(content)
        assert language(copy) == "ja"
    assert copy.refused == ()


def test_a_cold_copy_starts_on_the_last_good_file_too(stage: Stage) -> None:
    stage.put(routes("ja"))
    stage.copy().in_force()
    stage.put(BROKEN)
    cold = stage.copy()
    assert language(cold) == "ja"
    assert cold.refused == MISTAKES


@pytest.mark.parametrize(
    "content", [BROKEN, b"\xff\xfe", b"", b"#" * (MAX_BYTES + 10)], ids=["mistakes", "bytes", "empty", "huge"]
)
def test_where_there_never_was_a_good_one_nothing_is_in_force(stage: Stage, content: str | bytes) -> None:
    stage.put(content)
    copy = stage.copy()
    for _ in range(2):
        with pytest.raises(ConfigError) as failed:
            copy.in_force()
        assert failed.value.source == URL
        assert failed.value.mistakes == copy.refused != ()


# S3 in trouble


TROUBLES: dict[str, tuple[Callable[[Stage], None], str]] = {
    "no such file": (Stage.remove, "there is no such file; put it there (S3 said NoSuchKey)"),
    "not allowed": (lambda stage: stage.fails("get_object", code="AccessDenied"), "it needs s3:GetObject on it"),
    "broken": (lambda stage: stage.fails("get_object", code="InternalError"), "S3 said InternalError"),
}


@pytest.mark.parametrize(("trouble", "why"), TROUBLES.values(), ids=TROUBLES.keys())
def test_s3_in_trouble_leaves_the_last_good_one_in_force_for_cold_copies_too(
    stage: Stage, trouble: Callable[[Stage], None], why: str, log: pytest.LogCaptureFixture
) -> None:
    stage.put(routes("ja"))
    warm = stage.copy(every=0)
    warm.in_force()
    trouble(stage)
    for copy in (warm, stage.copy()):
        log.clear()
        assert language(copy) == "ja"
        assert copy.refused == ()
        assert why in copy.trouble[0]
        assert why in log.text or why in str([vars(record).get("fields") for record in log.records])


def test_the_trouble_is_over_with_the_first_look_that_succeeds(stage: Stage) -> None:
    stage.put(routes("ja"))
    copy = stage.copy()
    copy.in_force()
    stage.fails("get_object", code="AccessDenied")
    stage.clock.advance(60)
    copy.in_force()
    stage.aws.reset()
    stage.clock.advance(59)
    copy.in_force()
    assert copy.trouble, "not looked at again yet"
    stage.clock.advance(1)
    copy.in_force()
    assert copy.trouble == ()


def test_without_any_good_one_s3_is_asked_at_every_call_until_it_answers(stage: Stage) -> None:
    stage.put(routes("ja"))
    copy = stage.copy()
    stage.fails("get_object", code="SlowDown")
    for _ in range(2):
        with pytest.raises(ConfigError, match="can't be read: S3 said SlowDown"):
            copy.in_force()
    stage.aws.reset()
    assert language(copy) == "ja"


def test_a_look_that_takes_too_long_is_given_up(stage: Stage) -> None:
    def impatient(seconds: float, _: Callable[[], Any]) -> Any:
        raise TimeoutError(seconds)

    copy = HotRoutes(URL, stage.aws, stage.clock, every=60, fence=Fence(), within=impatient)
    with pytest.raises(ConfigError, match="S3 did not answer in 5 s"):
        copy.in_force()


@pytest.mark.parametrize("url", ["s3://", "s3://bucket", "s3://bucket/", "s3://Bucket_/x", "s3:///routes.yml"])
def test_what_names_no_file_in_a_bucket_is_said(url: str, stage: Stage) -> None:
    copy = HotRoutes(url, stage.aws, stage.clock, every=60, fence=Fence())
    with pytest.raises(ConfigError, match=r"write it like s3://bucket/routes\.yml"):
        copy.in_force()


# The table


def test_a_cold_copy_reads_s3_only_for_what_changed_and_yaml_not_at_all(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.put(routes("ja"))
    stage.copy().in_force()
    monkeypatch.setattr("bot.config.file.understand", None)  # whoever reads the file again, fails
    assert language(stage.copy()) == "ja"
    assert stage.aws.calls["put_item"] == 1


@pytest.mark.parametrize("operation", ["get_item", "put_item"])
def test_a_table_in_trouble_costs_no_routing(stage: Stage, operation: str, log: pytest.LogCaptureFixture) -> None:
    stage.put(routes("ja"))
    stage.fails(operation)
    assert language(stage.copy()) == "ja"
    assert "last good routes not reached" in log.text


def test_what_the_table_did_not_take_is_kept_at_the_next_look(stage: Stage) -> None:
    stage.put(routes("ja"))
    copy = stage.copy(every=0)
    stage.fails("put_item")
    copy.in_force()
    stage.aws.reset()
    copy.in_force()
    stage.fails("get_object")
    assert language(stage.copy()) == "ja"


def test_a_slow_copy_does_not_put_an_older_file_over_a_newer_one(stage: Stage) -> None:
    slow, quick = stage.copy(every=0), stage.copy(every=0)
    stage.put(routes("en"))
    stage.fails("put_item")
    slow.in_force()
    stage.aws.reset()
    stage.clock.advance(5)
    stage.put(routes("ja"))
    quick.in_force()
    stage.fails("get_object")
    assert slow._last_good is not None
    assert slow._unkept is not None
    assert slow._last_good.keep(slow._unkept), "a refused write is no trouble"
    assert language(stage.copy()) == "ja"


def test_the_table_says_since_when_a_file_is_in_force_whoever_sees_it_later(stage: Stage) -> None:
    etag = stage.put(routes("ja"))
    since = stage.clock.now()
    stage.copy().in_force()
    stage.clock.advance(600)
    stage.fails("get_item")  # so that the next copy sees the file as if it were new
    stage.copy().in_force()
    assert stage.aws.calls["put_item"] == 2
    (good, refused) = records(TABLE, stage.aws)[URL]
    assert good is not None
    assert (good.etag, good.since, good.content) == (etag, since, routes("ja").encode())
    assert refused is None


def test_the_table_says_why_the_newest_file_is_not_in_force(stage: Stage) -> None:
    stage.put(routes("ja"))
    copy = stage.copy(every=0)
    copy.in_force()
    etag = stage.put(BROKEN)
    copy.in_force()
    (good, refused) = records(TABLE, stage.aws)[URL]
    assert good is not None
    assert refused is not None
    assert good.etag != refused.etag == etag
    assert refused.mistakes == MISTAKES


def items(stage: Stage) -> dict[str, Any]:
    found = stage.outside.client("dynamodb").scan(TableName=TABLE)["Items"]
    return {item["SK"]["S"]: item for item in found if item["PK"]["S"] == "routes"}


def test_nothing_of_it_ends_by_the_tables_ttl(stage: Stage) -> None:
    copy = stage.copy(every=0)
    for content in (routes(), BROKEN):
        stage.put(content)
        copy.in_force()
    assert sorted(items(stage)) == [f"in force|{URL}", f"refused|{URL}"]
    assert not any("expires" in item for item in items(stage).values())


def rewritten(stage: Stage, **different: Any) -> None:
    stage.outside.client("dynamodb").put_item(TableName=TABLE, Item=items(stage)[f"in force|{URL}"] | different)


def test_a_last_good_file_in_the_form_of_another_version_is_read_again_and_compiled_anew(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.put(routes("ja"))
    stage.copy().in_force()
    since = records(TABLE, stage.aws)[URL][0].since  # type: ignore[union-attr]
    for module in ("compiled", "last_good"):
        prefix = "bot.config.compiled" if module == "compiled" else "bot.last_good"
        monkeypatch.setattr(f"{prefix}.VERSION", 99)
    stage.clock.advance(60)
    assert language(stage.copy()) == "ja"
    good = records(TABLE, stage.aws)[URL][0]
    assert good is not None
    assert json.loads(good.compiled)["version"] == 99
    assert good.since == since


@pytest.mark.parametrize(
    "different",
    [{"content": {"B": b"junk"}}, {"content": {"S": "text"}}, {"since": {"N": "1"}, "compiled": {"NULL": True}}],
    ids=["not packed", "no bytes", "no compiled form"],
)
def test_an_item_that_somebody_else_wrote_is_no_routing_file(stage: Stage, different: Any) -> None:
    stage.put(routes("ja"))
    stage.copy().in_force()
    rewritten(stage, **different)
    assert language(stage.copy()) == "ja"
    stage.fails("get_object")
    with pytest.raises(ConfigError):
        stage.copy().in_force()


# The fence

PAGER = "  pager: {type: 'mycompany.pager:PagerSender', url: 'ssm:/pager'}\n"
CARDS = "  terse: {type: slack, webhook_url: 'ssm:/hook', formatter: 'mycompany.cards:Terse'}\n"
RELAY = "trusted_hosts: [relay.corp.example]\n"
WIDE = Fence(frozenset({"mycompany.pager:PagerSender", "mycompany.cards:Terse"}), frozenset({"relay.corp.example"}))

OUTSIDE = {
    "a sender": (PAGER, "line 4: destinations.pager.type", "mycompany.pager:PagerSender"),
    "a formatter": (CARDS, "line 4: destinations.terse.formatter", "mycompany.cards:Terse"),
    "a host": (RELAY, "line 4: trusted_hosts[0]", "relay.corp.example"),
}


@pytest.mark.parametrize(("more", "place", "culprit"), OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_file_from_s3_may_name_only_what_the_packaged_one_names(
    stage: Stage, more: str, place: str, culprit: str
) -> None:
    stage.put(routes(more=more))
    with pytest.raises(ConfigError) as failed:
        stage.copy().in_force()
    why = f"the packaged routes.yml does not name {culprit!r}, so a file on S3 may not"
    assert failed.value.mistakes == (f"{place}: {why}; name it there and deploy, or leave it out",)
    assert stage.copy(fence=WIDE).in_force().destinations


def test_a_class_outside_the_fence_is_not_even_imported(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil_code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    stage.put(routes(more="  evil: {type: 'evil_code:Evil', formatter: 'evil_code:Evil'}\n"))
    with pytest.raises(ConfigError):
        stage.copy().in_force()
    assert not (tmp_path / "ran").exists()


def test_a_last_good_file_outside_a_narrower_fence_is_not_in_force(stage: Stage, log: pytest.LogCaptureFixture) -> None:
    stage.put(routes(more=PAGER))
    stage.copy(fence=WIDE).in_force()
    stage.fails("get_object")
    with pytest.raises(ConfigError):
        stage.copy().in_force()
    assert "routes refused" in log.text


def test_the_fence_is_what_the_packaged_file_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Fence.of_package() == Fence()
    (tmp_path / "routes.yml").write_text(RELAY + routes(more=PAGER + CARDS))
    assert Fence.of_package() == WIDE


def test_commands_read_a_file_on_s3_inside_the_same_fence(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stage.put(routes("ja", more=PAGER))
    with pytest.raises(ConfigError, match="so a file on S3 may not"):
        load(URL)
    (tmp_path / "routes.yml").write_text(routes(more=PAGER))
    assert load(URL).defaults.language == "ja"
