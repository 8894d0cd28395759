"""`check --deployed`: which file from S3 is in force, since when, and why a newer one is not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from typer.testing import Result

from tests.support.aws import CREDENTIALS, LoopbackAws
from tests.support.cli import invoke
from tests.support.routes_on_s3 import BROKEN, MISTAKES, TABLE, URL, Stage, routes, staged


@pytest.fixture
def stage(aws: LoopbackAws) -> Iterator[Stage]:
    with staged(aws) as stage:
        yield stage


def check(aws: LoopbackAws, *arguments: str, **environment: str) -> Result:
    return invoke("check", "--deployed", *arguments, **aws.environment, **environment)


def when(stage: Stage) -> str:
    return datetime.fromtimestamp(stage.clock.now(), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@pytest.mark.parametrize("named", [(), ("--routes", URL), (URL,)], ids=["by the table", "as an option", "as the file"])
def test_the_newest_file_is_in_force(stage: Stage, aws: LoopbackAws, named: tuple[str, ...]) -> None:
    etag = stage.put(routes("ja"))
    stage.copy().in_force()
    said = check(aws, "--table", TABLE, *named)
    digest = sha256(routes("ja").encode()).hexdigest()
    assert said.stdout == f"in force {URL}: ETag {etag}, since {when(stage)}, sha256 {digest}\n"
    assert (said.exit_code, said.stderr) == (0, "")


def test_the_newest_file_was_refused_and_the_last_good_one_is_in_force(stage: Stage, aws: LoopbackAws) -> None:
    good = stage.put(routes("ja"))
    copy = stage.copy(every=0)
    copy.in_force()
    broken = stage.put(BROKEN)
    copy.in_force()
    said = check(aws, TABLE_NAME=TABLE)
    refused, *mistakes, in_force = said.stdout.splitlines()
    assert refused == f"refused {URL}: ETag {broken}, since {when(stage)}: 2 mistakes"
    assert tuple(mistakes) == MISTAKES
    assert in_force.startswith(f"in force {URL}: ETag {good}, since")
    assert said.exit_code == 1


def test_a_refused_file_that_was_taken_back_is_of_no_interest(stage: Stage, aws: LoopbackAws) -> None:
    copy = stage.copy(every=0)
    for content in (routes("ja"), BROKEN):
        stage.put(content)
        copy.in_force()
    stage.put(routes("ja"))
    said = check(aws, TABLE_NAME=TABLE)
    assert (said.exit_code, said.stdout.count("\n")) == (0, 1)


def test_a_file_that_no_copy_has_seen_yet_is_not_in_force(stage: Stage, aws: LoopbackAws) -> None:
    stage.put(routes("ja"))
    stage.copy().in_force()
    etag = stage.put(routes("en"))
    said = check(aws, TABLE_NAME=TABLE)
    assert said.exit_code == 1
    assert f"{etag} is newer and was not looked at yet" in said.stderr


def test_where_nothing_is_in_force_its_mistakes_say_why(stage: Stage, aws: LoopbackAws) -> None:
    stage.put(BROKEN)
    with pytest.raises(Exception, match="opps"):
        stage.copy().in_force()
    said = check(aws, TABLE_NAME=TABLE)
    assert said.exit_code == 1
    assert "2 mistakes" in said.stdout
    assert f"nothing in force {URL}" in said.stdout


def test_whoever_may_not_see_the_bucket_hears_what_the_bot_saw(stage: Stage, aws: LoopbackAws) -> None:
    etag = stage.put(routes("ja"))
    stage.copy().in_force()
    stage.remove()
    said = check(aws, TABLE_NAME=TABLE)
    assert said.exit_code == 0
    assert f"in force {URL}: ETag {etag}" in said.stdout
    assert "what follows is what the bot saw last" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "name it with --table or TABLE_NAME"),
        (("--table", TABLE), f"table {TABLE} knows no file from S3"),
        (("--table", "nowhere"), "there is no table 'nowhere' in eu-west-1"),
    ],
    ids=["no table named", "nothing known", "no such table"],
)
def test_what_cannot_be_told_is_one_sentence(
    stage: Stage, aws: LoopbackAws, arguments: tuple[str, ...], why: str
) -> None:
    said = check(aws, *arguments)
    assert said.exit_code == 1
    assert why in said.stderr
    assert said.stderr.count("\n") == 1


def test_without_credentials_it_says_so() -> None:
    lacking = {name: "" if name.startswith("AWS_S") or "KEY" in name else value for name, value in CREDENTIALS.items()}
    said = invoke("check", "--deployed", "--table", TABLE, **lacking)
    assert said.exit_code == 1
    assert "no AWS credentials" in said.stderr
