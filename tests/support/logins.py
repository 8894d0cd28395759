"""Logins and events for tests: the usual one, with whatever a test wants different."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.events import Login, Person

EVENTS = Path(__file__).parent.parent / "events"


def event(name: str = "seed") -> dict[str, Any]:
    """One of tests/events/*.json."""
    data: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return data


def make_login(**different: Any) -> Login:
    usual: dict[str, Any] = {
        "event_id": "b8b7c7d4-6f4e-4f0a-9d0e-3c1f7a2b9e01",
        "workspace_id": "ws-8n1k2m3p4",
        "directory_id": "d-9067000001",
        "directory_name": "Engineering",
        "logged_in_at": datetime(2026, 11, 23, 5, 12, 0, 250_000, tzinfo=UTC),
        "emitted_at": datetime(2026, 11, 23, 5, 12, 9, tzinfo=UTC),
        "received_at": datetime(2026, 11, 23, 5, 12, 11, tzinfo=UTC),
        "account": "123456789012",
        "region": "eu-west-1",
        "address": "203.0.113.7",
        "client": "WorkSpaces Desktop client",
        "client_version": "5.23.0.1234",
        "platform": "Windows",
        "person": Person(name="alice"),
    }
    return Login(**(usual | different))
