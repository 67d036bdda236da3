"""Evidence that a daily number has become larger than it was on reference days, with a bound on false alarms.

    reference days        days watched so far
    x x x x x x x x x x | y y y y y y y y       Has the mean gone up from some day on?
                            ^ from here, or here, or here

For each day on which the change may have begun, the days from it on are compared with all days before by a t-statistic,
turned into an e-process: a likelihood ratio whose mean stays 1 for as long as nothing has changed, whenever one looks.
The evidence of a day is the sum of these ratios over all days on which the change may have begun.

The bound: without a change, the evidence less the number of days watched is a martingale. So by Doob's inequality the
chance that the evidence reaches `c` within `H` days is at most H / c, and false alarms are `c` days apart on average or
more. Mean and spread are not assumed to be known; both are estimated from few days where there are few.

Assumptions: without a change, the daily numbers are normal, alike and uncorrelated. `normal_scores` gives numbers of
any distribution a normal one. `variance_inflation` measures how much days resemble their neighbours, by which the
t-statistic is then reduced. Both are estimates; what they leave of the bound is measured in the tests by simulation.

Belongs here: arithmetic on daily numbers. Does not: what the numbers are (`distances`, `metrics`), or what follows.

Source: Shin, Ramdas and Rinaldo, E-detectors: a nonparametric framework for sequential change detection (2024), for the
sum and its bound; Lindon, Ham, Tingley and Bojinov, Anytime-Valid Linear Models (2022), for the e-process of a t-test.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

BLOCK_DAYS = 7
_FEWEST_BLOCKS = 8
_SMALLEST_SPREAD = 1e-12  # of all spread; below it, equal numbers differ by rounding alone
_PRIOR_PRECISION = 1.0  # the mean is expected to change by about one standard deviation of a day


def evidence_by_day(reference: FloatArray, watched: FloatArray, inflation: float = 1.0) -> FloatArray:
    """Evidence after each of the `watched` days that their mean has become larger.

    Without a change it is n on average after n days. `inflation` is by how much the variance of a mean of days is
    larger than that of independent days. Costs the square of the number of watched days.
    """
    before, number = len(reference), len(watched)
    if before < 2 or number == 0:
        return np.zeros(number)
    values = np.concatenate([reference, watched]) - reference.mean()
    sums, squares = np.cumsum(values), np.cumsum(values**2)
    ends = np.arange(before + 1, before + number + 1)[:, None]  # days seen so far, a row for each day watched
    starts = np.arange(before, before + number)[None, :]  # days before the change, a column for each day of it
    is_possible = starts < ends
    later = np.where(is_possible, ends - starts, 1)
    shift = np.where(is_possible, (sums[ends - 1] - sums[starts - 1]) / later - sums[starts - 1] / starts, 0.0)
    weight = starts * later / ends
    without = squares[ends - 1] - sums[ends - 1] ** 2 / ends
    within = np.where(is_possible, without - shift**2 * weight, 1.0)
    within = np.maximum(within, _SMALLEST_SPREAD * squares[-1] + np.finfo(np.float64).tiny)
    ratio = shift**2 * weight / within
    shrunk = _PRIOR_PRECISION / (_PRIOR_PRECISION + weight / inflation)
    exponent = ((ends - 2) / inflation + 1) / 2
    logarithm = 0.5 * np.log(shrunk) - exponent * (np.log1p(shrunk * ratio) - np.log1p(ratio))
    summed: FloatArray = np.where(is_possible & (shift > 0), np.exp(np.minimum(logarithm, 700.0)), 0.0).sum(axis=1)
    return summed


def evidence_needed(chance: float, days: int, detectors: int = 1) -> float:
    """Evidence at which an alarm is raised, so that one of `detectors` raises a false one within `days` days with at
    most the `chance`.
    """
    return detectors * days / chance


def normal_scores(values: FloatArray, reference: FloatArray) -> FloatArray:
    """Each value as the quantile of the standard normal that it is of the reference; ties are halved.

    A value beyond all of the reference counts no more than one that is just beyond: no single day decides.

    Source: van der Waerden, Order tests for the two-sample problem (1952).
    """
    ordered = np.sort(reference)
    below, up_to = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    places = ((below + up_to) / 2 + 0.5) / (len(ordered) + 1)
    return np.array([NormalDist().inv_cdf(float(place)) for place in places])


def variance_inflation(values: FloatArray) -> float:
    """By how much the means of whole weeks vary more than those of seven independent days; 1 or more.

    Of fewer than eight weeks it cannot be told, and is 1.

    Source: the method of batch means; Law and Kelton, Simulation Modeling and Analysis (2000), chapter 9.
    """
    weeks = len(values) // BLOCK_DAYS
    spread = float(np.var(values, ddof=1)) if len(values) > 1 else 0.0
    if weeks < _FEWEST_BLOCKS or spread == 0:
        return 1.0
    means = values[len(values) - weeks * BLOCK_DAYS :].reshape(weeks, BLOCK_DAYS).mean(axis=1)
    return max(1.0, BLOCK_DAYS * float(np.var(means, ddof=1)) / spread)


def standing_since(evidence: FloatArray, needed: float) -> int | None:
    """Place of the day on which the evidence reached what is needed, if it has not fallen below it since."""
    below = np.flatnonzero(~(evidence >= needed))
    first = int(below[-1]) + 1 if below.size else 0
    return first if first < len(evidence) else None
