"""Every phrase that a card may say. A language is one instance of Phrases: a file in `formatters/languages`.

Names in braces are filled in; a language may order them as it likes. A new field here is asked of every language, by
the type checker and by a test.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.events import NamedAfter, NameGap


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    # What happened. The name on the card is a user's, or another, and the sentence must not mix them up.
    headline: Mapping[NamedAfter, str]  # {who}
    headline_of_many: str  # {count}
    in_directory: str  # {headline} {directory}
    names_and_more: str  # {names} {count}
    comma: str

    # A sample login, sent to try a channel out.
    sample: str  # {text}
    sample_note: str

    # The labels of the facts.
    user: str
    directory: str
    address: str
    client: str
    time: str
    workspace: str
    account: str
    not_given: str

    # Why there is no user's name (a part of the sentences below it), and which name is shown in its place.
    reasons: Mapping[NameGap | None, str]
    shown_instead: Mapping[NamedAfter, str]
    no_name: str  # {reason} {shown}
    some_without_name: str  # {count} {reason}

    # Logins beyond the rows that a digest may have, and how many of which platform.
    and_more: str  # {count} {platforms}
    platform_count: str  # {platform} {count}

    # What a fallback hears: another destination could not be told.
    given_up: str  # {destination} {reason}
    some_given_up: str  # {count} {destination} {reason}

    # A login that was heard of late: by whose delay.
    late_at_aws: str  # {delay}
    late_on_the_way: str  # {delay}
    minutes: str  # {count}
    hours: str  # {count}
    days: str  # {count}

    # Dates and times. `{hour}`, `{minute}` and `{second}` have two digits, `{zone}` is JST, BST or UTC+05:45.
    date: str  # {weekday} {day} {month} {year}
    day: str  # {day} {month}
    clock: str  # {hour} {minute} {second}
    moment: str  # {date} {clock} {zone}
    span: str  # {first} {last}
    months: tuple[str, ...]
    weekdays: tuple[str, ...]  # Monday first
    own_time: str  # {date} {time}

    # Links.
    open_workspace: str
    open_workspaces: str
