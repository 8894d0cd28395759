"""Routes, matches and decisions in words: what a route asks for, and what a login had instead."""

from bot.config import Config
from bot.events import Login
from bot.routing import HOLDS, Match, Route, Step


def who(login: Login) -> str:
    """The person, as far as known: the display name beside the user's name."""
    person = login.person
    if person is None:
        return login.workspace_id
    if person.display_name and person.display_name != person.name:
        return f"{person.display_name} ({person.name})"
    return person.name


def summary(login: Login) -> str:
    """A login in one line."""
    return " · ".join(filter(None, (brief(login), login.client, login.address)))


def brief(login: Login) -> str:
    """A login in half a line."""
    return " · ".join(filter(None, (who(login), directory(login), login.platform)))


def directory(login: Login) -> str:
    return login.directory_name or login.directory_id


def asked(match: Match, config: Config) -> str:
    """What a match asks for: `user svc-*; platform Web or Android`."""
    keys = [f"{key} {_wanted(match, key, config)}" for key in HOLDS if getattr(match, key)]
    if match.not_ is not None:
        keys.append(f"not ({asked(match.not_, config)})")
    return "; ".join(keys) or "every login"


def does(route: Route) -> str:
    """What a route does with the logins that it matches."""
    names = ", ".join(route.notify)
    if route.continue_:
        return f"adds {names}" if names else "adds nobody"
    return names or "nobody, on purpose"


def because(step: Step, login: Login, config: Config) -> str:
    """Why a step applied, or what it asked for and what the login had instead."""
    route = next((route for route in config.routing.routes if route.label == step.label), None)
    if route is None:
        return _home(step, login, config)
    if step.failed_on is None:
        return f"{asked(route.match, config)} → {does(route)}"
    return _failed(route.match, step.failed_on, login, config)


def _failed(match: Match, key: str, login: Login, config: Config) -> str:
    if key == "not" and match.not_ is not None:
        return f"wants none with {asked(match.not_, config)}; this is one"
    if key.startswith("not.") and match.not_ is not None:
        return _failed_not(match.not_, key.removeprefix("not."), login, config)
    return f"wants {key} {_wanted(match, key, config)}; {key} is {_had(login, key)}"


def _failed_not(match: Match, key: str, login: Login, config: Config) -> str:
    if key == "user" and login.user is None:
        return "wants to know the user's name; nobody's name is known, and nothing is decided by a guess"
    return f"wants {key} other than {_wanted(match, key, config)}; {key} is {_had(login, key)}"


def _home(step: Step, login: Login, config: Config) -> str:
    if step.failed_on is not None:
        return f"{directory(login)} has no notify of its own"
    if step.label == "default":
        listed = login.directory_id in config.routing.directories
        reason = "everything else" if listed else f"{login.directory_id} is not listed under directories"
        return f"{reason} → {', '.join(config.routing.default) or 'nobody'}"
    home = config.routing.directories[login.directory_id]
    return f"{home.name or home.id} → {', '.join(home.notify or ()) or 'nobody, on purpose'}"


def _wanted(match: Match, key: str, config: Config) -> str:
    values = [str(value) for value in getattr(match, key)]
    if key == "directory":
        homes = config.routing.directories
        values = [homes[value].name or value if value in homes else value for value in values]
    return " or ".join(values)


def _had(login: Login, key: str) -> str:
    had = {
        "directory": directory(login),
        "user": login.user,
        "client": login.client,
        "platform": login.platform,
        "workspace": login.workspace_id,
        "account": login.account,
        "region": login.region,
        "network": login.address,
    }[key]
    return had or "not known"
