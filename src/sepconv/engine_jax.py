"""Train and evaluate on JAX: one compiled call an epoch over images that stay on the device.

On a CPU the steps are compiled one by one, since XLA runs convolutions inside ``scan`` 30-40 times slower there
(github.com/jax-ml/jax/issues/12868).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from sepconv.data import Images
from sepconv.objective import evaluation_batch, hits, losses, training_batch
from sepconv.spec import Recipe

EVALUATION_BATCH = 500
_LEARNING_RATE = 1  # Keras lists an optimizer's iterations and learning rate before its slots


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
        self._pixels, self._labels = jnp.asarray(train.pixels), jnp.asarray(train.labels)
        self._on_cpu = jax.devices()[0].platform == "cpu"
        self._evaluate = jax.jit(self._evaluate_batch, static_argnames="training")

    def compile(self, steps: int) -> None:
        """Compile what an epoch of ``steps`` steps calls, so that its time is not counted as training."""
        self.optimizer.build(self.model.trainable_variables)
        size = self.recipe.batch_size
        whole, rest = divmod(len(self._labels), size)
        step, scan = jax.jit(self._train_step, donate_argnums=0), jax.jit(self._train_scan, donate_argnums=0)
        # The compiled objects are kept: calling the jitted function instead would compile once more.
        self._step = {n: step.lower(self._state(), *_shapes((n,), ())).compile() for n in {size, rest} - {0}}
        if not self._on_cpu and whole:
            self._scan = scan.lower(self._state(), *_shapes((whole, size), (whole,))).compile()

    def step_memory(self) -> Any:  # noqa: ANN401 - jax has no public name for its type
        """The compiler's account of one whole step: bytes of arguments, outputs, what both share, and temporaries."""
        return self._step[self.recipe.batch_size].memory_analysis()

    def train_epoch(self, order: NDArray[np.int64], rates: NDArray[np.float64]) -> tuple[float, float]:
        """Train on all images in ``order``, one learning rate a step; return mean loss and accuracy in percent."""
        size = self.recipe.batch_size
        whole = len(order) // size
        batches = jnp.asarray(order[: whole * size].reshape(whole, size), jnp.int32)
        rest = jnp.asarray(order[whole * size :], jnp.int32)
        schedule = jnp.asarray(rates, jnp.float32)
        state = self._state()
        if self._on_cpu:
            for batch, rate in zip(batches, schedule, strict=False):
                state = self._step[size](state, batch, rate)
        elif whole:
            state = self._scan(state, batches, schedule[:whole])
        if len(rest):
            state = self._step[len(rest)](state, rest, schedule[-1])
        self._put_back(state)
        return float(state.loss) / len(order), 100 * float(state.hits) / len(order)

    def evaluate(self, images: Images) -> tuple[float, float]:
        """Mean loss and accuracy in percent over all images, in inference mode."""
        weights = self._weights()
        loss, correct = 0.0, 0.0
        for start in range(0, len(images.labels), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            batch_loss, batch_hits, _ = self._evaluate(*weights, images.pixels[part], images.labels[part], False)
            loss, correct = loss + batch_loss, correct + batch_hits
        return float(loss) / len(images.labels), 100 * float(correct) / len(images.labels)

    def evaluate_batch_statistics(self, images: Images) -> float:
        """Accuracy in percent with batch norm on the statistics of each batch of the training batch size."""
        trainable, non_trainable = self._weights()
        correct = 0.0
        for start in range(0, len(images.labels), self.recipe.batch_size):
            part = slice(start, start + self.recipe.batch_size)
            _, batch_hits, non_trainable = self._evaluate(
                trainable, non_trainable, images.pixels[part], images.labels[part], True
            )
            correct = correct + batch_hits
        return 100 * float(correct) / len(images.labels)

    def _train_scan(self, state: State, batches: jax.Array, rates: jax.Array) -> State:
        last: State
        last, _ = jax.lax.scan(lambda carry, step: (self._train_step(carry, *step), None), state, (batches, rates))
        return last

    def _train_step(self, state: State, batch: jax.Array, rate: jax.Array) -> State:
        with keras.StatelessScope(state_mapping=[(self.seeds.state, state.seeds)]) as scope:
            images, targets = training_batch(
                self.recipe, self.classes, self._pixels[batch], self._labels[batch], self.seeds
            )
        seeds = scope.get_current_value(self.seeds.state)

        def mean_loss(trainable: list[jax.Array]) -> tuple[jax.Array, Any]:
            logits, non_trainable = self.model.stateless_call(trainable, state.non_trainable, images, training=True)
            each = losses(logits, targets, self.recipe.label_smoothing)
            return each.mean(), (each.sum(), logits, non_trainable)

        gradients, (loss, logits, non_trainable) = jax.grad(mean_loss, has_aux=True)(state.trainable)
        slots = [*state.optimizer]
        slots[_LEARNING_RATE] = rate.astype(slots[_LEARNING_RATE].dtype)
        trainable, slots = self.optimizer.stateless_apply(slots, gradients, state.trainable)
        return State(trainable, non_trainable, slots, seeds, state.loss + loss, state.hits + hits(logits, targets))

    def _evaluate_batch(
        self,
        trainable: list[jax.Array],
        non_trainable: list[jax.Array],
        pixels: jax.Array,
        labels: jax.Array,
        training: bool,
    ) -> tuple[jax.Array, jax.Array, list[jax.Array]]:
        images, targets = evaluation_batch(self.recipe, self.classes, pixels, labels)
        logits, non_trainable = self.model.stateless_call(trainable, non_trainable, images, training=training)
        return losses(logits, targets, 0.0).sum(), hits(logits, targets), non_trainable

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


def _shapes(order: tuple[int, ...], rates: tuple[int, ...]) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    return jax.ShapeDtypeStruct(order, jnp.int32), jax.ShapeDtypeStruct(rates, jnp.float32)
