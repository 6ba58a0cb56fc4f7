"""Train and evaluate on JAX: one compiled call an epoch, and one a pass of evaluation, over images on the device.

On a CPU each step is a call of its own, since XLA runs convolutions inside ``scan`` 30-40 times slower there
(github.com/jax-ml/jax/issues/12868). :func:`scans` alone decides.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from sepconv.spec import Recipe
from sepconv.training.data import Images
from sepconv.training.step import (
    EVALUATION_BATCH,
    LEARNING_RATE,
    evaluation_batch,
    hits,
    losses,
    running_averages,
    training_batch,
    without_memory,
)

Carry = TypeVar("Carry")


def scans() -> bool:
    """Whether whole passes are one compiled ``scan``, as accelerators want it, or a call a step, as CPUs do."""
    return bool(jax.devices()[0].platform != "cpu")


class Resident(NamedTuple):
    """The training images on the device: an argument of what is compiled, since a constant would become part of it."""

    pixels: jax.Array
    labels: jax.Array


class Sums(NamedTuple):
    """What an evaluation adds up, and the variables that batch norm moves in training mode."""

    non_trainable: list[jax.Array]
    loss: jax.Array  # summed over the images so far
    hits: jax.Array


class State(NamedTuple):
    """Everything that a step changes, as arrays on the device."""

    trainable: list[jax.Array]
    non_trainable: list[jax.Array]
    optimizer: list[jax.Array]
    seeds: jax.Array
    loss: jax.Array  # summed over the epoch's images so far
    hits: jax.Array


class Engine:
    """Whole epochs of training, and whole passes of evaluation, of one model on one training set."""

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer, recipe: Recipe, classes: int, train: Images
    ) -> None:
        self.model, self.optimizer, self.recipe, self.classes = model, optimizer, recipe, classes
        self.seeds = keras.random.SeedGenerator(0)
        self._images = Resident(jnp.asarray(train.pixels), jnp.asarray(train.labels, jnp.int32))
        self._scans = scans()
        self._train_steps: dict[
            int, Any
        ] = {}  # compiled, by the images of their batch; of no use where epochs are scanned
        self._image_shape = train.pixels.shape[1:]
        self._evaluations: dict[tuple[int, bool, int | None], Any] = {}  # compiled, by what they evaluate

    def compile(self, steps: int) -> None:
        """Compile what an epoch of ``steps`` steps calls, so that its time is not counted as training."""
        self.optimizer.build(self.model.trainable_variables)
        images = len(self._images.labels)
        # The compiled objects are kept: calling the jitted function instead would compile once more.
        if self._scans:
            self._train_pass = self._compiled(self._train_all, (images,), (steps,))
        else:
            sizes = {len(range(images)[part]) for part in _parts(images, self.recipe.batch_size)}
            self._train_steps = {size: self._compiled(self._train_batch, (size,), ()) for size in sizes}

    def compile_evaluation(self, images: int) -> None:
        """Compile what :meth:`evaluate` calls for so many images, so that its time is not counted as evaluation."""
        for count, size in self._passes(images, EVALUATION_BATCH):
            self._evaluation(count, False, size)

    def step_memory(self) -> Any:  # noqa: ANN401 - jax has no public name for its type
        """The compiler's account of one whole step: bytes of arguments, outputs, what both share, and temporaries."""
        size = self.recipe.batch_size  # where a whole epoch is one call, its step is compiled here
        step = self._train_steps.get(size) or self._compiled(self._train_batch, (size,), ())
        return step.memory_analysis()

    def train_epoch(self, order: NDArray[np.int64], rates: NDArray[np.float64]) -> tuple[float, float]:
        """Train on all images in ``order``, one learning rate a step; return mean loss and accuracy in percent."""
        numbers, schedule, state = jnp.asarray(order, jnp.int32), jnp.asarray(rates, jnp.float32), self._state()
        if self._scans:
            state = self._train_pass(state, self._images, numbers, schedule)
        else:
            for part, rate in zip(_parts(len(order), self.recipe.batch_size), schedule, strict=True):
                batch = numbers[part]
                state = self._train_steps[len(batch)](state, self._images, batch, rate)
        self._put_back(state)
        return float(state.loss) / len(order), 100 * float(state.hits) / len(order)

    def evaluate(self, images: Images) -> tuple[float, float]:
        """Mean loss and accuracy in percent over all images, in inference mode."""
        sums = self._sums(images, False, EVALUATION_BATCH)
        return float(sums.loss) / len(images), 100 * float(sums.hits) / len(images)

    def evaluate_batch_statistics(self, images: Images) -> float:
        """Accuracy in percent with batch norm on the statistics of each batch of the training batch size."""
        return 100 * float(self._sums(images, True, self.recipe.batch_size).hits) / len(images)

    def mean_batch_statistics(self, images: Images) -> list[NDArray[np.float32]]:
        """Mean and variance of every batch norm's input, averaged over batches of the training batch size.

        Every batch counts alike, and nothing is augmented. The model's own variables stay.

        Returns:
            One array ``(channels,)`` for each of :func:`~sepconv.training.step.running_averages`.
        """
        statistics = jax.jit(self._statistics)
        with without_memory(self.model):
            batches = [
                statistics(*self._weights(), images.pixels[part], images.labels[part].astype(np.int32))
                for part in _parts(len(images), self.recipe.batch_size)
            ]
        return [np.mean(each, axis=0) for each in zip(*batches, strict=True)]

    def _statistics(
        self, trainable: list[jax.Array], non_trainable: list[jax.Array], pixels: jax.Array, labels: jax.Array
    ) -> list[jax.Array]:
        """Each batch norm's mean and variance of one batch; traced :func:`without_memory`."""
        images, _ = evaluation_batch(self.recipe, self.classes, pixels, labels)
        _, moved = self.model.stateless_call(trainable, non_trainable, images, training=True)
        values = dict(zip((v.path for v in self.model.non_trainable_variables), moved, strict=True))
        return [values[average.path] for average in running_averages(self.model)]

    def _sums(self, images: Images, training: bool, size: int) -> Sums:
        """Evaluate all images in batches of ``size``, the last one smaller; the model's own variables stay."""
        trainable, non_trainable = self._weights()
        sums, start = Sums(non_trainable, jnp.zeros(()), jnp.zeros(())), 0
        for count, batch in self._passes(len(images), size):
            pixels, labels = (part[start : start + count] for part in (images.pixels, images.labels))
            sums = self._evaluation(count, training, batch)(trainable, sums, pixels, labels.astype(np.int32))
            start += count
        return sums

    def _passes(self, images: int, size: int) -> list[tuple[int, int | None]]:
        """Images of each call, in order, and of each batch in its scan, or None where the call is one batch."""
        if self._scans:
            return [(images, size)]
        return [(len(range(images)[part]), None) for part in _parts(images, size)]

    def _evaluation(self, images: int, training: bool, size: int | None) -> Any:  # noqa: ANN401
        """Compiled: adds so many images to sums, in a scan over batches of ``size``, or as one batch without it."""
        key = images, training, size
        if key not in self._evaluations:
            function = partial(self._add_all, size=size) if size else self._add_batch
            trainable, non_trainable = self._weights()
            sums = Sums(non_trainable, jnp.zeros(()), jnp.zeros(()))
            pixels = jax.ShapeDtypeStruct((images, *self._image_shape), jnp.uint8)
            labels = jax.ShapeDtypeStruct((images,), jnp.int32)
            lowered = jax.jit(partial(function, training=training)).lower(trainable, sums, pixels, labels)
            self._evaluations[key] = lowered.compile()
        return self._evaluations[key]

    def _compiled(self, function: Callable[..., State], order: tuple[int, ...], rates: tuple[int, ...]) -> Any:  # noqa: ANN401
        """``function`` of a state, which is donated, images, numbers of images and learning rates, of these shapes."""
        shapes = jax.ShapeDtypeStruct(order, jnp.int32), jax.ShapeDtypeStruct(rates, jnp.float32)
        return jax.jit(function, donate_argnums=0).lower(self._state(), self._images, *shapes).compile()

    def _train_all(self, state: State, images: Resident, order: jax.Array, rates: jax.Array) -> State:
        def train(state: State, batch: jax.Array, rate: jax.Array) -> State:
            return self._train_batch(state, images, batch, rate)

        size = self.recipe.batch_size
        whole = len(order) // size
        batches = order[: whole * size].reshape(whole, size)
        return _scan(train, state, (batches, rates[:whole]), (order[whole * size :], rates[-1]))

    def _train_batch(self, state: State, train: Resident, batch: jax.Array, rate: jax.Array) -> State:
        with keras.StatelessScope(state_mapping=[(self.seeds.state, state.seeds)]) as scope:
            images, targets = training_batch(
                self.recipe, self.classes, train.pixels[batch], train.labels[batch], self.seeds
            )
        seeds = scope.get_current_value(self.seeds.state)

        def mean_loss(trainable: list[jax.Array]) -> tuple[jax.Array, Any]:
            logits, non_trainable = self.model.stateless_call(trainable, state.non_trainable, images, training=True)
            each = losses(logits, targets, self.recipe.label_smoothing)
            return each.mean(), (each.sum(), logits, non_trainable)

        gradients, (loss, logits, non_trainable) = jax.grad(mean_loss, has_aux=True)(state.trainable)
        slots = [*state.optimizer]
        slots[LEARNING_RATE] = rate.astype(slots[LEARNING_RATE].dtype)
        trainable, slots = self.optimizer.stateless_apply(slots, gradients, state.trainable)
        return State(trainable, non_trainable, slots, seeds, state.loss + loss, state.hits + hits(logits, targets))

    def _add_all(
        self, trainable: list[jax.Array], sums: Sums, pixels: jax.Array, labels: jax.Array, size: int, training: bool
    ) -> Sums:
        def add(sums: Sums, pixels: jax.Array, labels: jax.Array) -> Sums:
            return self._add_batch(trainable, sums, pixels, labels, training)

        whole = len(labels) // size
        batches = (part[: whole * size].reshape(whole, size, *part.shape[1:]) for part in (pixels, labels))
        return _scan(add, sums, tuple(batches), (pixels[whole * size :], labels[whole * size :]))

    def _add_batch(
        self, trainable: list[jax.Array], sums: Sums, pixels: jax.Array, labels: jax.Array, training: bool
    ) -> Sums:
        images, targets = evaluation_batch(self.recipe, self.classes, pixels, labels)
        logits, moved = self.model.stateless_call(trainable, sums.non_trainable, images, training=training)
        loss = losses(logits, targets, 0.0).sum()
        return Sums(moved, sums.loss + loss, sums.hits + hits(logits, targets))

    def _weights(self) -> tuple[list[jax.Array], list[jax.Array]]:
        return (
            [v.value for v in self.model.trainable_variables],
            [v.value for v in self.model.non_trainable_variables],
        )

    def _state(self) -> State:
        optimizer = [v.value for v in self.optimizer.variables]
        zero = jnp.zeros((), jnp.float32)
        return State(*self._weights(), optimizer, self.seeds.state.value, zero, zero + 0)

    def _put_back(self, state: State) -> None:
        """The donated arrays are gone; the variables take the new ones."""
        variables = [
            *self.model.trainable_variables,
            *self.model.non_trainable_variables,
            *self.optimizer.variables,
            self.seeds.state,
        ]
        values = [*state.trainable, *state.non_trainable, *state.optimizer, state.seeds]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _scan(step: Callable[..., Carry], carry: Carry, batches: tuple[Any, ...], rest: tuple[Any, ...]) -> Carry:
    """``step(carry, *batch)`` over the leading axis of ``batches``, and once more over the ``rest`` if there is one."""
    last: Carry
    last, _ = jax.lax.scan(lambda before, batch: (step(before, *batch), None), carry, batches)
    return step(last, *rest) if len(rest[0]) else last


def _parts(count: int, size: int) -> Iterator[slice]:
    """``range(count)`` in pieces of ``size``, the last one smaller where it does not divide."""
    return (slice(start, start + size) for start in range(0, count, size))
