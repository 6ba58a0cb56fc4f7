"""Training on real images: equal to Keras's own fit, continued as if never stopped, honest about its end."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from factories import ScaledRun, shallow_network
from sepconv.networks import fast_layers
from sepconv.papers import paper
from sepconv.spec import Budget, Constant, Network, Optimizer, Run, Scale, SpecError
from sepconv.training import checkpoint, data, trainer
from sepconv.training.checkpoint import CheckpointError
from sepconv.training.engine_tensorflow import Engine
from sepconv.training.step import build_optimizer, normalise

pytestmark = pytest.mark.usefixtures("cifar_folder")


def smoke(experiment="conv", seed=0, key="tseng2020"):
    return Run(key, paper(key).experiment(experiment), Budget.SMOKE, seed)


@pytest.fixture
def shallow(monkeypatch):
    """Whatever the experiment, the network compiles soon."""
    monkeypatch.setattr(trainer, "build", lambda *_: shallow_network(dropout=0))


def arrays(model):
    return [keras.ops.convert_to_numpy(v) for v in model.weights]


def dropout_network():
    return trainer.build_model(smoke("conv"))


def batch_norm_network():
    return shallow_network(dropout=0)


@pytest.mark.parametrize("network", [dropout_network, batch_norm_network])
def test_an_epoch_equals_keras_fit_on_the_same_batches(network, cifar10):
    recipe = smoke().experiment.recipe
    images = data.Images(cifar10.train.pixels[:150], cifar10.train.labels[:150])  # two batches of 64 and one of 22
    order = np.random.default_rng(0).permutation(150)

    model = network()
    # SGD: Adam would blow rounding up where a gradient is zero but for it (a bias before batch norm)
    engine = Engine(model, build_optimizer(Optimizer("sgd", momentum=0.9, nesterov=True)), recipe, 10, images)
    engine.compile(steps=3)
    loss, accuracy = engine.train_epoch(order, np.full(3, 1e-2))

    expected = network()  # the same seed: the same initial weights and dropout state
    expected.compile(
        keras.optimizers.SGD(1e-2, momentum=0.9, nesterov=True),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    x = keras.ops.convert_to_numpy(normalise(recipe, images.pixels[order].astype("float32") / 255))
    y = keras.utils.to_categorical(images.labels[order], 10)
    history = expected.fit(x, y, batch_size=64, shuffle=False, verbose=0).history
    assert loss == pytest.approx(history["loss"][0], rel=1e-5)
    assert accuracy == pytest.approx(100 * history["accuracy"][0])
    for ours, theirs in zip(arrays(model), arrays(expected), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_batches_are_gathered_from_variables_since_a_gpu_gathers_no_other_uint8(monkeypatch):
    def spy(parameters, indices, original=tf.gather):
        gathered.append((isinstance(parameters, tf.Variable), parameters.dtype))
        return original(parameters, indices)

    gathered = []
    monkeypatch.setattr(tf, "gather", spy)
    images = data.Images(np.zeros((8, 32, 32, 3), np.uint8), np.zeros(8, np.int64))
    Engine(dropout_network(), build_optimizer(Optimizer("sgd")), smoke().experiment.recipe, 10, images).compile(steps=1)
    assert gathered == [(True, tf.uint8), (True, tf.int64)]


def test_evaluation_counts_every_image(cifar10):
    run = smoke()
    model = trainer.build_model(run)
    images = data.Images(cifar10.test.pixels[:713], cifar10.test.labels[:713])  # one batch of 500 and one of 213
    engine = Engine(model, build_optimizer(run.experiment.recipe.optimizer), run.experiment.recipe, 10, images)
    engine.compile_evaluation(713)
    loss, accuracy = engine.evaluate(images)
    assert engine._evaluate.experimental_get_tracing_count() == 1  # nothing was left to compile
    logits = model.predict(images.pixels.astype("float32") / 255, verbose=0)
    assert accuracy == pytest.approx(100 * np.mean(logits.argmax(-1) == images.labels))
    chosen = logits[np.arange(713), images.labels]
    assert loss == pytest.approx(np.mean(np.log(np.exp(logits).sum(-1)) - chosen), rel=1e-4)


@pytest.mark.usefixtures("shallow")
def test_nothing_is_left_to_compile_when_a_runs_first_epoch_is_timed():
    running = trainer.Trainer(smoke())
    functions = running.engine._train, running.engine._evaluate
    assert [function.experimental_get_tracing_count() for function in functions] == [1, 1]
    running.train_epoch()
    assert [function.experimental_get_tracing_count() for function in functions] == [1, 1]


def test_batch_statistics_pass_changes_no_weight(cifar10):
    run = smoke("dsc")
    model = trainer.build_model(run)
    images = data.Images(cifar10.test.pixels[:100], cifar10.test.labels[:100])
    engine = Engine(model, build_optimizer(run.experiment.recipe.optimizer), run.experiment.recipe, 10, images)
    before = arrays(model)
    accuracy = engine.evaluate_batch_statistics(images)
    assert 0 <= accuracy <= 100
    for left, right in zip(before, arrays(model), strict=True):
        assert np.array_equal(left, right)


def deeper_network():
    """Two batch norms, the second of which sees what the first has normalised."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    norm = fast_layers.BatchNormalization
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            *(layers.Conv2D(4, 3, strides=4), norm(), layers.ReLU()),
            *(layers.Conv2D(6, 3, strides=2), norm(momentum=0.6), layers.ReLU()),
            *(layers.GlobalAveragePooling2D(), layers.Dense(10)),
        ]
    )


def test_mean_batch_statistics_are_those_of_numpy(cifar10):
    """Batch by batch, each norm's input from the network, its moments from NumPy; the last batch is not whole."""
    recipe, model = smoke().recipe, deeper_network()
    images = data.Images(cifar10.train.pixels[:150], cifar10.train.labels[:150])
    engine = Engine(model, build_optimizer(recipe.optimizer), recipe, 10, images)
    before = arrays(model)
    found = engine.mean_batch_statistics(images)
    assert all(map(np.array_equal, before, arrays(model)))
    expected = [[] for _ in found]
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for part in np.split(images.pixels, [64, 128]):
        x = keras.ops.convert_to_numpy(normalise(recipe, part.astype("float32") / 255))
        for layer in model.layers:
            if layer in norms:
                index, axes = 2 * norms.index(layer), (0, 1, 2)
                expected[index].append(x.mean(axes))
                expected[index + 1].append(x.var(axes))
                x = (x - x.mean(axes)) / np.sqrt(x.var(axes) + layer.epsilon)  # scale 1, shift 0: untrained
            else:
                x = keras.ops.convert_to_numpy(layer(x))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(np.mean(theirs, axis=0), rel=1e-4, abs=1e-6)
    engine.compile(steps=3)
    engine.train_epoch(np.arange(150), np.zeros(3))  # as an epoch moves them: with each norm's own momentum
    moved = arrays(model)
    assert not np.allclose(moved[4], found[0], rtol=0.1)


@pytest.mark.usefixtures("shallow")
def test_a_run_is_evaluated_with_re_estimated_batch_norm_too(monkeypatch):
    """As Keras evaluates once the averages over the first training images are put in by hand."""
    monkeypatch.setattr(trainer, "REESTIMATION_IMAGES", 128)
    running = trainer.Trainer(smoke("dsc"))
    for _ in range(2):
        running.train_epoch()
    before = arrays(running.model)
    final = running.result("complete").final
    assert all(map(np.array_equal, before, arrays(running.model)))
    splits, model = running.splits, running.model
    convolve, norm = model.layers[0], model.layers[1]
    batches = np.split(splits.train.pixels[:128].astype("float32") / 255, 2)
    inputs = [keras.ops.convert_to_numpy(convolve(batch)) for batch in batches]
    norm.moving_mean.assign(np.mean([x.mean((0, 1, 2)) for x in inputs], axis=0))
    norm.moving_variance.assign(np.mean([x.var((0, 1, 2)) for x in inputs], axis=0))
    accuracies = [
        100 * np.mean(model.predict(part.pixels.astype("float32") / 255, verbose=0).argmax(-1) == part.labels)
        for part in (splits.validation, splits.test)
    ]
    found = final.reestimated
    assert [found.val_accuracy, found.test_accuracy] == pytest.approx(accuracies)
    assert (found.val_accuracy, found.test_accuracy) != (final.val_accuracy, final.test_accuracy)


def test_without_batch_norm_nothing_is_re_estimated():
    running = trainer.Trainer(smoke("conv"))
    running.train_epoch()
    running.train_epoch()
    assert running.result("complete").final.reestimated is None


def test_a_run_leaves_a_whole_result():
    run = smoke()
    result = trainer.train(run)
    assert result.run_id == run.id
    assert result.key == run.key
    assert [e.epoch for e in result.history] == [1, 2]
    assert result.final.val_accuracy == result.history[-1].val_accuracy
    assert result.seconds.train > 0
    assert result.peak_bytes > 0
    assert result.environment.backend == "tensorflow"
    assert result.depthwise_ways == {}  # a network of standard convolutions


def test_validation_is_held_out_where_the_paper_does_and_the_test_split_where_not():
    held_out = trainer.load_splits(smoke())
    assert not set(map(bytes, held_out.validation.pixels)) & set(map(bytes, held_out.train.pixels))
    assert not np.array_equal(held_out.validation.pixels, held_out.test.pixels)
    on_test = trainer.load_splits(smoke("cifar10-dw", key="yu2021"))
    assert np.array_equal(on_test.validation.pixels, on_test.test.pixels)


def longer(run):
    """The smoke run over four epochs."""
    return ScaledRun(run.paper, run.experiment, Scale(epochs=4, train_images=200, evaluate_images=100))


def separable():
    """Depthwise separable convolution and batch norm without much to compile, by the recipe of ``dsc``."""
    network = Network("islam.patch_network", {"dim": 16, "depth": 1})
    return replace(paper("tseng2020").experiment("dsc"), network=network)


@pytest.mark.parametrize(
    ("experiment", "dropout"),
    [(separable(), 0), (paper("tseng2020").experiment("da-conv"), 0.5)],
    ids=["separable", "da-conv"],
)
def test_a_stopped_run_ends_like_one_that_was_never_stopped(experiment, dropout, tmp_path, monkeypatch):
    if dropout:  # and augmentation, which is what da-conv is here for
        monkeypatch.setattr(trainer, "build", lambda *_: shallow_network(dropout))
    run = longer(replace(smoke(), experiment=experiment))
    whole = trainer.train(run)
    with pytest.raises(trainer.Stopped, match="stopped after epoch 1 of 4"):
        trainer.train(run, checkpoints=tmp_path, stop=lambda: True)
    continued = trainer.train(run, checkpoints=tmp_path)
    assert numbers(continued) == pytest.approx(numbers(whole), rel=1e-3)


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(("every", "minutes", "kept"), [(2, 60, [2, 4]), (100, 0, [3, 4]), (100, 60, [])])
def test_a_checkpoint_is_left_every_so_many_epochs_or_minutes(tmp_path, every, minutes, kept):
    trainer.train(longer(smoke()), checkpoints=tmp_path, checkpoint_every=every, checkpoint_minutes=minutes)
    assert sorted(path.name for path in tmp_path.glob("*/*")) == [f"epoch-{epoch:04d}.ckpt" for epoch in kept]


@pytest.mark.usefixtures("shallow")
def test_a_checkpoint_of_another_network_is_refused_in_one_line(tmp_path):
    run = longer(smoke())
    saved = trainer.Trainer(run).checkpoint()
    checkpoint.save(tmp_path, replace(saved, variables=saved.variables[1:]))
    with pytest.raises(CheckpointError, match=f"delete the folder {run.id} of checkpoints to start over"):
        trainer.train(run, checkpoints=tmp_path)


def numbers(result):
    return [n for e in result.history for n in (e.train_loss, e.val_loss)]


@pytest.mark.usefixtures("shallow")
def test_momentum_is_reset_at_every_epoch_of_yu2021():
    running = trainer.Trainer(smoke("cifar10-dw", key="yu2021"))
    for slot in running.optimizer.variables[2:]:
        slot.assign(keras.ops.ones_like(slot))
    running._start_epoch(1)
    assert all(not keras.ops.convert_to_numpy(slot).any() for slot in running.optimizer.variables[2:])


def pytorch_epochs(weights, gradients, rates, momentum, l2):
    """``optim.SGD(lr=rate, momentum=…, weight_decay=…, nesterov=True)`` made anew for each epoch, as yu2021 does."""
    for rate, epoch in zip(rates, gradients, strict=True):
        buffer = np.zeros_like(weights)
        for gradient in epoch:
            decayed = gradient + l2 * weights
            buffer = momentum * buffer + decayed
            weights = weights - rate * (decayed + momentum * buffer)
    return weights


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(("name", "l2", "decay"), [("cifar10-dw", 0.02, 0.95), ("cifar10-conv", 0.025, 0.9)])
def test_epochs_of_yu2021_update_as_pytorchs_new_optimizers_do(name, l2, decay):
    running = trainer.Trainer(replace(smoke("cifar10-dw", key="yu2021"), experiment=paper("yu2021").experiment(name)))
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=5), rng.normal(size=(2, 4, 5))
    weights = keras.Variable(start, dtype="float32")
    running.optimizer = build_optimizer(running.recipe.optimizer)
    running.optimizer.build([weights])
    for number, epoch in enumerate(gradients, 1):
        running._start_epoch(number)
        running.optimizer.learning_rate = running.rates[number - 1, 0]
        for gradient in epoch:
            running.optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [weights])
    expected = pytorch_epochs(start, gradients, [0.0125, 0.0125 * decay], momentum=0.9, l2=l2)
    assert keras.ops.convert_to_numpy(weights) == pytest.approx(expected, rel=1e-4)


def test_every_epoch_draws_its_own_random_numbers():
    running = trainer.Trainer(smoke("da-conv"))
    generators = [running.engine.seeds, *trainer._seed_generators(running.model)]
    states = []
    for epoch in (1, 2, 1):
        running._start_epoch(epoch)
        states.append([keras.ops.convert_to_numpy(g.state).tolist() for g in generators])
    assert len(generators) == 2  # augmentation and dropout
    assert all(first != second for first, second in zip(states[0], states[1], strict=True))
    assert states[2] == states[0]  # from (seed, epoch) alone
    assert states[0][0] != states[0][1]


@pytest.mark.usefixtures("shallow")
def test_a_loss_that_is_no_number_ends_the_run_and_is_kept(caplog):
    run = smoke()
    recipe = replace(run.experiment.recipe, schedule=Constant(1e30))
    result = trainer.train(replace(run, experiment=replace(run.experiment, recipe=recipe)))
    assert result.status == "diverged"
    assert result.final is None
    assert "tseng2020/conv/smoke-seed-0: the loss is nan after epoch" in caplog.text


def test_an_experiment_that_is_only_counted_is_refused():
    counted = replace(smoke().experiment, recipe=None, network=Network("tseng.conv"))
    with pytest.raises(SpecError, match="only counted"):
        trainer.train(Run("tseng2020", counted, Budget.SMOKE, 0))


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="the file is collected in this process")
def test_the_engine_on_jax(run_tests_on_jax):
    assert " passed" in run_tests_on_jax(Path(__file__).with_name("test_engine_jax.py"))


@pytest.mark.usefixtures("shallow")
def test_a_continued_run_records_its_stretches_and_never_continues_on_another_backend():
    running, continued = trainer.Trainer(smoke()), trainer.Trainer(smoke())
    running.train_epoch()
    saved = running.checkpoint()
    continued.restore(saved)
    continued.train_epoch()
    assert [stretch.first_epoch for stretch in continued.result("complete").stretches] == [1, 2]
    saved.stretches[-1]["environment"]["backend"] = "jax"
    with pytest.raises(checkpoint.CheckpointError, match=r"expected a checkpoint of tensorflow, .*KERAS_BACKEND=jax"):
        trainer.Trainer(smoke()).restore(saved)
