"""Why fewer mult-adds need not be less time: arithmetic intensity, and time on a device as its roofline bounds it.

A device computes so many floating-point operations in a second and moves so many bytes; their quotient is its balance.
A layer with fewer operations a byte than that waits for its bytes, and then its operations are free (Williams et al.
2009, doi:10.1145/1498765.1498785). Forward pass, each layer on its own: inputs, outputs and weights are moved once
each, norms included, activation functions taken into the layer before them.

A training step, :func:`step_seconds`, is bounded by the same rule, each layer on its own:

- A convolution or dense layer is passed three times, forward, for the gradient of its input and for that of its
  weights. Each pass takes the same operations and moves the same tensors (two in, one out). The first layer has no
  gradient of its input to compute. A pass takes its operations or its bytes, whichever take longer.
- A norm or a pooling layer takes bytes only: forward its input and output; backward its input and the gradients of
  both. That the statistics need the input before the first output can be written is left out, since the layer before
  can sum while it writes.
- Activation functions and dropout are taken into the layer before them, residual sums too.
- The optimizer reads and writes weights and slots and reads the gradients, in float32.
- Augmentation, the loss, starting a kernel and all waiting are left out.

It is a bound for direct convolution: Winograd's algorithm has fewer operations, and fused layers fewer bytes.

What a device can do at most, :func:`measure`. Bytes: adding one to every value of a vector far larger than any cache,
each read once and written once. Operations: the product of two square matrices, two for each mult-add, as the backend
computes it by default (on recent GPUs float32 is then rounded to TF32). Each repeat times several calls, one on the
result of the other, and waits for the last.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sepconv import environment
from sepconv.measuring.timing import compiled
from sepconv.results import records, store
from sepconv.results.records import CostResult, Layer, Product, RooflineResult
from sepconv.spec import BYTES_PER_VALUE, FLOAT32_BYTES, Precision

REPEATS = 5
CALLS = 4  # of one repeat
Tensor = Any  # a tensor of the backend


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


# --- a training step -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Device:
    """What a device does in a second at most, and how many bytes a value has in the precision computed in."""

    bytes_per_second: float
    operations_per_second: float
    bytes_per_value: int = FLOAT32_BYTES


def device(measured: RooflineResult, precision: Precision) -> Device | None:
    """The device as it was measured; None where its matrix products were not, in that precision."""
    product = measured.products.get(precision)
    if product is None:
        return None
    return Device(measured.bytes_per_second, product.operations_per_second, BYTES_PER_VALUE[precision])


def step_seconds(cost: CostResult, images: int, on: Device) -> float:
    """The least seconds of one training step over ``images`` images; the module says what is in it."""
    with_products = [layer for layer in cost.layers if layer.mult_adds]
    passes = sum(_pass_seconds(layer, images, on) * (3 if i else 2) for i, layer in enumerate(with_products))
    others = sum(_bytes_without_products(layer, images, on) for layer in cost.layers if not layer.mult_adds)
    update = 2 * cost.weight_bytes + FLOAT32_BYTES * cost.trainable_params
    return passes + (others + update) / on.bytes_per_second


def epoch_seconds(cost: CostResult, images: int, batch_size: int, on: Device) -> float:
    """The least seconds of an epoch: its whole batches, and what is left over in one that is smaller."""
    whole, rest = divmod(images, batch_size)
    return whole * step_seconds(cost, batch_size, on) + (step_seconds(cost, rest, on) if rest else 0)


def _pass_seconds(layer: Layer, images: int, on: Device) -> float:
    """Forward, input gradient and weight gradient take the same three tensors, two in and one out, and operations."""
    moving = bytes_moved(layer, images, on.bytes_per_value) / on.bytes_per_second
    return max(moving, operations(layer, images) / on.operations_per_second)


def _bytes_without_products(layer: Layer, images: int, on: Device) -> int:
    """A norm or a pooling layer: input to output; then input and the output's gradient to the input's gradient."""
    again = images * prod(layer.input_shape) * on.bytes_per_value
    return 2 * bytes_moved(layer, images, on.bytes_per_value) + again


# --- measuring a device -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """How large what is moved and multiplied is."""

    values: int  # float32, of the vector
    rows: dict[Precision, int]  # of a matrix, by what is multiplied


# A CPU may have units for bfloat16 and be the faster for it, or none and be slower by orders: hence the smaller matrix.
ON_CPU = Sizes(2**26, {"float32": 4096, "bfloat16": 1024})
ON_ACCELERATOR = Sizes(2**28, {"float32": 8192, "bfloat16": 8192})


def ensure_roofline(folder: Path) -> RooflineResult:
    """The roofline of this device and backend: that below ``folder``, or measured now and written there.

    Raises:
        ResultError: the file there is damaged, or the folder cannot be written.
    """
    here = environment.describe()
    sizes = ON_ACCELERATOR if here.accelerator else ON_CPU
    return store.ensure(folder, records.roofline_key(here), RooflineResult, lambda: measure(sizes))


def measure(sizes: Sizes) -> RooflineResult:
    """Time copies and matrix products of these sizes."""
    from keras import ops

    copy = compiled(lambda values: values + 1, donate=True)
    return RooflineResult(
        copy_bytes=2 * FLOAT32_BYTES * sizes.values,
        copy_seconds=_repeated(copy, ops.zeros((sizes.values,), "float32")),
        products={precision: _product(rows, precision) for precision, rows in sizes.rows.items()},
        environment=environment.describe(),
    )


def roofline_lines(roofline: RooflineResult) -> list[str]:
    """For the terminal: medians."""
    products = (
        f"{product.operations_per_second / 1e12:.3g} TFLOP/s in {precision} (products of {product.size} rows)"
        for precision, product in roofline.products.items()
    )
    where = f"{roofline.environment.device} ({roofline.environment.backend})"
    return [f"{where}: {roofline.bytes_per_second / 1e9:.3g} GB/s copied, {', '.join(products)}"]


def _product(rows: int, precision: Precision) -> Product:
    """The factor's deviation keeps that of the products at one, however many follow each other."""
    from keras import ops

    factor = np.random.default_rng(0).normal(0, rows**-0.5, (rows, rows))
    matrix = ops.convert_to_tensor(factor.astype(np.float32))
    matrix = ops.cast(matrix, precision)
    multiply = compiled(lambda product: ops.matmul(product, matrix), donate=True)
    return Product(size=rows, seconds=_repeated(multiply, matrix + 0))


def _repeated(call: Callable[[Tensor], Tensor], value: Tensor) -> tuple[float, ...]:
    """Seconds of one call, each time measured over ``CALLS`` of them; the first calls compile and are not counted."""
    from keras import ops

    seconds = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        for _ in range(CALLS):
            value = call(value)
        ops.convert_to_numpy(value[:1])  # waits for the device
        seconds.append((time.perf_counter() - start) / CALLS)
    return tuple(seconds[1:])
