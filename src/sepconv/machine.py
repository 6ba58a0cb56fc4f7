"""What a device can do at most: how many bytes it moves and how many operations it computes in a second.

Bytes: adding one to every value of a vector far larger than any cache, each read once and written once. Operations:
the product of two square matrices, two for each mult-add, as the backend computes it by default (on recent GPUs float32
is then rounded to TF32). Each repeat times several calls, one on the result of the other, and waits for the last.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from sepconv import environment, results
from sepconv.results import Product, RooflineResult
from sepconv.spec import Precision

REPEATS = 5
CALLS = 4  # of one repeat
Tensor = Any  # a tensor of the backend


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
    path = results.path_of(folder, results.roofline_key(described := environment.describe()))
    if not path.exists():
        results.write(folder, measure(ON_ACCELERATOR if described.accelerator else ON_CPU))
    found = results.read(path)
    assert isinstance(found, RooflineResult)  # the store holds a result to its place
    return found


def measure(sizes: Sizes) -> RooflineResult:
    """Time copies and matrix products of these sizes."""
    copy = _COMPILE[keras.backend.backend()](lambda values: values + 1)
    return RooflineResult(
        copy_bytes=2 * 4 * sizes.values,
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
    factor = np.random.default_rng(0).normal(0, rows**-0.5, (rows, rows))
    matrix = ops.convert_to_tensor(factor.astype(np.float32))
    matrix = ops.cast(matrix, precision)
    multiply = _COMPILE[keras.backend.backend()](lambda product: ops.matmul(product, matrix))
    return Product(size=rows, seconds=_repeated(multiply, matrix + 0))


def _repeated(call: Callable[[Tensor], Tensor], value: Tensor) -> tuple[float, ...]:
    """Seconds of one call, each time measured over ``CALLS`` of them; the first calls compile and are not counted."""
    seconds = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        for _ in range(CALLS):
            value = call(value)
        ops.convert_to_numpy(value[:1])  # waits for the device
        seconds.append((time.perf_counter() - start) / CALLS)
    return tuple(seconds[1:])


def _compile_tensorflow(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    import tensorflow as tf

    compiled: Callable[[Tensor], Tensor] = tf.function(function)
    return compiled


def _compile_jax(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    import jax

    # Donated, or each call would have the system find new memory for its result, which is ten times as slow.
    compiled: Callable[[Tensor], Tensor] = jax.jit(function, donate_argnums=0)
    return compiled


_COMPILE: dict[str, Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]]] = {
    "tensorflow": _compile_tensorflow,
    "jax": _compile_jax,
}
