"""Tidy data in, figures out: no files, no statistics but the means and intervals of :mod:`sepconv.verdicts.stats`.

Figures are 5 inches wide with 10.5 point letters, which a phone can still show. What colour tells apart, the line
style or the marker does too; the colours are Okabe and Ito's, made for colour-blind readers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from itertools import groupby
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from sepconv.results.records import CONVOLUTIONS, NORMS, CostResult, Layer
from sepconv.verdicts.stats import mean_interval

WIDTH = 5.0  # inches
PANEL = 2.6  # height of a panel, inches
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#666666"
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
LABELS = {
    "train_accuracy": "training accuracy (%)",
    "val_accuracy": "validation accuracy (%)",
    "train_loss": "training loss",
    "num_params": "parameters",
    "mult_adds": "mult-adds for one image",
    "training_step_bytes": "bytes of one training step",
}
_STYLE: dict[Any, Any] = {  # matplotlib types each key as a literal
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "legend.fontsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.columnspacing": 1.0,
    "figure.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "sepconv",  # else the names of paths differ at each rendering
}
_LOG_TICKS = [digit * 10.0**power for power in range(-5, 13) for digit in (1, 3)]
_BAND_FROM = 3  # seeds; two give an interval that hides the curves
_MOST_MARKED = 12  # epochs; longer curves need no markers


class Picture(Figure):
    """A figure that a notebook shows as SVG, with the same bytes at each rendering, and without pyplot's state."""

    def __init__(self, height: float) -> None:
        super().__init__(figsize=(WIDTH, height), layout="constrained")

    def _repr_svg_(self) -> str | None:
        text = StringIO()
        with rc_context(_STYLE):
            self.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        return text.getvalue()

    def __repr__(self) -> str:
        return f"Picture of {len(self.axes)} panel{'s' * (len(self.axes) != 1)}"


class Photographs(Picture):
    """Shown as PNG: computed pixels may differ in the last bit from machine to machine, and nbval compares no PNG."""

    def _repr_svg_(self) -> None:
        return None

    def _repr_png_(self) -> bytes:
        image = BytesIO()
        with rc_context(_STYLE):
            self.savefig(image, format="png", dpi=150, metadata={"Software": None})
        return image.getvalue()


# --- curves ----------------------------------------------------------------------------------------------------------


@rc_context(_STYLE)
def curves(history: pd.DataFrame, metric: str, label: str = "") -> Picture:
    """A metric over epochs, a panel for each budget and schedule, a curve for each network.

    Args:
        history: as :func:`sepconv.report.frames.history` makes it.
        metric: one of its columns.
        label: of the vertical axis, where it is not the metric's usual one.
    """
    panels = list(history.groupby(["budget", "schedule"], sort=False))
    picture = Picture(PANEL * max(1, len(panels)) + 0.5)
    networks = list(dict.fromkeys(history["network"]))
    for number, ((budget, schedule), part) in enumerate(panels, 1):
        axes = picture.add_subplot(len(panels), 1, number)
        for network, curve in part.groupby("network", sort=False):
            _draw(axes, curve, metric, _with_seeds(str(network), curve), networks.index(network))
        _label(axes, f"budget {budget}: {schedule}", "epoch", label or LABELS[metric])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend_below(axes)
    return picture if panels else _empty(picture)


@rc_context(_STYLE)
def over_log(history: pd.DataFrame, log: pd.DataFrame) -> Picture:
    """One network's training loss and test accuracy over epochs, ours over what the authors logged.

    Args:
        history: ours, as :func:`sepconv.report.frames.history` makes it.
        log: theirs, as :func:`sepconv.report.frames.log` gives it.
    """
    picture = Picture(2 * PANEL + 0.3)
    for number, (metric, label) in enumerate({"train_loss": "", "val_accuracy": "test accuracy (%)"}.items(), 1):
        axes = picture.add_subplot(2, 1, number)
        axes.plot(log["epoch"], log[metric], color=GREY, linewidth=1.2, label="the authors' log (1 run)")
        for i, ((budget, schedule), part) in enumerate(history.groupby(["budget", "schedule"], sort=False)):
            _draw(axes, part, metric, _with_seeds(f"ours, budget {budget}: {schedule}", part), i)
        _label(axes, "", "epoch", label or LABELS[metric])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    picture.legend(*axes.get_legend_handles_labels(), loc="outside lower center")
    return picture


def _draw(axes: Axes, curve: pd.DataFrame, metric: str, label: str, number: int) -> None:
    """Each seed thin, their mean thick, from three seeds on with the 95 % interval of the mean."""
    colour, line = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
    epochs = sorted(set(curve["epoch"]))
    samples = [list(curve.loc[curve["epoch"] == epoch, metric]) for epoch in epochs]
    means = [fmean(sample) for sample in samples]
    marker = MARKERS[number % len(MARKERS)] if len(epochs) <= _MOST_MARKED else None
    axes.plot(epochs, means, color=colour, linestyle=line, marker=marker, markersize=4, linewidth=1.8, label=label)
    if curve["seed"].nunique() > 1:
        for _, seed in curve.groupby("seed"):
            axes.plot(seed["epoch"], seed[metric], color=colour, linewidth=0.6, alpha=0.6)
    if all(len(sample) >= _BAND_FROM for sample in samples):
        intervals = [interval for sample in samples if (interval := mean_interval(sample))]
        axes.fill_between(epochs, [i.low for i in intervals], [i.high for i in intervals], color=colour, alpha=0.15)


def _with_seeds(name: str, curve: pd.DataFrame) -> str:
    seeds = curve["seed"].nunique()
    return f"{name} ({seeds} seed{'s' * (seeds != 1)})"


# --- costs -----------------------------------------------------------------------------------------------------------


@rc_context(_STYLE)
def accuracy_against_costs(costs: pd.DataFrame, metrics: Sequence[str]) -> Picture:
    """Test accuracy against each cost, a panel a cost.

    A group has a colour, a kind of convolution a marker, which is filled at the paper's own budget.

    Args:
        costs: as :func:`sepconv.report.frames.costs` makes it.
        metrics: columns of it that are costs.
    """
    picture = Picture((PANEL - 0.2) * len(metrics) + 1.6)
    if costs.empty:
        return _empty(picture)
    groups = list(dict.fromkeys(costs["group"]))
    for number, metric in enumerate(metrics, 1):
        axes = picture.add_subplot(len(metrics), 1, number)
        for group, points in costs.groupby("group", sort=False):
            _draw_group(axes, points, metric, COLOURS[groups.index(group) % len(COLOURS)])
        axes.set(xlabel=LABELS[metric], ylabel="test accuracy (%)")
        _log_costs(axes)
    picture.legend(handles=_cost_legend(groups), loc="outside lower center", ncols=2)
    return picture


@rc_context(_STYLE)
def intensities(layers: pd.DataFrame) -> Picture:
    """Arithmetic intensity of each convolution over its place in the network, a colour and marker for each kind.

    Args:
        layers: as :func:`sepconv.report.frames.intensity` makes it.
    """
    picture = Picture(PANEL + 1.4)
    axes = picture.add_subplot()
    for number, ((network, kind), points) in enumerate(layers.groupby(["network", "convolution"], sort=False)):
        size = 8 - number  # so that equal points are all seen
        axes.plot(
            points["layer"],
            points["intensity"],
            ":",
            markersize=size,
            label=f"{network}: {kind}",
            **_series_style(number),
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(_engineering))
    _label(axes, "", "place in the network", "operations per byte")
    _legend_below(axes, columns=1)
    return picture


@rc_context(_STYLE)
def roofline_ratios(predicted: Mapping[str, pd.DataFrame], marks: Mapping[str, float]) -> Picture:
    """The ratio of two networks' times that the roofline predicts over a device's balance.

    Args:
        predicted: for each legend, ``balance`` and ``ratio`` as :func:`sepconv.report.frames.time_ratios` makes them.
        marks: ratios to draw across, such as a reported one, by their legends.
    """
    picture = Picture(PANEL + 1.2)
    axes = picture.add_subplot()
    for number, (label, frame) in enumerate(predicted.items()):
        axes.plot(frame["balance"], frame["ratio"], color=COLOURS[number], linestyle=LINES[number], label=label)
    for number, (label, ratio) in enumerate(marks.items()):
        axes.axhline(ratio, color=GREY, linewidth=1.2, linestyle=LINES[-1 - number], label=label)
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_major_formatter(FuncFormatter(_engineering))
    axes.yaxis.set_major_formatter(FuncFormatter(_engineering))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: _engineering(value) if value in (2, 3, 5) else ""))
    _label(axes, "", "the device’s operations per byte", "ratio of times")
    _legend_below(axes)
    return picture


@rc_context(_STYLE)
def ratios(frame: pd.DataFrame, label: str, marks: Mapping[str, float]) -> Picture:
    """Ratios on a logarithmic axis, a row a measurement, a marker a source.

    Args:
        frame: as :func:`sepconv.report.frames.ratios` makes it.
        label: of the axis.
        marks: further ratios to draw across, such as that of the mult-adds, by their legends.
    """
    rows = list(dict.fromkeys(frame["what"]))[::-1]
    picture = Picture(0.4 * len(rows) + 1.6)
    if not rows:
        return _empty(picture, "nothing measured yet")
    axes = picture.add_subplot()
    for number, (source, points) in enumerate(frame.groupby("source", sort=False)):
        heights = [rows.index(what) for what in points["what"]]
        axes.plot(points["ratio"], heights, linestyle="none", alpha=0.8, label=source, **_series_style(number))
    for mark, ratio in marks.items():
        axes.axvline(ratio, color=GREY, linestyle="--", linewidth=1.2, label=mark)
    _ratio_axes(axes, rows, frame["ratio"].max())
    _label(axes, "", label, "")
    picture.legend(loc="outside lower center")
    return picture


@rc_context(_STYLE)
def depthwise(frame: pd.DataFrame) -> Picture:
    """Time of grouped depthwise convolutions over that of other ways, a row a layer; a panel a device.

    Args:
        frame: as :func:`sepconv.report.frames.depthwise` makes it.
    """
    others = frame[frame["way"] != "grouped"]
    panels = [(device, part, list(dict.fromkeys(part["layer"]))[::-1]) for device, part in others.groupby("device")]
    picture = Picture(sum(0.28 * len(rows) + 0.9 for *_, rows in panels) + 1.2)
    if not panels:
        return _empty(picture, "nothing measured yet")
    grid = picture.add_gridspec(len(panels), 1, height_ratios=[len(rows) + 2 for *_, rows in panels])
    pairs = dict.fromkeys(zip(others["way"], others["part"], strict=True))
    series = {pair: _series_style(number) for number, pair in enumerate(pairs)}
    for place, (device, part, rows) in enumerate(panels):
        axes = picture.add_subplot(grid[place])
        for (way, what, precision), points in part.groupby(["way", "part", "precision"], sort=False):
            heights = [rows.index(layer) for layer in points["layer"]]
            look = series[way, what]
            face = look["color"] if precision == "float32" else "white"
            axes.plot(points["ratio"], heights, linestyle="none", markerfacecolor=face, **look)
        _ratio_axes(axes, rows, part["ratio"].max())
        _label(axes, str(device), "grouped ÷ other way", "")
    handles = [Line2D([], [], linestyle="none", label=": ".join(pair), **look) for pair, look in series.items()]
    hollow = Line2D([], [], linestyle="none", marker="o", color=GREY, markerfacecolor="white", label="hollow: bfloat16")
    picture.legend(handles=[*handles, hollow], loc="outside lower center", ncols=2)
    return picture


def _ratio_axes(axes: Axes, rows: Sequence[str], most: float) -> None:
    """A logarithmic axis of ratios up to ``most`` with a line at one, and a row for each name, from below."""
    axes.axvline(1, color="black", linewidth=1, zorder=0)
    axes.set(xscale="log", yticks=range(len(rows)), yticklabels=rows, ylim=(-0.6, len(rows) - 0.4))
    ticks = [0.25, 0.5, 1, 2, 4, 8] if most < 16 else [0.25, 1, 4, 16, 64]  # more would overlap
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda _value, _position: ""))


def _log_costs(axes: Axes) -> None:
    """A logarithmic horizontal axis with a few ticks, however short it is."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(_LOG_TICKS))
    axes.xaxis.set_major_formatter(FuncFormatter(_engineering))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_group(axes: Axes, points: pd.DataFrame, metric: str, colour: str) -> None:
    """The networks of one group; a line joins those of one budget, which differ in their convolutions."""
    for budget, part in points.groupby("budget", sort=False):
        axes.plot(part[metric], part["accuracy"], color=colour, linewidth=0.8, alpha=0.6)
        for kind, same in part.groupby("convolution", sort=False):
            face = colour if budget == "paper" else "white"
            marker = "s" if kind == "standard" else "o"
            axes.plot(same[metric], same["accuracy"], marker, color=colour, markerfacecolor=face, markersize=7)


def _cost_legend(groups: Iterable[str]) -> list[Line2D]:
    coloured = [Line2D([], [], color=COLOURS[i % len(COLOURS)], label=group) for i, group in enumerate(groups)]
    kinds = {"standard": ("s", "white"), "depthwise separable": ("o", "white"), "filled: budget paper": ("D", GREY)}
    kinds["hollow: a shorter budget"] = ("D", "white")
    return coloured + [
        Line2D([], [], color=GREY, marker=marker, markerfacecolor=face, linestyle="none", label=label)
        for label, (marker, face) in kinds.items()
    ]


# --- equal cost ------------------------------------------------------------------------------------------------------

KINDS = ("separable", "standard")
_KIND_STYLE: dict[str, Any] = {
    "hue_order": KINDS,
    "style_order": KINDS,
    "palette": dict(zip(KINDS, COLOURS, strict=False)),
    "markers": dict(zip(KINDS, MARKERS, strict=False)),
}


@rc_context(_STYLE)
def accuracy_over_cost(frame: pd.DataFrame) -> Picture:
    """Accuracy over each cost, a panel for each; every seed as a point, a line through the means of each kind.

    Args:
        frame: as :func:`sepconv.report.frames.accuracies_over_cost` makes it.
    """
    panels = list(frame.groupby("panel", sort=False))
    if not panels:
        return _empty(Picture(PANEL), "no network of this comparison has been trained yet")
    picture = Picture((PANEL - 0.2) * len(panels) + 0.8)
    for number, (panel, points) in enumerate(panels, 1):
        axes = picture.add_subplot(len(panels), 1, number)
        what = {"x": "cost", "y": "accuracy", "hue": "kind", "style": "kind", "ax": axes, "legend": False}
        sns.lineplot(
            points.groupby(["kind", "cost"], as_index=False)["accuracy"].mean(), dashes=False, **what, **_KIND_STYLE
        )
        sns.scatterplot(points, s=18, alpha=0.7, **what, **_KIND_STYLE)
        _log_costs(axes)
        _label(axes, "", str(panel), "test accuracy (%)")
    handles = [Line2D([], [], label=kind, **_series_style(place)) for place, kind in enumerate(KINDS)]
    picture.legend(handles=handles, loc="outside lower center", ncols=2)
    return picture


@rc_context(_STYLE)
def forest(deltas: pd.DataFrame) -> Picture:
    """The deltas with their 95 % intervals, a row for each; right of the shaded margin, separable is ahead.

    Args:
        deltas: as :func:`sepconv.report.frames.deltas` makes it.
    """
    if deltas.empty:
        return _empty(Picture(PANEL), "no question is answered yet")
    picture = Picture(0.42 * len(deltas) + 1.0)
    axes = picture.add_subplot()
    margin = deltas["margin"].max()
    axes.axvspan(-margin, margin, color="#eeeeee", zorder=0, linewidth=0)
    axes.axvline(0, color="black", linewidth=1, zorder=1)
    deltas = deltas.assign(what=deltas["what"].str.replace(", ", ",\n"))
    sns.scatterplot(deltas, x="delta", y="what", color=COLOURS[0], s=45, ax=axes, zorder=3)
    axes.hlines(deltas["what"], deltas["low"], deltas["high"], color=COLOURS[0], linewidth=2, zorder=2)
    axes.set_ylim(len(deltas) - 0.5, -0.5)
    _label(axes, "", "separable ahead by (points)", "")
    return picture


@rc_context(_STYLE)
def break_even(curve: pd.DataFrame, slowdowns: pd.DataFrame) -> Picture:
    """How far separable networks are ahead at equal time, over how much slower per mult-add they are.

    Args:
        curve: as :func:`sepconv.report.frames.break_even` makes it.
        slowdowns: measured ones to mark, as :func:`sepconv.report.frames.slowdowns` makes them.
    """
    if curve.empty:
        return _empty(Picture(PANEL), "no network of this comparison has been trained yet")
    picture = Picture(PANEL + 0.22 * len(slowdowns))
    axes = picture.add_subplot()
    sns.lineplot(curve, x="slowdown", y="delta", color=COLOURS[0], linewidth=1.8, ax=axes)
    axes.fill_between(curve["slowdown"], curve["low"], curve["high"], color=COLOURS[0], alpha=0.15)
    axes.axhline(0, color="black", linewidth=1)
    for number, (what, slowdown) in enumerate(zip(slowdowns["what"], slowdowns["slowdown"], strict=True), 1):
        colour, line = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
        axes.axvline(slowdown, color=colour, linestyle=line, linewidth=1.4, label=what)
    axes.set_xscale("log")
    ticks = [0.5, 1, 2, 4, 8]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    _label(axes, "", "times as slow per mult-add", "separable ahead by (points)")
    if len(slowdowns):
        picture.legend(loc="outside lower center")
    return picture


# --- networks --------------------------------------------------------------------------------------------------------

_ROW = 0.62  # inches


@dataclass(frozen=True)
class Box:
    """One step of a diagram.

    ``skips``: how many boxes the residual connection leads round that is added after this one; 0 for none.
    ``times``: how often the boxes with this same entry, next to each other, come one after another.
    """

    text: str
    kind: str = ""
    skips: int = 0
    times: str = ""


def layer_boxes(layers: Iterable[Layer], after: Sequence[str]) -> list[Box]:
    """Convolutions one below the other, each with what comes ``after`` it in boxes of their own."""
    convolutions = [layer for layer in layers if layer.type in CONVOLUTIONS]
    return [box for layer in convolutions for box in (Box(_in_words(layer, "\n"), layer.type), *map(Box, after))]


def network_boxes(cost: CostResult, after: str, skips: Mapping[str, int]) -> list[Box]:
    """A network from top to bottom, equal blocks once with their number.

    Args:
        cost: whose layers; a layer's name begins with its block's.
        after: what follows each convolution.
        skips: round how many boxes the residual connection leads whose sum follows a layer, by the end of its name.
    """
    boxes = []
    for _, equal in groupby(cost.blocks, key=lambda block: [(x.type, x.filter_shape, x.output_shape) for x in block]):
        repeated = list(equal)
        times = f"× {len(repeated)}" if len(repeated) > 1 else ""
        boxes += [_network_box(layer, after, skips, times) for layer in repeated[0] if layer.type not in NORMS]
    return boxes


def _network_box(layer: Layer, after: str, skips: Mapping[str, int], times: str) -> Box:
    skip = next((boxes for end, boxes in skips.items() if layer.name.endswith(end)), 0)
    text = f"{_in_words(layer)}\n{after}" if layer.type in CONVOLUTIONS else _in_words(layer)
    return Box(text, layer.type if layer.type in CONVOLUTIONS else "", skip, times)


def _in_words(layer: Layer, gap: str = " ") -> str:
    """Kind, kernel, stride and channels that come out; ``gap`` stands after the kind."""
    if layer.type not in CONVOLUTIONS:
        name = {"Dense": "dense", "GlobalAveragePooling2D": "global average pooling"}.get(layer.type, layer.type)
        return f"{name} → {layer.output_shape[-1]}"
    size = " × ".join(map(str, layer.filter_shape[:2]))
    stride = f", stride {layer.stride}" if (layer.stride or 1) > 1 else ""
    kind = f"{CONVOLUTIONS[layer.type]} conv".removeprefix("standard ")
    return f"{kind}{gap}{size}{stride} → {layer.output_shape[-1]}"


@rc_context(_STYLE)
def diagram(columns: Mapping[str, Sequence[Box]]) -> Picture:
    """Columns of boxes, each a sequence of steps from top to bottom, coloured by their kinds."""
    kinds = list(dict.fromkeys(box.kind for boxes in columns.values() for box in boxes if box.kind))
    rows = max(len(boxes) for boxes in columns.values())
    picture = Picture(_ROW * rows + 0.4)
    for number, (title, boxes) in enumerate(columns.items(), 1):
        axes = picture.add_subplot(1, len(columns), number)
        axes.set(xlim=(0, 1), ylim=(-rows + 0.5, 0.5), title=title)
        axes.set_axis_off()
        for row, box in enumerate(boxes):
            _box(axes, box, -row, COLOURS[kinds.index(box.kind)] if box.kind else GREY)
            if row:
                _arrow(axes, (0.5, 1 - row), (0.5, -row + _half_height(box)))
            if box.skips:
                _residual(axes, box.skips - row, -row)
        _frames(axes, boxes)
    return picture


def _box(axes: Axes, box: Box, y: float, colour: str) -> None:
    face = tuple(0.85 + 0.15 * channel for channel in to_rgb(colour))
    style = {"boxstyle": "round,pad=0.4", "facecolor": face, "edgecolor": colour}
    axes.text(0.5, y, box.text, ha="center", va="center", fontsize=9.5, bbox=style, zorder=3)


def _half_height(box: Box) -> float:
    """Half the height of a box in rows: 11.4 points a line, and 8 of padding."""
    return (11.4 * (1 + box.text.count("\n")) + 8) / 2 / (72 * _ROW)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style, zorder=1)


def _residual(axes: Axes, start: float, end: float) -> None:
    """From below one box, round those between, to below another one, where both are added."""
    x = 0.78 + 0.03 * (start - end)
    axes.plot((0.5, x, x), (start - 0.44, start - 0.44, end - 0.5), color="black", linewidth=1)
    _arrow(axes, (x, end - 0.5), (0.51, end - 0.5))
    axes.text(0.5, end - 0.5, "+", ha="center", va="center", fontsize=9.5, zorder=4, bbox={
        "boxstyle": "circle,pad=0.1", "facecolor": "white", "edgecolor": "black"})  # fmt: skip


def _frames(axes: Axes, boxes: Sequence[Box]) -> None:
    """A dashed frame round boxes that are repeated together."""
    row = 0
    for times, repeated in groupby(boxes, key=lambda box: box.times):
        count = len(list(repeated))
        if times:
            frame = Rectangle((0.06, 0.5 - row - count - 0.12), 0.93, count + 0.08, fill=False, ls="--", ec=GREY)
            axes.add_patch(frame)
            axes.text(0.09, 0.5 - row - count / 2, times, va="center")
        row += count


# --- calibration -----------------------------------------------------------------------------------------------------

_RATES = {"reproduced": (COLOURS[2], ""), "inconclusive": ("#dddddd", ""), "not_reproduced": (COLOURS[1], "///")}


@rc_context(_STYLE)
def power(frame: pd.DataFrame) -> Picture:
    """How often a true order is found over the number of seeds, a panel for each noise, a curve for each margin.

    Args:
        frame: as :func:`sepconv.report.frames.power` makes it.
    """
    noises = sorted(set(frame["noise"]))
    picture = Picture(PANEL * len(noises) + 0.8)
    for place, noise in enumerate(noises, 1):
        axes = picture.add_subplot(len(noises), 1, place)
        part = frame[frame["noise"] == noise]
        for number, (margin, curve) in enumerate(part.groupby("margin", sort=True)):
            style = _series_style(number) | {"linestyle": LINES[number], "markersize": 4}
            axes.plot(curve["seeds"], 100 * curve["decided"], label=f"{_points(margin)} apart", **style)
        axes.set_ylim(0, 103)
        title = f"standard deviation over seeds: {_points(noise)}"
        _label(axes, title, "seeds of each network", "found in % of reproductions")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_below(axes, columns=2)
    return picture


@rc_context(_STYLE)
def verdict_rates(frame: pd.DataFrame) -> Picture:
    """How often each verdict is given, a panel for each check, a bar for each margin and number of seeds.

    Args:
        frame: as :func:`sepconv.verdicts.calibration.calibrate` makes it, of one shape and size of noise.
    """
    panels = list(frame.groupby("check", sort=False))
    picture = Picture((PANEL + 0.2) * len(panels) + 0.6)
    for number, (check, part) in enumerate(panels, 1):
        axes = picture.add_subplot(len(panels), 1, number)
        below = pd.Series(0.0, part.index)
        for rate, (colour, hatch) in _RATES.items():
            bars = axes.bar(range(len(part)), 100 * part[rate], 0.9, below, color=colour, label=rate.replace("_", " "))
            for bar in bars:
                bar.set(hatch=hatch, edgecolor="white", linewidth=0)
            below += 100 * part[rate]
        _label(axes, str(check), "", "% of reproductions")
        axes.grid(visible=False)
        _margin_ticks(axes, part)
    picture.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return picture


def _margin_ticks(axes: Axes, cells: pd.DataFrame) -> None:
    """The number of seeds below each bar, and below those the margin that they share."""
    axes.set_xticks(range(len(cells)), [str(seeds) for seeds in cells["seeds"]])
    axes.tick_params("x", length=0)
    places = cells.assign(place=range(len(cells))).groupby("margin", sort=False)["place"].mean()
    groups = axes.secondary_xaxis(-0.14)
    groups.set_xticks(list(places), [_margin(margin) for margin in places.index], fontsize=8.5)
    groups.tick_params(length=0)
    groups.spines["bottom"].set_visible(False)


def _points(number: float) -> str:
    return f"{number:g} point{'s' * (number != 1)}"


def _margin(margin: float) -> str:
    return "on the limit" if margin == 0 else f"{'true' if margin > 0 else 'false'} by {abs(margin):g}"


# --- training --------------------------------------------------------------------------------------------------------


@rc_context(_STYLE)
def learning_rates(frame: pd.DataFrame) -> Picture:
    """Learning rates over epochs, a panel for each paper, a curve for each schedule, with its named points.

    Args:
        frame: as :func:`sepconv.report.frames.learning_rates` makes it.
    """
    panels = list(frame.groupby("paper", sort=False))
    picture = Picture((PANEL + 0.7) * len(panels))
    for place, (paper, part) in enumerate(panels, 1):
        axes = picture.add_subplot(len(panels), 1, place)
        for number, (label, curve) in enumerate(part.groupby("schedule", sort=False)):
            style = _series_style(number) | {"linestyle": LINES[number], "markersize": 5}
            axes.plot(
                curve["epoch"], curve["learning_rate"], label=label, markevery=np.flatnonzero(curve["named"]), **style
            )
        _name_points(axes, part.loc[part["named"], ["epoch", "learning_rate"]])
        axes.set(yscale="log", xlim=(-0.04 * part["epoch"].max(), 1.2 * part["epoch"].max()))
        axes.margins(y=0.25)
        _label(axes, str(paper), "epochs trained", "learning rate")
        _legend_below(axes, columns=1)
    return picture


def _name_points(axes: Axes, points: pd.DataFrame) -> None:
    """The value of each point, to the left and below it where the next point would be written over."""
    named = sorted(set(points.itertuples(index=False, name=None)))
    near = 0.3 * named[-1][0]
    for epoch, rate in named:
        crowded = any(epoch < e < epoch + near and 0.5 < rate / r < 2 for e, r in named)
        offset, side = ((-4, -9), "right") if crowded else ((4, 3), "left")
        axes.annotate(f"{rate:.3g}", (epoch, rate), offset, textcoords="offset points", fontsize=8.5, ha=side)


@rc_context(_STYLE)
def photographs(rows: Mapping[str, NDArray[np.float32]]) -> Photographs:
    """Images side by side, a row for each name: each ``(count, height, width, 3)`` in [0, 1]."""
    picture = Photographs(0.62 * len(rows))
    for number, (name, images) in enumerate(rows.items(), 1):
        axes = picture.add_subplot(len(rows), 1, number)
        axes.imshow(np.concatenate(list(images), axis=1), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
    return picture


# --- speed -----------------------------------------------------------------------------------------------------------


@rc_context(_STYLE)
def latencies(frame: pd.DataFrame) -> Picture:
    """Milliseconds of a batch over batch size: p50, with a bar up to p95; a panel a mode, a line a network and machine.

    Args:
        frame: as :func:`sepconv.report.frames.latencies` makes it.
    """
    labelled = frame.assign(line=frame["experiment"] + ", " + frame["device"] + ", budget " + frame["budget"])
    panels = list(labelled.groupby(["paper", "batch_norm", "transfer"], sort=False))
    picture = Picture((PANEL - 0.1) * max(1, len(panels)) + 0.8)
    names = list(dict.fromkeys(labelled["line"]))
    shown: dict[str, Any] = {}
    first: dict[object, Axes] = {}  # of each paper, whose other panels have the same scale
    for place, ((paper, batch_norm, transfer), part) in enumerate(panels, 1):
        axes = picture.add_subplot(len(panels), 1, place, sharey=first.get(paper))
        first.setdefault(paper, axes)
        for name, line in part.groupby("line", sort=False):
            shown[str(name)] = _batch_times(axes, line, names.index(name))
        _label(axes, f"{paper}, batch norm in {batch_norm},\nimages from the {transfer}", "batch size", "ms a batch")
        _batch_size_axes(axes, sorted(set(part["batch_size"])))
    if not panels:
        return _empty(picture, "nothing measured yet")
    picture.legend(shown.values(), shown.keys(), loc="outside lower center")
    return picture


@rc_context(_STYLE)
def limits(frame: pd.DataFrame) -> Picture:
    """Images per second, a row a network: as trained, and what the roofline allows; a panel a device and backend.

    Args:
        frame: as :func:`sepconv.report.frames.limits` makes it; networks that were not trained there are left out.
    """
    panels = list(frame[frame["measured"].notna()].groupby(["device", "backend"], sort=False))
    picture = Picture(sum(0.32 * len(part) + 1.0 for _, part in panels) + 0.8)
    if not panels:
        return _empty(picture, "nothing measured yet")
    grid = picture.add_gridspec(len(panels), 1, height_ratios=[len(part) + 2 for _, part in panels])
    for place, ((device, backend), part) in enumerate(panels):
        axes, rows = picture.add_subplot(grid[place]), range(len(part))[::-1]
        axes.hlines(rows, part["measured"], part["limit"], color=GREY, linewidth=1)
        axes.plot(part["measured"], rows, linestyle="none", label="measured", **_series_style(0))
        axes.plot(part["limit"], rows, linestyle="none", label="at most", **_series_style(1))
        axes.set(xscale="log", yticks=rows, yticklabels=part["paper"] + " " + part["experiment"])
        axes.xaxis.set_major_formatter(FuncFormatter(_engineering))
        _label(axes, f"{device}, {backend}", "images per second", "")
    picture.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return picture


def _batch_times(axes: Axes, line: pd.DataFrame, number: int) -> Any:  # noqa: ANN401 - matplotlib's ErrorbarContainer
    """Where no percentiles were taken, p95 is missing and the point has no bar."""
    above = (line["p95"] - line["p50"]).fillna(0)
    look = _series_style(number) | {"linestyle": LINES[number % len(LINES)], "markersize": 5, "capsize": 3}
    return axes.errorbar(line["batch_size"], line["p50"], yerr=[0 * above, above], **look)


def _batch_size_axes(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(FixedLocator(_LOG_TICKS))
    axes.yaxis.set_major_formatter(FuncFormatter(_engineering))
    axes.yaxis.set_minor_formatter(NullFormatter())


# --- common ----------------------------------------------------------------------------------------------------------


def _series_style(number: int) -> dict[str, Any]:
    """Colour and marker of the series of that number."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)


def _legend_below(axes: Axes, columns: int = 2) -> None:
    """Below the axes a legend hides nothing."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.22), ncols=columns)


def _empty(picture: Picture, text: str = "no run at these budgets yet") -> Picture:
    axes = picture.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=GREY)
    return picture


def _engineering(value: float, _position: object = None) -> str:
    """1.5 M for 1,500,000."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"
