"""Text that somebody else wrote, at its worst: a corpus of names that try to be more than text, and a strategy."""

from typing import Any

from hypothesis import strategies as st

from bot.events import Login, NamedAfter, NameGap, Person
from tests.support.logins import make_login

CORPUS = {
    "mention of all": "<!channel>",
    "mention of one": "<@U1>",
    "at-mention": "@everyone @here",
    "Teams mention": "<at>everyone</at>",
    "emphasis": "*x* _y_ ~z~",
    "strong": "**x** __y__",
    "backticks": "`x` ```y```",
    "Markdown link": "[x](https://evil.example)",
    "Markdown image": "![x](https://evil.example/x.png)",
    "Slack link": "<https://evil.example|x>",
    "Slack date": "<!date^0^{date}|x>",
    "bare address": "https://evil.example/x?y=z",
    "www address": "www.evil.example",
    "angle address": "<https://evil.example>",
    "WWW address": "WWW.evil.example",
    "address in capitals": "HTTPS://EVIL.EXAMPLE/",
    "mail address": "eve@evil.example",
    "mail address's link": "mailto:eve@evil.example",
    "mail address's link in capitals": "MailTo:EVE%40evil.example",
    "Teams date": "{{DATE(2026-01-01T00:00:00Z)}}",
    "Teams time": "{{TIME(2026-01-01T00:00:00Z)}}",
    "template": "${x} {x} {} {0.__class__} %s",
    "heading": "# x",
    "bullet": "- x",
    "plus": "+ x",
    "number": "1. x",
    "number in brackets": "1) x",
    "quote": "> x",
    "rule": "---",
    "setext": "x\n===",
    "table": "| a | b |\n|---|---|",
    "entity": "&lt;b&gt; &amp; &#42;",
    "markup": '<b onclick="x">y</b><script>z</script>',
    "backslash": "\\*x\\* \\",
    "emoji code": ":boom: :x:",
    "direction override": "alice\u202eexe.txt\u202c",
    "isolates": "\u2066alice\u2069",
    "zero width": "al\u200bice\u200c\u200d\ufeff",
    "soft hyphen": "al\u00adice",
    "tags": "alice\U000e0067\U000e0062\U000e007f",
    "fillers": "\u3164\u115f\u2800",
    "only zero width": "\u200b\u200b",
    "emoji": "🦊🎉",
    "emoji family": "👩‍👩‍👧‍👦",
    "emoji with tone": "👩🏽‍💻",
    "flag": "🇯🇵🇬🇧",
    "Chinese and Japanese": "山田 太郎 王小明 ｱｲｳ",
    "Korean": "김철수",
    "Arabic": "محمد",
    "Hebrew": "דוד",
    "combining": "e\u0301\u0301\u0301" + "a\u0327" * 4,
    "stacked marks": "z" + "\u0300" * 2_000,
    "lines": "alice\nbob\r\ncarol\tdave\u2028eve\u2029frank\x85grace",
    "NUL": "al\x00ice",
    "control": "\x1b[31mred\x07\x08\x7f\x9b",
    "lone surrogate": "al\ud800ice",
    "noncharacter": "al\uffffice\ufdd0",
    "private use": "\ue000\U0010fffd",
    "long word": "x" * 10_000,
    "long text": "x y " * 2_500,
    "long Chinese": "名" * 10_000,
    "long emoji": "👩‍💻" * 3_000,
    "long escapes": "&<>*_`[](){}" * 800,
    "quotes": "\"'\\u0041",
    "spaces": "   \u00a0\u3000 ",
    "empty": "",
}

FIELDS = ("address", "client", "client_version", "platform", "directory_name", "account", "region")
IDS = ("event_id", "workspace_id", "directory_id")

text = st.one_of(
    st.sampled_from(sorted(CORPUS.values())),
    st.text(max_size=60),
    st.text(alphabet="<>&*_~`[](){}!#|\\-+.:/@$% \n\u202e\u200d\u200b🦊é名aZ0", max_size=40),
    st.lists(st.sampled_from(sorted(CORPUS.values())), min_size=2, max_size=3).map("".join),
)
"""Any text, also with lone surrogates, which JSON from outside may hold."""


@st.composite
def logins(draw: st.DrawFn) -> Login:
    """A login with untrusted text in every field that holds text."""
    fields: dict[str, Any] = {field: draw(text) for field in (*FIELDS, *IDS)}
    return make_login(
        **fields,
        person=draw(st.none() | people),
        sample=draw(st.booleans()),
        logged_in_at=draw(st.datetimes(timezones=st.just(make_login().logged_in_at.tzinfo))),
    )


people = st.builds(
    Person,
    name=text,
    display_name=text,
    email=text,
    named_after=st.sampled_from(NamedAfter),
    gap=st.none() | st.sampled_from(NameGap),
)


def everywhere(value: str) -> Login:
    """A login that says `value` wherever a login can say something."""
    return make_login(
        **dict.fromkeys((*FIELDS, *IDS), value),
        person=Person(name=value, display_name=value, email=value),
    )
