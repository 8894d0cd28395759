"""What the function finds around it in tests: a routing file, a list of people, and no word of a developer's shell."""

from pathlib import Path

import pytest

UNSET = (
    "AWS_LAMBDA_FUNCTION_NAME",
    "DEAD_LETTER_QUEUE_URL",
    "LOG_LEVEL",
    "METRICS",
    "ROUTES_REFRESH_SECONDS",
    "TABLE_NAME",
)
"""What a developer's shell may hold and a test must not see."""


def set_stage(folder: Path, patch: pytest.MonkeyPatch, routes: str, **environment: str) -> None:
    """A laptop's stage in `folder`: the one desk of the sample event is alice's. `environment` has the last word."""
    (folder / "routes.yml").write_text(routes, encoding="utf-8")
    (folder / "users.csv").write_text("workspace_id,user_name\nws-8n1k2m3p4,alice\n")
    files = {"ROUTES": "routes.yml", "STATE_FILE": "state.sqlite", "USERS_FILE": "users.csv"}
    for name in UNSET:
        patch.delenv(name, raising=False)
    for name, value in {**{name: str(folder / file) for name, file in files.items()}, **environment}.items():
        patch.setenv(name, value)
