"""Keras's layers and optimizers with the same variables, computed in less time; the numbers differ by rounding.

Their names are Keras's too: a network's layers are counted and shown by what they are, not by how they are computed.
``sepconv bench throughput`` measures what they gain, since its baselines train Keras's own. On TensorFlow Keras 3
leaves time in five of those that are used here:

- Batch norm is computed from single operations, each of which reads and writes the whole input. On JAX its variance
  takes a second pass. What batch norm moves, not what it computes, is its cost. It also sums a channel's values one
  after another in float32, and so does TensorFlow's fused kernel: :func:`_normalise_by_batch` does not.
- A 1×1 convolution is one to the kernels too, whose weight gradient takes twice as long as the same matrix product.
- Cropping has a gradient that copies value by value.
- GELU is some six operations forward and a dozen backward.
- Adam's update is a dozen operations, each of which reads and writes something as large as the weights.

On JAX it leaves depthwise convolutions to XLA, which knows one way to compute them: see
:mod:`sepconv.networks.depthwise`.
"""

import math
from functools import cache
from typing import Any, Literal, get_args

import keras
from keras import layers, ops, optimizers

from sepconv.results.records import Part, Way

Tensor = Any  # a tensor of the backend


def _on_tensorflow() -> bool:
    return bool(keras.backend.backend() == "tensorflow")


class Conv2D(layers.Conv2D):  # type: ignore[misc]
    """Keras's convolution; one of 1×1 pixels at stride 1 is a product with its matrix of channels and filters."""

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve ``(batch, height, width, channels)`` to ``(batch, ⌈height/stride⌉, ⌈width/stride⌉, filters)``."""
        pointwise = self.kernel_size == self.strides == (1, 1)
        return self._product(inputs) if _on_tensorflow() and pointwise else super().call(inputs)

    def _product(self, inputs: Tensor) -> Tensor:
        import tensorflow as tf

        channels = inputs.shape[-1]
        outputs = tf.matmul(tf.reshape(inputs, (-1, channels)), tf.reshape(self.kernel.value, (channels, self.filters)))
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, self.bias.value)
        return tf.reshape(outputs, (-1, *inputs.shape[1:-1], self.filters))


class DepthwiseConv2D(layers.DepthwiseConv2D):  # type: ignore[misc]
    """Keras's depthwise convolution of square images; on JAX each part of it in the fastest way known."""

    @property
    def ways(self) -> dict[Part, Way | Literal["keras"]]:
        """How each part of a training step is computed on this machine, for the images that the layer was built for."""
        if self._left_to_keras(self.input):
            return dict.fromkeys(get_args(Part), "keras")
        from sepconv.networks import depthwise

        shape = depthwise.shape_of(self.input.shape, self.kernel_size[0], self.strides[0], self.padding)
        return {**depthwise.ways(shape, self.compute_dtype)}

    @staticmethod
    def _left_to_keras(inputs: Tensor) -> bool:
        return bool(keras.backend.backend() != "jax" or inputs.shape[1] != inputs.shape[2])

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve ``(batch, size, size, channels)``, each channel with its own kernel."""
        if self._left_to_keras(inputs):
            return super().call(inputs)
        from sepconv.networks import depthwise

        outputs = depthwise.convolve(inputs, self.kernel[..., 0], self.strides[0], self.padding)
        return outputs + self.bias if self.use_bias else outputs


class Cropping2D(layers.Cropping2D):  # type: ignore[misc]
    """Keras's cropping, by an operation whose gradient pads with zeros."""

    def call(self, inputs: Tensor) -> Tensor:
        """Cut rows and columns off ``(batch, height, width, channels)``."""
        if not _on_tensorflow():
            return super().call(inputs)
        import tensorflow as tf

        (top, _), (left, _) = self.cropping
        _, height, width, channels = self.compute_output_shape(inputs.shape)
        return tf.slice(inputs, (0, top, left, 0), (-1, height, width, channels))


class Activation(layers.Activation):  # type: ignore[misc]
    """Keras's activation; the exact GELU is compiled to one operation in each direction."""

    def call(self, inputs: Tensor) -> Tensor:
        """Element by element."""
        exact_gelu = self.activation is keras.activations.gelu
        return _gelu()(inputs) if _on_tensorflow() and exact_gelu else super().call(inputs)


@cache
def _gelu() -> Any:  # noqa: ANN401 - TensorFlow's functions have no public type
    """GELU, ``x · Φ(x)`` with the normal distribution Φ, and its gradient, each compiled by XLA once a shape."""
    import tensorflow as tf

    def distribution(x: Tensor) -> Tensor:
        return 0.5 + 0.5 * tf.math.erf(x * math.sqrt(0.5))

    def density(x: Tensor) -> Tensor:
        return tf.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)

    forward = tf.function(lambda x: x * distribution(x), jit_compile=True, autograph=False)
    backward = tf.function(lambda x, dy: dy * (distribution(x) + x * density(x)), jit_compile=True, autograph=False)
    return tf.custom_gradient(lambda x: (forward(x), lambda dy: backward(x, dy)))


class BatchNormalization(layers.BatchNormalization):  # type: ignore[misc]
    """Keras's batch norm over the last axis, passing over its input as seldom as it can."""

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
        """Normalise ``(batch, height, width, channels)``, in training on the batch's own statistics."""
        if _on_tensorflow() and mask is None:
            return self._fused(inputs, bool(training and self.trainable))
        return super().call(inputs, training=training, mask=mask)

    def _moments(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and population variance ``(channels,)`` in one pass, float32."""
        mean = ops.mean(inputs, self._reduction_axes)
        variance = ops.mean(ops.square(inputs), self._reduction_axes) - ops.square(mean)
        return mean, ops.maximum(variance, 0.0)  # rounding must not make it negative

    def _fused(self, inputs: Tensor, training: bool) -> Tensor:
        import tensorflow as tf

        gamma, beta = tf.convert_to_tensor(self.gamma.value), tf.convert_to_tensor(self.beta.value)
        if training:
            outputs, mean, variance = _normalise_by_batch(self.epsilon)(inputs, gamma, beta)
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
            return outputs
        known = {"mean": self.moving_mean.value, "variance": self.moving_variance.value}
        return _normalise(inputs, gamma, beta, epsilon=self.epsilon, **known)

    def _move(self, average: keras.Variable, value: Tensor) -> None:
        average.assign(average * self.momentum + value * (1 - self.momentum))


def _normalise(inputs: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, epsilon: float) -> Tensor:
    import tensorflow as tf

    statistics = {"mean": mean, "variance": variance}
    return tf.compat.v1.nn.fused_batch_norm(inputs, gamma, beta, epsilon=epsilon, is_training=False, **statistics)[0]


@cache
def _normalise_by_batch(epsilon: float) -> Any:  # noqa: ANN401 - TensorFlow's functions have no public type
    """Batch norm on a batch's own statistics: outputs, mean and population variance of each channel, with a gradient.

    TensorFlow's fused kernel sums all values of a channel one after another in float32, forward and backward. At a
    million values a channel, as in yu2021, this puts the gradient of the whole network off by a fifth of its length.
    Here every sum is taken within each image first, so that no partial sum has more terms than an image has pixels.
    """
    import tensorflow as tf

    def of_images(values: Tensor) -> Tensor:
        return tf.reduce_sum(values, (1, 2))  # (batch, channels)

    scaled_sum = tf.function(lambda x, dy, a, b, c: a * dy + b * x + c, jit_compile=True, autograph=False)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def normalise(inputs: Tensor, gamma: Tensor, beta: Tensor) -> Any:  # noqa: ANN401
        x = tf.cast(inputs, tf.float32)
        count = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
        origin = tf.reduce_mean(x[0], (0, 1))  # near the mean, so that its square is not what is left of the squares
        offset = tf.reduce_sum(of_images(x - origin), 0) / count
        mean = origin + offset
        variance = tf.reduce_sum(of_images(tf.square(x - origin)), 0) / count - tf.square(offset)
        variance = tf.maximum(variance, 0.0)  # rounding must not make it negative

        def gradient(dy: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            dy = tf.cast(dy, tf.float32)
            inverse = tf.math.rsqrt(variance + epsilon)
            d_beta = tf.reduce_sum(of_images(dy), 0)
            d_gamma = inverse * tf.reduce_sum(of_images(dy * (x - mean)), 0)
            scale, slope = gamma * inverse, gamma * tf.square(inverse) * d_gamma / count
            dx = scaled_sum(x, dy, scale, -slope, slope * mean - scale * d_beta / count)
            return tf.cast(dx, inputs.dtype), d_gamma, d_beta

        outputs = _normalise(inputs, gamma, beta, mean=mean, variance=variance, epsilon=epsilon)
        return (outputs, mean, variance), gradient

    return normalise


class _OnePass(optimizers.Adam):  # type: ignore[misc]
    """Adam's update, in one pass over weights, both slots and gradient."""

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:  # noqa: ANN401
        """Update ``variable`` by its gradient."""
        if not _on_tensorflow():
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        step = tf.cast(self.iterations + 1, variable.dtype)
        slots = self._momentums, self._velocities
        m, v = (slot[self._get_variable_index(variable)].value.handle for slot in slots)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m,
            v=v,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class Adam(_OnePass):
    """Keras's Adam."""


class AdamW(_OnePass, optimizers.AdamW):  # type: ignore[misc]
    """Keras's AdamW, which decays the weights before the update."""
