"""Pictures that are no statistics: diagrams of networks, and photographs in rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from sepconv.report.pictures import COLOURS, GREY, SMALL, Photographs, Picture, themed
from sepconv.results.records import CONVOLUTIONS, NORMS, CostResult, Layer

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


@themed
def diagram(columns: Mapping[str, Sequence[Box]]) -> Picture:
    """Columns of boxes, each a sequence of steps from top to bottom, coloured by their kinds."""
    kinds = list(dict.fromkeys(box.kind for boxes in columns.values() for box in boxes if box.kind))
    rows = max(len(boxes) for boxes in columns.values())
    picture = Picture(_ROW * rows + 0.4)
    for number, (title, boxes) in enumerate(columns.items(), 1):
        axes = picture.add_subplot(1, len(columns), number)
        axes.set(xlim=(0, 1), ylim=(-rows + 0.5, 0.5))
        axes.set_title(title, loc="center")
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
    axes.text(0.5, y, box.text, ha="center", va="center", fontsize=SMALL, bbox=style, zorder=3)


def _half_height(box: Box) -> float:
    """Half the height of a box in rows: 12 points a line, and 8 of padding."""
    return (12 * (1 + box.text.count("\n")) + 8) / 2 / (72 * _ROW)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style, zorder=1)


def _residual(axes: Axes, start: float, end: float) -> None:
    """From below one box, round those between, to below another one, where both are added."""
    x = 0.78 + 0.03 * (start - end)
    axes.plot((0.5, x, x), (start - 0.44, start - 0.44, end - 0.5), color="black", linewidth=1)
    _arrow(axes, (x, end - 0.5), (0.51, end - 0.5))
    axes.text(0.5, end - 0.5, "+", ha="center", va="center", fontsize=SMALL, zorder=4, bbox={
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


@themed
def photographs(rows: Mapping[str, NDArray[np.float32]]) -> Photographs:
    """Images side by side, a row for each name: each ``(count, height, width, 3)`` in [0, 1]."""
    picture = Photographs(0.46 * len(rows))
    picture.set_layout_engine(None)  # the usual one cuts the names
    picture.subplots_adjust(left=0.22, right=1, bottom=0, top=1, hspace=0.08)
    for number, (name, images) in enumerate(rows.items(), 1):
        axes = picture.add_subplot(len(rows), 1, number)
        axes.imshow(np.concatenate(list(images), axis=1), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", color="0.48")  # on white and on black
    return picture
