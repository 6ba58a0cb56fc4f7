"""Depthwise convolution on JAX in more than one way, each of its three parts apart, to use the fastest on a device.

The weight gradient is what XLA is known to be slow at (github.com/jax-ml/jax/issues/13800). :func:`convolve`, which
the networks' layer calls, computes each part in the way that ``sepconv bench depthwise`` found fastest for that
convolution on that device, as ``depthwise_ways.csv`` lists them; what is not listed is computed as Keras does,
``grouped``. ``sepconv export`` makes that file from the committed timings.

Images are ``(batch, size, size, channels)``, kernels ``(kernel, kernel, channels)``, gradients of the output
``(batch, output, output, channels)``.
"""

import csv
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from sepconv import environment, results
from sepconv.results import CONVOLUTION, CostResult, DepthwiseResult, DepthwiseTiming, Layer, Padding, Part, Way
from sepconv.spec import InputError, Paper, Precision

PARTS: tuple[Part, ...] = ("forward", "input gradient", "weight gradient")
REPEATS = 5
WAYS_FILE = Path(__file__).with_name("depthwise_ways.csv")


class DepthwiseError(InputError):
    """The ways to compare exist on JAX only."""


@dataclass(frozen=True)
class Shape:
    """What one depthwise layer of a network works on."""

    batch: int
    size: int  # height and width of the input
    channels: int
    kernel: int
    stride: int
    padding: Padding = "same"

    @property
    def zeros(self) -> tuple[int, int]:
        """Zeros before and after a row of the input."""
        total = max(0, (self.output - 1) * self.stride + self.kernel - self.size)
        return (total // 2, total - total // 2) if self.padding == "same" else (0, 0)

    @property
    def output(self) -> int:
        """Height and width of the output."""
        covered = self.size if self.padding == "same" else self.size - self.kernel + 1
        return -(-covered // self.stride)


# --- grouped: XLA's convolution, one group a channel -----------------------------------------------------------------


def grouped_forward(shape: Shape, images: jax.Array, kernel: jax.Array) -> jax.Array:
    """XLA's convolution with as many groups as channels."""
    return lax.conv_general_dilated(
        images,
        kernel[:, :, None],
        window_strides=(shape.stride, shape.stride),
        padding=(shape.zeros, shape.zeros),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=shape.channels,
    )


def grouped_input_gradient(shape: Shape, kernel: jax.Array, gradient: jax.Array) -> jax.Array:
    """The transpose of :func:`grouped_forward` in its images."""
    images = jax.ShapeDtypeStruct((shape.batch, shape.size, shape.size, shape.channels), gradient.dtype)
    (result,) = jax.linear_transpose(lambda x: grouped_forward(shape, x, kernel), images)(gradient)
    return result


def grouped_weight_gradient(shape: Shape, images: jax.Array, gradient: jax.Array) -> jax.Array:
    """The transpose of :func:`grouped_forward` in its kernel."""
    kernel = jax.ShapeDtypeStruct((shape.kernel, shape.kernel, shape.channels), gradient.dtype)
    (result,) = jax.linear_transpose(lambda w: grouped_forward(shape, images, w), kernel)(gradient)
    return result


# --- shifted: a multiplication and an addition for each place of the kernel, all of which XLA fuses ------------------


def shifted_forward(shape: Shape, images: jax.Array, kernel: jax.Array) -> jax.Array:
    """The sum of the shifted images, each times its value of the kernel; summed in float32."""
    padded = _spread(images, *shape.zeros, apart=1)
    return _correlate(_shifted(padded, shape, shape.output, shape.stride), kernel)


def shifted_input_gradient(shape: Shape, kernel: jax.Array, gradient: jax.Array) -> jax.Array:
    """The gradient, its pixels ``stride`` apart, under the kernel turned by half a turn."""
    before = shape.kernel - 1 - shape.zeros[0]
    after = shape.size - 1 + shape.zeros[0] - (shape.output - 1) * shape.stride
    padded = _spread(gradient, before, after, apart=shape.stride)
    return _correlate(_shifted(padded, shape, shape.size, stride=1), kernel[::-1, ::-1])


def shifted_weight_gradient(shape: Shape, images: jax.Array, gradient: jax.Array) -> jax.Array:
    """At each place of the kernel the sum of the shifted images times the gradient, in float32."""
    padded = _spread(images, *shape.zeros, apart=1)
    shifted = _shifted(padded, shape, shape.output, shape.stride)
    products = [jnp.sum(part.astype(jnp.float32) * gradient, axis=(0, 1, 2)) for part in shifted]
    return jnp.stack(products).astype(images.dtype).reshape(shape.kernel, shape.kernel, shape.channels)


def _spread(images: jax.Array, before: int, after: int, apart: int) -> jax.Array:
    """Zeros before, after and between the pixels, along height and width."""
    side = (before, after, apart - 1)
    return lax.pad(images, jnp.zeros((), images.dtype), ((0, 0, 0), side, side, (0, 0, 0)))


def _shifted(padded: jax.Array, shape: Shape, output: int, stride: int) -> list[jax.Array]:
    """What each place of the kernel, row by row, sees of the padded images."""
    span = (output - 1) * stride + 1
    places = np.ndindex(shape.kernel, shape.kernel)
    return [padded[:, i : i + span : stride, j : j + span : stride] for i, j in places]


def _correlate(shifted: list[jax.Array], kernel: jax.Array) -> jax.Array:
    values = kernel.reshape(-1, kernel.shape[-1]).astype(jnp.float32)
    total = sum(part.astype(jnp.float32) * value for part, value in zip(shifted, values, strict=True))
    return jnp.asarray(total, kernel.dtype)


# A way computes the parts from: images and kernel; kernel and gradient of the output; images and that gradient.
WAYS: dict[Way, dict[Part, Callable[[Shape, jax.Array, jax.Array], jax.Array]]] = {
    "grouped": {
        "forward": grouped_forward,
        "input gradient": grouped_input_gradient,
        "weight gradient": grouped_weight_gradient,
    },
    "shifted": {
        "forward": shifted_forward,
        "input gradient": shifted_input_gradient,
        "weight gradient": shifted_weight_gradient,
    },
}


# --- the fastest way -------------------------------------------------------------------------------------------------


def convolve(images: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """Convolve square images with a kernel of values for each channel, each part in its fastest way."""
    batch, size, _, channels = images.shape
    outputs: jax.Array = _convolve(Shape(batch, size, channels, kernel.shape[0], stride, padding), images, kernel)
    return outputs


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve(shape: Shape, images: jax.Array, kernel: jax.Array) -> jax.Array:
    return _fastest("forward", shape, images, kernel)


def _convolve_forward(
    shape: Shape, images: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolve(shape, images, kernel), (images, kernel)


def _convolve_backward(
    shape: Shape, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    images, kernel = saved
    return (
        _fastest("input gradient", shape, kernel, gradient),
        _fastest("weight gradient", shape, images, gradient),
    )


_convolve.defvjp(_convolve_forward, _convolve_backward)


def _fastest(part: Part, shape: Shape, first: jax.Array, second: jax.Array) -> jax.Array:
    values = asdict(shape) | {"precision": first.dtype}
    device, _ = environment.device_of("jax")
    listed = _listed().get((device, *(str(values[name]) for name in CONVOLUTION)), {})
    return WAYS[listed.get(part, "grouped")][part](shape, first, second)


@cache
def _listed() -> dict[tuple[str, ...], dict[Part, Way]]:
    """The fastest way of each part, by device and ``CONVOLUTION``."""
    with WAYS_FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    ways: dict[str, Way] = {way: way for way in WAYS}
    return {(r["device"], *(r[name] for name in CONVOLUTION)): {part: ways[r[part]] for part in PARTS} for r in rows}


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
) -> list[tuple[Shape, Precision]]:
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


def measure(shape: Shape, precision: Precision) -> DepthwiseTiming:
    """Time one call of each part in each way, the ways in turns, and say how far their results differ."""
    parts = {part: _in_turns(part, shape, precision) for part in PARTS}
    return DepthwiseTiming(
        **asdict(shape),
        precision=precision,
        seconds={part: seconds for part, (seconds, _) in parts.items()},
        differences={part: difference for part, (_, difference) in parts.items()},
    )


def depthwise_lines(result: DepthwiseResult) -> list[str]:
    """A table for the terminal: milliseconds of each part in each way, the median of the repeats."""
    lines = [
        f"Milliseconds on {result.environment.device}; size of images and channels, kernel, stride, batch, precision",
        f"{'layer':44}{'part':>16}" + "".join(f"{way:>12}" for way in WAYS),
    ]
    for t in result.timings:
        layer = f"{t.size}² × {t.channels}, {t.kernel}², /{t.stride}, {t.batch}, {t.precision}"
        for part, seconds in t.seconds.items():
            lines.append(f"{layer:44}{part:>16}" + "".join(f"{1000 * median(s):12.3f}" for s in seconds.values()))
    return lines


def _shape_of(layer: Layer, batch: int) -> Shape:
    size, _, channels = layer.input_shape
    shape = Shape(batch, size, channels, kernel=layer.filter_shape[0], stride=layer.stride or 1)
    return shape if shape.output == layer.output_shape[0] else replace(shape, padding="valid")


def _in_turns(part: Part, shape: Shape, precision: Precision) -> tuple[dict[Way, tuple[float, ...]], float]:
    """Seconds of each repeat by way, and the largest difference of two ways as a share of the largest value."""
    arguments = _arguments(part, shape, precision)
    calls = {name: jax.jit(partial(way[part], shape)) for name, way in WAYS.items()}
    outputs = [np.asarray(call(*arguments), np.float32) for call in calls.values()]  # compiles
    seconds: dict[Way, list[float]] = {name: [] for name in calls}
    for number in range(REPEATS):
        for name in list(calls) if number % 2 == 0 else reversed(calls):
            start = time.perf_counter()
            jax.block_until_ready(calls[name](*arguments))
            seconds[name].append(time.perf_counter() - start)
    difference = max(float(np.abs(output - outputs[0]).max()) for output in outputs)
    return {name: tuple(times) for name, times in seconds.items()}, difference / float(np.abs(outputs[0]).max())


def _arguments(part: Part, shape: Shape, precision: Precision) -> tuple[jax.Array, jax.Array]:
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
