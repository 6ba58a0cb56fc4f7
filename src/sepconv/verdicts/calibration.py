"""How often the verdict rules err: simulated reproductions with known truth, through the rules that judge the papers.

The truth is given as a margin: how many points the true value lies inside the criterion's limit (the claim is true), on
the limit (the hardest case), or outside of it (the claim is false by so much).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sepconv.spec import Check, Ordered, Quantity, Within, higher
from sepconv.verdicts import rules, stats
from sepconv.verdicts.judge import Question, questions
from sepconv.verdicts.samples import MIN_SEEDS
from sepconv.verdicts.stats import Floats

MARGINS = (1.0, 0.0, -1.0, -2.0, -4.0)  # points
NOISES = (0.3, 0.6, 1.0)  # standard deviation of an accuracy over seeds, in points
SEEDS = (3, 5, 10)
LOOKS = range(MIN_SEEDS, rules.MAX_SEEDS + 1)  # the seeds at which the rule for adding seeds looks

_ORDER = higher("test_accuracy", of="a", than="b")
CHECKS: dict[str, Check] = {
    "value within ± 1": Within((Quantity("test_accuracy", "a"),), low=-1, high=1),
    "one order": _ORDER,
    "three orders": Ordered(3 * _ORDER.pairs),
}

DELTA = "ahead at equal cost"
DELTA_MARGIN = 0.5  # points, of the study's questions
# Costs of four networks on either side, each twice the one before; the second side's are a tenth smaller.
DELTA_COSTS = ((8.0, 16.0, 32.0, 64.0), (7.2, 14.4, 28.8, 57.6))

Shape = Callable[[np.random.Generator, tuple[int, ...]], Floats]
# Seed noise of mean 0 and standard deviation 1. Student's t assumes the normal; the others show how much depends on it.
SHAPES: dict[str, Shape] = {
    "normal": lambda random, size: random.standard_normal(size),
    "heavy-tailed": lambda random, size: random.standard_t(5, size) / np.sqrt(5 / 3),
    "skewed": lambda random, size: 2 - random.standard_gamma(4, size) / 2,  # the odd bad run; skewness -1
}


@dataclass(frozen=True)
class Cell:
    """One line of the calibration table."""

    check: str
    shape: str
    margin: float  # of the first number that the check asks for; the others lie one point inside their limits
    noise: float
    seeds: int


def calibrate(
    simulations: int = 10_000,
    random_state: int = 0,
    shapes: Iterable[str] = ("normal",),
    margins: Iterable[float] = MARGINS,
    noises: Iterable[float] = NOISES,
    seeds: Iterable[int] = SEEDS,
) -> pd.DataFrame:
    """Simulate every combination of check, shape of the noise, margin, noise and number of seeds.

    Returns:
        One line a :class:`Cell`, with its fields and the rates (0 to 1) of ``reproduced``, ``not_reproduced`` and
        ``inconclusive`` verdicts, of ``wrong`` ones and of right ones (``decided``, the power). On the limit, where the
        truth may lie a hair to either side, ``wrong`` is the larger of the two.
    """
    cells = [Cell(*values) for values in product(CHECKS, shapes, margins, noises, seeds)]
    return pd.DataFrame([_simulate(cell, simulations, [random_state, i]) for i, cell in enumerate(cells)])


def calibrate_policy(
    simulations: int = 10_000,
    random_state: int = 0,
    shapes: Iterable[str] = ("normal",),
    margins: Iterable[float] = MARGINS,
    noises: Iterable[float] = NOISES,
) -> pd.DataFrame:
    """Simulate the rule for adding seeds: look at three seeds and after each further one, until decided or at ten.

    Returns:
        As :func:`calibrate`, where ``seeds`` is the most that are trained, and ``mean_seeds`` how many are on average.
    """
    cells = [Cell(*values) for values in product(CHECKS, shapes, margins, noises, (rules.MAX_SEEDS,))]
    return pd.DataFrame([_simulate(cell, simulations, [random_state, i], LOOKS) for i, cell in enumerate(cells)])


def calibrate_delta(
    simulations: int = 10_000,
    random_state: int = 0,
    shapes: Iterable[str] = ("normal",),
    margins: Iterable[float] = MARGINS,
    noises: Iterable[float] = NOISES,
    seeds: Iterable[int] = SEEDS,
) -> pd.DataFrame:
    """Simulate Bjøntegaard deltas of two kinds of four networks each, judged as questions at equal cost are.

    Returns:
        As :func:`calibrate`; the last number of ``seeds`` is reached in looks, as the rule for adding seeds has it.
    """
    counts = [*seeds]
    cells = [Cell(*values) for values in product((DELTA,), shapes, margins, noises, counts)]
    return pd.DataFrame(
        [
            _simulate_delta(cell, simulations, [random_state, i], LOOKS if cell.seeds == rules.MAX_SEEDS else None)
            for i, cell in enumerate(cells)
        ]
    )


def error_of_looks(levels: Sequence[float], simulations: int = 100_000, random_state: int = 0) -> float:
    """How often a claim on its limit is called reproduced at any of the looks, made at these two-sided levels.

    The truth on the limit is the hardest case. There the t statistic of normal noise has no unknown in it, so the rate
    depends on nothing but the levels.

    Args:
        levels: of the looks at three seeds, at four, and so on.
        simulations: how many reproductions.
        random_state: of the noise.
    """
    return _error(_p_values_on_the_limit(len(levels), simulations, random_state), levels)


def later_level(simulations: int = 100_000, random_state: int = 0) -> float:
    """The level of the looks after the first, from which ``rules.LEVELS`` is made.

    Of the multiples of half a percent it is the largest at which all looks together err in less than nine tenths of
    ``ALPHA``; the last tenth is left for what a simulation cannot tell.
    """
    looks = len(rules.LEVELS)
    p_values = _p_values_on_the_limit(looks, simulations, random_state)
    candidates = (halves / 200 for halves in range(round(200 * rules.ALPHA), 0, -1))
    return next(c for c in candidates if _error(p_values, (rules.ALPHA, *(looks - 1) * (c,))) < 0.9 * rules.ALPHA)


def worst(cells: pd.DataFrame) -> pd.DataFrame:
    """The line with the highest ``wrong`` for each ``check``, ``shape`` and number of ``seeds``.

    ``error`` is the standard error that the number of simulations leaves.
    """
    highest = cells.loc[cells.groupby(["check", "shape", "seeds"], sort=False)["wrong"].idxmax()]
    error = np.sqrt(highest["wrong"] * (1 - highest["wrong"]) / highest["simulations"])
    return highest[["check", "shape", "seeds", "margin", "noise", "wrong"]].assign(error=error)


def _p_values_on_the_limit(looks: int, simulations: int, random_state: int) -> Floats:
    """Two-sided p-values ``(simulations, looks)`` in favour of a claim whose truth lies on the limit."""
    noise = np.random.default_rng(random_state).standard_normal((simulations, MIN_SEEDS + looks - 1))
    return np.stack([rules.weigh(noise[:, : MIN_SEEDS + i], 0, np.inf).supports for i in range(looks)], axis=1)


def _error(p_values: Floats, levels: Sequence[float]) -> float:
    return float((p_values <= levels).any(axis=1).mean())


def _simulate(
    cell: Cell, simulations: int, random_state: list[int], looks: Iterable[int] | None = None
) -> dict[str, object]:
    """Judge simulated reproductions of a cell at its number of seeds, or at each of ``looks`` in turn until decided."""
    asked = questions(CHECKS[cell.check])
    samples = _samples(cell, asked, simulations, np.random.default_rng(random_state))
    numbers = [len(asked) * (n,) for n in looks or (cell.seeds,)]
    decisions, seeds = rules.decide_in_turn(samples, [question.limits for question in asked], numbers, len(asked))
    return _rates(cell, simulations, decisions, seeds)


def _simulate_delta(
    cell: Cell, simulations: int, random_state: list[int], looks: Iterable[int] | None
) -> dict[str, object]:
    """As :func:`_simulate`, of a weighted sum of eight accuracies whose variance is pooled."""
    first, second = stats.delta_weights(*DELTA_COSTS)
    weights = np.concatenate([first, second])
    random = np.random.default_rng(random_state)
    groups = cell.noise * SHAPES[cell.shape](random, (simulations, len(weights), cell.seeds))
    groups[:, : len(first)] += DELTA_MARGIN + cell.margin
    evidence = (
        (n, rules.weigh_contrast(groups[..., :n], weights, DELTA_MARGIN, np.inf)) for n in looks or (cell.seeds,)
    )
    return _rates(cell, simulations, *rules.first_decision(evidence))


def _rates(cell: Cell, simulations: int, decisions: NDArray[np.int8], seeds: NDArray[np.int64]) -> dict[str, object]:
    reproduced, not_reproduced = float(np.mean(decisions == 1)), float(np.mean(decisions == -1))
    wrong = {1: not_reproduced, 0: max(reproduced, not_reproduced), -1: reproduced}
    return asdict(cell) | {
        "simulations": simulations,
        "reproduced": reproduced,
        "not_reproduced": not_reproduced,
        "inconclusive": float(np.mean(decisions == 0)),
        "wrong": wrong[int(np.sign(cell.margin))],
        "decided": reproduced if cell.margin > 0 else not_reproduced,
        "mean_seeds": float(seeds.mean()),
    }


def _samples(cell: Cell, asked: Sequence[Question], simulations: int, random: np.random.Generator) -> list[Floats]:
    """The values ``(simulations, seeds)`` that each question is answered with."""
    margins = (cell.margin, *(len(asked) - 1) * (1.0,))
    return [
        question.low + margin + _noise(random, cell, simulations, len(question.terms))
        for question, margin in zip(asked, margins, strict=True)
    ]


def _noise(random: np.random.Generator, cell: Cell, simulations: int, terms: int) -> Floats:
    """Seed noise ``(simulations, seeds)`` of one accuracy, or of the difference of two."""
    draws = cell.noise * SHAPES[cell.shape](random, (2, simulations, cell.seeds))
    return np.subtract(draws[0], draws[1]) if terms == 2 else np.asarray(draws[0])
