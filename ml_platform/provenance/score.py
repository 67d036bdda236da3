"""The ML Test Score of one model version: 28 tests in four sections, with the evidence that earns each its points.

Belongs here: what a finding is, and the arithmetic. Does not: where evidence is found (`score_facts` and the modules of
the four sections), or how the score looks (`score_text`).

Source: Breck, Cai, Nielsen, Salib, Sculley, "The ML Test Score: A Rubric for ML Production Readiness and Technical Debt
Reduction", IEEE Big Data 2017.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field

Section = Literal["data", "model", "infrastructure", "monitoring"]
Source = Literal["check", "run", "record", "registry", "tests", "contract", "measured"]
SECTIONS: tuple[Section, ...] = get_args(Section)
FULL, HALF, NOTHING = 1.0, 0.5, 0.0
_LEVELS = (
    (5.0, "exceptional levels of automated testing and monitoring"),
    (3.0, "strong levels of automated testing and monitoring, fit for what is critical"),
    (2.0, "reasonably tested, with more to automate"),
    (1.0, "a first pass at productionization, with more investment needed"),
    (0.0, "not untested, and there may be serious holes in reliability"),
)


class Proof(BaseModel):
    """One piece of evidence: what it says, and where to look it up."""

    model_config = ConfigDict(frozen=True)

    what: str = Field(description="What it says, in words.")
    source: Source = Field(description="What kind of thing says so; `measured` is computed by the score itself.")
    reference: str = Field(description="Which one: a run, a record, a table and version, a contract.")
    at: dt.datetime = Field(description="When it came to be (UTC).")


class Finding(BaseModel):
    """What one test earns, and what it lacks."""

    model_config = ConfigDict(frozen=True)

    points: float = Field(description="1: proven by what the platform runs by itself. 0.5: by a person, or in part.")
    proofs: tuple[Proof, ...] = Field((), description="What was looked at, also where it does not earn a point.")
    missing: str = Field("", description="Why it is not a full point.")
    remedy: str = Field("", description="What would prove it, a command where there is one.")

    @classmethod
    def proven(cls, *proofs: Proof) -> Self:
        """A full point."""
        return cls(points=FULL, proofs=proofs)

    @classmethod
    def half(cls, *proofs: Proof, missing: str, remedy: str) -> Self:
        """Half a point."""
        return cls(points=HALF, proofs=proofs, missing=missing, remedy=remedy)

    @classmethod
    def unproven(cls, missing: str, remedy: str, *proofs: Proof) -> Self:
        """Nothing."""
        return cls(points=NOTHING, proofs=proofs, missing=missing, remedy=remedy)


class ScoredTest(BaseModel):
    """One of the 28 tests."""

    model_config = ConfigDict(frozen=True)

    section: Section = Field(description="The section.")
    number: int = Field(description="Its number in the section, as in the paper.")
    title: str = Field(description="The sentence that should be true.")
    finding: Finding = Field(description="What was found.")


class Score(BaseModel):
    """The score of one version."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the model in the registry.")
    version: int = Field(description="Number of the version.")
    as_of: dt.date = Field(description="First day of the as-of month.")
    final: float = Field(description="The lowest of the four sections, 0 to 7.")
    sections: Mapping[Section, float] = Field(description="Points of each section, 0 to 7.")
    level: str = Field(description="What such a score means, as the paper has it.")
    tests: tuple[ScoredTest, ...] = Field(description="The tests, in the order of the paper.")


def score_of(name: str, version: int, as_of: dt.date, tests: Sequence[ScoredTest]) -> Score:
    """The points of each section summed up; the final score is the lowest of them."""
    sections = {each: sum(test.finding.points for test in tests if test.section == each) for each in SECTIONS}
    final = min(sections.values())
    return Score(
        name=name,
        version=version,
        as_of=as_of,
        final=final,
        sections=sections,
        level=level_of(final),
        tests=tuple(tests),
    )


def level_of(final: float) -> str:
    """What the paper says of such a score; each level begins above its lower bound."""
    return next((told for bound, told in _LEVELS if final > bound), "a research project, not a production system")
