"""Every routing file in tests/routes/bad is refused with exactly the lines that it expects, and with no secret."""

import re
from functools import cache
from pathlib import Path

import pytest

from bot.config import ConfigError, keys, load

BAD = sorted((Path(__file__).parent / "routes" / "bad").glob("*.yml"))
EXPECT = b"# expect: "
MADE_UP_SECRETS = ("madeup", "hunter2", "a1b2c3", "IncomingWebhook", "T00000000")


def expected(file: Path) -> tuple[str, ...]:
    lines = file.read_bytes().splitlines()
    return tuple(line.removeprefix(EXPECT).decode() for line in lines if line.startswith(EXPECT))


@cache
def mistakes(file: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(str(file))
    assert caught.value.source == str(file)
    assert str(caught.value) == "\n".join(f"{file}: {mistake}" for mistake in caught.value.mistakes)
    return caught.value.mistakes


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_bad_file_is_refused_with_exactly_its_mistakes(file: Path) -> None:
    assert mistakes(file) == expected(file)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_mistake_repeats_no_secret(file: Path) -> None:
    said = "\n".join(mistakes(file))
    assert [secret for secret in MADE_UP_SECRETS if secret in said] == []


def test_there_are_enough_bad_files_and_each_expects_something() -> None:
    assert len(BAD) >= 40
    assert [file.name for file in BAD if not expected(file)] == []


def test_the_made_up_secrets_do_stand_in_the_bad_files() -> None:
    written = b"".join(b"\n".join(file.read_bytes().splitlines()[len(expected(file)) :]) for file in BAD)
    assert [secret for secret in MADE_UP_SECRETS if secret.encode() not in written] == []


def test_a_missing_file_is_one_mistake_with_its_cure(tmp_path: Path) -> None:
    path = tmp_path / "routes.yml"
    assert mistakes(path) == (f"there is no file {str(path)!r}; name one with --routes or ROUTES",)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert mistakes(tmp_path) == (f"{str(tmp_path)!r} can't be read (Is a directory); name a file that can",)


def test_a_huge_file_is_not_even_parsed(tmp_path: Path) -> None:
    path = tmp_path / "routes.yml"
    path.write_bytes(b"#" * 1_000_001)
    assert mistakes(path) == ("line 1: the file has more than 1,000,000 bytes; make it smaller",)


@pytest.mark.parametrize("text", ["[" * 900_000, "{a: " * 200_000, "- " * 400_000], ids=["lists", "mappings", "dashes"])
def test_no_nest_takes_the_function_down(text: str, tmp_path: Path) -> None:
    path = tmp_path / "routes.yml"
    path.write_text(text)
    assert mistakes(path) == ("line 1: nested deeper than 20 levels",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"? [a, b]\n: c\n", "line 1: a list or mapping stands where a key should; write 'key: value'"),
        (b"a: &x b\n*x : c\n", "line 2: an alias stands where a key should; write the key"),
        (b"a: b\n<<: [c]\n", "line 2: '<<' takes the alias of a mapping, such as '<<: *usual'"),
        (b'a: "\\q"\n', "line 1: an unknown \\ escape in double quotes; use single quotes"),
        (b"a: |x\n", "line 1: no YAML can stand like this; mend it"),
    ],
    ids=["list as key", "alias as key", "merging a list", "unknown escape", "odd block"],
)
def test_odd_yaml_is_one_sentence(text: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "routes.yml"
    path.write_bytes(text)
    assert mistakes(path) == (said,)


def test_the_mistakes_that_the_manual_shows_are_the_ones_that_are_found(tmp_path: Path) -> None:
    manual = (Path(__file__).parent.parent / "docs" / "routing.md").read_text()
    [(file, answer)] = re.findall(r"```yaml\n(# broken\n.*?)```.*?```text\n(.*?)```", manual, re.DOTALL)
    path = tmp_path / "routes.yml"
    path.write_text(file)
    assert mistakes(path) == tuple(answer.splitlines())


def test_the_manual_explains_every_key_that_the_file_itself_has() -> None:
    manual = (Path(__file__).parent.parent / "docs" / "routing.md").read_text()
    groups = (keys.FileKeys, keys.DestinationKeys, keys.DirectoryKeys, keys.RouteKeys, keys.MatchKeys, keys.LoginKeys)
    names = {field.alias or name for group in groups for name, field in group.model_fields.items()}
    assert sorted(name for name in names if f"`{name}`" not in manual) == []
