"""Batch norm computed in fewer passes: the numbers of plain NumPy and of Keras's own layer, on both backends."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from sepconv.kernels import BatchNormalization

SHAPE = (5, 4, 3, 6)
MOMENTUM, EPSILON = 0.9, 1e-3


def layers():
    """Ours and Keras's own, from the same weights, which are nowhere 0 or 1."""
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 1.5, SHAPE[-1]).astype("float32") for _ in range(4)]
    built = []
    for layer_type in (BatchNormalization, keras.layers.BatchNormalization):
        layer = layer_type(momentum=MOMENTUM, epsilon=EPSILON)
        layer.build(SHAPE)
        layer.set_weights(weights)
        built.append(layer)
    return built


def images(shape=SHAPE):
    """Mean 2 and standard deviation 3: nothing that a normalised input would hide."""
    return np.random.default_rng(1).normal(2, 3, shape).astype("float32")


def array(tensor):
    return ops.convert_to_numpy(tensor)


def test_training_normalises_by_the_batch_and_moves_the_averages():
    layer, _ = layers()
    gamma, beta, moving_mean, moving_variance = map(array, layer.weights)
    x = images()
    outputs = array(layer(x, training=True))
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    np.testing.assert_allclose(outputs, gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta, atol=1e-5)
    np.testing.assert_allclose(array(layer.moving_mean), 0.9 * moving_mean + 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(array(layer.moving_variance), 0.9 * moving_variance + 0.1 * variance, rtol=1e-5)


def test_inference_normalises_by_the_averages_and_leaves_them():
    layer, _ = layers()
    before = layer.get_weights()
    gamma, beta, mean, variance = before
    x = images()
    np.testing.assert_allclose(array(layer(x)), gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta, atol=1e-5)
    for value, expected in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("shape", [SHAPE, (1, 1, 1, 6)], ids=["batch", "one value a channel"])
def test_training_equals_keras(shape):
    ours, theirs = layers()
    x = images(shape)
    np.testing.assert_allclose(array(ours(x, training=True)), array(theirs(x, training=True)), atol=1e-5)
    for value, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_equal_those_of_keras(training):
    x, weighting = images(), np.random.default_rng(2).normal(size=SHAPE).astype("float32")
    ours, theirs = (gradients(layer, x, weighting, training) for layer in layers())
    for value, expected in zip(ours, theirs, strict=True):
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(value, expected, atol=2e-5)


def gradients(layer, x, weighting, training):
    """Of a weighted sum of the outputs, by inputs, gamma and beta."""
    if keras.backend.backend() == "jax":
        import jax

        def loss(inputs, trainable):
            state = [variable.value for variable in layer.non_trainable_variables]
            outputs, _ = layer.stateless_call(trainable, state, inputs, training=training)
            return (outputs * weighting).sum()

        trainable = [variable.value for variable in layer.trainable_variables]
        by_inputs, by_weights = jax.grad(loss, argnums=(0, 1))(x, trainable)
        return [array(by_inputs), *map(array, by_weights)]
    import tensorflow as tf

    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(layer(inputs, training=training) * weighting)
    return [array(g) for g in tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])]


def test_bfloat16_keeps_weights_and_statistics_in_float32():
    layer = BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, dtype="mixed_bfloat16")
    x = images((64, 8, 8, 6))
    outputs = layer(ops.cast(x, "bfloat16"), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    rounded = array(ops.cast(ops.cast(x, "bfloat16"), "float32"))
    np.testing.assert_allclose(array(layer.moving_mean), 0.1 * rounded.mean(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(array(layer.moving_variance) - 0.9, 0.1 * rounded.var(axis=(0, 1, 2)), rtol=1e-4)


def test_a_constant_channel_has_no_negative_variance():
    layer = BatchNormalization(momentum=0.0, epsilon=EPSILON)
    x = np.full((64, 8, 8, 3), 1234.567, "float32")
    outputs = array(layer(x, training=True))
    assert np.isfinite(outputs).all()
    assert (array(layer.moving_variance) >= 0).all()


def test_a_frozen_layer_uses_the_averages():
    layer, _ = layers()
    layer.trainable = False
    x = images()
    np.testing.assert_array_equal(array(layer(x, training=True)), array(layer(x, training=False)))


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="starts this file on JAX")
def test_all_of_this_on_jax():
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "9 passed" in done.stdout
