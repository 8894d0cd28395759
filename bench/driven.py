"""A warm function: takes calls, one line of JSON each, and says what each cost its processor and took on the clock.

    python driven.py bot.handler.handle    # in the task's folder, with the task's Python

It imports nothing but the standard library and the function, so that nothing else is measured.
"""

import importlib
import json
import os
import sys
import time
from typing import Any, TextIO


class Context:
    """Lambda's context, as far as anybody looks at it."""

    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def _open(handler: str) -> tuple[Any, TextIO]:
    """The function, and where to answer: its own lines go where Lambda's would, not there."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - no more imports than there must be
    module, _, name = handler.rpartition(".")
    return getattr(importlib.import_module(module), name), answers


def main(handler: str) -> None:
    handle, answers = _open(handler)
    for line in sys.stdin:
        event: dict[str, Any] = json.loads(line)
        cpu, wall = time.process_time(), time.perf_counter()
        handle(event, Context())
        took = [(time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000]
        print(json.dumps(took), file=answers, flush=True)


def profile(handler: str, calls: str) -> None:
    """Where a call's time goes: of so many calls, after as many that are not looked at. Printed as text."""
    import cProfile  # noqa: PLC0415 - not in what is measured
    import pstats  # noqa: PLC0415

    handle, answers = _open(handler)
    events = [json.loads(line) for line in sys.stdin]
    for event in events[: int(calls)]:
        handle(event, Context())
    looking = cProfile.Profile(time.process_time)
    for event in events[int(calls) :]:
        looking.runcall(handle, event, Context())
    pstats.Stats(looking, stream=answers).strip_dirs().sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    (profile if len(sys.argv) > 2 else main)(*sys.argv[1:])
