"""Batch norm that passes over its input as seldom as it can: what it moves, not what it computes, is its cost.

Keras 3 has TensorFlow compute the statistics and the normalisation from single operations, each of which reads and
writes the whole input, and has JAX compute the variance from the mean, which takes a second pass.
"""

from typing import Any

import keras
from keras import layers, ops

Tensor = Any  # a tensor of the backend


class BatchNormalization(layers.BatchNormalization):  # type: ignore[misc]
    """Keras's batch norm over the last axis, with the same weights and, to rounding, the same numbers.

    The name is Keras's too: a network's layers are counted and shown by what they are, not by how they are computed.
    """

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
        """Normalise ``(batch, height, width, channels)``, in training on the batch's own statistics."""
        if keras.backend.backend() == "tensorflow" and mask is None:
            return self._fused(inputs, bool(training and self.trainable))
        return super().call(inputs, training=training, mask=mask)

    def _moments(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and population variance ``(channels,)`` in one pass, float32."""
        mean = ops.mean(inputs, self._reduction_axes)
        variance = ops.mean(ops.square(inputs), self._reduction_axes) - ops.square(mean)
        return mean, ops.maximum(variance, 0.0)  # rounding must not make it negative

    def _fused(self, inputs: Tensor, training: bool) -> Tensor:
        import tensorflow as tf

        given = {} if training else {"mean": self.moving_mean.value, "variance": self.moving_variance.value}
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma.value, self.beta.value, epsilon=self.epsilon, is_training=training, **given
        )
        if training:
            count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
            self._move(self.moving_mean, mean)
            # The kernel's variance is Bessel-corrected, for one value by a divisor of 1; Keras keeps that of the batch.
            self._move(self.moving_variance, variance * tf.maximum(count - 1, 1) / count)
        return outputs

    def _move(self, average: keras.Variable, value: Tensor) -> None:
        average.assign(average * self.momentum + value * (1 - self.momentum))
