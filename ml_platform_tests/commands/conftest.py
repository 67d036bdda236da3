"""The platform with one carded version, and the empty store that it starts from."""

from ml_platform_tests.provenance.carded import carded, published  # noqa: F401
from ml_platform_tests.tracking.conftest import empty_store  # noqa: F401
