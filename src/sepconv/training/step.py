"""From stored pixels to a batch, and from logits to loss and hits: the part of a step that both engines share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from sepconv.networks import fast_layers
from sepconv.spec import Optimizer, Recipe
from sepconv.training.augment import augment
from sepconv.training.data import NORMALISATIONS

Tensor = Any  # a tensor of the backend
EVALUATION_BATCH = 500
LEARNING_RATE, SLOTS = 1, 2  # Keras lists an optimizer's iterations, then its learning rate, then its slots


class CoupledSGD(keras.optimizers.SGD):  # type: ignore[misc]
    """SGD with L2 decay added to the gradient, as PyTorch's ``weight_decay`` does; Keras's own is decoupled.

    With a learning rate constant between resets, Keras's momentum (velocity scaled by the rate) and PyTorch's are the
    same update.
    """

    def __init__(self, l2: float, momentum: float, nesterov: bool, decay_depthwise: bool = True) -> None:
        super().__init__(momentum=momentum, nesterov=nesterov, name="coupled_sgd")
        self.l2, self.decay_depthwise = l2, decay_depthwise

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        """Update ``variable`` with the gradient, decayed unless it is a depthwise kernel's and those are left out."""
        # On TensorFlow the variable is the backend's own, which knows nothing of its layer.
        path = self._trainable_variables[self._get_variable_index(variable)].path
        if self.decay_depthwise or "depthwise_conv/kernel" not in path:
            gradient = ops.add(gradient, ops.multiply(ops.cast(self.l2, gradient.dtype), variable))
        super().update_step(gradient, variable, learning_rate)


class UnscaledAdamW(fast_layers.Adam):
    """AdamW as TensorFlow Addons has it: each step takes away ``decay`` of a weight, whatever the learning rate is.

    Its documentation asks users to schedule the decay as they schedule the rate; one who does not decays so.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(name="unscaled_adamw")
        self.decay = decay

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        """Decay ``variable``, then update it by its gradient."""
        self.assign_sub(variable, ops.multiply(ops.cast(self.decay, variable.dtype), variable))
        super().update_step(gradient, variable, learning_rate)


def build_optimizer(spec: Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe; the engine sets its learning rate before every step."""
    match spec.name:
        case "adam":
            return fast_layers.Adam()
        case "adamw":
            if not spec.decay_times_rate:
                return UnscaledAdamW(spec.weight_decay)
            return fast_layers.AdamW(weight_decay=spec.weight_decay)
        case "sgd":
            return CoupledSGD(spec.l2, spec.momentum, spec.nesterov, spec.decay_depthwise)


def training_batch(
    recipe: Recipe, classes: int, pixels: Tensor, labels: Tensor, seeds: keras.random.SeedGenerator
) -> tuple[Tensor, Tensor]:
    """Augmented, normalised images ``(batch, height, width, 3)`` and their one-hot labels ``(batch, classes)``."""
    images = ops.cast(pixels, "float32") / 255.0
    targets = ops.one_hot(labels, classes)
    images, targets = augment(recipe.augment, images, targets, seeds)
    return normalise(recipe, images), targets


def evaluation_batch(recipe: Recipe, classes: int, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised images ``(batch, height, width, 3)`` and their one-hot labels ``(batch, classes)``."""
    return normalise(recipe, ops.cast(pixels, "float32") / 255.0), ops.one_hot(labels, classes)


def normalise(recipe: Recipe, images: Tensor) -> Tensor:
    """Images in [0, 1] less the recipe's mean, over its standard deviation, channel by channel."""
    mean, deviation = NORMALISATIONS[recipe.normalisation]
    return (images - ops.convert_to_tensor(mean, "float32")) / ops.convert_to_tensor(deviation, "float32")


def losses(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy of each image, shape ``(batch,)``, in float32 whatever the network computes in."""
    return keras.losses.categorical_crossentropy(
        targets, ops.cast(logits, "float32"), from_logits=True, label_smoothing=label_smoothing
    )


def running_averages(model: keras.Model) -> list[keras.Variable]:
    """Moving mean and variance of every batch norm of a model, in the order of its layers."""
    return [average for layer in _batch_norms(model) for average in (layer.moving_mean, layer.moving_variance)]


@contextmanager
def without_memory(model: keras.Model) -> Iterator[None]:
    """Inside, a pass in training mode replaces the running averages by its batch's own statistics."""
    before = [layer.momentum for layer in _batch_norms(model)]
    try:
        for layer in _batch_norms(model):
            layer.momentum = 0.0
        yield
    finally:
        for layer, momentum in zip(_batch_norms(model), before, strict=True):
            layer.momentum = momentum


def _batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def hits(logits: Tensor, targets: Tensor) -> Tensor:
    """Number of images whose largest logit is at their largest label (a mixed image counts by its larger part)."""
    return ops.sum(ops.cast(ops.equal(ops.argmax(logits, -1), ops.argmax(targets, -1)), "float32"))
