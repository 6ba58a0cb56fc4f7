"""Intervals, tests and effect sizes: pure functions on numbers, no results and no papers.

A sample is what independent runs measured, one value a seed. Functions that take ``(..., n)`` arrays treat the last
axis as the sample, so that a simulation passes through the same code as a verdict. One value never gives an interval.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
MOST_SEEDS = 1000  # beyond these, a further seed is not what would decide a claim

Key = TypeVar("Key", bound=Hashable)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate and its limits, in the unit of the values that it was made from."""

    estimate: float
    low: float
    high: float
    n: int
    confidence: float = CONFIDENCE


@dataclass(frozen=True)
class Estimate:
    """A mean, or a weighted sum of means, with its standard error and the degrees of freedom of that."""

    mean: Floats
    error: Floats
    freedom: int

    def interval(self, n: int, confidence: float = CONFIDENCE) -> Interval:
        """Its Student-t interval; ``n`` is recorded as the number of values."""
        mean = float(self.mean)
        half = float(stats.t.ppf((1 + confidence) / 2, self.freedom) * self.error)
        return Interval(mean, mean - half, mean + half, n, confidence)


def mean_of(values: ArrayLike) -> Estimate:
    """The mean of samples ``(..., n)`` with ``n >= 2``; fields of shape ``(...)``."""
    sample = np.asarray(values, float)
    n = sample.shape[-1]
    return Estimate(sample.mean(axis=-1), np.asarray(sample.std(axis=-1, ddof=1) / np.sqrt(n)), n - 1)


def contrast(groups: ArrayLike, weights: ArrayLike) -> Estimate:
    """The sum of the groups' means, each times its weight, with one variance pooled over all groups.

    Args:
        groups: ``(..., k, n)``, ``n >= 2`` values in each of ``k`` groups.
        weights: ``(k,)``.

    Returns:
        Fields of shape ``(...)``, with ``k * (n - 1)`` degrees of freedom.
    """
    samples, weight = np.asarray(groups, float), np.asarray(weights, float)
    k, n = samples.shape[-2:]
    variance = samples.var(axis=-1, ddof=1).mean(axis=-1)
    error = np.sqrt(variance * np.square(weight).sum() / n)
    return Estimate(np.asarray(samples.mean(axis=-1) @ weight), np.asarray(error), k * (n - 1))


# --- curves ----------------------------------------------------------------------------------------------------------


def shared_range(first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """Where two curves with knots at these places both run.

    Raises:
        ValueError: nowhere.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    low, high = float(max(a.min(), b.min())), float(min(a.max(), b.max()))
    if not low < high:
        raise ValueError(f"expected curves that overlap, got {a.min():g} to {a.max():g} and {b.min():g} to {b.max():g}")
    return low, high


def mean_height_weights(knots: ArrayLike, low: float, high: float) -> Floats:
    """The weight of each knot's height in the mean height of a piecewise linear curve from ``low`` to ``high``.

    Args:
        knots: where the knots lie, ``(k,)``, in any order, no two alike.
        low: from where, within the knots.
        high: to where, within the knots.

    Returns:
        ``(k,)``; they add up to 1.

    Raises:
        ValueError: two knots lie in one place, so that the curve has no height there.
    """
    places = np.asarray(knots, float)
    order = np.argsort(places)
    if (np.diff(places[order]) == 0).any():
        raise ValueError(f"expected knots in different places, got {places.tolist()}")
    grid = np.unique([low, high, *places[(places > low) & (places < high)]])
    heights = np.eye(len(places))[order]
    weights = [np.trapezoid(np.interp(grid, places[order], height), grid) for height in heights.T]
    return np.array(weights) / (high - low)


def delta_weights(first_costs: ArrayLike, second_costs: ArrayLike) -> tuple[Floats, Floats]:
    """Weights that make the Bjøntegaard delta of two curves of accuracy over cost a linear contrast of their knots.

    The delta is the mean vertical distance of the first above the second, over the range of log cost that both cover;
    the curves are piecewise linear in log cost (Bjøntegaard 2001, VCEG-M33, has cubics, which four noisy points bend).

    Returns:
        ``(k,)`` of the first, which add up to 1, and ``(m,)`` of the second, which add up to -1.

    Raises:
        ValueError: a cost is not positive, or the ranges do not overlap.
    """
    costs = np.asarray(first_costs, float), np.asarray(second_costs, float)
    if min(map(np.min, costs)) <= 0:
        raise ValueError("expected positive costs, whose logarithm exists")
    first, second = map(np.log, costs)
    low, high = shared_range(first, second)
    return mean_height_weights(first, low, high), -mean_height_weights(second, low, high)


def times_cheaper(
    first_costs: ArrayLike, first_heights: ArrayLike, second_costs: ArrayLike, second_heights: ArrayLike
) -> float | None:
    """How many times as much the second costs as the first at equal height: the horizontal Bjøntegaard delta.

    The geometric mean over the range of heights that both curves cover, each piecewise linear in log cost. None where
    a curve does not rise from knot to knot, so that its cost at a height is not one number, or where no height is
    shared.
    """
    curves = []
    for costs, heights in ((first_costs, first_heights), (second_costs, second_heights)):
        order = np.argsort(costs)
        curves.append((np.log(np.asarray(costs, float)[order]), np.asarray(heights, float)[order]))
    if any((np.diff(heights) <= 0).any() for _, heights in curves):
        return None
    try:
        low, high = shared_range(curves[0][1], curves[1][1])
    except ValueError:
        return None
    first, second = (float(mean_height_weights(heights, low, high) @ logs) for logs, heights in curves)
    return math.exp(second - first)


def superiority(first: Sequence[float], second: Sequence[float]) -> float:
    """How often a value of the first is above one of the second, 0 to 1; ties count half (P(A > B), Mann-Whitney).

    Raises:
        ValueError: one of them is empty.
    """
    a, b = _sample(first), _sample(second)
    if not a.size or not b.size:
        raise ValueError("expected a value on either side, got none")
    signs = np.sign(a[:, None] - b)
    return float((1 + signs.mean()) / 2)


# --- intervals and tests ---------------------------------------------------------------------------------------------


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Mean with its Student-t interval, ``mean ± t·s/√n``; None for fewer than two values."""
    sample = _sample(values)
    if sample.size < 2:
        return None
    return mean_of(sample).interval(sample.size, confidence)


def prediction_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Where one more run is expected, ``mean ± t·s·√(1 + 1/n)``; None for fewer than two values."""
    sample = _sample(values)
    if sample.size < 2:
        return None
    mean = mean_of(sample)
    return Estimate(mean.mean, mean.error * math.sqrt(sample.size + 1), mean.freedom).interval(sample.size, confidence)


def bootstrap_interval(
    values: Sequence[float], random_state: int, confidence: float = CONFIDENCE, resamples: int = 9999
) -> Interval | None:
    """Mean with its bias-corrected and accelerated (BCa) bootstrap interval; None for fewer than two values.

    The values are sorted first, so that the result does not hang on their order. Three values give only ten different
    resamples: the interval is shown beside Student's, which decides.
    """
    sample = np.sort(_sample(values))
    if sample.size < 2:
        return None
    mean = float(sample.mean())
    if sample[0] == sample[-1]:  # no spread: BCa would divide by zero
        return Interval(mean, mean, mean, sample.size, confidence)
    limits = stats.bootstrap(
        (sample,), np.mean, n_resamples=resamples, confidence_level=confidence, method="BCa", rng=random_state
    ).confidence_interval
    return Interval(mean, float(limits.low), float(limits.high), sample.size, confidence)


def from_logs(interval: Interval | None) -> Interval | None:
    """An interval of logarithms as one of the numbers themselves."""
    if interval is None:
        return None
    estimate, low, high = (math.exp(value) for value in (interval.estimate, interval.low, interval.high))
    return Interval(estimate, low, high, interval.n, interval.confidence)


def equivalence(values: ArrayLike | Estimate, low: float, high: float) -> Floats:
    """p-value of two one-sided t tests (TOST) of the null hypothesis that the mean lies outside ``[low, high]``.

    Shape ``(..., n)`` with ``n >= 2``, or an estimate, gives ``(...)``. At most ``a`` exactly when the ``1 - 2a``
    interval of the mean lies inside ``[low, high]`` (Schuirmann 1987, doi:10.1007/BF01068419).
    """
    above_low, below_high, freedom = _t_statistics(values, low, high)
    return np.asarray(stats.t.sf(np.minimum(above_low, below_high), freedom))


def exclusion(values: ArrayLike | Estimate, low: float, high: float) -> Floats:
    """p-value of the one-sided t test of the null hypothesis that the mean lies inside ``[low, high]``.

    Shape ``(..., n)`` with ``n >= 2``, or an estimate, gives ``(...)``. Less than ``a`` exactly when the ``1 - 2a``
    interval of the mean and ``[low, high]`` are disjoint.
    """
    above_low, below_high, freedom = _t_statistics(values, low, high)
    return np.asarray(stats.t.cdf(np.minimum(above_low, below_high), freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979, Scand. J. Statist. 6, 65-70)."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return [float(value) for value in adjusted]


def paired_differences(first: Mapping[Key, float], second: Mapping[Key, float]) -> dict[Key, float]:
    """``first - second`` for each key (seed) that both have, in the order of the first."""
    return {key: value - second[key] for key, value in first.items() if key in second}


def log_ratios(first: Mapping[Key, float], second: Mapping[Key, float]) -> dict[Key, float]:
    """``log(first / second)`` for each key (seed) that both have, in the order of the first.

    Raises:
        ValueError: a value is not positive.
    """
    shared = {key: (value, second[key]) for key, value in first.items() if key in second}
    if bad := [pair for pair in shared.values() if min(pair) <= 0]:
        raise ValueError(f"a ratio needs positive values, got {bad[0][0]:g} / {bad[0][1]:g}")
    return {key: float(np.log(over) - np.log(under)) for key, (over, under) in shared.items()}


def paired_effect(differences: Sequence[float]) -> float | None:
    """Cohen's d_z, the mean paired difference in its own standard deviations; None for fewer than two, or no spread."""
    sample = _sample(differences)
    if sample.size < 2 or (spread := sample.std(ddof=1)) == 0:
        return None
    return float(sample.mean() / spread)


def seeds_to_decide(
    values: Sequence[float],
    low: float,
    high: float,
    level: Callable[[int], float] = lambda _seeds: 1 - CONFIDENCE,
    comparisons: int = 1,
    pooled: Estimate | None = None,
) -> int | None:
    """How many further seeds put the interval of the mean inside ``[low, high]``, or outside of it.

    Assumes that the mean and the standard deviation stay as they are, so the number holds only with a chance, which
    :func:`with_further_values` serves to simulate.

    Args:
        values: those that are there.
        low: lower limit of the criterion.
        high: upper limit of the criterion.
        level: of a number of seeds, the two-sided level at which they decide.
        comparisons: widens (Bonferroni) the interval that has to lie outside.
        pooled: what the values estimate, where the spread is not their own but pooled over several groups.

    Returns:
        None for fewer than two values, and where ``MOST_SEEDS`` would not decide.
    """
    sample = _sample(values)
    if sample.size < 2:
        return None
    n = np.arange(sample.size, MOST_SEEDS + 1)
    now = pooled or mean_of(sample)
    mean, error = now.mean, now.error * np.sqrt(sample.size / n)
    freedom = now.freedom / (sample.size - 1) * (n - 1)
    tail = np.array([level(seeds) for seeds in n.tolist()]) / 2
    inner = stats.t.isf(tail, freedom) * error
    outer = stats.t.isf(tail / comparisons, freedom) * error
    inside = (mean - inner >= low) & (mean + inner <= high)
    outside = (mean + outer < low) | (mean - outer > high)
    decided = np.flatnonzero(inside | outside)
    return int(decided[0]) if decided.size else None


def with_further_values(values: Sequence[float], further: int, simulations: int, random_state: int) -> Floats:
    """The values, each time followed by as many simulated ones, ``(simulations, n + further)``.

    They are drawn from the predictive distribution of normal noise: true mean and standard deviation are drawn anew
    for each simulation, as uncertain as the values leave them (Jeffreys' prior; Gelman et al., Bayesian Data Analysis,
    3rd ed., 3.2).

    Raises:
        ValueError: fewer than two values, which say nothing about the spread.
    """
    sample = _sample(values)
    if sample.size < 2:
        raise ValueError(f"expected two values or more, got {sample.size}")
    random = np.random.default_rng(random_state)
    freedom = sample.size - 1
    deviation = sample.std(ddof=1) * np.sqrt(freedom / random.chisquare(freedom, (simulations, 1)))
    mean = sample.mean() + deviation / np.sqrt(sample.size) * random.standard_normal((simulations, 1))
    drawn = mean + deviation * random.standard_normal((simulations, further))
    return np.concatenate([np.broadcast_to(sample, (simulations, sample.size)), drawn], axis=1)


def _sample(values: Sequence[float]) -> Floats:
    """The values as a vector; a NaN would make every comparison silently false.

    Raises:
        ValueError: a value is not finite, or there is more than one axis.
    """
    sample = np.asarray(values, float)
    if sample.ndim != 1 or not np.isfinite(sample).all():
        raise ValueError(f"expected a sequence of finite numbers, got {values!r}"[:200])
    return sample


def _t_statistics(values: ArrayLike | Estimate, low: float, high: float) -> tuple[Floats, Floats, int]:
    """How far, in standard errors, the mean lies above ``low`` and below ``high``, and the degrees of freedom.

    Without any spread the distance is infinite, towards the side on which the mean lies (a limit is inside).
    """
    estimate = values if isinstance(values, Estimate) else mean_of(values)
    mean, error = estimate.mean, estimate.error

    def distance(difference: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(error > 0, difference / error, np.where(difference >= 0, np.inf, -np.inf))

    return distance(mean - low), distance(high - mean), estimate.freedom
