"""Every sender and everything that can go wrong: a verdict, one request at the most, and not a word of a secret.

The senders are those of the registry, one of somebody's own, and whichever `--sender package.module:Class` names.
"""

import logging
import re
import socket
import ssl
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any
from urllib.parse import quote, unquote

import pytest
import trustme

from bot.senders import REGISTRY
from bot.senders.base import Outcome, Verdict
from bot.tls import tls
from tests.support.providers import Answer, How, Provider, Request, refused_address
from tests.support.senders import SECRETS, Case, Stage, cases, staged

OUTSIDE = ("mycompany.pager:PagerSender",)
PATIENCE = 0.6
"""Seconds for a provider that would take for ever."""
ENDLESS = (How.SILENCE, How.TRICKLE_HEADERS, How.TRICKLE_BODY)
AT_EASE = 10.0
"""Seconds for one that answers, and the most that any send may take here, however busy the machine."""

AGAIN, UNSURE, SENT = Outcome.AGAIN, Outcome.UNSURE, Outcome.SENT
PAYLOAD, DESTINATION = (Outcome.DEAD, "payload"), (Outcome.DEAD, "destination")
Expected = Outcome | tuple[Outcome, str]


@dataclass(frozen=True)
class Fault:
    """What a provider does, and what must come of it; `on_aws` where SNS, behind boto3, can't tell as much."""

    answer: Answer | Callable[[Request], Answer]
    expected: Expected
    after: float | None = None
    on_aws: Expected | None = None
    code: str = field(default="SomethingElse", kw_only=True)


def wait(text: str, after: float | None, **headers: str) -> Fault:
    return Fault(Answer(429, headers={"Retry-After": text, **headers}), AGAIN, after, code="Throttling")


def told(request: Request) -> str:
    """What a provider was told, secrets first: the end of a long text is not shown anyway."""
    said = [request.path, *request.headers.values()]
    return " ".join(sorted(said, key=lambda each: not any(secret in each for secret in SECRETS)))


def echo(status: int, spelt: Callable[[str], str] = str) -> Callable[[Request], Answer]:
    """A provider that says to everybody's face what it was told, each word `spelt` in its own way."""
    return lambda request: Answer(status, f"error: {' '.join(map(spelt, told(request).split()))}")


def cut(word: str) -> str:
    """All but the end, which is what a provider with room for a few characters says."""
    return word[: max(len(word) - 3, 0)]


def behind_much(word: str) -> str:
    """Half of it just before 4,096 characters, which were looked through in an earlier version."""
    return "\u200b" * (4_090 - len(word)) + word


def base64(word: str) -> str:
    return b64encode(f"Basic {word}".encode()).decode()


ECHOES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "cut": cut,
    "behind much": behind_much,
    "quoted": lambda word: quote(word, safe=""),
    "quoted twice": lambda word: quote(quote(word, safe=""), safe=""),
    "in capitals": str.upper,
    "as JSON": lambda word: word.replace("/", "\\/"),
    "every letter quoted": lambda word: "".join(f"%{ord(letter):02x}" for letter in word),
    "as a page has it": lambda word: "".join(f"&#{ord(letter)};" for letter in word),
    "escaped": lambda word: "".join(f"\\u{ord(letter):04x}" for letter in word),
    "as hex": lambda word: word.encode().hex(),
    "as base64": base64,
    "as base64 of a part": lambda word: b64encode(word[1:].encode()).decode().rstrip("="),
    "as base64 in a URL": lambda word: urlsafe_b64encode(word.encode()).decode(),
}


NOW = "Mon, 23 Nov 2026 05:00:00 GMT"

FAULTS = {
    "302": Fault(Answer(302, headers={"Location": "/elsewhere"}), DESTINATION, on_aws=UNSURE),
    "307": Fault(Answer(307, headers={"Location": "/elsewhere"}), DESTINATION, on_aws=UNSURE),
    "400": Fault(Answer(400, "invalid_payload"), PAYLOAD, code="InvalidParameter"),
    **{f"400 that tells all, {spelt}": Fault(echo(400, how), PAYLOAD) for spelt, how in ECHOES.items()},
    "401": Fault(Answer(401, "nobody we know"), DESTINATION, code="MissingAuthenticationToken"),
    "403": Fault(Answer(403, "action_prohibited"), DESTINATION, code="AuthorizationError"),
    "403 that tells all": Fault(echo(403), DESTINATION),
    "404": Fault(Answer(404, "channel_not_found"), DESTINATION, code="NotFound"),
    "410": Fault(Answer(410, "channel_is_archived"), DESTINATION),
    "413": Fault(Answer(413), PAYLOAD),
    "422": Fault(Answer(422), PAYLOAD),
    "429, whole seconds": wait("7", 7.0),
    "429, a fraction": wait("1.5", 1.5),
    "429, a date": wait("Mon, 23 Nov 2026 05:00:30 GMT", 30.0, Date=NOW),
    "429, a date that is past": wait("Mon, 23 Nov 2026 04:00:00 GMT", 0.0, Date=NOW),
    "429, no time": Fault(Answer(429), AGAIN, None, code="Throttling"),
    "429, less than none": wait("-5", None),
    "429, years": wait("1e9", 3600.0),
    "429, for ever": wait("inf", 3600.0),
    "429, no number": wait("nan", None),
    "429, no sense": wait("soon", None),
    "500": Fault(Answer(500, "rollup_error"), AGAIN, code="InternalError"),
    "502": Fault(Answer(502), AGAIN),
    "503, with a time": Fault(Answer(503, headers={"Retry-After": "3"}), AGAIN, 3.0, code="ServiceUnavailable"),
    "503 that tells all": Fault(echo(503), AGAIN),
    "504": Fault(Answer(504), AGAIN),
    "408": Fault(Answer(408), AGAIN),
    "418": Fault(Answer(418), DESTINATION),
    "500 cut short": Fault(Answer(500, "so", how=How.CUT), AGAIN, on_aws=UNSURE),
    "closed without an answer": Fault(Answer(how=How.CLOSE), UNSURE),
    "reset without an answer": Fault(Answer(how=How.RESET), UNSURE),
    "no HTTP": Fault(Answer(how=How.GARBAGE), UNSURE),
    "no answer in time": Fault(Answer(how=How.SILENCE), UNSURE),
    "headers byte by byte": Fault(Answer(how=How.TRICKLE_HEADERS), UNSURE),
    "body byte by byte": Fault(Answer(how=How.TRICKLE_BODY), UNSURE),
    "body cut short": Fault(Answer(200, "ok", how=How.CUT), UNSURE),
}

SAID_200 = {
    "a connector's error": "Webhook message delivery failed with error: Teams endpoint returned HTTP error 429",
    "an API's error": '{"ok": false, "error": "something_new"}',
    "somebody's page": "<!DOCTYPE html><html><title>Sign in to the guest network</title></html>",
    "an error that tells all": echo(200),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        given = metafunc.config.getoption("--sender")
        found = cases(*REGISTRY, *OUTSIDE, *given)
        wanted = [case for case in found if not case.is_local] if "local" not in metafunc.function.__name__ else found
        metafunc.parametrize("case", wanted, ids=str, scope="module")


@dataclass(frozen=True)
class Table:
    """One sender's stage for a whole row of the table."""

    stage: Stage
    provider: Provider

    def try_out(
        self, answer: Answer | Callable[[Request], Answer], patience: float = AT_EASE
    ) -> tuple[Verdict, int, float]:
        """The verdict, the connections made, and the seconds taken."""
        before = self.provider.connections
        self.provider.rule = answer if callable(answer) else lambda _: answer
        began = time.monotonic()
        verdict = self.stage.send(patience)
        return verdict, self.provider.connections - before, time.monotonic() - began


@pytest.fixture(scope="module")
def table(case: Case) -> Iterator[Table]:
    with Provider(lambda _: Answer(404)) as provider, staged(case, provider.host) as stage:
        stage.send(AT_EASE)  # boto3 takes its time the first time
        yield Table(stage, provider)


class Everything(logging.Handler):
    """Every record of every logger, as text."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{self.format(record)} {record.__dict__}")


@pytest.fixture
def logged() -> Iterator[Everything]:
    """All loggers talk as much as they can, each straight to us: no level and no parent keeps anything back."""
    heard = Everything()
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in list(root.manager.loggerDict))]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.addHandler(heard)
    yield heard
    for logger, level in before:
        logger.setLevel(level)
        logger.removeHandler(heard)


def shreds(secret: str) -> Iterator[str]:
    """What nobody may see of it: any six characters in a row, however they are spelt."""
    encoded = (base64(secret), *(b64encode(secret[at:].encode()).decode() for at in range(3)))
    for form in (secret, quote(secret, safe=""), *(each.rstrip("=")[4:-4] for each in encoded)):
        yield from (form[at : at + 6].lower() for at in range(len(form) - 5))
    yield from (secret[at : at + 6].encode().hex() for at in range(len(secret) - 5))


NAMES = "env:contract_secret aws_secret_access_key aws_session_token x-amz-security-token"
"""Not secret, and much like what is."""


def is_a_name(shred: str) -> bool:
    return shred in NAMES or shred in NAMES.encode().hex()


SHREDS = sorted({shred for secret in SECRETS for shred in shreds(secret) if not is_a_name(shred)})


def unescaped(text: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)


def kind_of(verdict: Verdict) -> Expected:
    return (verdict.outcome, verdict.blames) if verdict.blames else verdict.outcome


def assert_fit_for_operators(verdict: Verdict, stage: Stage, logged: Everything) -> None:
    assert verdict.reason, "a verdict that is not sent has a reason"
    assert verdict.reason.isprintable(), "on one line, without control characters"
    assert len(verdict.reason) <= 250
    assert "://" not in verdict.reason
    said = [repr(verdict), repr(stage.sender), repr(stage.settings), repr(stage.tools), *logged.said]
    shown = [*said, *map(unquote, said), *map(unescape, said), unescaped(verdict.reason)]
    for shred in SHREDS:
        assert not [text for text in shown if shred in text.lower()], shred


def as_aws_says(answer: Answer, code: str) -> Answer:
    """The same, in SNS's words: an error is XML."""
    if not (answer.status > 300 and answer.how is How.WHOLE) or answer.status in (302, 307):
        return answer
    said = answer.body.replace("&", "&amp;").replace("<", "&lt;")
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>"
    return replace(answer, body=body)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_has_its_verdict(table: Table, logged: Everything, fault: Fault) -> None:
    expected, answer = fault.expected, fault.answer
    if table.stage.case.speaks_aws:
        expected = fault.on_aws or fault.expected
        answer = in_aws_words(fault)
    endless = isinstance(fault.answer, Answer) and fault.answer.how in ENDLESS
    verdict, connections, seconds = table.try_out(answer, PATIENCE if endless else AT_EASE)
    assert (kind_of(verdict), verdict.after) == (expected, fault.after), verdict
    assert verdict.throttled == (isinstance(fault.answer, Answer) and fault.answer.status == 429)
    assert connections == 1, "asked once: no retry, no redirect"
    assert seconds < AT_EASE
    assert_fit_for_operators(verdict, table.stage, logged)


def in_aws_words(fault: Fault) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        plain = fault.answer(request) if callable(fault.answer) else fault.answer
        return as_aws_says(plain, fault.code)

    return answer


@pytest.mark.parametrize("said", SAID_200.values(), ids=SAID_200.keys())
def test_a_200_that_says_otherwise_is_no_success(
    table: Table, logged: Everything, said: str | Callable[[Request], Answer]
) -> None:
    verdict, connections, _ = table.try_out(Answer(200, said) if isinstance(said, str) else said)
    assert verdict.outcome is not SENT
    assert connections == 1
    assert_fit_for_operators(verdict, table.stage, logged)


def test_nobody_listens(case: Case, logged: Everything) -> None:
    with staged(case, refused_address()) as stage:
        verdict = stage.send(AT_EASE)
        assert kind_of(verdict) == AGAIN, verdict
        assert_fit_for_operators(verdict, stage, logged)


def no_such_name(*_: Any, **__: Any) -> Any:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_name_is_not_found(case: Case, logged: Everything, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    with staged(case, "127.0.0.1:9") as stage:
        verdict = stage.send(AT_EASE)
        assert kind_of(verdict) == AGAIN, verdict
        assert_fit_for_operators(verdict, stage, logged)


@pytest.mark.slow
def test_a_look_up_that_hangs_is_not_waited_for(
    case: Case, logged: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with staged(case, "127.0.0.1:9") as stage:
        began = time.monotonic()
        verdict = stage.send(PATIENCE)
        over.set()
        assert time.monotonic() - began < AT_EASE
        assert kind_of(verdict) in ((UNSURE, AGAIN) if case.speaks_aws else (AGAIN,)), verdict
        assert_fit_for_operators(verdict, stage, logged)


CERTIFICATES = {
    # who signed it, and for whom; only the authority of the tests is trusted
    "nobody knows who signed it": ("a stranger", "127.0.0.1"),
    "it is somebody else's": ("the authority", "203.0.113.9"),
}


@pytest.fixture(scope="module")
def authorities() -> dict[str, trustme.CA]:
    return {"the authority": trustme.CA(), "a stranger": trustme.CA()}


@pytest.fixture
def trusted(authorities: dict[str, trustme.CA], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, trustme.CA]]:
    """The system trusts `the authority`, and boto3, which has a CA store of its own, does so too."""
    with authorities["the authority"].cert_pem.tempfile() as path:
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, path)
        tls.cache_clear()
        yield authorities
        tls.cache_clear()


def certificate(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize(("signer", "name"), CERTIFICATES.values(), ids=CERTIFICATES.keys())
def test_a_bad_certificate_gets_no_card(
    case: Case, logged: Everything, trusted: dict[str, trustme.CA], signer: str, name: str
) -> None:
    with ExitStack() as stack:
        served = certificate(trusted[signer], name)
        provider = stack.enter_context(Provider(lambda _: Answer(404), certificate=served))
        stage = stack.enter_context(staged(case, provider.host, scheme="https"))
        verdict = stage.send(AT_EASE)
        assert kind_of(verdict) == DESTINATION, verdict
        assert provider.requests == ()
        assert_fit_for_operators(verdict, stage, logged)


def test_a_good_certificate_gets_the_card(case: Case, trusted: dict[str, trustme.CA]) -> None:
    served = certificate(trusted["the authority"], "127.0.0.1")
    with (
        Provider(lambda _: Answer(404), certificate=served) as provider,
        staged(case, provider.host, scheme="https") as stage,
    ):
        stage.send(AT_EASE)
        assert len(provider.posts) == 1


def test_no_tls_where_tls_is_spoken(case: Case, logged: Everything) -> None:
    with Provider(lambda _: Answer(404)) as plain, staged(case, plain.host, scheme="https") as stage:
        verdict = stage.send(AT_EASE)
        assert kind_of(verdict) == AGAIN, verdict
        assert plain.requests == ()
        assert_fit_for_operators(verdict, stage, logged)


def test_a_local_sender_posts_nowhere(case: Case) -> None:
    with Provider(lambda _: Answer(404)) as provider, staged(case, provider.host) as stage:
        verdict = stage.send(PATIENCE if case.is_local else AT_EASE)
        assert (verdict.outcome is SENT, provider.requests == ()) == (case.is_local, case.is_local)


def test_no_secret_no_request(case: Case, logged: Everything, monkeypatch: pytest.MonkeyPatch) -> None:
    with Provider(lambda _: Answer(404)) as provider, staged(case, provider.host) as stage:
        for name in ("CONTRACT_SECRET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name)
        verdict = stage.send(AT_EASE)
        assert kind_of(verdict) == AGAIN, verdict
        assert provider.requests == ()
        assert_fit_for_operators(verdict, stage, logged)
