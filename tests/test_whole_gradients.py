"""The gradient of a whole network, in float32 as it is trained, is that of float64 to one part in a hundred.

Rounding is worst at the papers' own batch sizes and away from the initial weights: a channel of batch norm has up to a
million values there, and the sums over them nearly cancel. Networks whose steps take long are marked ``exhaustive``.
"""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from sepconv.papers import paper
from sepconv.spec import Budget, Run
from sepconv.training import data
from sepconv.training.step import build_optimizer, evaluation_batch
from sepconv.training.trainer import Engine, build_model

STEPS = 2
LEARNING_RATE = 1e-3
CLOSE = 0.01
NETWORKS = [
    ("tseng2020", "dsc"),
    *(
        pytest.param(*network, marks=pytest.mark.exhaustive)
        for network in (
            ("tseng2020", "dsc-5"),
            ("islam2022", "small"),
            ("islam2022", "medium"),
            ("islam2022", "large"),
            ("yu2021", "cifar10-dw"),
            ("yu2021", "cifar10-conv"),
        )
    ),
]


@pytest.fixture
def trained(cifar10, key, name):
    """The experiment's model after some steps without augmentation, and the batch that follows."""
    run = Run(key, paper(key).experiment(name), Budget.SMOKE, seed=0)
    recipe = replace(run.recipe, augment=())
    count = STEPS * recipe.batch_size
    model = build_model(run)
    images = data.Images(cifar10.train.pixels[:count], cifar10.train.labels[:count])
    engine = Engine(model, build_optimizer(recipe.optimizer), recipe, run.experiment.classes, images)
    engine.compile(STEPS)
    engine.train_epoch(np.arange(count), np.full(STEPS, LEARNING_RATE))
    following = slice(count, count + recipe.batch_size)
    pixels, labels = cifar10.train.pixels[following], cifar10.train.labels[following]
    return model, evaluation_batch(recipe, run.experiment.classes, pixels, labels)


def in_float64(model):
    """The same network and weights, of Keras's own layers."""

    def of_keras(layer):
        return getattr(keras.layers, type(layer).__name__).from_config(layer.get_config() | {"dtype": "float64"})

    clone = keras.models.clone_model(model, clone_function=of_keras)
    clone.set_weights(model.get_weights())
    return clone


def gradient(model, batch):
    """The gradient of the mean cross-entropy in all trainable weights, one after another: ``(trainable_params,)``."""
    images, targets = (tf.cast(part, model.compute_dtype) for part in batch)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, model(images, training=True)))
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    return np.concatenate([np.asarray(part, np.float64).ravel() for part in gradients])


def distance(got, expected):
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


@pytest.mark.slow
@pytest.mark.parametrize(("key", "name"), NETWORKS)
def test_gradient_is_that_of_float64_on_both_backends(trained, key, name, on_jax):
    model, batch = trained
    expected = gradient(in_float64(model), batch)
    assert distance(gradient(model, batch), expected) < CLOSE
    of_jax = on_jax(gradient_of_jax, key, name, model.get_weights(), *map(np.asarray, batch))
    assert distance(of_jax, expected) < CLOSE


def gradient_of_jax(key, name, weights, images, targets):
    """What :func:`gradient` computes, by JAX."""
    import jax

    model = build_model(Run(key, paper(key).experiment(name), Budget.SMOKE, seed=0))
    model.set_weights(weights)
    fixed = [variable.value for variable in model.non_trainable_variables]

    @jax.jit
    def loss(weights):
        logits, _ = model.stateless_call(weights, fixed, images, training=True)
        return -(jax.nn.log_softmax(logits) * targets).sum(-1).mean()

    gradients = jax.grad(loss)([variable.value for variable in model.trainable_variables])
    return np.concatenate([np.ravel(part) for part in gradients])
