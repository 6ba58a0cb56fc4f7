"""What is drawn is what the data say; how it looks is for the eye."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from sepconv.report import figures, pictures
from sepconv.report.diagrams import Box
from sepconv.results.records import CostResult, Layer
from sepconv.verdicts import stats

pytestmark = pytest.mark.filterwarnings("error")  # a warning would stand on an executed page


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


def drawn_lines(axes):
    """Without the empty ones that seaborn makes for the legend."""
    return [line for line in axes.lines if len(line.get_xdata())]


def ys(axes):
    return [list(line.get_ydata()) for line in drawn_lines(axes)]


def markers(axes):
    """Places and colours of all points."""
    drawn = [points for points in axes.collections if isinstance(points, PathCollection)]
    return [
        (*map(float, place), tuple(colour))
        for points in drawn
        for place, colour in zip(points.get_offsets(), points.get_facecolors(), strict=True)
    ]


def labels(picture):
    return [text.get_text() for legend in picture.legends for text in legend.get_texts()]


def rows(axes):
    return [tick.get_text() for tick in axes.get_yticklabels()]


def row_values(axes):
    """Row and value of each point."""
    return [(rows(axes)[round(y)], x) for x, y, _ in markers(axes)]


def written(axes):
    return [text.get_text() for text in axes.texts]


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


PHONE = 350  # pixels of the column on a phone
LETTERS = 9  # pixels of the smallest that are read there


def test_letters_can_be_read_on_a_phone():
    box = Box("conv 3 × 3 → 64", "Conv2D")
    pictures = [
        figures.curves(history({"Conv": {0: [10, 20, 30]}}), "train_accuracy"),
        figures.diagram({"A": [box]}),
        figures.papers_ratios(PAIRS),
    ]
    for picture in pictures:
        points = {text.get_fontsize() for text in picture.findobj(Text) if text.get_text()}
        inches, _ = picture.get_size_inches()
        assert min(points) * PHONE / (72 * inches) >= LETTERS


# --- curves ----------------------------------------------------------------------------------------------------------


def test_two_seeds_are_drawn_thin_and_their_mean_thick_without_a_band():
    (axes,) = figures.curves(history({"Conv": {0: [10, 20, 30], 1: [20, 40, 50]}}), "train_accuracy").axes
    mean, *seeds = drawn_lines(axes)
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


def test_budgets_have_panels_that_end_with_their_runs_and_networks_keep_their_look():
    paper = history({"Sep": {0: [1] * 20}}, "paper", "20 epochs of 40,000 images")
    shorter = history({"Conv": {0: [1, 2]}, "Sep": {0: [3, 4]}})
    above, below = figures.curves(pd.concat([paper, shorter]), "train_accuracy", "accuracy").axes
    assert above.get_title("left") == "budget paper: 20 epochs of 40,000 images"
    assert below.get_title("left") == "budget short: 3 epochs of 8,000 images"
    assert (below.get_xlabel(), below.get_ylabel()) == ("epoch", "accuracy")
    assert 20 <= above.get_xlim()[1] < 22
    assert 2 <= below.get_xlim()[1] < 2.2
    conv, sep = drawn_lines(below)
    (alone,) = drawn_lines(above)
    assert sep.get_color() == alone.get_color() != conv.get_color()
    assert sep.get_linestyle() == alone.get_linestyle() != conv.get_linestyle()


def test_no_run_says_so():
    for picture in (
        figures.curves(history({}), "train_accuracy"),
        figures.accuracy_against_costs(pd.DataFrame(), ["num_params"]),
    ):
        (axes,) = picture.axes
        assert "no run" in written(axes)[0]


LOG = pd.DataFrame(
    {"epoch": range(1, 31), "train_loss": np.linspace(3, 1, 30), "val_accuracy": np.linspace(10, 80, 30)}
)


def logged(seeds, *where):
    return history({"Dw": seeds}, *where, metric="train_loss").assign(val_accuracy=50.0)


def test_ours_lie_over_the_log_where_they_follow_the_papers_schedule():
    picture = figures.over_log(logged({0: [4.0] * 30}, "paper"), LOG)
    loss, accuracy = picture.axes
    assert ys(loss) == [list(LOG["train_loss"]), [4] * 30]
    assert ys(accuracy) == [list(LOG["val_accuracy"]), [50] * 30]
    assert accuracy.get_ylabel() == "test accuracy (%)"
    assert legend(loss) == ["the authors’ log (1 run)", "ours (1 seed)"]


def test_a_shorter_budget_has_panels_that_end_where_its_runs_end():
    loss, short_loss, accuracy, short_accuracy = figures.over_log(logged({0: [4.0, 3], 1: [3.0, 2]}), LOG).axes
    assert ys(loss) == [list(LOG["train_loss"])]
    assert ys(accuracy) == [list(LOG["val_accuracy"])]
    assert ys(short_loss) == [[3.5, 2.5], [4, 3], [3, 2]]
    assert short_accuracy.get_xlim()[1] < 3
    assert short_loss.get_ylim() == loss.get_ylim()
    assert (short_loss.get_title("left"), legend(short_loss)) == ("budget short", ["ours (2 seeds)"])


def test_the_log_alone_is_drawn_where_we_have_no_run():
    none = history({}, metric="train_loss").assign(val_accuracy=[])
    assert [len(drawn_lines(axes)) for axes in figures.over_log(none, LOG).axes] == [1, 1]


def test_power_is_in_percent():
    frame = pd.DataFrame({"noise": [0.6] * 3, "margin": [1.0, 1, 0.5], "seeds": [3, 4, 3], "decided": [0.25, 0.5, 0.1]})
    picture = figures.power(frame)
    assert ys(picture.axes[0]) == [[10], [25, 50]]
    assert labels(picture) == ["0.5 points apart", "1 point apart"]


def test_break_even_marks_each_measured_slowdown():
    curve = pd.DataFrame({"slowdown": [1.0, 4], "delta": [2.0, -1], "low": [1.0, -2], "high": [3.0, 0]})
    slowdowns = pd.DataFrame({"what": ["an epoch", "a batch"], "slowdown": [2.0, 3]})
    picture = figures.break_even(curve, slowdowns)
    (axes,) = picture.axes
    crossings = {line.get_label(): line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1}
    assert crossings == {"an epoch (2)": 2, "a batch (3)": 3}
    assert labels(picture) == list(crossings)
    assert len({line.get_color() for line in axes.lines if line.get_label() in crossings}) == 2
    assert figures.break_even(curve[:0], slowdowns[:0]).axes[0].texts


# --- costs -----------------------------------------------------------------------------------------------------------

COSTS = pd.DataFrame(
    {
        "group": ["g", "g", "g"],
        "convolution": ["standard", "depthwise separable", "standard"],
        "budget": ["paper", "paper", "short"],
        "accuracy": [80.0, 90, 30],
        "num_params": [1e6, 1e5, 2e6],
        "mult_adds": [5e6, 7e6, 6e6],
    }
)


def test_each_series_of_networks_has_a_look_and_a_line_joins_those_trained_alike():
    picture = figures.accuracy_against_costs(COSTS, ["num_params", "mult_adds"])
    params, mult_adds = picture.axes
    assert [axes.get_xlabel() for axes in picture.axes] == ["parameters", "mult-adds for one image"]
    assert {axes.get_xscale() for axes in picture.axes} == {"log"}
    assert [(x, y) for x, y, _ in markers(params)] == [(1e6, 80), (1e5, 90), (2e6, 30)]
    assert [x for x, *_ in markers(mult_adds)] == [5e6, 7e6, 6e6]
    assert len({colour for *_, colour in markers(params)}) == 3
    joined = [line for line in drawn_lines(params) if len(line.get_xdata()) == 2]
    assert [sorted(line.get_ydata()) for line in joined] == [[80, 90]]
    assert labels(picture) == ["g: standard", "g: depthwise separable", "g, budget short: standard"]


def test_accuracy_over_cost_has_every_seed_and_a_line_through_the_means():
    rows = [
        ("cost", kind, cost, accuracy)
        for kind in ("separable", "standard")
        for cost in (1, 10)
        for accuracy in (70, 80)
    ]
    picture = figures.accuracy_over_cost(pd.DataFrame(rows, columns=["panel", "kind", "cost", "accuracy"]))
    (axes,) = picture.axes
    assert sorted((x, y) for x, y, _ in markers(axes)) == sorted(2 * [(1, 70), (1, 80), (10, 70), (10, 80)])
    assert ys(axes) == 2 * [[75, 75]]
    assert labels(picture) == ["separable", "standard"]


def test_a_short_axis_of_costs_has_ticks_all_the_same():
    picture = figures.accuracy_against_costs(COSTS, ["mult_adds"])
    (axes,) = picture.axes
    low, high = axes.get_xlim()
    assert sum(low < tick < high for tick in axes.get_xticks()) >= 1


def test_equal_intensities_of_two_networks_are_both_seen():
    layers = pd.DataFrame(
        {
            "network": ["A", "B", "B"],
            "convolution": ["standard", "standard", "pointwise"],
            "layer": [1, 1, 2],
            "intensity": [300.0, 300, 30],
        }
    )
    picture = figures.intensities(layers)
    (axes,) = picture.axes
    assert [round(x) for x, *_ in markers(axes)] == [1, 1, 2]
    assert [y for _, y, _ in markers(axes)] == [300, 300, 30]
    assert len({x for x, *_ in markers(axes)}) == 3
    assert labels(picture) == ["A: standard", "B: standard", "B: pointwise"]
    assert axes.get_yscale() == "log"


def test_the_roofline_is_drawn_with_what_was_measured_and_reported():
    frame = pd.DataFrame(
        [
            ("predicted", 4, 1.0, 8.0),
            ("predicted", 4, 100.0, 2.0),
            ("predicted", 256, 1.0, 8.0),
            ("predicted", 256, 100.0, 1.0),
            ("measured on a CPU", 4, 10.0, 3.0),
            ("measured on a CPU", 256, 10.0, 3.0),
            ("reported", 4, np.nan, 0.8),
        ],
        columns=["source", "batch_size", "balance", "ratio"],
    )
    picture = figures.roofline_ratios(frame, {"mult-adds": 8.7})
    (axes,) = picture.axes
    four, two_hundred, *across = drawn_lines(axes)
    assert (list(four.get_ydata()), list(two_hundred.get_ydata())) == ([8, 2], [8, 1])
    assert {line.get_label(): line.get_ydata()[0] for line in across} == {
        "reported, batches of 4 (0.80)": 0.8, "mult-adds (8.7)": 8.7,
    }  # fmt: skip
    (x, y, colour), (beside, same, other) = markers(axes)
    assert (x, y, same) == (10, 3, 3)
    assert x != beside
    assert to_rgba(four.get_color()) == colour != other == to_rgba(two_hundred.get_color())
    assert across[0].get_color() == four.get_color()
    assert len(labels(picture)) == 6


# --- rows ------------------------------------------------------------------------------------------------------------


def test_ratios_stand_in_the_row_of_what_they_measure():
    frame = pd.DataFrame(
        {"what": ["epoch", "test set", "epoch"], "source": ["reported", "reported", "ours"], "ratio": [2, 0.5, 1.5]}
    )
    picture = figures.ratios(frame, "a ÷ b", {"mult-adds": 8.7})
    (axes,) = picture.axes
    assert rows(axes) == ["epoch", "test set"]
    assert row_values(axes) == [("epoch", 2), ("test set", 0.5), ("epoch", 1.5)]
    assert len({y for _, y, _ in markers(axes)}) == 3  # two sources in one row stand beside each other
    (mark,) = [line for line in axes.lines if line.get_label() == "mult-adds (8.7)"]
    assert set(mark.get_xdata()) == {8.7}
    assert labels(picture) == ["reported", "ours", "mult-adds (8.7)"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row above


def test_depthwise_ratios_have_a_panel_a_device_a_row_a_part_and_a_look_a_way_and_precision():
    rows = [
        ("a CPU", "3×3", "forward", "float32", "grouped", 1),
        ("a CPU", "3×3", "forward", "float32", "shifted", 4),
        ("a GPU", "3×3", "forward", "float32", "shifted", 2),
        ("a GPU", "5×5", "weight gradient", "bfloat16", "pallas", 20),
    ]
    picture = figures.depthwise(pd.DataFrame(rows, columns=["device", "layer", "part", "precision", "way", "ratio"]))
    cpu, gpu = picture.axes
    assert [axes.get_title("left") for axes in picture.axes] == ["a CPU", "a GPU"]
    assert row_values(cpu) == [("forward", 4)]
    assert row_values(gpu) == [("forward", 2), ("weight gradient", 20)]
    ((*_, filled),), ((*_, same), (*_, other)) = markers(cpu), markers(gpu)
    assert filled == same != other
    assert labels(picture) == ["shifted, float32", "pallas, bfloat16"]


PAIRS = pd.DataFrame(
    [
        ("p, CIFAR-10", "weights", "", "×", 0.125, np.nan, np.nan),
        ("p, CIFAR-10", "training time", "a CPU", "×", 2.5, np.nan, np.nan),
        ("p, CIFAR-10", "test accuracy", "", "points", 1.5, -0.5, 3.5),
        ("q, CIFAR-10", "weights", "", "×", np.nan, np.nan, np.nan),
        ("q, CIFAR-10", "test accuracy", "", "points", np.nan, np.nan, np.nan),
    ],
    columns=["pair", "quantity", "machine", "unit", "value", "low", "high"],
)


def test_the_papers_ratios_say_how_many_times_and_which_accuracies_are_missing():
    picture = figures.papers_ratios(PAIRS)
    above, below = picture.axes
    assert rows(above) == ["weights", "training time,\na CPU"]
    assert [value for _, value in row_values(above)][:2] == [0.125, 2.5]
    assert written(above) == ["8.0 times less", "2.5 times more", "not counted yet"]
    assert above.get_xscale() == "log"
    assert row_values(below)[0] == ("p, CIFAR-10", 1.5)
    assert written(below) == ["+1.5 (−0.5 to +3.5)", "no full training yet"]
    (interval,) = [lines for lines in below.collections if not isinstance(lines, PathCollection)]
    assert list(interval.get_segments()[0][:, 0]) == [-0.5, 3.5]
    assert labels(picture) == ["p, CIFAR-10", "q, CIFAR-10"]


@pytest.mark.parametrize("missing", [["low", "high"], ["value", "low", "high"]])
def test_the_papers_ratios_are_drawn_before_there_is_an_interval_or_a_run(missing):
    frame = PAIRS.copy()
    frame.loc[frame["unit"] == "points", missing] = np.nan
    picture = figures.papers_ratios(frame)
    first = written(picture.axes[1])[0]
    assert first == ("no full training yet" if "value" in missing else "+1.5 (too few seeds)")
    assert picture._repr_svg_()


def test_equal_costs_are_called_the_same():
    frame = PAIRS.assign(value=[1.04, 300, 1, 1 / 40, 1])
    assert written(figures.papers_ratios(frame).axes[0]) == ["the same", "300 times more", "40 times less"]


def test_the_forest_has_a_row_and_an_interval_for_each_delta_in_the_margin_of_no_difference():
    deltas = pd.DataFrame(
        {
            "what": ["mult-adds", "seconds, a CPU"],
            "delta": [1.0, -2],
            "low": [0.5, -3],
            "high": [1.5, -1],
            "margin": 0.5,
        }
    )
    (axes,) = figures.forest(deltas).axes
    assert row_values(axes) == [("mult-adds", 1), ("seconds,\na CPU", -2)]
    (intervals,) = [lines for lines in axes.collections if not isinstance(lines, PathCollection)]
    assert [list(segment[:, 0]) for segment in intervals.get_segments()] == [[0.5, 1.5], [-3, -1]]
    assert written(axes) == ["+1.0 (+0.5 to +1.5)", "−2.0 (−3.0 to −1.0)"]
    (margin,) = axes.patches
    assert (margin.get_x(), margin.get_width()) == (-0.5, 1)
    (nothing,) = figures.forest(deltas[:0]).axes
    assert written(nothing) == ["no question is answered yet"]


@pytest.mark.parametrize(("value", "text"), [(1.5e9, "1.5 G"), (2e6, "2 M"), (1000, "1 k"), (0.5, "0.5")])
def test_large_numbers_are_short(value, text):
    assert pictures.engineering(value) == text


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
    assert np.isclose(picture.get_figwidth(), pictures.WIDTH)


def test_nothing_is_painted_behind_a_figure():
    """The page's colour shows through, in the light theme and in the dark one."""
    picture = figures.curves(history({"Conv": {0: [1, 2]}}), "train_accuracy")
    assert [to_rgba(each.get_facecolor())[3] for each in (picture, *picture.axes)] == [0, 0]


def test_more_series_than_colours_still_differ_in_marker_or_colour():
    look = pictures.look("series", pd.DataFrame({"series": range(18)}))
    assert len({(look["palette"][name], look["markers"][name]) for name in range(18)}) == 18


def test_one_legend_names_every_series_of_every_panel_once():
    frame = pd.DataFrame(
        {"device": ["a", "b"], "way": ["x", "y"], "part": "p", "precision": "float32", "ratio": [1.0, 2]}
    )
    picture = figures.depthwise(frame)
    assert labels(picture) == ["x, float32", "y, float32"]
    assert not any(axes.get_legend() for axes in picture.axes)
