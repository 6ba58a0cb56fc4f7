"""Inference time against batch size: one compiled forward call a batch, networks taken in turns.

A pass goes once over the images of the test split. A batch ends when its logits have reached the host, a pass with its
last batch, which may be smaller and then counts for the pass only. The networks have their initial weights, on whose
values the time does not depend.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from sepconv import environment
from sepconv.measuring.timing import compiled, in_turns
from sepconv.metrics import batch_size_of
from sepconv.results import records, store
from sepconv.results.records import BatchNorm, BatchTime, LatencyResult, ResultError, Transfer
from sepconv.spec import TEST_IMAGES, Budget, Experiment, Paper, Run
from sepconv.training import data
from sepconv.training.step import normalise
from sepconv.training.trainer import build_model

Tensor = Any  # a tensor of the backend
Forward = Callable[[Tensor], Tensor]
Pass = tuple[float, ...]  # seconds of each of its batches


@dataclass(frozen=True)
class Sweep:
    """How much a budget measures."""

    images: int  # of one pass
    passes: int  # at each batch size
    batch_sizes: tuple[int, ...]


SWEEPS = {
    Budget.SMOKE: Sweep(16, 2, (1, 4, 16)),
    Budget.SHORT: Sweep(256, 3, (1, 4, 16, 64, 256)),
    Budget.DOUBLE: Sweep(512, 3, (1, 4, 16, 64, 256)),
    Budget.PAPER: Sweep(TEST_IMAGES, 10, (1, 4, 16, 64, 256, 1024)),  # yu2021 Sec. 4.3 has 4 and 256, one pass each
}


def ensure_latencies(
    folder: Path, paper: Paper, names: Sequence[str], budget: Budget, batch_norm: BatchNorm, transfer: Transfer
) -> tuple[LatencyResult, ...]:
    """The latencies of these experiments on this machine: those below ``folder``, or measured now and written there.

    Raises:
        SpecError: an experiment is unknown or has no recipe.
        ResultError: some of them are there and others are not; times compare only where they were taken in turns.
    """
    experiments = [paper.experiment(name) for name in names]
    here = environment.describe()
    keys = [records.latency_key(paper.key, name, budget, batch_norm, transfer, here) for name in names]
    there = [path for key in keys if (path := store.path_of(folder, key)).exists()]
    if there and len(there) < len(keys):
        raise ResultError(f"{there[0]}: expected all of these networks or none; move it away to measure them together")
    if not there:
        for result in measure(paper.key, experiments, budget, batch_norm, transfer, claimed_batch_sizes(paper)):
            store.write(folder, result)
    return tuple(store.read_as(folder, key, LatencyResult) for key in keys)


def claimed_batch_sizes(paper: Paper) -> set[int]:
    """The batch sizes at which a paper's claims ask for a latency."""
    names = (quantity.name for claim in paper.claims for quantity in claim.quantities)
    return {size for name in names if (size := batch_size_of(name)) is not None}


def measure(
    paper_key: str,
    experiments: Sequence[Experiment],
    budget: Budget,
    batch_norm: BatchNorm,
    transfer: Transfer,
    claimed: Collection[int] = (),
) -> tuple[LatencyResult, ...]:
    """Time passes over test images at each batch size, the networks in turns.

    Args:
        paper_key: whose experiments.
        experiments: whose networks.
        budget: how many images, passes and batch sizes; see ``SWEEPS``.
        batch_norm: "training" calls the network as training does, on each batch's own statistics, dropout included.
        transfer: "device" has the images lie on the device before; "host" copies each batch in the timed part.
        claimed: batch sizes to measure beside those of the budget; those larger than its images are left out.

    Raises:
        SpecError: an experiment has no recipe.
        DataError: the images are not there or are damaged.
    """
    sweep = SWEEPS[budget]
    networks = [_Network.of(Run(paper_key, e, budget, seed=0), sweep.images, batch_norm, transfer) for e in experiments]
    sizes = sorted({*sweep.batch_sizes, *(size for size in claimed if size <= sweep.images)})
    passes = {size: _in_turns(networks, size, sweep.passes) for size in sizes}
    described = environment.describe()
    return tuple(
        LatencyResult(
            paper=paper_key,
            experiment=experiment.name,
            budget=budget,
            images=sweep.images,
            batch_norm=batch_norm,
            transfer=transfer,
            seconds={size: tuple(map(sum, ps[i])) for size, ps in passes.items()},
            batch_times={size: _batch_time(ps[i], sweep.images // size) for size, ps in passes.items()},
            environment=described,
        )
        for i, experiment in enumerate(experiments)
    )


def latency_lines(latencies: Sequence[LatencyResult]) -> list[str]:
    """A table for the terminal: the median pass at each batch size, with the fastest and the slowest, and a batch."""
    first = latencies[0]
    lines = [
        f"Seconds for {first.images} images on {first.environment.device} ({first.environment.backend}), batch norm in "
        f"{first.batch_norm} mode, images from the {first.transfer}: median (fastest to slowest)",
        "batch size" + "".join(f"{latency.experiment:>30}{'batch p50, p95 (ms)':>26}" for latency in latencies),
    ]
    for size in sorted(first.seconds):
        cells = [f"{_spread(x.seconds[size]):>30}{_percentiles(x.batch_times.get(size)):>26}" for x in latencies]
        lines.append(f"{size:10}" + "".join(cells))
    return lines


@dataclass(frozen=True)
class _Network:
    """One network ready to be timed. ``images`` are normalised, float32 ``(images, height, width, 3)``."""

    forward: Forward
    images: NDArray[np.float32]
    transfer: Transfer

    @classmethod
    def of(cls, run: Run, images: int, batch_norm: BatchNorm, transfer: Transfer) -> "_Network":
        model = build_model(run)
        return cls(forward(model, batch_norm == "training"), _test_images(run.experiment, images), transfer)

    def batches(self, size: int) -> list[Tensor]:
        """The images in batches, on the device where they are to lie there; the last may be smaller."""
        parts = [self.images[start : start + size] for start in range(0, len(self.images), size)]
        return [ops.convert_to_tensor(part) for part in parts] if self.transfer == "device" else parts

    def time(self, batches: Sequence[Tensor]) -> Pass:
        """Seconds of each batch of one pass; nothing is done between one and the next."""
        times = [time.perf_counter()]
        for batch in batches:
            logits = self.forward(ops.convert_to_tensor(batch))  # does nothing where it is a tensor already
            ops.convert_to_numpy(logits)  # 400 KB at most, and waits for the device
            times.append(time.perf_counter())
        return tuple(after - before for before, after in pairwise(times))


def _in_turns(networks: Sequence[_Network], size: int, passes: int) -> list[list[Pass]]:
    """The passes of each network, taken in turns."""
    batches = [network.batches(size) for network in networks]
    seconds: list[list[Pass]] = [[] for _ in networks]
    for network, those in zip(networks, batches, strict=True):
        network.time([those[0], those[-1]])  # compiles for both sizes, and warms up
    for i in in_turns(range(len(networks)), passes):
        seconds[i].append(networks[i].time(batches[i]))
    return seconds


def _batch_time(passes: Sequence[Pass], whole: int) -> BatchTime:
    """Percentiles over the first ``whole`` batches of each pass: what is left over at its end is a smaller one."""
    milliseconds = [1000 * seconds for those in passes for seconds in those[:whole]]
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return BatchTime(p50=float(p50), p95=float(p95), batches=len(milliseconds))


def _test_images(experiment: Experiment, count: int) -> NDArray[np.float32]:
    if experiment.recipe is None or experiment.dataset == "imagenet":
        raise AssertionError(f"{experiment.name} has no images")  # build_model refused it
    pixels = data.load(experiment.dataset).test.pixels[:count]
    normalised: NDArray[np.float32] = ops.convert_to_numpy(
        normalise(experiment.recipe, ops.cast(pixels, "float32") / 255.0)
    )
    return normalised


def forward(model: keras.Model, training: bool) -> Forward:
    """The compiled forward call of a network: batch to logits, for any batch size."""
    if keras.backend.backend() != "jax":
        return compiled(lambda batch: model(batch, training=training), shape=model.input_shape)
    call = compiled(lambda *arguments: model.stateless_call(*arguments, training=training))
    trainable = [variable.value for variable in model.trainable_variables]
    state = [variable.value for variable in model.non_trainable_variables]

    def stateful(batch: Tensor) -> Tensor:
        nonlocal state  # the running statistics of batch norm move, as they do in training
        logits, state = call(trainable, state, batch)
        return logits

    return stateful


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.3f} ({min(seconds):.3f} to {max(seconds):.3f})"


def _percentiles(batch: BatchTime | None) -> str:
    return f"{batch.p50:.2f}, {batch.p95:.2f}" if batch else "not timed"
