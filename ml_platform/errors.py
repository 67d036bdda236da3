"""Every error that the platform raises on purpose.

PlatformError
├── SettingsError                    a setting that cannot work
├── DefinitionError                  a defs.yaml, a contract or a feature function that cannot work as written
├── UpstreamUnavailableError         a source outside the platform that could not be fetched
├── LocalServerError                 a server process of this machine that did not come up
├── LandingError                     a landing object that cannot be ingested
│   ├── LandingObjectMissingError
│   ├── LandingObjectEmptyError
│   ├── LandingObjectUnreadableError     truncated, not the declared format, or a value of another type
│   ├── LandingColumnsError              a column is missing, or one that nobody declared is there
│   └── LandingDayError                  rows of another partition
├── ContractViolatedError            more rows broke the contract than the table allows
├── LeakageError                     a feature changed when the future was hidden
├── StorageError
│   ├── TableNotFoundError
│   ├── PartitionNotPublishedError
│   ├── PartitionMismatchError           a frame with rows outside the partitions being written
│   ├── WriteConflictError               another writer won, and trying again did not help
│   └── ObjectCorruptError               bytes whose hash is not the recorded one
├── TrainingError
│   ├── TrialLostError                   the process of one trial died
│   ├── NoSurvivingTrialError            every trial of a search failed
│   └── NotEnoughDataError
├── RegistryError
│   ├── ModelNotFoundError
│   └── NoChampionError
└── RunError
    ├── RunRequestError                  no such job, asset, partition or config field
    ├── RunFailedError
    └── RunCanceledError

Belongs here: what went wrong, as a class. Does not: how it is retried or told (`recovery`).
"""


class PlatformError(Exception):
    """One failure, told in full: what and which, expected and got, what was kept, what to do next."""

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


class LocalServerError(PlatformError):
    """A server process of this machine that did not come up."""


class LandingError(PlatformError):
    """A landing object that cannot be ingested."""


class LandingObjectMissingError(LandingError):
    """No object where the landing zone should have one."""


class LandingObjectEmptyError(LandingError):
    """An object without a row of data."""


class LandingObjectUnreadableError(LandingError):
    """An object that is truncated, of another format, or holds a value of another type."""


class LandingColumnsError(LandingError):
    """An object with a column missing, or with one that nobody declared."""


class LandingDayError(LandingError):
    """An object with rows of another partition."""


class ContractViolatedError(PlatformError):
    """More rows broke the contract than the table allows."""


class LeakageError(PlatformError):
    """A feature changed when everything later than its prediction time was hidden."""


class StorageError(PlatformError):
    """The store does not hold, or would not take, what was asked."""


class TableNotFoundError(StorageError):
    """No table of that name at that place."""


class PartitionNotPublishedError(StorageError):
    """A partition that no run has published yet."""


class PartitionMismatchError(StorageError):
    """A frame with rows outside the partitions being written."""


class WriteConflictError(StorageError):
    """Another writer won, and trying again did not help."""


class ObjectCorruptError(StorageError):
    """Bytes whose hash is not the one that was recorded."""


class TrainingError(PlatformError):
    """A model could not be trained."""


class TrialLostError(TrainingError):
    """The process of one trial died."""


class NoSurvivingTrialError(TrainingError):
    """Every trial of a search failed."""


class NotEnoughDataError(TrainingError):
    """A split without enough labelled rows."""


class RegistryError(PlatformError):
    """The model registry does not hold what was asked."""


class ModelNotFoundError(RegistryError):
    """No such registered model or version."""


class ModelNotApprovedError(RegistryError):
    """A version that the gate has not approved was to be promoted."""


class NoChampionError(RegistryError):
    """No version has been promoted for the time asked about."""


class RunError(PlatformError):
    """A run that was started here did not succeed."""


class RunRequestError(RunError):
    """A run of a job, asset, partition or config field that does not exist."""


class RunFailedError(RunError):
    """A run in which a step failed."""


class RunCanceledError(RunError):
    """A run that was canceled before it finished."""
