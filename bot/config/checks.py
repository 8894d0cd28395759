"""What must fit together in a routing file: names that are used and declared, routes that can be reached, tests."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from bot.config import Config, RouteTest
from bot.config.mistakes import Mistakes, Path, quoted, unknown
from bot.config.overlap import implies, never
from bot.events import Login, Person
from bot.pace import Pace
from bot.routing import Decision, Route


def check(config: Config, declared: Collection[str], spelled: Mapping[str, str], mistakes: Mistakes) -> None:
    """Note what does not fit in `config`, which holds what is good of the file.

    `declared` are the names of all destinations, those with mistakes of their own too; `spelled` says how the file
    writes a directory's id, with or without `domain/`.
    """
    _check_reach([route for route in config.routing.routes if not mistakes.below(_place(route))], mistakes)
    if declared:
        _check_names(_lists(config, spelled), declared, mistakes)
    _check_fallbacks(config, mistakes)
    _check_paces(config, mistakes)
    _check_accounts(config, mistakes)
    if not any(mistakes.below((section,)) for section in ("default", "directories", "routes", "tests")):
        for number, text in failing_tests(config):
            mistakes.note(("tests", number), text)


def _check_names(lists: Iterable[tuple[Path, Sequence[str]]], declared: Collection[str], mistakes: Mistakes) -> None:
    for path, names in lists:
        for number, name in enumerate(names):
            if name not in declared:
                mistakes.note((*path, number), unknown("destination", name, declared))
            elif name in names[:number]:
                mistakes.note((*path, number), f"{quoted(name)} is named twice; once is enough")


def _lists(config: Config, spelled: Mapping[str, str]) -> Iterator[tuple[Path, Sequence[str]]]:
    """Every list of destinations in the file, and where it stands."""
    yield ("default",), config.routing.default
    for directory in config.routing.directories.values():
        yield ("directories", spelled[directory.id], "notify"), directory.notify or ()
    for route in config.routing.routes:
        yield (*_place(route), "notify"), route.notify
    for number, test in enumerate(config.tests):
        yield ("tests", number, "notify"), test.notify


def _place(route: Route) -> Path:
    return ("routes", int(route.label.removeprefix("routes[").removesuffix("]")))


def _fallback(destination: str) -> Path:
    return ("destinations", destination, "fallback")


def _check_fallbacks(config: Config, mistakes: Mistakes) -> None:
    """A login that was given up must come to rest: no chain of fallbacks may lead back to where it was."""
    seen: set[str] = set()
    for start in config.destinations:
        chain = [start]
        while (place := config.destinations.get(chain[-1])) and place.fallback and place.fallback not in chain:
            chain.append(place.fallback)
        back_to = place.fallback if place else None
        if back_to == start and not seen.intersection(chain):
            seen.update(chain)
            mistakes.note(_fallback(start), _round(chain))


def _round(chain: Sequence[str]) -> str:
    if len(chain) == 1:
        return f"{quoted(chain[0])} falls back to itself; name another destination"
    way = " → ".join(quoted(name, bare=True) for name in (*chain, chain[0]))
    return f"goes round: {way}; let one of them have no fallback"


def _check_paces(config: Config, mistakes: Mistakes) -> None:
    """Destinations of one group share one limit; two different ones can't both be held."""
    first: dict[str, str] = {}
    for place in config.destinations.values():
        other = config.destinations[first.setdefault(place.pace.group, place.name)]
        if place.pace != other.pace:
            said = f"{_limit(place.pace)}, but {quoted(other.name)} in the same group has {_limit(other.pace)}"
            mistakes.note(("destinations", place.name, "pace"), f"{said}; make them equal")


def _limit(pace: Pace) -> str:
    return f"{pace.messages} per {pace.per:g} s with a gap of {pace.gap:g} s"


def _check_accounts(config: Config, mistakes: Mistakes) -> None:
    for account, keys in config.accounts.items():
        if (owner := keys.role_arn.split(":")[4]) != account and not mistakes.touch(("accounts", account)):
            mistakes.note(
                ("accounts", account, "role_arn"), f"is a role of account {owner}; name one of {account} itself"
            )


def _check_reach(routes: Sequence[Route], mistakes: Mistakes) -> None:
    """A route that can't be reached, or that does nothing, is not what its author meant."""
    for number, route in enumerate(routes):
        if never(route.match):
            mistakes.note((*_place(route), "match"), "never matches, `not` takes back all that it asks for; mend it")
        if route.continue_ and not route.notify:
            mistakes.note(_place(route), "adds nobody and decides nothing; name whom it adds, or leave out `continue`")
        for earlier in routes[:number]:
            if not earlier.continue_ and implies(route.match, earlier.match):
                mistakes.note(
                    _place(route),
                    f"is never reached, {earlier.label} decides for every login of it; move it above, or leave it out",
                )
                break


def failing_tests(config: Config) -> Iterator[tuple[int, str]]:
    """The file's own tests that fail, by number, each with what was expected and what decides instead."""
    for number, test in enumerate(config.tests):
        decision = config.routing.decide(login_of(test))
        if set(decision.destinations) != set(test.notify):
            yield number, _failure(test, decision)


def login_of(test: RouteTest) -> Login:
    """The login that a test speaks of. What it leaves out is empty, and its user's name unknown."""
    then = datetime(2026, 1, 1, tzinfo=UTC)
    given = test.login
    return Login(
        event_id="test",
        workspace_id=given.get("workspace", ""),
        directory_id=given.get("directory", ""),
        logged_in_at=then,
        emitted_at=then,
        received_at=then,
        account=given.get("account", ""),
        region=given.get("region", ""),
        address=given.get("address", ""),
        client=given.get("client", ""),
        platform=given.get("platform", ""),
        person=Person(name=given["user"]) if "user" in given else None,
    )


def _failure(test: RouteTest, decision: Decision) -> str:
    decided = decision.steps[-1].label
    heard = ", ".join(f"{name} ({label})" for name, label in decision.why.items()) or f"nobody ({decided})"
    culprit = next((label for name, label in decision.why.items() if name not in test.notify), decided)
    expected = ", ".join(test.notify) or "nobody"
    return f"{test.name!r} expects {expected}, but who would hear is {heard}; mend {culprit} or the test"
