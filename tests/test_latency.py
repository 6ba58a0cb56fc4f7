"""Latency: every image once a pass, networks in turns, and the forward call that was asked for. No time is asserted."""

import hashlib
import json

import keras
import numpy as np
import pytest

from factories import sweep_of
from sepconv import environment
from sepconv.measuring import latency
from sepconv.papers import paper
from sepconv.results import records, store
from sepconv.results.records import BatchTime, ResultError
from sepconv.spec import TEST_IMAGES, Budget, Experiment, Network, Quantity, SpecError, canonical_json
from sepconv.verdicts.samples import LATENCY_PROTOCOL, Selection

PAPER = paper("tseng2020")


def small_network():
    """With batch norm, whose moving statistics show what mode it ran in, and quick to compile."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    )


def images(count):
    return np.random.default_rng(0).normal(1, 2, (count, 8, 8, 3)).astype(np.float32)


def network(forward, count, transfer):
    return latency._Network(forward, images(count), transfer)


@pytest.mark.parametrize("transfer", ["device", "host"])
def test_a_pass_takes_every_image_once_and_the_last_batch_is_what_is_left(transfer):
    seen = []
    those = network(lambda batch: seen.append(keras.ops.convert_to_numpy(batch)) or batch, 10, transfer)
    times = those.time(those.batches(4))
    assert len(times) == 3
    assert all(seconds > 0 for seconds in times)
    assert [len(batch) for batch in seen] == [4, 4, 2]
    assert np.array_equal(np.concatenate(seen), images(10))


@pytest.mark.parametrize(("transfer", "copied"), [("device", False), ("host", True)])
def test_images_lie_on_the_device_before_or_are_copied(transfer, copied):
    batches = network(None, 4, transfer).batches(2)
    assert all(isinstance(batch, np.ndarray) == copied for batch in batches)


def test_inference_mode_gives_the_networks_predictions_and_moves_nothing():
    model = small_network()
    before = [keras.ops.convert_to_numpy(v) for v in model.weights]
    logits = latency.forward(model, False)(keras.ops.convert_to_tensor(images(5)))
    assert keras.ops.convert_to_numpy(logits) == pytest.approx(model.predict(images(5), verbose=0), abs=1e-5)
    for ours, theirs in zip(before, model.weights, strict=True):
        assert np.array_equal(ours, keras.ops.convert_to_numpy(theirs))


def test_training_mode_normalises_by_each_batch():
    logits = latency.forward(small_network(), True)(keras.ops.convert_to_tensor(images(5)))
    assert keras.ops.convert_to_numpy(logits).mean(0) == pytest.approx(np.zeros(4), abs=1e-5)


class Recorded:
    """A network that notes when it is timed."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def batches(self, size):
        return ["first", "middle", "last"]

    def time(self, batches):
        self.log.append((self.name, *batches))
        return (float(len(self.log)),)


def test_networks_take_turns_and_every_other_round_goes_backwards():
    log = []
    passes = latency._in_turns([Recorded("a", log), Recorded("b", log)], size=1, passes=3)
    assert log[:2] == [("a", "first", "last"), ("b", "first", "last")]  # compiles and warms up
    assert "".join(name for name, *_ in log[2:]) == "abbaab"
    assert passes == [[(3.0,), (6.0,), (7.0,)], [(4.0,), (5.0,), (8.0,)]]


def test_percentiles_are_over_the_whole_batches_of_all_passes():
    first, second = [*range(1, 51), 1000], [*range(51, 101), 2000]  # milliseconds; the last batches are smaller
    batch = latency._batch_time([tuple(ms / 1000 for ms in those) for those in (first, second)], whole=50)
    assert batch.batches == 100
    assert batch.p50 == pytest.approx(50.5)
    assert batch.p95 == pytest.approx(95.05)


def test_percentiles_in_another_order_are_refused():
    assert BatchTime(p50=2.0, p95=2.0, batches=1)
    with pytest.raises(ValueError, match=r"p95 is never below p50, got 1\.9 and 2\.0"):
        BatchTime(p50=2.0, p95=1.9, batches=1)


def test_a_result_of_passes_only_is_still_read(tmp_path):
    """As the committed ones were written, before batches were timed one by one."""
    path = store.write(tmp_path, sweep_of("conv"))
    content = json.loads(path.read_text())
    del content["batch_times"], content["sha256"]
    content["sha256"] = hashlib.sha256(canonical_json(content)).hexdigest()
    path.write_text(json.dumps(content))
    assert store.read(path).batch_times == {}
    assert store.write(tmp_path, sweep_of("conv")) == path  # the same result, not another one


def test_every_budget_measures_what_it_says():
    for budget, sweep in latency.SWEEPS.items():
        assert max(sweep.batch_sizes) <= sweep.images <= TEST_IMAGES, budget
    paper_scale = latency.SWEEPS[Budget.PAPER]
    assert paper_scale.images == TEST_IMAGES
    assert paper_scale.batch_sizes == tuple(4**power for power in range(6))  # 1 to 1024


def test_a_batch_size_that_a_claim_asks_for_is_measured_where_the_budget_has_the_images(cifar10):
    conv = PAPER.experiment("conv")
    (result,) = latency.measure("tseng2020", [conv], Budget.SMOKE, "inference", "device", claimed=(3, 17))
    assert sorted(result.seconds) == [1, 3, 4, 16]
    assert latency.claimed_batch_sizes(paper("yu2021")) == {4, 256}


def test_a_measured_pair_is_written_read_and_not_measured_again(tmp_path, cifar10, monkeypatch):
    arguments = (tmp_path, PAPER, ["conv", "da-conv"], Budget.SMOKE, "inference", "device")
    measured = latency.ensure_latencies(*arguments)
    sweep = latency.SWEEPS[Budget.SMOKE]
    for result, name in zip(measured, ["conv", "da-conv"], strict=True):
        here = records.measured_on(environment.describe())
        assert result.key == f"tseng2020/{name}/latency-smoke-inference-device-{here}"
        assert result.images == sweep.images
        assert {size: len(passes) for size, passes in result.seconds.items()} == dict.fromkeys(sweep.batch_sizes, 2)
        assert all(s > 0 for passes in result.seconds.values() for s in passes)
        assert {size: batch.batches for size, batch in result.batch_times.items()} == {1: 32, 4: 8, 16: 2}
        for size, batch in result.batch_times.items():
            assert 0 < batch.p50 <= batch.p95 <= 1000 * max(result.seconds[size])
    monkeypatch.delattr(latency, "measure")
    assert latency.ensure_latencies(*arguments) == measured
    assert sorted(r.key for r in store.read_all(tmp_path).latencies) == sorted(r.key for r in measured)


def test_the_images_are_the_normalised_test_images(cifar10):
    experiment = paper("yu2021").experiment("cifar10-dw")
    mean, deviation = latency.data.NORMALISATIONS[experiment.recipe.normalisation]
    expected = (cifar10.test.pixels[:3] / 255 - mean) / deviation
    assert latency._test_images(experiment, 3) == pytest.approx(expected, abs=1e-5)


def test_half_a_pair_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "describe", lambda: sweep_of("conv").environment)
    store.write(tmp_path, sweep_of("conv"))
    with pytest.raises(ResultError, match="expected all of these networks or none"):
        latency.ensure_latencies(tmp_path, PAPER, ["conv", "dsc"], Budget.SMOKE, *LATENCY_PROTOCOL)


def test_a_network_that_is_only_counted_is_refused():
    counted = Experiment("vgg19", Network("reference.vgg19"), "imagenet")
    with pytest.raises(SpecError, match="only counted"):
        latency.measure("islam2022", [counted], Budget.SMOKE, *LATENCY_PROTOCOL)


def test_what_the_claims_read_is_measured_by_the_commands_defaults(tmp_path):
    """The claims of yu2021 find the passes, one value a pass."""
    seconds = {4: (4.0, 5.0), 256: (1.0, 2.0)}
    store.write(tmp_path, sweep_of("cifar10-dw", seconds.items(), "yu2021"))
    selection = Selection(paper("yu2021"), store.read_all(tmp_path), Budget.SMOKE, any_machine=True)
    assert list(selection.sample(Quantity("latency_4", of="cifar10-dw")).values.values()) == [4.0, 5.0]


def test_the_table_shows_medians_in_the_order_of_sizes(tmp_path):
    result = store.read(store.write(tmp_path, sweep_of("conv")))
    timed = result.model_copy(update={"batch_times": {1: BatchTime(p50=6.25, p95=7.5, batches=48)}})
    lines = latency.latency_lines([timed, sweep_of("dsc", ((1, (1.0,)), (16, (2.0,))))])
    assert "Seconds for 16 images on cpu (tensorflow), batch norm in training mode, images from the host" in lines[0]
    assert " ".join(lines[1].split()) == "batch size conv batch p50, p95 (ms) dsc batch p50, p95 (ms)"
    conv, dsc = "0.200 (0.100 to 0.300) 6.25, 7.50", "1.000 (1.000 to 1.000) not timed"
    assert lines[2].split() == f"1 {conv} {dsc}".split()
    assert lines[3].split()[0] == "16"
