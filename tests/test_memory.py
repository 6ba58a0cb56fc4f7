"""Memory of a step: read in a fresh process, larger with the batch, beside the count and never in its place."""

import os
import re
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from factories import ENVIRONMENT, memory_of
from sepconv.measuring import cost, memory
from sepconv.papers import paper
from sepconv.results import store
from sepconv.results.records import MemoryResult
from sepconv.spec import Budget, Experiment, Network, Quantity, SpecError
from sepconv.verdicts.samples import Selection

PAPER = paper("tseng2020")
SMALL = Network("islam.patch_network", {"dim": 32, "depth": 2})


def small(batch_size):
    experiment = PAPER.experiment("conv")
    return replace(experiment, network=SMALL, recipe=replace(experiment.recipe, batch_size=batch_size))


class Plan:
    argument_size_in_bytes, output_size_in_bytes, temp_size_in_bytes, alias_size_in_bytes = 100, 90, 1000, 80


class Engine:
    """Takes memory as it is told to, and knows its variables."""

    def __init__(self, growth=0):
        self.growth, self.batches, self.kept = growth, [], []
        self.model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10, use_bias=False)])
        self.optimizer = keras.optimizers.SGD()

    def step_memory(self):
        return Plan

    def train_epoch(self, order, rates):
        self.batches.append(len(order))
        assert list(rates) == [0]
        if len(order) > 1:
            np.ones(self.growth, np.uint8)  # touched, and freed at once: only the peak has it


def test_what_the_compiler_plans_counts_shared_bytes_once():
    total, parts = memory._compiled(Engine(), 8)
    assert total == 100 + 90 + 1000 - 80
    assert parts == {"arguments": 100, "outputs": 90, "temporaries": 1000, "outputs_in_arguments": 80}


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_growth_is_of_the_peak_after_a_step_on_one_image():
    engine = Engine(growth=200_000_000)
    total, parts = memory._resident(engine, 8)
    assert engine.batches == [1] + [8] * memory.STEPS
    assert 195e6 < parts["growth"] < 230e6
    assert parts["weights_and_slots"] == 4 * 10 * 10 + sum(v.value.numpy().nbytes for v in engine.optimizer.variables)
    assert total == sum(parts.values())


def test_a_peak_from_before_is_forgotten():
    np.ones(300_000_000, np.uint8)
    assert memory._resident(Engine(), 8)[1]["growth"] < 100e6


def test_a_system_that_does_not_tell_is_one_line(monkeypatch):
    with pytest.raises(memory.MemoryReadError, match=r"expected VmNone in Linux's /proc/self/status, found none"):
        memory._of_process("VmNone")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(memory.Path, "write_text", refuse)
    with pytest.raises(memory.MemoryReadError, match="to forget a process's peak, got: Permission denied"):
        memory._forget_peak()


def test_on_a_gpu_the_peak_is_of_the_steps_after_the_search_for_kernels(monkeypatch):
    engine, forgotten = Engine(), []
    monkeypatch.setattr(
        tf.config.experimental, "reset_memory_stats", lambda device: forgotten.append((device, list(engine.batches)))
    )
    monkeypatch.setattr(memory.environment, "peak_bytes", lambda: 123)
    assert memory._allocator(engine, 8) == (123, {"peak": 123})
    assert forgotten == [("GPU:0", [8])]
    assert engine.batches == [8] * (1 + memory.STEPS)


@pytest.mark.parametrize(
    ("machine", "method"),
    [
        ({}, "resident"),
        ({"backend": "jax"}, "compiled"),
        ({"accelerator": True}, "allocator"),
        ({"accelerator": True, "backend": "jax"}, "allocator"),
    ],
)
def test_the_way_follows_from_the_machine(machine, method):
    assert memory.method_on(ENVIRONMENT.model_copy(update=machine)) == method


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_a_step_is_measured_in_a_fresh_process_and_grows_with_the_batch():
    here = os.getpid()
    few, many = (memory._in_fresh_process(memory.measure, "tseng2020", small(size)) for size in (32, 256))
    assert os.getpid() == here
    counted = cost.count("tseng2020", small(256)).training_step_bytes
    assert many.batch_size == 256
    assert many.step_bytes > 2 * few.step_bytes
    assert counted / 3 < many.step_bytes < 5 * counted  # the same thing, by and large


def measured(sizes):
    """Method, key and bytes of a small network's step, by batch size."""
    network = Network("islam.patch_network", {"dim": 8, "depth": 1})
    found = (memory.measure("tseng2020", replace(small(size), network=network)) for size in sizes)
    return [(memory.method, memory.key, memory.step_bytes) for memory in found]


@pytest.mark.slow
def test_on_jax_the_step_is_compiled_and_not_run(on_jax):
    (method, key, few), (_, _, many) = on_jax(measured, (8, 64))
    assert method == "compiled"
    assert re.fullmatch(r"tseng2020/conv/memory-step-.+-\d+-cores-jax", key)
    assert many > 4 * few > 0


def measured_as_on_an_accelerator():
    """Method, bytes and names of the parts of a small network's step, where whole epochs are scanned."""
    from sepconv.training import engine_jax

    network = Network("islam.patch_network", {"dim": 8, "depth": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_jax, "scans", lambda: True)
        patch.setattr(memory, "method_on", lambda _: "allocator")
        found = memory.measure("tseng2020", replace(small(8), network=network))
    return found.method, found.step_bytes, sorted(found.parts)


@pytest.mark.slow
def test_on_jax_with_an_accelerator_the_step_is_run_and_planned_too(on_jax):
    method, step_bytes, parts = on_jax(measured_as_on_an_accelerator)
    assert method == "allocator"
    assert step_bytes > 0
    assert parts == ["arguments", "outputs", "outputs_in_arguments", "peak", "temporaries"]


def test_the_process_that_starts_the_others_takes_no_memory_of_the_card(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(memory, "_in_fresh_process", lambda function, *_: asked.append(function) or ENVIRONMENT)
    monkeypatch.setattr(memory, "measure_anew", lambda key, experiment: memory_of(experiment.name))
    monkeypatch.setattr(memory.environment, "describe", lambda: pytest.fail("asked here"))
    memory.ensure_memories(tmp_path, PAPER, ["conv"])
    assert asked == [memory.environment.describe]


def test_a_result_is_read_as_written_merged_and_not_measured_again(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "measure_anew", lambda key, experiment: memory_of(experiment.name))
    monkeypatch.setattr(memory, "_in_fresh_process", lambda function, *_: memory_of("conv").environment)
    measured = memory.ensure_memories(tmp_path / "theirs", PAPER, ["conv", "dsc"])
    assert [m.experiment for m in measured] == ["conv", "dsc"]
    monkeypatch.setattr(memory, "measure_anew", lambda *_: pytest.fail("measured again"))
    assert memory.ensure_memories(tmp_path / "theirs", PAPER, ["conv", "dsc"]) == measured
    assert (tmp_path / "theirs" / f"{memory_of('conv').key}.json").exists()
    assert store.merge(tmp_path / "theirs", tmp_path / "ours") == 2
    assert store.read_all(tmp_path / "ours").memories == measured


def test_it_never_takes_the_place_of_the_count(tmp_path):
    measure = Quantity("training_step_bytes", of="conv")
    store.write(tmp_path, memory_of())
    assert not Selection(PAPER, store.read_all(tmp_path), Budget.PAPER).sample(measure).values
    counted = cost.count("tseng2020", PAPER.experiment("conv"))
    store.write(tmp_path, counted)
    sample = Selection(PAPER, store.read_all(tmp_path), Budget.PAPER).sample(measure)
    assert list(sample.values.values()) == [counted.training_step_bytes]


def test_what_is_run_counts_by_the_median_of_three_and_what_is_planned_is_planned_once(monkeypatch):
    found = iter([memory_of(step_bytes=size) for size in (3_000_000, 1_000_000, 2_000_000)])
    monkeypatch.setattr(memory, "_in_fresh_process", lambda *_: next(found))
    measured = memory.measure_anew("tseng2020", PAPER.experiment("conv"))
    assert (measured.step_bytes, measured.repeats) == (2_000_000, (1_000_000, 2_000_000, 3_000_000))
    planned = memory_of().model_copy(update={"method": "compiled"})
    found = iter([planned])
    assert memory.measure_anew("tseng2020", PAPER.experiment("conv")) == planned


@pytest.mark.parametrize("changes", [{"step_bytes": 0}, {"parts": {"growth": -1}}, {"method": "guessed"}])
def test_a_memory_that_cannot_be_is_refused(changes):
    with pytest.raises(ValidationError):
        MemoryResult.model_validate(memory_of().model_dump() | changes)


def test_a_network_that_is_only_counted_is_refused():
    counted = Experiment("vgg19", Network("reference.vgg19"), "imagenet")
    with pytest.raises(SpecError, match="only counted"):
        memory.measure("islam2022", counted)


def test_the_table_holds_measured_against_counted():
    counted = cost.count("tseng2020", PAPER.experiment("conv")).model_copy(update={"training_step_bytes": 1_000_000})
    _, conv, dsc = memory.memory_lines([memory_of(), memory_of("dsc")], [counted, None])
    assert conv.split() == ["conv", "64", "resident", "2.0", "1.0", "2.00"]
    assert dsc.split() == ["dsc", "64", "resident", "2.0", "not", "counted"]
