"""Evidence that the mean of numbers from 0 to 1 lies above a limit, which may be looked at after each of them.

A fortune of 1 bets on each number being above the limit, without ever going into debt. While the mean is at or below
the limit, whatever went before, no bet is favourable: the fortune is a supermartingale. So the chance that it ever
reaches `c` is at most 1 / c (Ville's inequality), however often and however long one looks. What is bet is a mixture of
a few stakes, since which one grows fastest depends on how far above the limit the mean is.

Of each number it is assumed that it lies between 0 and 1, and that its mean, given all before it, is within the limit
where nothing is wrong. A mean over all numbers that is within it is not enough: a bad beginning counts.

Belongs here: arithmetic on one stream of numbers. Does not: what they are (`serving.trials`), or days (`evidence`).

Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting (2024); Ville (1939).
"""

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

STAKES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9)
"""Shares of the most that can be bet."""


class Bets(BaseModel):
    """What was seen of one stream so far, and the fortune of each stake."""

    model_config = ConfigDict(frozen=True)

    limit: float = Field(gt=0, lt=1, description="The mean is harmless up to here.")
    seen: int = Field(0, description="How many numbers were seen.")
    total: float = Field(0.0, description="Their sum.")
    logarithms: tuple[float, ...] = Field(
        (0.0,) * len(STAKES), description="Natural logarithm of what each stake has become."
    )

    def after(self, value: float) -> Self:
        """The same after one more number, which is taken as 0 or 1 where it lies beyond."""
        inside = min(max(value, 0.0), 1.0)
        grown = (math.log1p(stake * (inside - self.limit) / self.limit) for stake in STAKES)
        logarithms = tuple(before + more for before, more in zip(self.logarithms, grown, strict=True))
        return self.model_copy(update={"seen": self.seen + 1, "total": self.total + inside, "logarithms": logarithms})

    @property
    def mean(self) -> float:
        """Mean of the numbers; 0 of none."""
        return self.total / self.seen if self.seen else 0.0

    @property
    def evidence(self) -> float:
        """What the fortune has become; capped where it no longer fits."""
        return sum(math.exp(min(each, 700.0)) for each in self.logarithms) / len(self.logarithms)
