"""The JSON Schema that editors use: it is the one in docs, takes every good file and refuses what it can see."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bot.config.mistakes import Mistakes
from bot.config.page import read_page
from bot.config.schema import schema
from bot.senders import REGISTRY, sender_class
from tests.test_config import GOOD

ROOT = Path(__file__).parent.parent
WRITTEN = ROOT / "docs" / "routes.schema.json"
EXAMPLE = ROOT / "routes.example.yml"
VALIDATOR = jsonschema.Draft202012Validator(schema())

SEEN_IN_AN_EDITOR = (
    "account-id-malformed",
    "account-role-malformed",
    "account-role-missing",
    "continue-no-truth",
    "default-empty",
    "default-missing",
    "default-no-list",
    "destination-with-space",
    "destinations-as-list",
    "destinations-empty",
    "destinations-missing",
    "digest-over-nothing",
    "directory-id-malformed",
    "external-id-in-plain",
    "give-up-after-no-time",
    "match-empty",
    "match-empty-list",
    "match-not-empty",
    "match-region-malformed",
    "match-workspace-malformed",
    "pace-negative",
    "route-notify-no-list",
    "route-without-match",
    "route-without-notify",
    "short-secret-in-plain",
    "sns-topic-missing",
    "teams-webhook-missing",
    "test-without-name",
    "trusted-host-with-path",
    "trusted-host-with-scheme",
    "trusted-host-with-wildcard",
    "type-missing",
    "unknown-defaults-key",
    "unknown-destination-key",
    "unknown-digest-key",
    "unknown-directory-key",
    "unknown-language",
    "unknown-match-key",
    "unknown-pace-key",
    "unknown-route-key",
    "unknown-test-login-key",
    "unknown-top-level-key",
    "unknown-type",
    "webhook-url-in-plain",
    "wrong-types-everywhere",
)


def data(file: Path) -> dict[str, Any]:
    read = read_page(file.read_bytes(), Mistakes())
    assert read is not None
    return read.data


def complaints(file: Path) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(data(file))]


def test_the_schema_in_docs_is_the_one_that_the_bot_writes() -> None:
    assert json.loads(WRITTEN.read_text()) == schema(), "write it: python -m bot schema > docs/routes.schema.json"


def test_it_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("file", [*GOOD, EXAMPLE], ids=lambda file: file.stem)
def test_it_takes_every_good_file(file: Path) -> None:
    assert complaints(file) == []


@pytest.mark.parametrize("name", SEEN_IN_AN_EDITOR)
def test_it_refuses_what_an_editor_can_see(name: str) -> None:
    assert complaints(ROOT / "tests" / "routes" / "bad" / f"{name}.yml") != []


def test_the_example_names_the_schema_for_editors() -> None:
    first = EXAMPLE.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={WRITTEN.relative_to(ROOT)}"


def test_a_class_from_outside_takes_keys_of_its_own() -> None:
    pager = {"type": "mycompany.pager:PagerSender", "number": "+15550100", "fallback": "ops"}
    file = {"destinations": {"pager": pager, "ops": {"type": "console"}}, "default": ["ops"]}
    assert list(VALIDATOR.iter_errors(file)) == []


@pytest.mark.parametrize("type_", REGISTRY)
def test_each_type_has_exactly_its_own_keys(type_: str) -> None:
    definition = schema()["$defs"][f"{type_.capitalize()}Destination"]
    own = {setting.name for setting in fields(sender_class(type_).Settings)}
    usual = set(schema()["$defs"]["DestinationKeys"]["properties"])
    assert set(definition["properties"]) == own | usual
    assert definition["additionalProperties"] is False


def test_every_key_that_the_file_itself_has_says_what_it_is_for() -> None:
    silent = [
        f"{name}.{key}"
        for name, definition in {"file": schema(), **schema()["$defs"]}.items()
        if name == "file" or name.endswith("Keys")
        for key, described in definition["properties"].items()
        if not described.get("description")
    ]
    assert silent == []
