"""A platform of real processes with a few landed days, and a browser that looks at it; skipped where there is none."""

import datetime as dt
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from benchmarks.development import loaded_dagster_dev
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform_tests.data.landing_zone import land_days
from ml_platform_tests.ui.browser import NAMES, installed, open_browser, open_page
from ml_platform_tests.ui.pages import DagsterUi

LANDED = [dt.date(2013, 1, day) for day in range(1, 6)]


@pytest.fixture(scope="module")
def executable() -> str:
    """The browser, looked for before any process is started."""
    found = installed()
    if found is None:
        pytest.skip(f"no browser here ({', '.join(NAMES)}): `apt-get install chromium`, then `make test-ui`")
    return found


@pytest.fixture(scope="module")
def url(executable: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `dagster dev` answers, with webserver, daemon and all code servers, on a home where `LANDED` lie."""
    home = tmp_path_factory.mktemp("ui")
    land_days(StorageLocation.of(Settings(home=home)).landing(), LANDED)
    with loaded_dagster_dev(home, home / "dagster_dev.log", timeout_seconds=600) as server:
        yield server.url.removesuffix("/graphql")


@pytest.fixture(scope="module")
def browser(executable: str) -> Iterator[Browser]:
    with open_browser(executable) as opened:
        yield opened


@pytest.fixture(scope="module")
def backfill(browser: Browser, url: str) -> str:
    """Address of a backfill of three days, launched by clicking before any test: the daemon comes to it by and by."""
    with open_page(browser) as page:
        DagsterUi(page, url).materialize("flights/raw", "[2013-01-03...2013-01-05]")
        return page.url.removeprefix(url)


@pytest.fixture
def ui(browser: Browser, url: str, backfill: str) -> Iterator[DagsterUi]:
    """The UI on a page of its own, which must not complain."""
    with open_page(browser) as page:
        yield DagsterUi(page, url)
