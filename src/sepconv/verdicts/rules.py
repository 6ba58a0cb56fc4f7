"""The rules by which numbers become a verdict, apart from where the numbers come from.

The 95 % interval of the mean decides: inside the criterion, outside of it, or neither. The rules are written with the
p-values of the same t tests (p <= 0.05 exactly where the interval decides), because p-values can be corrected. Arrays
pass through them as single samples do, so that a simulation judges with the code that judges the papers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sepconv.spec import Claim
from sepconv.verdicts import stats
from sepconv.verdicts.samples import MIN_SEEDS
from sepconv.verdicts.stats import Floats, Interval

ALPHA = 0.05
RELEVANT_DIFFERENCE = 1.0  # points of accuracy: the narrowest tolerance that a criterion of a claim allows


class Verdict(StrEnum):
    """What the results say about a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"
    NOT_TESTED = "not tested at this budget"


class Difference(StrEnum):
    """Whether two ways to run one experiment lead to the same accuracy, give or take ``RELEVANT_DIFFERENCE``."""

    NONE = "no difference that matters"
    SOME = "differs"
    OPEN = "not decided yet"


@dataclass(frozen=True)
class Evidence:
    """Two-sided p-values ``(...)`` of "the mean lies outside the criterion" and of "it lies inside"."""

    supports: Floats
    contradicts: Floats


@dataclass(frozen=True)
class Part:
    """One of the numbers that a claim rests on, with the limits that the criterion sets for it.

    ``estimate`` is a mean over seeds (of ratios the geometric mean), ``low`` and ``high`` its 95 % Student-t interval;
    None below three seeds, and for counts, which have none. ``bootstrap`` is the BCa interval for comparison.
    """

    label: str
    estimate: float | None
    low: float | None
    high: float | None
    n: int
    verdict: Verdict
    unit: str
    exact: bool  # counted, without chance
    at_least: float | None  # limits of the criterion; None where it is open
    at_most: float | None
    sides: tuple[float, ...]  # what is compared: the mean of each term, over the seeds used
    values: tuple[float, ...]  # one a seed
    bootstrap: Interval | None
    effect: float | None  # Cohen's d_z of a paired difference; None for all else, and below three seeds


@dataclass(frozen=True)
class Judgement:
    """The verdict on one claim and all that it rests on."""

    paper: str
    claim: Claim
    verdict: Verdict
    holm_verdict: Verdict  # with Holm's correction over the paper's claims that rest on runs
    p_value: float | None  # of the direction that the data point to; None where no test was made
    parts: tuple[Part, ...]
    unit: str  # "" where the parts have different ones
    runs: tuple[str, ...]  # keys of the results used
    missing: tuple[str, ...]  # keys of the results still missing for three seeds
    set_aside: tuple[str, ...]  # keys of the results that lie there but do not count, with the reason
    sentence: str
    hint: str  # what smaller budgets suggest; never counts
    more_seeds: int | None  # how many further seeds would decide an inconclusive claim


def weigh(values: ArrayLike, low: float, high: float) -> Evidence:
    """Evidence of samples ``(..., n)`` for a mean in ``[low, high]``; none at all below three seeds."""
    sample = np.asarray(values, float)
    if sample.shape[-1] < MIN_SEEDS:
        nothing = np.ones(sample.shape[:-1])
        return Evidence(nothing, nothing)
    return Evidence(
        supports=np.minimum(1, 2 * stats.equivalence(sample, low, high)),
        contradicts=np.minimum(1, 2 * stats.exclusion(sample, low, high)),
    )


def weigh_exact(value: float, low: float, high: float) -> Evidence:
    """Evidence of a number without chance in it."""
    inside = low <= value <= high
    return Evidence(supports=np.array(float(not inside)), contradicts=np.array(float(inside)))


def correct(part: Evidence, comparisons: int) -> Evidence:
    """Bonferroni's correction of a contradiction, since one contradicted part among several is enough.

    Support needs no correction: every part has to be supported (Berger 1982, doi:10.1080/00401706.1982.10487790).
    """
    return Evidence(part.supports, np.minimum(1, comparisons * part.contradicts))


def combine(parts: Sequence[Evidence]) -> Evidence:
    """Evidence for all parts together, each corrected before: supported if all are, contradicted if any is."""
    return Evidence(
        supports=np.max([part.supports for part in parts], axis=0),
        contradicts=np.min([part.contradicts for part in parts], axis=0),
    )


def decide(evidence: Evidence) -> NDArray[np.int8]:
    """1 where the criterion is met, -1 where it is contradicted, 0 where neither is sure; shape ``(...)``."""
    return np.where(evidence.supports <= ALPHA, 1, np.where(evidence.contradicts <= ALPHA, -1, 0)).astype(np.int8)


def difference(within: Evidence) -> Difference:
    """Whether a difference lies within ``RELEVANT_DIFFERENCE``: the interval is inside, outside, or neither."""
    return {1: Difference.NONE, -1: Difference.SOME, 0: Difference.OPEN}[int(decide(within))]
