"""Who is behind a WorkSpace, from a list that an operator wrote, well or with mistakes."""

import re
from pathlib import Path

import pytest

from bot.config import ConfigError
from bot.events import Login, NamedAfter, NameGap, Person
from bot.listed_people import ListedPeople
from tests.support.logins import make_login

NO_HEADER = (
    "line 1: no column 'workspace_id'; write workspace_id,user_name,display_name,email there"
    " (the last two as you like), with commas between them"
)


def at(workspace_id: str) -> Login:
    return make_login(workspace_id=workspace_id, person=None)


def listed(folder: Path, content: str | bytes) -> ListedPeople:
    path = folder / "users.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return ListedPeople(str(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("workspace_id,user_name\nws-alice0001,alice\n", Person(name="alice")),
        ("workspace_id,user_name\r\nws-alice0001,alice", Person(name="alice")),
        ("\ufeffworkspace_id,user_name\nws-alice0001,alice\n", Person(name="alice")),
        (
            "email,User_Name , workspace_id\na@corp.example, alice ,ws-alice0001\n",
            Person(name="alice", email="a@corp.example"),
        ),
        (
            'workspace_id,user_name,display_name,email\n\nws-alice0001,alice,"Archer, Alice\u2028中村",\n',
            Person(name="alice", display_name="Archer, Alice\u2028中村"),
        ),
        ("workspace_id,user_name,display_name,email\nws-alice0001,alice\n", Person(name="alice")),
    ],
    ids=["plain", "windows", "BOM", "columns in any order", "quotes and empty lines", "short line"],
)  # fmt: skip
def test_a_list_names_its_people(tmp_path: Path, content: str, expected: Person) -> None:
    (alice,) = listed(tmp_path, content).name([at("ws-alice0001")], until=0.0)
    assert alice.person == expected


def test_who_is_not_on_the_list_bears_the_id(tmp_path: Path) -> None:
    people = listed(tmp_path, "workspace_id,user_name\nws-alice0001,alice\n")
    assert [login.person for login in people.name([at("ws-bob000001"), at("ws-alice0001")], until=0.0)] == [
        Person(name="ws-bob000001", named_after=NamedAfter.ID, gap=NameGap.UNKNOWN),
        Person(name="alice"),
    ]


@pytest.mark.parametrize(
    ("content", "mistakes"),
    [
        ("", [NO_HEADER]),
        ("ws-alice0001,alice\n", [NO_HEADER]),
        ("workspace_id;user_name\n", [NO_HEADER]),
        ("workspace_id,user_name,emial\n", ["line 1: no column is called 'emial'; did you mean 'email'?"]),
        (
            "workspace_id,user_name,zzz\n",
            ["line 1: no column is called 'zzz'; there are workspace_id, user_name, display_name, email"],
        ),
        ("workspace_id,user_name,user_name\n", ["line 1: 'user_name' stands there twice; keep one"]),
        (
            "workspace_id,user_name\nws-1,\n,bob\nws-2,carol\nws-2,dave\n",
            [
                "line 2: user_name is empty; fill it in, or take the line out",
                "line 3: workspace_id is empty; fill it in, or take the line out",
                "line 5: 'ws-2' stands on line 4 too; keep one",
            ],
        ),
        (
            "workspace_id,user_name\nws-1,Archer, Alice\n",
            ["line 2: 3 values under 2 columns; put a value that holds a comma in double quotes"],
        ),
        ('workspace_id,user_name\nws-1,"alice\n', ["line 2: unexpected end of data; mend its double quotes"]),
        (b"workspace_id,user_name\nws-1,alice\nws-2,Zo\xeb\n", ["line 3: not UTF-8; save the file as 'CSV UTF-8'"]),
    ],
    ids=[
        "empty", "no header", "semicolons", "misspelt", "foreign column", "column twice", "all at once", "comma",
        "quotes", "latin-1",
    ],
)  # fmt: skip
def test_a_bad_list_is_refused_when_it_is_read_with_line_culprit_and_cure(
    tmp_path: Path, content: str | bytes, mistakes: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        listed(tmp_path, content)
    assert caught.value.source == str(tmp_path / "users.csv")
    assert list(caught.value.mistakes) == mistakes


@pytest.mark.parametrize(("name", "reason"), [("missing.csv", "no such file or directory"), ("", "is a directory")])
def test_a_list_that_is_not_there_is_a_mistake(tmp_path: Path, name: str, reason: str) -> None:
    path = re.escape(str(tmp_path / name))
    with pytest.raises(ConfigError, match=f"^{path}: can't be read \\({reason}\\); name another list of people$"):
        ListedPeople(str(tmp_path / name))
