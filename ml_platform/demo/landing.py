"""What the demonstration's upstreams share: the landing zone, and objects dropped into it once.

Belongs here: writing. Does not: what one upstream has to say (`upstream`, `bike_upstream`, `parking_upstream`).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore

Progress = Callable[[int, int], None]  # objects looked at so far, and all of them


class Landed(NamedTuple):
    """What one visit of the upstream left: objects written, objects that held these bytes already, and bytes in all."""

    written: int
    unchanged: int
    size_bytes: int


def landing_zone(settings: Settings) -> ObjectStore:
    """The store that upstreams write to and the platform only reads."""
    return ObjectStore(settings.landing_uri, settings.fsspec_options(settings.landing_uri))


def land_objects(settings: Settings, objects: Mapping[str, bytes], on_progress: Progress | None = None) -> Landed:
    """Write these objects, where they are not there already with these bytes."""
    store = landing_zone(settings)
    sizes = {found.path: found.size for found in store.list()}
    written = 0
    for done, (path, data) in enumerate(objects.items(), start=1):
        if sizes.get(path) != len(data) or store.read(path) != data:
            store.write(path, data)
            written += 1
        if on_progress:
            on_progress(done, len(objects))
    return Landed(written, len(objects) - written, sum(map(len, objects.values())))
