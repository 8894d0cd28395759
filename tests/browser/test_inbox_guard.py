"""A page of another origin, open in the same browser, posts nothing into the inbox and reads nothing of it."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.inbox import RunningInbox, inbox
from tests.support.logins import event

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

EVENT = json.dumps(event())


class OtherPage(BaseHTTPRequestHandler):
    """An empty page of somebody else's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>other</title>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        """Tests are quiet."""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningInbox]:
    with inbox(tmp_path) as started:
        yield started


@pytest.fixture
def elsewhere(window: "Page") -> "Iterator[Page]":
    """A window on a page of another origin on this machine: the nearest that another site can come."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherPage) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        window.goto(f"http://localhost:{server.server_port}/")
        yield window
        server.shutdown()


def nothing_came_in(running: RunningInbox) -> bool:
    state = running.get("/state")
    return not state["refusals"] and not any(column["waiting"] for column in state["columns"])


def fetched(window: "Page", url: str, **options: Any) -> Any:
    """The status and the text that the page's script could read, or the name of the error."""
    script = """async ([url, options]) => {
        try { const answer = await fetch(url, options); return [answer.status, await answer.text()]; }
        catch (error) { return error.name; }
    }"""
    return window.evaluate(script, [url, options])


def test_the_event_would_come_in_by_the_right_way(running: RunningInbox) -> None:
    assert running.program_posts(event()).json["events"][0]["became"] == "kept"
    assert not nothing_came_in(running)


@pytest.mark.parametrize("encoding", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_posts_nothing(elsewhere: "Page", running: RunningInbox, encoding: str) -> None:
    form = """([url, encoding, name]) => {
        const form = document.createElement("form");
        Object.assign(form, { method: "POST", action: url, enctype: encoding });
        const field = document.createElement("input");
        Object.assign(field, { name, value: "}" });
        form.append(field);
        document.body.append(form);
        form.submit();
    }"""
    with elsewhere.expect_response(lambda answer: answer.url.endswith("/events")) as answered:
        elsewhere.evaluate(form, [f"{running.url}/events", encoding, EVENT[:-1] + ',"x":'])
    assert answered.value.status == 403
    assert nothing_came_in(running)


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
@pytest.mark.parametrize("mode", ["no-cors", "cors"])
def test_a_fetch_posts_nothing_and_reads_nothing(
    elsewhere: "Page", running: RunningInbox, kind: str, mode: str
) -> None:
    headers = {"Content-Type": kind}
    found = fetched(elsewhere, f"{running.url}/events", method="POST", mode=mode, headers=headers, body=EVENT)
    assert found == "TypeError"
    assert nothing_came_in(running)


def test_another_origin_reads_neither_the_token_nor_a_card(elsewhere: "Page", running: RunningInbox) -> None:
    for path in ("/", "/state", "/cards?destination=eng-slack"):
        assert fetched(elsewhere, running.url + path) == "TypeError"


def test_another_origin_shows_the_inbox_in_no_frame(elsewhere: "Page", running: RunningInbox) -> None:
    framed = """url => new Promise((done) => {
        const frame = document.createElement("iframe");
        Object.assign(frame, { src: url, onload: () => done(true) });
        document.body.append(frame);
    })"""
    assert elsewhere.evaluate(framed, running.url)
    assert elsewhere.frames[1].locator("#login").count() == 0


def test_a_name_that_was_made_to_lead_here_posts_nothing_and_reads_nothing(
    window: "Page", running: RunningInbox
) -> None:
    """DNS rebinding: the page came from that name's own server, then the name was turned to 127.0.0.1."""
    rebound = f"http://evil.localhost:{running.port}"
    window.route(f"{rebound}/", lambda route: route.fulfill(content_type="text/html", body="<title>evil</title>"))
    window.goto(f"{rebound}/")
    assert window.title() == "evil"
    for kind in ("text/plain", "application/json"):
        status, _ = fetched(window, "/events", method="POST", headers={"Content-Type": kind}, body=EVENT)
        assert status == 421
    status, said = fetched(window, "/state")
    assert (status, list(json.loads(said))) == (421, ["error"])
    assert nothing_came_in(running)
