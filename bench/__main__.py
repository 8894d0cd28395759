"""Every figure of docs/benchmarks.md, measured here and now: `make bench`.

python -m bench             # a quarter of an hour; writes docs/benchmarks.md and docs/profile/
python -m bench --quick     # a minute: a few rounds, printed and not kept
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import cold, inbox, page, size, storm, tasks, warm
from bench.loopback import loopback
from bench.page import Run
from bench.tasks import HOME, ROOT


@dataclass(frozen=True, slots=True)
class Effort:
    cold: int
    """Cold starts of each candidate."""
    warm: int
    """Single logins of each candidate."""
    storms: tuple[int, ...]
    """Logins of each storm of ours."""
    peers: int
    """Logins of the storm that peers meet, too."""
    windows: int
    """In which the inbox is opened."""


WHOLE = Effort(cold=21, warm=100, storms=storm.SIZES, peers=1_000, windows=9)
QUICK = Effort(cold=3, warm=10, storms=(100,), peers=100, windows=3)


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("--quick", action="store_true", help="a few rounds; nothing is written")
    quick = asked.parse_args().quick
    run = measure(QUICK if quick else WHOLE)
    print(page.summary(run))
    if not quick:
        page.write(run, ROOT / "docs")
    return 0


def measure(effort: Effort) -> Run:
    began, busy = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=HOME) as name, loopback(Path(name)) as cloud:
        folder = Path(name)
        _say("cold starts")
        starts = cold.measure(folder, cloud, rounds=effort.cold)
        _say("warm logins")
        costs = warm.measure(folder, cloud, rounds=effort.warm)
        _say("imports, a profile, the zip")
        imported = size.imports(tasks.ours(folder, cloud), cloud)
        profile = warm.profile(folder, cloud, calls=effort.warm)
        megabytes = size.megabytes(folder)
    _say("the inbox")
    opened = inbox.measure(effort.windows)
    _say("storms")
    return Run(
        rounds=(effort.cold, effort.warm),
        starts=starts,
        costs=costs,
        imported=imported,
        profile=profile,
        megabytes=megabytes,
        storms=storm.measure(effort.storms),
        batch_mb=storm.memory_of_a_batch(),
        peers=storm.of_peers(effort.peers),
        peers_logins=effort.peers,
        inbox=opened,
        seconds=time.monotonic() - began,
        busy=busy,
    )


def _say(what: str) -> None:
    print(f"… {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
