"""Each class, from exceptions that the libraries really raise."""

import errno
import importlib
import json
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import get_args

import polars as pl
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError, DagsterExecutionStepExecutionError
from dagster._core.executor.child_process_executor import ChildProcessCrashException
from pydantic import SecretStr

from ml_platform.errors import ErrorClass, PlatformError, StorageUnreachableError, WriteConflictError
from ml_platform.recovery.error_classes import KNOWN, WORST_FIRST, Classified, classify
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform_tests.recovery.answering import NOBODY, SLOW_DOWN, answering


def raised(work: Callable[[], object]) -> BaseException:
    """What `work` raises."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - it is what is wanted
        return error
    raise AssertionError("nothing was raised")


def s3_error(url: str) -> BaseException:
    """What the platform raises where the S3 server at `url` cannot be used, not having tried for long."""
    settings = Settings(
        landing_uri="s3://lake/landing",
        s3_endpoint_url=url,
        s3_access_key_id=SecretStr("k"),
        s3_secret_access_key=SecretStr("s"),
        s3_retry_seconds=0,
    )
    return raised(lambda: StorageLocation.of(settings).landing().read("a"))


def crash(exit_code: int) -> BaseException:
    """What Dagster's executor raises for a step's process that ended without a word."""
    return ChildProcessCrashException(1, exit_code=exit_code)  # type: ignore[no-untyped-call]


def asked_by_boto(url: str) -> None:
    """One request of botocore, not repeated."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.get_object(Bucket="lake", Key="a")


def asked_by_requests(url: str) -> None:
    """One request of requests, which MLflow uses."""
    import requests

    requests.get(url, timeout=5).raise_for_status()


def asked_by_urllib(url: str) -> None:
    """One request of the standard library."""
    urllib.request.urlopen(url, timeout=5).close()


def asked_by_httpx(url: str) -> None:
    """One request of httpx."""
    import httpx

    httpx.get(url, timeout=5).raise_for_status()


CLIENTS = (asked_by_boto, asked_by_requests, asked_by_urllib, asked_by_httpx)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("status", "expected"), [(503, "transient"), (429, "throttled"), (404, "data"), (403, "code"), (507, "resource")]
)
def test_a_status_means_the_same_from_every_client(
    client: Callable[[str], None], status: int, expected: ErrorClass
) -> None:
    with answering(status) as url:
        assert classify(raised(lambda: client(url))).error_class == expected


@pytest.mark.parametrize("client", CLIENTS)
def test_nobody_answering_may_pass_whoever_asks(client: Callable[[str], None]) -> None:
    assert classify(raised(lambda: client(NOBODY))).error_class == "transient"


@pytest.mark.parametrize("client", CLIENTS)
def test_what_the_server_asks_to_wait_is_read_from_every_client(client: Callable[[str], None]) -> None:
    with answering(429, {"Retry-After": "7"}) as url:
        assert classify(raised(lambda: client(url))).retry_after_seconds == 7


def test_a_wait_given_as_a_date_is_the_time_until_then() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    with answering(503, {"Retry-After": then}) as url:
        seconds = classify(raised(lambda: asked_by_requests(url))).retry_after_seconds
    assert seconds is not None
    assert 90 < seconds <= 100


def test_a_store_that_says_slow_down_throttles_although_its_status_is_a_failure() -> None:
    with answering(503, {"Retry-After": "3"}, SLOW_DOWN) as url:
        error = s3_error(url)
    assert isinstance(error, StorageUnreachableError)
    assert classify(error)[::2] == ("throttled", 3)


def test_a_store_that_does_not_answer_may_pass_and_one_that_is_none_does_not() -> None:
    assert classify(s3_error(NOBODY)).error_class == "transient"
    with answering(400) as url:
        assert classify(s3_error(url)).error_class == "code"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), "resource"),
        (OSError(errno.ENOSPC, "no space left on device"), "resource"),
        (OSError(errno.EDQUOT, "disk quota exceeded"), "resource"),
        (ConnectionResetError(), "transient"),
        (TimeoutError(), "transient"),
        (OSError(errno.EIO, "input/output error"), "transient"),
        (OSError(errno.EISDIR, "is a directory"), "code"),
        (FileNotFoundError(errno.ENOENT, "no such file"), "data"),
        (PermissionError(errno.EACCES, "denied"), "code"),
        (KeyError("a"), "code"),
        (ValueError("b"), "code"),
        (ZeroDivisionError(), "code"),
        (RuntimeError("c"), "code"),
        (KeyboardInterrupt(), "cancelled"),
        (DagsterExecutionInterruptedError(), "cancelled"),
        (crash(-9), "resource"),
        (crash(-6), "resource"),
        (crash(-15), "cancelled"),
        (crash(1), "code"),
        (WriteConflictError("two writers"), "transient"),
    ],
)
def test_what_python_the_platform_and_dagster_raise(error: BaseException, expected: ErrorClass) -> None:
    assert classify(error).error_class == expected


def test_a_locked_database_may_pass_and_a_missing_table_does_not(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db", timeout=0) as one, sqlite3.connect(tmp_path / "a.db", timeout=0) as two:
        one.execute("begin exclusive")
        locked = raised(lambda: two.execute("select 1 from sqlite_master"))
        one.rollback()
        missing = raised(lambda: two.execute("select * from nowhere"))
    one.close()
    two.close()
    assert [classify(each).error_class for each in (locked, missing)] == ["transient", "code"]


def test_a_wrong_expression_is_code_and_an_allocation_that_fails_is_not() -> None:
    wrong = raised(lambda: pl.DataFrame({"a": [1]}).select("b"))
    failed = pl.exceptions.ComputeError("memory allocation of 8589934592 bytes failed")
    assert [classify(each).error_class for each in (wrong, failed)] == ["code", "resource"]


def test_mlflow_is_known_by_its_code_and_by_its_cause_where_that_says_nothing() -> None:
    from mlflow.exceptions import MlflowException, RestException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, REQUEST_LIMIT_EXCEEDED

    unreachable = MlflowException("the API failed")
    unreachable.__context__ = ConnectionError()
    errors = [
        MlflowException("slow down", REQUEST_LIMIT_EXCEEDED),
        MlflowException("no such metric", INVALID_PARAMETER_VALUE),
        MlflowException("something"),
        RestException({"error_code": "TEMPORARILY_UNAVAILABLE"}),  # type: ignore[no-untyped-call]
        unreachable,
    ]
    assert [classify(each).error_class for each in errors] == ["throttled", "code", "code", "transient", "transient"]


def test_the_outermost_error_that_is_known_decides() -> None:
    inner = ConnectionError("refused")
    unknown, known = RuntimeError("could not fetch"), KeyError("a")
    unknown.__cause__ = known.__cause__ = inner
    assert classify(unknown) == Classified("transient", "ConnectionError")
    assert classify(known) == Classified("code", "KeyError")


def test_what_dagster_wraps_is_looked_into() -> None:
    def fail() -> None:
        try:
            raise TimeoutError
        except TimeoutError as error:
            raise DagsterExecutionStepExecutionError(  # type: ignore[no-untyped-call]
                "op failed",
                user_exception=error,
                original_exc_info=sys.exc_info(),
                step_key="a",
                op_name="a",
                op_def_name="a",
            ) from error

    assert classify(raised(fail)).error == "TimeoutError"


def test_of_several_errors_at_once_the_worst_decides() -> None:
    both = ExceptionGroup("two downloads", [ConnectionError(), KeyError("a")])
    assert classify(both).error_class == "code"
    assert classify(ExceptionGroup("one", [ConnectionError()])).error_class == "transient"


class QuotaExceededError(Exception):
    """What a library of a use case raises."""


class DailyQuotaExceededError(QuotaExceededError):
    """One kind of it."""


def test_the_classes_of_a_use_case_go_first_and_hold_for_subclasses() -> None:
    own: dict[str, ErrorClass] = {f"{__name__}.QuotaExceededError": "throttled", "KeyError": "data"}
    assert classify(DailyQuotaExceededError(), own).error_class == "throttled"
    assert classify(KeyError("a"), own).error_class == "data"
    assert classify(DailyQuotaExceededError()).error_class == "code"


def every_error(of: type[PlatformError] = PlatformError) -> list[type[PlatformError]]:
    """The class and all of its subclasses."""
    return [of, *(each for sub in of.__subclasses__() for each in every_error(sub))]


def test_each_of_the_platforms_errors_says_its_class() -> None:
    assert {each.error_class for each in every_error()} <= set(get_args(ErrorClass)) == set(WORST_FIRST)


@pytest.mark.parametrize("name", [name for name in KNOWN if "." in name])
def test_each_name_in_the_table_is_one_that_a_library_raises(name: str) -> None:
    if name.startswith("psycopg2."):
        pytest.importorskip("psycopg2", reason="only installed where the history is in Postgres")
    module, _, error = name.rpartition(".")
    made_by_rust = {"_internal": "deltalake.exceptions", "pyo3_runtime": "polars.exceptions"}
    assert issubclass(getattr(importlib.import_module(made_by_rust.get(module, module)), error), BaseException)


def test_classifying_imports_none_of_the_libraries() -> None:
    code = "import sys, json, ml_platform.recovery.error_classes; print(json.dumps(list(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {"botocore", "polars", "deltalake", "mlflow", "requests", "aiohttp", "dagster", "httpx"} & set(modules)
