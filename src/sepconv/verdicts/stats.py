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


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Mean with its Student-t interval, ``mean ± t·s/√n``; None for fewer than two values."""
    sample = _sample(values)
    if sample.size < 2:
        return None
    return _symmetric(sample, float(sample.std(ddof=1)) / math.sqrt(sample.size), confidence)


def prediction_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Where one more run is expected, ``mean ± t·s·√(1 + 1/n)``; None for fewer than two values."""
    sample = _sample(values)
    if sample.size < 2:
        return None
    return _symmetric(sample, float(sample.std(ddof=1)) * math.sqrt(1 + 1 / sample.size), confidence)


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


def equivalence(values: ArrayLike, low: float, high: float) -> Floats:
    """p-value of two one-sided t tests (TOST) of the null hypothesis that the mean lies outside ``[low, high]``.

    Shape ``(..., n)`` with ``n >= 2`` gives ``(...)``. At most ``a`` exactly when the ``1 - 2a`` interval of the mean
    lies inside ``[low, high]`` (Schuirmann 1987, doi:10.1007/BF01068419).
    """
    above_low, below_high, freedom = _t_statistics(values, low, high)
    return np.asarray(stats.t.sf(np.minimum(above_low, below_high), freedom))


def exclusion(values: ArrayLike, low: float, high: float) -> Floats:
    """p-value of the one-sided t test of the null hypothesis that the mean lies inside ``[low, high]``.

    Shape ``(..., n)`` with ``n >= 2`` gives ``(...)``. Less than ``a`` exactly when the ``1 - 2a`` interval of the mean
    and ``[low, high]`` are disjoint.
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

    Returns:
        None for fewer than two values, and where ``MOST_SEEDS`` would not decide.
    """
    sample = _sample(values)
    if sample.size < 2:
        return None
    n = np.arange(sample.size, MOST_SEEDS + 1)
    mean, error = sample.mean(), sample.std(ddof=1) / np.sqrt(n)
    tail = np.array([level(seeds) for seeds in n.tolist()]) / 2
    inner = stats.t.isf(tail, n - 1) * error
    outer = stats.t.isf(tail / comparisons, n - 1) * error
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


def _symmetric(sample: Floats, scale: float, confidence: float) -> Interval:
    """``mean ± t·scale``."""
    mean = float(sample.mean())
    half = float(stats.t.ppf((1 + confidence) / 2, sample.size - 1) * scale)
    return Interval(mean, mean - half, mean + half, sample.size, confidence)


def _t_statistics(values: ArrayLike, low: float, high: float) -> tuple[Floats, Floats, int]:
    """How far, in standard errors, the mean lies above ``low`` and below ``high``, and the degrees of freedom.

    Without any spread the distance is infinite, towards the side on which the mean lies (a limit is inside).
    """
    sample = np.asarray(values, float)
    n = sample.shape[-1]
    mean, error = sample.mean(axis=-1), sample.std(axis=-1, ddof=1) / np.sqrt(n)

    def distance(difference: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(error > 0, difference / error, np.where(difference >= 0, np.inf, -np.inf))

    return distance(mean - low), distance(high - mean), n - 1
