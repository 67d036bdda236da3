from pathlib import Path

import dagster as dg

from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.provenance.openlineage import events_of
from ml_platform.provenance.openlineage_steps import runs_to_tell
from ml_platform.provenance.trace_links import AssetLinks
from ml_platform_tests.places import s3_settings
from ml_platform_tests.provenance.scenario import World


def test_a_prediction_on_an_object_store_is_traced_to_its_landing_objects(s3: ObjectServer, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(s3_settings(tmp_path, s3), instance).build()
        trace = world.ask("toy/predictions", "2013-02-02", row={"sensor": "b"})
        (model,) = [step for step in trace.steps if step.name == "toy/delay_model"]
        assert model.facts["bytes_now"] == "unchanged"
        assert {one.now for step in trace.steps for one in step.objects} == {"unchanged"}
        (run,) = runs_to_tell(instance, trace.run_ids[:1], None)
        places = {
            (each.namespace, each.name.rpartition("/")[2])
            for event in events_of(run, instance, AssetLinks([world.definitions]), world.settings)
            for each in event.outputs or []
        }
        assert places == {(f"s3://{s3.bucket}", "predictions")}
