"""The engine on JAX, step by step as on a CPU, and in one scan as on a GPU, forced here on a CPU with small networks.

Keras has one backend per process: where that is not JAX, ``test_trainer`` runs this file in another process.
"""

import time
from dataclasses import replace
from types import SimpleNamespace

import jax
import keras
import numpy as np
import pytest

from factories import ScaledRun, lowered_for_cuda, shallow_network
from sepconv.networks import fast_layers
from sepconv.papers import paper
from sepconv.results.store import find_run
from sepconv.spec import Budget, Optimizer, Run, Scale
from sepconv.training import campaign, data, trainer
from sepconv.training.checkpoint import Stopped
from sepconv.training.step import build_optimizer, normalise

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="Keras has another backend in this process"),
    pytest.mark.usefixtures("cifar_folder"),
]
RECIPE = paper("tseng2020").experiment("conv").recipe  # batches of 64


@pytest.fixture
def force(monkeypatch):
    """Choose between scan and steps, whatever the device."""

    def choose(scan):
        from sepconv.training import engine_jax

        monkeypatch.setattr(engine_jax, "scans", lambda: scan)

    return choose


@pytest.fixture(params=[True, False], ids=["scan", "steps"])
def either(request, force):
    force(request.param)


def engine_of(model, images):
    # SGD: Adam would blow rounding up where a gradient is zero but for it (a bias before batch norm)
    optimizer = build_optimizer(Optimizer("sgd", momentum=0.9, nesterov=True))
    return trainer.Engine(model, optimizer, RECIPE, 10, images)


def first(images, count):
    return data.Images(images.pixels[:count], images.labels[:count])


def prepared(recipe, pixels):
    return keras.ops.convert_to_numpy(normalise(recipe, pixels.astype("float32") / 255))


def scaled(pixels):
    return prepared(RECIPE, pixels)


def arrays(model):
    return [keras.ops.convert_to_numpy(v).copy() for v in model.variables]  # copies, among them the state of dropout


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("count", [150, 40])  # a partial last batch, and nothing but one
def test_epochs_equal_keras_fit_on_the_same_batches(cifar10, count):
    images, model, expected = first(cifar10.train, count), shallow_network(), shallow_network()
    engine = engine_of(model, images)
    steps = -(-count // 64)
    engine.compile(steps)
    expected.compile(
        keras.optimizers.SGD(1e-2, momentum=0.9, nesterov=True),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(count)
        loss, accuracy = engine.train_epoch(order, np.full(steps, 1e-2))
        x, y = scaled(images.pixels[order]), keras.utils.to_categorical(images.labels[order], 10)
        history = expected.fit(x, y, batch_size=64, shuffle=False, verbose=0).history
        assert loss == pytest.approx(history["loss"][0], rel=1e-5)
        assert accuracy == pytest.approx(100 * history["accuracy"][0])
    for ours, theirs in zip(arrays(model), arrays(expected), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("count", [713, 500, 100])
def test_evaluation_counts_every_image(cifar10, count):
    images, model = first(cifar10.test, count), shallow_network()
    loss, accuracy = engine_of(model, images).evaluate(images)
    logits = model.predict(scaled(images.pixels), verbose=0)
    assert accuracy == pytest.approx(100 * np.mean(logits.argmax(-1) == images.labels))
    assert loss == pytest.approx(np.mean(np.log(np.exp(logits).sum(-1)) - logits[np.arange(count), images.labels]))


@pytest.mark.usefixtures("either")
def test_a_compiled_evaluation_compiles_nothing_more(cifar10):
    images, model = first(cifar10.test, 713), shallow_network()
    engine = engine_of(model, images)
    engine.compile_evaluation(713)
    compiled = set(engine._evaluations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "jit", None)  # what is compiled is kept
        loss, _ = engine.evaluate(images)
    assert set(engine._evaluations) == compiled
    assert loss == engine_of(model, images).evaluate(images)[0]


@pytest.mark.usefixtures("either")
def test_batch_statistics_are_of_each_batch_and_change_no_weight(cifar10):
    images, model = first(cifar10.test, 150), shallow_network(dropout=0)
    before = arrays(model)
    accuracy = engine_of(model, images).evaluate_batch_statistics(images)
    for left, right in zip(before, arrays(model), strict=True):
        assert np.array_equal(left, right)
    batches = np.split(scaled(images.pixels), [64, 128])
    logits = np.concatenate([keras.ops.convert_to_numpy(model(batch, training=True)) for batch in batches])
    assert accuracy == pytest.approx(100 * np.mean(logits.argmax(-1) == images.labels))


def test_mean_batch_statistics_are_those_of_numpy_and_change_no_weight(cifar10):
    images, model = first(cifar10.train, 150), shallow_network(dropout=0)
    before = arrays(model)
    mean, variance = engine_of(model, images).mean_batch_statistics(images)
    assert all(map(np.array_equal, before, arrays(model)))
    assert model.layers[1].momentum > 0
    batches = np.split(scaled(images.pixels), [64, 128])
    inputs = [keras.ops.convert_to_numpy(model.layers[0](batch)) for batch in batches]
    assert mean == pytest.approx(np.mean([x.mean((0, 1, 2)) for x in inputs], axis=0), rel=1e-4, abs=1e-6)
    assert variance == pytest.approx(np.mean([x.var((0, 1, 2)) for x in inputs], axis=0), rel=1e-4)


def test_a_run_is_evaluated_with_re_estimated_batch_norm_too(small):
    """As Keras evaluates once the averages over the training images are put in by hand."""
    running = trainer.Trainer(small("islam2022", "small", augment=(("flip",),)))
    running.train_epoch()
    running.train_epoch()
    before = arrays(running.model)
    found = running.result("complete").final.reestimated
    assert all(map(np.array_equal, before, arrays(running.model)))
    pixels, model, recipe = running.splits.train.pixels, running.model, running.recipe
    convolve, norm = model.layers[:2]
    batches = [prepared(recipe, pixels[start : start + 32]) for start in (0, 32, 64)]  # of 80 images
    inputs = [keras.ops.convert_to_numpy(convolve(batch)) for batch in batches]
    norm.moving_mean.assign(np.mean([x.mean((0, 1, 2)) for x in inputs], axis=0))
    norm.moving_variance.assign(np.mean([x.var((0, 1, 2)) for x in inputs], axis=0))
    logits = model.predict(prepared(recipe, running.splits.test.pixels), verbose=0)
    assert found.test_accuracy == pytest.approx(100 * np.mean(logits.argmax(-1) == running.splits.test.labels))


@pytest.fixture
def small(monkeypatch):
    """Two epochs of an experiment's recipe, on a network that compiles soon."""
    monkeypatch.setattr(trainer, "build", lambda *_: shallow_network(dropout=0))

    def run(key, experiment, images=80, **changes):
        of = paper(key).experiment(experiment)
        recipe, scale = replace(of.recipe, batch_size=32, **changes), Scale(2, train_images=images, evaluate_images=48)
        return ScaledRun(key, replace(of, recipe=recipe), scale)

    return run


@pytest.mark.parametrize(
    ("precision", "tolerance", "augment", "images"),
    [
        ("float32", 1e-4, (("flip",), ("mixup", "cutmix")), 80),  # the last batch is not whole
        ("bfloat16", 2e-2, (("flip",),), 64),  # concerns the layers alone, not what comes before them
    ],
    ids=["float32", "bfloat16"],
)
def test_a_scan_draws_and_learns_what_the_steps_do(force, small, precision, tolerance, augment, images):
    run = small("islam2022", "small", images, precision=precision, augment=augment)
    outcomes = []
    for scan in (True, False):
        force(scan)
        running = trainer.Trainer(run)
        running.train_epoch()
        running.train_epoch()
        outcomes.append(running)
    scanned, stepped = outcomes
    assert numbers(scanned.history) == pytest.approx(numbers(stepped.history), rel=tolerance)
    drawn = [keras.ops.convert_to_numpy(running.engine.seeds.state).tolist() for running in outcomes]
    assert drawn[0] == drawn[1] != np.random.default_rng([run.seed, 2, 0]).integers(2**31, size=2).tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "name", "fewer", "blocks", "rest"),  # of blocks that are alike, few
    [
        ("tseng2020", "da-dsc", {}, 8, 0),
        ("islam2022", "small", {"depth": 2}, 2, 3),
        ("yu2021", "cifar10-dw", {"blocks_512": 1}, 9, 0),
    ],
)
def test_an_epoch_lowers_for_a_gpu_with_a_kernel_for_each_depthwise_weight_gradient(
    key, name, fewer, blocks, rest, force, monkeypatch
):
    from sepconv.networks import depthwise  # imports JAX, which this file's tests are skipped without

    force(True)
    fastest = {"forward": "shifted", "input gradient": "grouped", "weight gradient": "pallas"}
    monkeypatch.setattr(depthwise, "_listed", lambda: SimpleNamespace(get=lambda *_: fastest))
    experiment = paper(key).experiment(name)
    network = replace(experiment.network, options=dict(experiment.network.options) | fewer)
    experiment = replace(experiment, network=network)
    size = experiment.recipe.batch_size
    images = data.Images(np.zeros((2 * size + rest, 32, 32, 3), np.uint8), np.zeros(2 * size + rest, np.int64))
    model = trainer.build_model(Run(key, experiment, Budget.SMOKE, 0))
    optimizer = build_optimizer(experiment.recipe.optimizer)
    engine = trainer.Engine(model, optimizer, experiment.recipe, 10, images)
    optimizer.build(model.trainable_variables)
    steps = -(-len(images) // size)
    order, rates = jax.ShapeDtypeStruct((len(images),), "int32"), jax.ShapeDtypeStruct((steps,), "float32")
    lowered = lowered_for_cuda(engine._train_all, engine._state(), engine._images, order, rates, donate=0)
    assert lowered.count("xla.gpu.triton") == (2 if rest else 1) * blocks  # in the scan, and in a smaller last batch


def numbers(history):
    return [number for epoch in history for number in (epoch.train_loss, epoch.val_loss)]


def test_a_run_in_scans_stops_continues_and_writes_its_result(force, small, tmp_path):
    force(True)
    run = small("yu2021", "cifar10-dw", images=64)  # resets the momentum, which is donated, at every epoch
    folders = campaign.Folders(tmp_path / "results", tmp_path / "checkpoints")
    with pytest.raises(Stopped, match="stopped after epoch 1 of 2"):
        campaign.run_one(run, folders, deadline=time.monotonic())
    continued = campaign.run_one(run, folders)
    assert find_run(folders.results, run) == continued
    assert continued.environment.backend == "jax"
    assert continued.final.batch_stats_accuracy is not None

    whole = trainer.train(run)
    assert numbers(continued.history) == pytest.approx(numbers(whole.history), rel=1e-5)
    assert continued.final.test_loss == pytest.approx(whole.final.test_loss, rel=1e-5)


def test_a_networks_depthwise_layers_say_how_they_are_computed():
    model = trainer.build_model(Run("yu2021", paper("yu2021").experiment("cifar10-dw"), Budget.SMOKE, seed=0))
    ways = [layer.ways for layer in model.layers if isinstance(layer, fast_layers.DepthwiseConv2D)]
    assert len(ways) == 13  # MobileNet's blocks
    assert {way for each in ways for way in each.values()} <= {"grouped", "shifted"}
