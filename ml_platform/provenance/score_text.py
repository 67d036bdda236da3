"""A score as people read it: lines for a terminal, and a table for the UI.

Belongs here: the words and their layout. Does not: the score itself.
"""

import textwrap
from collections.abc import Iterator

from ml_platform.provenance.score import SECTIONS, Proof, Score, ScoredTest

WIDTH = 120
MOST = 7


def told(score: Score) -> Iterator[str]:
    """The whole score: what it is, each section, each test with its evidence and what is missing."""
    yield f"ML Test Score of {score.name} {score.version} (as of {score.as_of}): {score.final:g} of {MOST}"
    yield f"  {score.level}; the final score is the lowest of the four sections"
    yield f"  {in_short(score)}"
    for section in SECTIONS:
        yield ""
        yield f"{section} {score.sections[section]:g}"
        for test in score.tests:
            if test.section == section:
                yield from _test(test)


def in_short(score: Score) -> str:
    """The points of the sections, in a line."""
    return ", ".join(f"{section} {score.sections[section]:g}" for section in SECTIONS)


def as_markdown(score: Score) -> str:
    """The first screen of a score for the UI."""
    rows = "\n".join(
        f"| {test.section} {test.number} | {test.title} | {test.finding.points:g} | {_cell(evidence_of(test))} | "
        f"{_cell(test.finding.missing)} |"
        for test in score.tests
    )
    return (
        f"**{score.final:g} of {MOST}**: {score.level}. Sections: {in_short(score)}.\n\n"
        f"| test | sentence | points | evidence | missing |\n| --- | --- | --- | --- | --- |\n{rows}"
    )


def evidence_of(test: ScoredTest) -> str:
    """All proofs of a test, in a line."""
    return "; ".join(_proof(each) for each in test.finding.proofs)


def _test(test: ScoredTest) -> Iterator[str]:
    yield f"  {test.finding.points:<3g} {test.number} {test.title}"
    for proof in test.finding.proofs:
        yield from _wrapped(_proof(proof), "+ ")
    if test.finding.missing:
        yield from _wrapped(f"missing: {test.finding.missing}", "- ")
    if test.finding.remedy:
        yield from _wrapped(test.finding.remedy, "> ")


def _proof(proof: Proof) -> str:
    return f"{proof.what} [{proof.source} {proof.reference}, {proof.at:%Y-%m-%d %H:%M}]"


def _wrapped(text: str, mark: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * 8 + mark, subsequent_indent=" " * 10, break_on_hyphens=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
