"""The tree keeps its promises: imports point one way, and cold paths stay free of what they don't need."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import formatters
from bot import senders
from bot.config import compiled_beside, load
from bot.config.compiled import dump
from tests.support.logins import event

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    # room: the project's modules that it may import (a prefix stands for all below it)
    "bot.events": (),
    "bot.clock": (),
    "bot.pace": (),
    "bot.patience": (),
    "bot.plugins": (),
    "bot.logs": (),
    "bot.tls": (),
    "bot.connections": (),
    "bot.json_services": ("bot.connections", "bot.tls"),
    "bot.aws": ("bot.json_services",),
    "bot.secrets": ("bot.aws", "bot.clock"),
    "formatters": ("bot.events", "bot.plugins", "formatters"),
    "bot.routing": ("bot.events",),
    "bot.config": (
        "bot.aws",
        "bot.config",
        "bot.events",
        "bot.pace",
        "bot.plugins",
        "bot.routing",
        "bot.secrets",
        "bot.senders",
        "formatters",
    ),
    "bot.names": ("bot.aws", "bot.clock", "bot.events"),
    "bot.accounts": ("bot.aws", "bot.clock", "bot.config", "bot.events", "bot.names", "bot.secrets"),
    "bot.people": ("bot.events",),
    "bot.listed_people": ("bot.config", "bot.events", "bot.people"),
    "bot.users": ("bot.accounts", "bot.aws", "bot.clock", "bot.events", "bot.names", "bot.patience", "bot.people"),
    "bot.senders": ("bot.aws", "bot.clock", "bot.patience", "bot.plugins", "bot.secrets", "bot.senders", "bot.tls"),
    "bot.outbox": ("bot.aws", "bot.clock", "bot.outbox", "bot.pace", "bot.senders.base"),
    "bot.last_good": ("bot.aws", "bot.config"),
    "bot.packaged_routes": ("bot.config",),
    "bot.routes_in_force": ("bot.aws", "bot.clock", "bot.config", "bot.last_good", "bot.patience"),
    "bot.refusals": ("bot.aws", "bot.clock"),
    "bot.drawing": ("bot.config", "bot.events", "bot.outbox.base", "bot.senders.base", "formatters"),
    "bot.delivery": (
        "bot.drawing",
        "bot.logs",
        "bot.clock",
        "bot.config",
        "bot.events",
        "bot.outbox.base",
        "bot.pace",
        "bot.senders",
        "formatters",
    ),
    "bot.pipeline": (
        "bot.logs",
        "bot.clock",
        "bot.config",
        "bot.delivery",
        "bot.events",
        "bot.outbox.base",
        "bot.routing",
        "bot.people",
        "bot.samples",
        "bot.senders.base",
    ),
    "bot.samples": ("bot.config", "bot.events"),
    "bot.metrics": (
        "bot.delivery",
        "bot.drawing",
        "bot.logs",
        "bot.outbox.base",
        "bot.pipeline",
        "bot.senders.base",
    ),
    "bot.environment": (),
    "bot.wiring": ("bot",),
    "bot.handler": (
        "bot.clock",
        "bot.config",
        "bot.environment",
        "bot.logs",
        "bot.metrics",
        "bot.pipeline",
        "bot.refusals",
        "bot.samples",
        "bot.wiring",
    ),
    "bot.cli": ("bot", "formatters"),
    "bot.__main__": ("bot.cli",),
    "bot": (),
}
NEVER = {
    "bot.wiring": {"bot.cli", "bot.handler"},
    "bot.cli": {"bot.environment", "bot.handler", "bot.wiring"},
}

FILES = sorted([*ROOT.glob("bot/**/*.py"), *ROOT.glob("formatters/**/*.py")])


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return max((room for room in MAY_IMPORT if within(module, room)), key=len)


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def imported_by(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {_full(node.module or "", alias.name) for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("bot", "formatters")}


def _full(module: str, name: str) -> str:
    """`from bot import logs` imports the module bot.logs; `from bot.events import Login` the module bot.events."""
    path = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.is_dir() or path.with_suffix(".py").is_file() else module


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    module = name_of(path)
    room = room_of(module)
    for imported in imported_by(path):
        allowed = any(within(imported, other) for other in MAY_IMPORT[room])
        banned = any(within(imported, other) for other in NEVER.get(room, ()))
        assert allowed, f"{module} ({room}) may not import {imported}"
        assert not banned, f"{module} ({room}) may not import {imported}"


COLD = {
    "the door": ("import bot.handler", {"pydantic", "yaml", "boto3", "botocore", "slack_sdk", "pymsteams", "sqlite3"}),
    "the formatters": ("import formatters.slack", {"pydantic", "yaml", "boto3", "formatters.teams"}),
    "the config's data": ("import bot.config", {"pydantic", "yaml"}),
}


@pytest.mark.parametrize(("statement", "unwanted"), COLD.values(), ids=COLD.keys())
def test_what_is_not_used_is_not_imported(statement: str, unwanted: set[str]) -> None:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not unwanted & set(done.stdout.split())


def test_a_call_on_a_compiled_routing_file_imports_no_more_than_it_needs(tmp_path: Path) -> None:
    """A login for the console goes all the way: no reader of routing files, and no library of a channel."""
    routes = tmp_path / "routes.yml"
    routes.write_text(
        "destinations:\n"
        "  eng: {type: slack, webhook_url: 'env:HOOK'}\n"
        "  it: {type: teams, webhook_url: 'env:HOOK'}\n"
        "  screen: {type: console}\n"
        "default: [screen]\n"
    )
    Path(compiled_beside(str(routes))).write_text(dump(load(str(routes)), routes.read_bytes()))
    (tmp_path / "users.csv").write_text("workspace_id,user_name\nws-8n1k2m3p4,alice\n")
    code = "import json, sys; from bot.handler import handle; handle(json.load(sys.stdin), None); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        input=json.dumps(event("seed")),
        env={"PYTHONPATH": str(ROOT), "ROUTES": str(routes), "USERS_FILE": "users.csv"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "alice" in done.stdout
    imported = set(done.stdout.splitlines()[-1].split())
    assert not imported & {"pydantic", "yaml", "slack_sdk", "pymsteams", "boto3", "bot.config.file"}


def test_every_file_opens_with_a_sentence() -> None:
    for path in FILES:
        sentence = ast.get_docstring(ast.parse(path.read_text()))
        assert sentence, f"{path.relative_to(ROOT)} does not say what it is for"


def test_the_documented_tree_names_every_module() -> None:
    """All but the command line's, of which each command is one, and each language."""
    tree = (ROOT / "docs" / "architecture.md").read_text().partition("## Where things are")[2].split("```")[1]
    named = set(re.findall(r"\w+", tree))
    apart = (ROOT / "bot" / "cli", ROOT / "formatters" / "languages")
    modules = {path.stem for path in FILES if not path.is_relative_to(apart[0]) and not path.is_relative_to(apart[1])}
    assert modules - named - {"__init__", "__main__"} == set()


PLUGINS = {"bot/senders": (senders.REGISTRY, "takes"), "formatters": (formatters.REGISTRY, "makes")}


@pytest.mark.parametrize(("package", "registry", "mark"), [(key, *value) for key, value in PLUGINS.items()])
def test_every_plugin_file_is_in_its_registry(package: str, registry: dict[str, str], mark: str) -> None:
    files = {
        f"{name_of(path)}:{node.name}"
        for path in (ROOT / package).glob("*.py")
        if path.stem != "base"
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and mark in _attributes(node)
    }
    assert files == set(registry.values()), f"{package}: register each plugin with one line in __init__.py"


def _attributes(node: ast.ClassDef) -> set[str]:
    return {
        target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(target := each.target, ast.Name)
    }
