"""What a good routing file becomes: destinations with their usual pace, directories, routes and resolved names."""

import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from bot.config import Config, ConfigError, Digest, load, page
from bot.config.file import understand
from bot.config.mistakes import Mistakes
from bot.config.page import read_page
from bot.config.values import duration
from bot.pace import Pace
from bot.routing import Directory
from formatters.base import Audience
from tests.support.logins import make_login
from tests.test_config_mistakes import BAD, expected

ROOT = Path(__file__).parent.parent
GOOD = sorted((ROOT / "tests" / "routes" / "good").glob("*.yml"))


def config(text: str) -> Config:
    return understand(dedent(text).encode(), source="routes.yml")


def mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        config(text)
    return caught.value.mistakes


@pytest.mark.parametrize("file", [*GOOD, ROOT / "routes.example.yml"], ids=lambda file: file.stem)
def test_a_good_file_is_read_and_its_own_tests_pass(file: Path) -> None:
    read = load(str(file))
    assert read.source == str(file)
    assert read.destinations


def test_the_example_is_what_the_manual_says() -> None:
    read = load(str(ROOT / "routes.example.yml"))
    assert list(read.destinations) == ["eng-slack", "ops-slack", "it-teams", "audit-mail"]
    assert read.routing.directories["d-9067000001"] == Directory(
        id="d-9067000001", name="Engineering", timezone="Asia/Tokyo", notify=("eng-slack",)
    )
    assert read.routing.directories["d-9067000002"].notify == ("it-teams", "audit-mail")
    assert len(read.tests) == 4
    assert read.audience("it-teams", {"d-9067000002"}) == Audience(language="ja", timezone="Asia/Tokyo")


def every_key() -> Config:
    return load(str(ROOT / "tests" / "routes" / "good" / "every-key.yml"))


def test_each_type_has_its_providers_pace_and_digest() -> None:
    places = every_key().destinations
    assert {name: (place.pace, place.digest) for name, place in places.items()} == {
        "eng-slack": (Pace(messages=2, per=5, gap=1.5, group="eng"), Digest(over=5, max_rows=40)),
        "ops-slack": (Pace(messages=1, per=1, gap=0, group="ops-slack"), Digest(over=3)),
        "it-teams": (Pace(messages=25, per=300, gap=0.35, group="it-owner"), Digest(over=3)),
        "hr-teams": (Pace(messages=25, per=300, gap=0.35, group="it-owner"), Digest(over=3)),
        "audit-mail": (Pace(messages=1, per=1, gap=0, group="audit-mail"), Digest(over=10)),
        "screen": (Pace(messages=1000, per=1, gap=0, group="screen"), Digest(over=10)),
    }


def test_a_destination_keeps_what_was_written_and_its_types_own_for_the_rest() -> None:
    places = every_key().destinations
    assert (places["eng-slack"].give_up_after, places["eng-slack"].fallback) == (5400, "ops-slack")
    assert (places["audit-mail"].give_up_after, places["it-teams"].give_up_after) == (3600, 86_400)
    assert (places["it-teams"].formatter, places["hr-teams"].formatter) == ("messagecard", "teams")
    assert str(places["eng-slack"].settings["webhook_url"]) == "ssm:/login-bot/slack/eng"


def test_directories_go_by_their_bare_id() -> None:
    read = every_key()
    assert list(read.routing.directories) == ["d-9067000001", "d-9067000002", "wsd-0123456789", "d-9067000004"]
    assert read.routing.directories["wsd-0123456789"].notify is None
    assert read.routing.directories["d-9067000004"].notify == ()
    assert read.routing.routes[1].match.directory == ("d-9067000002", "d-9067000009")


def test_accounts_keep_their_leading_zero_and_their_reference() -> None:
    read = every_key()
    assert list(read.accounts) == ["210987654321", "012345670123"]
    assert str(read.accounts["012345670123"].external_id) == "secretsmanager:login-bot/external#id"
    assert read.routing.routes[2].match.account == ("210987654321", "012345670123", "012345670123")


def test_networks_are_read_and_undressed() -> None:
    assert every_key().routing.routes[2].match.network == (
        ip_network("203.0.113.0/24"),
        ip_network("203.0.113.7/32"),
        ip_network("2001:db8::/32"),
        ip_network("198.51.100.0/24"),
    )


def test_trusted_hosts_are_in_lower_case() -> None:
    assert every_key().trusted_hosts == ("relay.corp.example", "127.0.0.1:9999", "[2001:db8::7]:443", "localhost")


@pytest.mark.parametrize(
    ("destination", "directory", "expected_audience"),
    [
        ("eng-slack", "d-9067000001", Audience(language="en", timezone="Europe/Paris", max_rows=40)),
        ("ops-slack", "d-9067000001", Audience(language="en", timezone="Asia/Tokyo")),
        ("ops-slack", "wsd-0123456789", Audience(language="ja", timezone="Asia/Tokyo")),
        ("ops-slack", "d-9067999999", Audience(language="ja", timezone="Asia/Tokyo")),
    ],
    ids=["the destination's own", "the directory's", "the defaults", "the defaults of a directory not listed"],
)
def test_a_destination_beats_its_directory_which_beats_the_defaults(
    destination: str, directory: str, expected_audience: Audience
) -> None:
    assert every_key().audience(destination, {directory}) == expected_audience


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("24h", 86_400), ("30m", 1800), ("90s", 90), ("2d", 172_800), ("1.5h", 5400), (90, 90), (0.35, 0.35), (0, 0)],
)
def test_a_length_of_time_is_in_seconds(written: object, seconds: float) -> None:
    assert duration(written) == seconds


@pytest.mark.parametrize("written", ["", "h", "-1h", "1 h", "1h30m", "1w", "1e3s", "nan", True, None, -1, [1]])
def test_what_is_no_length_of_time_is_said_to_be_none(written: object) -> None:
    with pytest.raises(ValueError, match="write 90s, 30m, 24h or 2d"):
        duration(written)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("012345670123", "012345670123"),
        ("0x1f", "0x1f"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2026-11-23", "2026-11-23"),
        ("7", 7),
        ("-7", -7),
        ("0.35", 0.35),
        (".inf", ".inf"),
        ("'7'", "7"),
        ("!!str 7", "7"),
        ("99999999999999999999", "99999999999999999999"),
    ],
)
def test_a_value_is_what_an_editor_takes_it_for(written: str, meant: object) -> None:
    read = read_page(f"key: {written}\n".encode(), Mistakes())
    assert read is not None
    assert read.data["key"] == meant
    assert type(read.data["key"]) is type(meant)


def test_every_key_path_has_its_line() -> None:
    read = read_page(b"a:\n  - b: 1\n    c:\n      d: 2\n  - 3\ne: {f: 4,\n  g: 5}\n", Mistakes())
    assert read is not None
    assert read.lines == {
        ("a",): 1,
        ("a", 0): 2,
        ("a", 0, "b"): 2,
        ("a", 0, "c"): 3,
        ("a", 0, "c", "d"): 4,
        ("a", 1): 5,
        ("e",): 6,
        ("e", "f"): 6,
        ("e", "g"): 7,
    }


def test_an_anchor_is_written_out_and_a_merge_keeps_what_is_written_beside_it() -> None:
    read = load(str(ROOT / "tests" / "routes" / "good" / "anchors.yml"))
    desk = read.destinations["desk"]
    assert (desk.type, desk.give_up_after, desk.fallback, desk.digest.over) == ("console", 172_800, "ops", 9)
    assert read.routing.directories["d-9067000001"].notify == ("ops", "desk")
    assert [directory.name for directory in read.routing.directories.values()] == ["no", "on"]
    assert read.routing.routes[0].match.user == ("yes",)


def test_a_byte_order_mark_is_no_mistake() -> None:
    text = (ROOT / "tests" / "routes" / "good" / "smallest.yml").read_bytes()
    assert understand(b"\xef\xbb\xbf" + text, source="routes.yml").routing.default == ("ops",)


def test_without_libyaml_every_mistake_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "LOADER", yaml.SafeLoader)
    for file in BAD:
        with pytest.raises(ConfigError) as caught:
            load(str(file))
        assert (file.name, caught.value.mistakes) == (file.name, expected(file))


OUTSIDE = """
from dataclasses import dataclass

class Pager:
    @dataclass(frozen=True, kw_only=True)
    class Settings:
        number: str
        urgent: bool = False
        def __post_init__(self):
            if not self.number.startswith("+"):
                raise ValueError("number must begin with +; write it like +15550100")
    takes = frozenset({"page"})
    formatter = "OUTSIDE:Terse"
    def __init__(self, settings, tools): ...
    def send(self, payload, *, timeout): ...
    def refresh(self): ...

class Terse:
    makes = "page"
    def draw(self, logins, audience): ...
    def weigh(self, payload): ...

class Undescribed(Pager):
    class Settings: ...
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of somebody's own, in a folder of its own."""
    name = f"outside_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(OUTSIDE.replace("OUTSIDE", name))
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_sender_from_outside_brings_its_own_settings_and_formatter(outside: str) -> None:
    place = config(f"""
        destinations:
          pager: {{type: '{outside}:Pager', number: '+15550100'}}
        default: [pager]
    """).destinations["pager"]
    assert (place.type, place.formatter) == (f"{outside}:Pager", f"{outside}:Terse")
    assert (place.settings["number"], place.settings["urgent"]) == ("+15550100", False)
    assert place.pace == Pace(messages=1000, per=1, gap=0, group="pager")


def test_the_mistakes_of_a_sender_from_outside_are_found_like_any_other(outside: str) -> None:
    six = f"destinations.six.formatter: '{outside}:Terse'"
    assert mistakes(f"""\
        destinations:
          one: {{type: '{outside}:Pager', number: '15550100'}}
          two: {{type: '{outside}:Pager', number: 5, urgent: maybe}}
          three: {{type: '{outside}:Pager', nunber: '+15550100'}}
          four: {{type: '{outside}:Pager', number: '+15550100', formatter: email}}
          five: {{type: '{outside}:Undescribed'}}
          six: {{type: console, formatter: '{outside}:Terse'}}
        default: [one]
    """) == (
        "line 2: destinations.one: number must begin with +; write it like +15550100",
        "line 3: destinations.two.number: must be text; put it in quotes",
        "line 3: destinations.two.urgent: must be true or false",
        "line 4: destinations.three.nunber: no key 'nunber'; did you mean 'number'?",
        "line 4: destinations.three: number is missing; write it",
        f"line 5: destinations.four.formatter: 'email' makes mail, but {outside}:Pager takes page; leave it out",
        "line 6: destinations.five.type: Undescribed.Settings is no dataclass; see docs/adding-a-channel.md",
        f"line 7: {six} makes page, but console takes mail, slack, teams; leave it out",
    )


def test_a_key_may_be_called_as_pydantic_calls_keys() -> None:
    said = mistakes("{'[key]': 1, destinations: {'[key]': {type: console}}, default: ['[key]']}")
    assert [line.partition(";")[0] for line in said] == [
        "line 1: destinations.'[key]': '[key]' is no name",
        "line 1: '[key]': no key '[key]'",
    ]


def test_a_broken_destination_is_still_known_by_its_name() -> None:
    assert mistakes("""\
        destinations:
          ops: {type: console, language: jp}
        default: [ops]
        directories:
          d-9067000001: {notify: [ops]}
    """) == ("line 2: destinations.ops.language: no language 'jp'; there are en, ja",)


def test_a_secret_in_plain_is_never_repeated_wherever_it_stands() -> None:
    token = "xoxb-1111-madeup"
    said = mistakes(f"""\
        {token}: 1
        defaults: {{language: {token}, timezone: {token}}}
        trusted_hosts: ['{token}/x', '{token}:0']
        destinations:
          {token}: {{type: {token}}}
          a: {{type: console, formatter: {token}, fallback: {token}, {token}: 1, give_up_after: {token}}}
          b: {{type: slack, webhook_url: {token}, channel: {token}}}
          c: {{type: slack, token: 'ssm:/x', channel: {token}}}
          d: {{type: teams, webhook_url: 'ssm:/x', headers: {{x-key: {token}}}}}
          e: {{type: sns, topic_arn: {token}}}
        default: [{token}-x]
        directories:
          {token}: {{name: a}}
        accounts:
          {token}: {{role_arn: {token}, external_id: {token}}}
        routes:
          - {{match: {{directory: {token}, network: {token}, region: {token}, account: {token}}}, notify: [{token}]}}
        tests:
          - {{name: t, login: {{directory: {token}}}, notify: [{token}]}}
    """)
    assert len(said) > 15
    assert [line for line in said if token in line] == []


def test_a_login_is_decided_on_what_was_read() -> None:
    routing = load(str(ROOT / "routes.example.yml")).routing
    decision = routing.decide(make_login(directory_id="d-9067000002", platform="WEB"))
    assert dict(decision.why) == {
        "ops-slack": "routes[1]",
        "it-teams": "directories.d-9067000002",
        "audit-mail": "directories.d-9067000002",
    }


def test_pydantic_and_yaml_are_not_loaded_before_a_file_is_read() -> None:
    asked = "import sys, bot.config, bot.routing; print([m for m in ('pydantic', 'yaml') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
