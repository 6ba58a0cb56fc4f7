"""What all timings share: contestants that take turns, and functions compiled by whichever backend there is."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def in_turns(contestants: Iterable[T], rounds: int) -> Iterator[T]:
    """Each contestant once in every round, every second round in reverse order, so that drift affects all alike."""
    order = list(contestants)
    for number in range(rounds):
        yield from order if number % 2 == 0 else reversed(order)


def compiled(
    function: Callable[..., Any], *, donate: bool = False, shape: tuple[int | None, ...] | None = None
) -> Callable[..., Any]:
    """Compile a function of tensors with ``tf.function`` or ``jax.jit``.

    Args:
        function: what to compile.
        donate: let JAX reuse the memory of the first argument for the result. Without it, each call makes the system
            find new memory, which for large results is ten times as slow.
        shape: of the only argument, float32, with None where it differs from call to call: TensorFlow then traces the
            function once for all sizes. JAX compiles every size anew in any case.
    """
    import keras

    if keras.backend.backend() == "jax":
        import jax

        by_jax: Callable[..., Any] = jax.jit(function, donate_argnums=0 if donate else ())
        return by_jax
    import tensorflow as tf

    by_tensorflow: Callable[..., Any] = tf.function(
        function, input_signature=[tf.TensorSpec(shape, tf.float32)] if shape else None
    )
    return by_tensorflow
