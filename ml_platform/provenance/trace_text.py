"""A trace as a tree that a person reads: what was asked at the top, what it follows from (or what follows) below.

Belongs here: what is shown, and in which words. Does not: finding it.
"""

from collections.abc import Iterator

from pydantic import JsonValue
from rich.text import Text
from rich.tree import Tree

from ml_platform.provenance.trace import Check, Direction, LandedObject, Step, Trace

SHORT = 8  # digits of a hash or id that are enough to recognize it
_OBJECTS_SHOWN, _KEYS_SHOWN, _COLUMNS_SHOWN = 2, 5, 12
_APART = {
    *(
        "row",
        "rows",
        "reasons",
        "snapshot",
        "sha256",
        "uri",
        "bytes_now",
        "objects",
        "decisions",
        "made_from_other_content",
        "source_is_out_of_date",
    ),
}


def tree_of(trace: Trace) -> Tree:
    """The trace as a tree. A step that follows in several places is told in full once, and named by number then."""
    return _Drawing(trace).draw()


def summary_of(trace: Trace) -> Text:
    """One line: how much was followed, and whether anything of it needs a look."""
    objects = {one.path for step in trace.steps for one in step.objects}
    counts = ((len(trace.steps), "step"), (len(trace.run_ids), "run"), (len(objects), "landing object"))
    counted = ", ".join(f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in counts)
    looks = [
        (sum(bool(step.changed_since) for step in trace.steps), "changed since", "nothing has changed since"),
        (sum(_is_out_of_date(step) for step in trace.steps), "out of date", ""),
        (sum(bool(step.degraded) for step in trace.steps), "degraded", "nothing is degraded"),
        (sum(not check.passed for step in trace.steps for check in step.checks), "failed checks", "no check failed"),
        (sum(bool(step.missing) for step in trace.steps), "with something not known", ""),
    ]
    told = [f"{count} {word}" if count else otherwise for count, word, otherwise in looks]
    return Text(f"{counted}: {'; '.join(each for each in told if each)}.", "bold")


class _Drawing:
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._numbers: dict[str, int] = {}

    def draw(self) -> Tree:
        start = self._trace.step(self._trace.start)
        tree = Tree(self._label(start, ""), guide_style="dim")
        self._grow(tree, start)
        return tree

    def _grow(self, tree: Tree, step: Step) -> None:
        for following, role in self._trace.next_of(step.id):
            if following.id in self._numbers:
                tree.add(_head(following, role).append(f"  see [{self._numbers[following.id]}]", "cyan"))
            else:
                self._grow(tree.add(self._label(following, role)), following)

    def _label(self, step: Step, role: str) -> Text:
        self._numbers[step.id] = len(self._numbers) + 1
        head = Text(f"[{self._numbers[step.id]}] ", "cyan").append_text(_head(step, role))
        return Text("\n").join([head, *_lines(step, self._trace.direction)])


def _head(step: Step, role: str) -> Text:
    text = Text()
    if role:
        text.append(f"{role} ", "dim italic")
    text.append(step.name, "bold")
    if step.partitions:
        text.append(f"  {step.partitions}")
    rows = step.facts.get("rows")
    if isinstance(rows, int):
        text.append(f"  {rows:,} {'row' if rows == 1 else 'rows'}")
    return text


def _lines(step: Step, direction: Direction) -> Iterator[Text]:
    if made := " · ".join(_made(step)):
        yield Text(made, "dim")
    yield from _facts(step)
    yield from _checks(step)
    yield from (_object(one) for one in step.objects[:_OBJECTS_SHOWN])
    if len(step.objects) > _OBJECTS_SHOWN:
        yield Text(f"and {len(step.objects) - _OBJECTS_SHOWN} more objects; --json has all", "dim")
    if direction == "upstream" or step.kind != "table":
        yield from _standing(step)
    if step.degraded:
        yield Text(f"degraded: {step.degraded}", "bold red")
    yield from (Text(f"not known: {said}", "yellow") for said in step.missing)


def _made(step: Step) -> Iterator[str]:
    if step.version is not None:
        yield f"version {step.version}"
    if step.content:
        yield f"content {step.content[:SHORT]}"
    if step.code_version:
        yield f"code {step.code_version[:SHORT]}"
    if step.run:
        ended = "" if step.run.status == "SUCCESS" else f" ({step.run.status.lower()})"
        yield f"run {step.run.run_id[:SHORT]} of {step.run.job}{ended}"
        if step.run.commit:
            yield f"commit {step.run.commit[:12]}"
    if step.made_at:
        yield f"{step.made_at:%Y-%m-%d %H:%M:%S} UTC"


def _facts(step: Step) -> Iterator[Text]:
    row = step.facts.get("row")
    if isinstance(row, dict):
        shown = list(row.items())[:_COLUMNS_SHOWN]
        more = f", and {len(row) - _COLUMNS_SHOWN} more columns in --json" if len(row) > _COLUMNS_SHOWN else ""
        yield Text("row: " + ", ".join(f"{name}={_value(value)}" for name, value in shown) + more, "green")
    elif row is not None:
        yield Text(f"row: {row}", "yellow")
    told = [
        f"{name.replace('_', ' ')} {_value(value)}"
        for name, value in step.facts.items()
        if name not in _APART and value not in (None, {})
    ]
    if told:
        yield Text("; ".join(told))
    if step.facts.keys() & {"made_from_other_content", "source_is_out_of_date"}:
        stale, is_above = step.facts.get("made_from_other_content"), step.facts.get("source_is_out_of_date")
        yield _freshness(stale, is_above=bool(is_above))
    if "bytes_now" in step.facts:
        yield _bytes(str(step.facts["bytes_now"]))
    for decided in _list(step.facts.get("decisions")):
        if isinstance(decided, dict):
            why = f": {decided['reason']}" if decided["reason"] else ""
            yield Text(f"{decided['at']} {str(decided['action']).replace('_', ' ')} by {decided['by']}{why}")
    for reason in _list(step.facts.get("reasons")):
        if isinstance(reason, dict):
            yield _sign(bool(reason["passed"])).append(f"{reason['check']}: {reason['detail']}")


def _freshness(stale: JsonValue, *, is_above: bool) -> Text:
    if stale:
        return Text(f"out of date: made from other content than stands now: {_value(stale)}", "bold red")
    if is_above:
        return Text("out of date: what it was made from stands, and is out of date itself", "bold red")
    return Text("made from what stands now", "green")


def _checks(step: Step) -> Iterator[Text]:
    """The checks that passed in one line, those that did not in one each."""
    told = {str(each["check"]) for each in _list(step.facts.get("reasons")) if isinstance(each, dict)}
    passed = [check for check in step.checks if check.passed and check.name not in told]
    if passed:
        yield _sign(True).append(" · ".join(f"{check.name}{_counts(check)}" for check in passed))
    for check in step.checks:
        if not check.passed:
            yield _sign(False).append(f"{check.name}{_counts(check)}, {check.severity.lower()}")


def _counts(check: Check) -> str:
    counts = [f"{name.replace('_', ' ')} {count:,}" for name, count in check.counts.items() if count]
    return f" ({', '.join(counts)})" if counts else ""


def _sign(passed: bool) -> Text:
    return Text("✔ ", "green") if passed else Text("✘ ", "bold red")


def _object(one: LandedObject) -> Text:
    style = "bold red" if one.now in ("changed", "gone") else "dim"
    told = "not asked again" if one.now == "not asked" else f"{one.now} since"
    return Text(f"{one.path}  sha256 {one.sha256[:SHORT]}  ").append(told, style)


def _is_out_of_date(step: Step) -> bool:
    return bool(step.facts.get("made_from_other_content") or step.facts.get("source_is_out_of_date"))


def _bytes(now: str) -> Text:
    if now == "unchanged":
        return Text("the stored bytes have the recorded hash", "green")
    if now == "elsewhere":
        return Text("not known: the bytes are outside of this platform's artifacts and were not read", "yellow")
    return Text(f"the stored bytes are {now}", "bold red")


def _standing(step: Step) -> Iterator[Text]:
    """Whether what stands now is what was used."""
    if step.changed_since:
        count = len(step.changed_since)
        of = f" of {step.partitions.count}" if step.partitions and step.partitions.count > 1 else ""
        yield Text(f"changed since: {count}{of}: {_value(list(step.changed_since))}", "bold red")
    elif step.kind == "table" and step.content:
        yield Text("unchanged since", "green")
    elif len(step.objects) > 1 and all(one.now == "unchanged" for one in step.objects):
        yield Text(f"all {len(step.objects)} unchanged since", "green")


def _value(value: JsonValue) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(each)}" for name, each in value.items())
    if isinstance(value, list):
        more = f" and {len(value) - _KEYS_SHOWN} more" if len(value) > _KEYS_SHOWN else ""
        return ", ".join(_value(each) for each in value[:_KEYS_SHOWN]) + more
    if isinstance(value, float):
        return f"{value:.6g}"
    return "yes" if value is True else "no" if value is False else "none" if value is None else str(value)


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
