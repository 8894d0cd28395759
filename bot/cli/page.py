"""Cards as one HTML file of their own, drawn by the channels' own renderers when a browser opens it.

The script of `web/` is inlined, so the file needs no server and loads nothing; its content security policy names that
script alone, so whatever stands in a card runs nothing and fetches nothing.
"""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bot.cli.show import Mistake
from formatters.base import Payload

SCRIPT = Path(__file__).parents[2] / "web" / "built" / "preview.js"
"""What `make web` bundles from web/preview.js."""

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Card:
    """A payload to be drawn. `kind` is what its formatter makes; `width`: CSS pixels, without as wide as may be."""

    name: str
    kind: str
    payload: Payload
    theme: Theme = "light"
    width: int | None = None


def page(title: str, facts: Sequence[tuple[str, str]], cards: Sequence[Card]) -> str:
    """The HTML: a title, what is to be known of the cards, and the cards. Raises Mistake where no script is built."""
    script = _script()
    policy = f"default-src 'none'; script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    return _PAGE.format(title=html.escape(title), policy=policy, data=_data(facts, cards), script=script)


_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<main>
<h1>{title}</h1>
</main>
<script type="application/json" id="cards">{data}</script>
<script>{script}</script>
</html>
"""


def _script() -> str:
    try:
        script = SCRIPT.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Mistake("the page's script is not built yet: run `make web` once (it needs Node 20 or newer)") from None
    return script.replace("<!--", r"\x3c!--")  # HTML reads on past a script's end when it saw a comment begin


def _digest(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _data(facts: Sequence[tuple[str, str]], cards: Sequence[Card]) -> str:
    """JSON in plain ASCII, in which no tag can begin or end."""
    data = json.dumps({"facts": facts, "cards": [asdict(card) for card in cards]})
    return data.replace("<", "\\u003c")
