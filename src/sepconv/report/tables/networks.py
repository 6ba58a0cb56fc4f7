"""Networks: their layers in the papers' notations, a paper's tables with ours beside them, and costs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from operator import itemgetter

from sepconv.report.markup import NOTHING, Column, Html, columns_of_cells, folded, lines, note, table
from sepconv.report.tables.cells import significant
from sepconv.results.records import NORMS, CostResult, Layer
from sepconv.results.store import Results
from sepconv.spec import Experiment, Paper

LayerRow = tuple[str, ...]
Counted = tuple[Experiment, CostResult | None]
_FEW_ROWS = 12  # of a table of layers that is shown whole

_LAYER_NAMES = {  # of tseng2020
    "Conv2D": "Conv",
    "DepthwiseConv2D": "Conv dw",
    "Conv2DTranspose": "Transposed Conv",
    "MaxPooling2D": "Max Pool",
    "GlobalAveragePooling2D": "Avg Pool",
    "Dense": "FC",
}
_FIGURE_NAMES = {  # of yu2021
    "Conv2D": "Normal Conv",
    "Conv2DTranspose": "Transposed Conv",
    "GlobalAveragePooling2D": "Adaptive Average Pool",
    "Dense": "Linear Layer",
}


def layer_rows(cost: CostResult) -> tuple[LayerRow, ...]:
    """(type/stride, filter shape, input size) of each layer but norms, as tseng2020 prints them: ``Conv/s1``."""
    return tuple(
        (f"{_LAYER_NAMES.get(layer.type, layer.type)}/s{layer.stride or 1}", _filter(layer), _size(layer.input_shape))
        for layer in cost.layers
        if layer.type not in NORMS
    )


def channel_rows(cost: CostResult) -> tuple[LayerRow, ...]:
    """(type, input channels, output channels) as yu2021's Figs. 2 and 3 print them.

    A depthwise convolution and the pointwise one after it are one row; the last layer's outputs are called Classes.
    """
    layers = [layer for layer in cost.layers if layer.type not in NORMS]
    rows = []
    for before, layer in zip([None, *layers], layers, strict=False):
        separable = before is not None and before.type == "DepthwiseConv2D"
        name = "Depth-wise Separable Conv" if separable else _FIGURE_NAMES.get(layer.type, layer.type)
        outputs = "Classes" if layer is layers[-1] else str(layer.output_shape[-1])
        if layer.type != "DepthwiseConv2D":
            rows.append((name, str(layer.input_shape[-1]), outputs))
    return tuple(rows)


def side_by_side(
    caption: str,
    columns: Sequence[str],
    printed: Iterable[Sequence[str]],
    built: Iterable[Sequence[str]],
    name: str = "",
) -> Html:
    """The rows that a paper prints, aligned with those of the built network; where they differ, the built is said.

    A long table shows where the two differ, and how many rows agree in between; the whole of it is folded below.

    Args:
        caption: of the table.
        columns: what the cells of a row are, in print and built alike.
        printed: the paper's rows, top to bottom.
        built: ours, in the same notation, as :func:`layer_rows` gives them.
        name: of the table that is not folded.
    """
    theirs, ours = [tuple(row) for row in printed], [tuple(row) for row in built]
    whole: list[LayerRow] = []
    short: list[LayerRow] = []
    for tag, a, b, c, d in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if tag == "equal":
            whole += [("same", *row, NOTHING) for row in theirs[a:b]]
            short.append((f"{b - a} the same", *[NOTHING] * len(columns), NOTHING))
        else:
            rows = list(_differing(columns, theirs[a:b], ours[c:d]))
            whole += rows
            short += _counted(rows)
    if len(whole) <= _FEW_ROWS:
        return _layers_table(columns, whole, caption, name)
    agreeing = f"{caption}: all {len(whole)} rows are built as printed"
    if len(short) == 1:
        return Html(folded(agreeing, _layers_table(columns, whole, caption)))
    shown = _layers_table(columns, short, f"{caption}, where print and network differ", name)
    return Html(shown.__html__() + folded(f"All {len(whole)} rows", _layers_table(columns, whole, caption)))


def values_beside(caption: str, printed: Mapping[str, str], ours: Mapping[str, str], name: str = "") -> Html:
    """Values that a paper prints by property, with ours beside them; one that we do not have is shown as nothing.

    Where all agree the table is folded.
    """
    rows = [(name, value, ours.get(name, NOTHING)) for name, value in printed.items()]
    whole = table(rows, columns_of_cells("", "the paper", "here"), caption, name=name)
    agree = all(theirs == here for _, theirs, here in rows)
    return Html(folded(f"{caption}: all {len(rows)} values are the same here", whole)) if agree else whole


def networks_beside(
    caption: str, printed: Sequence[Mapping[str, str]], ours: Sequence[Mapping[str, str]], name: str = ""
) -> Html:
    """A table of networks as a paper prints it, turned so that each network has a column.

    A property has one row where all values are ours too, and otherwise a second one with ours.

    Args:
        caption: of the table.
        printed: the paper's rows, cells by column; the first cell names the network.
        ours: a row for each of theirs; a property that is not there is shown as nothing.
        name: of the table.
    """
    heading, *properties = printed[0]
    rows = []
    for what in properties:
        theirs, mine = [row[what] for row in printed], [row.get(what, NOTHING) for row in ours]
        if theirs == mine:
            rows.append(("", what, *theirs))
        else:
            rows += [("differs", f"{what}, paper", *theirs), ("differs", f"{what}, here", *mine)]
    networks = [Column(row[heading], itemgetter(place), numeric=True) for place, row in enumerate(printed, 2)]
    return table(rows, [Column("", itemgetter(1)), *networks], caption, mark=itemgetter(0), name=name)


def costs_table(paper: Paper, results: Results) -> Html:
    """What each network of a paper costs; mult-adds are for one image, bytes for one training step."""

    def name(counted: Counted) -> str:
        experiment, _ = counted
        return lines([experiment.name, note(experiment.note)]) if experiment.note else experiment.name

    def column(header: str, say: Callable[[CostResult], str], otherwise: str = NOTHING) -> Column[Counted]:
        return Column(header, lambda counted: say(counted[1]) if counted[1] else otherwise, numeric=True)

    columns = [
        Column("experiment", name),
        column("parameters (M)", lambda cost: significant(cost.num_params / 1e6), note("not counted yet")),
        column("mult-adds (M)", lambda cost: significant(cost.mult_adds / 1e6)),
        column("step (MB)", lambda cost: significant(cost.training_step_bytes / 1e6)),
    ]
    caption = (
        f"Costs of {paper.key}, in millions and megabytes. Step: all that one training step holds at the recipe’s "
        "batch size, or at one image where a network is not trained"
    )
    counted = [(experiment, results.cost_of(paper.key, experiment.name)) for experiment in paper.experiments]
    return table(counted, columns, caption, anchor=lambda counted: f"{paper.key}/{counted[0].name}/cost")


def _layers_table(columns: Sequence[str], rows: Sequence[LayerRow], caption: str, name: str = "") -> Html:
    return table(
        [tuple(cell.replace(" × ", "\u00a0×\u00a0") for cell in row) for row in rows],
        columns_of_cells("", *columns, "built instead"),
        caption,
        mark=lambda row: "" if row[0].endswith("same") else "differs",
        layout="stack",
        name=name,
    )


def _differing(columns: Sequence[str], theirs: Sequence[LayerRow], ours: Sequence[LayerRow]) -> Iterable[LayerRow]:
    """Rows of which one side has other cells than the other, or none."""
    for printed, built in zip_longest(theirs, ours):
        if built is None:
            yield ("only in print", *printed, NOTHING)
        elif printed is None:
            yield ("only built", *built, NOTHING)
        else:
            both = zip(columns, built, printed, strict=True)
            other = (f"{column} {cell}" for column, cell, in_print in both if cell != in_print)
            yield ("differs", *printed, ", ".join(other))


def _counted(rows: Iterable[LayerRow]) -> Iterator[LayerRow]:
    """Equal rows below each other as one, with their number."""
    for (what, *cells), equal in groupby(rows):
        count = len(list(equal))
        yield (f"{count} {what}" if count > 1 else what, *cells)


def _filter(layer: Layer) -> str:
    if layer.type == "DepthwiseConv2D":  # the last number is the filters of each channel: one
        return f"{_size(layer.filter_shape[:3])} dw"
    pool = "Pool " if "Pooling" in layer.type else ""
    return pool + _size(layer.filter_shape)


def _size(shape: Sequence[int]) -> str:
    """A dense layer's features are written as a 1 × 1 image."""
    return " × ".join(map(str, shape if len(shape) > 1 else (1, 1, *shape)))
