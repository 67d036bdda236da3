"""A look at the store before long work begins, so that a wrong setting is told in seconds."""

from uuid import uuid4

from ml_platform.errors import StorageError
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore

_PREFIX = ".probe"


def require_storage(settings: Settings) -> None:
    """Return if tables, landing zone and artifacts can be written, read, listed and deleted; nothing is left there.

    Raises:
        StorageError: one of them cannot, or the store lets one writer overwrite what another has just created.
    """
    location = StorageLocation.of(settings)
    require_tables(settings)
    for store in (location.landing(), location.artifacts()):
        require_store(store)


def require_tables(settings: Settings) -> str:
    """Where tables are, if they can be written and read by both of their S3 clients: deltalake has one of its own.

    Raises:
        StorageError: as `require_store`.
    """
    uri = require_store(ObjectStore(settings.data_uri, settings.fsspec_options(settings.data_uri)))
    StorageLocation.of(settings).tables().version(f"probe/{uuid4().hex}")
    return uri


def require_readable(store: ObjectStore) -> str:
    """Where the store is, if it can be listed and, unless it is empty, read; nothing is written.

    Raises:
        StorageError: it cannot.
    """
    found = store.list("")
    if found:
        store.read(found[0].path)
    return f"{store.uri}, {len(found)} objects, read and not written to"


def require_store(store: ObjectStore) -> str:
    """Where the store is, if objects can be created there once, read, listed and deleted; nothing is left there.

    Raises:
        StorageError: they cannot, or the store lets one writer overwrite what another has just created.
    """
    path = f"{_PREFIX}/{uuid4().hex}"
    try:
        created = [store.create_exclusive(path, content) for content in (b"first", b"second")]
        content, listed = store.read(path), [found.path for found in store.list(_PREFIX)]
    finally:
        store.delete(path)
    if created != [True, False] or content != b"first" or path not in listed:
        raise StorageError(
            f"{store.uri} is on a store that does not keep one writer from overwriting another.",
            expected="a second 'create unless it is there' (If-None-Match) of one object to be refused",
            got=f"answers {created}, then {content!r}",
            kept="Nothing was left there.",
            remedy="Use a store with conditional writes, such as AWS S3, MinIO or SeaweedFS.",
        )
    return store.uri
