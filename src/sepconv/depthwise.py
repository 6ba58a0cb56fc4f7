"""Depthwise convolution on JAX, each of its three parts in the fastest way known for it on a machine.

:func:`convolve`, which the networks' layer calls, computes each part in the way of :mod:`sepconv.depthwise_ways` that
``sepconv bench depthwise`` found fastest for that convolution on that machine, as ``depthwise_ways.csv`` lists them;
what is not listed is computed as Keras does, ``grouped``. ``sepconv export`` makes that file from the committed
timings.
"""

import csv
import time
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np

from sepconv import environment, results
from sepconv.depthwise_ways import WAYS
from sepconv.results import (
    CONVOLUTION,
    CostResult,
    DepthwiseResult,
    DepthwiseShape,
    DepthwiseTiming,
    Layer,
    Padding,
    Part,
    Way,
)
from sepconv.spec import InputError, Paper, Precision

REPEATS = 5
WAYS_FILE = Path(__file__).with_name("depthwise_ways.csv")


class DepthwiseError(InputError):
    """The ways to compare exist on JAX only."""


# --- the fastest way -------------------------------------------------------------------------------------------------


def convolve(images: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """Convolve square images with a kernel of values for each channel, each part in its fastest way."""
    batch, size, _, channels = images.shape
    shape = DepthwiseShape(
        batch=batch, size=size, channels=channels, kernel=kernel.shape[0], stride=stride, padding=padding
    )
    outputs: jax.Array = _convolve(shape, images, kernel)
    return outputs


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve(shape: DepthwiseShape, images: jax.Array, kernel: jax.Array) -> jax.Array:
    return _fastest("forward", shape, images, kernel)


def _convolve_forward(
    shape: DepthwiseShape, images: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolve(shape, images, kernel), (images, kernel)


def _convolve_backward(
    shape: DepthwiseShape, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    images, kernel = saved
    return (
        _fastest("input gradient", shape, kernel, gradient),
        _fastest("weight gradient", shape, images, gradient),
    )


_convolve.defvjp(_convolve_forward, _convolve_backward)


def _fastest(part: Part, shape: DepthwiseShape, first: jax.Array, second: jax.Array) -> jax.Array:
    values = shape.model_dump() | {"precision": first.dtype}
    convolution = (environment.machine("jax"), *(str(values[name]) for name in CONVOLUTION))
    way = _listed().get(convolution, {}).get(part, "grouped")
    return WAYS[part][way](shape, first, second)


@cache
def _listed() -> dict[tuple[str, ...], dict[Part, Way]]:
    """The fastest way of each part, by machine and ``CONVOLUTION``."""
    with WAYS_FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    known: dict[Part, dict[str, Way]] = {part: {way: way for way in ways} for part, ways in WAYS.items()}
    return {
        (row["machine"], *(row[name] for name in CONVOLUTION)): {part: known[part][row[part]] for part in WAYS}
        for row in rows
    }


# --- timing ----------------------------------------------------------------------------------------------------------


def ensure_depthwise(folder: Path, papers: Iterable[Paper], batch: int | None = None) -> DepthwiseResult:
    """The timings of this device: those below ``folder``, or measured now and written there.

    Raises:
        DepthwiseError: the backend is not JAX.
        ResultError: the file there is damaged, or the folder cannot be written.
    """
    described = environment.describe()
    if described.backend != "jax":
        raise DepthwiseError(f"expected KERAS_BACKEND=jax, got {described.backend}, which has one way only")
    path = results.path_of(folder, results.depthwise_key(described))
    if not path.exists():
        costs = results.read_all(folder).costs
        timings = tuple(measure(shape, precision) for shape, precision in shapes(papers, costs, batch))
        results.write(folder, DepthwiseResult(timings=timings, environment=described))
    found = results.read(path)
    assert isinstance(found, DepthwiseResult)  # the store holds a result to its place
    return found


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
    """Time one call of each part in each way, the ways in turns, and say how far their results differ."""
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
    seconds: dict[Way, list[float]] = {name: [] for name in calls}
    for number in range(REPEATS):
        for name in list(calls) if number % 2 == 0 else reversed(calls):
            start = time.perf_counter()
            jax.block_until_ready(calls[name](*arguments))
            seconds[name].append(time.perf_counter() - start)
    difference = max(float(np.abs(output - outputs[0]).max()) for output in outputs)
    return {name: tuple(times) for name, times in seconds.items()}, difference / float(np.abs(outputs[0]).max())


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
