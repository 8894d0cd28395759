"""A language says everything that there is to say, with the same blanks as every other."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from string import Formatter

import pytest

import formatters.languages
from bot.events import NamedAfter, NameGap
from formatters.languages import LANGUAGES, language
from formatters.phrases import Phrases

ENGLISH = LANGUAGES["en"]


def said(phrases: Phrases) -> Iterator[tuple[str, str]]:
    """(where, phrase) of every phrase."""
    for field in fields(phrases):
        value = getattr(phrases, field.name)
        if isinstance(value, Mapping):
            yield from ((f"{field.name}[{key}]", phrase) for key, phrase in value.items())
        elif isinstance(value, tuple):
            yield from ((f"{field.name}[{index}]", phrase) for index, phrase in enumerate(value))
        else:
            yield field.name, value


def blanks(phrase: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(phrase) if name is not None)


@pytest.mark.parametrize("name", LANGUAGES)
def test_nothing_is_left_unsaid(name: str) -> None:
    phrases = dict(said(LANGUAGES[name]))
    assert phrases.keys() == dict(said(ENGLISH)).keys()
    assert [where for where, phrase in phrases.items() if not phrase.strip()] == []


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_phrase_has_the_blanks_that_it_has_in_english(name: str) -> None:
    english = {where: blanks(phrase) for where, phrase in said(ENGLISH)}
    assert {where: blanks(phrase) for where, phrase in said(LANGUAGES[name])} == english


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_kind_of_name_and_every_reason_has_its_words(name: str) -> None:
    phrases = LANGUAGES[name]
    assert set(phrases.headline) == set(NamedAfter)
    assert set(phrases.shown_instead) == set(NamedAfter)
    assert set(phrases.reasons) == {*NameGap, None}
    assert (len(phrases.months), len(phrases.weekdays)) == (12, 7)


@pytest.mark.parametrize("name", [name for name in LANGUAGES if name != "en"])
def test_a_translation_is_translated(name: str) -> None:
    phrases, english = dict(said(LANGUAGES[name])), dict(said(ENGLISH))
    alike = {where for where, phrase in phrases.items() if phrase == english[where]}
    assert alike <= {"workspace", "clock", "comma", "in_directory", "span", "day"}


def test_every_file_of_the_folder_is_registered() -> None:
    folder = Path(formatters.languages.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(LANGUAGES)


def test_a_language_that_there_is_not_is_refused_with_the_cure() -> None:
    with pytest.raises(ValueError, match="no language 'jp'; there are en, ja"):
        language("jp")
