"""The languages of the cards: a name → its phrases. A new language is one file and one line here."""

from formatters.languages import en, ja
from formatters.phrases import Phrases

LANGUAGES: dict[str, Phrases] = {
    "en": en.PHRASES,
    "ja": ja.PHRASES,
}


def language(name: str) -> Phrases:
    """The phrases of a language. Raises ValueError, with the cure, for one that there is not."""
    if (phrases := LANGUAGES.get(name)) is not None:
        return phrases
    raise ValueError(f"no language {name!r}; there are {', '.join(LANGUAGES)}")
