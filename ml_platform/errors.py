"""Every error that the platform raises on purpose.

PlatformError
├── SettingsError                    a setting that cannot work
├── DefinitionError                  a defs.yaml, a contract or a feature function that cannot work as written
├── UpstreamUnavailableError         a source outside the platform that could not be fetched
├── DatabaseError                    a database of the team that rows come from or go to
│   ├── DatabaseUnreachableError         nobody answers, or it is busy
│   └── DatabaseRefusedError             credentials or a statement that it does not accept
├── LocalServerError                 a server process of this machine that did not come up
├── LandingError                     a landing object that cannot be ingested
│   ├── LandingObjectMissingError
│   ├── LandingObjectEmptyError
│   ├── LandingObjectUnreadableError     truncated, not the declared format, or a value of another type
│   ├── LandingColumnsError              a column is missing, or one that nobody declared is there
│   └── LandingPartitionError            rows of another partition
├── ContractViolatedError            more rows broke the contract than the table allows
├── LeakageError                     a feature changed when the future was hidden
├── ColumnLineageError               what columns follow from could not be tried out
├── StorageError
│   ├── TableNotFoundError
│   ├── PartitionNotPublishedError
│   ├── VersionDroppedError              a version whose data retention has taken
│   ├── RetentionRefusedError            what has to be kept is not known
│   ├── PartitionMismatchError           a frame with rows outside the partitions being written
│   ├── WriteConflictError               another writer won, and trying again did not help
│   ├── ObjectCorruptError               bytes whose hash is not the recorded one
│   ├── StorageUnreachableError          nobody answers at the endpoint, or only with failures of its own
│   ├── StorageCredentialsError          a key or secret that the store does not know, or a clock that is wrong
│   ├── StorageAccessError               known credentials that may not do this
│   ├── BucketNotFoundError
│   └── StorageFullError                 no space left
├── TrainingError
│   ├── TrialLostError                   the process of one trial died
│   ├── NoSurvivingTrialError            every trial of a search failed
│   └── NotEnoughDataError
├── ServingError
│   ├── ModelUnusableError               a model that cannot be loaded, or gives no probabilities
│   ├── NoModelAnswersError              every rung of the model ladder was tried
│   ├── RequestRefusedError              a request to the online service that cannot be answered as asked
│   └── NotReadyError                    the online service has no model, or no history, to answer with yet
├── AlertNotFoundError               no open alert, or several, that fit what was asked
├── RegistryError
│   ├── RegistryUnreachableError         the store that keeps the registry does not answer
│   ├── ModelNotFoundError
│   ├── ModelNotApprovedError            the gate, or a person, has not approved the version
│   ├── NoChampionError
│   └── RegistryLogTamperedError         the log of what was decided was changed from outside
├── ProvenanceError                  a question about where something came from, that cannot be answered as asked
│   ├── UnknownAssetError                no such asset, partition, landing object or run
│   ├── RowNotFoundError                 no row fits, or several do
│   ├── ReproductionError                a model version that cannot be made again at all
│   ├── CardIncompleteError              a card or data sheet that lacks a field
│   └── LineageEndpointError             the endpoint of OpenLineage events does not take them
├── ReplayError                      a replay that cannot begin as asked, or does not get on
└── RunError
    ├── RunRequestError                  no such job, asset, partition or config field
    ├── RunFailedError
    ├── RunCanceledError
    ├── BackfillNotFoundError            no backfill, or several, whose id begins so
    ├── BackfillStateError               what was asked cannot be done to a backfill that stands as it does
    └── WebserverUnreachableError        no Dagster webserver where one was expected

Belongs here: what went wrong, as a class, and of which kind it is. Does not: how it is retried or told (`recovery`).
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

ErrorClass = Literal["transient", "throttled", "resource", "data", "code", "cancelled"]

RefusalCode = Literal["invalid", "too_large", "out_of_reach"]


class PlatformError(Exception):
    """One failure, told in full: what and which, expected and got, what was kept, what to do next."""

    error_class: ClassVar[ErrorClass] = "code"
    """Whether waiting (transient, throttled), less at once (resource), other data or another program helps."""

    def __init__(self, what: str, *, expected: str = "", got: str = "", kept: str = "", remedy: str = "") -> None:
        self.what, self.expected, self.got, self.kept, self.remedy = what, expected, got, kept, remedy
        super().__init__(self._message())

    def _message(self) -> str:
        pairs = (("expected", self.expected), ("got", self.got))
        compared = "; ".join(f"{label} {text}" for label, text in pairs if text)
        sentences = (self.what, compared[:1].upper() + compared[1:], self.kept, self.remedy)
        return " ".join(s if s.endswith((".", "!", "?")) else f"{s}." for s in sentences if s)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling between processes with every field."""
        return _rebuild, (type(self), self.what, self.expected, self.got, self.kept, self.remedy)


def _rebuild(cls: type[PlatformError], what: str, expected: str, got: str, kept: str, remedy: str) -> PlatformError:
    return cls(what, expected=expected, got=got, kept=kept, remedy=remedy)


class SettingsError(PlatformError):
    """A setting that cannot work."""


class DefinitionError(PlatformError):
    """A defs.yaml, a contract or a feature function that cannot work as written."""


class UpstreamUnavailableError(PlatformError):
    """A source outside the platform that could not be fetched."""

    error_class = "transient"


class DatabaseError(PlatformError):
    """A database of the team did not do what was asked."""


class DatabaseUnreachableError(DatabaseError):
    """Nobody answers at the database, or it is busy."""

    error_class = "transient"


class DatabaseRefusedError(DatabaseError):
    """Credentials or a statement that the database does not accept."""


class LocalServerError(PlatformError):
    """A server process of this machine that did not come up."""

    error_class = "transient"


class LandingError(PlatformError):
    """A landing object that cannot be ingested."""

    error_class = "data"


class LandingObjectMissingError(LandingError):
    """No object where the landing zone should have one."""


class LandingObjectEmptyError(LandingError):
    """An object without a row of data."""


class LandingObjectUnreadableError(LandingError):
    """An object that is truncated, of another format, or holds a value of another type."""


class LandingColumnsError(LandingError):
    """An object with a column missing, or with one that nobody declared."""


class LandingPartitionError(LandingError):
    """An object with rows of another partition."""


class ContractViolatedError(PlatformError):
    """More rows broke the contract than the table allows."""

    error_class = "data"


class LeakageError(PlatformError):
    """A feature changed when everything later than its prediction time was hidden."""


class ColumnLineageError(PlatformError):
    """What the columns of a table follow from could not be tried out on a sample."""


class StorageError(PlatformError):
    """The store does not hold, or would not take, what was asked."""


class TableNotFoundError(StorageError):
    """No table of that name at that place."""

    error_class = "data"


class PartitionNotPublishedError(StorageError):
    """A partition that no run has published yet."""

    error_class = "data"


class VersionDroppedError(StorageError):
    """A version whose data files are gone."""

    error_class = "data"


class RetentionRefusedError(StorageError):
    """What has to be kept is not known, so nothing was deleted."""


class PartitionMismatchError(StorageError):
    """A frame with rows outside the partitions being written."""


class WriteConflictError(StorageError):
    """Another writer won, and trying again did not help."""

    error_class = "transient"


class ObjectCorruptError(StorageError):
    """Bytes whose hash is not the one that was recorded."""

    error_class = "data"


class StorageUnreachableError(StorageError):
    """Nobody answers at the endpoint of the store, or only with failures of its own."""

    error_class = "transient"


class StorageCredentialsError(StorageError):
    """Credentials that the store does not accept."""


class StorageAccessError(StorageError):
    """Credentials that may not do what was asked."""


class BucketNotFoundError(StorageError):
    """No bucket of that name."""


class StorageFullError(StorageError):
    """No space left where something was to be written."""

    error_class = "resource"


class TrainingError(PlatformError):
    """A model could not be trained."""


class TrialLostError(TrainingError):
    """The process of one trial died."""

    error_class = "resource"


class NoSurvivingTrialError(TrainingError):
    """Every trial of a search failed."""


class NotEnoughDataError(TrainingError):
    """A split without enough labelled rows."""

    error_class = "data"


class ServingError(PlatformError):
    """Predictions could not be made."""


class ModelUnusableError(ServingError):
    """A model that is not there, is not the recorded one, cannot be loaded, raises, or gives no probabilities."""

    error_class = "data"


class NoModelAnswersError(ServingError):
    """No rung of the model ladder could predict."""

    error_class = "data"


class RequestRefusedError(ServingError):
    """A request to the online service that cannot be answered as asked; `problems` are its fields that are wrong."""

    error_class = "data"

    def __init__(self, what: str, *, code: RefusalCode = "invalid", problems: Sequence[Any] = (), **told: str) -> None:
        self.code, self.problems = code, tuple(problems)
        super().__init__(what, **told)


class NotReadyError(ServingError):
    """The online service has no model, or no history, to answer with yet."""

    error_class = "transient"


class AlertNotFoundError(PlatformError):
    """No open alert fits, or several do."""


class RegistryError(PlatformError):
    """The model registry does not hold what was asked."""


class RegistryUnreachableError(RegistryError):
    """The store that keeps the registry does not answer."""

    error_class = "transient"


class ModelNotFoundError(RegistryError):
    """No such registered model or version."""

    error_class = "data"


class ModelNotApprovedError(RegistryError):
    """A version that the gate, or a person, has not approved was to be promoted."""

    error_class = "data"


class NoChampionError(RegistryError):
    """No version has been promoted for the time asked about."""

    error_class = "data"


class RegistryLogTamperedError(RegistryError):
    """The log of what was decided about a model was changed, cut or reordered from outside."""

    error_class = "data"


class ReplayError(PlatformError):
    """A replay that cannot begin as asked, or does not get on."""


class RunError(PlatformError):
    """A run that was started here did not succeed."""


class RunRequestError(RunError):
    """A run of a job, asset, partition or config field that does not exist."""


class RunFailedError(RunError):
    """A run in which a step failed."""


class RunCanceledError(RunError):
    """A run that was canceled before it finished."""

    error_class = "cancelled"


class BackfillNotFoundError(RunError):
    """No backfill in the history, or several, whose id begins as was asked."""


class BackfillStateError(RunError):
    """A backfill that is over, or is not over yet, where the other was needed."""


class WebserverUnreachableError(RunError):
    """No Dagster webserver answers where one was expected."""

    error_class = "transient"


class ProvenanceError(PlatformError):
    """A question about where something came from, that cannot be answered as asked."""


class UnknownAssetError(ProvenanceError):
    """No such asset, partition, landing object or run."""


class RowNotFoundError(ProvenanceError):
    """No row fits the values asked for, or several do."""

    error_class = "data"


class CardIncompleteError(ProvenanceError):
    """A model card or data sheet that was not written, because a field of it is missing."""

    error_class = "data"


class ReproductionError(ProvenanceError):
    """A model version that cannot be made again: its record, its snapshot or its code is not there."""

    error_class = "data"


class LineageEndpointError(ProvenanceError):
    """The endpoint of OpenLineage events could not be reached, or refused them."""

    error_class = "transient"
