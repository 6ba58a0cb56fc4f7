"""Throughput: all loops do the same work from the same start. How fast they are is measured, never asserted."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from factories import ScaledRun, throughput_of
from sepconv import environment
from sepconv.measuring import latency, throughput
from sepconv.papers import paper
from sepconv.results import store
from sepconv.results.records import LoopTiming, ResultError
from sepconv.spec import Budget, Experiment, Network, Optimizer, Run, Scale, SpecError
from sepconv.training.step import CoupledSGD
from sepconv.training.trainer import build_model, load_splits, timed

LOOPS = ("engine", "fit", "fit_steps_per_execution", "train_on_batch")


def mixing():
    """A small network with dropout and batch norm that mixes images and labels; its last batch is not whole."""
    experiment = paper("tseng2020").experiment("conv")
    recipe = replace(
        experiment.recipe,
        batch_size=32,
        augment=(("flip",), ("mixup", "cutmix")),
        label_smoothing=0.1,
        optimizer=Optimizer("sgd", momentum=0.9),
    )
    network = Network("islam.patch_network", {"dim": 16, "depth": 1})
    return replace(experiment, recipe=recipe, network=network)


def small(experiment):
    """A run of an epoch whose last batch is not whole."""
    return ScaledRun("tseng2020", experiment, Scale(epochs=1, train_images=80, evaluate_images=10))


@pytest.mark.slow
@pytest.mark.parametrize("experiment", [paper("tseng2020").experiment("conv"), mixing()], ids=["dropout", "mixing"])
def test_all_loops_train_the_same_and_every_epoch_starts_anew(experiment, cifar10, monkeypatch):
    monkeypatch.setattr(throughput, "EPOCHS", 2)
    result = throughput.measure(small(experiment))
    assert tuple(result.loops) == LOOPS
    assert result.images == 80
    expected = result.loops["engine"].losses[0]
    for loop in result.loops.values():
        assert loop.losses == pytest.approx([expected] * 2, rel=1e-4)
        assert len(loop.seconds) == 2


def test_the_baselines_train_keras_own_layers_from_the_same_weights():
    run = small(mixing())
    baseline, ours = throughput.Baseline(run, 1), build_model(run)
    network, kinds = baseline.network, {"Conv2D", "Activation", "BatchNormalization"}
    assert kinds <= {
        type(layer).__name__ for layer in ours.layers if type(layer).__module__ == "sepconv.networks.fast_layers"
    }
    assert {type(layer) for layer in network.layers if type(layer).__name__ in kinds} == {
        getattr(keras.layers, kind) for kind in kinds
    }
    for value, expected in zip(network.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Optimizer("adam"), keras.optimizers.Adam),
        (Optimizer("adamw", weight_decay=0.5), keras.optimizers.AdamW),
        (Optimizer("sgd", l2=0.5), CoupledSGD),  # Keras has no such one
    ],
    ids=["adam", "adamw", "sgd"],
)
def test_the_baselines_train_with_keras_own_optimizers(ours, theirs):
    experiment = replace(mixing(), recipe=replace(mixing().recipe, optimizer=ours))
    optimizer = throughput.Baseline(small(experiment), 1).optimizer
    assert type(optimizer) is theirs
    assert (optimizer.weight_decay or 0) == ours.weight_decay
    if theirs is CoupledSGD:
        assert optimizer.l2 == ours.l2


def test_rounds_alternate(cifar10, monkeypatch):
    log = []
    monkeypatch.setattr(throughput, "EPOCHS", 3)
    monkeypatch.setattr(throughput, "_LOOPS", {name: fake_loop(name, log) for name in ("engine", "fit")})
    throughput.measure(Run("tseng2020", paper("tseng2020").experiment("conv"), Budget.SMOKE, 0))
    first, rounds = log[:2], log[2:]
    assert first == ["engine", "fit"]  # compiles
    assert rounds == ["engine", "fit", "fit", "engine", "engine", "fit"]


def test_an_epoch_can_be_bounded(cifar10, monkeypatch):
    counts = []
    monkeypatch.setattr(
        throughput, "_LOOPS", {"fit": lambda run, images: counts.append(len(images)) or (lambda: (1.0, 2.0), [])}
    )
    run = Run("tseng2020", paper("tseng2020").experiment("conv"), Budget.SMOKE, 0)
    assert (throughput.measure(run, 100).images, counts) == (100, [100])
    assert throughput.measure(run).images == 256
    for count in (0, 257):
        with pytest.raises(SpecError, match=f"expected 1 to 256 images, .* got {count}"):
            throughput.measure(run, count)


def fake_loop(name, log):
    return lambda run, images: (lambda: (log.append(name) or 1.0, 2.0), [])


def test_compiling_is_the_first_epoch_less_a_later_one():
    loop = throughput._Loop(lambda: (0.0, 0.0), [], first_seconds=5.0, seconds=[1.0, 3.0, 2.0], losses=[0.0] * 3)
    assert loop.timing().compile == 3.0


def test_an_epoch_of_fit_ends_before_its_pipeline_is_put_away(cifar10, monkeypatch):
    """Which takes as long as it likes, and is told apart from the epoch by the clock of Keras's callbacks."""
    now = iter(range(100, 200))
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: float(next(now)))
    clock = throughput._Clock()
    clock.on_epoch_begin(0)
    clock.on_epoch_end(0)
    assert clock.seconds == 1.0
    monkeypatch.undo()
    run = Run("tseng2020", paper("tseng2020").experiment("conv"), Budget.SMOKE, 0)
    epoch, _ = throughput._fit(run, load_splits(run).train.first(64))
    (_, seconds), whole = timed(epoch)
    assert 0 < seconds < whole


def test_an_experiment_that_is_not_trained_is_refused():
    counted = Experiment("vgg19", Network("reference.vgg19"), "imagenet")
    with pytest.raises(SpecError, match="only counted"):
        throughput.measure(Run("islam2022", counted, Budget.SMOKE, 0))


def test_a_result_is_read_as_written_and_not_measured_again(tmp_path, monkeypatch):
    monkeypatch.setattr(throughput, "measure", lambda run, images: throughput_of())
    monkeypatch.setattr(environment, "describe", lambda: throughput_of().environment)
    run = Run("tseng2020", paper("tseng2020").experiment("conv"), Budget.SMOKE, 0)
    assert throughput.ensure_throughput(tmp_path, run) == throughput_of()
    monkeypatch.delattr(throughput, "measure")
    assert throughput.ensure_throughput(tmp_path, run) == throughput_of()
    assert throughput.ensure_throughput(tmp_path, run, images=256) == throughput_of()
    with pytest.raises(ResultError, match="expected epochs of 128 images, got 256; move it away to measure"):
        throughput.ensure_throughput(tmp_path, run, images=128)
    assert store.read_all(tmp_path).throughputs == (throughput_of(),)
    assert (tmp_path / f"{throughput_of().key}.json").exists()


def test_another_machine_is_measured_beside_the_first(tmp_path, monkeypatch):
    first = throughput_of()
    run = Run("tseng2020", paper("tseng2020").experiment("conv"), Budget.SMOKE, 0)
    machines = [first.environment.model_copy(update=new) for new in ({}, {"cores": 64}, {"backend": "jax"})]
    for here in machines:
        measured = first.model_copy(update={"environment": here})
        monkeypatch.setattr(environment, "describe", lambda here=here: here)
        monkeypatch.setattr(throughput, "measure", lambda run, images, measured=measured: measured)
        assert throughput.ensure_throughput(tmp_path, run) == measured
    assert len(store.read_all(tmp_path).throughputs) == 3


def test_merging_brings_throughput_along(tmp_path):
    store.write(tmp_path / "theirs", throughput_of())
    assert store.merge(tmp_path / "theirs", tmp_path / "ours") == 1
    assert store.read_all(tmp_path / "ours").throughputs == (throughput_of(),)


@pytest.mark.parametrize(
    "changes", [{"seconds": (1.0, 2.0)}, {"seconds": (), "losses": ()}, {"seconds": (0.0, 1.0, 1.0)}]
)
def test_a_timing_that_cannot_be_is_refused(changes):
    with pytest.raises(ValidationError):
        LoopTiming.model_validate({"compile": 1, "seconds": (1.0, 2.0, 3.0), "losses": (1.0, 1.0, 1.0)} | changes)


def test_the_table_holds_everything_against_fit():
    title, header, engine, fit = throughput.throughput_lines(throughput_of())
    assert "Epochs of 256 images in batches of 64 on cpu (tensorflow)" in title
    assert header.split() == ["loop", "images/s", "of", "fit", "compile", "s", "loss"]
    assert engine.split() == ["engine", "128", "(64", "to", "256)", "2.00", "1.5", "2.25000"]
    assert fit.split() == ["fit", "64", "(32", "to", "128)", "1.00", "3.0", "2.50000"]


def measured():
    """Losses by loop after an epoch, and the backend and batch sizes whose latency was measured."""
    network = Network("islam.patch_network", {"dim": 8, "depth": 1})  # little to compile
    experiment = replace(paper("tseng2020").experiment("conv"), network=network)
    scale = Scale(epochs=1, train_images=64, evaluate_images=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throughput, "EPOCHS", 1)
        loops = throughput.measure(ScaledRun("tseng2020", experiment, scale)).loops
    (result,) = latency.measure("tseng2020", [experiment], Budget.SMOKE, "training", "host")
    return {name: loop.losses[0] for name, loop in loops.items()}, result.environment.backend, sorted(result.seconds)


@pytest.mark.slow
def test_both_measure_on_jax_too(cifar10, on_jax):
    losses, backend, sizes = on_jax(measured)
    assert tuple(losses) == LOOPS
    assert list(losses.values()) == pytest.approx([losses["engine"]] * 4, rel=1e-4)
    assert (backend, sizes) == ("jax", [1, 4, 16])
