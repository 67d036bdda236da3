"""Which kind of failure an exception is, and with that whether trying again can help.

    transient   nobody answered, or the other side failed: the same request may succeed in a moment
    throttled   the other side asks for fewer requests, and often says for how long
    resource    memory, disk or a process ran out or was killed: less at once may fit
    data        what was delivered, recorded or asked for is wrong or not there: other data have to come first
    code        the program or a setting is wrong: a person has to change it. Whatever is unknown is this.
    cancelled   somebody ended it

Belongs here: the one table of all libraries, by name, so that none is imported for it. The platform's own errors say
their class themselves (`errors.PlatformError.error_class`). Does not: what is done about it (`recovery.retries`).
"""

import errno
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ml_platform.errors import ErrorClass, PlatformError
from ml_platform.storage.answers import answer_of, got_no_answer, retry_after_seconds
from ml_platform.storage.failures import says_full

NO_OWN: Mapping[str, ErrorClass] = MappingProxyType({})
WORST_FIRST: tuple[ErrorClass, ...] = ("cancelled", "code", "data", "resource", "throttled", "transient")

_THROTTLING = re.compile(r"SlowDown|Throttl|TooManyRequests|RequestLimitExceeded|ThroughputExceeded|BandwidthLimit")
_OUT_OF_MEMORY = re.compile(r"out ?of ?memory|cannot allocate|memory allocation", re.IGNORECASE)
_DATABASE_IS_BUSY = re.compile(
    r"locked|busy|connection|timed? ?out|shutting down|starting up|deadlock|serialize", re.IGNORECASE
)
_DATABASE_REFUSES = re.compile(r"authentication|password|access denied|permission denied|does not exist", re.IGNORECASE)
_PASSING_ERRNOS = {errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.ENETDOWN, errno.ENETUNREACH}
_PASSING_ERRNOS |= {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ETXTBSY}
_SCARCE_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
_ASKED_TO_END = {-15, -2, 143, 130}
_KILLED_BY_A_SHELL = 128


class Classified(NamedTuple):
    """The class of a failure, the type whose name decided it, and how long the other side asks to wait."""

    error_class: ErrorClass
    error: str
    retry_after_seconds: float | None = None


def classify(error: BaseException, own: Mapping[str, ErrorClass] = NO_OWN) -> Classified:
    """The class of `error`: that of the first in its chain of causes that is known, outermost first.

    `own` says the class of further types by dotted name, subclasses included; it goes before what is known here.
    """
    chain = list(_chain(error))
    for each in chain:
        if named := _named(each, own):
            return _classified(named, each, chain)
    for each in chain:
        if found := _known(each):
            return _classified(found, each, chain)
    raised = next((each for each in chain if not type(each).__module__.startswith("dagster")), chain[0])
    return Classified("code", type_name(type(raised)))


def type_name(of: type) -> str:
    """Dotted name of a type, without `builtins`."""
    return of.__qualname__ if of.__module__ == "builtins" else f"{of.__module__}.{of.__qualname__}"


def _classified(found: ErrorClass, decided: BaseException, chain: list[BaseException]) -> Classified:
    asked = [seconds for each in chain if (seconds := retry_after_seconds(each)) is not None]
    waits = found in ("transient", "throttled")
    return Classified(found, type_name(type(decided)), max(asked) if asked and waits else None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from: its stated cause, or what was being handled when it was raised."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _known(error: BaseException) -> ErrorClass | None:
    if isinstance(error, PlatformError):
        return (error.error_class == "transient" and _by_answer_of_cause(error)) or error.error_class
    if isinstance(error, BaseExceptionGroup):
        return min((classify(each).error_class for each in error.exceptions), key=WORST_FIRST.index)
    for base in type(error).__mro__:
        rule = KNOWN.get(type_name(base))
        if rule is not None:
            return rule(error) if callable(rule) else rule
    return None


def _named(error: BaseException, own: Mapping[str, ErrorClass]) -> ErrorClass | None:
    return next((own[name] for base in type(error).__mro__ if (name := type_name(base)) in own), None)


def _by_answer_of_cause(error: BaseException) -> ErrorClass | None:
    """Of a server that cannot be used, what it answered: busy, failing, or something that no waiting changes."""
    return _by_answer(error.__cause__) if error.__cause__ and answer_of(error.__cause__).status else None


def _by_answer(error: BaseException) -> ErrorClass | None:
    answer = answer_of(error)
    if says_full(answer):
        return "resource"
    if _THROTTLING.search(answer.code) or answer.status == 429:
        return "throttled"
    if got_no_answer(error, answer):
        return "transient"
    return _by_status(answer.status)


def _by_status(status: int) -> ErrorClass | None:
    """What is not there (404, 410) may come; other refusals (400, 401, 403) stay until a person changes something."""
    match status:
        case 507:
            return "resource"
        case 501 | 505 | 511:
            return "code"
        case 404 | 410:
            return "data"
        case 408 | 409 | 425:
            return "transient"
        case _:
            return "transient" if status >= 500 else "code" if status >= 400 else None


def _by_errno(error: BaseException) -> ErrorClass | None:
    """s3fs gives what a server answered an errno, and keeps the answer as its cause."""
    number = getattr(error, "errno", None)
    if number in _SCARCE_ERRNOS:
        return "resource"
    return _by_answer(error) or ("transient" if number in _PASSING_ERRNOS else None)


def _of_computation(error: BaseException) -> ErrorClass | None:
    """polars reports its own memory, the network behind a scan, and a wrong expression by the same type."""
    if _OUT_OF_MEMORY.search(str(error)):
        return "resource"
    return _by_answer(error)


def _of_database(error: BaseException) -> ErrorClass | None:
    text = str(getattr(error, "orig", None) or error)  # what the driver said, without the statement
    if "is full" in text or says_full(answer_of(error)):
        return "resource"
    if _DATABASE_REFUSES.search(text):  # by servers, told as a connection that failed
        return "code"
    return "transient" if _DATABASE_IS_BUSY.search(text) else "code"


def _of_mlflow(error: BaseException) -> ErrorClass | None:
    """By MLflow's code; "internal error" is also its default for anything, so that the cause decides there."""
    code = getattr(error, "error_code", "")
    if code in ("REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"):
        return "throttled"
    if code == "INTERNAL_ERROR" and type(error).__name__ != "RestException":
        return None
    return _by_status(error.get_http_status_code()) if hasattr(error, "get_http_status_code") else None


def _of_lost_process(error: BaseException) -> ErrorClass:
    """Killed or aborted is most often memory: the kernel's limit, or an allocation that polars could not make."""
    code = getattr(error, "exit_code", None) or 0
    if code in _ASKED_TO_END:
        return "cancelled"
    return "resource" if code < 0 or code > _KILLED_BY_A_SHELL else "code"


KNOWN: Mapping[str, ErrorClass | Callable[[BaseException], ErrorClass | None]] = MappingProxyType(
    {
        "MemoryError": "resource",
        "ConnectionError": "transient",
        "TimeoutError": "transient",
        "FileNotFoundError": "data",
        "PermissionError": "code",
        "OSError": _by_errno,
        "EOFError": "data",
        "UnicodeDecodeError": "data",
        "LookupError": "code",
        "TypeError": "code",
        "AttributeError": "code",
        "NameError": "code",
        "ImportError": "code",
        "AssertionError": "code",
        "NotImplementedError": "code",
        "ArithmeticError": "code",
        "KeyboardInterrupt": "cancelled",
        "SystemExit": "cancelled",
        "GeneratorExit": "cancelled",
        "asyncio.exceptions.CancelledError": "cancelled",
        "concurrent.futures.process.BrokenProcessPool": "resource",
        "json.decoder.JSONDecodeError": "data",
        "zipfile.BadZipFile": "data",
        "socket.gaierror": "transient",
        "ssl.SSLCertVerificationError": "code",
        "ssl.SSLError": "transient",
        "http.client.HTTPException": "transient",
        "urllib.error.HTTPError": _by_answer,
        "urllib.error.URLError": "transient",
        "sqlite3.OperationalError": _of_database,
        "dagster._core.errors.DagsterExecutionInterruptedError": "cancelled",
        "dagster._core.errors.DagsterTypeCheckDidNotPass": "code",
        "dagster._core.executor.child_process_executor.ChildProcessCrashException": _of_lost_process,
        "botocore.exceptions.NoCredentialsError": "code",
        "botocore.exceptions.PartialCredentialsError": "code",
        "botocore.exceptions.ParamValidationError": "code",
        "botocore.exceptions.ClientError": _by_answer,
        "botocore.exceptions.HTTPClientError": "transient",
        "botocore.exceptions.IncompleteReadError": "transient",
        "aiohttp.client_exceptions.ClientResponseError": _by_answer,
        "aiohttp.client_exceptions.InvalidURL": "code",
        "aiohttp.client_exceptions.ClientError": "transient",
        "requests.exceptions.HTTPError": _by_answer,
        "requests.exceptions.ConnectionError": "transient",
        "requests.exceptions.Timeout": "transient",
        "requests.exceptions.ChunkedEncodingError": "transient",
        "requests.exceptions.JSONDecodeError": "data",
        "requests.exceptions.RequestException": "code",
        "urllib3.exceptions.LocationParseError": "code",
        "urllib3.exceptions.HTTPError": "transient",
        "httpx.HTTPStatusError": _by_answer,
        "httpx.UnsupportedProtocol": "code",
        "httpx.TransportError": "transient",
        "_internal.CommitFailedError": "transient",  # these are deltalake's
        "_internal.TableNotFoundError": "data",
        "_internal.SchemaMismatchError": "data",
        "_internal.DeltaProtocolError": "code",
        "_internal.DeltaError": _by_answer,
        "polars.exceptions.ComputeError": _of_computation,
        "polars.exceptions.NoDataError": "data",
        "polars.exceptions.PolarsError": "code",
        "pyo3_runtime.PanicException": "code",
        "dataframely.exc.SchemaError": "data",
        "dataframely.exc.ValidationError": "data",
        "pydantic_core._pydantic_core.ValidationError": "data",
        "sqlalchemy.exc.TimeoutError": "transient",
        "sqlalchemy.exc.OperationalError": _of_database,
        "sqlalchemy.exc.InterfaceError": "transient",
        "psycopg2.OperationalError": _of_database,
        "mlflow.exceptions.MlflowException": _of_mlflow,
    }
)
