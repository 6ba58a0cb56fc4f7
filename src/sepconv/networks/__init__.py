"""The papers' networks as Keras 3 functional models, independent of the backend.

A builder is a function ``(image_shape, classes, *, option=…) -> keras.Model`` of a module of this package. Every
network maps images ``(batch, height, width, channels)`` to logits ``(batch, classes)``; the softmax is in the loss.
"""

import inspect
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

import keras

from sepconv.spec import Network, SpecError

# The user's own settings of Keras (keras.json and variables) change neither what a network computes nor the length of
# its fit, which is timed.
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")
keras.config.set_dtype_policy("float32")
keras.config.set_max_epochs(None)
keras.config.set_max_steps_per_epoch(None)

Builder = Callable[..., keras.Model]
# What networks are made of. Those of depthwise convolutions import JAX.
_WITHOUT_BUILDERS = {"depthwise", "depthwise_algorithms", "fast_layers", "layers"}


def build(network: Network, image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Build a network with fresh initial weights.

    Args:
        network: builder and options.
        image_shape: ``(height, width, channels)``.
        classes: number of logits.

    Raises:
        SpecError: no such builder, or an option that the builder does not have.
    """
    known = builders()
    if network.builder not in known:
        raise SpecError(f"unknown network builder {network.builder!r}; expected one of: {', '.join(sorted(known))}")
    builder = known[network.builder]
    options = list(inspect.signature(builder).parameters)[2:]
    unknown = sorted(network.options.keys() - set(options))
    if unknown:
        raise SpecError(f"{network.builder}: unknown option {', '.join(unknown)}; expected {_listed(options)}")
    return builder(image_shape, classes, **network.options)


def builders() -> dict[str, Builder]:
    """Every builder of this package, by ``module.function``."""
    return {
        f"{module.name}.{name}": function
        for module in iter_modules(__path__)
        if module.name not in _WITHOUT_BUILDERS
        for name, function in inspect.getmembers(import_module(f"{__name__}.{module.name}"), inspect.isfunction)
        if not name.startswith("_") and list(inspect.signature(function).parameters)[:2] == ["image_shape", "classes"]
    }


def _listed(options: list[str]) -> str:
    return "one of: " + ", ".join(options) if options else "none (it has no options)"
