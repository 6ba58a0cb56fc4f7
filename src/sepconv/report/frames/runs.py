"""Runs: their epochs, accuracies and machines, those made twice or in two precisions."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import permutations
from operator import attrgetter
from statistics import fmean

import pandas as pd

from sepconv import papers
from sepconv.results.records import RunResult, measured_on
from sepconv.results.store import Results
from sepconv.spec import REFERENCE_PRECISION, Budget, Experiment, Paper, Quantity, Run, SpecError, to_json
from sepconv.verdicts import rules, stats
from sepconv.verdicts.judge import Question, answer
from sepconv.verdicts.samples import MIN_SEEDS, Selection, settled

WHOLE_BUDGETS = (Budget.PAPER, Budget.DOUBLE, Budget.SHORT)  # the longest first; smoke only shows that the code works
HISTORY = ("network", "experiment", "budget", "schedule", "seed", "epoch",
           "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy")  # fmt: skip
RUNS = ("run", "status", "epochs", "train_accuracy", "val_accuracy", "test_accuracy", "minutes", "device", "backend",
        "precision", "exact_products", "commit", "run_id")  # fmt: skip


def shown(budget: str) -> tuple[Budget, ...]:
    """The budgets that a page shows when it is asked for ``budget``: it, and the shorter ones, but for smoke.

    Raises:
        SpecError: an unknown budget; the message lists those that exist.
    """
    if budget not in list(Budget):
        raise SpecError(f"unknown budget: expected {', '.join(Budget)}; got {budget}")
    return WHOLE_BUDGETS[WHOLE_BUDGETS.index(Budget(budget)) :] if budget in WHOLE_BUDGETS else (Budget(budget),)


def current_runs(paper: Paper, results: Results, name: str, budget: Budget) -> list[RunResult]:
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
        | {key: value for key, value in asdict(epoch).items() if key in HISTORY}
        for budget in budgets
        for name, label in names.items()
        for run in current_runs(paper, results, name, budget)
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


def logged(paper: Paper, names: Mapping[str, str]) -> pd.DataFrame:
    """Every epoch that the authors printed of several experiments, in the columns of ``HISTORY``.

    Args:
        paper: whose log.
        names: what to call each experiment.

    Raises:
        SpecError: the authors published no log of one of them.
    """
    epochs = pd.concat([log(paper, name).assign(network=label) for name, label in names.items()], ignore_index=True)
    theirs = epochs.assign(budget=str(Budget.PAPER), schedule="the authors' log", seed=0)
    return theirs.reindex(columns=list(HISTORY))


def log_leads(paper: Paper, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """By how much one network leads another in the authors' log, at equal epochs and at equal time.

    Equal time is that of the other's epochs and evaluations so far. Columns: ``experiment``, ``other``, ``held_equal``
    (``epochs`` or ``seconds``), ``epoch`` and ``other_epoch`` (that are compared), ``accuracy`` and ``other_accuracy``
    (test, %), and ``lead`` (points).

    Args:
        paper: whose log.
        pairs: names of experiments, each with that of the other.

    Raises:
        SpecError: the authors published no log of one of them.
    """
    leads = [
        _leads(log(paper, name), log(paper, other), held_equal).assign(
            experiment=name, other=other, held_equal=held_equal
        )
        for name, other in pairs
        for held_equal in ("epochs", "seconds")
    ]
    columns = ["experiment", "other", "held_equal", "epoch", "other_epoch", "accuracy", "other_accuracy", "lead"]
    return pd.concat(leads, ignore_index=True)[columns]


def accuracies(paper: Paper, results: Results, names: Iterable[str], budgets: Iterable[Budget]) -> pd.DataFrame:
    """Mean accuracies after the last epoch, one row per experiment and budget, with 95 % intervals from two seeds on.

    Columns: ``experiment``, ``budget``, ``schedule``, ``seeds`` and, for train, validation and test accuracy (%), the
    mean, ``…_low`` and ``…_high``.
    """
    found = {(name, budget): current_runs(paper, results, name, budget) for budget in budgets for name in names}
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
    cards = {e.device for e in environments if e.accelerator}
    processors = {e.device_title for e in environments if not e.accelerator}
    found = {
        "Operating system": {e.system for e in environments},
        "Graphics card": cards | ({f"none, but {' and '.join(sorted(processors))}"} if processors else set()),
        "Development environment": {f"Keras {e.keras}, {e.backend} {e.backend_version}" for e in environments},
        "Programming language": {f"Python {e.python}" for e in environments},
    }
    return {name: "; ".join(sorted(values)) or "no run yet" for name, values in found.items()}


def all_runs(results: Results) -> pd.DataFrame:
    """Every run: columns ``RUNS``; accuracies in percent, missing where a run diverged, and minutes of all its work."""
    return pd.DataFrame(map(_run_row, sorted(results.runs, key=attrgetter("key"))), columns=list(RUNS))


def precisions(all_papers: Iterable[Paper], results: Results, budgets: Iterable[Budget]) -> pd.DataFrame:
    """Experiments that differ in their precision only, held against each other: one row per pair and budget.

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


def _run_row(run: RunResult) -> dict[str, object]:
    there, final = run.environment, run.final.model_dump() if run.final else {}
    return {
        "run": run.key,
        "status": run.status,
        "epochs": len(run.history),
        **{name: final.get(name) for name in ("train_accuracy", "val_accuracy", "test_accuracy")},
        "minutes": (run.seconds.compile + run.seconds.train + run.seconds.evaluate) / 60,
        "device": there.device_title,
        "backend": f"{there.backend} {there.backend_version}",
        "precision": run.spec["recipe"].get("precision"),
        "exact_products": there.exact_products,
        "commit": there.git_commit,
        "run_id": run.run_id,
    }


def _leads(log: pd.DataFrame, other: pd.DataFrame, held_equal: str) -> pd.DataFrame:
    """Each epoch of ``other`` beside the epoch of ``log`` that it is compared with, where there is one."""
    passed, passed_there = ((of["train_seconds"] + of["test_seconds"]).cumsum() for of in (log, other))
    ended = passed.searchsorted(passed_there, side="right")  # epochs of log by the end of each epoch of other
    theirs = {"other_epoch": other["epoch"], "other_accuracy": other["val_accuracy"]}
    compared = pd.DataFrame(theirs | {"epoch": other["epoch"] if held_equal == "epochs" else ended})
    compared = compared.merge(log[["epoch", "val_accuracy"]].rename(columns={"val_accuracy": "accuracy"}), on="epoch")
    return compared.assign(lead=compared["accuracy"] - compared["other_accuracy"])


def _accuracy_row(name: str, budget: Budget, sample: list[RunResult]) -> dict[str, object]:
    row: dict[str, object] = {"experiment": name, "budget": str(budget), "schedule": schedule(sample[0])}
    row["seeds"] = len(sample)
    for metric in ("train_accuracy", "val_accuracy", "test_accuracy"):
        values = [getattr(settled(run).final, metric) for run in sample]
        interval = stats.mean_interval(values)
        row[metric] = fmean(values)
        row[f"{metric}_low"], row[f"{metric}_high"] = (interval.low, interval.high) if interval else (None, None)
    return row


def _precision_pairs(paper: Paper) -> list[tuple[str, str]]:
    """Names of the experiments in float32, each with that of one that is the same in another precision."""
    trained = [e for e in paper.experiments if e.recipe]
    same = [(a, b) for a, b in permutations(trained, 2) if _but_for_precision(a) == _but_for_precision(b)]
    return [(a.name, b.name) for a, b in same if a.recipe and a.recipe.precision == REFERENCE_PRECISION]


def _but_for_precision(experiment: Experiment) -> dict[str, object]:
    """An experiment without its name, its prose and its precision."""
    spec = to_json(experiment)
    recipe = {name: value for name, value in spec["recipe"].items() if name not in ("precision", "sources")}
    return {"network": spec["network"], "dataset": spec["dataset"], "recipe": recipe}


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
    recorded = run.model_dump()
    measured = [*recorded["history"], recorded["final"] or {}]
    named = [item for part in measured for item in part.items() if item[1] is not None]
    return {kind: [value for name, value in named if name.endswith(kind)] for kind in ("accuracy", "loss")}
