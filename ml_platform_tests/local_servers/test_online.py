"""The online service as a process that is kept."""

import urllib.error
import urllib.request
from pathlib import Path

from ml_platform.local_servers.online import online_services
from ml_platform_tests.drills.platform import until


def status(url: str) -> int:
    """What is answered; 0 as long as nobody does."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_it_answers_and_says_that_it_is_not_ready_before_there_is_a_champion(tmp_path: Path) -> None:
    told = {"ML_PLATFORM_HOME": str(tmp_path / "home")}
    with online_services(tmp_path / "online", told, ["flights_delay"]) as addresses:
        until("it answers", lambda: status(f"{addresses['flights_delay']}/health") == 200)
        assert status(f"{addresses['flights_delay']}/ready") == 503
    assert status(f"{addresses['flights_delay']}/health") == 0
