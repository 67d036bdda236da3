"""The log of one run, read page by page.

Belongs here: reading. Does not: what events mean (`provenance`, `operations`).
"""

from collections.abc import Collection, Iterator

import dagster as dg

_PAGE = 2000


def events_of(
    instance: dg.DagsterInstance, run_id: str, of_type: dg.DagsterEventType | Collection[dg.DagsterEventType]
) -> Iterator[dg.EventLogRecord]:
    """All events of these types of one run, in order."""
    wanted = of_type if isinstance(of_type, dg.DagsterEventType) else set(of_type)
    cursor = None
    while True:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=wanted, limit=_PAGE)
        yield from page.records
        if not page.has_more:
            return
        cursor = page.cursor
