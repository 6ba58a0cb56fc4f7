"""What the figures of the book have in common: size, theme, what tells series apart, panels, axes and legends."""

from collections.abc import Callable, Iterable, Mapping
from io import BytesIO, StringIO
from itertools import cycle
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

WIDTH = 5.4  # inches; 350 pixels on a phone, which then shows letters of 10 points in 9 pixels
_PALETTE: list[str] = sns.color_palette("colorblind").as_hex()
COLOURS = [_PALETTE[place] for place in (0, 1, 2, 4, 3, 9, 7, 5, 6, 8)]  # the two oranges apart
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("", (4, 1.5), (1, 1), (3, 1, 1, 1), (5, 1, 1, 1, 1, 1), (6, 3))
INK = ".15"  # seaborn's, of text and axes
GREY = ".45"  # of what stands behind the data
SMALL = 10  # points of the smallest letters
# Nothing is painted behind a figure, and the book's style sheet inverts it in the dark theme: see figures.css.
THEME: dict[Any, Any] = {  # matplotlib types each key as a literal
    **sns.axes_style("whitegrid"),
    **sns.plotting_context("notebook"),
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize"), 11),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), SMALL),
    "axes.facecolor": "none",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.facecolor": "none",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that every machine draws the same letters
    "grid.color": ".88",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "sepconv",  # else the names of paths differ at each rendering
}
themed = rc_context(THEME)
RATIO_TICKS = {2.0**power: f"{2**power}" if power >= 0 else f"1/{2**-power}" for power in range(-6, 8)}
_FINE_RATIO_TICKS = {ratio: f"{ratio:g}" for ratio in (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6)}
_LEGEND_CHARACTERS = 68  # side by side


class Picture(Figure):
    """A figure that a notebook shows as SVG, with the same bytes at each rendering, and without pyplot's state."""

    def __init__(self, height: float) -> None:
        super().__init__(figsize=(WIDTH, height), layout="constrained")

    @themed
    def _repr_svg_(self) -> str | None:
        text = StringIO()
        self.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        return text.getvalue()

    def __repr__(self) -> str:
        return f"Picture of {len(self.axes)} panel{'s' * (len(self.axes) != 1)}"


class Photographs(Picture):
    """Shown as PNG: computed pixels may differ in the last bit from machine to machine, and nbval compares no PNG."""

    def _repr_svg_(self) -> None:
        return None

    @themed
    def _repr_png_(self) -> bytes:
        image = BytesIO()
        self.savefig(image, format="png", dpi=110, metadata={"Software": None})
        return image.getvalue()


# --- series ----------------------------------------------------------------------------------------------------------


def look(column: str, frame: pd.DataFrame) -> dict[str, Any]:
    """What tells the series of a column apart, by their order in the frame, as :func:`seaborn.scatterplot` takes it."""
    names = dict.fromkeys(frame[column])
    palette, markers = (dict(zip(names, cycle(each))) for each in (COLOURS, MARKERS))
    return {"hue": column, "style": column, "palette": palette, "markers": markers}


def lines(style: Mapping[str, Any], markers: bool = True) -> dict[str, Any]:
    """A look as :func:`seaborn.lineplot` takes it, with dashes; it draws the points as they are, one for each x."""
    dashes = dict(zip(style["palette"], cycle(DASHES)))
    return {**style, "dashes": dashes, "markers": markers and style["markers"], "estimator": None}


# --- panels and rows -------------------------------------------------------------------------------------------------


def panel(height: float) -> tuple[Picture, Axes]:
    """A picture of that height, inches, and its only axes."""
    picture = Picture(height)
    return picture, picture.add_subplot()


def panels(
    frame: pd.DataFrame,
    by: str | list[str],
    height: float | Callable[[pd.DataFrame], float],
    rest: float = 0.6,
    empty: str = "nothing measured yet",
) -> tuple[Picture, list[tuple[Axes, Any, pd.DataFrame]]]:
    """A picture with a panel for each group of the frame, from above, and of each panel its axes, key and part.

    Args:
        frame: what is drawn; where it is empty, the picture says so, and there is no panel.
        by: columns by which it is grouped.
        height: inches of a panel, or what tells them from its part.
        rest: inches of what is no panel.
        empty: what the picture says where there is nothing to draw.
    """
    if frame.empty:
        return message(empty), []
    groups = list(frame.groupby(by, sort=False))
    heights = [height(part) if callable(height) else height for _, part in groups]
    picture = Picture(sum(heights) + rest)
    axes = picture.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    return picture, [(each, key, part) for each, (key, part) in zip(axes, groups, strict=True)]


def height_of_rows(row: str, series: str) -> Callable[[pd.DataFrame], float]:
    """Inches of a panel: for each row something around it, and a line for each of its series."""
    return lambda part: 0.4 + float((0.3 + 0.18 * part.groupby(row)[series].nunique()).sum())


def draw_rows(
    axes: Axes, frame: pd.DataFrame, value: str, row: str, style: Mapping[str, Any], spread: float = 0.7
) -> pd.DataFrame:
    """Points in rows from above, the series of a row below each other over ``spread`` of it, with intervals.

    Returns:
        The frame with ``place``, the height at which each point is drawn.
    """
    rows, palette, series = list(dict.fromkeys(frame[row])), style["palette"], style["hue"]
    present = {name: [s for s in palette if s in set(part[series])] for name, part in frame.groupby(row)}
    places = [
        rows.index(name) + spread / len(palette) * (present[name].index(s) - (len(present[name]) - 1) / 2)
        for name, s in zip(frame[row], frame[series], strict=True)
    ]
    placed = frame.assign(place=places)
    sns.scatterplot(placed, x=value, y="place", s=60, ax=axes, **style)
    if "low" in placed:
        colours = placed[series].map(palette)
        axes.hlines(placed["place"], placed["low"], placed["high"], colors=colours, linewidth=2, zorder=0)
    axes.set(ylabel="", ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), rows)
    axes.yaxis.set_minor_locator(FixedLocator([place + 0.5 for place in range(len(rows) - 1)]))
    axes.grid(visible=False, axis="y")
    axes.grid(axis="y", which="minor")
    return placed


# --- axes and legends ------------------------------------------------------------------------------------------------


def log_axis(axes: Axes, which: str, ticks: Mapping[float, str] | None = None) -> None:
    """Make the x or y axis logarithmic, with a few ticks, however short it is."""
    axes.set(**{f"{which}scale": "log"})
    axis: Axis = getattr(axes, f"{which}axis")
    low, high = axis.get_view_interval()
    digits = (1, 1.5, 2, 3, 5, 7) if high < 10 * low else (1, 3)
    decades = [digit * 10.0**power for power in range(-5, 13) for digit in digits]
    axis.set_major_locator(FixedLocator([*ticks] if ticks else decades))
    axis.set_major_formatter(FuncFormatter(lambda value, _: ticks[value] if ticks else engineering(value)))
    axis.set_minor_locator(NullLocator())


def ratio_axis(axes: Axes, values: Iterable[float], label: str, room: float = 1.25) -> None:
    """A logarithmic horizontal axis of ratios with a line at one, and ``room`` to the right of the largest."""
    known = [1.0, *(value for value in values if value > 0)]
    low, high = min(known) / 1.25, max(known) * room
    axes.axvline(1, color=INK, linewidth=1.2, zorder=0)
    axes.set(xlabel=label)
    log_axis(axes, "x", RATIO_TICKS if high > 6 * low else _FINE_RATIO_TICKS)
    axes.set_xlim(low, high)


def mark(draw: Callable[..., object], values: Mapping[str, float], colours: Iterable[str] = (GREY,)) -> None:
    """Draw lines across by :meth:`Axes.axhline` or :meth:`Axes.axvline`, each with its value in the legend."""
    for (label, value), dashes, colour in zip(values.items(), cycle(DASHES[1:]), cycle(colours)):
        draw(value, color=colour, linestyle=(0, dashes), linewidth=1.6, label=f"{label} ({value:.3g})")


def legend_below(axes: Axes, names: Mapping[str, str] | None = None) -> None:
    """The legend of one panel below it, where it hides nothing, with other ``names`` for its series where given."""
    handles, labels = axes.get_legend_handles_labels()
    shown = [(names or {}).get(label, label) for label in labels]
    past_label = axes.transAxes + ScaledTranslation(0, -0.5, axes.figure.dpi_scale_trans)  # inches
    where: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.45, 0), "bbox_transform": past_label}
    axes.legend(handles, shown, ncols=_columns(shown), **where)


def one_legend(picture: Picture) -> Picture:
    """The picture with one legend below all of its panels in place of theirs."""
    handles: dict[str, Any] = {}
    for axes in picture.axes:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        if legend := axes.get_legend():  # a histogram's has the only handles
            handles |= {t.get_text(): h for t, h in zip(legend.texts, legend.legend_handles, strict=True)}
            legend.remove()
    if handles:
        picture.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=_columns(handles))
    return picture


def write(axes: Axes, x: pd.Series, y: pd.Series, texts: Iterable[str]) -> None:
    """Write a text to the right of each point."""
    for *point, text in zip(x, y, texts, strict=True):
        axes.annotate(text, tuple(point), (8, 0), textcoords="offset points", va="center", fontsize=SMALL)


def message(text: str) -> Picture:
    """In place of a figure, why there is none."""
    picture, axes = panel(0.8)
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=GREY)
    return picture


def engineering(value: float) -> str:
    """1.5 M for 1,500,000."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"


def _columns(labels: Iterable[str]) -> int:
    """As many columns of a legend as fit side by side."""
    widths = [len(label) + 7 for label in labels]
    return min(len(widths), max(1, _LEGEND_CHARACTERS // max(widths, default=1))) or 1
