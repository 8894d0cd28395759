"""The stages whose templates are looked at, each packaged once."""

from pathlib import Path

import pytest

from tests.support.template import FULL, Packaged


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever stands in this folder needs node."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.node)


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    return Packaged.make(tmp_path_factory.mktemp("dev"), "dev")


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    return Packaged.make(tmp_path_factory.mktemp("prod"), "prod")


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    return Packaged.make(tmp_path_factory.mktemp("local"), "local", workspacesEndpoint="http://127.0.0.1:9")


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    """A stage with a name that serverless.yml does not know."""
    return Packaged.make(tmp_path_factory.mktemp("own"), "staging")


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    """A production stage that asks for everything that there is."""
    return Packaged.make(tmp_path_factory.mktemp("full"), "prod", **FULL)
