"""Cards as an HTML page, and the pictures that are made of it, as far as no browser is needed."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from bot.cli import page as pages
from bot.cli.page import Card, page
from bot.cli.show import Mistake
from tests.browser.pictures import PICTURES, READERS, cards
from tests.support.browser import NoBrowserError, executable
from tests.support.cli import CONSOLE_ROUTES, invoke, write
from tests.support.logins import event

ROOT = Path(__file__).parent.parent


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundled script, as if it were built."""
    built = tmp_path / "preview.js"
    built.write_text('const é = /<!--/.test("x");', encoding="utf-8")
    monkeypatch.setattr(pages, "SCRIPT", built)
    return built


@pytest.mark.usefixtures("script")
def test_a_page_allows_the_script_that_stands_in_it_and_nothing_else() -> None:
    html = page("eng", [], [])
    inline = html.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'content="{policy}"' in html
    assert "<!--" not in html


@pytest.mark.usefixtures("script")
def test_nothing_on_a_page_ends_its_data_early() -> None:
    html = page("<eng>", [("size", "</script>")], [Card("a", "slack", {"text": "</script><script>é"}, "dark", 320)])
    data = re.search(r'<script type="application/json" id="cards">(.*?)</script>', html)
    assert data is not None
    assert json.loads(data[1]) == {
        "facts": [["size", "</script>"]],
        "cards": [
            {"name": "a", "kind": "slack", "payload": {"text": "</script><script>é"}, "theme": "dark", "width": 320}
        ],
    }
    assert "<title>&lt;eng&gt;</title>" in html


def test_a_page_whose_script_is_not_built_says_how_to_build_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SCRIPT", tmp_path / "preview.js")
    with pytest.raises(Mistake, match="run `make web` once"):
        page("eng", [], [])


def previewed(tmp_path: Path, file: Path) -> tuple[int, str]:
    routes = write(tmp_path, "routes.yml", CONSOLE_ROUTES)
    login = write(tmp_path, "event.json", event())
    done = invoke("preview", "--event", login, "--to", "it", "--user", "alice", "--routes", routes, "--html", file)
    return done.exit_code, done.output


@pytest.mark.usefixtures("script")
def test_preview_writes_the_page_of_a_card_and_says_nothing_else_of_it(tmp_path: Path) -> None:
    code, said = previewed(tmp_path, tmp_path / "card.html")
    assert code == 0
    assert said == "note: it would not hear of this login; `explain` says why\n"
    assert "AdaptiveCard" in (tmp_path / "card.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("script")
def test_preview_names_a_file_that_it_can_not_write(tmp_path: Path) -> None:
    code, said = previewed(tmp_path, tmp_path / "nowhere" / "card.html")
    assert code == 1
    assert "card.html can't be written: No such file or directory" in said


# The browser


def test_the_systems_browser_goes_before_one_that_was_downloaded(tmp_path: Path) -> None:
    own, downloaded = tmp_path / "chromium", tmp_path / "chrome"
    downloaded.touch()
    assert executable(str(downloaded), path=str(tmp_path)) == str(downloaded)
    own.touch(mode=0o755)
    assert executable(str(downloaded), path=str(tmp_path)) == str(own)


def test_without_a_browser_the_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoBrowserError, match="apt-get install chromium fonts-noto-cjk"):
        executable(str(tmp_path / "chrome"), path=str(tmp_path))


# The pictures


def test_there_is_a_picture_of_each_telling_card_and_of_the_inbox_and_of_nothing_else() -> None:
    told = {card.name for language in READERS for card in cards(language)}
    assert {path.stem for path in PICTURES.iterdir()} == told | {"inbox"}
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 3_000_000


def test_every_picture_that_the_documents_show_is_there() -> None:
    for document in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        shown = re.findall(r'(?:src="|\]\()([^")]+\.png)', document.read_text(encoding="utf-8"))
        assert [each for each in shown if not (document.parent / each).is_file()] == [], document.name
