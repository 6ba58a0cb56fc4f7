"""What a device can do: the bytes and operations that are timed are those that are counted. No time is asserted."""

import pytest
from keras import ops

from factories import ENVIRONMENT, roofline_of
from sepconv import environment
from sepconv.measuring import roofline
from sepconv.measuring.roofline import Sizes
from sepconv.results import store

TINY = Sizes(values=1000, rows={"float32": 16})


def test_every_repeat_is_a_time_of_what_was_counted():
    measured = roofline.measure(TINY)
    assert measured.copy_bytes == 8 * 1000
    assert len(measured.copy_seconds) == roofline.REPEATS
    assert measured.products["float32"].size == 16
    assert len(measured.products["float32"].seconds) == roofline.REPEATS


def test_a_repeat_is_a_chain_of_calls_and_the_first_is_not_counted(monkeypatch):
    clock = iter([0, 100, 100, 108, 108, 120])
    monkeypatch.setattr(roofline, "REPEATS", 2)
    monkeypatch.setattr(roofline.time, "perf_counter", lambda: next(clock))
    seen = []
    assert roofline._repeated(lambda value: seen.append(value[0]) or value + 1, ops.zeros(3)) == (2.0, 3.0)
    assert [int(value) for value in seen] == list(range(3 * roofline.CALLS))


def test_products_neither_grow_nor_vanish():
    """Or their numbers would become infinite or denormal, which take another time."""
    chained = []
    original = roofline._repeated
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roofline, "_repeated", lambda call, value: chained.append((call, value)) or original(call, value))
        roofline._product(256, "float32")
    ((call, value),) = chained
    for _ in range(roofline.CALLS * (1 + roofline.REPEATS)):
        value = call(value)
    assert 1e-3 < float(ops.std(value)) < 1e3


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"device": "AMD EPYC 9B14 (R)"}, "machines/amd-epyc-9b14-r-2-cores/roofline-tensorflow"),
        ({"device": "NVIDIA H100", "accelerator": True, "backend": "jax"}, "machines/nvidia-h100/roofline-jax"),
        ({"device": "../?"}, "machines/unknown-2-cores/roofline-tensorflow"),
    ],
)
def test_each_device_has_its_place(tmp_path, changes, key):
    path = store.write(tmp_path, roofline_of(**changes))
    assert path == tmp_path / f"{key}.json"
    assert store.read_all(tmp_path).rooflines == (roofline_of(**changes),)


def test_a_result_is_merged_and_not_measured_again(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "describe", lambda: ENVIRONMENT)
    monkeypatch.setattr(roofline, "measure", lambda sizes: roofline_of() if sizes is roofline.ON_CPU else None)
    assert roofline.ensure_roofline(tmp_path / "theirs") == roofline_of()
    monkeypatch.delattr(roofline, "measure")
    assert roofline.ensure_roofline(tmp_path / "theirs") == roofline_of()
    assert store.merge(tmp_path / "theirs", tmp_path / "ours") == 1
    assert store.read_all(tmp_path / "ours").rooflines == (roofline_of(),)


def test_the_line_for_the_terminal_says_medians():
    (line,) = roofline.roofline_lines(roofline_of())
    assert line == "cpu (tensorflow): 10 GB/s copied, 0.1 TFLOP/s in float32 (products of 1000 rows)"


@pytest.mark.slow
def test_jax_is_measured_too(on_jax):
    measured = on_jax(roofline.measure, Sizes(1000, {"float32": 16, "bfloat16": 8}))
    assert measured.environment.backend == "jax"
    assert list(measured.products) == ["float32", "bfloat16"]
