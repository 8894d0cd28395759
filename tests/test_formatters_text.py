"""Cleaning takes out what can't be seen, cutting keeps what looks like one character in one piece."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formatters.text import clean, cut, show, units
from tests.support import untrusted
from tests.support.examples import examples

some = examples(80)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("alice", "alice", id="plain"),
        pytest.param("  al  ice ", "al ice", id="spaces"),
        pytest.param("a\nb\r\nc\td\u2028e\u3000f\u00a0g", "a b c d e f g", id="any white space"),
        pytest.param("al\x00ice\x1b[31m\x7f\x9b", "alice[31m", id="control"),
        pytest.param("al\u202eice\u2066\u200f\u061c", "alice", id="direction"),
        pytest.param("al\u200bi\u2060c\ufeffe\u00ad", "alice", id="zero width"),
        pytest.param("al\u200dice", "alice", id="joiner between letters"),
        pytest.param("\u200d👩\u200d", "👩", id="joiner with nothing to join"),
        pytest.param("👩\u200dx", "👩x", id="joiner to a letter"),
        pytest.param("👩\u200d💻 👩🏽\u200d💻 ❤️\u200d🔥", "👩\u200d💻 👩🏽\u200d💻 ❤️\u200d🔥", id="joined emoji"),
        pytest.param("al\u3164\u115f\u2800ice", "alice", id="blank letters"),
        pytest.param("al\ud800ice", "al?ice", id="lone surrogate"),
        pytest.param("al\uffffi\ufdd0ce", "alice", id="noncharacter"),
        pytest.param("山田 太郎", "山田 太郎", id="Japanese"),
        pytest.param("محمد", "محمد", id="Arabic"),
        pytest.param("e\u0301", "e\u0301", id="combining"),
        pytest.param("🇯🇵", "🇯🇵", id="flag"),
    ],
)
def test_what_is_unseen_is_taken_out(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        pytest.param("alice", 5, "alice", id="fits"),
        pytest.param("alice", 4, "ali…", id="too long"),
        pytest.param("ab cd", 4, "ab…", id="no space before the ellipsis"),
        pytest.param("🦊🦊", 4, "🦊🦊", id="emoji that fit"),
        pytest.param("🦊🦊🦊", 4, "🦊…", id="emoji count twice"),
        pytest.param("abce\u0301\u0301d", 5, "abc…", id="marks stay with their letter"),
        pytest.param("ab👩\u200d💻cd", 6, "ab…", id="joined emoji stay joined"),
        pytest.param("ab👩🏽cd", 5, "ab…", id="skin stays with its emoji"),
        pytest.param("a❤\ufe0fbc", 3, "a…", id="style stays with its emoji"),
        pytest.param("🇯🇵🇬🇧x", 8, "🇯🇵…", id="a flag is not halved"),
        pytest.param("🇯🇵🇬🇧xyz", 10, "🇯🇵🇬🇧x…", id="flags that fit"),
        pytest.param("z" + "\u0300" * 99, 50, "z" + "\u0300" * 48 + "…", id="what is no character is cut inside"),
    ],
)
def test_a_cut_falls_between_what_looks_like_one_character(text: str, limit: int, shown: str) -> None:
    assert cut(text, limit) == shown


@some
@given(untrusted.text)
def test_clean_text_is_one_line_of_visible_characters_and_stays_so(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not [each for each in cleaned if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")]
    assert not set(cleaned) & set(
        "\u200b\u200c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
    )
    cleaned.encode()


@some
@given(untrusted.text, st.integers(2, 90))
def test_a_cut_keeps_to_its_limit_and_to_the_text(text: str, limit: int) -> None:
    shown = show(text, limit)
    assert units(shown) <= limit
    assert units(shown) == len(shown.encode("utf-16-le")) // 2
    assert clean(text).startswith(shown.removesuffix("…"))
