"""Who is behind a WorkSpace: ids in, people out, from Amazon WorkSpaces, within its limits and through its troubles.

A look-up never costs a login: whatever AWS says or does not say, the login goes on, and its Person says which name it
bears and why there is no better one.
"""

import logging
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from bot.accounts import Accounts, RoleError
from bot.aws import CALL_SECONDS
from bot.clock import Clock
from bot.events import Login, NamedAfter, NameGap, Person
from bot.names import CALL_GAP_SECONDS, Names, OwnNames, Place, Swept
from bot.patience import Within, within
from bot.people import fit_text, nobody

log = logging.getLogger("bot.users")

IDS_A_CALL = 25  # DescribeWorkspaces, API reference
ASKABLE = re.compile(r"ws-[0-9a-z]{8,63}")
"""AWS's own pattern of a WorkSpace id. One id outside it (AWS's sample event holds one, `ws-xyskdga`) may make AWS
refuse a whole call: such an id is asked for alone, after all others."""

REFUSED_IDS = frozenset({"ValidationException", "InvalidParameterValuesException"})
"""AWS's codes for ids that it will not even look up."""

NO_USER = "[UNDEFINED]"  # what AWS says of a WorkSpace that belongs to no one user

SHORTEST_CALL = 1.0
"""Seconds that a call may take at least, though the time for names is over: every place is asked once."""

KNOWN_SECONDS = 24 * 3600.0
UNKNOWN_SECONDS = 60.0  # a new WorkSpace takes a moment to be describable
KNOWN_PEOPLE = 50_000

TROUBLE_SECONDS = {NameGap.DENIED: 60.0, NameGap.UNREACHABLE: 30.0, NameGap.THROTTLED: 0.0}
"""For how long a place that answered so is not asked again."""

BUSY = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
        "NoCredentialsError",
    }
)
NAMES = (("UserName", NamedAfter.USER), ("WorkspaceName", NamedAfter.WORKSPACE), ("ComputerName", NamedAfter.COMPUTER))
"""What a WorkSpace may be called, best first."""

NIGHT = range(5)
"""The hours, UTC, in which the whole fleet is looked at: AWS's own limit is then nobody else's need."""

PAGES_A_TICK = 5
"""Pages of 25 desks that one tick of the clock looks at: in a night 37,500. A larger fleet takes several nights."""

SWEEP_SECONDS = 10.0

Desk = tuple[Place, str]  # where, and the WorkSpace id


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing was answered; a passing one is worth another call at once."""

    gap: NameGap
    reason: str
    passing: bool = False


NO_TIME = Trouble(NameGap.THROTTLED, "more unknown WorkSpaces than the time allows calls")


class WorkSpacesPeople:
    """Asks DescribeWorkspaces: each id once, 25 a call, two calls a second, and remembers in this process.

    With `names` all copies of the bot share what they know and those two calls a second: a storm of known people asks
    AWS nothing. An account for which `accounts` has no role is asked with the bot's own credentials, to which the ids
    of other accounts are unknown.
    """

    def __init__(
        self, accounts: Accounts, clock: Clock, names: Names | None = None, *, within: Within = within
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._within = within
        self._names: Names = names or OwnNames(clock)
        self._lock = Lock()
        self._known: OrderedDict[Desk, tuple[Person, float]] = OrderedDict()  # the person, and until when that is fresh
        self._calls = 0
        self._troubled: dict[Place, tuple[NameGap, float]] = {}  # the trouble, and until when nobody is asked there

    def name(self, logins: Sequence[Login], *, until: float) -> list[Login]:
        with self._lock:
            gaps = {
                place: self._look_up(place, self._recall(place, ids, until), until)
                for place, ids in self._unasked(logins).items()
            }
            return [replace(login, person=self._person(login, gaps)) for login in logins]

    def sweep(self, place: Place, *, until: float) -> int:
        """Look at the next few pages of the place's fleet, at night: how many desks were seen. Never raises.

        So whoever is hired, renamed or long away is known before a storm. `names` holds how far it got, from tick to
        tick and from night to night; who saw the end of the fleet has done for this night.
        """
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        if now.hour not in NIGHT or self._gap_at(place):
            return 0
        before, tonight = self._names.swept(place), now.date().isoformat()
        if before is None or before.night == tonight:
            return 0
        ends = min(until - CALL_SECONDS, self._clock.now() + SWEEP_SECONDS)  # and what was seen last is written then
        swept, seen = self._sweep(place, before, tonight, ends)
        if swept != before:
            self._names.sweep(place, swept)
        return seen

    def calls(self) -> int:
        """How often AWS was asked since this was last called."""
        calls, self._calls = self._calls, 0
        return calls

    def _sweep(self, place: Place, swept: Swept, tonight: str, until: float) -> tuple[Swept, int]:
        seen = 0
        try:
            for _ in range(PAGES_A_TICK):
                if not self._wait_for_slot(place, until):
                    break
                token = {"NextToken": swept.token} if swept.token else {}
                people, next_token = self._describe(place, until, Limit=IDS_A_CALL, **token)
                self._names.remember(place, people)
                seen += len(people)
                swept = Swept(next_token, "" if next_token else tonight)
                if not next_token:
                    break
        except Exception as error:  # noqa: BLE001 - tomorrow is another night
            trouble = _trouble(error)
            self._note(place, trouble, 0)
            if trouble.reason in REFUSED_IDS:
                return Swept(), seen  # AWS knows the token no more: from the first page on
        return swept, seen

    def _unasked(self, logins: Sequence[Login]) -> dict[Place, list[str]]:
        """The ids that are not known, or not freshly, each once."""
        now = self._clock.now()
        unasked: dict[Place, dict[str, None]] = {}
        for place, workspace_id in map(_desk, logins):
            _, fresh_until = self._known.get((place, workspace_id), (None, 0.0))
            if now >= fresh_until:
                unasked.setdefault(place, {})[workspace_id] = None
        return {place: list(ids) for place, ids in unasked.items()}

    def _person(self, login: Login, gaps: Mapping[Place, NameGap | None]) -> Person:
        desk = place, workspace_id = _desk(login)
        if desk in self._known:
            self._known.move_to_end(desk)
            person, fresh_until = self._known[desk]
            if person.gap is not NameGap.UNKNOWN or self._clock.now() < fresh_until:
                return person  # even yesterday's name, where AWS does not answer today
        return nobody(workspace_id, gaps.get(place) or NameGap.UNKNOWN)

    def _recall(self, place: Place, ids: Sequence[str], until: float) -> list[str]:
        """Take over whom other copies of the bot know; the ids that are left."""
        found = self._names.known(place, [id_ for id_ in ids if ASKABLE.fullmatch(id_)], until)
        self._remember(place, list(found), found)
        return [id_ for id_ in ids if id_ not in found]

    def _look_up(self, place: Place, ids: Sequence[str], until: float) -> NameGap | None:
        """Ask for all `ids`, up to the first trouble; None when all were answered."""
        if gap := self._gap_at(place) or self._gap_around(place, until):
            return gap
        for number, some in enumerate(_calls(ids)):
            if number and self._clock.now() + CALL_GAP_SECONDS > until:
                trouble: Trouble | None = NO_TIME
            else:
                trouble = self._ask(place, some, until)
            if trouble is not None:
                self._note(place, trouble, len(ids))
                return trouble.gap
        return None

    def _gap_at(self, place: Place) -> NameGap | None:
        """Why the place is not to be asked now."""
        gap, ends = self._troubled.get(place, (None, 0.0))
        return gap if self._clock.now() < ends else None

    def _gap_around(self, place: Place, until: float) -> NameGap | None:
        """Once the time is over, a region that did not answer for one account is not asked for the next."""
        silent = any(
            region == place[1] and self._gap_at((account, region)) is NameGap.UNREACHABLE
            for account, region in self._troubled
        )
        return NameGap.UNREACHABLE if silent and self._clock.now() >= until else None

    def _note(self, place: Place, trouble: Trouble, workspaces: int) -> None:
        self._troubled[place] = trouble.gap, self._clock.now() + TROUBLE_SECONDS[trouble.gap]
        if trouble.gap is NameGap.DENIED:
            self._accounts.forget(place[0])
        _warn(place, workspaces, trouble)

    def _ask(self, place: Place, ids: Sequence[str], until: float) -> Trouble | None:
        """One call, and more of them while AWS is only busy and there is time."""
        pause = CALL_GAP_SECONDS
        while True:
            if not self._wait_for_slot(place, max(until, self._clock.now() + CALL_GAP_SECONDS)):
                return NO_TIME
            try:
                found, _ = self._describe(place, until, WorkspaceIds=list(ids))
            except Exception as error:  # noqa: BLE001 - whatever fails here, the login goes on without a name
                trouble = _trouble(error)
                if trouble.reason in REFUSED_IDS and not ASKABLE.fullmatch(ids[0]):
                    self._remember(place, ids, {})
                    return None
            else:
                self._remember(place, ids, found)
                self._names.remember(place, found)
                return None
            pause *= 2
            if not trouble.passing or self._clock.now() + pause > until:
                return trouble
            self._clock.sleep(pause)

    def _wait_for_slot(self, place: Place, latest: float) -> bool:
        """Wait until a call may be made; False when that is after `latest`."""
        slot = self._names.slot(place, latest)
        if slot is None:
            return False
        self._clock.sleep(slot - self._clock.now())
        return True

    def _describe(self, place: Place, until: float, **asked: Any) -> tuple[dict[str, Person], str]:
        """The people of a page, by WorkSpace id, and the token of the next page."""
        seconds = max(until - self._clock.now(), SHORTEST_CALL)
        self._calls += 1
        answer = self._within(seconds, lambda: self._accounts.workspaces(place).describe_workspaces(**asked))
        people = {desk["WorkspaceId"]: _person_at(desk) for desk in answer.get("Workspaces", [])}
        return people, answer.get("NextToken") or ""

    def _remember(self, place: Place, ids: Sequence[str], found: Mapping[str, Person]) -> None:
        now = self._clock.now()
        for workspace_id in ids:
            known = found.get(workspace_id)
            fresh = (known, now + KNOWN_SECONDS) if known else (nobody(workspace_id), now + UNKNOWN_SECONDS)
            self._known[place, workspace_id] = fresh
            self._known.move_to_end((place, workspace_id))
        while len(self._known) > KNOWN_PEOPLE:
            self._known.popitem(last=False)


def _calls(ids: Sequence[str]) -> Iterator[list[str]]:
    """The ids of each call: 25 together, and each odd one alone at the end."""
    usual = [id_ for id_ in ids if ASKABLE.fullmatch(id_)]
    for start in range(0, len(usual), IDS_A_CALL):
        yield usual[start : start + IDS_A_CALL]
    yield from ([id_] for id_ in ids if not ASKABLE.fullmatch(id_))


def _desk(login: Login) -> Desk:
    return (login.account, login.region), login.workspace_id


def _person_at(desk: Mapping[str, Any]) -> Person:
    for key, named_after in NAMES:
        name = fit_text(desk.get(key))
        if name and name != NO_USER:
            gap = None if named_after is NamedAfter.USER else NameGap.SHARED
            return Person(name=name, named_after=named_after, gap=gap)
    return nobody(desk["WorkspaceId"], NameGap.SHARED)


def _trouble(error: Exception) -> Trouble:
    """What went wrong, by AWS's code or, where AWS did not answer, by the exception's name. Never its text."""
    if isinstance(error, RoleError):
        return Trouble(error.gap, str(error))
    answer = getattr(error, "response", None) or {}
    code = str(answer.get("Error", {}).get("Code") or type(error).__name__)[:60]
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in BUSY or status == 429:
        return Trouble(NameGap.THROTTLED, code, passing=True)
    if code in DENIED or status in {401, 403}:
        return Trouble(NameGap.DENIED, f"{code}: the bot's role needs workspaces:DescribeWorkspaces there")
    return Trouble(NameGap.UNREACHABLE, code, passing=status >= 500)


def _warn(place: Place, ids: int, trouble: Trouble) -> None:
    account, region = place
    fields = {"account": account, "region": region, "workspaces": ids, "gap": trouble.gap, "reason": trouble.reason}
    log.warning("names not found", extra={"fields": fields})
