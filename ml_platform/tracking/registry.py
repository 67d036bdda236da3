"""The model registry: versions, what the gate said of them, and which one answers for a day.

Belongs here: registered versions and their aliases. Does not: the decision to promote, or model bytes (`models`).
A version is found again by its fingerprint, so that registering the same result twice gives one version.
"""

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import ModelNotApprovedError, ModelNotFoundError, NoChampionError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

Gate = Literal["approved", "refused", "pending"]
CHALLENGER, CHAMPION, LAST_KNOWN_GOOD = "challenger", "champion", "last_known_good"
_PAGE = 1000


class RegisteredModel(BaseModel):
    """One version of a registered model."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the model in the registry.")
    version: int = Field(description="Number of the version, from 1.")
    as_of: dt.date = Field(description="First day of the as-of month: trained on what was known before it.")
    uri: str = Field(description="Where the platform's canonical model bytes are.")
    sha256: str = Field(description="Hash of these bytes, in hexadecimal.")
    fingerprint: str = Field(description="Hash of everything that the model follows from.")
    run_id: str = Field(description="MLflow run that made it.")
    gate: Gate = Field(description="What the gate said.")
    gate_reason: str = Field("", description="Why the gate said so.")
    is_promoted: bool = Field(False, description="Whether it was ever promoted; only such a version predicts.")
    aliases: tuple[str, ...] = Field((), description="Aliases that point to it now, sorted.")


class ModelRegistry:
    """The registered models of one MLflow store."""

    def __init__(self, client: "MlflowClient") -> None:
        """Read and write through `client`."""
        self._client = client

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
        tags: Mapping[str, str] | None = None,
    ) -> RegisteredModel:
        """The version with this fingerprint, made unless it is there, with the gate's latest word and alias challenger.

        `model_uri` has the canonical bytes; with `mlflow_uri`, as `log_model` gives it, MLflow loads the version too.
        """
        found = [each for each in self.versions(name) if each.fingerprint == fingerprint]
        if found:
            version = found[-1].version
        else:
            facts = {"as_of": as_of.isoformat(), "uri": model_uri, "sha256": sha256, "fingerprint": fingerprint}
            made = self._create(name, run_id, model_uri, mlflow_uri, {**(tags or {}), **facts})
            version = int(made.version)
            self._client.set_registered_model_alias(name, CHALLENGER, str(version))
        return self.set_gate(name, version, gate, gate_reason) if gate != "pending" else self.get(name, version)

    def set_gate(self, name: str, version: int, gate: Gate, reason: str) -> RegisteredModel:
        """The version after the gate has spoken.

        Raises:
            ModelNotFoundError: no such version.
        """
        if (self.get(name, version).gate, self.get(name, version).gate_reason) != (gate, reason):
            self._client.set_model_version_tag(name, str(version), "gate", gate)
            self._client.set_model_version_tag(name, str(version), "gate_reason", reason)
        return self.get(name, version)

    def versions(self, name: str) -> list[RegisteredModel]:
        """Every version of the model, oldest first; none for an unknown name."""
        aliases = self._aliases(name)
        page = self._client.search_model_versions(f"name = '{name}'", max_results=_PAGE)
        found = list(page)
        while page.token:
            page = self._client.search_model_versions(f"name = '{name}'", max_results=_PAGE, page_token=page.token)
            found.extend(page)
        return sorted((_as_model(each, aliases) for each in found), key=lambda each: each.version)

    def get(self, name: str, version: int) -> RegisteredModel:
        """One version.

        Raises:
            ModelNotFoundError: no such version.
        """
        versions = self.versions(name)
        for each in versions:
            if each.version == version:
                return each
        raise ModelNotFoundError(
            f"Model '{name}' has no version {version}",
            expected=f"one of {', '.join(str(each.version) for each in versions)}"
            if versions
            else "a registered model",
            got=f"version {version}",
            remedy="Materialize the asset that registers it, or correct the name in defs.yaml.",
        )

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
        if as_of is None:
            return next((each for each in self.versions(name) if CHAMPION in each.aliases), None)
        promoted = [each for each in self.versions(name) if each.is_promoted and each.as_of <= as_of]
        return max(promoted, key=lambda each: (each.as_of, each.version), default=None)

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

    def promote(self, name: str, version: int, reason: str) -> RegisteredModel:
        """The version, promoted: it answers for the days from its as-of month on. Promoting it again changes nothing.

        The alias champion goes to it unless a later month has that; the champion before it becomes last_known_good.

        Raises:
            ModelNotFoundError: no such version.
            ModelNotApprovedError: the gate has not approved it.
        """
        candidate, champion = self.get(name, version), self.champion(name)
        if candidate.gate != "approved":
            raise ModelNotApprovedError(
                f"Version {version} of model '{name}' was not promoted",
                expected="gate 'approved'",
                got=f"'{candidate.gate}'" + (f": {candidate.gate_reason}" if candidate.gate_reason else ""),
                kept=f"The champion is still {f'version {champion.version}' if champion else 'nobody'}.",
                remedy="Materialize a better version; the gate's limits are in training/defs.yaml.",
            )
        if not candidate.is_promoted:
            self._client.set_model_version_tag(name, str(version), "promotion_reason", reason)
            self._client.set_model_version_tag(name, str(version), "is_promoted", "true")
        if champion is None or (champion.as_of, champion.version) < (candidate.as_of, candidate.version):
            if champion is not None:
                self._client.set_registered_model_alias(name, LAST_KNOWN_GOOD, str(champion.version))
            self._client.set_registered_model_alias(name, CHAMPION, str(version))
        return self.get(name, version)

    def _create(self, name: str, run_id: str, uri: str, mlflow_uri: str, tags: dict[str, str]) -> "ModelVersion":
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        model_id = mlflow_uri.removeprefix("models:/") or None
        # MLflow resolves a models: URI against its global store, so the place itself is given
        source = self._client.get_logged_model(model_id).artifact_location if model_id else uri
        return self._client.create_model_version(name, source, run_id=run_id, tags=tags, model_id=model_id)

    def _aliases(self, name: str) -> dict[int, tuple[str, ...]]:
        found = self._client.search_registered_models(f"name = '{name}'")
        pairs = sorted(found[0].aliases.items()) if found else []
        versions = {int(version) for _, version in pairs}
        return {version: tuple(alias for alias, at in pairs if int(at) == version) for version in versions}


def _as_model(version: "ModelVersion", aliases: Mapping[int, tuple[str, ...]]) -> RegisteredModel:
    tags = version.tags
    return RegisteredModel(
        name=version.name,
        version=int(version.version),
        as_of=dt.date.fromisoformat(tags["as_of"]),
        uri=tags["uri"],
        sha256=tags["sha256"],
        fingerprint=tags["fingerprint"],
        run_id=version.run_id or "",
        gate=cast("Gate", tags.get("gate", "pending")),
        gate_reason=tags.get("gate_reason", ""),
        is_promoted=tags.get("is_promoted") == "true",
        aliases=aliases.get(int(version.version), ()),
    )
