"""The environment that a result was made in: Python, the machine, and the versions of installed packages.

Belongs here: what is installed. Does not: which packages some code mentions (`code`).
"""

import importlib.metadata
import platform
import re
from collections.abc import Iterable, Mapping
from functools import cache

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.lineage.fingerprints import fingerprint

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Environment(BaseModel):
    """Everything installed, so that it can be installed again."""

    model_config = ConfigDict(frozen=True)

    python: str = Field(description="Version of Python.")
    machine: str = Field(description="Operating system and processor, as in `Linux x86_64`.")
    packages: Mapping[str, str] = Field(description="Version of every installed package.")


def this_environment() -> Environment:
    """The environment of this process."""
    found = {_canonical(each.name): each.version for each in importlib.metadata.distributions()}
    return Environment(
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        packages=dict(sorted(found.items())),
    )


def environment_fingerprint(imports: Iterable[str]) -> str:
    """Sha256 (hex) of the versions of Python, of the packages imported and of all that these require."""
    return fingerprint(python=platform.python_version(), packages=packages_behind(imports))


def packages_behind(imports: Iterable[str]) -> dict[str, str]:
    """Installed version by package: those that provide the modules `imports`, and all that these require."""
    waiting = {_provider_of(each) for each in imports}
    found: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        version = version_of(name)
        if version and name not in found:
            found[name] = version
            waiting |= _required_by(name)
    return dict(sorted(found.items()))


def version_of(package: str) -> str:
    """Installed version of a package; empty if there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@cache
def _required_by(package: str) -> frozenset[str]:
    """Names that a package requires itself; not those of its extras, nor what another system would need."""
    required = importlib.metadata.requires(package) or []
    named = (_NAME.match(each) for each in required if "extra ==" not in each)
    return frozenset(_canonical(each.group()) for each in named if each)


@cache
def _provider_of(module: str) -> str:
    """The package that installs the top-level module; usually of the same name, which is cheaper to look up."""
    if version_of(module):
        return _canonical(module)
    return _canonical(_providers().get(module, [module])[0])


@cache
def _providers() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def _canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
