"""Storms on simulated time, as a table: what the channels saw, what it cost, and whether the cost of a login grows.

    python -m bench.storm                # 100, 1,000, 10,000 and 100,000 logins within a minute
    python -m bench.storm 100 5000       # other sizes

Each storm is told to one Slack channel, one Teams channel and one SNS topic that enforce their published limits, by a
queue with two pollers and an outbox in a simulated DynamoDB table (tests/support/storm/). Every figure but the
processor's time and the memory is on the simulated clock, and the same on every machine.
"""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.tasks import APPRISE, NAIVE
from tests.support.storm.queue import BATCH
from tests.support.storm.world import Storm, World

SIZES = (100, 1_000, 10_000, 100_000)
PEERS = {APPRISE: "on_apprise", NAIVE: "naive"}
KNOWN, UNKNOWN, BATCH_OF = "known", "unknown", "batch"

CHANNELS = ("slack", "teams", "mail")
HEAD = f"{'logins':>8} {'people':<8}{'channel':<8}{'cards':>6}{'lost':>6}{'twice':>6}{'over':>6}{'last after s':>14}"


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] in (KNOWN, UNKNOWN, BATCH_OF):
        print(json.dumps(_told(arguments[0], int(arguments[1]))))
        return 0
    sizes = [int(argument.replace(",", "")) for argument in arguments] or SIZES
    told = []
    print(HEAD, flush=True)
    for size in sizes:
        for people in (KNOWN, UNKNOWN):
            told.append(_apart(people, size))
            _print_channels(told[-1])
    _print_costs(told)
    _print_memory(sizes)
    return 0


def measure(sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Storms of known and of unknown people, of each size."""
    return [_apart(people, size) for size in sizes for people in (KNOWN, UNKNOWN)]


def memory_of_a_batch() -> tuple[float, float]:
    """MB before and at the most, of a process that takes as many records in one call as Lambda ever hands over."""
    before, most = _apart(BATCH_OF, BATCH)["memory"]
    return before, most


def of_peers(logins: int) -> dict[str, dict[str, list[float]]]:
    """By peer and channel: cards, never told, told twice, posts over the limit, seconds until the last."""
    told = {}
    for name, module in PEERS.items():
        command = [sys.executable, "-m", "bench.storm_peers", module, str(logins)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told[name] = json.loads(done.stdout)["channels"]
    return told


def _apart(kind: str, size: int) -> dict[str, Any]:
    """A storm in a process of its own: what it needs of time and memory is its own, too."""
    command = [sys.executable, "-m", "bench.storm", kind, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _told(kind: str, size: int) -> dict[str, Any]:
    logging.disable(logging.CRITICAL)
    if kind == BATCH_OF:
        storm = Storm(logins=size, seconds=0.5, one_twice_of=size + 1, aftermath=0.0)
    else:
        storm = Storm(logins=size, known=kind == KNOWN)
    with TemporaryDirectory() as folder, World(storm, Path(folder)) as world:
        before, began = _memory(), time.process_time()
        world.run()
        return {
            "logins": size,
            "people": kind,
            "channels": {
                name: [notes.cards, world.lost(name), notes.twice, notes.broken, world.late(name)]
                for name, notes in world.channels.items()
            },
            "described": world.directory.calls,
            "waited": world.longest_wait_for_a_name,
            "cpu": time.process_time() - began,
            "table": world.table.calls.total(),
            "calls": world.calls,
            "batch": world.largest_batch,
            "memory": [before, _memory()],
        }


def _memory() -> float:
    """The most that this process ever had, in MB: not `ru_maxrss`, which begins with what its parent had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status says no VmHWM: memory is measured on Linux alone")


def _print_channels(told: dict[str, Any]) -> None:
    for name, (cards, lost, twice, over, late) in told["channels"].items():
        print(
            f"{told['logins']:>8,} {told['people']:<8}{name:<8}{cards:>6}{lost:>6}{twice:>6}{over:>6}{late:>14.1f}",
            flush=True,
        )


def _print_costs(table: list[dict[str, Any]]) -> None:
    print(f"\n{'logins':>8} {'people':<8}{'DescribeWorkspaces':>19}{'name waited s':>15}", end="")
    print(f"{'calls':>7}{'largest batch':>15}{'table calls/login':>19}{'cpu s':>8}{'cpu ms/login':>14}")
    for told in table:
        logins = told["logins"]
        print(f"{logins:>8,} {told['people']:<8}{told['described']:>19,}{told['waited']:>15.1f}", end="")
        print(f"{told['calls']:>7}{told['batch']:>15,}{told['table'] / logins:>19.2f}", end="")
        print(f"{told['cpu']:>8.1f}{told['cpu'] / logins * 1000:>14.2f}")
    print("(processor's time: the bot's, and that of the simulated world that reads every card)")


def _print_memory(sizes: list[int] | tuple[int, ...]) -> None:
    print(f"\n{'records in a batch':>18}{'peak MB':>9}{'of it before':>14}")
    for size in sorted({min(size, BATCH) for size in sizes}):
        before, most = _apart(BATCH_OF, size)["memory"]
        print(f"{size:>18,}{most:>9.0f}{before:>14.0f}")
    print("(the whole process, with Python, botocore, the records and the simulated table)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
