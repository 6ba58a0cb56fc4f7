"""Ways to compute a depthwise convolution on JAX, each of its three parts apart.

*grouped* is XLA's own convolution. *shifted* is a multiplication and an addition for each place of the kernel, with
gradients written by hand. *pallas* is a kernel of its own, which Triton compiles for a GPU, for the one part that the
other two leave far from the memory limit: the weight gradient, a sum over all pixels of all images. XLA is known to be
slow at it (github.com/jax-ml/jax/issues/13800), and shifting makes it a reduction for each place of the kernel, each of
which reads images and gradient anew.

Images are ``(batch, size, size, channels)``, kernels ``(kernel, kernel, channels)``, gradients of the output
``(batch, output, output, channels)``.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from sepconv.results.records import DepthwiseShape, Part, Way

Reference = Any  # to a flat array in the device's memory; Pallas has no public name for its type
Compute = Callable[[DepthwiseShape, jax.Array, jax.Array], jax.Array]


# --- grouped: XLA's convolution, one group a channel -----------------------------------------------------------------


def grouped_forward(shape: DepthwiseShape, images: jax.Array, kernel: jax.Array) -> jax.Array:
    """XLA's convolution with as many groups as channels."""
    return lax.conv_general_dilated(
        images,
        kernel[:, :, None],
        window_strides=(shape.stride, shape.stride),
        padding=(shape.zeros, shape.zeros),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=shape.channels,
    )


def grouped_input_gradient(shape: DepthwiseShape, kernel: jax.Array, gradient: jax.Array) -> jax.Array:
    """The transpose of :func:`grouped_forward` in its images."""
    images = jax.ShapeDtypeStruct((shape.batch, shape.size, shape.size, shape.channels), gradient.dtype)
    (result,) = jax.linear_transpose(lambda x: grouped_forward(shape, x, kernel), images)(gradient)
    return result


def grouped_weight_gradient(shape: DepthwiseShape, images: jax.Array, gradient: jax.Array) -> jax.Array:
    """The transpose of :func:`grouped_forward` in its kernel."""
    kernel = jax.ShapeDtypeStruct((shape.kernel, shape.kernel, shape.channels), gradient.dtype)
    (result,) = jax.linear_transpose(lambda w: grouped_forward(shape, images, w), kernel)(gradient)
    return result


# --- shifted: a multiplication and an addition for each place of the kernel, all of which XLA fuses ------------------


def shifted_forward(shape: DepthwiseShape, images: jax.Array, kernel: jax.Array) -> jax.Array:
    """The sum of the shifted images, each times its value of the kernel; summed in float32."""
    padded = _spread(images, *shape.zeros, apart=1)
    return _correlate(_shifted(padded, shape, shape.output, shape.stride), kernel)


def shifted_input_gradient(shape: DepthwiseShape, kernel: jax.Array, gradient: jax.Array) -> jax.Array:
    """The gradient, its pixels ``stride`` apart, under the kernel turned by half a turn."""
    before = shape.kernel - 1 - shape.zeros[0]
    after = shape.size - 1 + shape.zeros[0] - (shape.output - 1) * shape.stride
    padded = _spread(gradient, before, after, apart=shape.stride)
    return _correlate(_shifted(padded, shape, shape.size, stride=1), kernel[::-1, ::-1])


def shifted_weight_gradient(shape: DepthwiseShape, images: jax.Array, gradient: jax.Array) -> jax.Array:
    """At each place of the kernel the sum of the shifted images times the gradient, in float32."""
    padded = _spread(images, *shape.zeros, apart=1)
    shifted = _shifted(padded, shape, shape.output, shape.stride)
    products = [jnp.sum(part.astype(jnp.float32) * gradient, axis=(0, 1, 2)) for part in shifted]
    return jnp.stack(products).astype(images.dtype).reshape(shape.kernel, shape.kernel, shape.channels)


def _spread(images: jax.Array, before: int, after: int, apart: int) -> jax.Array:
    """Zeros before, after and between the pixels, along height and width."""
    side = (before, after, apart - 1)
    return lax.pad(images, jnp.zeros((), images.dtype), ((0, 0, 0), side, side, (0, 0, 0)))


def _shifted(padded: jax.Array, shape: DepthwiseShape, output: int, stride: int) -> list[jax.Array]:
    """What each place of the kernel, row by row, sees of the padded images."""
    span = (output - 1) * stride + 1
    places = np.ndindex(shape.kernel, shape.kernel)
    return [padded[:, i : i + span : stride, j : j + span : stride] for i, j in places]


def _correlate(shifted: list[jax.Array], kernel: jax.Array) -> jax.Array:
    values = kernel.reshape(-1, kernel.shape[-1]).astype(jnp.float32)
    total = sum(part.astype(jnp.float32) * value for part, value in zip(shifted, values, strict=True))
    return jnp.asarray(total, kernel.dtype)


# --- pallas: all places of the kernel in one pass over images and gradient ------------------------------------------

LANES = 32  # channels of a program: those of a warp, which then reads 32 neighbouring values
SUMS = 16_384  # values that a program sums up in its registers, over all places of the kernel: 128 a thread
PROGRAMS = 1_024  # at least, where there are so many pixels: some eight for each multiprocessor of a large GPU


def pallas_weight_gradient(shape: DepthwiseShape, images: jax.Array, gradient: jax.Array) -> jax.Array:
    """The sums of some pixels in each program, and then the sum of these, all in float32.

    Without atomic additions, so that the same input always gives the same bits.
    """
    compute = partial(_pallas_sums, shape)
    # Triton has no CPU: there Pallas interprets the kernel, right and slow.
    sums = lax.platform_dependent(
        images, gradient, cpu=partial(compute, interpret=True), default=partial(compute, interpret=False)
    )
    return sums.sum(axis=0).astype(images.dtype).reshape(shape.kernel, shape.kernel, shape.channels)


def _pallas_sums(shape: DepthwiseShape, images: jax.Array, gradient: jax.Array, interpret: bool) -> jax.Array:
    """Sums ``(splits, kernel · kernel, channels)``, of which each split has summed its share of the pixels."""
    places = shape.kernel**2
    lanes = min(LANES, pl.next_power_of_2(shape.channels))
    pixels = max(1, 2 ** (SUMS // places).bit_length() // 2 // lanes)  # at a time
    steps = pl.cdiv(shape.batch * shape.output**2, pixels)
    blocks = pl.cdiv(shape.channels, lanes)
    splits = min(steps, pl.cdiv(PROGRAMS, blocks))
    sums = pl.pallas_call(
        partial(_sum_pixels, shape, pixels, lanes, pl.cdiv(steps, splits)),
        grid=(blocks, splits),
        out_shape=jax.ShapeDtypeStruct((splits * places * shape.channels,), jnp.float32),
        in_specs=[pl.BlockSpec(memory_space=pl.ANY)] * 2,
        out_specs=pl.BlockSpec(memory_space=pl.ANY),
        compiler_params=triton.CompilerParams(num_warps=4),
        interpret=interpret,
    )(images.reshape(-1), gradient.reshape(-1))
    return jnp.reshape(sums, (splits, places, shape.channels))


def _sum_pixels(
    shape: DepthwiseShape, pixels: int, lanes: int, steps: int, images: Reference, gradient: Reference, sums: Reference
) -> None:
    """One program: ``lanes`` channels and ``steps`` times ``pixels`` pixels of the output. References are flat."""
    block, split = pl.program_id(0), pl.program_id(1)
    channel = block * lanes + lax.broadcasted_iota(jnp.int32, (1, lanes), 1)

    def add(step: jax.Array, before: list[jax.Array]) -> list[jax.Array]:
        pixel = (split * steps + step) * pixels + lax.broadcasted_iota(jnp.int32, (pixels, 1), 0)
        image, row, column = pixel // shape.output**2, pixel // shape.output % shape.output, pixel % shape.output
        there = (image < shape.batch) & (channel < shape.channels)
        value = _load(gradient, pixel * shape.channels + channel, there)
        products = []
        for i, j in np.ndindex(shape.kernel, shape.kernel):
            y, x = (place * shape.stride + k - shape.zeros[0] for place, k in ((row, i), (column, j)))
            inside = (y >= 0) & (y < shape.size) & (x >= 0) & (x < shape.size)
            at = ((image * shape.size + y) * shape.size + x) * shape.channels + channel
            products.append(value * _load(images, at, there & inside))
        return [total + product for total, product in zip(before, products, strict=True)]

    nothing = [jnp.zeros((pixels, lanes), jnp.float32)] * shape.kernel**2
    for place, total in enumerate(lax.fori_loop(0, steps, add, nothing)):
        at = (split * shape.kernel**2 + place) * shape.channels + channel
        triton.store(sums.at[at], total.sum(axis=0, keepdims=True), mask=channel < shape.channels)


def _load(reference: Reference, at: jax.Array, mask: jax.Array) -> jax.Array:
    """Values in float32, 0 where masked out."""
    return jnp.asarray(triton.load(reference.at[at], mask=mask, other=0.0), jnp.float32)


# --- all ways --------------------------------------------------------------------------------------------------------

# Each computes its part from: images and kernel; kernel and gradient of the output; images and that gradient.
WAYS: dict[Part, dict[Way, Compute]] = {
    "forward": {"grouped": grouped_forward, "shifted": shifted_forward},
    "input gradient": {"grouped": grouped_input_gradient, "shifted": shifted_input_gradient},
    "weight gradient": {
        "grouped": grouped_weight_gradient,
        "shifted": shifted_weight_gradient,
        "pallas": pallas_weight_gradient,
    },
}
