"""The summary as a person reads it. Pure formatting: every number is the summary's."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from ml_platform.demo.models import MonthlyModel
from ml_platform.demo.report import DemoReport
from ml_platform.demo.rows import AuditedRows, ComputedRows
from ml_platform.demo.served import WalkForward, shown_metrics
from ml_platform.demo.summary import Difference, Summary
from ml_platform.evaluation.task import MetricName, Task
from ml_platform.terminal import table
from ml_platform.training.evaluation import Evaluation
from ml_platform.training.gate import GateDecision

MISSING = "not materialized yet"
NOTHING = "-"
SHORT: dict[MetricName, str] = {"roc_auc_score": "ROC AUC", "pr_auc_score": "PR AUC", "brier_score": "Brier"}


def show(summary: Summary, console: Console) -> None:
    """Print the summary."""
    console.print(_audited(summary.audited), _computed(summary.computed), _models(summary.models))
    console.print(*(_scores(model.as_of, model.test, summary) for model in summary.models if model.test))
    if summary.walk_forward:
        console.print(_walk_forward(summary.walk_forward, summary.task))
    console.print(_contents(summary))
    if summary.cost:
        console.print(_cost(summary.cost))
    console.print(table("Where to look next", ("", ""), [(place.what, place.how) for place in summary.places]))


def _audited(tables: Iterable[AuditedRows]) -> Table:
    rows = [
        (
            each.table,
            MISSING if each.partitions is None else _count(each.partitions),
            _count(each.rows_in),
            _count(each.published),
            _count(each.quarantined),
            {True: "yes", False: "NO", None: NOTHING}[each.is_conserved],
        )
        for each in tables
    ]
    return table("Rows", ("table", "partitions", "rows in", "published", "quarantined", "conserved"), rows)


def _computed(tables: Iterable[ComputedRows]) -> Table:
    rows = [(t.table, MISSING if t.partitions is None else _count(t.partitions), _count(t.rows)) for t in tables]
    return table("Computed tables", ("table", "partitions", "rows"), rows)


def _models(models: Sequence[MonthlyModel]) -> Table:
    columns = ("as of", "trials", "failed", "iterations", "version", "gate", "champion")
    return table("Models", columns, [_model(each) for each in models] or [(MISSING, *[""] * 6)])


def _model(model: MonthlyModel) -> tuple[str, ...]:
    search, version = model.search, model.version
    found = (str(search.trials), str(search.failed), str(search.iterations)) if search else (MISSING, NOTHING, NOTHING)
    name = f"{version.name} {version.version}" if version else MISSING
    gate = _gate(version.gate) if version else NOTHING
    return model.as_of, *found, name, gate, NOTHING if model.champion is None else f"version {model.champion}"


def _gate(gate: GateDecision) -> str:
    """Approved, or each check that failed with what it found."""
    if gate.approved:
        return f"approved ({len(gate.reasons)} of {len(gate.reasons)} checks)"
    return "refused: " + "; ".join(f"{reason.check}: {reason.detail}" for reason in gate.reasons if not reason.passed)


def _scores(as_of: str, test: Evaluation, summary: Summary) -> Table:
    """The model beside the baselines, on the same rows."""
    metrics = shown_metrics(summary.task)
    days = f"{test.first_day} to {test.last_day}"
    title = f"Scores on {days}, model as of {as_of}: {test.rows:,} {summary.row}s, 95 % intervals by days"
    model = ("model", *(str(test.metrics[metric]) for metric in metrics))
    baselines = [(each.name, *(f"{each.metrics[metric]:.3f}" for metric in metrics)) for each in test.baselines]
    return table(title + _unit(summary.task), ("", *map(_short, metrics)), [model, *baselines])


def _unit(task: Task) -> str:
    return f"; {task.unit}" if task.unit else ""


def _short(metric: MetricName) -> str:
    return SHORT.get(metric, metric.replace("_", " "))


def _walk_forward(served: WalkForward, task: Task) -> Table:
    """All predicted days together."""
    metrics = shown_metrics(task)
    versions = ", ".join(str(version) for version in served.versions)
    title = f"Predictions of {served.first_day} to {served.last_day}, each day by its champion (versions {versions})"
    row = (f"{served.predictions:,}", f"{served.labelled:,}", *(str(served.metrics[metric]) for metric in metrics))
    return table(title + _unit(task), ("predictions", "labelled", *map(_short, metrics)), [row])


def _contents(summary: Summary) -> Table:
    """Hashes that are the same wherever the same was made."""
    rows = [(each.table, each.content_root) for each in summary.contents]
    rows += [
        (f"{each.version.name} {each.version.version}", each.version.sha256) for each in summary.models if each.version
    ]
    return table("Contents (SHA-256)", ("", ""), rows)


def show_differences(found: Sequence[Difference], console: Console) -> None:
    """Print what is not the same, or that everything is."""
    if not found:
        console.print("Every table and every model is the same.")
        return
    rows = [(each.what, each.found or "not there", each.wanted or "not there") for each in found]
    console.print(table("Not the same", ("", "here", "in the other"), rows))


def _cost(cost: DemoReport) -> Table:
    memory = f"{cost.peak_memory_bytes / 2**30:.1f} GB at the peak"
    title = (
        f"Demonstration of {cost.started_at:%Y-%m-%d %H:%M} UTC: {cost.seconds:.0f} s on {cost.cores} cores, {memory}"
    )
    rows = [(s.title, s.outcome, f"{s.seconds:.1f}", f"{s.cpu_seconds:.1f}", (s.run_id or "")[:8]) for s in cost.stages]
    return table(title, ("stage", "", "seconds", "CPU seconds", "run"), rows)


def _count(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"
