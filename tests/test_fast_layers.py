"""Layers and optimizers that take less time: the numbers of plain NumPy and of Keras's own, on both backends."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.stats import norm

from sepconv.networks import fast_layers
from sepconv.networks.fast_layers import BatchNormalization

SHAPE = (5, 4, 4, 6)
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


def gradients(layer, x, weighting, training=None):
    """Of a weighted sum of the outputs, by inputs and by each weight that is trained."""
    mode = {} if training is None else {"training": training}
    if keras.backend.backend() == "jax":
        import jax

        def loss(inputs, trainable):
            state = [variable.value for variable in layer.non_trainable_variables]
            outputs, _ = layer.stateless_call(trainable, state, inputs, **mode)
            return (outputs * weighting).sum()

        trainable = [variable.value for variable in layer.trainable_variables]
        by_inputs, by_weights = jax.grad(loss, argnums=(0, 1))(x, trainable)
        return [array(by_inputs), *map(array, by_weights)]
    import tensorflow as tf

    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(layer(inputs, **mode) * weighting)
    return [array(g) for g in tape.gradient(loss, [inputs, *(v.value for v in layer.trainable_variables)])]


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


def built(layer):
    """The layer for ``SHAPE``, its weights random."""
    layer.build(SHAPE)
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(size=w.shape).astype("float32") for w in layer.get_weights()])
    return layer


@pytest.mark.parametrize("bias", [True, False])
def test_a_pointwise_convolution_is_a_product_over_the_channels(bias):
    layer = built(fast_layers.Conv2D(7, 1, use_bias=bias))
    kernel, *rest = layer.get_weights()
    expected = images() @ kernel[0, 0] + (rest[0] if bias else 0)
    np.testing.assert_allclose(array(layer(images())), expected, rtol=1e-5, atol=1e-5)


SAME_AS_KERAS = {
    "pointwise": lambda of: of.Conv2D(7, 1),
    "pointwise, no bias": lambda of: of.Conv2D(7, 1, use_bias=False),
    "pointwise, stride 2": lambda of: of.Conv2D(7, 1, strides=2, padding="same"),
    "3×3": lambda of: of.Conv2D(7, 3, padding="same"),
    "depthwise": lambda of: of.DepthwiseConv2D(3, padding="same"),
    "depthwise, no bias": lambda of: of.DepthwiseConv2D(3, padding="same", use_bias=False),
    "depthwise, stride 2": lambda of: of.DepthwiseConv2D(2, strides=2, padding="valid"),
    "cropped": lambda of: of.Cropping2D(((1, 0), (0, 1))),
    "gelu": lambda of: of.Activation("gelu"),
    "relu": lambda of: of.Activation("relu"),
}


@pytest.mark.parametrize("make", SAME_AS_KERAS.values(), ids=SAME_AS_KERAS)
def test_outputs_and_gradients_equal_those_of_keras(make):
    ours, theirs = built(make(fast_layers)), built(make(keras.layers))
    outputs = array(theirs(images()))
    assert np.abs(outputs).max() > 1
    assert np.shape(ours(images())) == ours.compute_output_shape(SHAPE) == outputs.shape
    np.testing.assert_allclose(array(ours(images())), outputs, rtol=1e-5, atol=1e-5)
    weighting = np.random.default_rng(2).normal(size=outputs.shape).astype("float32")
    for value, expected in zip(*(gradients(layer, images(), weighting) for layer in (ours, theirs)), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=2e-5)


def test_gelu_is_the_exact_one():
    x = np.linspace(-12, 12, 49, dtype="float32").reshape(1, 7, 7, 1)
    layer, ones = fast_layers.Activation("gelu"), np.ones_like(x)
    np.testing.assert_allclose(array(layer(x)), x * norm.cdf(x), atol=2e-6)
    (gradient,) = gradients(layer, x, ones)
    np.testing.assert_allclose(gradient, norm.cdf(x) + x * norm.pdf(x), atol=2e-6)


@pytest.mark.parametrize("name", ["pointwise", "depthwise", "cropped", "gelu"])
def test_the_size_of_a_batch_may_be_open(name):
    inputs = keras.Input(SHAPE[1:])
    model = keras.Model(inputs, SAME_AS_KERAS[name](fast_layers)(inputs))
    for size in (5, 2):
        assert model(images((size, *SHAPE[1:]))).shape == model.compute_output_shape((size, *SHAPE[1:]))


@pytest.mark.parametrize("name", ["pointwise", "depthwise", "cropped", "gelu"])
def test_bfloat16_is_computed_in(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = built(SAME_AS_KERAS[name](fast_layers))
    finally:
        keras.config.set_dtype_policy("float32")
    outputs = layer(images())
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    assert {variable.dtype for variable in layer.variables} <= {"float32"}
    np.testing.assert_allclose(
        array(ops.cast(outputs, "float32")),
        array(built(SAME_AS_KERAS[name](keras.layers))(images())),
        rtol=0.02,
        atol=0.1,
    )


def steps(optimizer, gradients_of_steps, rates):
    """A variable after one update by each gradient, and the optimizer's own variables."""
    variable = keras.Variable(np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4))
    optimizer.build([variable])
    for gradient, rate in zip(gradients_of_steps, rates, strict=True):
        optimizer.learning_rate = rate
        optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
    return [array(variable), *map(array, optimizer.variables)]


GRADIENTS = np.random.default_rng(4).normal(size=(5, 3, 4)).astype("float32")
RATES = [0.01, 0.1, 0.001, 0.02, 0.03]
# 1 - 0.999 is off by 1.3e-5 of itself in float32, half of that under the root.
ADAM_TOLERANCE = {"rtol": 1e-5, "atol": 2e-6}


@pytest.mark.parametrize("decay", [None, 0.05])
def test_adam_is_that_of_its_paper(decay):
    """Kingma & Ba 2015, end of Sec. 2: the rate carries both corrections; Loshchilov & Hutter 2019: decay first."""
    optimizer = fast_layers.Adam() if decay is None else fast_layers.AdamW(weight_decay=decay)
    x, m, v = np.linspace(-1, 1, 12).reshape(3, 4), 0.0, 0.0
    for t, (g, rate) in enumerate(zip(GRADIENTS.astype("float64"), RATES, strict=True), 1):
        x = x - (decay or 0) * rate * x
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        x = x - rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
    weights, iterations, rate, *slots = steps(optimizer, GRADIENTS, RATES)
    np.testing.assert_allclose(weights, x, **ADAM_TOLERANCE)
    assert (iterations, rate) == (5, np.float32(RATES[-1]))
    for slot, expected in zip(slots, (m, v), strict=True):
        np.testing.assert_allclose(slot, expected, rtol=2e-5)


@pytest.mark.parametrize("make", [lambda of: of.Adam(), lambda of: of.AdamW(weight_decay=0.05)], ids=["adam", "adamw"])
def test_adam_equals_that_of_keras(make):
    ours, theirs = (steps(make(of), GRADIENTS, RATES) for of in (fast_layers, keras.optimizers))
    for value, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(value, expected, **ADAM_TOLERANCE)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="starts this file on JAX")
def test_all_of_this_on_jax(run_tests_on_jax):
    assert "34 passed" in run_tests_on_jax(__file__)
