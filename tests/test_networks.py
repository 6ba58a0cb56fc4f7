"""The networks: counts as the papers print them, blocks against plain NumPy, one backend against the other."""

from math import erf

import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from sepconv.networks import build, builders
from sepconv.networks.layers import KERAS, PYTORCH, conv_bn_relu, depthwise_separable_block
from sepconv.spec import Network, SpecError

CIFAR = (32, 32, 3)
MEDIUM = {"dim": 256}
LARGE = {"dim": 256, "kernel": 7, "depth": 16}


# --- counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "options", "image_shape", "classes", "total", "trainable"),
    [
        ("tseng.conv", {}, CIFAR, 10, 2_201_674, 2_201_674),  # Sec. 4.2
        ("tseng.depthwise_separable", {}, CIFAR, 10, 1_094_538, 1_084_938),  # Sec. 4.2
        ("tseng.depthwise_separable", {"blocks_512": 5}, CIFAR, 10, 2_182_026, 2_164_234),  # Table 2 as printed
        ("tseng.skeleton", {}, CIFAR, 10, 1_094_538, 1_084_938),  # the network above
        ("tseng.skeleton", {"width": 0.5}, CIFAR, 10, 286_666, 281_866),
        ("tseng.skeleton", {"width": 0.5, "convolution": "standard"}, CIFAR, 10, 2_358_314, 2_355_402),
        ("islam.patch_network", {}, CIFAR, 10, 134_794, 130_442),  # Table 1, Small
        ("islam.patch_network", MEDIUM, CIFAR, 10, 498_954, 490_250),  # Table 1, Medium
        ("islam.patch_network", LARGE | {"patch": 1}, CIFAR, 10, 1_013_258, 996_362),
        ("islam.patch_network", LARGE, CIFAR, 10, 1_015_562, 998_666),  # Table 1's number for Large
        ("yu.conv_net", {}, CIFAR, 100, 28_389_540, 28_377_572),  # Sec. 4.1
        ("yu.conv_net", {"blocks_512": 0}, CIFAR, 100, 16_580_260, 16_573_412),  # Fig. 2 as printed
        ("yu.depthwise_conv_net", {}, CIFAR, 100, 3_342_308, 3_320_420),  # Sec. 4.1
        ("reference.resnet50", {}, (224, 224, 3), 1000, 25_636_712, 25_583_592),
        ("reference.mobilenet", {}, (224, 224, 3), 1000, 4_253_864, 4_231_976),
    ],
)
def test_parameters(builder, options, image_shape, classes, total, trainable):
    model = build(Network(builder, options), image_shape, classes)
    assert model.count_params() == total
    assert sum(v.numpy().size for v in model.trainable_variables) == trainable
    assert model.output_shape == (None, classes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("builder", "total"),
    [
        ("reference.vgg19", 143_667_240),
        ("reference.alexnet", 62_378_344),
        ("reference.mobilenet_standard", 29_306_056),
    ],
)
def test_parameters_of_the_largest(builder, total):
    assert build(Network(builder), (224, 224, 3), 1000).count_params() == total


def test_every_network_returns_logits():
    model = build(Network("tseng.depthwise_separable"), CIFAR, 10)
    logits = keras.ops.convert_to_numpy(model(np.random.default_rng(0).normal(size=(4, *CIFAR)).astype("float32")))
    assert (logits < 0).any()
    assert not np.allclose(logits.sum(axis=1), 1)


# --- building --------------------------------------------------------------------------------------------------------


def test_unknown_builder_lists_the_known():
    with pytest.raises(SpecError, match=r"'tseng\.dsc'.*one of: islam\.patch_network, .*yu\.depthwise_conv_net"):
        build(Network("tseng.dsc"), CIFAR, 10)


def test_unknown_option_lists_the_known():
    with pytest.raises(SpecError, match=r"unknown option block; expected one of: blocks_512"):
        build(Network("yu.conv_net", {"block": 5}), CIFAR, 10)


def test_only_builders_are_listed():
    assert set(builders()) == {
        *(
            "tseng.conv",
            "tseng.depthwise_separable",
            "tseng.skeleton",
            "islam.patch_network",
            "yu.conv_net",
            "yu.depthwise_conv_net",
        ),
        *(f"reference.{n}" for n in ("alexnet", "vgg19", "resnet50", "mobilenet", "mobilenet_standard")),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 5}, r"patch size: expected a divisor of .* \(32 and 32\), got 5"),
        ({"second": 3}, r"second: expected a divisor of .* \(128\), got 3"),
        ({"norm": "group"}, r"unknown norm 'group'; expected one of: batch, layer"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(SpecError, match=message):
        build(Network("islam.patch_network", options), CIFAR, 10)


def test_layer_names_are_stable():
    model = build(Network("tseng.depthwise_separable"), CIFAR, 10)
    names = [layer.name for layer in model.layers]
    assert names[:7] == [
        *("images", "stem_conv", "stem_bn", "stem_relu"),
        *("block1_depthwise_conv", "block1_depthwise_bn", "block1_depthwise_relu"),
    ]
    assert names[-2:] == ["pool", "logits"]


def test_skeleton_of_width_one_is_the_network_of_the_paper():
    ours, theirs = (build(Network(f"tseng.{name}"), CIFAR, 10) for name in ("skeleton", "depthwise_separable"))
    assert keras_config(ours) == keras_config(theirs)


def keras_config(model):
    return [(type(layer).__name__, layer.get_config()) for layer in model.layers]


def test_standard_skeleton_has_norm_and_relu_after_each_convolution_and_its_own_momentum():
    options = {"convolution": "standard", "width": 1 / 3, "bn_momentum": 0.6}
    model = build(Network("tseng.skeleton", options), CIFAR, 10)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [11, 21, 43, 43, 85, 85, 171, 171, 341]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    kinds = [type(layer).__name__ for layer in model.layers[1:-2]]
    assert kinds == len(convolutions) * ["Conv2D", "BatchNormalization", "Activation"]
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {0.6}


def test_islam_without_residuals_adds_nothing():
    small = build(Network("islam.patch_network"), CIFAR, 10)
    plain = build(Network("islam.patch_network", {"residual": False}), CIFAR, 10)
    added = [sum(isinstance(layer, keras.layers.Add) for layer in model.layers) for model in (small, plain)]
    assert added == [16, 0]
    assert small.count_params() == plain.count_params()


# --- blocks against NumPy --------------------------------------------------------------------------------------------


def randomise(model: keras.Model, seed: int = 0) -> None:
    """Weights and statistics that are nowhere 0 or 1; the norms and gains keep the logits near 1."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        fan_in = max(1, np.prod(variable.shape[:-1]))
        value = rng.normal(size=variable.shape) / fan_in**0.5
        positive = variable.name in ("gamma", "moving_variance")
        variable.assign(rng.uniform(0.5, 1.5, size=variable.shape) if positive else value)


def windows(x: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """``(b, h, w, c) -> (b, rows, columns, c, kernel, kernel)``."""
    return sliding_window_view(x, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]


def numpy_conv(x, kernel, bias, stride):
    return np.einsum("bhwcij,ijcf->bhwf", windows(x, kernel.shape[0], stride), kernel) + bias


def numpy_depthwise(x, kernel, bias, stride):
    return np.einsum("bhwcij,ijc->bhwc", windows(x, kernel.shape[0], stride), kernel[..., 0]) + bias


def numpy_bn(x, gamma, beta, mean, variance, epsilon):
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def numpy_transposed(x, kernel, bias):
    """PyTorch's ConvTranspose2d with stride 2, padding 1, output padding 1: every input pixel paints a kernel."""
    batch, height, width, _ = x.shape
    full = np.zeros((batch, 2 * height + 2, 2 * width + 2, kernel.shape[2]))  # one row more: the output padding
    for i in range(height):
        for j in range(width):
            full[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += np.einsum("bc,ijfc->bijf", x[:, i, j], kernel)
    return full[:, 1:-1, 1:-1] + bias


def numpy_gelu(x):
    return x * (1 + np.vectorize(erf)(x / 2**0.5)) / 2


def model_and_output(block, shape):
    """A model of one block, the images it was given and what it made of them."""
    inputs = keras.Input(shape)
    model = keras.Model(inputs, block(inputs))
    randomise(model)
    x = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")
    return model, x, keras.ops.convert_to_numpy(model(x))


def weights_of(model, name):
    return [w.numpy() for w in model.get_layer(name).weights]


@pytest.mark.parametrize(
    ("convention", "stride", "pad"), [(KERAS, 1, (1, 1)), (KERAS, 2, (0, 1)), (PYTORCH, 2, (1, 1))]
)
def test_standard_convolution(convention, stride, pad):
    model, x, y = model_and_output(lambda x: conv_bn_relu(x, 5, 3, "a", stride, convention), (8, 8, 3))
    padded = np.pad(x, ((0, 0), pad, pad, (0, 0)))
    z = numpy_conv(padded, *weights_of(model, "a_conv"), stride)
    expected = np.maximum(numpy_bn(z, *weights_of(model, "a_bn"), convention.bn_epsilon), 0)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_separable_block_has_norm_and_relu_between(stride):
    model, x, y = model_and_output(lambda x: depthwise_separable_block(x, 5, "a", stride, PYTORCH), (8, 8, 3))
    z = numpy_depthwise(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), *weights_of(model, "a_depthwise_conv"), stride)
    z = np.maximum(numpy_bn(z, *weights_of(model, "a_depthwise_bn"), 1e-5), 0)
    z = numpy_conv(z, *weights_of(model, "a_pointwise_conv"), 1)
    expected = np.maximum(numpy_bn(z, *weights_of(model, "a_pointwise_bn"), 1e-5), 0)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_yu_stem_is_pytorchs_transposed_convolution():
    model = build(Network("yu.depthwise_conv_net", {"blocks_512": 0}), (6, 6, 3), 10)
    stem = keras.Model(model.input, model.get_layer("stem_crop").output)
    randomise(stem)
    x = np.random.default_rng(1).normal(size=(2, 6, 6, 3)).astype("float32")
    expected = numpy_transposed(x, *weights_of(stem, "stem_conv"))
    assert expected.shape == (2, 12, 12, 32)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(stem(x)), expected, atol=1e-5)


def test_islam_block_order_and_residuals():
    model = build(Network("islam.patch_network", {"dim": 8, "depth": 1}), (8, 8, 3), 10)
    randomise(model)
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype("float32")

    def gelu_norm(z, name):
        return numpy_bn(numpy_gelu(z), *weights_of(model, f"{name}_norm"), 1e-3)

    def conv(z, name, stride=1):
        return gelu_norm(numpy_conv(z, *weights_of(model, f"{name}_conv"), stride), name)

    stem = conv(x, "stem", stride=2)
    narrow = conv(conv(stem, "block1_first"), "block1_second")
    padded = np.pad(narrow, ((0, 0), (2, 2), (2, 2), (0, 0)))
    deep = gelu_norm(numpy_depthwise(padded, *weights_of(model, "block1_depthwise_conv"), 1), "block1_depthwise")
    out = conv(deep + narrow, "block1_pointwise") + stem
    kernel, bias = weights_of(model, "logits")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x)), out.mean(axis=(1, 2)) @ kernel + bias, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "fan_in"),
    [
        ("stem_conv", 3 * 3 * 32),  # transposed: the second axis of PyTorch's weight is the output's channels
        ("block12_depthwise_conv", 3 * 3),
        ("block12_pointwise_conv", 512),
        ("logits", 1024),
    ],
)
def test_pytorch_initial_weights(name, fan_in):
    keras.utils.set_random_seed(0)
    kernel, bias = weights_of(build(Network("yu.depthwise_conv_net"), CIFAR, 100), name)
    bound = fan_in**-0.5
    for values in (kernel, bias):
        assert 0.8 * bound < np.abs(values).max() <= bound
    assert np.std(kernel) == pytest.approx(bound / 3**0.5, rel=0.05)  # of a uniform distribution
    assert not np.isin(bias, kernel).all()


# --- backends --------------------------------------------------------------------------------------------------------

NETWORKS = {
    "tseng-conv": Network("tseng.conv"),
    "tseng-dsc": Network("tseng.depthwise_separable", {"blocks_512": 0}),
    "islam": Network("islam.patch_network", {"dim": 32, "depth": 1}),
    "islam-layer-norm": Network("islam.patch_network", {"dim": 32, "depth": 1, "norm": "layer"}),
    "yu-dw": Network("yu.depthwise_conv_net", {"blocks_512": 0}),
}
IMAGES = (8, 8, 3)


def predictions(network, weights, images):
    model = build(network, IMAGES, 10)
    model.set_weights(weights)
    return model.predict(images, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_both_backends_compute_the_same(network, on_jax):
    model = build(network, IMAGES, 10)
    randomise(model)
    images = np.random.default_rng(2).normal(size=(4, *IMAGES)).astype("float32")
    expected = keras.ops.convert_to_numpy(model(images))
    assert np.abs(expected).max() > 0.1  # not all alike because all zero
    got = on_jax(predictions, network, model.get_weights(), images)
    np.testing.assert_allclose(got, expected, atol=1e-5, rtol=1e-5)
