"""What is drawn is what the data say; how it looks is for the eye."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from sepconv.report import figures
from sepconv.report.figures import Box
from sepconv.results.records import CostResult, Layer
from sepconv.verdicts import stats


def history(curves, budget="short", schedule="3 epochs of 8,000 images", metric="train_accuracy"):
    """``curves``: name -> seed -> values by epoch."""
    rows = [
        {"network": name, "budget": budget, "schedule": schedule, "seed": seed, "epoch": epoch, metric: value}
        for name, seeds in curves.items()
        for seed, values in seeds.items()
        for epoch, value in enumerate(values, 1)
    ]
    return pd.DataFrame(rows, columns=["network", "budget", "schedule", "seed", "epoch", metric])


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def ys(axes):
    return [list(line.get_ydata()) for line in axes.lines]


def layer(name, type="Conv2D", filter_shape=(3, 3, 32, 64), stride=1, channels=64):
    shape = (8, 8, channels) if type != "Dense" else (channels,)
    return Layer(
        name=name, type=type, stride=stride, filter_shape=filter_shape, input_shape=(8, 8, 32), output_shape=shape,
        params=1, mult_adds=1,
    )  # fmt: skip


def cost(*layers):
    counts = dict.fromkeys(
        ("num_params", "trainable_params", "mult_adds", "weighted_layers", "weight_bytes",
         "activation_bytes", "training_step_bytes"), 1,
    )  # fmt: skip
    return CostResult(paper="a", experiment="b", network={}, batch_size=None, layers=layers, **counts)


# --- curves ----------------------------------------------------------------------------------------------------------


def test_two_seeds_are_drawn_thin_and_their_mean_thick_without_a_band():
    (axes,) = figures.curves(history({"Conv": {0: [10, 20, 30], 1: [20, 40, 50]}}), "train_accuracy").axes
    mean, *seeds = axes.lines
    assert list(mean.get_ydata()) == [15, 30, 40]
    assert list(mean.get_xdata()) == [1, 2, 3]
    assert [list(line.get_ydata()) for line in seeds] == [[10, 20, 30], [20, 40, 50]]
    assert all(line.get_linewidth() < mean.get_linewidth() for line in seeds)
    assert not axes.collections
    assert legend(axes) == ["Conv (2 seeds)"]


def test_one_seed_is_one_line():
    (axes,) = figures.curves(history({"Conv": {3: [10, 20]}}), "train_accuracy").axes
    assert ys(axes) == [[10, 20]]
    assert legend(axes) == ["Conv (1 seed)"]


def test_three_seeds_have_the_interval_of_the_mean():
    values = {0: [10, 20], 1: [12, 20], 2: [17, 26]}
    (axes,) = figures.curves(history({"Conv": values}), "train_accuracy").axes
    (band,) = axes.collections
    drawn = band.get_paths()[0].vertices
    for epoch in (1, 2):
        interval = stats.mean_interval([seed[epoch - 1] for seed in values.values()])
        here = drawn[drawn[:, 0] == epoch][:, 1]
        assert (here.min(), here.max()) == pytest.approx((interval.low, interval.high))


def test_budgets_have_panels_of_their_own_and_networks_keep_their_look():
    paper = history({"Sep": {0: [1] * 20}}, "paper", "20 epochs of 40,000 images")
    reduced = history({"Conv": {0: [1, 2]}, "Sep": {0: [3, 4]}})
    above, below = figures.curves(pd.concat([paper, reduced]), "train_accuracy", "accuracy").axes
    assert above.get_title() == "budget paper: 20 epochs of 40,000 images"
    assert below.get_title() == "budget short: 3 epochs of 8,000 images"
    assert (below.get_xlabel(), below.get_ylabel()) == ("epoch", "accuracy")
    conv, sep = below.lines
    assert sep.get_color() == above.lines[0].get_color() != conv.get_color()
    assert sep.get_linestyle() == above.lines[0].get_linestyle() != conv.get_linestyle()


def test_no_run_says_so():
    (axes,) = figures.curves(history({}), "train_accuracy").axes
    assert "no run" in axes.texts[0].get_text()
    assert "no run" in figures.accuracy_against_costs(pd.DataFrame(), ["num_params"]).axes[0].texts[0].get_text()


def test_ours_lie_over_the_log():
    log = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [3.0, 2, 1], "val_accuracy": [10.0, 20, 30]})
    ours = history({"Dw": {0: [4.0, 3]}}, metric="train_loss").assign(val_accuracy=[11.0, 12])
    picture = figures.over_log(ours, log)
    loss, accuracy = picture.axes
    assert ys(loss) == [[3, 2, 1], [4, 3]]
    assert ys(accuracy) == [[10, 20, 30], [11, 12]]
    assert accuracy.get_ylabel() == "test accuracy (%)"
    (below,) = picture.legends
    assert [text.get_text() for text in below.get_texts()] == [
        "the authors' log (1 run)",
        "ours, budget short: 3 epochs of 8,000 images (1 seed)",
    ]


def test_the_log_alone_is_drawn_where_we_have_no_run():
    log = pd.DataFrame({"epoch": [1], "train_loss": [3.0], "val_accuracy": [10.0]})
    none = history({}, metric="train_loss").assign(val_accuracy=[])
    assert [len(axes.lines) for axes in figures.over_log(none, log).axes] == [1, 1]


# --- costs -----------------------------------------------------------------------------------------------------------


def test_only_the_papers_own_budget_is_filled():
    costs = pd.DataFrame(
        {
            "group": ["g", "g", "h"],
            "convolution": ["standard", "depthwise separable", "standard"],
            "budget": ["paper", "paper", "short"],
            "accuracy": [80.0, 90, 30],
            "num_params": [1e6, 1e5, 2e6],
        }
    )
    picture = figures.accuracy_against_costs(costs, ["num_params"])
    (axes,) = picture.axes
    assert axes.get_xscale() == "log"
    points = {line.get_xdata()[0]: line for line in axes.lines if line.get_marker() in "so"}
    assert {x: line.get_ydata()[0] for x, line in points.items()} == {1e6: 80, 1e5: 90, 2e6: 30}
    assert {x: line.get_marker() for x, line in points.items()} == {1e6: "s", 1e5: "o", 2e6: "s"}
    assert {x: to_hex(line.get_markerfacecolor()) == "#ffffff" for x, line in points.items()} == {
        1e6: False, 1e5: False, 2e6: True,
    }  # fmt: skip
    joined = [line for line in axes.lines if len(line.get_xdata()) == 2]
    assert [sorted(line.get_ydata()) for line in joined] == [[80, 90]]
    assert {"g", "h", "hollow: a shorter budget"} <= {text.get_text() for text in picture.legends[0].get_texts()}


def test_intensities_by_network_and_kind():
    layers = pd.DataFrame(
        {
            "network": ["A", "B", "B"],
            "convolution": ["standard", "depthwise", "pointwise"],
            "layer": [1, 1, 1],
            "intensity": [300.0, 2, 30],
        }
    )
    (axes,) = figures.intensities(layers).axes
    assert ys(axes) == [[300], [2], [30]]
    assert legend(axes) == ["A: standard", "B: depthwise", "B: pointwise"]
    assert axes.get_yscale() == "log"


def test_roofline_draws_predictions_and_marks():
    frame = pd.DataFrame({"balance": [1.0, 10], "ratio": [8.0, 4]})
    (axes,) = figures.roofline_ratios({"batch 4": frame}, {"reported": 1.9}).axes
    predicted, mark = axes.lines
    assert list(predicted.get_ydata()) == [8, 4]
    assert set(mark.get_ydata()) == {1.9}
    assert legend(axes) == ["batch 4", "reported"]


def test_depthwise_ratios_have_a_panel_a_device_and_bfloat16_is_hollow():
    rows = [
        ("a CPU", "3×3", "forward", "float32", "grouped", 1),
        ("a CPU", "3×3", "forward", "float32", "shifted", 4),
        ("a GPU", "3×3", "forward", "float32", "shifted", 2),
        ("a GPU", "5×5", "weight gradient", "bfloat16", "pallas", 20),
    ]
    picture = figures.depthwise(pd.DataFrame(rows, columns=["device", "layer", "part", "precision", "way", "ratio"]))
    cpu, gpu = picture.axes
    assert [axes.get_title() for axes in picture.axes] == ["a CPU", "a GPU"]
    assert [label.get_text() for label in gpu.get_yticklabels()] == ["5×5", "3×3"]
    (filled,), (full, hollow) = ([line for line in axes.lines if line.get_linestyle() == "None"] for axes in (cpu, gpu))
    assert (list(filled.get_xdata()), list(filled.get_ydata())) == ([4], [0])
    assert (list(full.get_xdata()), list(full.get_ydata())) == ([2], [1])
    assert (list(hollow.get_xdata()), list(hollow.get_ydata())) == ([20], [0])
    assert filled.get_color() == full.get_color() == full.get_markerfacecolor() != hollow.get_color()
    assert hollow.get_markerfacecolor() == "white"
    labels = [text.get_text() for text in picture.legends[0].get_texts()]
    assert labels == ["shifted: forward", "pallas: weight gradient", "hollow: bfloat16"]


def test_ratios_stand_in_the_row_of_what_they_measure():
    frame = pd.DataFrame(
        {"what": ["epoch", "test set", "epoch"], "source": ["reported", "reported", "ours"], "ratio": [2, 0.5, 1.5]}
    )
    picture = figures.ratios(frame, "a ÷ b", {"mult-adds": 8.7})
    (axes,) = picture.axes
    rows = [tick.get_text() for tick in axes.get_yticklabels()]
    drawn = {
        (line.get_label(), rows[y], x)
        for line in axes.lines
        if line.get_marker() in figures.MARKERS
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    assert drawn == {("reported", "epoch", 2), ("reported", "test set", 0.5), ("ours", "epoch", 1.5)}
    assert rows == ["test set", "epoch"]  # drawn from below, so in the order given from above
    assert set(next(line for line in axes.lines if line.get_label() == "mult-adds").get_xdata()) == {8.7}


def test_power_is_in_percent():
    frame = pd.DataFrame({"noise": [0.6] * 3, "margin": [1.0, 1, 0.5], "seeds": [3, 4, 3], "decided": [0.25, 0.5, 0.1]})
    (axes,) = figures.power(frame).axes
    assert ys(axes) == [[10], [25, 50]]
    assert legend(axes) == ["0.5 points apart", "1 point apart"]


@pytest.mark.parametrize(("value", "text"), [(1.5e9, "1.5 G"), (2e6, "2 M"), (1000, "1 k"), (0.5, "0.5")])
def test_large_numbers_are_short(value, text):
    assert figures._engineering(value) == text


# --- networks --------------------------------------------------------------------------------------------------------


def test_equal_blocks_are_drawn_once():
    narrow = {"type": "DepthwiseConv2D", "filter_shape": (5, 5, 32, 1), "channels": 32}
    network = cost(
        layer("stem_conv", filter_shape=(2, 2, 3, 64), stride=2),
        layer("stem_norm", "BatchNormalization", ()),
        *(layer(f"block{i}_depthwise_conv", **narrow) for i in (1, 2, 3)),
        layer("pool", "GlobalAveragePooling2D", (8, 8)),
        layer("logits", "Dense", (64, 10), None, 10),
    )
    assert figures.network_boxes(network, "GELU", {"depthwise_conv": 1}) == [
        Box("conv 2 × 2, stride 2 → 64\nGELU", "Conv2D"),
        Box("depthwise conv 5 × 5 → 32\nGELU", "DepthwiseConv2D", skips=1, times="× 3"),
        Box("global average pooling → 64"),
        Box("dense → 10"),
    ]


def test_each_convolution_is_followed_by_its_boxes():
    layers = [layer("a_conv", "DepthwiseConv2D", (3, 3, 32, 1)), layer("a_norm", "BatchNormalization", ())]
    assert figures.layer_boxes(layers, ["norm", "ReLU"]) == [
        Box("depthwise conv\n3 × 3 → 64", "DepthwiseConv2D"),
        Box("norm"),
        Box("ReLU"),
    ]


def test_diagram_draws_boxes_in_order_sums_and_frames():
    boxes = [Box("in"), Box("a", "Conv2D", times="× 2"), Box("b", "Conv2D", skips=2, times="× 2"), Box("out")]
    one, other = figures.diagram({"one": boxes, "other": [Box("alone")]}).axes
    heights = {text.get_text(): text.get_position()[1] for text in one.texts}
    assert heights["in"] > heights["a"] > heights["b"] > heights["+"] > heights["out"]
    assert "× 2" in heights
    (frame,) = one.patches
    assert frame.get_y() < heights["b"] < heights["a"] < frame.get_y() + frame.get_height()
    assert heights["in"] > frame.get_y() + frame.get_height()
    assert [line for line in one.lines if heights["a"] < max(line.get_ydata()) < heights["in"]]  # starts above "a"
    assert (len(other.texts), other.get_title()) == (1, "other")


# --- rendering -------------------------------------------------------------------------------------------------------


def test_svg_is_the_same_at_each_rendering_and_names_no_date_or_host():
    data = history({"Conv": {0: [10, 20], 1: [20, 40]}})
    first, second = (figures.curves(data, "train_accuracy")._repr_svg_() for _ in range(2))
    assert first == second
    assert "dc:date" not in first
    hosts = set(re.findall(r'(?:href|src)="(https?://[^"]+)"', first))
    assert not hosts


def test_legend_lies_below_the_axes_and_inside_the_picture():
    names = {name: {0: [1, 2], 1: [2, 3]} for name in ("Conv", "DepthSepConv", "DA-Conv", "DA-DepthSepConv")}
    picture = figures.curves(history(names), "train_accuracy")
    picture.draw_without_rendering()
    (axes,) = picture.axes
    box, width = axes.get_legend().get_window_extent(), picture.bbox.width
    assert box.y1 < axes.get_window_extent().y0
    assert box.x0 >= 0
    assert box.x1 <= width
    texts = [text.get_window_extent() for text in axes.get_legend().get_texts()]
    assert not any(a.overlaps(b) for i, a in enumerate(texts) for b in texts[:i])


def test_a_picture_is_shown_as_svg_and_named_without_an_address():
    picture = figures.curves(history({"Conv": {0: [1]}}), "train_accuracy")
    assert repr(picture) == "Picture of 1 panel"
    assert picture._repr_svg_().lstrip().startswith("<?xml")
    assert np.isclose(picture.get_figwidth(), figures.WIDTH)
