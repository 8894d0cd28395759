"""`run`: logins told for real through the whole pipeline, said once, refused alone, and stopped without loss."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.cli.reading import BATCH, Found, Inbox, read_all
from bot.cli.show import Mistake
from bot.cli.tally import Tally
from bot.clock import SystemClock
from bot.outbox.sqlite import SqliteOutbox
from bot.pipeline import Intake, Taken
from tests.support.bots import event_of
from tests.support.cli import CONSOLE_ROUTES, ROOT, USERS, command, invoke, shell, write
from tests.support.logins import event, make_login
from tests.support.outbox_stores import make_row
from tests.support.providers import Answer, How, Provider, Request


class Desk:
    """An operator's folder: a routing file that posts to `slack`, a list of users, a state file."""

    def __init__(self, folder: Path, slack: Provider) -> None:
        self.folder = folder
        self.slack = slack
        self.state = folder / "state.sqlite"
        self.routes = write(
            folder,
            "routes.yml",
            f'trusted_hosts: ["{slack.host}"]\n'
            "destinations: {eng: {type: slack, webhook_url: env:HOOK, pace: {messages: 100, per: 1}}}\n"
            "default: [eng]\n"
            'routes: [{match: {user: "svc-*"}, notify: []}]\n',
        )
        self.users = write(folder, "users.csv", USERS)
        self.environment = {
            "ROUTES": str(self.routes),
            "STATE_FILE": str(self.state),
            "USERS_FILE": str(self.users),
            "HOOK": slack.url,
        }

    def write(self, name: str, content: Any) -> Path:
        return write(self.folder, name, content)

    def run(self, *arguments: object, stdin: str | bytes | None = None) -> Any:
        return invoke("run", *arguments, stdin=stdin, **self.environment)

    def summary(self, *arguments: object, stdin: str | bytes | None = None) -> dict[str, int]:
        last = self.run(*arguments, "--json", stdin=stdin).stdout.splitlines()[-1]
        found: dict[str, int] = json.loads(last)["summary"]
        return found

    @property
    def waiting(self) -> int:
        return sum(row.waiting for row in SqliteOutbox(self.state, SystemClock()).status())


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    with Provider.slack() as slack:
        yield Desk(tmp_path, slack)


def test_a_login_is_told_and_the_second_run_says_nothing_twice(desk: Desk) -> None:
    path = desk.write("event.json", event())
    first, second = desk.run(path), desk.run(path)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert re.match(r"sent      eng  alice · d-9067000001  [\d,]+ ms\n", first.stdout)
    assert first.stdout.endswith("1 login: 1 sent, 0 already said, 0 waiting, 0 given up, 0 refused\n")
    assert second.stdout == "1 login: 0 sent, 1 already said, 0 waiting, 0 given up, 0 refused\n"
    assert len(desk.slack.posts) == 1


FORMS: dict[str, Any] = {
    "one event": json.dumps(event_of(1)),
    "one event over many lines": json.dumps(event_of(1), indent=2),
    "a list": json.dumps([event_of(1), event_of(2)]),
    "one event a line": "".join(json.dumps(event_of(number)) + "\n\n" for number in range(3)),
    "a byte order mark": "\ufeff" + json.dumps(event_of(1)),
    "a Windows shell's UTF-16": json.dumps(event_of(1)).encode("utf-16"),
}
HELD = {"a list": 2, "one event a line": 3}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", ["file", "standard input"])
def test_events_come_in_every_form(form: str, way: str, desk: Desk) -> None:
    content = FORMS[form] if isinstance(FORMS[form], bytes) else FORMS[form].encode()
    path = desk.folder / "events.json"
    path.write_bytes(content)
    if way == "standard input" and isinstance(FORMS[form], bytes):
        content = FORMS[form].decode("utf-16").encode()  # pipes are UTF-8
    summary = desk.summary(path) if way == "file" else desk.summary("-", stdin=content)
    assert (summary["sent"], summary["refused"]) == (HELD.get(form, 1), 0)


GARBAGE: dict[str, tuple[str, str]] = {
    "no JSON": ("{oops", "not JSON: expecting property name enclosed in double quotes at column 2"),
    "half an event": (json.dumps(event())[:200], "not JSON: "),
    "a foreign event": ('{"detail-type": "EC2 State", "source": "aws.ec2"}', "detail-type is 'EC2 State'"),
    "a number": ("7", "not a JSON object but a number"),
    "nested too deeply": ("[" * 100_000, "nested too deeply"),
    "a number too long": ("9" * 5000, "a number too long"),
    "bytes that are no text": ("\udcff\udcfe{", "not JSON"),
    "half a login": ('{"detail-type": "WorkSpaces Access", "source": "aws.workspaces", "detail": {}}', "is missing"),
}


@pytest.mark.parametrize(("line", "reason"), GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("way", ["file", "standard input"])
def test_a_line_that_is_no_login_is_refused_alone_with_its_number(line: str, reason: str, way: str, desk: Desk) -> None:
    lines = "\n".join([json.dumps(event_of(1)), line, json.dumps(event_of(2))])
    path = desk.folder / "events.jsonl"
    path.write_bytes(lines.encode("utf-8", "surrogateescape"))
    result = desk.run(path) if way == "file" else desk.run("-", stdin=path.read_bytes())
    source = str(path) if way == "file" else "standard input"
    assert result.exit_code == 1
    assert re.search(rf"^refused   {re.escape(source)} line 2  .*{re.escape(reason)}", result.stdout, re.MULTILINE)
    assert "2 logins: 2 sent, 0 already said, 0 waiting, 0 given up, 1 refused\n1 refused: " in result.stdout
    assert len(desk.slack.posts) == 2


def test_a_refused_entry_of_a_list_is_named_by_its_place(desk: Desk) -> None:
    path = desk.write("list.json", json.dumps([event_of(1), {"a": 1}]))
    assert f"refused   {path} [1]  detail-type is missing" in desk.run(path).stdout


def test_a_file_that_is_not_there_says_so_and_the_files_before_it_are_told(desk: Desk) -> None:
    result = desk.run(desk.write("event.json", event()), desk.folder / "nowhere.json")
    assert result.exit_code == 1
    assert result.stderr.endswith("nowhere.json can't be read: no such file or directory\n")
    assert len(desk.slack.posts) == 1


def test_an_input_that_is_closed_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cli.reading.sys.stdin", None)
    with pytest.raises(Mistake, match="standard input is closed; pipe events in, or name a file"):
        list(read_all(["-"]))


def test_a_reader_that_fails_ends_the_run_instead_of_hanging_it() -> None:
    def failing() -> Iterator[Found]:
        yield Found("line 1", {})
        raise ZeroDivisionError

    inbox = Inbox(failing())
    assert [each.place for each in inbox.batch(5.0)] == ["line 1"]
    with pytest.raises(ZeroDivisionError):
        all_of(inbox)


BAD_STATES = {"a folder that can't be made": "/dev/null/deep/state.sqlite", "a folder": "/"}


@pytest.mark.parametrize("state", BAD_STATES.values(), ids=BAD_STATES.keys())
def test_a_state_that_cannot_be_written_is_one_sentence_and_nothing_is_said(state: str, desk: Desk) -> None:
    result = desk.run(desk.write("event.json", event()), "--state", state)
    assert (result.exit_code, desk.slack.connections) == (1, 0)
    assert result.stderr.startswith(f"error: {state}")
    assert result.stderr.count("\n") == 1


def test_a_silent_login_is_told_to_nobody(desk: Desk) -> None:
    desk.write("users.csv", "workspace_id,user_name\nws-8n1k2m3p4,svc-backup\n")
    result = desk.run(desk.write("event.json", event()))
    assert result.stdout == "1 login: 0 sent, 0 already said, 0 waiting, 0 given up, 0 refused\n"
    assert desk.slack.connections == 0


def test_what_is_due_later_is_waited_for_and_sent(desk: Desk) -> None:
    desk.slack.script(Answer(429, headers={"Retry-After": "1"}))
    result = desk.run(desk.write("event.json", event()))
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["again", "sent", "1"]
    assert "0 waiting" in result.stdout


def test_a_login_given_up_ends_with_1_and_can_be_read_with_its_reason(desk: Desk) -> None:
    desk.slack.always(Answer(404, "no_service"))
    result = desk.run(desk.write("event.json", event()))
    assert result.exit_code == 1
    assert re.match(r"given up  eng  alice · d-9067000001  .*no_service.*", result.stdout)
    assert "1 given up" in result.stdout
    (letter,) = json.loads(invoke("dead-letters", "list", "--json", **desk.environment).stdout)
    assert "no_service" in letter["reason"]
    assert "hook-secret" not in result.output + json.dumps(letter)


def test_already_said_is_not_claimed_where_an_earlier_run_gave_logins_up(desk: Desk) -> None:
    desk.slack.always(Answer(404, "no_service"))
    path = desk.write("event.json", event())
    desk.run(path)
    assert "0 sent, 1 already known, 0 waiting" in desk.run(path).stdout


def test_json_is_one_object_a_line_with_the_summary_last(desk: Desk) -> None:
    path = desk.write("events.jsonl", [event_of(1), {"a": 1}])
    refused, sent, summary = map(json.loads, desk.run(path, "--json").stdout.splitlines())
    assert refused == {"refused": f"{path} line 2", "reason": "detail-type is missing, not 'WorkSpaces Access'"}
    assert (sent["destination"], sent["event_ids"], sent["outcome"]) == ("eng", ["event-1"], "sent")
    assert summary["summary"]["sent"] == 1


def test_the_json_summary_has_names_for_scripts(desk: Desk) -> None:
    path = desk.write("event.json", event())
    desk.run(path)
    summary = {"logins": 1, "sent": 0, "already_said": 1, "waiting": 0, "given_up": 0, "refused": 0}
    assert desk.summary(path) == summary


def test_drawn_cards_do_not_mix_with_json(desk: Desk) -> None:
    desk.routes.write_text(CONSOLE_ROUTES)
    result = desk.run(desk.write("event.json", event()), "--json")
    assert [next(iter(json.loads(line))) for line in result.stdout.splitlines()] == ["destination", "summary"]
    assert "╭─ eng" in result.stderr


def test_a_run_without_an_end_remembers_no_more_than_some_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cli.tally.NAMES_KEPT", 3)
    tally = Tally()
    logins = [make_login(event_id=f"event-{number}") for number in range(5)]
    found = [Found("line", {})] * 5
    tally.take(found, Intake(taken=tuple(Taken(login=login) for login in logins), rows=5, new=5))
    assert list(tally.who) == ["event-2", "event-3", "event-4"]
    assert tally.logins == 5


def test_a_wave_is_told_in_digests_and_every_login_counts(desk: Desk) -> None:
    path = desk.write("many.jsonl", [event_of(number) for number in range(600)])
    result = desk.run(path)
    assert result.stdout.endswith("600 logins: 600 sent, 0 already said, 0 waiting, 0 given up, 0 refused\n")
    assert 2 <= len(desk.slack.posts) <= 20
    assert re.search(
        r"^sent      eng  \d+ logins: (alice · d-9067000001, ){2}alice · d-9067000001 and \d+ more  ",
        result.stdout,
        re.MULTILINE,
    )


def test_a_dead_channel_gives_up_and_its_fallback_hears_of_every_login_in_digests(desk: Desk) -> None:
    with Provider.slack() as ops:
        desk.routes.write_text(
            f'trusted_hosts: ["{desk.slack.host}", "{ops.host}"]\n'
            "destinations:\n"
            "  eng: {type: slack, webhook_url: env:HOOK, fallback: ops, pace: {messages: 100, per: 1}}\n"
            "  ops: {type: slack, webhook_url: env:OPS_HOOK, pace: {messages: 100, per: 1}}\n"
            "default: [eng]\n"
        )
        desk.environment["OPS_HOOK"] = ops.url
        desk.slack.always(Answer(404, "no_service"))
        result = desk.run(desk.write("many.jsonl", [event_of(number) for number in range(100)]))
        assert (result.exit_code, 1 <= len(ops.posts) <= 10) == (1, True)
    assert result.stdout.splitlines()[-1] == "100 logins: 100 sent, 0 already said, 0 waiting, 100 given up, 0 refused"
    assert re.search(r"^sent      ops  \d+ logins: alice · d-9067000001, ", result.stdout, re.MULTILINE)


@pytest.mark.slow
def test_a_channel_that_stays_busy_is_given_up_on_in_time(desk: Desk) -> None:
    desk.routes.write_text(desk.routes.read_text().replace("pace:", "give_up_after: 1s, pace:"))
    desk.slack.always(Answer(429, headers={"Retry-After": "1"}))
    result = desk.run(desk.write("event.json", event()))
    assert result.exit_code == 1
    assert re.search(r"^given up  eng  alice .*not told within 1 s", result.stdout, re.MULTILINE)


def test_the_functions_log_lines_come_with_log_level(desk: Desk) -> None:
    desk.environment["LOG_LEVEL"] = "INFO"
    result = desk.run(desk.write("event.json", event()))
    messages = [json.loads(line)["message"] for line in result.stderr.splitlines()]
    assert "told" in messages


def all_of(inbox: Inbox) -> list[list[Found]]:
    """Its batches, to the end."""
    batches = []
    while not inbox.ended:
        batches.append(inbox.batch(5.0))
    return batches


def test_the_inbox_hands_out_all_in_order_a_batch_at_a_time(tmp_path: Path) -> None:
    path = write(tmp_path, "many.jsonl", [{"n": number} for number in range(BATCH + 10)])
    batches = all_of(Inbox(read_all([str(path)])))
    assert [each.raw["n"] for batch in batches for each in batch] == list(range(BATCH + 10))
    assert max(map(len, batches)) <= BATCH


# in a process of its own


def start(desk: Desk, *arguments: object, **streams: Any) -> subprocess.Popen[bytes]:
    environment = shell(**desk.environment)
    usual: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE}
    process: subprocess.Popen[bytes] = subprocess.Popen(
        command("run", *arguments), cwd=ROOT, env=environment, **(usual | streams)
    )
    return process


def until(true: Any) -> None:
    """Wait until `true()` is; a test that waits longer than 20 s has failed."""
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_the_next_run_goes_on_with_what_waits(desk: Desk) -> None:
    desk.slack.script(Answer(429, headers={"Retry-After": "3600"}))
    path = desk.write("event.json", event())
    process = start(desk, path)
    until(lambda: desk.slack.posts)
    assert process.stderr is not None
    waiting = process.stderr.readline().decode()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert re.match(r"waiting for eng until \d\d:\d\d:\d\dZ; Ctrl-C leaves what waits for the next run\n", waiting)
    assert out.decode().endswith("1 login: 0 sent, 0 already said, 1 waiting, 0 given up, 0 refused\n")
    assert f"what waits is kept in {desk.state}" in err.decode()
    assert "Traceback" not in err.decode()
    assert b"\x1b" not in out + err, "a pipe gets neither colour nor progress"
    assert desk.waiting == 1


@pytest.mark.slow
def test_ctrl_c_while_a_card_is_sent_lets_it_end_and_be_settled(desk: Desk) -> None:
    desk.slack.always(Answer(200, "ok", delay=0.7))
    process = start(desk, desk.write("two.jsonl", [event_of(1), event_of(2)]))
    until(lambda: desk.slack.posts)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"2 logins: 1 sent, 0 already said, 1 waiting" in out
    assert len(desk.slack.posts) == 1
    desk.slack.always(Answer(200, "ok"))
    assert desk.summary("-", stdin="")["sent"] == 1
    assert len(desk.slack.posts) == 2


@pytest.mark.slow
def test_a_run_ends_between_two_cards_when_nobody_reads_on(desk: Desk) -> None:
    """As `run … | head -1`: what is said after that line can't be written, and nobody would know what was told."""
    desk.slack.always(Answer(200, "ok", delay=0.3))
    with start(desk, desk.write("events.jsonl", [event_of(number) for number in range(1, 4)])) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"sent      eng  alice")
        process.stdout.close()
        err = process.stderr.read().decode()
    assert process.returncode == 1
    assert err == f"what waits is kept in {desk.state}; the next run goes on with it\n"
    assert (len(desk.slack.posts), desk.waiting) == (2, 1)


@pytest.mark.slow
def test_a_run_onto_a_full_disk_ends_after_the_first_card_with_one_sentence(desk: Desk) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(desk, "--json", desk.write("events.jsonl", [event_of(1), event_of(2)]), stdout=full)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    kept, error = err.decode().splitlines()
    assert kept.startswith(f"what waits is kept in {desk.state}")
    assert error.startswith("error: standard output can't be written: no space left on device")
    assert (len(desk.slack.posts), desk.waiting) == (1, 1)


def test_said_is_not_claimed_where_another_copy_of_the_bot_has_left_some_waiting(desk: Desk) -> None:
    """Nothing waited when this run began: they came while it was on."""
    desk.run(desk.write("event.json", event_of(1)))

    def another_copy(_: Request) -> Answer:
        outbox = SqliteOutbox(desk.state, SystemClock())
        outbox.hold("audit", "audit")
        outbox.keep([make_row(1, destination="audit", group="audit", event_id="event-1")])
        return Answer(200, "ok")

    desk.slack.rule = another_copy
    result = desk.run(desk.write("both.jsonl", [event_of(1), event_of(2)]))
    assert "2 logins: 1 sent, 1 already known, 1 waiting, 0 given up, 0 refused\n" in result.stdout


@pytest.mark.slow
def test_the_second_ctrl_c_does_not_wait_for_the_card_in_hand(desk: Desk) -> None:
    desk.slack.always(Answer(how=How.SILENCE))
    process = start(desk, desk.write("event.json", event()))
    until(lambda: desk.slack.posts)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    assert process.returncode == 130
    assert desk.waiting == 1


@pytest.mark.slow
def test_a_slow_pipe_holds_up_no_login_that_is_here(desk: Desk) -> None:
    process = start(desk, "-")
    assert process.stdin is not None
    for number in (1, 2):
        process.stdin.write(json.dumps(event_of(number)).encode() + b"\n")
        process.stdin.flush()
        until(lambda number=number: len(desk.slack.posts) == number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"2 logins: 2 sent" in out


def test_a_terminal_shows_progress_and_colour(desk: Desk) -> None:
    desk.routes.write_text(CONSOLE_ROUTES)
    path = desk.write("many.jsonl", [event_of(number) for number in range(25)])
    seen = on_a_terminal(desk, path)
    assert "\x1b[32msent" in seen
    assert "25 told, 0 waiting" in seen
    assert "25 sent" in seen


def on_a_terminal(desk: Desk, *arguments: object) -> str:
    """Everything that `run` shows on a terminal of 80 columns."""
    primary, secondary = pty.openpty()
    desk.environment |= {"TERM": "xterm-256color", "COLUMNS": "80"}
    process = start(desk, *arguments, stdin=secondary, stdout=secondary, stderr=secondary)
    os.close(secondary)
    seen = b""
    while select.select([primary], [], [], 20)[0]:
        try:
            piece = os.read(primary, 65_536)
        except OSError:  # the process has ended
            break
        seen += piece
    process.wait(20)
    os.close(primary)
    return seen.decode("utf-8", "replace")
