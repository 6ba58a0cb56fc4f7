"""The papers' own pairs of networks, depthwise separable against standard: what each cost is of the other's."""

from collections.abc import Iterator
from math import inf, nan
from statistics import fmean, median

import pandas as pd

from sepconv import papers
from sepconv.report.frames.networks import data_title
from sepconv.report.frames.runs import current_runs
from sepconv.results.records import Environment
from sepconv.results.store import Results
from sepconv.spec import Budget, Paper, Quantity
from sepconv.verdicts.judge import Answer, Question, answer
from sepconv.verdicts.samples import MIN_SEEDS, Selection
from sepconv.verdicts.stats import mean_interval

# Paper, and its standard and separable network on the same images; islam2022 has no standard counterpart.
PAIRS = (
    ("tseng2020", "conv", "dsc"),
    ("yu2021", "cifar10-conv", "cifar10-dw"),
    ("yu2021", "cifar100-conv", "cifar100-dw"),
)
COUNTS = {"num_params": "weights", "mult_adds": "mult-adds", "training_step_bytes": "memory of a training step"}
PAPERS_RATIOS = ("pair", "quantity", "machine", "unit", "value", "low", "high", "seeds")
BATCH_SIZE = 64  # of the inference that is compared

Times = dict[str, float]  # seconds by the machine that they were measured on


def papers_ratios(results: Results) -> pd.DataFrame:
    """Separable against standard, for each of ``PAIRS``: ratios of costs, and the difference in test accuracy.

    Columns ``PAPERS_RATIOS``. ``quantity`` is a count, a time or the accuracy, and ``machine`` where a time was
    measured. ``value`` is separable ÷ standard where ``unit`` is ``×``, separable − standard where it is ``points``; the
    latter is over the equal seeds of the paper's own schedule, with its 95 % interval ``low`` and ``high`` from three
    seeds on. A count or accuracy that is not there yet has a row without a value, a time that is not there has none.
    """
    rows = [row for pair in PAIRS for row in _pair_rows(*pair, results)]
    frame = pd.DataFrame(rows, columns=list(PAPERS_RATIOS))
    return frame.astype({"value": float, "low": float, "high": float, "seeds": int})


def _pair_rows(key: str, standard: str, separable: str, results: Results) -> Iterator[tuple[object, ...]]:
    paper = papers.paper(key)
    pair = f"{key}, {data_title(paper.experiment(separable))}"

    def compare(metric: str, ratio: bool) -> Answer:
        terms = (Quantity(metric, separable), Quantity(metric, standard))
        return answer(Question(terms, 0, inf, ratio=ratio), Selection(paper, results))

    for metric, words in COUNTS.items():
        counted = compare(metric, ratio=True).on_its_scale
        yield pair, words, "", "×", counted[0] if counted else nan, nan, nan, 0
    for words, times in {"training time": _training_times, "inference time": _inference_times}.items():
        first, second = (times(paper, name, results) for name in (separable, standard))
        for machine in sorted(first.keys() & second.keys()):
            yield pair, words, machine, "×", first[machine] / second[machine], nan, nan, 0
    differences = compare("test_accuracy", ratio=False).values
    interval = mean_interval(differences) if len(differences) >= MIN_SEEDS else None
    limits = (interval.low, interval.high) if interval else (nan, nan)
    yield pair, "test accuracy", "", "points", fmean(differences) if differences else nan, *limits, len(differences)


def _training_times(paper: Paper, name: str, results: Results) -> Times:
    """Seconds per image in this package's engine: of throughputs, and of whole runs where none was taken."""
    runs: dict[str, list[float]] = {}
    for run in current_runs(paper, results, name, Budget.PAPER):
        epoch = median(epoch.train_seconds for epoch in run.history)
        runs.setdefault(_machine(run.environment), []).append(epoch / run.spec["scale"]["train_images"])
    timed = sorted(
        (t for t in results.throughputs if (t.paper, t.experiment) == (paper.key, name)), key=lambda t: t.images
    )
    return {machine: median(seconds) for machine, seconds in runs.items()} | {
        _machine(t.environment): median(t.loops["engine"].seconds) / t.images for t in timed if "engine" in t.loops
    }


def _inference_times(paper: Paper, name: str, results: Results) -> Times:
    """Median seconds of a batch of ``BATCH_SIZE`` images that lie on the device already."""
    return {
        _machine(latency.environment): latency.batch_times[BATCH_SIZE].p50
        for latency in sorted(results.latencies, key=lambda latency: latency.images)
        if (latency.paper, latency.experiment) == (paper.key, name)
        and (latency.batch_norm, latency.transfer) == ("inference", "device")
        and BATCH_SIZE in latency.batch_times
    }


def _machine(on: Environment) -> str:
    """A device in words: of a CPU with its cores, and the backend where it is not the default."""
    cores = "" if on.accelerator else f", {on.cores} core{'s' * (on.cores != 1)}"
    return f"{on.device}{cores}{', JAX' * (on.backend == 'jax')}"
