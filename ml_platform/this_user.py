"""Who runs this process.

Belongs here: the name that decisions are recorded under. Does not: what anybody may do.
"""

import os
import pwd
import socket


def this_user() -> str:
    """The account and the machine, as user@machine; the number of an account that has no name, as in containers."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"
