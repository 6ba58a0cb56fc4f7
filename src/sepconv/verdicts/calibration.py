"""How often the verdict rules err: simulated reproductions with known truth, through the rules that judge the papers.

The truth is given as a margin: how many points the true value lies inside the criterion's limit (the claim is true), on
the limit (the hardest case), or outside of it (the claim is false by so much).
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
import pandas as pd

from sepconv.spec import Check, Ordered, Quantity, Within, higher
from sepconv.verdicts import rules
from sepconv.verdicts.judge import questions
from sepconv.verdicts.stats import Floats

MARGINS = (1.0, 0.0, -1.0, -2.0, -4.0)  # points
NOISES = (0.3, 0.6, 1.0)  # standard deviation of an accuracy over seeds, in points
SEEDS = (3, 5, 10)

_ORDER = higher("test_accuracy", of="a", than="b")
CHECKS: dict[str, Check] = {
    "value within ± 1": Within((Quantity("test_accuracy", "a"),), low=-1, high=1),
    "one order": _ORDER,
    "three orders": Ordered(3 * _ORDER.pairs),
}

Shape = Callable[[np.random.Generator, tuple[int, ...]], Floats]
# Seed noise of mean 0 and standard deviation 1. Student's t assumes the normal; the others show what hangs on that.
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


def worst(cells: pd.DataFrame) -> pd.DataFrame:
    """The line with the highest ``wrong`` for each ``check``, ``shape`` and number of ``seeds``.

    ``error`` is the standard error that the number of simulations leaves.
    """
    highest = cells.loc[cells.groupby(["check", "shape", "seeds"], sort=False)["wrong"].idxmax()]
    error = np.sqrt(highest["wrong"] * (1 - highest["wrong"]) / highest["simulations"])
    return highest[["check", "shape", "seeds", "margin", "noise", "wrong"]].assign(error=error)


def _simulate(cell: Cell, simulations: int, random_state: list[int]) -> dict[str, object]:
    random = np.random.default_rng(random_state)
    asked = questions(CHECKS[cell.check])
    evidence = []
    for question, margin in zip(asked, (cell.margin, *(len(asked) - 1) * (1.0,)), strict=True):
        values = question.low + margin + _noise(random, cell, simulations, len(question.terms))
        evidence.append(rules.correct(rules.weigh(values, *question.limits), len(asked)))
    decisions = rules.decide(rules.combine(evidence))
    reproduced, not_reproduced = float(np.mean(decisions == 1)), float(np.mean(decisions == -1))
    wrong = {1: not_reproduced, 0: max(reproduced, not_reproduced), -1: reproduced}
    return asdict(cell) | {
        "simulations": simulations,
        "reproduced": reproduced,
        "not_reproduced": not_reproduced,
        "inconclusive": float(np.mean(decisions == 0)),
        "wrong": wrong[int(np.sign(cell.margin))],
        "decided": reproduced if cell.margin > 0 else not_reproduced,
    }


def _noise(random: np.random.Generator, cell: Cell, simulations: int, terms: int) -> Floats:
    """Seed noise ``(simulations, seeds)`` of one accuracy, or of the difference of two."""
    draws = cell.noise * SHAPES[cell.shape](random, (2, simulations, cell.seeds))
    return np.subtract(draws[0], draws[1]) if terms == 2 else np.asarray(draws[0])
