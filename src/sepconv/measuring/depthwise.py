"""Time every depthwise convolution of the networks on JAX, part by part, in each way that there is to compute it."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np

from sepconv import environment
from sepconv.measuring import cost
from sepconv.measuring.timing import in_turns
from sepconv.networks.depthwise_algorithms import WAYS
from sepconv.results import records, store
from sepconv.results.records import CostResult, DepthwiseResult, DepthwiseShape, DepthwiseTiming, Layer, Part, Way
from sepconv.spec import InputError, Paper, Precision

REPEATS = 5
TOGETHER_SECONDS = 0.05  # of calls that are timed together, since to wait for one may take longer than the call
MOST_CALLS = 1000


class DepthwiseError(InputError):
    """The ways to compare exist on JAX only."""


def ensure_depthwise(folder: Path, papers: Iterable[Paper], batch: int | None = None) -> DepthwiseResult:
    """The timings of this device: those below ``folder``, or measured now and written there.

    Raises:
        DepthwiseError: the backend is not JAX.
        ResultError: the file there is damaged, or the folder cannot be written.
    """
    described = environment.describe()
    if described.backend != "jax":
        raise DepthwiseError(f"expected KERAS_BACKEND=jax, got {described.backend}, which has one way only")

    def measure_all() -> DepthwiseResult:
        trained = [(p.key, e) for p in papers for e in p.experiments if e.recipe]
        found = shapes(papers, [cost.count(key, experiment) for key, experiment in trained], batch)
        timings = tuple(measure(shape, precision) for shape, precision in found)
        return DepthwiseResult(timings=timings, environment=described)

    return store.ensure(folder, records.depthwise_key(described), DepthwiseResult, measure_all)


def shapes(
    papers: Iterable[Paper], costs: Iterable[CostResult], batch: int | None = None
) -> list[tuple[DepthwiseShape, Precision]]:
    """What the depthwise layers of all trained networks work on, each once, as counted in ``costs``.

    ``batch`` bounds the images of a batch, for devices on which those of the recipes take too long.
    """
    recipes = {(paper.key, e.name): e.recipe for paper in papers for e in paper.experiments if e.recipe}
    found = {
        (_shape_of(layer, min(recipe.batch_size, batch or recipe.batch_size)), recipe.precision): None
        for cost in costs
        if (recipe := recipes.get((cost.paper, cost.experiment)))
        for layer in cost.layers
        if layer.type == "DepthwiseConv2D"
    }
    return list(found)


def measure(shape: DepthwiseShape, precision: Precision) -> DepthwiseTiming:
    """Time calls of each part in each way, the ways in turns, and say how far their results differ."""
    parts = {part: _in_turns(part, shape, precision) for part in WAYS}
    return DepthwiseTiming(
        **shape.model_dump(),
        precision=precision,
        seconds={part: seconds for part, (seconds, _) in parts.items()},
        differences={part: difference for part, (_, difference) in parts.items()},
    )


def depthwise_lines(result: DepthwiseResult) -> list[str]:
    """A table for the terminal: milliseconds of each part in each way, the median of the repeats."""
    lines = [
        f"Milliseconds on {result.environment.device}; size of images and channels, kernel, stride, batch, precision",
        f"{'layer':44}{'part':>16}" + "".join(f"{way:>12}" for way in WAYS["weight gradient"]),
    ]
    for t in result.timings:
        layer = f"{t.size}² × {t.channels}, {t.kernel}², /{t.stride}, {t.batch}, {t.precision}"
        for part, seconds in t.seconds.items():
            lines.append(f"{layer:44}{part:>16}" + "".join(f"{1000 * median(s):12.3f}" for s in seconds.values()))
    return lines


def _shape_of(layer: Layer, batch: int) -> DepthwiseShape:
    size, _, channels = layer.input_shape
    shape = DepthwiseShape(
        batch=batch, size=size, channels=channels, kernel=layer.filter_shape[0], stride=layer.stride or 1
    )
    return shape if shape.output == layer.output_shape[0] else shape.model_copy(update={"padding": "valid"})


def _in_turns(part: Part, shape: DepthwiseShape, precision: Precision) -> tuple[dict[Way, tuple[float, ...]], float]:
    """Seconds of each repeat by way, and the largest difference of two ways as a share of the largest value."""
    arguments = _arguments(part, shape, precision)
    calls = {way: jax.jit(partial(compute, shape)) for way, compute in WAYS[part].items() if way in _compiled()}
    outputs = [np.asarray(call(*arguments), np.float32) for call in calls.values()]  # compiles
    alone = {name: _seconds_of_call(call, arguments, 1) for name, call in calls.items()}
    numbers = {name: min(MOST_CALLS, ceil(TOGETHER_SECONDS / seconds)) for name, seconds in alone.items()}
    seconds: dict[Way, list[float]] = {name: [] for name in calls}
    for name in in_turns(calls, REPEATS):
        seconds[name].append(_seconds_of_call(calls[name], arguments, numbers[name]))
    difference = max(float(np.abs(output - outputs[0]).max()) for output in outputs)
    return {name: tuple(times) for name, times in seconds.items()}, difference / float(np.abs(outputs[0]).max())


def _seconds_of_call(call: Callable[..., jax.Array], arguments: tuple[jax.Array, ...], number: int) -> float:
    """The mean over so many calls, each of which is given to the device while the one before it is computed."""
    start = time.perf_counter()
    for _ in range(number):
        output = call(*arguments)
    jax.block_until_ready(output)
    return (time.perf_counter() - start) / number


def _compiled() -> list[Way]:
    """The ways that are compiled here. Pallas is interpreted where there is no GPU, whose time says nothing."""
    everywhere: list[Way] = ["grouped", "shifted"]
    return [*everywhere, "pallas"] if jax.default_backend() == "gpu" else everywhere


def _arguments(part: Part, shape: DepthwiseShape, precision: Precision) -> tuple[jax.Array, jax.Array]:
    """Random images, kernel and gradient of the output, of which the part takes two."""
    random = np.random.default_rng(0)
    images = (shape.batch, shape.size, shape.size, shape.channels)
    kernel = (shape.kernel, shape.kernel, shape.channels)
    gradient = (shape.batch, shape.output, shape.output, shape.channels)
    taken: dict[Part, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "forward": (images, kernel),
        "input gradient": (kernel, gradient),
        "weight gradient": (images, gradient),
    }
    first, second = (jnp.asarray(random.standard_normal(size, np.float32), precision) for size in taken[part])
    return first, second
