"""Asset checks of tables, and what a refusal says.

Belongs here: turning an audit into what the UI shows. Does not: the audit (`audit`).
"""

from collections.abc import Mapping, Sequence

import dagster as dg
import dataframely as dy

from ml_platform.components.degrading import degradation_check_spec
from ml_platform.components.reuse import Plan
from ml_platform.contracts.columns import masked_json, masked_value, masked_values
from ml_platform.data.audit import WHOLE_TABLE, Audited, Conservation
from ml_platform.errors import ContractViolatedError, LeakageError
from ml_platform.point_in_time.audit import KnowledgeAudit, Leak
from ml_platform.storage.io_managers import DeltaTableIOManager

ROWS_MEET_THE_CONTRACT = "rows_meet_the_contract"
ROWS_ARE_CONSERVED = "rows_are_conserved"


def table_check_specs(key: dg.AssetKey) -> Sequence[dg.AssetCheckSpec]:
    """The checks of every table with a contract."""
    return [
        dg.AssetCheckSpec(
            ROWS_MEET_THE_CONTRACT,
            asset=key,
            description="Checked before publishing. Failed: too many rows broke a rule, and nothing was published.",
        ),
        dg.AssetCheckSpec(
            ROWS_ARE_CONSERVED,
            asset=key,
            description="Rows in = published + quarantined + dropped as declared.",
        ),
        degradation_check_spec(key),
    ]


def contract_check(key: dg.AssetKey, audited: Audited, todo: Plan) -> dg.AssetCheckResult:
    """Whether no computed partition refused more rows than the table allows; those that stand passed when they were."""
    return dg.AssetCheckResult(
        passed=not audited.overfull,
        asset_key=key,
        check_name=ROWS_MEET_THE_CONTRACT,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{audited.refused.height:,} of {audited.rows_in:,} computed rows were refused.",
        metadata={
            **_work(todo),
            "rows_in": audited.rows_in,
            "rows_refused": audited.refused.height,
            "refused_by_rule": rule_counts(audited.refused_by_rule),
            "partitions_over_the_limit": [count.partition for count in audited.overfull],
        },
    )


def tell_of_refused(context: dg.AssetExecutionContext, quarantine: dg.AssetKey, audited: Audited, version: int) -> None:
    """Observe the quarantine of each partition whose table is refused: its rows are there, and nothing was made."""
    for count in audited.overfull:
        metadata: dict[str, dg.MetadataValue] = {
            "rows_in": dg.MetadataValue.int(count.rows_in),
            "rows_refused": dg.MetadataValue.int(count.refused),
            "refused_by_rule": rule_counts(count.refused_by_rule),
            "table_version": dg.MetadataValue.int(version),
        }
        partition = None if count.partition == WHOLE_TABLE else count.partition
        why = "Too many rows were refused for their table to be published."
        context.log_event(dg.AssetObservation(quarantine, why, metadata, partition))


def conservation_check(key: dg.AssetKey, conserved: Conservation, todo: Plan) -> dg.AssetCheckResult:
    """The rows that came in, and where they went."""
    return dg.AssetCheckResult(
        passed=conserved.rows_in == conserved.published + conserved.quarantined + conserved.dropped,
        asset_key=key,
        check_name=ROWS_ARE_CONSERVED,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{conserved.rows_in:,} rows in, {conserved.published:,} published, "
        f"{conserved.quarantined:,} quarantined, {conserved.dropped:,} dropped as declared.",
        metadata={
            **_work(todo),
            "rows_in": conserved.rows_in,
            "rows_published": conserved.published,
            "rows_quarantined": conserved.quarantined,
            "rows_dropped_as_declared": conserved.dropped,
        },
    )


def require_all_accepted(
    audited: Audited, contract: type[dy.Schema], key: dg.AssetKey, tables: DeltaTableIOManager
) -> None:
    """Pass if every row of a table that is computed, not delivered, holds to its contract.

    Raises:
        ContractViolatedError: a row does not, so the function that computes it is wrong.
    """
    if not audited.refused.height:
        return
    name = "/".join(key.path)
    rules = ", ".join(f"{rows:,} by '{rule}'" for rule, rows in audited.refused_by_rule.items())
    raise ContractViolatedError(
        f"{name}: {audited.refused.height:,} of {audited.rows_in:,} computed rows break the contract, {rules}",
        got=f"for example {masked_json(audited.refused.item(0, 'row'), contract)}",
        kept=f"Nothing was published; {standing_version(tables, key)} stands",
        remedy="Correct the function that computes the table, or its contract; its input has been accepted before",
    )


def _work(todo: Plan) -> dict[str, int]:
    return {"partitions_computed": len(todo.compute), "partitions_reused": len(todo.made_from) - len(todo.compute)}


def rule_counts(refused_by_rule: Mapping[str, int]) -> dg.TableMetadataValue:
    """Rules and the rows that broke each, as a table for the UI."""
    schema = dg.TableSchema(columns=[dg.TableColumn("rule", "string"), dg.TableColumn("rows", "int")])
    records = [dg.TableRecord({"rule": rule, "rows": rows}) for rule, rows in refused_by_rule.items()]
    return dg.MetadataValue.table(records, schema=schema)


def standing_version(tables: DeltaTableIOManager, key: dg.AssetKey) -> str:
    """What readers of a table see while nothing new is published: "version 41", or "no version"."""
    version = tables.location.tables().version("/".join(key.path))
    return "no version" if version is None else f"version {version}"


def require_no_leak(
    knowledge: KnowledgeAudit, contract: type[dy.Schema], key: dg.AssetKey, tables: DeltaTableIOManager
) -> None:
    """Pass if no feature changed when the future was hidden.

    Raises:
        LeakageError: one did, so it cannot be computed at prediction time.
    """
    if not knowledge.leaks:
        return
    columns = knowledge.leaking_columns
    counted = "1 feature uses" if len(columns) == 1 else f"{len(columns)} features use"
    raise LeakageError(
        f"{'/'.join(key.path)}: {counted} what was not yet known: {', '.join(columns[:8])}",
        expected="the same values when all that became known later is hidden",
        got=str(_shown(knowledge.leaks[0], contract)),
        kept=f"Nothing was published; {standing_version(tables, key)} stands",
        remedy="Take values through ml_platform.point_in_time.windows, whose joins go by the moment of knowing",
    )


def _shown(leak: Leak, contract: type[dy.Schema]) -> Leak:
    return leak._replace(
        key=masked_values(leak.key, contract.primary_key(), contract),
        value_seen=masked_value(leak.value_seen, leak.column, contract),
        value_masked=masked_value(leak.value_masked, leak.column, contract),
    )
