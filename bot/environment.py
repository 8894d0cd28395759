"""What the function's environment variables say: where its routes, its table, its people and its dead letters are."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The function's settings, as its environment variables give them; empty where they say nothing.

    Paths are absolute, and `versions` changes with the files: an operator who mends one is not answered by the old.
    """

    routes: str
    refresh_seconds: str
    table_name: str
    state_file: str
    users_file: str
    dead_letter_queue_url: str
    log_level: str
    on_lambda: bool
    versions: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls) -> "Environment":
        routes = _absolute(os.environ.get("ROUTES") or "routes.yml")
        users_file = _absolute(os.environ.get("USERS_FILE", ""))
        return cls(
            routes=routes,
            refresh_seconds=os.environ.get("ROUTES_REFRESH_SECONDS") or "60",
            table_name=os.environ.get("TABLE_NAME", ""),
            state_file=_absolute(os.environ.get("STATE_FILE") or ".local/state.sqlite"),
            users_file=users_file,
            dead_letter_queue_url=os.environ.get("DEAD_LETTER_QUEUE_URL", ""),
            log_level=os.environ.get("LOG_LEVEL", "INFO").upper(),
            on_lambda="AWS_LAMBDA_FUNCTION_NAME" in os.environ,
            versions=(_version(routes), _version(users_file)),
        )


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path and "://" not in path else path


def _version(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
