"""Results as tidy data frames, one observation a row: what figures are drawn from and readers download."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, permutations
from math import ceil, inf
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pandas as pd

from sepconv import papers
from sepconv.measuring import roofline
from sepconv.results.records import CostResult, LatencyResult, Layer, RunResult, measured_on
from sepconv.results.store import Results
from sepconv.spec import REFERENCE_PRECISION, Budget, Experiment, Paper, Quantity, Run, Schedule, SpecError, to_json
from sepconv.training.schedule import learning_rates as step_rates
from sepconv.verdicts import calibration, rules, stats
from sepconv.verdicts.judge import Question, answer
from sepconv.verdicts.samples import MIN_SEEDS, Selection
from sepconv.verdicts.sentences import listed

WHOLE_BUDGETS = (Budget.PAPER, Budget.REDUCED)  # from the most telling on; smoke only shows that the code works
HISTORY = ("network", "experiment", "budget", "schedule", "seed", "epoch",
           "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy")  # fmt: skip
_CONVOLUTIONS = {
    "Conv2D": "standard",
    "Conv2DTranspose": "transposed",
    "DepthwiseConv2D": "depthwise",
}


def shown(budget: str) -> tuple[Budget, ...]:
    """The budgets that a page shows when it is asked for ``budget``: it, and below the paper's own the reduced one.

    Raises:
        SpecError: an unknown budget; the message lists those that exist.
    """
    if budget not in list(Budget):
        raise SpecError(f"unknown budget: expected {', '.join(Budget)}; got {budget}")
    return WHOLE_BUDGETS[WHOLE_BUDGETS.index(Budget(budget)) :] if budget in WHOLE_BUDGETS else (Budget(budget),)


def runs(paper: Paper, results: Results, name: str, budget: Budget) -> list[RunResult]:
    """Complete runs of one experiment by seed, without those of another recipe than the paper's module states today."""
    experiment = paper.experiment(name)
    found = results.runs_of(paper.key, name, budget)
    return [r for r in found if r.run_id == Run(paper.key, experiment, budget, r.seed).id]


def history(paper: Paper, results: Results, names: Mapping[str, str], budgets: Iterable[Budget]) -> pd.DataFrame:
    """Every epoch of every run: columns ``HISTORY``; losses are means, accuracies in percent.

    Args:
        paper: whose experiments.
        results: all of them.
        names: what to call each experiment.
        budgets: which.
    """
    rows = [
        {"network": label, "experiment": name, "budget": str(budget), "schedule": schedule(run), "seed": run.seed}
        | {key: value for key, value in epoch.model_dump().items() if key in HISTORY}
        for budget in budgets
        for name, label in names.items()
        for run in runs(paper, results, name, budget)
        for epoch in run.history
    ]
    return pd.DataFrame(rows, columns=list(HISTORY))


def schedule(run: RunResult) -> str:
    """How much was trained, in words: ``5 epochs of 8,000 images``."""
    return f"{run.spec['scale']['epochs']} epochs of {run.spec['scale']['train_images']:,} images"


def log(paper: Paper, experiment: str) -> pd.DataFrame:
    """What the authors printed of each epoch of one experiment, in the columns of ``HISTORY`` that they have.

    Raises:
        SpecError: they published no log of it.
    """
    found = papers.training_log(paper)
    if found is None or experiment not in set(found["experiment"]):
        raise SpecError(f"{paper.key}: expected an experiment with the authors' log, got {experiment}")
    return found[found["experiment"] == experiment].rename(columns={"test_accuracy": "val_accuracy"})


def accuracies(paper: Paper, results: Results, names: Iterable[str], budgets: Iterable[Budget]) -> pd.DataFrame:
    """Mean accuracies after the last epoch, one row an experiment and budget, with 95 % intervals from two seeds on.

    Columns: ``experiment``, ``budget``, ``schedule``, ``seeds`` and, for train, validation and test accuracy (%), the
    mean, ``…_low`` and ``…_high``.
    """
    found = {(name, budget): runs(paper, results, name, budget) for budget in budgets for name in names}
    return pd.DataFrame([_accuracy_row(name, budget, sample) for (name, budget), sample in found.items() if sample])


def accuracy_text(paper: Paper, results: Results, name: str, metric: str, budgets: Iterable[Budget]) -> str:
    """An experiment's accuracy after the last epoch in words, at the first of ``budgets`` that it was run at."""
    for row in accuracies(paper, results, [name], budgets).to_dict("records"):
        sure = f" ± {(row[f'{metric}_high'] - row[f'{metric}_low']) / 2:.1f}" if row["seeds"] >= MIN_SEEDS else ""
        return f"{row[metric]:.1f}{sure} % (budget {row['budget']}, n = {row['seeds']})"
    return "not run"


def systems(paper: Paper, results: Results) -> dict[str, str]:
    """What our runs of a paper were made with, under the names of tseng2020's Table 4."""
    environments = [run.environment for run in results.runs if run.paper == paper.key]
    found = {
        "Operating system": {e.system for e in environments},
        "Graphics card": {e.device if e.accelerator else f"none; {e.device}" for e in environments},
        "Development environment": {f"Keras {e.keras}, {e.backend} {e.backend_version}" for e in environments},
        "Programming language": {f"Python {e.python}" for e in environments},
    }
    return {name: "; ".join(sorted(values)) or "no run yet" for name, values in found.items()}


def costs(all_papers: Iterable[Paper], results: Results, budgets: Sequence[Budget]) -> pd.DataFrame:
    """Test accuracy and costs of every network trained in float32, at the first of ``budgets`` that it was run at.

    Columns: ``paper``, ``experiment``, ``group`` (what shares images and augmentation), ``convolution``, ``budget``,
    ``seeds``, ``accuracy`` (%), ``num_params``, ``mult_adds`` (one image) and ``training_step_bytes`` (one batch).
    """
    rows = []
    for paper in all_papers:
        for experiment in paper.experiments:
            cost = results.cost_of(paper.key, experiment.name)
            found = next((f for b in budgets if (f := runs(paper, results, experiment.name, b))), [])
            if cost is not None and found and found[0].spec["recipe"]["precision"] == REFERENCE_PRECISION:
                rows.append(_cost_row(paper, experiment, cost, found))
    return pd.DataFrame(rows)


def layers(*costs: CostResult) -> pd.DataFrame:
    """Every layer of networks as counted: ``experiment`` and the fields of :class:`sepconv.results.records.Layer`."""
    return pd.DataFrame([{"experiment": c.experiment, **layer.model_dump()} for c in costs for layer in c.layers])


def intensity(costs_by_label: Mapping[str, CostResult], batch_size: int) -> pd.DataFrame:
    """Arithmetic intensity of every convolution of networks, forward, in operations per byte.

    Columns: ``network``, ``layer`` (its place in the network, from 1), ``name``, ``convolution``, ``mult_adds`` (one
    image), ``bytes_moved`` (one batch) and ``intensity``.
    """
    rows = [
        {
            "network": label,
            "layer": number,
            "name": layer.name,
            "convolution": "pointwise" if layer.filter_shape[:2] == (1, 1) else _CONVOLUTIONS[layer.type],
            "mult_adds": layer.mult_adds,
            "bytes_moved": roofline.bytes_moved(layer, batch_size),
            "intensity": roofline.arithmetic_intensity(layer, batch_size),
        }
        for label, cost in costs_by_label.items()
        for number, layers in enumerate(_blocks(cost), 1)
        for layer in layers
        if layer.type in _CONVOLUTIONS
    ]
    return pd.DataFrame(rows)


def time_ratios(first: CostResult, second: CostResult, batch_size: int, balances: Iterable[float]) -> pd.DataFrame:
    """How many times as long ``first`` takes as ``second`` on a device of each balance: ``balance``, ``ratio``."""
    rows = [(balance, roofline.time_ratio(first, second, batch_size, balance)) for balance in balances]
    return pd.DataFrame(rows, columns=["balance", "ratio"])


def power(margins: Sequence[float], noise: float, seeds: Sequence[int], simulations: int = 2000) -> pd.DataFrame:
    """How often two networks that are ``margin`` points apart are found in their order, over the number of seeds.

    ``noise`` is the standard deviation over seeds of each accuracy. Columns: ``check``, ``margin``, ``noise``,
    ``seeds`` and ``decided`` (0 to 1).
    """
    table = calibration.calibrate(simulations, margins=margins, noises=(noise,), seeds=seeds)
    return table.loc[table["check"] == "one order", ["check", "margin", "noise", "seeds", "decided"]]


def learning_rates(paper: Paper) -> pd.DataFrame:
    """The schedules of a paper's recipes: the learning rate at the start of each epoch, and at the last step.

    Columns: ``paper``, ``schedule`` (whose, and for how many epochs), ``epoch`` (trained so far), ``learning_rate`` and
    ``named``: the first, the highest and the last, which are what a schedule is stated by.
    """
    sharing: dict[tuple[Schedule, int], list[str]] = {}
    for name, recipe in ((e.name, e.recipe) for e in paper.experiments if e.recipe):
        sharing.setdefault((recipe.schedule, recipe.epochs), []).append(name)
    found = [_learning_rates(paper, names) for names in sharing.values()]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def seed_noise(paper: Paper, results: Results, budgets: Iterable[Budget]) -> pd.DataFrame:
    """Standard deviation of the test accuracy over seeds, in points, where there are enough of them for a verdict.

    Columns: ``paper``, ``experiment``, ``budget``, ``seeds`` and ``deviation``.
    """
    samples = {(e.name, b): runs(paper, results, e.name, b) for b in budgets for e in paper.experiments}
    rows = [
        (paper.key, name, str(budget), len(sample), stdev(run.final.test_accuracy for run in sample if run.final))
        for (name, budget), sample in samples.items()
        if len(sample) >= MIN_SEEDS
    ]
    return pd.DataFrame(rows, columns=["paper", "experiment", "budget", "seeds", "deviation"])


def precisions(all_papers: Iterable[Paper], results: Results, budgets: Iterable[Budget]) -> pd.DataFrame:
    """Experiments that differ in their precision only, held against each other: one row a pair and budget.

    Columns: ``paper``, ``experiment`` (in float32), ``other``, ``budget``, ``seeds`` (that both have), ``reference``
    and ``accuracy`` (mean test accuracy of either, %), ``difference`` (points) with its 95 % interval ``low`` and
    ``high`` (none below three seeds), and ``verdict``.
    """
    places = [(paper, pair, budget) for paper in all_papers for pair in _precision_pairs(paper) for budget in budgets]
    return pd.DataFrame([_precision_row(Selection(paper, results, b), *pair) for paper, pair, b in places])


def repeats(results: Results, again: Results) -> pd.DataFrame:
    """Runs that were made twice from the same seed: one row each.

    Columns: ``run``, ``same_machine`` and ``same_code`` (whether both ran there, and from one commit), ``equal``
    (whether every number that both measured is, to the last bit), and the largest deviation of any epoch's or the final
    ``accuracy`` (points) and ``loss``.
    """
    first = {(run.key, run.run_id): run for run in results.runs}
    pairs = [(first[run.key, run.run_id], run) for run in again.runs if (run.key, run.run_id) in first]
    return pd.DataFrame([_repeat_row(*pair) for pair in sorted(pairs, key=lambda pair: pair[0].key)])


def ratios(paper: Paper, results: Results, printed: pd.DataFrame, budgets: Iterable[Budget]) -> pd.DataFrame:
    """Ratios of two networks' seconds, as printed and as we measured them on whatever machine: one row each.

    ``printed`` has a line a measurement: ``what``, ``metric`` (empty where we measure none), ``dataset`` and last the
    seconds of the two networks, in columns named as their experiments end.

    Returns:
        ``what``, ``source`` (``reported``, or our budget and device) and ``ratio``, of the first network to the second.
    """
    first, second = printed.columns[-2:]
    rows = []
    for line in printed.to_dict("records"):
        rows.append((line["what"], "reported", float(line[first]) / float(line[second])))
        if line["metric"]:
            terms = tuple(Quantity(line["metric"], f"{line['dataset']}-{name}") for name in (first, second))
            comparable = [b for b in budgets if b is Budget.PAPER or line["metric"] != "total_seconds"]  # equal epochs
            rows += [(line["what"], *row) for b in comparable for row in _measured(paper, results, terms, b)]
    return pd.DataFrame(rows, columns=["what", "source", "ratio"])


def save(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Write the frame to ``data/NAME.csv`` beside the page that offers it for download, and return it."""
    path = Path("data") / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    return frame


def _learning_rates(paper: Paper, names: list[str]) -> pd.DataFrame:
    """The schedule that these experiments share."""
    recipe = paper.experiment(names[0]).recipe
    assert recipe is not None
    steps = ceil(recipe.train_images / recipe.batch_size)
    by_step = step_rates(recipe, recipe.epochs, steps)
    rates = np.append(by_step[:, 0], by_step[-1, -1])
    epochs = np.append(np.arange(recipe.epochs), recipe.epochs - 1 / steps)
    step = np.arange(len(rates))
    named = (step == 0) | (step == rates.argmax()) | (step == step[-1])
    label = f"{listed(names)}: {recipe.epochs} epochs"
    return pd.DataFrame(
        {"paper": paper.key, "schedule": label, "epoch": epochs, "learning_rate": rates, "named": named}
    )


def _blocks(cost: CostResult) -> list[list[Layer]]:
    """Layers whose names begin alike: ``block1_conv`` and ``block1_bn``."""
    return [list(block) for _, block in groupby(cost.layers, key=lambda layer: layer.name.partition("_")[0])]


def _accuracy_row(name: str, budget: Budget, sample: list[RunResult]) -> dict[str, object]:
    row: dict[str, object] = {"experiment": name, "budget": str(budget), "schedule": schedule(sample[0])}
    row["seeds"] = len(sample)
    for metric in ("train_accuracy", "val_accuracy", "test_accuracy"):
        values = [getattr(run.final, metric) for run in sample]
        interval = stats.mean_interval(values)
        row[metric] = fmean(values)
        row[f"{metric}_low"], row[f"{metric}_high"] = (interval.low, interval.high) if interval else (None, None)
    return row


def _cost_row(paper: Paper, experiment: Experiment, cost: CostResult, sample: list[RunResult]) -> dict[str, object]:
    augmented = ", augmented" if experiment.recipe and experiment.recipe.augment else ""
    separable = any(layer.type == "DepthwiseConv2D" for layer in cost.layers)
    return {
        "paper": paper.key,
        "experiment": experiment.name,
        "group": f"{paper.key}, {experiment.dataset.upper().replace('CIFAR', 'CIFAR-')}{augmented}",
        "convolution": "depthwise separable" if separable else "standard",
        "budget": str(sample[0].budget),
        "seeds": len(sample),
        "accuracy": fmean(run.final.test_accuracy for run in sample if run.final),
        "num_params": cost.num_params,
        "mult_adds": cost.mult_adds,
        "training_step_bytes": cost.training_step_bytes,
    }


def _precision_pairs(paper: Paper) -> list[tuple[str, str]]:
    """Names of the experiments in float32, each with that of one that is the same in another precision."""
    trained = [e for e in paper.experiments if e.recipe]
    same = [(a, b) for a, b in permutations(trained, 2) if _but_for_precision(a) == _but_for_precision(b)]
    return [(a.name, b.name) for a, b in same if a.recipe and a.recipe.precision == REFERENCE_PRECISION]


def _but_for_precision(experiment: Experiment) -> dict[str, object]:
    """An experiment without its name, its prose and its precision."""
    spec = to_json(experiment)
    recipe = {name: value for name, value in spec["recipe"].items() if name not in ("precision", "sources")}
    return {"network": spec["network"], "dataset": spec["dataset"], "recipe": recipe, "reduced": spec["reduced"]}


def _precision_row(selection: Selection, name: str, other: str) -> dict[str, object]:
    terms = (Quantity("test_accuracy", other), Quantity("test_accuracy", name))
    given = answer(Question(terms, -rules.RELEVANT_DIFFERENCE, rules.RELEVANT_DIFFERENCE), selection)
    accuracy, reference = given.sides or (None, None)
    interval = stats.mean_interval(given.values) if len(given.values) >= MIN_SEEDS else None
    return {
        "paper": selection.paper.key,
        "experiment": name,
        "other": other,
        "budget": str(selection.budget),
        "seeds": len(given.values),
        "reference": reference,
        "accuracy": accuracy,
        "difference": fmean(given.values) if given.values else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "verdict": str(rules.difference(given.evidence, rules.level(len(given.values)))),
    }


def _repeat_row(first: RunResult, again: RunResult) -> dict[str, object]:
    left, right = _learned(first), _learned(again)
    apart = {name: max(abs(a - b) for a, b in zip(left[name], right[name], strict=False)) for name in left}
    here, there = first.environment, again.environment
    return {
        "run": first.key,
        "same_machine": measured_on(here) == measured_on(there),
        "same_code": here.git_commit == there.git_commit,
        "equal": left == right,
    } | apart


def _learned(run: RunResult) -> dict[str, list[float]]:
    """Every accuracy and every loss that a run measured, in order."""
    measured = [*run.history, *([run.final] if run.final else [])]
    named = [item for part in measured for item in part.model_dump().items() if item[1] is not None]
    return {kind: [value for name, value in named if name.endswith(kind)] for kind in ("accuracy", "loss")}


def _measured(
    paper: Paper, results: Results, terms: tuple[Quantity, ...], budget: Budget
) -> Iterable[tuple[str, float]]:
    """Our ratios at one budget, on any machine, seed by seed or pass by pass, with budget and device."""
    given = answer(Question(terms, 0, inf, ratio=True), Selection(paper, results, budget, any_machine=True))
    measured: list[RunResult | LatencyResult] = [*results.runs, *results.latencies]
    devices = {result.key: result.environment.device for result in measured}
    source = f"ours, budget {budget}, {', '.join(sorted({devices[key] for key in given.runs}))}"
    return [(source, ratio) for ratio in given.on_its_scale]
