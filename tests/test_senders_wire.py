"""The wire that every sender posts over: which hosts, how long, through which proxy, and what may be shown of it."""

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from email.utils import formatdate
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from bot.aws import Aws
from bot.patience import within
from bot.secrets import SecretError, SecretRef, Secrets, SecretStr
from bot.senders import answers, wire
from bot.senders.base import Outcome, Tools, Verdict
from bot.senders.hosts import Address, refusal
from bot.senders.wire import Answer, Deadline, NoAnswerError
from bot.tls import tls
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.providers import Answer as Said
from tests.support.providers import Provider

OWN = ("hooks.example", "*.logic.example")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://Hooks.Example./a?b=%2F#c", Address("https", "hooks.example", 443, "/a?b=%2F")),
        ("HTTPS://hooks.example:443", Address("https", "hooks.example", 443, "/")),
        ("https://hooks.example?x", Address("https", "hooks.example", 443, "/?x")),
        ("https://hooks.example:/x", Address("https", "hooks.example", 443, "/x")),
        ("http://[::1]:99/x", Address("http", "::1", 99, "/x")),
        ("https://bücher.example/x", Address("https", "xn--bcher-kva.example", 443, "/x")),
    ],
)
def test_a_url_is_taken_apart_once(url: str, address: Address) -> None:
    assert Address.parse(url) == address


ALLOWED = {
    "its own host": ("https://hooks.example/x", []),
    "a host below its own": ("https://a.b.logic.example/x", []),
    "https's own port": ("https://hooks.example:443/x", []),
    "in capitals, with a dot": ("https://HOOKS.EXAMPLE./x", []),
    "a trusted host": ("https://relay.corp.example/x", ["relay.corp.example"]),
    "a trusted host, any port": ("https://relay.corp.example:8443/x", ["Relay.Corp.Example."]),
    "a trusted host, that port": ("https://relay.corp.example:8443/x", ["relay.corp.example:8443"]),
    "a trusted host, https's own port": ("https://relay.corp.example/x", ["relay.corp.example:443"]),
    "another spelling": ("https://bücher.example/x", ["xn--bcher-kva.example"]),
    "loopback": ("http://127.0.0.1:9999/x", ["127.0.0.1:9999"]),
    "loopback, any port": ("http://127.0.0.1:9999/x", ["127.0.0.1"]),
    "loopback by name": ("http://localhost:9999/x", ["localhost"]),
    "loopback of IPv6": ("http://[::1]:9999/x", ["[::1]:9999"]),
    "nonsense beside it": ("https://relay.corp.example/x", ["", "a b", "[", "relay.corp.example"]),
}
REFUSED = {
    "another host": ("https://evil.example/x", []),
    "a host that ends alike": ("https://evilhooks.example/x", []),
    "a host that begins alike": ("https://hooks.example.evil.example/x", []),
    "the root of a wildcard": ("https://logic.example/x", []),
    "its own host, another port": ("https://hooks.example:8443/x", []),
    "its own host, plain": ("http://hooks.example/x", []),
    "its own host, plain, though trusted": ("http://hooks.example/x", ["hooks.example"]),
    "a trusted host, another port": ("https://relay.corp.example:8444/x", ["relay.corp.example:8443"]),
    "loopback that nobody trusts": ("http://127.0.0.1:9999/x", ["127.0.0.1:9998"]),
    "loopback over https that nobody trusts": ("https://127.0.0.1/x", []),
    "AWS's own credentials": ("http://169.254.169.254/x", ["169.254.169.254"]),
}
NO_URLS = {
    "nothing": "",
    "no scheme": "hooks.example/secret",
    "another scheme": "file:///etc/secret",
    "no host": "https:///secret",
    "a user": "https://secret@hooks.example/x",
    "a user and a password": "https://a:secret@hooks.example/x",
    "a user like a host": "https://hooks.example@evil.example/secret",
    "a space": "https://hooks.example/a secret",
    "a new line": "https://hooks.example/a\nsecret",
    "a tab in the host": "https://ho\toks.example/secret",
    "a backslash": "https://evil.example\\@hooks.example/secret",
    "a path beyond ASCII": "https://hooks.example/秘密secret",
    "a port that is none": "https://hooks.example:secret/x",
    "a port too high": "https://hooks.example:70000/secret",
    "port 0": "https://hooks.example:0/secret",
    "an escape in the host": "https://hooks%2eexample/secret",
    "an empty label": "https://hooks..example/secret",
    "an address that is none": "https://[:::1]/secret",
    "a label too long for a host": f"https://{'a' * 64}.hooks.example/secret",
    "a label too long": f"https://{'ü' * 64}.example/secret",
}


@pytest.mark.parametrize(("url", "trusted"), ALLOWED.values(), ids=ALLOWED.keys())
def test_may_be_posted_to(url: str, trusted: list[str]) -> None:
    assert refusal(Address.parse(url), own=OWN, trusted=trusted) is None


@pytest.mark.parametrize(("url", "trusted"), REFUSED.values(), ids=REFUSED.keys())
def test_may_not_be_posted_to(url: str, trusted: list[str]) -> None:
    problem = refusal(Address.parse(url), own=OWN, trusted=trusted)
    assert problem is not None
    assert "trusted_hosts" in problem


@pytest.mark.parametrize("url", NO_URLS.values(), ids=NO_URLS.keys())
def test_what_is_no_url_is_never_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(is no URL|holds no|must hold no|'|At least)") as caught:
        Address.parse(url)
    assert "secret" not in str(caught.value)


NOW = "Mon, 23 Nov 2026 05:00:00 GMT"
WAITS: dict[str, tuple[str | None, float | None]] = {
    "absent": (None, None),
    "empty": ("", None),
    "none": ("0", 0.0),
    "whole": ("30", 30.0),
    "a fraction": (" 1.5 ", 1.5),
    "an hour": ("3600", 3600.0),
    "more than an hour": ("3601", 3600.0),
    "negative": ("-1", None),
    "exponent": ("1e9", 3600.0),
    "for ever": ("inf", 3600.0),
    "minus for ever": ("-inf", None),
    "no number": ("nan", None),
    "text": ("soon", None),
    "two": ("30, 60", None),
    "a date": ("Mon, 23 Nov 2026 05:01:00 GMT", 60.0),
    "an old form of date": ("Monday, 23-Nov-26 05:01:00 GMT", 60.0),
    "a date next year": ("Tue, 23 Nov 2027 05:00:00 GMT", 3600.0),
    "a date that is past": ("Mon, 23 Nov 2026 04:59:00 GMT", 0.0),
    "a date that never was": ("Mon, 31 Feb 2026 05:00:00 GMT", None),
}


@pytest.mark.parametrize(("text", "seconds"), WAITS.values(), ids=WAITS.keys())
def test_retry_after(text: str | None, seconds: float | None) -> None:
    headers = {"date": NOW} | ({} if text is None else {"retry-after": text})
    assert answers.asked_wait(headers) == seconds


def test_a_date_without_a_date_is_held_against_the_clock() -> None:
    asked = answers.asked_wait({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert asked is not None
    assert 50 < asked <= 60


@examples(100)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_retry_after_asks_for_what_cannot_be(text: str, date: str) -> None:
    asked = answers.asked_wait({"retry-after": text, "date": date})
    assert asked is None or 0 <= asked <= answers.LONGEST_WAIT


SECRET = "https://hooks.example/services/T123456/sig?sig=aB%2Fcd-made-up&v=1"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no_service", "no_service"),
        ("  two\n lines\t", "two lines"),
        ("turned \u202eround\u200b\x00", "turned round"),
        (f"no {SECRET} here", "no …/services… here"),
        ("no /services/T123456 here", "no /services… here"),
        ("sig aB/cd-made-up", "sig …"),
        ("sig AB%2FCD-MADE-UP", "sig …"),
        ("T1234\u200b56 in disguise", "… in disguise"),
        ("cut: sig=aB%2Fcd-ma", "cut: …"),
        ("within: (xsig=aB%2Fcd-mx)", "within: (x…x)"),
        ("in HTML: sig=aB%2Fcd-made-up&amp;v=1", "in HTML: …amp;v=1"),
        ("quoted: sig%3DaB%252Fcd-made-up", "quoted: …"),
        ("no_service of the trigger", "no_service of the trigger"),
        ("five: aB%2F is left", "five: aB%2F is left"),
        ("x" * 101, "x" * 99 + "…"),
        ("x" * 97 + " T123456", "x" * 97 + " …"),
    ],
)
def test_untrusted_text_is_one_short_line_without_secrets(said: str, shown: str) -> None:
    assert answers.shown(said, hide=[SECRET]) == shown


def test_where_a_secret_is_too_short_to_be_found_in_parts_nothing_is_shown() -> None:
    assert answers.shown("wrong key: abc", hide=["abc", SECRET]) == "…"
    assert answers.shown("wrong key", hide=[""]) == "wrong key"
    assert answers.shown("wrong key", hide=["no text: \ud800"]) == "wrong key"


@examples(100)
@given(st.text(max_size=300))
def test_any_text_is_fit_to_be_shown(text: str) -> None:
    line = answers.shown(text)
    assert len(line) <= answers.MOST_SHOWN
    assert line.isprintable()
    assert line == " ".join(line.split())


STATUSES = {
    **dict.fromkeys((200, 201, 202, 204), Outcome.SENT),
    **dict.fromkeys(
        (301, 302, 303, 304, 307, 308, 401, 403, 404, 405, 406, 407, 409, 410, 415, 418, 451), "destination"
    ),
    **dict.fromkeys((400, 413, 422), "payload"),
    **dict.fromkeys((408, 421, 423, 425, 429, 500, 501, 502, 503, 504, 507, 520, 599), Outcome.AGAIN),
    **dict.fromkeys((101, 103), Outcome.UNSURE),
}


@pytest.mark.parametrize(("status", "expected"), STATUSES.items(), ids=str)
def test_a_status_means(status: int, expected: str) -> None:
    verdict = answers.verdict("X", Answer(status, {}, ""))
    assert (verdict.blames or verdict.outcome) == expected


def post(url: str, *, seconds: float = 5.0, body: bytes = b"{}") -> Answer:
    return wire.post(url, body, {"X-Own": "1"}, service="X", deadline=Deadline.after(seconds))


class TestOnePost:
    def test_carries_body_and_headers_on_a_connection_of_its_own(self) -> None:
        with Provider(lambda _: Said(200, "done", {"X-Said": "a"})) as provider:
            answers = [post(provider.url, body=b'{"a": 1}') for _ in range(3)]
            assert provider.connections == 3
            request = provider.posts[0]
        assert (request.path, request.json, request.headers["x-own"]) == (provider.path, {"a": 1}, "1")
        assert request.headers["host"] == provider.host
        assert (answers[0].status, answers[0].body, answers[0].headers["x-said"]) == (200, "done", "a")

    def test_reads_no_more_than_a_provider_could_mean(self) -> None:
        with Provider(lambda _: Said(200, "x" * 1_000_000)) as provider:
            assert len(post(provider.url).body) == wire.MOST_READ

    def test_takes_bytes_that_are_no_text(self) -> None:
        with Provider(lambda _: Said(200, "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"))) as provider:
            assert post(provider.url).body

    def test_ends_with_its_deadline_however_slowly_its_body_is_taken(self) -> None:
        """Nobody reads: the system's buffers fill, and every write waits."""
        with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
            began = time.monotonic()
            with pytest.raises(NoAnswerError) as caught:
                post(f"http://127.0.0.1:{deaf.getsockname()[1]}/", seconds=0.2, body=b"x" * 20_000_000)
        assert time.monotonic() - began < 5.0
        assert caught.value.verdict.outcome is Outcome.UNSURE

    def test_hears_a_refusal_that_comes_before_all_was_sent(self) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as impatient:
            threading.Thread(target=refuse_early, args=(impatient,), daemon=True).start()
            answer = post(f"http://127.0.0.1:{impatient.getsockname()[1]}/", body=b"x" * 20_000_000)
        assert answer.status == 413

    def test_tries_each_of_a_hosts_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = socket.getaddrinfo
        with Provider(lambda _: Said(200)) as provider:
            port = int(provider.host.rpartition(":")[2])
            both = [("127.0.0.9", port), ("127.0.0.1", port)]
            monkeypatch.setattr(
                socket,
                "getaddrinfo",
                lambda *_, **__: [found for host, _ in both for found in real(host, port, type=socket.SOCK_STREAM)],
            )
            assert post(f"http://two.example:{port}/").status == 200

    def test_has_no_time_for_one_that_is_over(self) -> None:
        with Provider(lambda _: Said(200)) as provider:
            with pytest.raises(NoAnswerError) as caught:
                post(provider.url, seconds=0.0)
            assert provider.connections == 0
        assert caught.value.verdict.outcome is Outcome.AGAIN

    def test_a_silent_handshake_ends_too(self) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as silent, pytest.raises(NoAnswerError) as caught:
            post(f"https://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)
        assert caught.value.verdict == Verdict.again("X was not reached in time")


def refuse_early(server: socket.socket) -> None:
    wire, _ = server.accept()
    with wire:
        wire.recv(1_000)
        wire.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        time.sleep(0.05)


class Tunnel(threading.Thread):
    """A proxy: takes CONNECT, whatever the name, to one port of loopback. `asked` holds what it was told."""

    def __init__(self, port: int, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> None:
        super().__init__(daemon=True)
        self.port = port
        self.answer = answer
        self.asked = ""
        self._server = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        """Ends it, whether anybody came or not: a listener that is shut down accepts nobody."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        if self.ident is not None:
            self.join(5)

    def run(self) -> None:
        with suppress(OSError):  # whoever calls may hang up in the middle
            self._lead()

    def _lead(self) -> None:
        caller, _ = self._server.accept()
        with caller, socket.create_connection(("127.0.0.1", self.port)) as target:
            while "\r\n\r\n" not in self.asked and (said := caller.recv(1)):
                self.asked += said.decode()
            caller.sendall(self.answer)
            back = threading.Thread(target=copy, args=(target, caller), daemon=True)
            back.start()
            copy(caller, target)
            target.shutdown(socket.SHUT_WR)
            back.join(5)


def copy(source: socket.socket, sink: socket.socket) -> None:
    """Until one of the two hangs up, in whatever way."""
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """hooks.example, as far as certificates say so."""
    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example").configure_cert(served)
    with authority.cert_pem.tempfile() as path, Provider(lambda _: Said(200, "ok"), certificate=served) as provider:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        tls.cache_clear()
        yield provider
        tls.cache_clear()


@pytest.fixture
def tunnel(far: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tunnel]:
    for name in ("https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with closing(Tunnel(int(far.host.rpartition(":")[2]))) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@{tunnel.url}/")
        yield tunnel


class TestAProxy:
    def test_leads_to_the_host_and_learns_no_more_of_it_than_its_name(self, far: Provider, tunnel: Tunnel) -> None:
        tunnel.start()
        assert post("https://hooks.example/secret").body == "ok"
        assert far.posts[0].headers["host"] == "hooks.example"
        assert tunnel.asked.startswith("CONNECT hooks.example:443 HTTP/1.")
        assert "Proxy-Authorization: Basic bWU6cEBzcw==" in tunnel.asked
        assert "secret" not in tunnel.asked

    @pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Who are you, p@ss?\r\n\r\n", b"no HTTP\r\n\r\n"])
    def test_that_says_no_took_nothing(self, tunnel: Tunnel, answer: bytes) -> None:
        tunnel.answer = answer
        tunnel.start()
        with pytest.raises(NoAnswerError) as caught:
            post("https://hooks.example/secret")
        assert caught.value.verdict == Verdict.again("X was not reached: no way through")

    @pytest.mark.parametrize("proxy", ["http://", "://", "socks5://secret.example"])
    def test_that_is_none_is_said(self, tunnel: Tunnel, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(NoAnswerError, match="HTTPS_PROXY names no proxy"):
            post("https://hooks.example/secret")

    def test_is_not_asked_for_loopback_or_for_whom_no_proxy_names(
        self, far: Provider, tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NO_PROXY", "hooks.example")
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda _, port, **how: real("127.0.0.1", port, **how))
        assert post(f"https://hooks.example:{far.host.rpartition(':')[2]}/").body == "ok"
        with Provider(lambda _: Said(200, "near")) as near:
            assert post(near.url).body == "near"
        assert tunnel.asked == ""


class TestSecretsOnTheWay:
    def test_one_that_is_not_to_be_had(self) -> None:
        class Locked(Secrets):
            def read(self, ref: SecretRef) -> SecretStr:
                raise SecretError(f"{ref} is locked")

        with pytest.raises(NoAnswerError, match="ssm:/a is locked") as caught:
            wire.read_secret(tools(Locked(Aws(), FakeClock())), SecretRef("ssm", "/a"), Deadline.after(5))
        assert caught.value.verdict.outcome is Outcome.AGAIN

    def test_one_that_takes_too_long(self) -> None:
        over = threading.Event()

        class Slow(Secrets):
            def read(self, ref: SecretRef) -> SecretStr:
                over.wait(30)
                return SecretStr("late")

        with pytest.raises(NoAnswerError, match="ssm:/a was not read in time") as caught:
            wire.read_secret(tools(Slow(Aws(), FakeClock())), SecretRef("ssm", "/a"), Deadline.after(0.1))
        over.set()
        assert caught.value.verdict.outcome is Outcome.AGAIN


def tools(secrets: Secrets) -> Tools:
    return Tools(secrets=secrets, aws=Aws())


def test_within_gives_back_what_came_of_a_call() -> None:
    assert within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)
    with pytest.raises(TimeoutError):
        within(0.05, lambda: time.sleep(0.3))


def test_one_tls_context_serves_all_and_verifies() -> None:
    assert tls() is tls()
    assert tls().verify_mode is ssl.CERT_REQUIRED
    assert tls().check_hostname


LIBRARIES = {"slack_sdk", "pymsteams", "requests", "boto3", "botocore", "pydantic", "yaml", "urllib3"}
NEEDED_BY = {
    "bot.senders, bot.senders.base, bot.senders.wire, bot.senders.answers": set(),
    "bot.senders.slack": {"slack_sdk"},
    "bot.senders.teams": {"pymsteams", "requests", "urllib3"},
    "bot.senders.sns": {"botocore"},
    "bot.senders.console": set(),
}


@pytest.mark.slow
@pytest.mark.parametrize(("modules", "needed"), NEEDED_BY.items(), ids=NEEDED_BY.keys())
def test_a_sender_imports_its_own_library_and_nobody_elses(modules: str, needed: set[str]) -> None:
    code = f"import sys, {modules}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent
    )
    assert set(done.stdout.split()) & LIBRARIES == needed
