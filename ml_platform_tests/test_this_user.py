import os
import subprocess
import sys

import pytest

from ml_platform.this_user import this_user


def test_it_is_the_account_and_the_machine() -> None:
    assert this_user().split("@")[1]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become an account that has no name")
def test_an_account_without_a_name_is_told_by_its_number() -> None:
    script = "import os; from ml_platform.this_user import this_user; os.setuid(61234); print(this_user())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("uid 61234@")
