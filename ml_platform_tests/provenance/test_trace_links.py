import pytest

from ml_platform.errors import UnknownAssetError
from ml_platform.provenance.trace_links import AssetLinks, Landing

pytestmark = pytest.mark.filterwarnings(  # Dagster's own way of reading a defs.yaml
    "ignore:`parse_obj_as` is deprecated"
)

NOVEMBER_5 = ["2013-11-05"]


@pytest.fixture(scope="module")
def links() -> AssetLinks:
    return AssetLinks.of_platform()


def test_features_read_their_day_and_thirty_before(links: AssetLinks) -> None:
    read = links.partitions_read("flights/delay_features", NOVEMBER_5, "flights/clean")
    assert (len(read), read[0], read[-1]) == (31, "2013-10-06", "2013-11-05")
    touched = links.partitions_made("flights/clean", NOVEMBER_5, "flights/delay_features")
    assert (len(touched), touched[0], touched[-1]) == (31, "2013-11-05", "2013-12-05")


def test_links_go_from_one_location_to_the_next(links: AssetLinks) -> None:
    assert links.parents("flights/delay_model") == ["flights/delay_features", "flights/delay_labels"]
    assert {"flights/delay_model", "flights/delay_predictions"} <= set(links.children("flights/delay_features"))
    assert [links.kind(f"flights/{name}") for name in ("raw", "landing/raw", "delay_champion")] == [
        *("table", "landing", "record"),
    ]


def test_a_landing_object_is_known_by_its_path(links: AssetLinks) -> None:
    assert links.landing("flights/flights/2013-11-05.csv") == Landing("flights/landing/raw", "2013-11-05")
    assert links.landing("flights/airports.csv") == Landing("flights/landing/airports_raw", "all")


@pytest.mark.parametrize("path", ["flights/flights/.csv", "flights/flights/2013-11-05.csv.gz", "flights/flights/x.csv"])
def test_another_path_is_refused(links: AssetLinks, path: str) -> None:
    with pytest.raises(UnknownAssetError, match="No table ingests"):
        links.landing(path)
