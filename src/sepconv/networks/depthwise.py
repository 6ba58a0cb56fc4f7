"""Depthwise convolution on JAX, each of its three parts in the fastest way known for it on a machine.

:func:`convolve`, which the networks' layer calls, computes each part in the way of
:mod:`sepconv.networks.depthwise_algorithms` that ``sepconv bench depthwise`` found fastest for that convolution on that
machine, as ``depthwise_ways.csv`` lists them; what is not listed is computed as Keras does, ``grouped``.
``sepconv export`` makes that file from the committed timings.
"""

import csv
from functools import cache, partial
from pathlib import Path

import jax

from sepconv import environment
from sepconv.networks.depthwise_algorithms import WAYS
from sepconv.results.records import (
    CONVOLUTION,
    DepthwiseShape,
    Padding,
    Part,
    Way,
)

WAYS_FILE = Path(__file__).with_name("depthwise_ways.csv")


def convolve(images: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """Convolve square images with a kernel of values for each channel, each part in its fastest way."""
    outputs: jax.Array = _convolve(shape_of(images.shape, kernel.shape[0], stride, padding), images, kernel)
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
    way = ways(shape, str(first.dtype))[part]
    return WAYS[part][way](shape, first, second)


def ways(shape: DepthwiseShape, precision: str) -> dict[Part, Way]:
    """How each part of a convolution is computed on this machine: in the fastest way listed for it, else grouped."""
    values = shape.model_dump() | {"precision": precision}
    convolution = (environment.machine("jax"), *(str(values[name]) for name in CONVOLUTION))
    grouped: dict[Part, Way] = dict.fromkeys(WAYS, "grouped")
    return grouped | _listed().get(convolution, {})


def shape_of(images: tuple[int, ...], kernel: int, stride: int, padding: Padding) -> DepthwiseShape:
    """What a layer works on, from the shape of its images ``(batch, size, size, channels)``.

    The batch of a symbolic input is None and counts as one image; the way does not depend on it.
    """
    batch, size, _, channels = images
    return DepthwiseShape(batch=batch or 1, size=size, channels=channels, kernel=kernel, stride=stride, padding=padding)


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
