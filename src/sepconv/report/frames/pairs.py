"""The papers' own pairs of networks, depthwise separable against standard: what each cost is of the other's."""

from collections.abc import Iterator
from math import inf, nan
from statistics import fmean, median

import pandas as pd

from sepconv import papers
from sepconv.report.frames.measurements import batch_times, machine_title
from sepconv.report.frames.networks import data_title
from sepconv.report.frames.runs import current_runs
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

Times = dict[str, float]  # by the machine that they were measured on


def papers_ratios(results: Results) -> pd.DataFrame:
    """Separable against standard, for each of ``PAIRS``: ratios of costs, and the difference in test accuracy.

    Columns ``PAPERS_RATIOS``. ``quantity`` is a count, a time or the accuracy, and ``machine`` where a time was
    measured. ``value`` is separable ÷ standard where ``unit`` is ``×``, and separable − standard where it is
    ``points``, over the equal ``seeds`` of the paper's own schedule, with the 95 % interval from ``low`` to ``high``
    where there are three or more. A count or accuracy that is missing has a row without a value, a missing time none.
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
    each = {times: _divide(*(times(paper, name, results) for name in (separable, standard))) for times in _TIMES}
    training = each[_epoch_times] | each[_loop_times]  # the loop was timed on a machine that did nothing else
    for words, ratios in {"training time": training, "inference time": each[_inference_times]}.items():
        for machine, ratio in sorted(ratios.items()):
            yield pair, words, machine, "×", ratio, nan, nan, 0
    differences = compare("test_accuracy", ratio=False).values
    interval = mean_interval(differences) if len(differences) >= MIN_SEEDS else None
    limits = (interval.low, interval.high) if interval else (nan, nan)
    yield pair, "test accuracy", "", "points", fmean(differences) if differences else nan, *limits, len(differences)


def _divide(first: Times, second: Times) -> Times:
    return {machine: first[machine] / second[machine] for machine in first.keys() & second.keys()}


def _epoch_times(paper: Paper, name: str, results: Results) -> Times:
    """Seconds of the median epoch of the median run at the paper's budget, of runs that stayed on one machine."""
    found: dict[str, list[float]] = {}
    for run in current_runs(paper, results, name, Budget.PAPER):
        if len({machine_title(stretch.environment) for stretch in run.stretches}) <= 1:
            seconds = median(epoch.train_seconds for epoch in run.history)
            found.setdefault(machine_title(run.environment), []).append(seconds)
    return {machine: median(seconds) for machine, seconds in found.items()}


def _loop_times(paper: Paper, name: str, results: Results) -> Times:
    """Seconds per image of this package's training loop, from the timing with most images."""
    timed = [t for t in results.throughputs if (t.paper, t.experiment) == (paper.key, name) and "engine" in t.loops]
    return {
        machine_title(t.environment): median(t.loops["engine"].seconds) / t.images
        for t in sorted(timed, key=lambda t: t.images)
    }


def _inference_times(paper: Paper, name: str, results: Results) -> Times:
    """Median milliseconds of a batch of ``BATCH_SIZE``."""
    times = batch_times(paper.key, name, results)
    return {machine: milliseconds for (machine, size), milliseconds in times.items() if size == BATCH_SIZE}


_TIMES = (_epoch_times, _loop_times, _inference_times)
