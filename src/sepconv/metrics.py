"""What can be asked of an experiment: each metric with its unit, its words, and how a result gives it.

Here are the metrics that any paper may ask for. One that a single paper needs is a :class:`Metric` in that paper's
module, whose quantities name it directly.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from statistics import median
from typing import Any, Literal

SETTLED = 0.99  # of the final accuracy


@dataclass(frozen=True)
class Metric:
    """A number, or several, that a result holds or that follows from what it holds.

    ``read`` takes the whole result of the kind that ``source`` names and returns: of a cost, the count; of a run, the
    value after the last epoch, or None where that run does not hold it; of a latency, the seconds of each pass.
    ``at_epoch`` takes one epoch of a run's history, for a metric that can be asked for there.
    """

    name: str
    unit: str
    source: Literal["cost", "run", "latency"]
    read: Callable[[Any], Any]
    words: str = ""  # in a sentence; the name's own where empty
    at_epoch: Callable[[Any], float] | None = None

    def __str__(self) -> str:
        """The name, by which exports and departures refer to it."""
        return self.name

    @property
    def description(self) -> str:
        """The metric in words."""
        return self.words or self.name.replace("_", " ")


def latency(batch_size: int) -> Metric:
    """Seconds of one pass over the test images at that batch size."""
    return Metric(
        f"latency_{batch_size}",
        unit="s",
        source="latency",
        read=lambda result: result.seconds.get(batch_size, ()),
        words=f"time for the test images at batch size {batch_size}",
    )


def batch_size_of(name: str) -> int | None:
    """The batch size of the latency of that name, such as ``latency_256``; None for any other metric."""
    found = re.fullmatch(r"latency_([1-9][0-9]*)", name)
    return int(found[1]) if found else None


def named(name: str) -> Metric | None:
    """The metric of that name that every paper may use, or None."""
    batch_size = batch_size_of(name)
    return METRICS.get(name) if batch_size is None else latency(batch_size)


def _count(name: str, unit: str, words: str = "") -> Metric:
    return Metric(name, unit, "cost", attrgetter(name), words)


def _accuracy(name: str, at_epoch: str | None = None, words: str = "") -> Metric:
    return Metric(name, "%", "run", attrgetter(f"final.{name}"), words, attrgetter(at_epoch) if at_epoch else None)


def _gap(measured: Any) -> float:  # noqa: ANN401 - the final metrics or an epoch
    return float(measured.train_accuracy - measured.val_accuracy)


def _settling_epoch(run: Any) -> float:  # noqa: ANN401 - a RunResult, whose module imports this one
    """First epoch whose validation accuracy (the test split's, where none is held out) is ``SETTLED`` of the last's."""
    return next(float(e.epoch) for e in run.history if e.val_accuracy >= SETTLED * run.history[-1].val_accuracy)


def _by_name(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


COST_METRICS = _by_name(
    _count("num_params", "parameters", "parameters"),
    _count("trainable_params", "parameters", "trainable parameters"),
    _count("mult_adds", "mult-adds", "mult-adds"),
    _count("weighted_layers", "layers"),
    _count("weight_bytes", "bytes"),  # weights and optimizer slots
    _count("training_step_bytes", "bytes"),  # weights, gradients, slots and stored activations of one training step
)
LEARNING_METRICS = _by_name(
    _accuracy("train_accuracy", at_epoch="train_accuracy", words="training accuracy"),
    _accuracy("val_accuracy", at_epoch="val_accuracy", words="validation accuracy"),
    _accuracy("test_accuracy", at_epoch="val_accuracy"),  # where no validation split is held out
    _accuracy("batch_stats_accuracy", words="test accuracy with batch statistics"),
    Metric("generalisation_gap", "points", "run", lambda run: _gap(run.final), at_epoch=_gap),
    Metric("settling_epoch", "epochs", "run", _settling_epoch),
)
RUN_METRICS = LEARNING_METRICS | _by_name(
    Metric(
        "epoch_seconds",
        unit="s",
        source="run",
        read=lambda run: median(epoch.train_seconds for epoch in run.history),
        words="time per epoch",
        at_epoch=attrgetter("train_seconds"),
    ),
    Metric("total_seconds", "s", "run", attrgetter("seconds.train"), words="training time"),
)
METRICS = COST_METRICS | RUN_METRICS
