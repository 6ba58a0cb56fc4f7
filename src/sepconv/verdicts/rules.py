"""The rules by which numbers become a verdict, apart from where the numbers come from.

At three seeds the 95 % interval of the mean decides: inside the criterion, outside of it, or neither. With more seeds
the level is stricter (:data:`LEVELS`). The rules are written with the p-values of the same t tests (p <= 0.05 exactly
where the 95 % interval decides), because p-values can be corrected. Arrays pass through them as single samples do, so
that a simulation judges with the code that judges the papers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sepconv.spec import Claim
from sepconv.verdicts import stats
from sepconv.verdicts.samples import MIN_SEEDS
from sepconv.verdicts.stats import Floats, Interval

ALPHA = 0.05
# The two-sided level of each look at a claim: the first when three seeds are there, then one after each further seed
# until the claim is decided. Someone who looks more often errs more often, so later looks are stricter, such that all
# eight together err in less than 5 % in one direction; sepconv.verdicts.calibration.later_level derives their level.
# The first keeps the level that it had before there was a rule.
LEVELS = (ALPHA, *7 * (0.015,))
MAX_SEEDS = MIN_SEEDS + len(LEVELS) - 1  # the last look; what seeds beyond it would cost was not simulated
RELEVANT_DIFFERENCE = 1.0  # points of accuracy: the narrowest tolerance that a criterion of a claim allows


class Verdict(StrEnum):
    """What the results say about a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"
    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    NOT_TESTED = "not tested at this budget"


class Grade(StrEnum):
    """What the evidence on a claim is worth; compare GRADE's directness (Guyatt et al. 2011)."""

    DIRECT = "direct"  # the paper's own schedule, or a count: decides
    INDICATED = "indicated"  # an order under compressed schedules: shown, never decides, and in no total of verdicts
    NONE = "none"


class Direction(StrEnum):
    """Which way runs under compressed schedules point."""

    AS_CLAIMED = "as claimed"
    REVERSED = "not as claimed"
    OPEN = "open"


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
class Indication:
    """What complete runs under compressed schedules say of the order that a claim states. It decides nothing.

    It has a direction only where both shortened budgets show the same one, each from three seeds and with its 95 %
    interval clear of zero.
    """

    direction: Direction
    reason: str  # what it rests on, or why it is open
    runs: tuple[str, ...]  # keys of the results used


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
    grade: Grade
    indication: Indication | None  # None where the claim states no order of accuracies
    more_seeds: int | None  # how many further seeds would decide an inconclusive claim, did mean and spread stay
    chance: float | None  # (0 to 1) that so many do; None below three seeds
    look: int | None  # the look at which the claim was judged; None where no test was made
    level: float  # two-sided, at that look


def look(seeds: int) -> int | None:
    """The number of the look at so many seeds, from 1; None below three, when nothing is looked at.

    Beyond ``MAX_SEEDS`` it stays the last one.
    """
    return min(seeds - MIN_SEEDS + 1, len(LEVELS)) if seeds >= MIN_SEEDS else None


def level(seeds: int) -> float:
    """The two-sided level of the look at so many seeds; of the first look below three."""
    return LEVELS[(look(seeds) or 1) - 1]


def weigh(values: ArrayLike, low: float, high: float) -> Evidence:
    """Evidence of samples ``(..., n)`` for a mean in ``[low, high]``; none at all below three seeds."""
    sample = np.asarray(values, float)
    if sample.shape[-1] < MIN_SEEDS:
        return _no_evidence(sample.shape[:-1])
    return _weigh(stats.mean_of(sample), low, high)


def weigh_contrast(groups: ArrayLike, weights: ArrayLike, low: float, high: float) -> Evidence:
    """Evidence of groups ``(..., k, n)`` for a weighted sum of their means in ``[low, high]``; as :func:`weigh`."""
    samples = np.asarray(groups, float)
    if samples.shape[-1] < MIN_SEEDS:
        return _no_evidence(samples.shape[:-2])
    return _weigh(stats.contrast(samples, weights), low, high)


def _weigh(estimate: stats.Estimate, low: float, high: float) -> Evidence:
    return Evidence(
        supports=np.minimum(1, 2 * stats.equivalence(estimate, low, high)),
        contradicts=np.minimum(1, 2 * stats.exclusion(estimate, low, high)),
    )


def _no_evidence(shape: tuple[int, ...]) -> Evidence:
    return Evidence(np.ones(shape), np.ones(shape))


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


def decide(evidence: Evidence, level: float = ALPHA) -> NDArray[np.int8]:
    """1 where the criterion is met, -1 where it is contradicted, 0 where neither is sure; shape ``(...)``."""
    return np.where(evidence.supports <= level, 1, np.where(evidence.contradicts <= level, -1, 0)).astype(np.int8)


def decide_in_turn(
    samples: Sequence[Floats],
    limits: Sequence[tuple[float, float]],
    looks: Iterable[Sequence[int]],
    comparisons: int,
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """The rule for adding seeds: look again after each further seed, and stop when the claim is decided.

    Args:
        samples: the values of each of the claim's numbers, ``(..., n)``.
        limits: the closed interval of each.
        looks: how many seeds of each sample are there at each look, in order.
        comparisons: the numbers among which a contradiction is corrected for.

    Returns:
        The first decision as :func:`decide` makes it (0 where no look decides), and the number of seeds at it (those of
        the last look where none decides); both of shape ``(...)``.
    """
    return first_decision(
        (
            max(numbers),
            combine(
                [
                    correct(weigh(sample[..., :n], *limit), comparisons)
                    for sample, limit, n in zip(samples, limits, numbers, strict=True)
                ]
            ),
        )
        for numbers in looks
    )


def first_decision(looks: Iterable[tuple[int, Evidence]]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """The first decision that any look makes, as :func:`decide_in_turn` returns it.

    Args:
        looks: how many seeds are there at each look, and the evidence of them, in order.

    Raises:
        ValueError: there is no look.
    """
    decisions = seeds = None
    for number, evidence in looks:
        if decisions is None or seeds is None:
            decisions, seeds = (np.zeros(evidence.supports.shape, kind) for kind in (np.int8, np.int64))
        undecided = decisions == 0
        seeds[undecided] = number
        decisions = np.where(undecided, decide(evidence, level(number)), decisions)
    if decisions is None or seeds is None:
        raise ValueError("expected a look or more, got none")
    return decisions, seeds


def difference(within: Evidence, level: float) -> Difference:
    """Whether a difference lies within ``RELEVANT_DIFFERENCE``: the interval is inside, outside, or neither."""
    return {1: Difference.NONE, -1: Difference.SOME, 0: Difference.OPEN}[int(decide(within, level))]
