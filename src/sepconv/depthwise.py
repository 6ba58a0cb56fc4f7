"""Depthwise convolution on JAX in more than one way, each of its three parts apart, to find the fastest on a device.

The weight gradient is what XLA is known to be slow at (github.com/jax-ml/jax/issues/13800). The networks use Keras's
layer, which is ``grouped``; another way takes its place where ``sepconv bench depthwise`` has found it faster.

Images are ``(batch, height, width, channels)``, kernels ``(size, size, channels)``, gradients of the output
``(batch, ⌈height/stride⌉, ⌈width/stride⌉, channels)``. Padding is TensorFlow's "same".
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Part = Literal["forward", "input gradient", "weight gradient"]
PARTS: tuple[Part, ...] = ("forward", "input gradient", "weight gradient")
REPEATS = 5


class DepthwiseError(Exception):
    """Two ways give other numbers: a fault of this program or of a kernel, never of its input."""


@dataclass(frozen=True)
class Shape:
    """What one depthwise layer of a network works on."""

    batch: int
    size: int  # height and width of the input
    channels: int
    kernel: int
    stride: int

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros before and after a row of the input."""
        total = max(0, (self.output - 1) * self.stride + self.kernel - self.size)
        return total // 2, total - total // 2

    @property
    def output(self) -> int:
        """Height and width of the output."""
        return -(-self.size // self.stride)

    @property
    def bytes_moved(self) -> int:
        """Least that any part must move in float32: each value of both images once."""
        return 4 * self.batch * self.channels * (self.size**2 + self.output**2)


@dataclass(frozen=True)
class Way:
    """One way to compute the three parts. ``Shape`` is static, all else are arrays of one dtype."""

    forward: Callable[[Shape, jax.Array, jax.Array], jax.Array]  # images, kernel
    input_gradient: Callable[[Shape, jax.Array, jax.Array], jax.Array]  # kernel, gradient of the output
    weight_gradient: Callable[[Shape, jax.Array, jax.Array], jax.Array]  # images, gradient of the output

    def part(self, part: Part) -> Callable[[Shape, jax.Array, jax.Array], jax.Array]:
        """The function that computes a part."""
        return {
            "forward": self.forward,
            "input gradient": self.input_gradient,
            "weight gradient": self.weight_gradient,
        }[part]


# --- grouped: XLA's convolution, one group a channel -----------------------------------------------------------------


def grouped_forward(shape: Shape, images: jax.Array, kernel: jax.Array) -> jax.Array:
    """XLA's convolution with as many groups as channels."""
    return lax.conv_general_dilated(
        images,
        kernel[:, :, None],
        window_strides=(shape.stride, shape.stride),
        padding=(shape.padding, shape.padding),
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
    padded = _spread(images, *shape.padding, apart=1)
    return _correlate(_shifted(padded, shape, shape.output, shape.stride), kernel)


def shifted_input_gradient(shape: Shape, kernel: jax.Array, gradient: jax.Array) -> jax.Array:
    """The gradient, its pixels ``stride`` apart, under the kernel turned by half a turn."""
    before = shape.kernel - 1 - shape.padding[0]
    after = shape.size - 1 + shape.padding[0] - (shape.output - 1) * shape.stride
    padded = _spread(gradient, before, after, apart=shape.stride)
    return _correlate(_shifted(padded, shape, shape.size, stride=1), kernel[::-1, ::-1])


def shifted_weight_gradient(shape: Shape, images: jax.Array, gradient: jax.Array) -> jax.Array:
    """At each place of the kernel the sum of the shifted images times the gradient, in float32."""
    padded = _spread(images, *shape.padding, apart=1)
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


WAYS = {
    "grouped": Way(grouped_forward, grouped_input_gradient, grouped_weight_gradient),
    "shifted": Way(shifted_forward, shifted_input_gradient, shifted_weight_gradient),
}


# --- timing ----------------------------------------------------------------------------------------------------------


def measure(shape: Shape, dtype: Literal["float32", "bfloat16"]) -> dict[Part, dict[str, float]]:
    """Median seconds of one call of each part in each way, the ways in turns.

    Raises:
        DepthwiseError: two ways differ by more than rounding.
    """
    return {part: _in_turns(part, shape, dtype) for part in PARTS}


def _in_turns(part: Part, shape: Shape, dtype: str) -> dict[str, float]:
    arguments = _arguments(part, shape, dtype)
    calls = {name: jax.jit(partial(way.part(part), shape)) for name, way in WAYS.items()}
    _require_equal(part, shape, {name: call(*arguments) for name, call in calls.items()})
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(REPEATS):
        for name in list(calls) if number % 2 == 0 else reversed(calls):
            start = time.perf_counter()
            jax.block_until_ready(calls[name](*arguments))
            seconds[name].append(time.perf_counter() - start)
    return {name: median(times) for name, times in seconds.items()}


def _arguments(part: Part, shape: Shape, dtype: str) -> tuple[jax.Array, jax.Array]:
    """Random images, kernel and gradient of the output, of which the part takes two."""
    random = np.random.default_rng(0)
    images = (shape.batch, shape.size, shape.size, shape.channels)
    kernel = (shape.kernel, shape.kernel, shape.channels)
    gradient = (shape.batch, shape.output, shape.output, shape.channels)
    taken = {
        "forward": (images, kernel),
        "input gradient": (kernel, gradient),
        "weight gradient": (images, gradient),
    }
    first, second = (jnp.asarray(random.standard_normal(size, np.float32), dtype) for size in taken[part])
    return first, second


def _require_equal(part: Part, shape: Shape, results: dict[str, jax.Array]) -> None:
    """Rounding errors grow with the square root of how many products a sum has."""
    expected = np.asarray(results["grouped"], np.float32)
    scale = float(np.abs(expected).max())
    for way, result in results.items():
        difference = float(np.abs(np.asarray(result, np.float32) - expected).max()) / scale
        if difference > 100 * float(jnp.finfo(result.dtype).eps):
            raise DepthwiseError(f"{part} of {shape}: {way} differs from grouped by {difference:.2g} of the largest")
