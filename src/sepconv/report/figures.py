"""Tidy data in, figures out: no files, no statistics but the means and intervals of :mod:`sepconv.verdicts.stats`.

seaborn draws on the axes of a bare figure, in the theme of :mod:`sepconv.report.pictures`. What colour tells apart, the
line style or the marker does too, and every legend lies below its axes, where it hides nothing. Pages take the diagrams
and photographs of :mod:`sepconv.report.diagrams` from here as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from sepconv.report.diagrams import Box, diagram, layer_boxes, network_boxes, photographs
from sepconv.report.pictures import COLOURS, GREY, INK, Photographs, Picture, themed
from sepconv.verdicts.stats import mean_interval

__all__ = [
    "Box",
    "Photographs",
    "Picture",
    "accuracy_against_costs",
    "accuracy_over_cost",
    "break_even",
    "curves",
    "depthwise",
    "diagram",
    "forest",
    "intensities",
    "latencies",
    "layer_boxes",
    "learning_rates",
    "limits",
    "network_boxes",
    "over_log",
    "papers_ratios",
    "photographs",
    "power",
    "ratios",
    "roofline_ratios",
    "verdict_rates",
]

PANEL = 3.2  # height of a panel, inches
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("", (4, 1.5), (1, 1), (3, 1, 1, 1), (5, 1, 1, 1, 1, 1), (6, 3))
LABELS = {
    "train_accuracy": "training accuracy (%)",
    "val_accuracy": "validation accuracy (%)",
    "train_loss": "training loss",
    "num_params": "parameters",
    "mult_adds": "mult-adds for one image",
    "training_step_bytes": "bytes of one training step",
}
_CHARACTERS = 78  # of a legend, side by side
_MOST_MARKED = 12  # points of a curve; longer ones need no markers
_RATES = {"reproduced": COLOURS[2], "inconclusive": ".85", "not_reproduced": COLOURS[3]}
_NOT_TRAINED = "not trained at the paper’s own schedule yet"
_LOG_TICKS = [digit * 10.0**power for power in range(-5, 13) for digit in (1, 3)]
_RATIO_TICKS = {2.0**power: f"{2**power}" if power >= 0 else f"1/{2**-power}" for power in range(-6, 8)}


# --- curves ----------------------------------------------------------------------------------------------------------


@themed
def curves(history: pd.DataFrame, metric: str, label: str = "") -> Picture:
    """A metric over epochs, a panel for each budget and schedule, a curve for each network.

    Args:
        history: as :func:`sepconv.report.frames.history` makes it.
        metric: one of its columns.
        label: of the vertical axis, where it is not the metric's usual one.
    """
    panels = list(history.groupby(["budget", "schedule"], sort=False))
    if not panels:
        return _empty()
    picture, look = Picture((PANEL + 0.3) * len(panels)), _look("network", history)
    for axes, ((budget, schedule), part) in zip(_stack(picture, len(panels)), panels, strict=True):
        _draw_curves(axes, part, metric, look)
        axes.set(title=f"budget {budget}: {schedule}", xlabel="epoch", ylabel=label or LABELS[metric])
        _legend_below(axes, {str(name): _with_seeds(name, curve) for name, curve in part.groupby("network")})
    return picture


@themed
def over_log(history: pd.DataFrame, log: pd.DataFrame) -> Picture:
    """One network's training loss and test accuracy over epochs: ours at the paper's budget over the authors' log.

    Each shorter budget has panels of its own beside these, since its whole schedule has fewer epochs.

    Args:
        history: ours, as :func:`sepconv.report.frames.history` makes it.
        log: theirs, as :func:`sepconv.report.frames.log` gives it.
    """
    at_paper, shorter = (history[(history["budget"] == "paper") == whole] for whole in (True, False))
    columns = [("", at_paper), *((f"budget {budget}", part) for budget, part in shorter.groupby("budget", sort=False))]
    picture = Picture(2 * PANEL)
    shares = {"width_ratios": [2, *[1] * (len(columns) - 1)]}
    grid = picture.subplots(2, len(columns), sharey="row", squeeze=False, gridspec_kw=shares)
    for row, (metric, label) in zip(grid, {"train_loss": "", "val_accuracy": "test accuracy (%)"}.items(), strict=True):
        sns.lineplot(log, x="epoch", y=metric, color=GREY, ax=row[0], label="the authors’ log (1 run)")
        for axes, (title, part) in zip(row, columns, strict=True):
            ours = part.assign(network=_with_seeds("ours", part))
            _draw_curves(axes, ours, metric, _look("network", ours))
            axes.set(title=title, xlabel="epoch", ylabel=label or LABELS[metric])
            _legend_below(axes)
    return picture


def _draw_curves(axes: Axes, part: pd.DataFrame, metric: str, look: Mapping[str, Any]) -> None:
    """Each seed thin, their mean thick, from three seeds on with the 95 % interval of the mean."""
    if part.empty:
        return
    means = part.groupby(["network", "epoch"], sort=False)[metric].agg(["mean", mean_interval, "count"]).reset_index()
    marked = look["markers"] if means["epoch"].nunique() <= _MOST_MARKED else False
    sns.lineplot(means, x="epoch", y="mean", ax=axes, linewidth=2, **look | {"markers": marked})
    several = part[part.groupby("network")["seed"].transform("nunique") > 1]
    thin = {"hue": "network", "palette": look["palette"], "linewidth": 0.7, "alpha": 0.6, "legend": False}
    sns.lineplot(several, x="epoch", y=metric, units="seed", estimator=None, ax=axes, **thin)
    for network, curve in means.groupby("network"):
        if curve["count"].min() >= 3:  # two give an interval that hides the curves
            low, high = ([getattr(interval, end) for interval in curve["mean_interval"]] for end in ("low", "high"))
            axes.fill_between(curve["epoch"], low, high, color=look["palette"][network], alpha=0.15, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _with_seeds(name: object, curve: pd.DataFrame) -> str:
    seeds = curve["seed"].nunique()
    return f"{name} ({seeds} seed{'s' * (seeds != 1)})"


@themed
def power(frame: pd.DataFrame) -> Picture:
    """How often a true order is found over the number of seeds, a panel for each noise, a curve for each margin.

    Args:
        frame: as :func:`sepconv.report.frames.power` makes it.
    """
    noises = sorted(set(frame["noise"]))
    named = frame.assign(found=100 * frame["decided"], apart=frame["margin"].map(_points) + " apart")
    named, picture = named.sort_values("margin"), Picture((PANEL - 0.4) * len(noises) + 0.6)
    for axes, noise in zip(_stack(picture, len(noises)), noises, strict=True):
        sns.lineplot(named[named["noise"] == noise], x="seeds", y="found", ax=axes, **_look("apart", named))
        axes.set(title=f"standard deviation over seeds: {_points(noise)}", ylim=(0, 103))
        axes.set(xlabel="seeds of each network", ylabel="found (%)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _one_legend(picture)
    return picture


@themed
def learning_rates(frame: pd.DataFrame) -> Picture:
    """Learning rates over epochs, a panel for each paper, a curve for each schedule, a marker at its named points.

    Args:
        frame: as :func:`sepconv.report.frames.learning_rates` makes it.
    """
    panels = list(frame.groupby("paper", sort=False))
    picture = Picture((PANEL - 0.2) * len(panels))
    for axes, (paper, part) in zip(_stack(picture, len(panels)), panels, strict=True):
        look = _look("schedule", part)
        where = {"x": "epoch", "y": "learning_rate", "ax": axes}
        sns.lineplot(part, **where, **look | {"markers": False})
        sns.scatterplot(part[part["named"]], s=45, legend=False, **where, **_without_dashes(look))
        axes.set(title=paper, yscale="log", xlabel="epochs trained", ylabel="learning rate")
        _legend_below(axes)
    return picture


@themed
def break_even(curve: pd.DataFrame, slowdowns: pd.DataFrame) -> Picture:
    """How far separable networks are ahead at equal time, over how much slower per mult-add they are.

    Args:
        curve: as :func:`sepconv.report.frames.break_even` makes it.
        slowdowns: measured ones to mark, as :func:`sepconv.report.frames.slowdowns` makes them.
    """
    if curve.empty:
        return _empty("no network of this comparison has been trained yet")
    picture = Picture(PANEL + 0.22 * len(slowdowns))
    axes = picture.add_subplot()
    sns.lineplot(curve, x="slowdown", y="delta", color=COLOURS[0], linewidth=2, ax=axes)
    axes.fill_between(curve["slowdown"], curve["low"], curve["high"], color=COLOURS[0], alpha=0.15, linewidth=0)
    axes.axhline(0, color=INK, linewidth=1)
    for line, colour, dashes in zip(slowdowns.itertuples(), cycle(COLOURS[1:]), cycle(DASHES[1:])):
        axes.axvline(line.slowdown, color=colour, linestyle=(0, dashes), linewidth=1.6, label=line.what)
    axes.set(xlabel="times as slow per mult-add", ylabel="separable ahead by (points)")
    _log_axis(axes, "x", _RATIO_TICKS)
    _one_legend(picture)
    return picture


@themed
def latencies(frame: pd.DataFrame) -> Picture:
    """Milliseconds of a batch over batch size, a panel for each paper and mode: p50, and a thin bar up to p95.

    Args:
        frame: as :func:`sepconv.report.frames.latencies` makes it.
    """
    named = frame.assign(line=frame["experiment"] + ", " + frame["device"] + ", budget " + frame["budget"])
    panels = list(named.groupby(["paper", "batch_norm", "transfer"], sort=False))
    if not panels:
        return _empty("nothing measured yet")
    picture = Picture(PANEL * len(panels))
    for axes, ((paper, batch_norm, transfer), part) in zip(_stack(picture, len(panels)), panels, strict=True):
        look = _look("line", part)
        sns.lineplot(part, x="batch_size", y="p50", ax=axes, **look)
        axes.vlines(part["batch_size"], part["p50"], part["p95"].fillna(part["p50"]), part["line"].map(look["palette"]))
        axes.set_title(f"{paper}: batch norm in {batch_norm} mode, images from the {transfer}")
        axes.set(xlabel="images in a batch", ylabel="milliseconds")
        _log_axis(axes, "x", {size: str(size) for size in part["batch_size"]})
        _log_axis(axes, "y")
        _legend_below(axes)
    return picture


# --- points over costs -----------------------------------------------------------------------------------------------


@themed
def accuracy_against_costs(costs: pd.DataFrame, metrics: Sequence[str]) -> Picture:
    """Test accuracy against each cost, a panel a cost; a line joins networks that were trained alike.

    Args:
        costs: as :func:`sepconv.report.frames.costs` makes it.
        metrics: columns of it that are costs.
    """
    if costs.empty:
        return _empty()
    budgets = costs["budget"].map(lambda budget: "" if budget == "paper" else f", budget {budget}")
    named = costs.assign(alike=costs["group"] + budgets)
    points = named.assign(series=named["alike"] + ": " + named["convolution"]).rename(columns=LABELS)
    wanted = [LABELS[metric] for metric in metrics]
    return _over_costs(points.melt(["alike", "series", "accuracy"], wanted, "panel", "cost"))


@themed
def accuracy_over_cost(frame: pd.DataFrame) -> Picture:
    """Accuracy over each cost, a panel for each; every seed as a point, a line through the means of each kind.

    Args:
        frame: as :func:`sepconv.report.frames.accuracies_over_cost` makes it.
    """
    if frame.empty:
        return _empty("no network of this comparison has been trained yet")
    return _over_costs(frame.assign(series=frame["kind"], alike=frame["kind"]))


def _over_costs(points: pd.DataFrame) -> Picture:
    """Columns ``panel``, ``cost``, ``accuracy``, ``series`` (a marker and colour each) and ``alike`` (a line each)."""
    panels, look = list(points.groupby("panel", sort=False)), _look("series", points)
    lines = dict.fromkeys(points["alike"], GREY) | look["palette"]
    picture = Picture((PANEL - 0.3) * len(panels) + 0.25 * len(look["palette"]))
    for axes, (panel, part) in zip(_stack(picture, len(panels)), panels, strict=True):
        where = {"x": "cost", "y": "accuracy", "ax": axes}
        sns.lineplot(part, hue="alike", palette=lines, errorbar=None, legend=False, linewidth=1.2, **where)
        sns.scatterplot(part, s=60, alpha=0.85, **where, **_without_dashes(look))
        axes.set(xlabel=panel, ylabel="test accuracy (%)")
        _log_axis(axes, "x")
    _one_legend(picture)
    return picture


@themed
def intensities(layers: pd.DataFrame) -> Picture:
    """Arithmetic intensity of each convolution over its place in the network, a colour and marker for each kind.

    The networks stand a little beside each other, so that equal points are all seen.

    Args:
        layers: as :func:`sepconv.report.frames.intensity` makes it.
    """
    networks = list(dict.fromkeys(layers["network"]))
    beside = layers["network"].map(networks.index) - (len(networks) - 1) / 2
    named = layers.assign(series=layers["network"] + ": " + layers["convolution"], place=layers["layer"] + 0.3 * beside)
    picture = Picture(PANEL + 0.8)
    axes = picture.add_subplot()
    sns.scatterplot(named, x="place", y="intensity", s=55, ax=axes, **_without_dashes(_look("series", named)))
    axes.set(xlabel="place in the network", ylabel="operations per byte")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _log_axis(axes, "y")
    _one_legend(picture)
    return picture


@themed
def roofline_ratios(frame: pd.DataFrame, marks: Mapping[str, float]) -> Picture:
    """The ratio of two networks' times over a device's balance: lines as the roofline has it, points as measured.

    What a paper reports from a device of unknown balance is a dotted line across.

    Args:
        frame: as :func:`sepconv.report.frames.roofline_ratios` makes it.
        marks: further ratios to draw across, such as that of the mult-adds, by their legends.
    """
    named = frame.assign(series=frame["source"] + ", batches of " + frame["batch_size"].astype(str))
    sizes = dict(zip(dict.fromkeys(frame["batch_size"]), COLOURS, strict=False))
    palette = dict(zip(named["series"], named["batch_size"].map(sizes), strict=True))
    predicted, reported = (named[named["source"] == source] for source in ("predicted", "reported"))
    measured = named.drop([*predicted.index, *reported.index])
    picture = Picture(PANEL + 1.6)
    axes = picture.add_subplot()
    where = {"x": "balance", "y": "ratio", "ax": axes}
    sns.lineplot(predicted, **where, **_look("series", predicted) | {"palette": palette, "markers": False})
    sns.scatterplot(measured, s=60, **where, **_without_dashes(_look("series", measured)) | {"palette": palette})
    for line in reported.itertuples():
        axes.axhline(line.ratio, color=palette[line.series], linestyle=":", label=f"{line.series} ({line.ratio:.2f})")
    for (mark, ratio), dashes in zip(marks.items(), cycle(DASHES[1:])):
        axes.axhline(ratio, color=GREY, linestyle=(0, dashes), label=f"{mark} ({ratio:.2f})")
    axes.set(xlabel="the device’s operations per byte", ylabel="ratio of times")
    _log_axis(axes, "x")
    _log_axis(axes, "y", _RATIO_TICKS)
    _one_legend(picture)
    return picture


# --- rows ------------------------------------------------------------------------------------------------------------


@themed
def papers_ratios(frame: pd.DataFrame) -> Picture:
    """Separable against standard in the papers' own pairs: ratios of costs above, differences in accuracy below.

    Args:
        frame: as :func:`sepconv.report.frames.papers_ratios` makes it.
    """
    costs, accuracies = (frame[(frame["unit"] == "×") == ratio] for ratio in (True, False))
    costs = costs.assign(row=costs["quantity"] + costs["machine"].map(lambda name: name and f",\n{name}"))
    heights = [_height_of_rows(costs, "row", "pair"), _height_of_rows(accuracies, "pair", "pair")]
    picture, look = Picture(sum(heights) + 1.8), _look("pair", frame)
    above, below = picture.subplots(2, 1, height_ratios=heights)
    costs, accuracies = (
        _draw_rows(above, costs, "value", "row", look),
        _draw_rows(below, accuracies, "value", "pair", look, spread=0),
    )
    _ratio_axis(above, costs["value"], "separable ÷ standard", room=2)
    _write(above, costs["value"].fillna(1), costs["place"], map(_times, costs["value"]))
    _points_axis(below, accuracies, "test accuracy, separable − standard (points)")
    found = map(_interval, accuracies["value"], accuracies["low"], accuracies["high"])
    _write(below, accuracies["high"].fillna(0), accuracies["place"], found)
    _one_legend(picture)
    return picture


@themed
def ratios(frame: pd.DataFrame, label: str, marks: Mapping[str, float]) -> Picture:
    """Ratios on a logarithmic axis, a row a measurement, a marker and colour a source.

    Args:
        frame: as :func:`sepconv.report.frames.ratios` makes it.
        label: of the axis.
        marks: further ratios to draw across, such as that of the mult-adds, by their legends.
    """
    if frame.empty:
        return _empty("nothing measured yet")
    picture = Picture(_height_of_rows(frame, "what", "source") + 1.2)
    axes = picture.add_subplot()
    _draw_rows(axes, frame, "ratio", "what", _look("source", frame))
    _ratio_axis(axes, [*frame["ratio"], *marks.values()], label)
    for (mark, ratio), dashes in zip(marks.items(), cycle(DASHES[1:])):
        axes.axvline(ratio, color=GREY, linestyle=(0, dashes), label=f"{mark} ({ratio:.1f})")
    _one_legend(picture)
    return picture


@themed
def depthwise(frame: pd.DataFrame) -> Picture:
    """Time of grouped depthwise convolutions over that of other ways: a panel a device, a row a part, a point a layer.

    Args:
        frame: as :func:`sepconv.report.frames.depthwise` makes it.
    """
    others = frame[frame["way"] != "grouped"]
    if others.empty:
        return _empty("nothing measured yet")
    others = others.assign(series=others["way"] + ", " + others["precision"])
    panels, look = list(others.groupby("device", sort=False)), _look("series", others)
    heights = [_height_of_rows(part, "part", "series") + 0.4 for _, part in panels]
    picture = Picture(sum(heights) + 1.2)
    for axes, (device, part) in zip(_stack(picture, len(panels), heights), panels, strict=True):
        _draw_rows(axes, part, "ratio", "part", look)
        _ratio_axis(axes, part["ratio"], "grouped ÷ other way")
        axes.set_title(device)
    _one_legend(picture)
    return picture


@themed
def limits(frame: pd.DataFrame) -> Picture:
    """Images per second, a row a network: as trained, and what the roofline allows; a panel a device and backend.

    Args:
        frame: as :func:`sepconv.report.frames.limits` makes it; networks that were not trained there are left out.
    """
    trained = frame[frame["measured"].notna()]
    if trained.empty:
        return _empty("nothing measured yet")
    named = trained.assign(network=trained["paper"] + " " + trained["experiment"], low=trained["measured"])
    named = named.assign(high=named["limit"]).rename(columns={"limit": "at most"})
    points = named.melt(["device", "backend", "network", "low", "high"], ["measured", "at most"], "which", "rate")
    panels, look = list(points.groupby(["device", "backend"], sort=False)), _look("which", points)
    heights = [0.34 * part["network"].nunique() + 0.6 for _, part in panels]
    picture = Picture(sum(heights) + 1.2)
    for axes, ((device, backend), part) in zip(_stack(picture, len(panels), heights), panels, strict=True):
        _draw_rows(axes, part, "rate", "network", look, spread=0)
        axes.set(title=f"{device}, {backend}", xlabel="images per second")
        _log_axis(axes, "x")
    _one_legend(picture)
    return picture


@themed
def forest(deltas: pd.DataFrame) -> Picture:
    """The deltas with their 95 % intervals, a row for each; right of the shaded margin, separable is ahead.

    Args:
        deltas: as :func:`sepconv.report.frames.deltas` makes it.
    """
    if deltas.empty:
        return _empty("no question is answered yet")
    named = deltas.assign(row=deltas["what"].str.replace(", ", ",\n"), kind="separable − standard")
    picture = Picture(_height_of_rows(named, "row", "kind") + 0.9)
    axes, margin = picture.add_subplot(), deltas["margin"].max()
    axes.axvspan(-margin, margin, color=GREY, alpha=0.15, linewidth=0)
    placed = _draw_rows(axes, named, "delta", "row", _look("kind", named))
    _points_axis(axes, placed, "separable ahead by (points)")
    _write(axes, placed["high"], placed["place"], map(_interval, named["delta"], named["low"], named["high"]))
    axes.get_legend().remove()
    return picture


@themed
def verdict_rates(frame: pd.DataFrame) -> Picture:
    """How often each verdict is given, a panel for each check, a bar for each margin and number of seeds.

    Args:
        frame: as :func:`sepconv.verdicts.calibration.calibrate` makes it, of one shape and size of noise.
    """
    panels = list(frame.groupby("check", sort=False))
    picture = Picture((PANEL - 0.3) * len(panels) + 0.4)
    for axes, (check, part) in zip(_stack(picture, len(panels)), panels, strict=True):
        bars = part.assign(bar=range(len(part)))[["bar", *_RATES]].melt("bar", var_name="verdict", value_name="share")
        where = {"x": "bar", "weights": 100 * bars["share"], "hue": "verdict", "palette": _RATES, "ax": axes}
        sns.histplot(bars, multiple="stack", discrete=True, shrink=0.9, alpha=1, linewidth=0, **where)
        axes.grid(visible=False)
        axes.set(title=check, xlabel="", ylabel="% of reproductions")
        _margin_ticks(axes, part)
    _one_legend(picture)
    return picture


# --- common ----------------------------------------------------------------------------------------------------------


def _look(column: str, frame: pd.DataFrame) -> dict[str, Any]:
    """What tells the series of a column apart, by their order in the frame, as seaborn's functions take it."""
    names = dict.fromkeys(frame[column])
    palette, markers, dashes = (dict(zip(names, cycle(each))) for each in (COLOURS, MARKERS, DASHES))
    return {"hue": column, "style": column, "palette": palette, "markers": markers, "dashes": dashes}


def _without_dashes(look: Mapping[str, Any]) -> dict[str, Any]:
    """As :func:`seaborn.scatterplot` takes it."""
    return {name: value for name, value in look.items() if name != "dashes"}


def _stack(picture: Picture, number: int, heights: Sequence[float] | None = None) -> list[Axes]:
    """So many panels, one below the other."""
    return list(picture.subplots(number, 1, squeeze=False, height_ratios=heights)[:, 0])


def _height_of_rows(frame: pd.DataFrame, row: str, series: str) -> float:
    """Inches: for each row something around it, and a line for each of its series."""
    return float((0.3 + 0.17 * frame.groupby(row)[series].nunique()).sum())


def _draw_rows(
    axes: Axes, frame: pd.DataFrame, value: str, row: str, look: Mapping[str, Any], spread: float = 0.7
) -> pd.DataFrame:
    """Points in rows from above, the series of a row below each other over ``spread`` of it, with intervals.

    Returns:
        The frame with ``place``, the height at which each point is drawn.
    """
    rows, palette, series = list(dict.fromkeys(frame[row])), look["palette"], look["hue"]
    present = {name: [s for s in palette if s in set(part[series])] for name, part in frame.groupby(row)}
    places = [
        rows.index(name) + spread / len(palette) * (present[name].index(s) - (len(present[name]) - 1) / 2)
        for name, s in zip(frame[row], frame[series], strict=True)
    ]
    placed = frame.assign(place=places)
    sns.scatterplot(placed, x=value, y="place", s=60, alpha=0.85, ax=axes, **_without_dashes(look))
    if "low" in placed:
        colours = placed[series].map(palette)
        axes.hlines(placed["place"], placed["low"], placed["high"], colors=colours, linewidth=2, zorder=0)
    axes.set(ylabel="", ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), rows)
    axes.yaxis.set_minor_locator(FixedLocator(np.arange(1, len(rows)) - 0.5))
    axes.grid(visible=False, axis="y")
    axes.grid(axis="y", which="minor")
    return placed


def _write(axes: Axes, x: pd.Series, y: pd.Series, texts: Iterable[str]) -> None:
    """A text to the right of each point."""
    for *point, text in zip(x, y, texts, strict=True):
        axes.annotate(text, tuple(point), (8, 0), textcoords="offset points", va="center", fontsize="small")


def _ratio_axis(axes: Axes, values: Iterable[float], label: str, room: float = 1.25) -> None:
    """A logarithmic axis of ratios with a line at one, and ``room`` to the right of the largest."""
    known = [1.0, *(value for value in values if value > 0)]
    axes.axvline(1, color=INK, linewidth=1.2, zorder=0)
    axes.set(xlabel=label)
    _log_axis(axes, "x", _RATIO_TICKS)
    axes.set_xlim(min(known) / 1.25, max(known) * room)


def _points_axis(axes: Axes, frame: pd.DataFrame, label: str) -> None:
    """A linear axis of differences with a line at zero, and room for what is written beside the intervals."""
    low, high = min(0, frame["low"].min()), max(0, frame["high"].max())
    axes.axvline(0, color=INK, linewidth=1.2, zorder=0)
    axes.set(xlabel=label, xlim=(low - 0.1 * (high - low), high + 0.6 * (high - low)))


def _log_axis(axes: Axes, which: str, ticks: Mapping[float, str] | None = None) -> None:
    """Make the x or y axis logarithmic, with a few ticks, however short it is."""
    axes.set(**{f"{which}scale": "log"})
    axis: Axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator([*(ticks or _LOG_TICKS)]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: ticks[value] if ticks else _engineering(value)))
    axis.set_minor_locator(NullLocator())


def _legend_below(axes: Axes, names: Mapping[str, str] | None = None) -> None:
    """The legend of one panel, with other ``names`` for its series where they are given."""
    handles, labels = axes.get_legend_handles_labels()
    shown = [(names or {}).get(label, label) for label in labels]
    axes.legend(handles, shown, loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=_columns(shown))


def _one_legend(picture: Picture) -> None:
    """One legend below all panels in place of theirs."""
    handles: dict[str, Any] = {}
    for axes in picture.axes:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        if legend := axes.get_legend():
            legend.remove()
    if handles:
        picture.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=_columns(handles))


def _columns(labels: Iterable[str]) -> int:
    """As many columns of a legend as fit side by side."""
    widths = [len(label) + 6 for label in labels]
    return min(len(widths), max(1, _CHARACTERS // max(widths, default=1))) or 1


def _margin_ticks(axes: Axes, cells: pd.DataFrame) -> None:
    """The number of seeds below each bar, and below those the margin that they share."""
    axes.set_xticks(range(len(cells)), [str(seeds) for seeds in cells["seeds"]])
    places = cells.assign(place=range(len(cells))).groupby("margin", sort=False)["place"].mean()
    groups = axes.secondary_xaxis(-0.14)
    groups.set_xticks(list(places), [_margin(margin) for margin in places.index])
    for each in (axes, groups):
        each.tick_params("x", length=0)
    groups.spines["bottom"].set_visible(False)


def _empty(text: str = "no run at these budgets yet") -> Picture:
    picture = Picture(0.8)
    axes = picture.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=GREY)
    return picture


def _points(number: float) -> str:
    return f"{number:g} point{'s' * (number != 1)}"


def _margin(margin: float) -> str:
    return "on the limit" if margin == 0 else f"{'true' if margin > 0 else 'false'} by {abs(margin):g}"


def _times(ratio: float) -> str:
    """0.115 as ``8.7 times less``."""
    if np.isnan(ratio):
        return "not counted yet"
    more = max(ratio, 1 / ratio)
    return f"{more:.2g} times {'more' if ratio > 1 else 'less'}" if f"{more:.2g}" != "1" else "the same"


def _interval(value: float, low: float, high: float) -> str:
    """A difference with its 95 % interval, as far as they are there."""
    if np.isnan(value):
        return _NOT_TRAINED
    if np.isnan(low):
        return f"{value:+.1f}, too few seeds for an interval".replace("-", "−")
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})".replace("-", "−")


def _engineering(value: float) -> str:
    """1.5 M for 1,500,000."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"
