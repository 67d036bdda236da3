"""The 28 tests in the order of the paper, and the score of a version by them.

Belongs here: which function answers which test. Does not: what each demands (the modules of the sections).
"""

from collections.abc import Callable, Mapping

from ml_platform.errors import (
    ObjectCorruptError,
    PartitionNotPublishedError,
    TableNotFoundError,
    VersionDroppedError,
)
from ml_platform.provenance import score_data as data
from ml_platform.provenance import score_infrastructure as infrastructure
from ml_platform.provenance import score_model as model
from ml_platform.provenance import score_monitoring as monitoring
from ml_platform.provenance.score import Finding, Score, ScoredTest, Section, score_of
from ml_platform.provenance.score_facts import Facts, Stores

GONE = (ObjectCorruptError, PartitionNotPublishedError, TableNotFoundError, VersionDroppedError)
"""What evidence that is gone is told by; a store that does not answer is no finding."""
RUBRIC: Mapping[Section, Mapping[str, Callable[[Facts], Finding]]] = {
    "data": {
        "Feature expectations are captured in a schema": data.expectations_are_a_schema,
        "All features are beneficial": data.all_features_are_beneficial,
        "No feature's cost is too much": data.no_feature_costs_too_much,
        "Features adhere to meta-level requirements": data.features_adhere_to_meta_requirements,
        "The data pipeline has appropriate privacy controls": data.privacy_is_controlled,
        "New features can be added quickly": data.new_features_are_quick,
        "All input feature code is tested": data.feature_code_is_tested,
    },
    "model": {
        "Model specs are reviewed and submitted": model.specs_are_reviewed,
        "Offline and online metrics correlate": model.offline_and_online_metrics_correlate,
        "All hyperparameters have been tuned": model.hyperparameters_are_tuned,
        "The impact of model staleness is known": model.staleness_is_known,
        "A simpler model is not better": model.no_simpler_model_is_better,
        "Model quality is sufficient on important data slices": model.quality_is_sufficient_on_slices,
        "The model is tested for considerations of inclusion": model.inclusion_is_considered,
    },
    "infrastructure": {
        "Training is reproducible": infrastructure.training_is_reproducible,
        "Model specs are unit tested": infrastructure.model_specs_are_tested,
        "The ML pipeline is integration tested": infrastructure.the_pipeline_is_tested,
        "Model quality is validated before serving": infrastructure.quality_is_validated_before_serving,
        "The model is debuggable": infrastructure.the_model_is_debuggable,
        "Models are canaried before serving": infrastructure.models_are_canaried,
        "Serving models can be rolled back": infrastructure.serving_can_be_rolled_back,
    },
    "monitoring": {
        "Dependency changes result in notification": monitoring.dependency_changes_notify,
        "Data invariants hold for inputs": monitoring.data_invariants_hold,
        "Training and serving are not skewed": monitoring.training_and_serving_are_not_skewed,
        "Models are not too stale": monitoring.models_are_not_too_stale,
        "Models are numerically stable": monitoring.models_are_numerically_stable,
        "Computing performance has not regressed": monitoring.computing_performance_has_not_regressed,
        "Prediction quality has not regressed": monitoring.prediction_quality_has_not_regressed,
    },
}


def score_version(stores: Stores, name: str, version: int) -> Score:
    """The score of one registered version, by the evidence that there is now; some seconds.

    Raises:
        ModelNotFoundError: no such model or version.
        ReproductionError: there is no record of how it was made.
        RegistryLogTamperedError: the registry's log cannot be trusted.
    """
    facts = Facts(stores, name, version)
    tests = [
        ScoredTest(section=section, number=number, title=title, finding=_found(find, facts))
        for section, questions in RUBRIC.items()
        for number, (title, find) in enumerate(questions.items(), start=1)
    ]
    return score_of(name, version, facts.registered.as_of, tests)


def _found(find: Callable[[Facts], Finding], facts: Facts) -> Finding:
    """What the test finds; nothing is proven by evidence that retention took, or that was damaged."""
    try:
        return find(facts)
    except GONE as error:
        return Finding.unproven(f"evidence is gone: {error.what}", error.remedy)
