"""Networks: layers, costs, arithmetic intensity, and the learning rates that they are trained with."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, prod
from statistics import fmean

import numpy as np
import pandas as pd

from sepconv.measuring import roofline
from sepconv.report.frames.runs import current_runs
from sepconv.results.records import CONVOLUTIONS, CostResult, RunResult
from sepconv.results.store import Results
from sepconv.spec import FLOAT32_BYTES, REFERENCE_PRECISION, Budget, Experiment, Paper, Schedule
from sepconv.training.schedule import learning_rates as step_rates
from sepconv.verdicts.samples import settled

COUNTS = ("batch_size", "num_params", "trainable_params", "mult_adds", "weighted_layers", "weight_bytes",
          "training_step_bytes")  # fmt: skip


def costs(all_papers: Iterable[Paper], results: Results, budgets: Sequence[Budget]) -> pd.DataFrame:
    """Test accuracy and costs of every network trained in float32, at the first of ``budgets`` that it was run at.

    Columns: ``paper``, ``experiment``, ``group`` (what shares images and augmentation), ``convolution``, ``budget``,
    ``seeds``, ``accuracy`` (%), ``num_params``, ``mult_adds`` (one image) and ``training_step_bytes`` (one batch).
    """
    rows = []
    for paper in all_papers:
        for experiment in paper.experiments:
            cost = results.cost_of(paper.key, experiment.name)
            found = next((f for b in budgets if (f := current_runs(paper, results, experiment.name, b))), [])
            if cost is not None and found and found[0].spec["recipe"]["precision"] == REFERENCE_PRECISION:
                rows.append(_cost_row(paper, experiment, cost, found))
    return pd.DataFrame(rows)


def counts(paper: Paper, results: Results) -> pd.DataFrame:
    """Every exact count of a paper's networks: ``paper``, ``experiment`` and the counts of ``CostResult``."""
    columns = ["paper", "experiment", *COUNTS]
    found = [results.cost_of(paper.key, experiment.name) for experiment in paper.experiments]
    return pd.DataFrame([[getattr(cost, name) for name in columns] for cost in found if cost], columns=columns)


def padded_bytes(cost: CostResult) -> int:
    """Bytes of one batch's padded copies: what the convolutions of stride 2 read in a network that pads both sides.

    Keras pads in a layer of its own, whose output the count of activations includes; PyTorch pads within the
    convolution.
    """
    strided = [layer for layer in cost.layers if layer.stride == 2 and layer.type in ("Conv2D", "DepthwiseConv2D")]
    return FLOAT32_BYTES * (cost.batch_size or 1) * sum(prod(layer.input_shape) for layer in strided)


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
            "convolution": "pointwise" if layer.filter_shape[:2] == (1, 1) else CONVOLUTIONS[layer.type],
            "mult_adds": layer.mult_adds,
            "bytes_moved": roofline.bytes_moved(layer, batch_size),
            "intensity": roofline.arithmetic_intensity(layer, batch_size),
        }
        for label, cost in costs_by_label.items()
        for number, layers in enumerate(cost.blocks, 1)
        for layer in layers
        if layer.type in CONVOLUTIONS
    ]
    return pd.DataFrame(rows)


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


def data_title(experiment: Experiment) -> str:
    """An experiment's dataset as it is written: ``CIFAR-10``."""
    return experiment.dataset.upper().replace("CIFAR", "CIFAR-")


def _cost_row(paper: Paper, experiment: Experiment, cost: CostResult, sample: list[RunResult]) -> dict[str, object]:
    augmented = ", augmented" if experiment.recipe and experiment.recipe.augment else ""
    separable = any(layer.type == "DepthwiseConv2D" for layer in cost.layers)
    return {
        "paper": paper.key,
        "experiment": experiment.name,
        "group": f"{paper.key}, {data_title(experiment)}{augmented}",
        "convolution": "depthwise separable" if separable else "standard",
        "budget": str(sample[0].budget),
        "seeds": len(sample),
        "accuracy": fmean(run.final.test_accuracy for run in map(settled, sample) if run.final),
        "num_params": cost.num_params,
        "mult_adds": cost.mult_adds,
        "training_step_bytes": cost.training_step_bytes,
    }


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
    shared = f" and {len(names) - 1} more" if names[1:] else ""  # the whole list would be wider than a figure
    label = f"{names[0]}{shared}: {recipe.epochs} epochs"
    return pd.DataFrame(
        {"paper": paper.key, "schedule": label, "epoch": epochs, "learning_rate": rates, "named": named}
    )
