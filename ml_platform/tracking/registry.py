"""The model registry: versions, what was decided about them, and which one answers for a day.

Belongs here: registering, and deciding what the rules allow. Does not: when to decide (`serving`), or model bytes
(`models`). A version is found again by its fingerprint, so that registering the same result twice gives one version.

The log of a model is the truth. Each decision is first an entry there; MLflow's aliases and tags follow. If a process
dies in between, everybody who asks here is already told the new state, and the next decision brings MLflow up to date.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Self
from urllib.parse import unquote

from ml_platform.errors import ModelNotApprovedError, ModelNotFoundError, NoChampionError
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.this_user import this_user
from ml_platform.tracking import versions
from ml_platform.tracking.credentials import reach_with
from ml_platform.tracking.mirror import Mirror, Shown, mirror_of
from ml_platform.tracking.registry_log import (
    BEFORE_THE_FIRST,
    Action,
    Entry,
    Head,
    ModelFacts,
    RegistryEvent,
    RegistryLog,
    folder_of,
)
from ml_platform.tracking.standing import (
    CHALLENGER,
    CHAMPION,
    LAST_KNOWN_GOOD,
    Gate,
    RegisteredModel,
    Standing,
    obstacle_to_promotion,
)

__all__ = ["CHALLENGER", "CHAMPION", "LAST_KNOWN_GOOD", "Gate", "ModelRegistry", "RegisteredModel", "RegistryEvent"]

_FOLDER = "registry"


def decisions_on(artifacts: ObjectStore, model: str) -> int:
    """How many entries the log of a model has, by one listing: another number means that something was decided."""
    return len(artifacts.list(f"{_FOLDER}/{folder_of(model)}"))


class ModelRegistry:
    """The registered models of one MLflow store, with the log of each."""

    def __init__(self, tracking_uri: str, artifacts: ObjectStore) -> None:
        """Versions in the MLflow store at `tracking_uri`, logs below `artifacts`; nothing is opened yet."""
        self._tracking_uri = tracking_uri
        self._mirror: Mirror = mirror_of(tracking_uri)
        self._objects = artifacts.below(_FOLDER)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The registry that the settings place."""
        reach_with(settings)
        artifacts = ObjectStore(settings.artifact_uri, settings.fsspec_options(settings.artifact_uri))
        return cls(settings.mlflow_tracking_uri, artifacts)

    def register(
        self,
        name: str,
        *,
        run_id: str,
        model_uri: str,
        sha256: str,
        as_of: dt.date,
        fingerprint: str,
        gate: Gate = "pending",
        gate_reason: str = "",
        mlflow_uri: str = "",
        snapshot: Mapping[str, int] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RegisteredModel:
        """The version with this fingerprint, made unless it is there, with the gate's latest word and alias challenger.

        `model_uri` has the canonical bytes; with `mlflow_uri`, as `log_model` gives it, MLflow loads the version too.
        `snapshot` is the version of each table that it was made from.

        Raises:
            RegistryLogTamperedError: the log of the model cannot be trusted.
        """
        facts = ModelFacts(
            as_of=as_of, uri=model_uri, sha256=sha256, fingerprint=fingerprint, run_id=run_id, snapshot=snapshot or {}
        )
        run = (tags or {}).get("dagster_run_id", "")
        by = f"run {run}" if run else this_user()
        known = [each.version for each in self.versions(name) if each.fingerprint == fingerprint]
        version = known[-1] if known else versions.made(self._tracking_uri, name, facts, mlflow_uri, tags or {})
        self._record(
            name,
            lambda now: None if version in _versions_of(now) else Entry(version, "registered", by, "", facts),
            new=None if known else version,
        )
        return self.set_gate(name, version, gate, gate_reason, by=by) if gate != "pending" else self.get(name, version)

    def set_gate(self, name: str, version: int, gate: Gate, reason: str, *, by: str = "") -> RegisteredModel:
        """The version after the gate has spoken; the same word again changes nothing.

        Raises:
            ModelNotFoundError: no such version.
        """
        action: Action = "gate_approved" if gate == "approved" else "gate_refused"

        def decide(events: Sequence[RegistryEvent]) -> Entry | None:
            model = _require(Standing(events), name, version)
            is_said = (model.gate, model.gate_reason) == (gate, reason)
            return None if is_said else Entry(version, action, by or this_user(), reason)

        return _require(self._record(name, decide), name, version)

    def set_approval(self, name: str, version: int, *, is_approved: bool, by: str, reason: str) -> RegisteredModel:
        """The version after a person has approved or rejected it; the same word again changes nothing.

        Raises:
            ModelNotFoundError: no such version.
            ModelNotApprovedError: it was to be approved, and the gate has not approved it.
        """
        action: Action = "approved" if is_approved else "rejected"

        def decide(events: Sequence[RegistryEvent]) -> Entry | None:
            standing = Standing(events)
            model = _require(standing, name, version)
            if is_approved and model.gate != "approved":
                raise _not_promotable(model, standing, obstacle_to_promotion(model))
            return None if (model.approval, model.approval_by) == (action, by) else Entry(version, action, by, reason)

        return _require(self._record(name, decide), name, version)

    def promote(
        self,
        name: str,
        version: int,
        reason: str,
        *,
        by: str = "",
        requires_approval: bool = False,
        over_others: bool = False,
    ) -> RegisteredModel:
        """The version, promoted: it answers for the days from its as-of month on. Promoting it again changes nothing,
        unless another version of its month was promoted since and it is to go `over_others`.

        The alias champion goes to the version of the latest month; last_known_good to the one that would answer
        without it. A version that was rolled back answers again: leave such a decision to a person.

        Raises:
            ModelNotFoundError: no such version.
            ModelNotApprovedError: the gate has not approved it, or a person rejected it or has still to approve it.
        """

        def decide(events: Sequence[RegistryEvent]) -> Entry | None:
            standing = Standing(events)
            model = _require(standing, name, version)
            if obstacle := obstacle_to_promotion(model, requires_approval=requires_approval):
                raise _not_promotable(model, standing, obstacle)
            is_done = model.is_promoted and not (over_others and standing.champion(model.as_of) != model)
            return None if is_done else Entry(version, "promoted", by or this_user(), reason)

        return _require(self._record(name, decide), name, version)

    def roll_back(self, name: str, *, to: int | None = None, reason: str, by: str = "") -> RegisteredModel:
        """The version that is champion now, every one that ranked above it being withdrawn.

        It goes back to version `to`, by default to last_known_good; to a champion that it has already it changes
        nothing. A withdrawn version is not promoted again unless a person does it.

        Raises:
            ModelNotFoundError: there is no such version.
            NoChampionError: `to` is not promoted, or there is nothing to go back to.
        """
        target = to if to is not None else self._before_champion(name)

        def decide(events: Sequence[RegistryEvent]) -> Entry | None:
            standing = Standing(events)
            _require(standing, name, target)
            ranking = [each.version for each in standing.promoted]
            if target not in ranking:
                raise _nothing_to_go_back_to(name, f"version {target} is not promoted", standing)
            if ranking[-1] == target:
                return None
            return Entry(ranking[-1], "rolled_back", by or this_user(), reason, instead=ranking[-2])

        standing = self._record(name, decide)
        while standing.aliases[CHAMPION] != target:
            standing = self._record(name, decide)
        return _require(standing, name, target)

    def log(self, name: str) -> list[RegistryEvent]:
        """Everything that was decided about the model, oldest first; none for an unknown name.

        Raises:
            RegistryLogTamperedError: it cannot be trusted.
        """
        return self._log(name).events(self._mirror.head(name))

    def verify_log(self, name: str) -> Head:
        """The last entry, once every entry up to it holds and MLflow has noted none that is not there.

        Raises:
            RegistryLogTamperedError: naming the first entry that was changed, removed, put in, moved or cut off.
        """
        events = self.log(name)
        return Head(len(events), events[-1].sha256 if events else BEFORE_THE_FIRST)

    def standing(self, name: str, at: dt.datetime | None = None) -> Standing:
        """Where every version stands now, or stood at the instant `at`, by the log.

        Raises:
            RegistryLogTamperedError: the log cannot be trusted.
        """
        events = self.log(name)
        if not events:
            return Standing(versions.as_events(name, self._mirror.versions(name))) if at is None else Standing([])
        return Standing([each for each in events if at is None or each.at <= at])

    def names(self) -> list[str]:
        """The name of every registered model, sorted: those that MLflow has, and those that have a log."""
        logged = {unquote(each.path.partition("/")[0]) for each in self._objects.list() if "/" in each.path}
        return sorted({*self._mirror.names(), *logged})

    def pinned_versions(self) -> dict[str, set[int]]:
        """For each table, the versions that some registered version was made from."""
        pinned: dict[str, set[int]] = {}
        for name in self.names():
            for model in self.versions(name):
                for table, version in model.snapshot.items():
                    pinned.setdefault(table, set()).add(version)
        return pinned

    def versions(self, name: str) -> list[RegisteredModel]:
        """Every version of the model, oldest first; none for an unknown name."""
        return self.standing(name).models

    def get(self, name: str, version: int) -> RegisteredModel:
        """One version.

        Raises:
            ModelNotFoundError: no such version.
        """
        return _require(self.standing(name), name, version)

    def as_of(self, name: str, month: dt.date) -> RegisteredModel:
        """The newest version that was trained as of `month`.

        Raises:
            ModelNotFoundError: none was.
        """
        months = {each.as_of: each for each in self.versions(name)}
        if month in months:
            return months[month]
        raise ModelNotFoundError(
            f"Model '{name}' has no version as of {month:%Y-%m}",
            expected=f"one of {', '.join(sorted(f'{each:%Y-%m}' for each in months))}"
            if months
            else "a registered model",
            got=f"{month:%Y-%m}",
            remedy=f"Materialize the asset that registers '{name}' for partition {month.isoformat()} first.",
        )

    def champion(self, name: str, as_of: dt.date | None = None) -> RegisteredModel | None:
        """The promoted version with the greatest as-of month up to `as_of`; the alias champion without one."""
        return self.standing(name).champion(as_of)

    def require_versions(self, name: str) -> list[RegisteredModel]:
        """Every version of the model, oldest first.

        Raises:
            ModelNotFoundError: there is no such model.
        """
        models = self.versions(name)
        if not models:
            raise _unknown(name, self.names())
        return models

    def require_champion(self, name: str, as_of: dt.date | None = None) -> RegisteredModel:
        """The champion, as `champion` finds it.

        Raises:
            NoChampionError: no version has been promoted by then.
        """
        found = self.champion(name, as_of)
        if found is not None:
            return found
        promoted = [f"version {each.version} as of {each.as_of}" for each in self.versions(name) if each.is_promoted]
        raise NoChampionError(
            f"Model '{name}' has no champion" + (f" for {as_of}" if as_of else ""),
            expected="a promoted version" + (f" whose as-of month begins by {as_of}" if as_of else ""),
            got=", ".join(promoted) or f"none among {len(self.versions(name))} registered version(s)",
            remedy="Materialize the training and promotion assets of an earlier month, or predict later days.",
        )

    def _before_champion(self, name: str) -> int:
        standing = self.standing(name)
        if not standing.models:
            raise _unknown(name, self.names())
        if LAST_KNOWN_GOOD not in standing.aliases:
            raise _nothing_to_go_back_to(name, "no other version is promoted", standing)
        return standing.aliases[LAST_KNOWN_GOOD]

    def _record(
        self, name: str, decide: Callable[[Sequence[RegistryEvent]], Entry | None], *, new: int | None = None
    ) -> Standing:
        """Where every version stands once `decide` is in the log and MLflow shows it.

        A log begins with what MLflow has of versions from before it, which a version made just now, `new`, is not.
        """
        log, head = self._log(name), self._mirror.head(name)
        if head is None and not log.events():
            for event in versions.as_events(name, self._mirror.versions(name)):
                if event.version != new:
                    self._adopt(log, event)
        events = log.record(decide, head)
        standing = Standing(events)
        if events:
            tags = {each.version: versions.shown_tags(each) for each in standing.models}
            self._mirror.show(name, Shown(Head(len(events), events[-1].sha256), standing.aliases, tags))
        return standing

    def _adopt(self, log: RegistryLog, event: RegistryEvent) -> None:
        entry = Entry(event.version, event.action, event.by, event.reason, event.facts)
        said = (event.version, event.action)
        log.record(lambda now: None if said in {(each.version, each.action) for each in now} else entry)

    def _log(self, name: str) -> RegistryLog:
        return RegistryLog(self._objects, name)


def _versions_of(events: Sequence[RegistryEvent]) -> set[int]:
    return {each.version for each in events if each.action == "registered"}


def _require(standing: Standing, name: str, version: int) -> RegisteredModel:
    for each in standing.models:
        if each.version == version:
            return each
    raise ModelNotFoundError(
        f"Model '{name}' has no version {version}",
        expected=f"one of {', '.join(str(each.version) for each in standing.models)}"
        if standing.models
        else "a registered model",
        got=f"version {version}",
        remedy="`ml-platform model list` shows what there is; materialize the asset that registers a missing version.",
    )


def _unknown(name: str, names: Sequence[str]) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"There is no registered model '{name}'",
        expected=f"one of {', '.join(names) or 'none yet'}",
        remedy="Materialize the training of a model, or correct the name.",
    )


def _not_promotable(model: RegisteredModel, standing: Standing, obstacle: str) -> ModelNotApprovedError:
    champion = standing.champion()
    return ModelNotApprovedError(
        f"Version {model.version} of model '{model.name}' was not promoted: {obstacle}",
        expected="gate 'approved', and no objection of a person",
        got=f"'{model.gate}'" + (f": {model.gate_reason}" if model.gate_reason else ""),
        kept=f"The champion is still {f'version {champion.version}' if champion else 'nobody'}.",
        remedy="Materialize a better version; the gate's limits are in training/defs.yaml. "
        f"A person decides with `ml-platform approve {model.name} {model.version} --reason ...`.",
    )


def _nothing_to_go_back_to(name: str, why: str, standing: Standing) -> NoChampionError:
    ranking = [f"version {each.version} as of {each.as_of}" for each in standing.promoted]
    return NoChampionError(
        f"Model '{name}' was not rolled back: {why}",
        expected="a promoted version below the champion",
        got=", ".join(ranking) or "no promoted version",
        kept="Nothing was changed.",
        remedy=f"`ml-platform model show {name}` shows the versions; "
        f"`ml-platform promote {name} VERSION --reason ...` promotes one.",
    )
