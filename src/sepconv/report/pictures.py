"""What every figure of the book has in common: its size, one theme, and how a notebook shows it."""

from io import BytesIO, StringIO
from typing import Any

import seaborn as sns
from matplotlib import rc_context
from matplotlib.figure import Figure

WIDTH = 7.2  # inches, the 688 pixels of the book's column
COLOURS: list[str] = sns.color_palette("colorblind").as_hex()
INK = ".15"  # seaborn's, of text and axes
GREY = ".45"  # what stands behind the data; legible on white and, inverted, on black
# Nothing is painted behind a figure, and the book's style inverts it in the dark theme: see figures.css.
THEME: dict[Any, Any] = {  # matplotlib types each key as a literal
    **sns.axes_style("whitegrid"),
    **sns.plotting_context("notebook", font_scale=0.92),
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
        self.savefig(image, format="png", dpi=150, metadata={"Software": None})
        return image.getvalue()
