"""Whether one Match holds for every login that another holds for. Only what is certain is answered with yes."""

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from bot.routing import HOLDS, Match, Network

_BEFORE_WILDCARD = re.compile(r"[*?\[]")
_EXACT = ("directory", "platform", "workspace", "account", "region")


def implies(narrow: Match, wide: Match) -> bool:
    """True when every login that `narrow` matches is certain to be matched by `wide` too."""
    keys_hold = all(_covered(key, getattr(narrow, key), getattr(wide, key)) for key in HOLDS if getattr(wide, key))
    return keys_hold and (wide.not_ is None or _outside(narrow, wide.not_))


def never(match: Match) -> bool:
    """True when no login can match, because `not` takes back all that the other keys allow."""
    return match.not_ is not None and match.not_ != Match() and implies(replace(match, not_=None), match.not_)


def _outside(match: Match, other: Match) -> bool:
    """True when every login that `match` matches is certain to pass `not: other`."""
    if other.asks_for_user and not match.asks_for_user:  # a login without a user's name passes no `not: {user: …}`
        return False
    if any(_apart(key, match, other) for key in _EXACT):
        return True
    return match.not_ is not None and implies(other, match.not_)


def _apart(key: str, one: Match, other: Match) -> bool:
    ours, theirs = _folded(getattr(one, key)), _folded(getattr(other, key))
    return bool(ours) and bool(theirs) and ours.isdisjoint(theirs)


def _covered(key: str, narrow: tuple[Any, ...], wide: tuple[Any, ...]) -> bool:
    """Whether each value that `narrow` allows for `key` is one that `wide` allows."""
    if key == "client" and "*" in wide:
        return True
    if not narrow:
        return False
    if key in _EXACT:
        return _folded(narrow) <= _folded(wide)
    within = {"network": _within_network}.get(key, _within_glob)
    return all(any(within(value, other) for other in wide) for value in narrow)


def _folded(names: tuple[str, ...]) -> set[str]:
    """Only `platform` has letter case that does not count; ids and regions are in lower case as it is."""
    return {name.casefold() for name in names}


def _within_network(narrow: Network, wide: Network) -> bool:
    return narrow.version == wide.version and narrow.subnet_of(wide)  # type: ignore[arg-type]  # same version by now


def _within_glob(narrow: str, wide: str) -> bool:
    """Each text that `narrow` stands for is one that `wide` stands for.

    Where `wide` has no wildcard but `*` and `narrow` no `[…]`, matching the pattern as if it were text is proof: a
    wildcard of `narrow` can only have been taken by a `*`.
    """
    narrow, wide = narrow.casefold(), wide.casefold()
    if narrow == wide:
        return True
    if not narrow.startswith(_BEFORE_WILDCARD.split(wide, maxsplit=1)[0]):  # a thousand routes, a million pairs
        return False
    plain = not any(wildcard in narrow for wildcard in "*?[")
    provable = "[" not in narrow and "?" not in wide and "[" not in wide
    return (plain or provable) and fnmatchcase(narrow, wide)
