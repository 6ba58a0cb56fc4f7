"""How often verdicts find a true order, and how far accuracies differ from seed to seed."""

from collections.abc import Iterable, Sequence
from statistics import stdev

import pandas as pd

from sepconv.report.frames.runs import current_runs
from sepconv.results.store import Results
from sepconv.spec import Budget, Paper
from sepconv.verdicts import calibration
from sepconv.verdicts.samples import MIN_SEEDS, settled


def power(margins: Sequence[float], noise: float, seeds: Sequence[int], simulations: int = 2000) -> pd.DataFrame:
    """How often two networks that are ``margin`` points apart are found in their order, over the number of seeds.

    ``noise`` is the standard deviation over seeds of each accuracy. Columns: ``check``, ``margin``, ``noise``,
    ``seeds`` and ``decided`` (0 to 1).
    """
    table = calibration.calibrate(simulations, margins=margins, noises=(noise,), seeds=seeds)
    return table.loc[table["check"] == "one order", ["check", "margin", "noise", "seeds", "decided"]]


def seed_noise(paper: Paper, results: Results, budgets: Iterable[Budget]) -> pd.DataFrame:
    """Standard deviation of the test accuracy over seeds, in points, where there are enough of them for a verdict.

    Columns: ``paper``, ``experiment``, ``budget``, ``seeds`` and ``deviation``.
    """
    samples = {(e.name, b): current_runs(paper, results, e.name, b) for b in budgets for e in paper.experiments}
    rows = [
        (
            paper.key,
            name,
            str(budget),
            len(sample),
            stdev(r.final.test_accuracy for r in map(settled, sample) if r.final),
        )
        for (name, budget), sample in samples.items()
        if len(sample) >= MIN_SEEDS
    ]
    return pd.DataFrame(rows, columns=["paper", "experiment", "budget", "seeds", "deviation"])
