"""When a degraded day of predictions is worth predicting again: its champion is another one, or its bytes are.

Belongs here: the state of the champion of a degraded day. Does not: runs and their keys (`components.recomputing`), or
whether the champion can answer, which the run finds out.
"""

import datetime as dt

from ml_platform.components.recomputing import SoundAgain
from ml_platform.components.use_case import UseCase
from ml_platform.errors import NoChampionError
from ml_platform.recovery.degradation import Degradation
from ml_platform.serving.component import ChampionRecord
from ml_platform.serving.promotion import champions_by_day, recorded_promotions
from ml_platform.serving.rungs import state_of
from ml_platform.storage.location import StorageLocation


def sound_champion(use_case: UseCase, record: ChampionRecord) -> SoundAgain:
    """For a mark of the model ladder, the state of the day's champion now, if it is not the one that gave way."""
    name = f"{use_case.name}/{record.name}"

    def sound_again(location: StorageLocation, mark: Degradation) -> str | None:
        artifacts, day = location.artifacts(), dt.date.fromisoformat(mark.partition)
        try:
            champion = champions_by_day(recorded_promotions(artifacts, name), [day])[day]
        except NoChampionError:
            return None
        state = state_of(champion, artifacts)
        return state if state not in (mark.seen, "") else None

    return sound_again
