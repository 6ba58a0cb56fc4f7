"""bfloat16 computes the layers and nothing else: weights, slots, batch statistics and loss stay in float32."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from sepconv.papers import paper
from sepconv.spec import Budget, Network, Run
from sepconv.training import data, step, trainer

SMALL = Network("islam.patch_network", {"dim": 16, "depth": 1})
IMAGES = 96  # a batch of 64 and one of 32


def run_of(name):
    """The recipe of an experiment on a network that trains in a moment."""
    return Run("tseng2020", replace(paper("tseng2020").experiment(name), network=SMALL), Budget.SMOKE, 0)


def images():
    rng = np.random.default_rng(0)
    return data.Images(rng.integers(256, size=(IMAGES, 32, 32, 3), dtype=np.uint8), rng.integers(10, size=IMAGES))


def trained(name):
    """Model, optimizer and loss after one epoch by the engine of the backend at hand."""
    recipe, model = run_of(name).experiment.recipe, trainer.build_model(run_of(name))
    optimizer = step.build_optimizer(recipe.optimizer)
    engine = trainer.Engine(model, optimizer, recipe, 10, images())
    engine.compile(2)
    loss, _ = engine.train_epoch(np.arange(IMAGES), np.full(2, 1e-3))
    return model, optimizer, loss


def batch_statistics(name):
    """Mean and variance of a batch as the first norm counts them in, and as float64 has them, a column each."""
    model = trainer.build_model(run_of(name))
    norm = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = keras.Model(model.input, norm.input)
    x = before(step.evaluation_batch(run_of(name).experiment.recipe, 10, images().pixels, images().labels)[0])
    norm(x, training=True)
    wide = ops.convert_to_numpy(ops.cast(x, "float32")).astype("float64")
    moved = [ops.convert_to_numpy(v).astype("float64") for v in (norm.moving_mean, norm.moving_variance)]
    share = 1 - norm.momentum
    counted = [moved[0] / share, (moved[1] - norm.momentum) / share]  # they start at 0 and at 1
    return np.stack([np.concatenate(counted), np.concatenate([wide.mean((0, 1, 2)), wide.var((0, 1, 2))])])


def probe():
    """What the tests below look at, as plain values, so that another backend's process can report it."""
    model, optimizer, loss = trained("dsc-bf16")
    state = [*model.variables, *optimizer.variables]
    return {
        "backend": keras.backend.backend(),
        "computed": sorted({layer.compute_dtype for layer in model.layers if layer.weights}),
        "kept": sorted({v.dtype for v in state if "float" in v.dtype}),
        "losses": [loss, trained("dsc")[2]],
        "statistics": batch_statistics("dsc-bf16").tolist(),
    }


@pytest.fixture(scope="module", params=["this backend", pytest.param("jax", marks=pytest.mark.slow)])
def seen(request):
    """The probe of the tests' own backend, and of JAX."""
    found = request.getfixturevalue("on_jax")(probe) if request.param == "jax" else probe()
    assert found["backend"] == (request.param if request.param == "jax" else keras.backend.backend())
    return found


def test_layers_compute_in_bfloat16_and_all_that_is_kept_is_float32(seen):
    assert seen["computed"] == ["bfloat16"]
    assert seen["kept"] == ["float32"]


def test_batch_statistics_are_those_of_float32(seen):
    counted, expected = np.array(seen["statistics"])
    assert counted == pytest.approx(expected, rel=2e-4, abs=2e-5)  # bfloat16 has three digits at most


def test_an_epoch_learns_about_what_float32_learns_but_not_the_same(seen):
    loss, reference = seen["losses"]
    assert loss != reference
    assert loss == pytest.approx(reference, rel=0.02)


def test_the_loss_of_bfloat16_logits_is_computed_in_float32():
    logits = np.random.default_rng(0).normal(scale=5, size=(64, 10))
    low = ops.cast(logits, "bfloat16")
    rounded = ops.convert_to_numpy(ops.cast(low, "float32")).astype("float64")
    expected = np.log(np.exp(rounded).sum(-1)) - rounded[:, 3]
    got = step.losses(low, ops.one_hot(np.full(64, 3), 10), 0.0)
    assert keras.backend.standardize_dtype(got.dtype) == "float32"
    assert ops.convert_to_numpy(got) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_precision_of_one_run_does_not_leak_into_what_is_built_next():
    trainer.build_model(run_of("dsc-bf16"))
    assert keras.layers.Dense(1).compute_dtype == "float32"
