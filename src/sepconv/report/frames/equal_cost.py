"""Questions at equal cost: accuracies over each cost, the deltas, where separable networks break even, the tuning."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, geometric_mean

import numpy as np
import pandas as pd

from sepconv.criteria import COST_PHRASES
from sepconv.papers import ours2026
from sepconv.results.store import Results
from sepconv.spec import AheadAtEqualCost, Budget, CostName, Paper, Quantity, Run
from sepconv.verdicts import costs, stats
from sepconv.verdicts.rules import Judgement
from sepconv.verdicts.samples import MIN_SEEDS, Selection
from sepconv.verdicts.stats import Floats

TIMES: tuple[CostName, ...] = ("engine_seconds", "fit_seconds", "latency_p50_1", "latency_p50_64")


def accuracies_over_cost(paper: Paper, results: Results, budget: Budget = Budget.PAPER) -> pd.DataFrame:
    """Every seed of every network that a question at equal cost compares, beside each cost that is known of all.

    Columns: ``panel`` (the cost, and the machine of a time), ``network``, ``kind``, ``cost``, ``seed``, ``accuracy``.
    """
    selection = Selection(paper, results, budget)
    rows = [
        (_panel(cost, machine), paper.labels[quantity.of], _kind(paper, quantity.of), known[quantity.of], seed, value)
        for check, cost in _asked(paper)
        for machine, known in costs.known_everywhere(cost, [q.of for q in _quantities(check)], selection).items()
        for quantity in _quantities(check)
        for (seed, _), value in selection.sample(quantity).values.items()
    ]
    return pd.DataFrame(rows, columns=["panel", "network", "kind", "cost", "seed", "accuracy"])


def deltas(paper: Paper, judgements: Iterable[Judgement], results: Results) -> pd.DataFrame:
    """The Bjøntegaard delta of each question at equal cost, on each machine where it was answered.

    Columns: ``question``, ``what`` (the cost, and the machine of a time), ``delta`` (points), ``low`` and ``high`` (its
    95 % interval), ``margin``, ``verdict`` and ``times_cheaper`` (the horizontal delta; NaN where there is none).
    """
    selection = Selection(paper, results)
    rows = []
    for judgement in judgements:
        check = judgement.claim.check
        if not isinstance(check, AheadAtEqualCost):
            continue
        asked = [known for cost in check.costs for known in costs.comparable(cost, check, selection)]
        for part, known in zip(judgement.parts, asked, strict=False):
            if part.estimate is not None:
                what = _panel(known.cost, known.machine)
                limits = (part.estimate, part.low, part.high, check.margin, str(part.verdict))
                rows.append((judgement.claim.id, what, *limits, _times_cheaper(check, known, selection)))
    columns = ["question", "what", "delta", "low", "high", "margin", "verdict", "times_cheaper"]
    frame = pd.DataFrame(rows, columns=columns)
    numbers = ["delta", "low", "high", "margin", "times_cheaper"]
    return frame.astype(dict.fromkeys(numbers, float))


def pairs_of_widths(paper: Paper, results: Results) -> pd.DataFrame:
    """Networks of about the same mult-adds: the difference of their mean accuracies, and P(A > B).

    Columns: ``first``, ``second``, ``seeds`` (of the one with fewer), ``difference`` (points) and ``superiority``.
    """
    selection = Selection(paper, results)
    rows = []
    for first, second in zip(ours2026.SEPARABLE, ours2026.STANDARD, strict=True):
        samples = [
            [*selection.sample(Quantity("test_accuracy", experiment.name)).values.values()]
            for experiment in (first, second)
        ]
        if all(samples):
            difference = fmean(samples[0]) - fmean(samples[1])
            rows.append((first.label, second.label, min(map(len, samples)), difference, stats.superiority(*samples)))
    return pd.DataFrame(rows, columns=["first", "second", "seeds", "difference", "superiority"])


def break_even(paper: Paper, results: Results, slowdowns: Sequence[float]) -> pd.DataFrame:
    """The delta at equal time, were a separable network so many times as slow per mult-add as a standard one.

    Columns: ``slowdown``, ``delta`` (points), ``low`` and ``high`` (its 95 % interval; NaN below three seeds). Without
    rows where the mult-adds or the runs are not there; slowdowns at which the two ranges do not overlap are left out.
    """
    selection, columns = Selection(paper, results), ["slowdown", "delta", "low", "high"]
    check = next(check for check, cost in _asked(paper) if cost == "mult_adds")
    known = costs.known_everywhere("mult_adds", [q.of for q in _quantities(check)], selection).get(costs.COUNTED)
    groups = _shared_groups(check, selection)
    if known is None or not groups.size:
        return pd.DataFrame(columns=columns, dtype=float)
    first, second = (np.array([known[quantity.of] for quantity in side]) for side in (check.first, check.second))
    rows = [row for slowdown in slowdowns if (row := _at_slowdown(slowdown, first, second, groups))]
    return pd.DataFrame(rows, columns=columns)


def slowdowns(paper: Paper, results: Results) -> pd.DataFrame:
    """How many times as slow per mult-add the separable networks are, as measured on each machine.

    The geometric mean over the networks of one kind over that of the other. Columns: ``what`` and ``slowdown``.
    """
    selection = Selection(paper, results)
    kinds = [[experiment.name for experiment in kind] for kind in (ours2026.SEPARABLE, ours2026.STANDARD)]
    names = [name for kind in kinds for name in kind]
    counted = costs.known_everywhere("mult_adds", names, selection).get(costs.COUNTED, {})
    rows = []
    for cost in TIMES if counted else ():
        for machine, known in costs.known_everywhere(cost, names, selection).items():
            separable, standard = (geometric_mean(known[name] / counted[name] for name in kind) for kind in kinds)
            rows.append((_panel(cost, machine), separable / standard))
    return pd.DataFrame(rows, columns=["what", "slowdown"])


def tuning(results: Results) -> pd.DataFrame:
    """The tuning runs of our study: columns ``kind``, ``rate``, ``decayed``, ``seeds``, ``accuracy`` (%), ``chosen``.

    ``accuracy`` is on the images held out, NaN where there is no run; ``chosen`` is what the recipe records.
    """
    there = {run.run_id: run.final.val_accuracy for run in results.runs if run.final}
    rows = []
    for kind, settings in ours2026.SETTINGS.items():
        for setting in settings:
            experiment = ours2026.tuning(kind)[setting]
            ids = [Run("ours2026", experiment, Budget.PAPER, seed).id for seed in ours2026.TUNING_SEEDS]
            found = [there[id_] for id_ in ids if id_ in there]
            chosen = setting == ours2026.CHOSEN[kind]
            decayed = "yes" if setting.decay_depthwise else "no"
            accuracy = fmean(found) if found else float("nan")
            rows.append((kind, setting.rate, decayed, len(found), accuracy, chosen))
    return pd.DataFrame(rows, columns=["kind", "rate", "decayed", "seeds", "accuracy", "chosen"])


def _asked(paper: Paper) -> Iterator[tuple[AheadAtEqualCost, CostName]]:
    for claim in paper.claims:
        if isinstance(claim.check, AheadAtEqualCost):
            yield from ((claim.check, cost) for cost in claim.check.costs)


def _quantities(check: AheadAtEqualCost) -> tuple[Quantity, ...]:
    return (*check.first, *check.second)


def _panel(cost: CostName, machine: str) -> str:
    return f"{COST_PHRASES[cost]}, {machine}" if machine else COST_PHRASES[cost]


def _kind(paper: Paper, name: str) -> str:
    return str(paper.experiment(name).network.options["convolution"])


def _times_cheaper(check: AheadAtEqualCost, known: costs.Comparable, selection: Selection) -> float | None:
    names = [quantity.of for quantity in _quantities(check)]
    found: Mapping[str, float] = costs.known_everywhere(known.cost, names, selection)[known.machine]
    sides = (
        ([found[quantity.of] for quantity in side], [_mean(quantity, selection) for quantity in side])
        for side in (check.first, check.second)
    )
    return stats.times_cheaper(*(numbers for side in sides for numbers in side))


def _mean(quantity: Quantity, selection: Selection) -> float:
    return fmean(selection.sample(quantity).values.values())


def _shared_groups(check: AheadAtEqualCost, selection: Selection) -> Floats:
    """Accuracies ``(networks, seeds)`` over the seeds that all networks have."""
    samples = [selection.sample(quantity).values for quantity in _quantities(check)]
    shared = sorted(set.intersection(*(set(values) for values in samples)))
    return np.array([[values[key] for key in shared] for values in samples])


def _at_slowdown(slowdown: float, first: Floats, second: Floats, groups: Floats) -> tuple[float, ...] | None:
    try:
        weights = np.concatenate(stats.delta_weights(slowdown * first, second))
    except ValueError:
        return None  # no time that both kinds take
    delta, seeds = float(groups.mean(axis=1) @ weights), groups.shape[1]
    if seeds < MIN_SEEDS:
        return slowdown, delta, float("nan"), float("nan")
    interval = stats.contrast(groups, weights).interval(seeds)
    return slowdown, delta, interval.low, interval.high
