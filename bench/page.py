"""docs/benchmarks.md and docs/profile/, made whole from one run: nothing in them is written by hand."""

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import inbox, warm
from bench.cold import KNOWN, UNKNOWN, Start, series
from bench.figures import Series, table
from bench.size import Imported
from bench.tasks import APPRISE, NAIVE, PYTHON, SIMPLEST

TIMES = "\N{MULTIPLICATION SIGN}"
TEMPLATE = Path(__file__).with_name("benchmarks.md.in")
"""The page's words, with a place for each table."""

DEEP, SLOW = 12, 2_000
"""How deep the import tree is shown, and from how many microseconds on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that one run measured."""

    rounds: tuple[int, int]
    starts: dict[str, list[Start]]
    costs: dict[str, dict[str, Series]]
    imported: list[Imported]
    profile: str
    megabytes: tuple[float, float]
    storms: list[dict[str, Any]]
    batch_mb: tuple[float, float]
    """Before the largest batch that Lambda hands over, and at the most."""
    peers: dict[str, dict[str, list[float]]]
    peers_logins: int
    inbox: dict[str, Series] | str
    """Milliseconds by figure, or why there are none."""
    seconds: float
    busy: float
    """How many processes wanted a core when it began."""


@dataclass(frozen=True, slots=True)
class Target:
    what: str
    measured: float
    most: float
    unit: str
    cause: str = ""
    """What it is spent on, where it is too much: as the profile and the import tree have it."""

    @property
    def missed(self) -> bool:
        return self.measured > self.most

    @property
    def row(self) -> tuple[str, str, str, str]:
        said = "**missed**" if self.missed else "met"
        return self.what, f"{self.measured:.2f} {self.unit}", f"{self.most:g} {self.unit}", said


PACKAGES = "slack-sdk, which imports asyncio and all of its models of blocks, where (b) imports one plugin"
CALLS = "eleven calls to the table, each signed and posted, then what SQLite's row says"
GREETING = "a TLS greeting and a look-up in a thread for each card, and a dozen transactions that reach the disk"
PAGE = "the browser's own start of a page: the channels' renderers are read after it"
ROWS = "each login: it is parsed, routed, packed, drawn and marked as said"


def targets(run: Run) -> list[Target]:
    def against(one: str, other: str) -> float:
        return series(run.starts[one], "card").ratio(series(run.starts[other], "card")).median

    def cost(figure: str, candidate: str) -> float:
        return run.costs[figure][candidate].median

    opened = [] if isinstance(run.inbox, str) else [run.inbox[inbox.PAINTED].median]
    peak = max(start.peak_mb for start in run.starts[KNOWN])
    return [
        Target("cold, a person already known, against (a)", against(KNOWN, SIMPLEST), 1.25, TIMES),
        Target("cold, a person to be looked up, against (a)", against(UNKNOWN, SIMPLEST), 1.5, TIMES),
        Target("cold, a person already known, against (b)", against(KNOWN, APPRISE), 0.75, TIMES, PACKAGES),
        Target("warm, one card, DynamoDB, processor", cost(warm.SINGLE, warm.DYNAMODB), 8, "ms", CALLS),
        Target("warm, one card, SQLite, processor", cost(warm.SINGLE, warm.SQLITE), 3, "ms", GREETING),
        Target(
            "warm, a login in a digest of 150, DynamoDB, processor", cost(warm.DIGEST, warm.DYNAMODB), 0.5, "ms", ROWS
        ),
        Target("peak memory of a first event", peak, 90, "MB"),
        Target("peak memory of a batch of 4,000 records", run.batch_mb[1], 150, "MB"),
        Target("zip without .pyc", run.megabytes[0], 4, "MB"),
        Target("zip with .pyc", run.megabytes[1], 6, "MB"),
        *(Target("first paint of the inbox, 1,000 cards stored", painted, 1000, "ms", PAGE) for painted in opened),
    ]


def summary(run: Run) -> str:
    """Every figure as a table: what `make bench` prints."""
    parts = [_targets(run), _cold(run), _warm(run), _calls(run), _storm(run), _storm_costs(run), _inbox(run)]
    return "\n\n".join(parts) + f"\n\nmeasured in {run.seconds / 60:.1f} minutes"


def write(run: Run, docs: Path) -> None:
    (docs / "profile").mkdir(exist_ok=True)
    (docs / "profile" / "imports.txt").write_text(_tree(run.imported))
    (docs / "profile" / "warm.txt").write_text(run.profile)
    (docs / "benchmarks.md").write_text(_page(run))


def _targets(run: Run) -> str:
    return table(("figure", "measured", "at most", ""), [target.row for target in targets(run)])


def _cold(run: Run) -> str:
    def row(name: str, starts: Sequence[Start]) -> list[object]:
        wall, cpu = (series(starts, what) for what in ("card", "cpu_card"))
        walls, cpus = (series(run.starts[SIMPLEST], what) for what in ("card", "cpu_card"))
        peak = series(starts, "peak_mb").median
        return [
            name,
            series(starts, "init"),
            wall,
            f"{wall.ratio(walls).median:.2f}",
            cpu,
            f"{cpu.ratio(cpus).median:.2f}",
            f"{peak:.0f}",
        ]

    head = (
        "cold start",
        "until init ms",
        "until the card ms",
        f"{TIMES} (a)",
        "processor ms",
        f"{TIMES} (a)",
        "peak MB",
    )
    return table(head, [row(name, starts) for name, starts in run.starts.items()])


def _warm(run: Run) -> str:
    names = list(next(iter(run.costs.values())))
    rows = [[figure, *(costs[name] for name in names)] for figure, costs in run.costs.items()]
    return table(("ms a login", *names), rows)


def _calls(run: Run) -> str:
    rows = []
    for name, starts in run.starts.items():
        calls = {what: times for what, times in starts[0].calls.items() if not what.startswith("card.")}
        listed = ", ".join(f"{times} {what}" for what, times in sorted(calls.items()))
        rows.append((name, sum(calls.values()), listed))
    return table(("a first event's AWS calls", "calls", "which"), rows)


def _storm(run: Run) -> str:
    head = (
        "storm within a minute",
        "logins",
        "channel",
        "cards",
        "never told",
        "told twice",
        "over limit",
        "last after s",
    )
    ours = [(f"ours, {storm['people']} people", storm["logins"], storm["channels"]) for storm in run.storms]
    peers = [(name, run.peers_logins, channels) for name, channels in run.peers.items()]
    rows = [
        (name, f"{logins:,}", channel, *_counts(figures))
        for name, logins, channels in ours + peers
        for channel, figures in channels.items()
    ]
    return table(head, rows)


def _storm_costs(run: Run) -> str:
    head = ("storm of ours", "logins", "look-up calls", "longest wait for a name s", "table calls a login")
    rows = [
        (
            f"{storm['people']} people",
            f"{storm['logins']:,}",
            f"{storm['described']:,}",
            f"{storm['waited']:.1f}",
            f"{storm['table'] / storm['logins']:.2f}",
            f"{storm['cpu'] / storm['logins'] * 1000:.2f}",
        )
        for storm in run.storms
    ]
    return table((*head, "processor ms a login"), rows)


def _inbox(run: Run) -> str:
    if isinstance(run.inbox, str):
        return f"The inbox was not measured in this run: {run.inbox}."
    head = (f"the inbox with {inbox.CARDS:,} stored cards", "ms")
    said = "In a fresh window of Chromium over loopback, from the moment that its address is opened."
    return table(head, list(run.inbox.items())) + f"\n\n{said}"


def _counts(figures: Sequence[float]) -> list[str]:
    *counts, last = figures
    return [*(f"{count:,.0f}" for count in counts), f"{last:,.1f}"]


def _page(run: Run) -> str:
    return TEMPLATE.read_text(encoding="utf-8").format(
        machine=_machine(),
        python=_of_the_bench("platform.python_version()"),
        boto3=_of_the_bench("__import__('boto3').__version__"),
        ric=_of_the_bench("__import__('awslambdaric').__version__"),
        busy=f"{run.busy:.1f}",
        when=f"{datetime.now(UTC):%Y-%m-%d}",
        minutes=f"{run.seconds / 60:.0f}",
        targets=_targets(run),
        misses=_misses(run),
        cold=_cold(run),
        cold_rounds=run.rounds[0],
        warm=_warm(run),
        warm_rounds=run.rounds[1],
        calls=_calls(run),
        storm=_storm(run),
        storm_costs=_storm_costs(run),
        batch_before=f"{run.batch_mb[0]:.0f}",
        batch_most=f"{run.batch_mb[1]:.0f}",
        imports=_imports(run),
        inbox=_inbox(run),
        losses="\n".join(_losses(run)) or "Nowhere, in this run.",
    )


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}, {cores} cores"


def _of_the_bench(expression: str) -> str:
    code = f"import platform; print({expression})"
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _misses(run: Run) -> str:
    missed = [target for target in targets(run) if target.missed]
    if not missed:
        return "Every target is met in this run."
    lines = [
        f"- {each.what}: {each.measured:.2f} {each.unit}, meant to be at most {each.most:g}. "
        f"It goes into {each.cause or 'what the profile shows'}."
        for each in missed
    ]
    return "\n".join(["Missed in this run; where the time goes is below and in [profile/](profile/):", "", *lines])


def _losses(run: Run) -> Iterator[str]:
    """Every figure in which a peer does better."""
    for figure, costs in run.costs.items():
        for peer in (APPRISE, NAIVE):
            if (ratio := costs[warm.DYNAMODB].median / costs[peer].median) > 1:
                yield f"- Warm, {figure}: {ratio:.1f} {TIMES} what {peer} takes."
    for peer in (SIMPLEST, APPRISE, NAIVE):
        ratio = series(run.starts[KNOWN], "card").ratio(series(run.starts[peer], "card")).median
        if ratio > 1:
            yield f"- Cold, until the card: {ratio:.2f} {TIMES} the time of {peer}."
    calls, least = (sum(run.starts[name][0].calls.values()) for name in (KNOWN, NAIVE))
    yield f"- A login makes {calls} calls, cards counted, where {NAIVE} makes {least}: that is what an outbox costs."


def _imports(run: Run) -> str:
    """Whose modules a cold start imports, by the time that each takes alone."""
    own: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for each in run.imported:
        top = each.name.partition(".")[0]
        whose = top if top in OWNERS else REST
        own[whose] += each.own
        modules[whose] += 1
    rows = [(name, modules[name], f"{micro / 1000:.0f}") for name, micro in own.most_common()]
    return table(
        ("imported by a cold start", "modules", "ms"), [*rows, ("in all", modules.total(), f"{own.total() / 1000:.0f}")]
    )


OWNERS = ("bot", "formatters", "slack_sdk", "boto3", "botocore", "urllib3", "awslambdaric")
REST = "Python's own, and all others"


def _tree(imported: Sequence[Imported]) -> str:
    """What a cold start imports, outermost first, as far as it takes long."""
    lines = [
        f"{each.own / 1000:9.1f}{each.whole / 1000:11.1f}  {'  ' * each.depth}{each.name}"
        for each in imported
        if each.depth <= DEEP and each.whole >= SLOW
    ]
    return "\n".join(["   own ms   whole ms  module", *lines]) + "\n"
