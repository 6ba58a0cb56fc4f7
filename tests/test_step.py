"""The optimizer of yu2021 against PyTorch's update rule, and losses and hits against plain NumPy."""

import keras
import numpy as np
import pytest

from sepconv.networks import build
from sepconv.papers import paper
from sepconv.spec import Network, Optimizer
from sepconv.training import step
from sepconv.training.data import NORMALISATIONS


def pytorch_sgd(weights, gradients, rate, momentum, l2):
    """torch.optim.SGD(lr, momentum, weight_decay, nesterov=True), as its documentation states the update."""
    buffer = None
    for gradient in gradients:
        gradient = gradient + l2 * weights
        buffer = gradient if buffer is None else momentum * buffer + gradient
        weights = weights - rate * (gradient + momentum * buffer)
    return weights


def test_coupled_sgd_is_pytorchs():
    rng = np.random.default_rng(0)
    weights, gradients = rng.normal(size=5), rng.normal(size=(4, 5))
    variable = keras.Variable(weights, dtype="float32")
    optimizer = step.build_optimizer(Optimizer("sgd", momentum=0.9, nesterov=True, l2=0.02))
    optimizer.build([variable])
    optimizer.learning_rate = 0.0125
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
    expected = pytorch_sgd(weights, gradients, rate=0.0125, momentum=0.9, l2=0.02)
    assert keras.ops.convert_to_numpy(variable) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("decay_depthwise", [True, False])
def test_decay_spares_depthwise_kernels_only_where_it_is_told_to(decay_depthwise):
    model = build(Network("tseng.skeleton", {"width": 1 / 16}), (32, 32, 3), 10)
    optimizer = step.build_optimizer(Optimizer("sgd", l2=0.5, decay_depthwise=decay_depthwise))
    variables = model.trainable_variables
    for variable in variables:
        variable.assign(keras.ops.ones_like(variable))
    optimizer.build(variables)
    optimizer.learning_rate = 0.1
    optimizer.apply([keras.ops.zeros_like(variable) for variable in variables], variables)
    decayed = {v.path: float(keras.ops.mean(v)) == pytest.approx(0.95) for v in variables}
    kernels = {f"{layer.name}/kernel" for layer in model.layers if isinstance(layer, keras.layers.DepthwiseConv2D)}
    assert len(kernels) == 8
    assert {path for path, is_decayed in decayed.items() if not is_decayed} == (set() if decay_depthwise else kernels)


def adamw(weights, gradients, rates, decay, times_rate):
    """Decoupled decay (Loshchilov & Hutter 2019, Algorithm 2), then Adam's step.

    The decay is multiplied by each step's own learning rate, as in Keras and PyTorch, or not, as in TensorFlow Addons.
    """
    first = second = np.zeros_like(weights)
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), 1):
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        update = first / (1 - 0.9**t) / (np.sqrt(second / (1 - 0.999**t)) + 1e-7)
        weights = weights - (rate if times_rate else 1) * decay * weights - rate * update
    return weights


@pytest.mark.parametrize("times_rate", [True, False])
def test_adamw_multiplies_its_decay_by_the_rate_of_each_step_only_where_it_is_told_to(times_rate):
    rng = np.random.default_rng(0)
    weights, gradients, rates = rng.normal(size=5), rng.normal(size=(4, 5)), np.array([1e-5, 0.01, 0.1, 0.05])
    variable = keras.Variable(weights, dtype="float32")
    optimizer = step.build_optimizer(Optimizer("adamw", weight_decay=0.3, decay_times_rate=times_rate))
    optimizer.build([variable])
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
    expected = adamw(weights, gradients, rates, 0.3, times_rate)
    assert keras.ops.convert_to_numpy(variable) == pytest.approx(expected, rel=1e-4)


def test_losses_are_cross_entropies():
    logits = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]])
    targets = np.array([[1.0, 0, 0], [0.3, 0.7, 0]])
    log_softmax = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    got = keras.ops.convert_to_numpy(step.losses(logits.astype("float32"), targets.astype("float32"), 0.0))
    assert got == pytest.approx(-(targets * log_softmax).sum(-1), rel=1e-5)


def test_a_mixed_image_is_hit_by_its_larger_label():
    logits = np.array([[0.0, 3.0], [3.0, 0.0], [0.0, 3.0]])
    targets = np.array([[0.4, 0.6], [0.4, 0.6], [0.0, 1.0]])
    assert float(step.hits(logits, targets)) == 2


@pytest.mark.parametrize(("key", "experiment"), [("tseng2020", "conv"), ("yu2021", "cifar10-dw")])
def test_evaluation_batch_is_scaled_as_the_paper_does(key, experiment, cifar10):
    recipe = paper(key).experiment(experiment).recipe
    pixels, labels = cifar10.test.pixels[:4], cifar10.test.labels[:4]
    images, targets = step.evaluation_batch(recipe, 10, pixels, labels)
    mean, deviation = NORMALISATIONS[recipe.normalisation]
    expected = (pixels / 255 - np.array(mean)) / np.array(deviation)
    assert keras.ops.convert_to_numpy(images) == pytest.approx(expected, abs=1e-5)
    assert keras.ops.convert_to_numpy(targets).argmax(-1).tolist() == labels.tolist()
