"""What the page on speed shows is what was measured; where nothing was measured it says so."""

from math import isnan
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from factories import memory_of, result_of, roofline_of, sweep_of, throughput_of
from sepconv import papers
from sepconv.measuring import roofline
from sepconv.report import figures, frames, tables, terminal
from sepconv.results import store
from sepconv.results.records import BatchTime, device_title
from sepconv.results.store import Results
from sepconv.spec import Budget, Run

TSENG = papers.paper("tseng2020")
COSTS = store.read_all(Path(__file__).parents[1] / "results").costs
CONV = next(c for c in COSTS if (c.paper, c.experiment) == ("tseng2020", "conv"))


def grid(html):
    soup = BeautifulSoup(html._repr_html_(), "html.parser")
    return [[c.get_text(" ", strip=True) for c in row.find_all(["th", "td"])] for row in soup.find_all("tr")]


def limits(devices, **found):
    return frames.limits([TSENG], Results(costs=COSTS, **found), devices).set_index("experiment")


# --- training loops --------------------------------------------------------------------------------------------------


def test_throughput_is_of_the_median_epoch_and_held_against_fit():
    frame = frames.throughputs(Results(throughputs=(throughput_of((2.0, 1.0, 4.0)),)))
    engine, fit = frame.to_dict("records")
    assert (engine["loop"], engine["images_per_second"], engine["slowest"], engine["fastest"]) == (
        "engine",
        128,
        64,
        256,
    )
    assert (engine["ratio"], fit["ratio"]) == (2, 1)
    assert (engine["epochs"], engine["compile_seconds"], engine["loss"]) == (3, 1.5, 2.25)
    assert engine["loss_of_fit"] == fit["loss"] == 2.5
    _, title, *rows = grid(tables.throughputs_table(frame))
    assert title == ["tseng2020 conv: 3 epochs of 256 images in batches of 64, tensorflow on cpu"]
    assert rows[0] == ["engine", "128", "64.0 to 256", "2.00"]


# --- inference -------------------------------------------------------------------------------------------------------


def test_latency_is_of_batches_and_of_passes_where_those_only_were_timed():
    timed = sweep_of("dsc").model_copy(update={"batch_times": {1: BatchTime(p50=6.25, p95=7.5, batches=48)}})
    frame = frames.latencies(Results(latencies=(sweep_of("conv"), timed)))
    conv, _, dsc, _ = frame.to_dict("records")
    assert (conv["p50"], conv["batches"]) == (pytest.approx(1000 * 0.2 / 16), 0)
    assert isnan(conv["p95"])
    assert (dsc["batch_size"], dsc["p50"], dsc["p95"], dsc["batches"]) == (1, 6.25, 7.5, 48)


def test_a_panel_for_each_mode_and_bars_up_to_p95():
    timed = sweep_of("conv").model_copy(update={"batch_times": {1: BatchTime(p50=6.0, p95=7.5, batches=48)}})
    other = sweep_of("dsc").model_copy(update={"batch_norm": "inference"})
    picture = figures.latencies(frames.latencies(Results(latencies=(timed, other))))
    training, inference = picture.axes
    assert training.get_title("left") == "tseng2020: batch norm in training mode,\nimages from the host"
    assert inference.get_title("left") == "tseng2020: batch norm in inference mode,\nimages from the host"
    line, (bars,) = training.lines[0], training.collections
    assert list(line.get_ydata()) == [6.0, pytest.approx(50)]
    assert [tuple(y for _, y in segment) for segment in bars.get_segments()] == [(6.0, 7.5), pytest.approx((50, 50))]
    labels = [text.get_text() for axes in picture.axes for text in axes.get_legend().get_texts()]
    assert labels == ["conv, cpu", "dsc, cpu"]  # the same budget


# --- memory ----------------------------------------------------------------------------------------------------------


def test_memory_stands_beside_the_count_of_the_same_step():
    other_batch, uncounted = memory_of("dsc", batch_size=32), memory_of("conv")
    frame = frames.memories(
        Results(costs=COSTS, memories=(memory_of("conv", 2 * CONV.training_step_bytes), other_batch))
    )
    (row,) = frame.to_dict("records")
    assert (row["experiment"], row["counted"], row["ratio"]) == ("conv", CONV.training_step_bytes, 2)
    assert frames.memories(Results(memories=(uncounted,))).empty
    _, title, cells = grid(tables.memories_table(frame))
    assert title == ["resident: tensorflow on cpu"]
    assert cells[0] == "tseng2020 conv"
    assert cells[2:] == ["110", "2.00"]


# --- limits ----------------------------------------------------------------------------------------------------------


def test_the_limit_is_the_rooflines_and_the_fraction_that_of_the_epoch_that_was_timed():
    on = roofline.device(roofline_of(), "float32")
    here = throughput_of((2.0, 1.0, 4.0))
    other = here.environment.model_copy(update={"device": "another"})
    elsewhere = here.model_copy(update={"environment": other, "images": 512})
    frame = limits([roofline_of()], throughputs=(here, elsewhere))
    conv, recipe = frame.loc["conv"], TSENG.experiment("conv").recipe
    assert conv["least_step_ms"] == pytest.approx(1000 * roofline.step_seconds(CONV, 64, on))
    whole = roofline.epoch_seconds(CONV, recipe.train_images, 64, on)
    assert conv["limit"] == pytest.approx(recipe.train_images / whole)
    assert conv["measured"] == 128
    assert conv["fraction"] == pytest.approx(roofline.epoch_seconds(CONV, 256, 64, on) / 2)
    assert conv["source"] == here.key
    assert isnan(frame.loc["dsc", "measured"])
    assert set(frame.index) == {e.name for e in TSENG.experiments if e.recipe.precision == "float32"}


def test_without_a_throughput_it_is_the_median_run_on_that_machine():
    experiment = TSENG.experiment("conv")
    trained = [result_of(Run("tseng2020", experiment, Budget.SHORT, seed), seconds)
               for seed, seconds in enumerate((2.0, 4.0, 5.0))]  # fmt: skip
    elsewhere = result_of(Run("tseng2020", experiment, Budget.SHORT, 3), 1.0, device="another")
    conv = limits([roofline_of()], runs=(*trained, elsewhere)).loc["conv"]
    assert conv["measured"] == experiment.recipe.train_images / 4
    assert conv["source"] == "3 runs, budget short"
    other_cores = roofline_of(cores=64)
    assert isnan(limits([other_cores], runs=tuple(trained)).loc["conv", "measured"])


def test_a_device_without_products_in_the_recipes_precision_has_no_limit():
    half = roofline_of().model_copy(update={"products": {"bfloat16": roofline_of().products["float32"]}})
    assert set(limits([half])["precision"]) == {"bfloat16"}


def test_limits_as_table_figure_and_lines():
    frame = frames.limits([TSENG], Results(costs=COSTS, throughputs=(throughput_of(),)), [roofline_of()])
    _, title, *rows = grid(tables.limits_table(frame))
    assert title == ["cpu, tensorflow"]
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["tseng2020 conv"][1] == "128"
    assert by_name["tseng2020 dsc"][1:] == ["–", "–"]
    (axes,) = figures.limits(frame).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["tseng2020 conv"]
    (points, *_) = axes.collections
    assert list(points.get_offsets()[:, 0]) == [128, pytest.approx(frame["limit"].iloc[0])]
    lines = list(terminal.limit_lines(frame))
    assert len(lines) == 1 + len(frame)
    assert lines[1].split()[:2] == ["tseng2020", "conv"]
    assert lines[1].split()[4] == "128.0"
    assert len(lines[2].split()) == 4


def test_what_each_device_can_do():
    found = Results(rooflines=(roofline_of(),))
    assert grid(tables.rooflines_table(found))[1:] == [["cpu, tensorflow"], ["float32", "10.0", "0.1", "10.0"]]


# --- nothing yet -----------------------------------------------------------------------------------------------------


def test_without_results_everything_says_so():
    nothing = Results()
    tabled = (
        tables.throughputs_table(frames.throughputs(nothing)),
        tables.memories_table(frames.memories(nothing)),
        tables.rooflines_table(nothing),
        tables.limits_table(limits([]).reset_index()),
    )
    assert all("has been measured yet" in html._repr_html_() for html in tabled)
    ratios = frames.memories(nothing).assign(what="", source="")
    pictures = (
        figures.ratios(ratios, "", {}),
        figures.depthwise(frames.depthwise(nothing)),
        figures.latencies(frames.latencies(nothing)),
        figures.limits(limits([]).reset_index()),
    )
    for picture in pictures:
        assert [text.get_text() for axes in picture.axes for text in axes.texts] == ["nothing measured yet"]
        assert picture._repr_svg_()


@pytest.mark.parametrize(
    ("device", "title"),
    [("Intel(R) Xeon(R) Processor", "Intel Xeon"), ("AMD EPYC", "AMD EPYC"), ("Intel(R) Core(TM) i7", "Intel Core i7")],
)
def test_devices_are_called_as_readers_call_them(device, title):
    assert device_title(device) == title
