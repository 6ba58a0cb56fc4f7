"""Tidy data in, figures out: no files, no statistics but the means and intervals of :mod:`sepconv.verdicts.stats`.

seaborn draws on the axes of bare figures, in the theme of :mod:`sepconv.report.pictures`. What colour tells apart, the
line style or the marker does too. Pages take the diagrams and photographs of :mod:`sepconv.report.diagrams` from here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sepconv.report.diagrams import diagram, layer_boxes, network_boxes, photographs  # noqa: F401 - for pages
from sepconv.report.pictures import (
    COLOURS,
    GREY,
    INK,
    RATIO_TICKS,
    Picture,
    draw_rows,
    height_of_rows,
    legend_below,
    lines,
    log_axis,
    look,
    mark,
    message,
    one_legend,
    panel,
    panels,
    ratio_axis,
    themed,
    write,
)
from sepconv.verdicts.samples import MIN_SEEDS
from sepconv.verdicts.sentences import several, signed
from sepconv.verdicts.stats import mean_interval

PANEL = 2.8  # height of a panel, inches
LABELS = {
    "train_accuracy": "training accuracy (%)",
    "val_accuracy": "validation accuracy (%)",
    "train_loss": "training loss",
    "num_params": "parameters",
    "mult_adds": "mult-adds for one image",
    "training_step_bytes": "bytes of one training step",
}
_MOST_MARKED = 12  # points of a curve; longer ones need no markers
_NO_RUN = "no run at these budgets yet"
_RATES = {"not reproduced": COLOURS[1], "inconclusive": ".85", "reproduced": COLOURS[0]}  # from the top of a bar

# --- curves ----------------------------------------------------------------------------------------------------------


@themed
def curves(history: pd.DataFrame, metric: str, label: str = "") -> Picture:
    """A metric over epochs, a panel for each budget and schedule, a curve for each network.

    Args:
        history: as :func:`sepconv.report.frames.history` makes it.
        metric: one of its columns.
        label: of the vertical axis, where it is not the metric's usual one.
    """
    picture, parts = panels(history, ["budget", "schedule"], PANEL + 0.3, 0, _NO_RUN)
    for axes, (budget, schedule), part in parts:
        _draw_curves(axes, part, metric, look("network", history))
        axes.set(title=f"budget {budget}: {schedule}", ylabel=label or LABELS[metric])
        legend_below(axes, {str(name): _with_seeds(name, curve) for name, curve in part.groupby("network")})
    return picture


@themed
def over_log(history: pd.DataFrame, log: pd.DataFrame) -> Picture:
    """One network's training loss and test accuracy over epochs: ours at the paper's budget over the authors' log.

    A shorter budget has a column of panels of its own beside these, since its whole schedule has fewer epochs.

    Args:
        history: ours, as :func:`sepconv.report.frames.history` makes it.
        log: theirs, as :func:`sepconv.report.frames.log` gives it.
    """
    at_paper, shorter = (history[(history["budget"] == "paper") == whole] for whole in (True, False))
    columns = [("", at_paper), *((f"budget {budget}", part) for budget, part in shorter.groupby("budget", sort=False))]
    picture, widths = Picture(2 * PANEL), [2, *[1] * (len(columns) - 1)]
    grid = picture.subplots(2, len(columns), sharey="row", squeeze=False, width_ratios=widths)
    for row, (metric, label) in zip(grid, {"train_loss": "", "val_accuracy": "test accuracy (%)"}.items(), strict=True):
        log_style = {"color": GREY, "estimator": None, "label": "the authors’ log (1 run)"}
        sns.lineplot(log, x="epoch", y=metric, ax=row[0], **log_style)
        for axes, (title, part) in zip(row, columns, strict=True):
            ours = part.assign(network=_with_seeds("ours", part))
            _draw_curves(axes, ours, metric, look("network", ours))
            axes.set(title=title, ylabel=label or LABELS[metric])
            legend_below(axes)
    return picture


def _draw_curves(axes: Axes, part: pd.DataFrame, metric: str, style: Mapping[str, Any]) -> None:
    """Each seed thin, their mean thick, from three seeds on with the 95 % interval of the mean."""
    axes.set(xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if part.empty:
        return
    means = part.groupby(["network", "epoch"], sort=False)[metric].agg(["mean", mean_interval, "count"]).reset_index()
    few = means["epoch"].nunique() <= _MOST_MARKED
    sns.lineplot(means, x="epoch", y="mean", ax=axes, linewidth=2, **lines(style, markers=few))
    several = part[part.groupby("network")["seed"].transform("nunique") > 1]
    thin = {"hue": "network", "palette": style["palette"], "linewidth": 0.7, "alpha": 0.6, "legend": False}
    if len(several):
        sns.lineplot(several, x="epoch", y=metric, units="seed", estimator=None, ax=axes, **thin)
    for network, curve in means.groupby("network"):
        if curve["count"].min() >= MIN_SEEDS:  # two give an interval that hides the curves
            low, high = ([getattr(interval, end) for interval in curve["mean_interval"]] for end in ("low", "high"))
            axes.fill_between(curve["epoch"], low, high, color=style["palette"][network], alpha=0.15, linewidth=0)


def _with_seeds(name: object, curve: pd.DataFrame) -> str:
    return f"{name} ({several(curve['seed'].nunique(), 'seed')})"


@themed
def power(frame: pd.DataFrame) -> Picture:
    """How often a true order is found over the number of seeds, a panel for each noise, a curve for each margin.

    Args:
        frame: as :func:`sepconv.report.frames.power` makes it.
    """
    ordered = frame.sort_values(["noise", "margin", "seeds"])
    named = ordered.assign(found=100 * ordered["decided"], apart=ordered["margin"].map(_points) + " apart")
    picture, parts = panels(named, "noise", PANEL - 0.4)
    for axes, noise, part in parts:
        sns.lineplot(part, x="seeds", y="found", ax=axes, **lines(look("apart", named)))
        axes.set(title=f"standard deviation over seeds: {_points(noise)}", ylim=(0, 103))
        axes.set(xlabel="seeds of each network", ylabel="found (%)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return one_legend(picture)


def _points(number: float) -> str:
    return f"{number:g} point{'s' * (number != 1)}"


@themed
def learning_rates(frame: pd.DataFrame) -> Picture:
    """Learning rates over epochs, a panel for each paper, a curve for each schedule, a marker at its named points.

    Args:
        frame: as :func:`sepconv.report.frames.learning_rates` makes it.
    """
    picture, parts = panels(frame, "paper", PANEL - 0.2, 0)
    for axes, paper, part in parts:
        where, style = {"x": "epoch", "y": "learning_rate", "ax": axes}, look("schedule", part)
        sns.lineplot(part, **where, **lines(style, markers=False))
        sns.scatterplot(part[part["named"]], s=45, legend=False, **where, **style)
        axes.set(title=paper, xlabel="epochs trained", ylabel="learning rate")
        log_axis(axes, "y")
        legend_below(axes)
    return picture


@themed
def latencies(frame: pd.DataFrame) -> Picture:
    """Milliseconds of a batch over batch size, a panel for each paper and mode: p50, and a thin bar up to p95.

    Args:
        frame: as :func:`sepconv.report.frames.latencies` makes it.
    """
    budgets = ", budget " + frame["budget"] if frame["budget"].nunique() > 1 else ""
    named = frame.assign(line=frame["experiment"] + ", " + frame["device"] + budgets)
    picture, parts = panels(named, ["paper", "batch_norm", "transfer"], PANEL, 0)
    for axes, (paper, batch_norm, transfer), part in parts:
        style = look("line", part)
        sns.lineplot(part, x="batch_size", y="p50", ax=axes, **lines(style))
        highest = part["p95"].fillna(part["p50"])
        axes.vlines(part["batch_size"], part["p50"], highest, [style["palette"][line] for line in part["line"]])
        axes.set(title=f"{paper}: batch norm in {batch_norm} mode,\nimages from the {transfer}")
        axes.set(xlabel="images in a batch", ylabel="milliseconds per batch")
        log_axis(axes, "x", {size: str(size) for size in part["batch_size"]})
        log_axis(axes, "y")
        legend_below(axes)
    return picture


@themed
def break_even(curve: pd.DataFrame, slowdowns: pd.DataFrame) -> Picture:
    """How far separable networks are ahead at equal time, over how much slower per mult-add they are.

    Args:
        curve: as :func:`sepconv.report.frames.break_even` makes it.
        slowdowns: measured ones to mark, as :func:`sepconv.report.frames.slowdowns` makes them.
    """
    if curve.empty:
        return message("no network of this comparison has been trained yet")
    picture, axes = panel(PANEL + 0.25 * len(slowdowns))
    sns.lineplot(curve, x="slowdown", y="delta", color=COLOURS[0], estimator=None, linewidth=2, ax=axes)
    axes.fill_between(curve["slowdown"], curve["low"], curve["high"], color=COLOURS[0], alpha=0.15, linewidth=0)
    axes.axhline(0, color=INK, linewidth=1)
    mark(axes.axvline, dict(zip(slowdowns["what"], slowdowns["slowdown"], strict=True)), COLOURS[1:])
    axes.set(xlabel="times as slow per mult-add", ylabel="separable ahead by (points)")
    log_axis(axes, "x", RATIO_TICKS)
    return one_legend(picture)


# --- points over costs -----------------------------------------------------------------------------------------------


@themed
def accuracy_against_costs(costs: pd.DataFrame, metrics: Sequence[str]) -> Picture:
    """Test accuracy against each cost, a panel a cost; a line joins networks that were trained alike.

    Args:
        costs: as :func:`sepconv.report.frames.costs` makes it.
        metrics: columns of it that are costs.
    """
    if costs.empty:
        return message(_NO_RUN)
    budgets = costs["budget"].map(lambda budget: "" if budget == "paper" else f", budget {budget}")
    named = costs.assign(alike=costs["group"] + budgets).rename(columns=LABELS)
    named = named.assign(series=named["alike"] + ": " + named["convolution"])
    return _over_costs(named.melt(["alike", "series", "accuracy"], [LABELS[m] for m in metrics], "panel", "cost"))


@themed
def accuracy_over_cost(frame: pd.DataFrame) -> Picture:
    """Accuracy over each cost, a panel for each; every seed as a point, a line through the means of each kind.

    Args:
        frame: as :func:`sepconv.report.frames.accuracies_over_cost` makes it.
    """
    return _over_costs(frame.assign(series=frame["kind"], alike=frame["kind"]))


def _over_costs(points: pd.DataFrame) -> Picture:
    """Columns ``panel``, ``cost``, ``accuracy``, ``series`` (a marker and colour each) and ``alike`` (a line each)."""
    style, empty = look("series", points), "no network of this comparison has been trained yet"
    colours = dict.fromkeys(points["alike"], GREY) | style["palette"]
    picture, parts = panels(points, "panel", PANEL - 0.3, 0.25 * len(colours), empty)
    for axes, cost, part in parts:
        where = {"x": "cost", "y": "accuracy", "ax": axes}
        sns.lineplot(part, hue="alike", palette=colours, errorbar=None, legend=False, linewidth=1.2, **where)
        sns.scatterplot(part, s=60, **where, **style)
        axes.set(xlabel=cost, ylabel="test accuracy (%)")
        log_axis(axes, "x")
    return one_legend(picture)


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
    picture, axes = panel(PANEL + 0.8)
    sns.scatterplot(named, x="place", y="intensity", s=55, ax=axes, **look("series", named))
    axes.set(xlabel="place in the network", ylabel="operations per byte")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    log_axis(axes, "y")
    return one_legend(picture)


@themed
def roofline_ratios(frame: pd.DataFrame, marks: Mapping[str, float]) -> Picture:
    """The ratio of two networks' times over a device's balance: lines as the roofline has it, points as measured.

    Points of one device stand a little beside each other, so that all are seen. What a paper reports from a device of
    unknown balance is a dotted line across.

    Args:
        frame: as :func:`sepconv.report.frames.roofline_ratios` makes it.
        marks: further ratios to draw across, such as that of the mult-adds, by their legends.
    """
    named = frame.assign(series=frame["source"] + ", batches of " + frame["batch_size"].astype(str))
    sizes = dict(zip(dict.fromkeys(frame["batch_size"]), COLOURS, strict=False))
    palette = {"palette": dict(zip(named["series"], named["batch_size"].map(sizes), strict=True))}
    predicted, reported = (named[named["source"] == source] for source in ("predicted", "reported"))
    measured = named.drop([*predicted.index, *reported.index])
    measured = measured.assign(balance=measured["balance"] * 1.12 ** measured.groupby("source").cumcount())
    picture, axes = panel(PANEL + 1.8)
    where = {"x": "balance", "y": "ratio", "ax": axes}
    sns.lineplot(predicted, **where, **lines(look("series", predicted), markers=False) | palette)
    sns.scatterplot(measured, s=60, **where, **look("series", measured) | palette)
    for series, ratio in zip(reported["series"], reported["ratio"], strict=True):
        axes.axhline(ratio, color=palette["palette"][series], linestyle=":", label=f"{series} ({ratio:.2f})")
    mark(axes.axhline, marks)
    axes.set(xlabel="the device’s operations per byte", ylabel="ratio of times")
    log_axis(axes, "x")
    log_axis(axes, "y", RATIO_TICKS)
    return one_legend(picture)


# --- rows ------------------------------------------------------------------------------------------------------------


@themed
def papers_ratios(frame: pd.DataFrame) -> Picture:
    """Separable against standard in the papers' own pairs: ratios of costs above, differences in accuracy below.

    Args:
        frame: as :func:`sepconv.report.frames.papers_ratios` makes it.
    """
    where = frame["machine"].map(lambda machine: machine and f",\n{machine}")
    picture, parts = panels(frame.assign(row=frame["quantity"] + where), "unit", height_of_rows("row", "pair"), 1.6)
    (above, _, costs), (below, _, accuracies) = parts
    costs = draw_rows(above, costs, "value", "row", look("pair", frame))
    ratio_axis(above, costs["value"], "separable ÷ standard", room=3)
    write(above, costs["value"].fillna(1), costs["place"], map(_times, costs["value"]))
    accuracies = draw_rows(below, accuracies, "value", "pair", look("pair", frame), spread=0)
    _differences(below, accuracies, "test accuracy, separable − standard (points)")
    return one_legend(picture)


@themed
def forest(deltas: pd.DataFrame) -> Picture:
    """The deltas with their 95 % intervals, a row for each; right of the shaded margin, separable is ahead.

    Args:
        deltas: as :func:`sepconv.report.frames.deltas` makes it.
    """
    rows = deltas["what"].str.replace(", ", ",\n", n=1)
    named = deltas.assign(row=rows, value=deltas["delta"], kind="mean distance with its 95 % interval")
    picture, parts = panels(named, "kind", height_of_rows("row", "kind"), 1, "no question is answered yet")
    for axes, _, part in parts:
        margin = part["margin"].max()
        axes.axvspan(-margin, margin, color=GREY, alpha=0.15, linewidth=0)
        _differences(axes, draw_rows(axes, part, "value", "row", look("kind", part)), "separable ahead by (points)")
    return one_legend(picture)


@themed
def ratios(frame: pd.DataFrame, label: str, marks: Mapping[str, float]) -> Picture:
    """Ratios on a logarithmic axis, a row a measurement, a marker and colour a source.

    Args:
        frame: as :func:`sepconv.report.frames.ratios` makes it.
        label: of the axis.
        marks: further ratios to draw across, such as that of the mult-adds, by their legends.
    """
    picture, parts = panels(frame.assign(panel=""), "panel", height_of_rows("what", "source"), 1.2)
    for axes, _, part in parts:
        draw_rows(axes, part, "ratio", "what", look("source", part))
        ratio_axis(axes, [*part["ratio"], *marks.values()], label)
        mark(axes.axvline, marks)
    return one_legend(picture)


@themed
def depthwise(frame: pd.DataFrame) -> Picture:
    """Time of grouped depthwise convolutions over that of other ways: a panel a device, a row a part, a point a layer.

    Args:
        frame: as :func:`sepconv.report.frames.depthwise` makes it.
    """
    others = frame[frame["way"] != "grouped"]
    others = others.assign(series=others["way"] + ", " + others["precision"])
    picture, parts = panels(others, "device", height_of_rows("part", "series"), 1.2)
    for axes, device, part in parts:
        draw_rows(axes, part, "ratio", "part", look("series", others))
        ratio_axis(axes, part["ratio"], "grouped ÷ other way")
        axes.set(title=device)
    return one_legend(picture)


@themed
def limits(frame: pd.DataFrame) -> Picture:
    """Images per second, a row a network: as trained, and what the roofline allows; a panel a device and backend.

    Args:
        frame: as :func:`sepconv.report.frames.limits` makes it; networks that were not trained there are left out.
    """
    trained = frame[frame["measured"].notna()]
    named = trained.assign(network=trained["paper"] + " " + trained["experiment"], low=trained["measured"])
    named = named.assign(high=named["limit"]).rename(columns={"limit": "at most"})
    points = named.melt(["device", "backend", "network", "low", "high"], ["measured", "at most"], "which", "rate")
    picture, parts = panels(points, ["device", "backend"], height_of_rows("network", "device"), 1)
    for axes, (device, backend), part in parts:
        draw_rows(axes, part, "rate", "network", look("which", points), spread=0)
        axes.set(title=f"{device}, {backend}", xlabel="images per second")
        log_axis(axes, "x")
    return one_legend(picture)


@themed
def verdict_rates(frame: pd.DataFrame) -> Picture:
    """How often each verdict is given, a panel for each check, a bar for each margin and number of seeds.

    Args:
        frame: as :func:`sepconv.verdicts.calibration.calibrate` makes it, of one shape and size of noise.
    """
    picture, parts = panels(frame, "check", PANEL - 0.3)
    for axes, check, part in parts:
        shares = 100 * part.rename(columns=lambda name: name.replace("_", " "))[[*_RATES]]
        bars = shares.assign(bar=range(len(part))).melt("bar", var_name="verdict", value_name="share")
        where = {"x": "bar", "weights": "share", "hue": "verdict", "palette": _RATES, "ax": axes}
        sns.histplot(bars, multiple="stack", discrete=True, shrink=0.9, alpha=1, linewidth=0, **where)
        axes.grid(visible=False)
        axes.set(title=check, xlabel="", ylabel="% of reproductions")
        _margin_ticks(axes, part)
    return one_legend(picture)


def _margin_ticks(axes: Axes, cells: pd.DataFrame) -> None:
    """The number of seeds below each bar, and below those the margin that they share."""
    axes.set_xticks(range(len(cells)), [str(seeds) for seeds in cells["seeds"]])
    places = cells.assign(place=range(len(cells))).groupby("margin", sort=False)["place"].mean()
    groups = axes.secondary_xaxis(-0.14)
    groups.set_xticks(list(places), [_margin(margin) for margin in places.index])
    for each in (axes, groups):
        each.tick_params("x", length=0)
    groups.spines["bottom"].set_visible(False)


def _margin(margin: float) -> str:
    return "on the limit" if margin == 0 else f"{'true' if margin > 0 else 'false'} by {abs(margin):g}"


def _differences(axes: Axes, placed: pd.DataFrame, label: str) -> None:
    """A linear axis with a line at zero, and each ``value`` in numbers to the right of its interval."""
    known = [0, *placed[["value", "low", "high"]].stack().dropna()]
    low, span = min(known), max(known) - min(known) or 1
    axes.axvline(0, color=INK, linewidth=1.2, zorder=0)
    axes.set(xlabel=label, xlim=(low - 0.1 * span, low + 1.6 * span))
    texts = map(_interval, placed["value"], placed["low"], placed["high"])
    write(axes, placed["high"].fillna(placed["value"]).fillna(0), placed["place"], texts)


def _times(ratio: float) -> str:
    """0.115 as ``8.7 times less``."""
    if np.isnan(ratio):
        return "not counted yet"
    factor = max(ratio, 1 / ratio)
    text = f"{factor:.1f}" if factor < 10 else f"{factor:.0f}"
    return "the same" if text == "1.0" else f"{text} times {'more' if ratio > 1 else 'less'}"


def _interval(value: float, low: float, high: float) -> str:
    """A difference with its 95 % interval, as far as they are there."""
    if np.isnan(value):
        return "no full training yet"
    interval = "too few seeds" if np.isnan(low) else f"{signed(low)} to {signed(high)}"
    return f"{signed(value)} ({interval})"
