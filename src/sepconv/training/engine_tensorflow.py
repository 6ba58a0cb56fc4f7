"""Train and evaluate on TensorFlow: one ``tf.function`` call an epoch over images that stay on the device."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sepconv.spec import Recipe
from sepconv.training.data import Images
from sepconv.training.step import (
    EVALUATION_BATCH,
    evaluation_batch,
    hits,
    losses,
    running_averages,
    training_batch,
    without_memory,
)


class Engine:
    """Whole epochs of training, and whole passes of evaluation, of one model on one training set."""

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer, recipe: Recipe, classes: int, train: Images
    ) -> None:
        self.model, self.optimizer, self.recipe, self.classes = model, optimizer, recipe, classes
        self.seeds = keras.random.SeedGenerator(0)
        # Variables, for which alone a GPU has a gather of uint8; batches of a constant would be gathered on the CPU.
        self._pixels, self._labels = (tf.Variable(part, trainable=False) for part in (train.pixels, train.labels))
        self._train = tf.function(self._train_epoch)
        self._evaluate = tf.function(self._evaluate_pass, reduce_retracing=True)

    def compile(self, steps: int) -> None:
        """Trace the epoch of ``steps`` steps, so that its time is not counted as training."""
        self.optimizer.build(self.model.trainable_variables)
        order = tf.TensorSpec(self._labels.shape, tf.int64)
        self._train.get_concrete_function(order, tf.TensorSpec((steps,), tf.float32))

    def compile_evaluation(self, images: int) -> None:
        """Trace what :meth:`evaluate` calls for so many images, so that its time is not counted as evaluation."""
        pixels = tf.TensorSpec((images, *self._pixels.shape[1:]), tf.uint8)
        self._evaluate.get_concrete_function(pixels, tf.TensorSpec((images,), tf.int64), False, EVALUATION_BATCH)

    def train_epoch(self, order: NDArray[np.int64], rates: NDArray[np.float64]) -> tuple[float, float]:
        """Train on all images in ``order``, one learning rate a step; return mean loss and accuracy in percent."""
        loss, correct = self._train(tf.constant(order), tf.constant(rates, tf.float32))
        return float(loss) / len(order), 100 * float(correct) / len(order)

    def evaluate(self, images: Images) -> tuple[float, float]:
        """Mean loss and accuracy in percent over all images, in inference mode."""
        loss, correct = self._evaluate(images.pixels, images.labels, False, EVALUATION_BATCH)
        return float(loss) / len(images.labels), 100 * float(correct) / len(images.labels)

    def evaluate_batch_statistics(self, images: Images) -> float:
        """Accuracy in percent with batch norm on the statistics of each batch of the training batch size.

        The running statistics, which such a pass moves, are put back.
        """
        before = [variable.numpy() for variable in self.model.non_trainable_variables]
        _, correct = self._evaluate(images.pixels, images.labels, True, self.recipe.batch_size)
        for variable, value in zip(self.model.non_trainable_variables, before, strict=True):
            variable.assign(value)
        return 100 * float(correct) / len(images.labels)

    def mean_batch_statistics(self, images: Images) -> list[NDArray[np.float32]]:
        """Mean and variance of every batch norm's input, averaged over batches of the training batch size.

        Every batch counts alike, and nothing is augmented. The model's own variables stay.

        Returns:
            One array ``(channels,)`` for each of :func:`~sepconv.training.step.running_averages`.
        """
        before = [variable.numpy() for variable in self.model.non_trainable_variables]
        with without_memory(self.model):  # traced here, so that the function of the training epoch keeps its momentum
            sums = tf.function(self._sum_statistics)(images.pixels, images.labels)
        for variable, value in zip(self.model.non_trainable_variables, before, strict=True):
            variable.assign(value)
        batches = math.ceil(len(images) / self.recipe.batch_size)
        return [total.numpy() / batches for total in sums]

    def _sum_statistics(self, pixels: Any, labels: Any) -> list[Any]:  # noqa: ANN401
        averages, size = running_averages(self.model), self.recipe.batch_size
        sums = [tf.zeros_like(average.value) for average in averages]
        for start in tf.range(0, tf.shape(labels)[0], size):
            end = start + size
            images, _ = evaluation_batch(self.recipe, self.classes, pixels[start:end], labels[start:end])
            self.model(images, training=True)
            sums = [total + average.value for total, average in zip(sums, averages, strict=True)]
        return sums

    def _train_epoch(self, order: Any, rates: Any) -> tuple[Any, Any]:  # noqa: ANN401 - symbolic tensors
        loss, correct, size = tf.constant(0.0), tf.constant(0.0), self.recipe.batch_size
        for step in tf.range(tf.shape(rates)[0]):
            batch = order[step * size : (step + 1) * size]
            batch_loss, batch_hits = self._train_step(
                tf.gather(self._pixels, batch), tf.gather(self._labels, batch), rates[step]
            )
            loss, correct = loss + batch_loss, correct + batch_hits
        return loss, correct

    # A step has no control flow for AutoGraph to convert, and converting all that it calls would take seconds per run.
    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def _train_step(self, pixels: Any, labels: Any, rate: Any) -> tuple[Any, Any]:  # noqa: ANN401
        images, targets = training_batch(self.recipe, self.classes, pixels, labels, self.seeds)
        with tf.GradientTape() as tape:
            logits = self.model(images, training=True)
            each = losses(logits, targets, self.recipe.label_smoothing)
            mean = tf.reduce_mean(each)
        variables = self.model.trainable_variables
        self.optimizer.learning_rate = rate
        self.optimizer.apply(tape.gradient(mean, [v.value for v in variables]), variables)
        return tf.reduce_sum(each), hits(logits, targets)

    def _evaluate_pass(self, pixels: Any, labels: Any, training: bool, size: int) -> tuple[Any, Any]:  # noqa: ANN401
        loss, correct = tf.constant(0.0), tf.constant(0.0)
        for start in tf.range(0, tf.shape(labels)[0], size):
            end = start + size
            batch_loss, batch_hits = self._evaluate_step(pixels[start:end], labels[start:end], training)
            loss, correct = loss + batch_loss, correct + batch_hits
        return loss, correct

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def _evaluate_step(self, pixels: Any, labels: Any, training: bool) -> tuple[Any, Any]:  # noqa: ANN401
        images, targets = evaluation_batch(self.recipe, self.classes, pixels, labels)
        logits = self.model(images, training=training)
        return tf.reduce_sum(losses(logits, targets, 0.0)), hits(logits, targets)
