"""Every way to compute a depthwise convolution gives the numbers of plain NumPy, in each of its parts."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from pydantic import ValidationError

from factories import ENVIRONMENT, lowered_for_cuda, roofline_of
from sepconv.measuring import depthwise as stopwatch
from sepconv.measuring.depthwise import DepthwiseError
from sepconv.networks import depthwise, depthwise_algorithms, fast_layers
from sepconv.networks.depthwise_algorithms import WAYS
from sepconv.papers import paper
from sepconv.report import frames
from sepconv.results import store
from sepconv.results.records import CONVOLUTION, DepthwiseResult, DepthwiseShape, DepthwiseTiming
from sepconv.results.store import Results

COMMITTED = store.read_all(Path(__file__).parents[1] / "results")

SHAPES = [
    DepthwiseShape(batch=2, size=8, channels=3, kernel=3, stride=1),
    DepthwiseShape(batch=2, size=8, channels=3, kernel=3, stride=2),  # zeros after the row only
    DepthwiseShape(batch=2, size=9, channels=3, kernel=3, stride=2),
    DepthwiseShape(batch=2, size=8, channels=2, kernel=5, stride=1),
    DepthwiseShape(batch=1, size=7, channels=2, kernel=5, stride=2),
    DepthwiseShape(batch=2, size=8, channels=2, kernel=7, stride=1),
    DepthwiseShape(batch=1, size=4, channels=2, kernel=9, stride=1),  # wider than the image
    DepthwiseShape(batch=2, size=10, channels=3, kernel=3, stride=2, padding="valid"),  # leaves out the last row
    DepthwiseShape(batch=2, size=8, channels=2, kernel=5, stride=1, padding="valid"),
    DepthwiseShape(batch=1, size=8, channels=40, kernel=3, stride=1),  # channels for a program and a quarter of Pallas
]
PARTS = tuple(WAYS)
EACH_WAY = {(part, way) for part, ways in WAYS.items() for way in ways}
# Ways of the three parts, such that each way of each part comes up.
COMBINATIONS = [("grouped", "grouped", "grouped"), ("shifted", "shifted", "shifted"), ("shifted", "grouped", "pallas")]


def numpy_parts(shape, images, kernel, gradient):
    """Place by place and value by value, in float64."""
    before, after = shape.zeros
    padded = np.pad(images.astype(float), ((0, 0), (before, after), (before, after), (0, 0)))
    outputs, by_image, by_kernel = np.zeros(gradient.shape), np.zeros(padded.shape), np.zeros(kernel.shape)
    for y, x in np.ndindex(shape.output, shape.output):
        rows, columns = (np.s_[i * shape.stride : i * shape.stride + shape.kernel] for i in (y, x))
        window = np.s_[:, rows, columns]
        outputs[:, y, x] = (padded[window] * kernel).sum(axis=(1, 2))
        by_image[window] += gradient[:, None, None, y, x] * kernel
        by_kernel += (padded[window] * gradient[:, None, None, y, x]).sum(axis=0)
    inner = np.s_[before : before + shape.size]
    return {"forward": outputs, "input gradient": by_image[:, inner, inner], "weight gradient": by_kernel}


def arrays(shape):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(shape.batch, shape.size, shape.size, shape.channels))
    kernel = rng.normal(size=(shape.kernel, shape.kernel, shape.channels))
    gradient = rng.normal(size=(shape.batch, shape.output, shape.output, shape.channels))
    return [a.astype("float32") for a in (images, kernel, gradient)]


@pytest.mark.parametrize(("programs", "sums"), [(1, 18), (2, 100), (1_000, 5_000)])
def test_pallas_sums_the_same_however_the_work_is_divided(programs, sums, monkeypatch):
    monkeypatch.setattr(depthwise_algorithms, "PROGRAMS", programs)
    monkeypatch.setattr(depthwise_algorithms, "SUMS", sums)
    shape = DepthwiseShape(batch=3, size=7, channels=5, kernel=3, stride=2)
    images, kernel, gradient = arrays(shape)
    expected = numpy_parts(shape, images, kernel, gradient)["weight gradient"]
    compute = jax.jit(partial(WAYS["weight gradient"]["pallas"], shape))
    np.testing.assert_allclose(compute(images, gradient), expected, atol=2e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("size", "channels", "kernel", "stride"), [(32, 64, 3, 2), (16, 32, 5, 1), (16, 32, 9, 1)])
def test_pallas_is_one_triton_kernel_on_a_gpu(size, channels, kernel, stride, precision):
    shape = DepthwiseShape(batch=64, size=size, channels=channels, kernel=kernel, stride=stride)
    images = jax.ShapeDtypeStruct((64, size, size, channels), precision)
    gradient = jax.ShapeDtypeStruct((64, shape.output, shape.output, channels), precision)
    compute = partial(WAYS["weight gradient"]["pallas"], shape)
    assert lowered_for_cuda(compute, images, gradient).count("xla.gpu.triton") == 1
    assert "triton" not in jax.jit(compute).lower(images, gradient).as_text()


def test_pallas_is_timed_where_it_is_compiled(monkeypatch):
    assert "pallas" not in stopwatch._compiled()
    monkeypatch.setattr(stopwatch.jax, "default_backend", lambda: "gpu")
    assert set(stopwatch._compiled()) == {way for _, way in EACH_WAY}


def test_zeros_are_those_of_tensorflow():
    def of(size, kernel, stride, padding="same"):
        return DepthwiseShape(batch=1, size=size, channels=1, kernel=kernel, stride=stride, padding=padding)

    assert of(32, 3, 1).zeros == (1, 1)
    assert of(32, 3, 2).zeros == (0, 1)
    assert of(33, 3, 2).zeros == (1, 1)
    assert of(8, 7, 1).zeros == (3, 3)
    assert of(66, 3, 2, "valid").zeros == (0, 0)
    assert [of(size, 3, 2, "valid").output for size in (66, 65, 64)] == [32, 32, 31]


def test_a_part_moves_input_output_and_kernel():
    shape = DepthwiseShape(batch=2, size=8, channels=3, kernel=5, stride=2)
    assert shape.values == sum(a.size for a in arrays(shape))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_all_ways_are_timed_in_every_part_and_agree(precision, monkeypatch):
    monkeypatch.setattr(stopwatch, "REPEATS", 2)
    timing = stopwatch.measure(SHAPES[0], precision)
    assert tuple(timing.seconds) == PARTS
    for seconds in timing.seconds.values():
        assert seconds.keys() == {"grouped", "shifted"}
        assert {len(times) for times in seconds.values()} == {2}
    assert max(timing.differences.values()) < {"float32": 1e-6, "bfloat16": 2e-2}[precision]


def test_short_calls_are_timed_together_so_that_waiting_for_them_counts_little(monkeypatch):
    now = [0.0]

    def takes(seconds, value=None):
        now[0] += seconds
        return value

    monkeypatch.setattr(stopwatch.jax, "jit", lambda function: lambda *arguments: takes(1e-5, np.ones(1)))
    monkeypatch.setattr(stopwatch.jax, "block_until_ready", lambda _: takes(1e-4))
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    for seconds in stopwatch.measure(SHAPES[0], "float32").seconds.values():
        for times in seconds.values():
            assert len(times) == stopwatch.REPEATS
            assert times == pytest.approx([1e-5] * len(times), rel=0.03)


def test_a_difference_of_the_ways_is_recorded(monkeypatch):
    grouped = WAYS["forward"]["grouped"]
    monkeypatch.setitem(WAYS["forward"], "shifted", lambda *arguments: 1.1 * grouped(*arguments))
    differences = stopwatch.measure(SHAPES[0], "float32").differences
    assert differences["forward"] == pytest.approx(0.1, rel=1e-3)
    assert differences["weight gradient"] < 1e-6


def test_every_depthwise_layer_of_a_trained_network_once():
    tseng = paper("tseng2020")
    cost = COMMITTED.cost_of("tseng2020", "dsc")
    found = stopwatch.shapes([tseng], [cost, cost])
    sizes = [(s.batch, s.size, s.channels, s.kernel, s.stride) for s, _ in found]
    assert sizes[:3] == [(64, 32, 32, 3, 1), (64, 32, 64, 3, 2), (64, 16, 128, 3, 1)]
    assert len(set(found)) == len(found)
    assert {precision for _, precision in found} == {"float32"}
    assert {s.batch for s, _ in stopwatch.shapes([tseng], [cost], batch=8)} == {8}
    assert stopwatch.shapes([tseng], [COMMITTED.cost_of("yu2021", "cifar10-dw")]) == []


def test_a_result_is_written_read_merged_and_not_measured_again(tmp_path, monkeypatch):
    described = ENVIRONMENT.model_copy(update={"backend": "jax"})
    monkeypatch.setattr(stopwatch.environment, "describe", lambda: described)
    monkeypatch.setattr(stopwatch, "REPEATS", 1)
    monkeypatch.setattr(stopwatch, "shapes", lambda *arguments: [(SHAPES[0], "float32")])
    first = stopwatch.ensure_depthwise(tmp_path, [])
    monkeypatch.delattr(stopwatch, "measure")
    assert stopwatch.ensure_depthwise(tmp_path, []) == first
    assert (tmp_path / "machines" / "cpu-2-cores" / "depthwise-jax.json").exists()
    assert store.merge(tmp_path, tmp_path / "other") == 1
    assert store.read_all(tmp_path / "other").depthwises == (first,)
    _, _, *rows = stopwatch.depthwise_lines(first)
    assert rows[2].startswith("8² × 3, 3², /1, 2, float32")
    assert "weight gradient" in rows[2]
    frame = frames.depthwise(Results(depthwises=(first,)))
    assert list(zip(frame["part"], frame["way"], strict=True)) == [
        (part, way) for part in PARTS for way in ("grouped", "shifted")
    ]
    grouped, shifted = frame["ms"][:2]
    assert list(frame["ratio"][:2]) == [1, pytest.approx(grouped / shifted)]
    assert frame["fraction"].isna().all()


def test_the_memory_limit_is_the_copy_of_the_same_machine():
    described = ENVIRONMENT.model_copy(update={"backend": "jax"})
    timing = DepthwiseTiming(
        **SHAPES[0].model_dump(),
        precision="bfloat16",
        seconds={part: {"grouped": (4e-6,)} for part in PARTS},
        differences=dict.fromkeys(PARTS, 0.0),
    )
    found = DepthwiseResult(timings=(timing,), environment=described)
    device = roofline_of().model_copy(update={"environment": described})
    row = frames.depthwise(Results(depthwises=(found,), rooflines=(device, roofline_of()))).iloc[0]
    assert row["least_ms"] == pytest.approx(1000 * 2 * SHAPES[0].values / device.bytes_per_second)
    assert row["fraction"] == pytest.approx(row["least_ms"] / 4e-3)
    assert frames.depthwise(Results(depthwises=(found,), rooflines=(roofline_of(),)))["fraction"].isna().all()


def test_a_folder_without_counts_is_no_reason_to_time_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(stopwatch.environment, "describe", lambda: ENVIRONMENT.model_copy(update={"backend": "jax"}))
    timed = []
    monkeypatch.setattr(stopwatch, "measure", lambda shape, precision: timed.append(shape) or TIMING)
    tseng = paper("tseng2020")
    result = stopwatch.ensure_depthwise(
        tmp_path, [replace(tseng, experiments=(tseng.experiment("dsc"),), claims=(), departures=())]
    )
    assert len(result.timings) == len(timed) > 0


def test_a_result_without_timings_is_none():
    with pytest.raises(ValidationError, match="at least 1 item"):
        DepthwiseResult(timings=(), environment=ENVIRONMENT)


TIMING = DepthwiseTiming(
    **SHAPES[0].model_dump(),
    precision="float32",
    seconds={part: {"grouped": (1.0,)} for part in PARTS},
    differences=dict.fromkeys(PARTS, 0.0),
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"differences": {}}, "each timed and with a difference"),
        ({"seconds": {}}, "each timed and with a difference"),
        ({"seconds": {part: {"shifted": (1.0,)} for part in PARTS}}, "expected the grouped way of every part"),
    ],
)
def test_a_timing_that_no_page_could_show_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        DepthwiseTiming.model_validate(TIMING.model_dump() | change)


def test_another_backend_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(stopwatch.environment, "describe", lambda: ENVIRONMENT)
    with pytest.raises(DepthwiseError, match="expected KERAS_BACKEND=jax, got tensorflow"):
        stopwatch.ensure_depthwise(tmp_path, [])


def listed(monkeypatch, shape, precision="float32", **ways):
    """Have these ways listed for a convolution on this machine."""
    values = shape.model_dump() | {"precision": precision}
    place = (depthwise.environment.machine("jax"), *(str(values[name]) for name in CONVOLUTION))
    monkeypatch.setattr(depthwise, "_listed", lambda: {place: ways})


def called(monkeypatch):
    """The ways that are taken from now on, with their parts, in order."""
    calls = []
    for part, way in EACH_WAY:
        compute = WAYS[part][way]
        spy = lambda *a, way=way, part=part, compute=compute: calls.append((way, part)) or compute(*a)  # noqa: E731
        monkeypatch.setitem(WAYS[part], way, spy)
    return calls


def test_every_way_of_every_part_is_tested():
    assert {pair for ways in COMBINATIONS for pair in zip(PARTS, ways, strict=True)} == EACH_WAY


@pytest.mark.parametrize("ways", COMBINATIONS, ids="-".join)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_convolution_and_its_gradients_equal_numpy_in_any_way(shape, ways, monkeypatch):
    listed(monkeypatch, shape, **dict(zip(PARTS, ways, strict=True)))
    calls = called(monkeypatch)
    images, kernel, gradient = arrays(shape)
    expected = numpy_parts(shape, images, kernel, gradient)

    @jax.jit  # as in a step; else each of its many operations would be compiled by itself
    def parts(images, kernel, gradient):
        outputs, backward = jax.vjp(lambda x, w: depthwise.convolve(x, w, shape.stride, shape.padding), images, kernel)
        return outputs, *backward(gradient)

    for part, value in zip(PARTS, parts(images, kernel, gradient), strict=True):
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(value, expected[part], atol=2e-5, err_msg=part)
    assert calls == list(zip(ways, PARTS, strict=True))


def test_each_part_takes_the_way_that_is_listed_for_it(monkeypatch):
    listed(monkeypatch, SHAPES[0], **dict(zip(PARTS, ("shifted", "grouped", "shifted"), strict=True)))
    calls = called(monkeypatch)
    images, kernel, gradient = map(jnp.asarray, arrays(SHAPES[0]))
    _, backward = jax.vjp(lambda x, w: depthwise.convolve(x, w, 1, "same"), images, kernel)
    backward(gradient)
    assert calls == [("shifted", "forward"), ("grouped", "input gradient"), ("shifted", "weight gradient")]


@pytest.mark.parametrize(
    ("stride", "padding", "precision"),
    [(2, "same", "float32"), (1, "valid", "float32"), (1, "same", "bfloat16")],
)
def test_what_is_not_listed_is_grouped(stride, padding, precision, monkeypatch):
    listed(monkeypatch, SHAPES[0], forward="shifted")
    calls = called(monkeypatch)
    images, kernel, _ = (jnp.asarray(a, precision) for a in arrays(SHAPES[0]))
    depthwise.convolve(images, kernel, stride, padding)
    assert calls == [("grouped", "forward")]


@pytest.mark.parametrize(("precision", "policy"), [("float32", "float32"), ("bfloat16", "mixed_bfloat16")])
def test_a_layer_says_in_which_ways_it_is_computed(precision, policy, monkeypatch):
    def ways(size, kernel, padding="same"):
        layer = fast_layers.DepthwiseConv2D(kernel, 1, padding, dtype=policy)
        layer(keras.Input((*size, 3)))
        return layer.ways

    best = dict(zip(PARTS, ("shifted", "grouped", "shifted"), strict=True))
    listed(monkeypatch, SHAPES[0], precision, **best)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    assert ways((8, 8), 3) == dict.fromkeys(PARTS, "keras")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert ways((8, 8), 3) == best
    assert ways((8, 8), 3, "valid") == ways((8, 8), 5) == dict.fromkeys(PARTS, "grouped")
    assert ways((8, 6), 3) == dict.fromkeys(PARTS, "keras")


@pytest.mark.parametrize("change", [{"device_of": ("another", True)}, {"available_cores": range(64)}])
def test_another_machine_is_not_listed(change, monkeypatch):
    listed(monkeypatch, SHAPES[0], forward="shifted")
    for name, value in change.items():
        monkeypatch.setattr(depthwise.environment, name, lambda *_, value=value: value)
    calls = called(monkeypatch)
    images, kernel, _ = map(jnp.asarray, arrays(SHAPES[0]))
    depthwise.convolve(images, kernel, 1, "same")
    assert calls == [("grouped", "forward")]


def test_the_fastest_way_is_that_of_least_time_over_all_batch_sizes(monkeypatch):
    def timed(batch, grouped, shifted):
        seconds = {"grouped": (9.0, grouped, grouped), "shifted": (shifted, shifted, 9.0)}
        values = {"size": 8, "channels": 3, "kernel": 3, "stride": 1, "padding": "same", "precision": "float32"}
        return DepthwiseTiming(
            batch=batch, **values, seconds=dict.fromkeys(PARTS, seconds), differences=dict.fromkeys(PARTS, 0.0)
        )

    described = ENVIRONMENT.model_copy(update={"backend": "jax"})
    many = DepthwiseResult(timings=(timed(2, 1.0, 2.0), timed(64, 5.0, 3.5)), environment=described)
    (row,) = frames.fastest_ways(Results(depthwises=(many,))).to_dict("records")
    assert [row[part] for part in PARTS] == ["shifted"] * 3  # 5.5 against 6 seconds
    assert [row[name] for name in ("machine", *CONVOLUTION)] == ["cpu-2-cores", 8, 3, 3, 1, "same", "float32"]
    few = DepthwiseResult(timings=(timed(2, 1.0, 2.0),), environment=described)
    (row,) = frames.fastest_ways(Results(depthwises=(few,))).to_dict("records")
    assert [row[part] for part in PARTS] == ["grouped"] * 3
