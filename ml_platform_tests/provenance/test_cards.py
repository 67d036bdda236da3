"""Model cards: every field from the record or declaration that has it, and an error for one that nobody has."""

import json
import re
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.components.references import USE_CASES
from ml_platform.contracts.columns import MASK
from ml_platform.errors import CardIncompleteError, DefinitionError, ModelNotFoundError
from ml_platform.provenance.card import ModelCard, card_path
from ml_platform.provenance.card_assets import card_asset, publish_card
from ml_platform.provenance.card_facts import model_card
from ml_platform.provenance.catalog import Catalog, read_catalogs
from ml_platform.provenance.definitions import build_definitions
from ml_platform.provenance.pages import card_page
from ml_platform.settings import Settings
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.provenance.carded import (
    AS_OF,
    DAYS,
    MONTH,
    NAME,
    Carded,
    edited,
    scores,
    with_named_carriers,
)

EXTERNAL = re.compile(r"(?:src|href)=|@import|url\(|https?://")


def test_a_card_says_what_people_declared_and_what_records_hold(carded: Carded) -> None:
    carded.register()
    card = model_card(carded.evidence(), NAME, 1)
    assert (card.standing, card.owners) == ("champion", ("team:flight-operations",))
    assert card.use.intended_use.startswith("Flight operations plan gates")
    assert card.holdout == scores("holdout")
    assert card.environment.packages == {"polars": "2.1.0"}
    assert [event.action for event in card.log] == ["registered", "gate_approved", "promoted"]


def test_rows_that_were_not_learnt_from_are_counted_with_the_reason(carded: Carded) -> None:
    carded.register()
    data = model_card(carded.evidence(), NAME, 1).data
    assert (data.rows, data.labelled_rows) == (4 * 59, 3 * 59)
    assert [each.rows for each in data.exclusions] == [59, 3 * 59 - 120 - 50]
    assert "cancelled or diverted" in data.exclusions[0].why
    refused = {each.table: [(rule.rule, rule.rows) for rule in each.by_rule] for each in data.quarantined}
    assert refused["flights/weather_clean"] == [("wind_speed_is_plausible", 1)]
    assert refused["flights/clean"] == []


def test_what_was_refused_later_is_not_counted(carded: Carded) -> None:
    carded.register()
    before = model_card(carded.evidence(), NAME, 1).data
    empty = carded.tables.scan("flights/weather_quarantine").clear().collect()
    carded.tables.publish("flights/weather_quarantine", empty, [DAYS[0]], key="partition")
    assert model_card(carded.evidence(), NAME, 1).data == before


def test_features_have_unit_known_at_and_importance_the_largest_first(carded: Carded) -> None:
    carded.register()
    told = [(f.column.name, f.column.unit, f.column.known_at) for f in model_card(carded.evidence(), NAME, 1).features]
    assert told == [("weekday", "", "always"), ("wind_speed_mph", "mph", "prediction_at"), ("carrier", "", "always")]


def test_the_same_facts_give_the_same_card(carded: Carded) -> None:
    carded.register()
    assert model_card(carded.evidence(), NAME, 1) == model_card(carded.evidence(), NAME, 1)


@pytest.mark.parametrize("field", ["intended_use", "out_of_scope", "limits"])
def test_a_field_that_nobody_declared_is_named_with_its_place(carded: Carded, tmp_path: Path, field: str) -> None:
    carded.register()
    declared = {"intended_use": "Planning.", "out_of_scope": ["Else."], "limits": ["One year."]}
    catalog = edited(tmp_path / "other", "training", card={key: v for key, v in declared.items() if key != field})
    with pytest.raises(CardIncompleteError) as caught:
        model_card(carded.evidence(catalog), NAME, 1)
    assert f"flights_delay version 1 (as of {AS_OF}) was not written: 1 field is missing: card.{field}." in str(
        caught.value
    )
    assert "Fill in models[0].card in use_cases/flights/training/defs.yaml" in caught.value.remedy


def test_slices_without_intervals_are_a_missing_field(carded: Carded) -> None:
    whole = scores("holdout")
    bare = tuple(piece.model_copy(update={"intervals": {}}) for piece in whole.slices)
    carded.register(holdout=whole.model_copy(update={"slices": bare}))
    with pytest.raises(
        CardIncompleteError, match=r"intervals of the slices of holdout.*Materialize flights/delay_eval"
    ):
        model_card(carded.evidence(), NAME, 1)


def test_every_missing_record_is_named_at_once(carded: Carded) -> None:
    carded.register()
    carded.artifacts.delete("training/flights/delay/f1/result.json")
    carded.artifacts.delete(f"records/flights/delay_evaluation/{MONTH}.json")
    with pytest.raises(CardIncompleteError, match="2 fields are missing: record of the model, evaluation"):
        model_card(carded.evidence(), NAME, 1)


def test_a_version_whose_month_was_trained_again_keeps_its_card(carded: Carded) -> None:
    carded.register()
    first = model_card(carded.evidence(), NAME, 1)
    publish_card(carded.evidence(), first)
    carded.register("f2")
    again = model_card(carded.evidence(), NAME, 1)
    assert (again.holdout, again.test, again.gate) == (first.holdout, first.test, first.gate)
    assert again.standing != first.standing


def test_an_older_version_without_a_kept_card_has_no_evaluation_any_more(carded: Carded) -> None:
    carded.register()
    carded.register("f2")
    with pytest.raises(CardIncompleteError, match="1 field is missing: evaluation"):
        model_card(carded.evidence(), NAME, 1)


def test_a_model_that_nobody_declares_is_refused_with_those_that_are(carded: Carded) -> None:
    with pytest.raises(
        ModelNotFoundError, match="Expected one of bike_demand, car_park_occupancy, flights_delay; got 'flights'"
    ):
        model_card(carded.evidence(), "flights", 1)


def test_the_page_needs_nothing_from_outside_and_is_kept_with_the_model(carded: Carded) -> None:
    carded.register()
    told = publish_card(carded.evidence(), model_card(carded.evidence(), NAME, 1))
    page = carded.artifacts.read(card_path(NAME, 1, "html")).decode()
    assert EXTERNAL.findall(page) == []
    assert ModelCard.model_validate_json(carded.artifacts.read(card_path(NAME, 1, "json"))).version == 1
    assert str(told["page_in_mlflow"].value).endswith("/artifacts/model_card.html")
    assert [file.read_text() for file in carded.settings.home.rglob("mlflow/**/model_card.html")] == [page]


def test_the_page_shows_every_section_and_escapes_what_people_wrote(carded: Carded, tmp_path: Path) -> None:
    carded.register()
    text = {"intended_use": "A <b>bold</b> plan.", "out_of_scope": ["Else."], "limits": ["One year."]}
    page = card_page(model_card(carded.evidence(edited(tmp_path / "other", "training", card=text)), NAME, 1))
    assert "A &lt;b&gt;bold&lt;/b&gt; plan." in page
    sections = re.findall(r"<h2>([A-Z][a-z ]+)", page)
    assert sections == [
        "Scores", "Calibration", "Slices", "The gate", "Data", "Features", "Training and environment", "Lineage",
        "Decisions",
    ]  # fmt: skip


def test_a_card_is_json_that_reads_back_equal(carded: Carded) -> None:
    carded.register()
    card = model_card(carded.evidence(), NAME, 1)
    assert ModelCard.model_validate(json.loads(card.model_dump_json())) == card


def test_a_slice_of_a_personal_column_is_masked(carded: Carded, tmp_path: Path) -> None:
    carded.register()
    page = card_page(model_card(carded.evidence(with_named_carriers(tmp_path / "other")), NAME, 1))
    assert page.count(f"<td>{MASK}</td>") == 3
    assert "<td>UA</td>" not in page


def test_reports_that_would_show_a_personal_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"models\[0\].report.slices.by: .*carrier \(names a person\)"):
        with_named_carriers(tmp_path).require_no_personal_slices()


def test_the_asset_leads_to_the_card_of_the_month(carded: Carded) -> None:
    carded.register()
    catalog = Catalog(USE_CASES / "flights")
    resources = {**storage_resources(carded.settings), "tracking": carded.tracking}
    cards = card_asset(catalog, catalog.models[0])
    result = dg.materialize([cards], partition_key=MONTH, resources=resources, instance=carded.instance)
    told = result.asset_materializations_for_node(cards.node_def.name)[0].metadata
    assert told["version"].value == 1
    assert "| ROC AUC |" in str(told["card"].value)
    assert str(told["page"].value).endswith("/artifacts/cards/models/flights_delay/1.html")


def test_the_location_has_cards_scores_and_reproductions_of_each_model_and_one_asset_of_data_sheets() -> None:
    graph = build_definitions(Settings(), read_catalogs()).resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.materializable_asset_keys}
    models = ("flights/delay", "bike_demand/demand", "car_parks/occupancy")
    made = ("model_card", "ml_test_score", "reproduction")
    of_each_model = {f"{model}_{name}" for model in models for name in made}
    assert keys == {*of_each_model, *(f"{model.partition('/')[0]}/data_sheets" for model in models)}
