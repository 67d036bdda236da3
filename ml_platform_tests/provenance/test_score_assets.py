"""The score as an asset, run by Dagster."""

import dagster as dg

from ml_platform.components.references import USE_CASES
from ml_platform.provenance.catalog import Catalog
from ml_platform.provenance.score import Score
from ml_platform.provenance.score_assets import score_asset
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.provenance.carded import MONTH, NAME, Carded


def test_the_score_of_a_month_is_a_number_to_plot_and_a_table_of_its_evidence(carded: Carded) -> None:
    carded.register()
    catalog = Catalog(USE_CASES / "flights")
    resources = {**storage_resources(carded.settings), "tracking": carded.tracking}
    asset = score_asset(catalog, catalog.models[0])
    done = dg.materialize([asset], instance=carded.instance, resources=resources, partition_key=MONTH)
    metadata = done.asset_materializations_for_node(asset.op.name)[0].metadata
    assert (metadata["ml_test_score"].value, metadata["model_points"].value) == (0.0, 2.5)
    assert "| infrastructure 6 | Models are canaried before serving | 0 |" in str(metadata["tests"].value)
    kept = Score.model_validate_json(carded.artifacts.read(f"records/flights/delay_ml_test_score/{MONTH}.json"))
    assert (kept.name, kept.version) == (NAME, 1)
