"""`make run`: the sample logins as cards in the terminal, said once; and for real where the environment says so."""

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.cli.demo import as_if_now, samples
from bot.clock import SystemClock
from bot.events import parse
from bot.outbox.base import Row
from bot.outbox.sqlite import SqliteOutbox
from tests.support.cli import ROOT, invoke, spawn, write
from tests.support.clock import START
from tests.support.providers import Answer, Provider


@pytest.fixture
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack without its second between two posts, for tests of something else."""
    monkeypatch.setattr("bot.config.destinations.PACES", {})


def demo(folder: Path, *more: object, **environment: str) -> Any:
    return invoke("demo", "--state", folder / "demo.sqlite", *more, **environment)


def test_the_cards_of_every_channel_appear_with_who_hears_and_why(tmp_path: Path) -> None:
    result = demo(tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    titles = re.findall(r"^╭─ ([^─]+) ─", result.stdout, re.MULTILINE)
    assert sorted(titles) == sorted(
        ["eng-slack · Slack"] * 2 + ["ops-slack · Slack"] * 2 + ["it-teams · Teams"] * 2 + ["audit-mail · e-mail"] * 2
    )
    assert "  → eng-slack  because of directories.d-9067000001\n" in result.stdout
    assert "  → ops-slack   because of routes[1]\n" in result.stdout
    assert "  → ops-slack  because of default\n" in result.stdout
    assert "● svc-backup · Engineering" in result.stdout
    assert "  → nobody  because of routes[0]\n" in result.stdout
    assert "山田太郎 がログインしました（Finance）" in result.stdout
    assert "Nothing is posted anywhere" in result.stdout
    assert "8 cards, 0 already said" in result.stdout
    assert "Run it once more: nothing is said twice.\n" in result.stdout
    assert "\x1b" not in result.output


def test_the_second_run_says_nothing_and_how_to_start_over(tmp_path: Path) -> None:
    demo(tmp_path)
    result = demo(tmp_path)
    assert result.exit_code == 0
    assert "╭" not in result.stdout
    assert result.stdout.count("already said\n") == 5 + 1
    assert "0 cards, 8 already said\n" in result.stdout
    assert f"To start over: rm {tmp_path / 'demo.sqlite'}*" in result.stdout


def test_what_a_broken_off_demo_left_is_told_and_not_called_said(tmp_path: Path) -> None:
    login = parse(samples()[0], received_at=datetime.fromtimestamp(START, UTC))
    now = SystemClock().now()
    row = Row(destination="ops", event_id=login.event_id, group="ops", login=login.to_json(), kept_at=now)
    SqliteOutbox(tmp_path / "demo.sqlite", SystemClock()).keep([row])
    result = demo(tmp_path, "--routes", quick(tmp_path))
    assert result.exit_code == 0
    assert "  already known\n" in result.stdout
    assert "5 cards, 1 already known\n" in result.stdout
    assert result.stdout.count("╭─ ops") == 5


def test_the_demo_runs_from_any_folder_without_an_account(tmp_path: Path) -> None:
    done = spawn("demo", cwd=tmp_path, HOME=str(tmp_path), AWS_CONFIG_FILE="/dev/null")
    assert (done.returncode, done.stderr) == (0, "")
    assert "8 cards" in done.stdout
    assert (tmp_path / ".local" / "demo.sqlite").is_file()


@pytest.mark.slow
def test_with_channels_in_the_environment_every_login_that_is_not_silent_is_posted_there_too(tmp_path: Path) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:logins"
    with Provider.slack() as slack, Provider.teams() as teams, Provider.sns() as sns:
        environment = {
            "SLACK_WEBHOOK_URL": slack.url,
            "TEAMS_WEBHOOK_URL": teams.url,
            "SNS_TOPIC_ARN": topic,
            "TRUSTED_HOSTS": f"{slack.host}, {teams.host}",
            "AWS_ENDPOINT_URL_SNS": sns.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        first = demo(tmp_path, "--routes", quick(tmp_path), **environment)
        second = demo(tmp_path, "--routes", quick(tmp_path), **environment)
        assert (first.exit_code, second.exit_code) == (0, 0)
        assert [len(each.posts) for each in (slack, teams, sns)] == [5, 5, 5]
        assert all("SAMPLE" in post.text for post in (*slack.posts, *teams.posts))
        assert {post.form["TopicArn"] for post in sns.posts} == {topic}
    assert "Posted for real to env:SLACK_WEBHOOK_URL, env:TEAMS_WEBHOOK_URL, env:SNS_TOPIC_ARN, too." in first.stdout
    assert len(re.findall(r"^sent +env:", first.stdout, re.MULTILINE)) == 15
    assert "0 cards, 20 already said\n" in second.stdout
    assert "hook-secret" not in first.output + second.output


def quick(folder: Path) -> Path:
    """A routing file with one destination, so that a test sees little but the real posts."""
    silence = 'routes: [{match: {user: "svc-*"}, notify: []}]\n'
    return write(folder, "routes.yml", "destinations: {ops: {type: console}}\ndefault: [ops]\n" + silence)


@pytest.mark.usefixtures("unpaced")
def test_a_channel_added_later_hears_what_the_terminal_heard_before(tmp_path: Path) -> None:
    with Provider.slack() as slack:
        demo(tmp_path, "--routes", quick(tmp_path))
        result = demo(tmp_path, "--routes", quick(tmp_path), SLACK_WEBHOOK_URL=slack.url, TRUSTED_HOSTS=slack.host)
        assert len(slack.posts) == 5
    assert "  1 of them already said\n" in result.stdout
    assert "5 cards, 5 already said\n" in result.stdout


@pytest.mark.usefixtures("unpaced")
def test_a_channel_that_refuses_is_said_and_ends_with_1(tmp_path: Path) -> None:
    with Provider.slack() as slack:
        slack.always(Answer(404, "no_service"))
        result = demo(tmp_path, "--routes", quick(tmp_path), SLACK_WEBHOOK_URL=slack.url, TRUSTED_HOSTS=slack.host)
    assert result.exit_code == 1
    assert len(re.findall(r"^given up +env:SLACK_WEBHOOK_URL .*no_service", result.stdout, re.MULTILINE)) == 5


@pytest.mark.usefixtures("unpaced")
def test_what_was_given_up_is_posted_by_the_next_run_and_never_called_said(tmp_path: Path) -> None:
    with Provider.slack() as slack:
        channel = {"SLACK_WEBHOOK_URL": slack.url, "TRUSTED_HOSTS": slack.host}
        slack.always(Answer(404, "no_service"))
        failed = demo(tmp_path, "--routes", quick(tmp_path), **channel)
        slack.always(Answer(200, "ok"))
        before = len(slack.posts)
        mended = demo(tmp_path, "--routes", quick(tmp_path), **channel)
        assert len(slack.posts) == before + 5
    assert "said twice" not in failed.stdout
    assert "What was given up is tried again by the next run.\n" in failed.stdout
    assert mended.exit_code == 0
    assert "5 cards that an earlier demo gave up: tried again.\n" in mended.stdout
    assert "  1 of them already known\n" in mended.stdout
    assert "5 cards, 5 already known\n" in mended.stdout


@pytest.mark.usefixtures("unpaced")
def test_a_wrong_url_is_mended_by_setting_another(tmp_path: Path) -> None:
    wrong = demo(tmp_path, "--routes", quick(tmp_path), SLACK_WEBHOOK_URL="hello")
    with Provider.slack() as slack:
        mended = demo(tmp_path, "--routes", quick(tmp_path), SLACK_WEBHOOK_URL=slack.url, TRUSTED_HOSTS=slack.host)
        assert len(slack.posts) == 5
    assert (wrong.exit_code, mended.exit_code) == (1, 0)


def test_a_channel_that_stays_away_ends_the_demo_and_its_cards_wait_for_the_next(tmp_path: Path) -> None:
    with Provider.slack() as slack:
        slack.always(Answer(429, headers={"Retry-After": "600"}))
        result = demo(tmp_path, "--routes", quick(tmp_path), SLACK_WEBHOOK_URL=slack.url, TRUSTED_HOSTS=slack.host)
    assert result.exit_code == 1
    assert "5 cards not taken yet: the next run tries again.\n" in result.stdout
    assert "said twice" not in result.stdout
    without = demo(tmp_path, "--routes", quick(tmp_path))
    assert "5 cards not taken yet" in without.stdout, "a channel that is not there any more is not waited for"


def test_the_last_line_can_be_typed_as_it_is(tmp_path: Path) -> None:
    inside = demo(tmp_path, "--routes", quick(tmp_path)).stdout.splitlines()[-1]
    outside = spawn("demo", "--routes", quick(tmp_path), cwd=tmp_path).stdout.splitlines()[-1]
    assert inside.endswith(" -m bot --help")
    assert outside == f"Who hears of what: routes.yml. Everything else: {sys.executable} -m bot --help"


def test_an_interpreter_below_this_folder_is_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.cli.demo.sys.executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert demo(tmp_path, "--routes", quick(tmp_path)).stdout.endswith(f": {Path('.venv/bin/python')} -m bot --help\n")


@pytest.mark.slow
@pytest.mark.usefixtures("unpaced")
def test_a_channel_that_is_busy_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    with Provider.slack() as slack:
        slack.script(Answer(429, headers={"Retry-After": "1"}))
        result = demo(tmp_path, "--routes", quick(tmp_path), SLACK_WEBHOOK_URL=slack.url, TRUSTED_HOSTS=slack.host)
        assert len(slack.posts) == 1 + 5
    assert result.exit_code == 0
    assert "10 cards, 0 already said\n" in result.stdout


@pytest.mark.usefixtures("unpaced")
def test_a_loopback_url_that_nobody_trusts_is_never_posted_to(tmp_path: Path) -> None:
    with Provider.slack() as slack:
        result = demo(tmp_path, "--routes", quick(tmp_path), SLACK_WEBHOOK_URL=slack.url)
        assert (result.exit_code, slack.connections) == (1, 0)


def test_a_topic_that_is_none_is_a_mistake_before_anything_is_said(tmp_path: Path) -> None:
    result = demo(tmp_path, SNS_TOPIC_ARN="logins")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: SNS_TOPIC_ARN: topic_arn must be like arn:aws:sns:")


def test_the_samples_are_marked_made_up_and_different() -> None:
    assert {raw["source"] for raw in samples()} == {"login-bot.sample"}
    assert len({raw["id"] for raw in samples()}) == len(samples()) == 6


@pytest.mark.parametrize("raw", samples(), ids=lambda raw: raw["detail"]["workspaceId"])
def test_a_sample_moves_to_now_and_keeps_aws_own_delay(raw: Any) -> None:
    now = datetime.fromtimestamp(START, UTC)
    before, after = parse(raw, received_at=now), parse(as_if_now(raw, START), received_at=now)
    assert (now - after.emitted_at).total_seconds() == 1
    assert after.emitted_at - after.logged_in_at == before.emitted_at - before.logged_in_at
    assert after.event_id == before.event_id


def test_everybody_in_the_sample_list_has_a_sample_login() -> None:
    listed = {line.split(",")[0] for line in (ROOT / "samples" / "users.csv").read_text().splitlines()[1:]}
    assert listed < {raw["detail"]["workspaceId"] for raw in samples()}
    assert json.dumps(samples()).isascii()
