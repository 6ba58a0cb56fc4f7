"""What was measured on machines: training loops, memory, and the limits of devices."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from sepconv.report.markup import NOTHING, Column, Html, folded, records_of, table
from sepconv.report.tables.cells import significant
from sepconv.results.records import Product, RooflineResult
from sepconv.results.store import Results
from sepconv.spec import Precision

Record = Mapping[str, Any]
_Product = tuple[RooflineResult, Precision, Product]


def throughputs_table(frame: pd.DataFrame) -> Html:
    """Every training loop that was timed, under what it was timed on; folded.

    Args:
        frame: as :func:`sepconv.report.frames.throughputs` makes it.
    """

    def spread(loop: Record) -> str:
        return f"{significant(loop['slowest'])} to {significant(loop['fastest'])}"

    columns = [
        Column[Record]("training loop", lambda loop: loop["loop"].replace("_", " ")),
        Column("images/s", partial(_significant, "images_per_second"), numeric=True),
        Column("slowest to fastest", spread, numeric=True),
        Column("of fit", "{ratio:.2f}".format_map, numeric=True),
    ]
    title = (
        "{paper} {experiment}: {epochs} epochs of {images:,} images in batches of {batch_size}, {backend} on {device}"
    )
    caption, empty = "Training loops, taken in turns; medians of epochs", "No throughput has been measured yet"
    return Html(folded(caption, table(records_of(frame), columns, caption, empty=empty, group=title.format_map)))


def memories_table(frame: pd.DataFrame) -> Html:
    """Bytes of a training step, measured beside counted, under the way in which they were measured.

    Args:
        frame: as :func:`sepconv.report.frames.memories` makes it.
    """

    def megabytes(name: str, row: Record) -> str:
        return significant(row[name] / 1e6)

    columns = [
        Column("network", "{paper} {experiment}".format_map),
        Column("counted (MB)", partial(megabytes, "counted"), numeric=True),
        Column("measured (MB)", partial(megabytes, "measured"), numeric=True),
        Column("measured ÷ counted", "{ratio:.2f}".format_map, numeric=True),
    ]
    empty = "No memory of a training step has been measured yet"
    way = "{method}: {backend} on {device}"
    caption, name = "Memory of a training step", "speed-memories"
    return table(records_of(frame), columns, caption, empty=empty, group=way.format_map, name=name)


def rooflines_table(results: Results) -> Html:
    """What each device can do at most, float32 first: medians of the repeats."""
    columns = [
        Column[_Product]("precision", lambda row: row[1]),
        Column[_Product]("GB/s", lambda row: significant(row[0].bytes_per_second / 1e9), numeric=True),
        Column[_Product]("TFLOP/s", lambda row: significant(row[2].operations_per_second / 1e12), numeric=True),
        Column[_Product](
            "operations per byte",
            lambda row: significant(row[2].operations_per_second / row[0].bytes_per_second),
            numeric=True,
        ),
    ]
    products = [
        (roofline, precision, product)
        for roofline in results.rooflines
        for precision, product in sorted(roofline.products.items(), reverse=True)
    ]
    return table(
        products,
        columns,
        "What each device can do at most",
        empty="No device has been measured yet",
        group=lambda row: "{0.device_title}, {0.backend}".format(row[0].environment),
        name="speed-rooflines",
    )


def limits_table(frame: pd.DataFrame) -> Html:
    """The most images per second of each network on each device, and what was reached of it.

    Args:
        frame: as :func:`sepconv.report.frames.limits` makes it.
    """
    columns = [
        Column("network", "{paper} {experiment}".format_map),
        Column("at most (images/s)", partial(_significant, "limit"), numeric=True),
        Column("measured (images/s)", partial(_significant, "measured"), numeric=True),
        Column("reached (%)", partial(_significant, "reached"), numeric=True),
    ]
    records = records_of(frame.assign(reached=100 * frame["fraction"]))
    place = "{device}, {backend}"
    empty = "No device has been measured yet"
    caption, name = "Training against the roofline", "speed-reached"
    return table(records, columns, caption, empty=empty, group=place.format_map, name=name)


def _significant(name: str, record: Record) -> str:
    return NOTHING if pd.isna(record[name]) else significant(record[name])
