"""AWS's door with its routing file on S3: the next event goes where the newest good file says."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.config import ConfigError
from bot.handler import handle
from bot.outbox.dynamodb import create_table
from tests.support.aws import REGION, LoopbackAws
from tests.support.logins import event
from tests.support.providers import Answer, Provider, Request
from tests.support.stage import set_stage

BUCKET, KEY = "login-bot-routes", "routes.yml"
DESTINATIONS = """
destinations:
  ops: {{type: slack, webhook_url: "ssm:/login-bot/slack/ops"}}
  eng: {{type: slack, webhook_url: "env:ENG_WEBHOOK"}}
default: [{default}]
"""


@pytest.fixture
def ops() -> Iterator[Provider]:
    with Provider.slack() as provider:
        yield provider


@pytest.fixture
def eng() -> Iterator[Provider]:
    with Provider.slack() as provider:
        yield provider


class Bucket:
    def __init__(self, aws: LoopbackAws, hosts: list[str]) -> None:
        self._s3 = aws.client("s3")
        self._hosts = hosts
        self._s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def tells(self, default: str, hosts: list[str] | None = None) -> None:
        trusted = f"trusted_hosts: {json.dumps(hosts or self._hosts)}"
        body = trusted + DESTINATIONS.format(default=default)
        self._s3.put_object(Bucket=BUCKET, Key=KEY, Body=body.encode())


@pytest.fixture
def bucket(aws: LoopbackAws, ops: Provider, eng: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A deployed stage: a table, a bucket, and a package whose file trusts the two channels."""
    create_table(aws.client("dynamodb"), "login-bot")
    aws.client("ssm").put_parameter(Name="/login-bot/slack/ops", Value=ops.url, Type="SecureString")
    trusted = f"trusted_hosts: ['{ops.host}', '{eng.host}']\n"
    packaged = trusted + "destinations: {screen: {type: console}}\ndefault: [screen]\n"
    on_s3 = {"ROUTES": f"s3://{BUCKET}/{KEY}", "ROUTES_REFRESH_SECONDS": "0", "TABLE_NAME": "login-bot"}
    set_stage(tmp_path, monkeypatch, packaged, **on_s3, ENG_WEBHOOK=eng.url)
    monkeypatch.chdir(tmp_path)
    return Bucket(aws, [ops.host, eng.host])


def number(n: int) -> dict[str, Any]:
    return event("seed") | {"id": f"event-{n}"}


def test_a_changed_file_sends_the_next_event_elsewhere(bucket: Bucket, ops: Provider, eng: Provider) -> None:
    bucket.tells("ops")
    handle(number(1), None)
    bucket.tells("eng")
    handle(number(2), None)
    assert (len(ops.posts), len(eng.posts)) == (1, 1)


def test_a_broken_file_changes_nothing(bucket: Bucket, ops: Provider, eng: Provider) -> None:
    bucket.tells("ops")
    handle(number(1), None)
    bucket.tells("nobody")
    handle(number(2), None)
    assert (len(ops.posts), len(eng.posts)) == (2, 0)


def test_each_tick_counts_a_broken_file_until_it_is_mended(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METRICS", "1")
    counted = []
    for default in ("ops", "nobody", "nobody", "eng"):
        bucket.tells(default)
        handle({"detail-type": "Scheduled Event"}, None)
        counted.append('"RoutesRefused":1' in capsys.readouterr().out)
    assert counted == [False, True, True, False]


def test_each_tick_counts_a_file_that_cannot_be_read_until_it_can(
    bucket: Bucket, aws: LoopbackAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METRICS", "1")
    counted = []
    for there in (True, False, False, True):
        bucket.tells("ops")
        if not there:
            aws.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
        handle({"detail-type": "Scheduled Event"}, None)
        counted.append('"RoutesRefused":1' in capsys.readouterr().out)
    assert counted == [False, True, True, False]


def test_without_a_good_file_nothing_is_posted_and_the_call_fails(
    bucket: Bucket, ops: Provider, eng: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.tells("ops", hosts=["relay.corp.example"])
    with pytest.raises(ConfigError, match=r"does not name 'relay\.corp\.example'"):
        handle(number(1), None)
    assert not ops.requests
    assert not eng.requests
    assert "not configured" in capsys.readouterr().err


def test_a_refresh_that_is_no_number_is_said(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTES_REFRESH_SECONDS", "often")
    with pytest.raises(ConfigError, match="ROUTES_REFRESH_SECONDS is 'often'; write a number of seconds"):
        handle(number(1), None)


@pytest.mark.slow
def test_a_rotated_secret_is_read_at_once_when_the_old_one_is_refused(
    bucket: Bucket, aws: LoopbackAws, ops: Provider, eng: Provider
) -> None:
    bucket.tells("ops")
    handle(number(0), None)
    old, new = ops, eng
    for status in (401, 403, 404):
        aws.client("ssm").put_parameter(Name="/login-bot/slack/ops", Value=new.url, Type="SecureString", Overwrite=True)
        old.rule = partial(answer, status)
        new.rule = partial(answer, 200)
        handle(number(status), None)
        assert new.requests[-1].json["text"] == old.requests[-1].json["text"], "the same card, once more"
        old, new = new, old
    assert (len(ops.posts), len(eng.posts)) == (4, 3)


def answer(status: int, _: Request) -> Answer:
    return Answer(status, "ok" if status == 200 else "no_service")
