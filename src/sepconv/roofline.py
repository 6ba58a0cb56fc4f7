"""Why fewer mult-adds need not be less time: arithmetic intensity, and time on a device as its roofline bounds it.

A device computes so many floating-point operations in a second and moves so many bytes; their quotient is its balance.
A layer with fewer operations a byte than that waits for its bytes, and then its operations are free (Williams et al.
2009, doi:10.1145/1498765.1498785). Forward pass, each layer on its own: inputs, outputs and weights are moved once
each, norms included, activation functions taken into the layer before them.
"""

from collections.abc import Iterable
from math import prod

from sepconv.results import CostResult, Layer

FLOAT32_BYTES = 4


def operations(layer: Layer, batch_size: int) -> int:
    """Floating-point operations of one pass over a batch: two a mult-add."""
    return 2 * batch_size * layer.mult_adds


def bytes_moved(layer: Layer, batch_size: int, bytes_per_value: int = FLOAT32_BYTES) -> int:
    """A layer's input, output and weights, once each."""
    values = batch_size * (prod(layer.input_shape) + prod(layer.output_shape)) + layer.params
    return bytes_per_value * values


def arithmetic_intensity(layer: Layer, batch_size: int, bytes_per_value: int = FLOAT32_BYTES) -> float:
    """Floating-point operations per byte moved."""
    return operations(layer, batch_size) / bytes_moved(layer, batch_size, bytes_per_value)


def relative_time(layers: Iterable[Layer], batch_size: int, balance: float) -> float:
    """Time of one pass, in units of the time to move a byte, on a device with ``balance`` operations per byte."""
    return sum(max(operations(layer, batch_size) / balance, bytes_moved(layer, batch_size)) for layer in layers)


def time_ratio(first: CostResult, second: CostResult, batch_size: int, balance: float) -> float:
    """How many times as long ``first`` takes as ``second``, as the roofline bounds both."""
    return relative_time(first.layers, batch_size, balance) / relative_time(second.layers, batch_size, balance)
