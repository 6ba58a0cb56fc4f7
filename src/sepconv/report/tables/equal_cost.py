"""Questions at equal cost: the deltas in numbers, pairs of networks, and the tuning."""

from functools import partial
from math import isnan
from typing import Any

import pandas as pd

from sepconv.report.markup import NOTHING, Column, Html, records_of, table
from sepconv.verdicts.sentences import number

Record = dict[str, Any]


def deltas_table(deltas: pd.DataFrame) -> Html:
    """Each delta with its interval, how many times cheaper that is at equal accuracy, and its verdict.

    Args:
        deltas: as :func:`sepconv.report.frames.deltas` makes it.
    """
    columns: list[Column[Record]] = [
        Column("at equal", "{what}".format_map),
        Column("separable ahead by (points)", partial(_points, "delta"), numeric=True),
        Column("95 % interval", lambda row: f"{_points('low', row)} to {_points('high', row)}", numeric=True),
        Column("times cheaper at equal accuracy", partial(_number, "times_cheaper"), numeric=True),
        Column("ahead by the margin", "{verdict}".format_map),
    ]
    caption, empty = "Separable against standard", "No question is answered yet"
    return table(records_of(deltas), columns, caption, empty=empty, name="ours2026-answers")


def pairs_table(pairs: pd.DataFrame) -> Html:
    """Networks of about the same mult-adds beside each other.

    Args:
        pairs: as :func:`sepconv.report.frames.pairs_of_widths` makes it.
    """
    columns: list[Column[Record]] = [
        Column("separable", "{first}".format_map),
        Column("standard", "{second}".format_map),
        Column("seeds", "{seeds}".format_map, numeric=True),
        Column("difference (points)", partial(_points, "difference"), numeric=True),
        Column("P(separable > standard)", partial(_number, "superiority"), numeric=True),
    ]
    caption, empty = "Pairs of about equal mult-adds", "No pair has been trained yet"
    return table(records_of(pairs), columns, caption, empty=empty, name="ours2026-pairs")


def tuning_table(tuning: pd.DataFrame) -> Html:
    """What was tuned, the accuracy on the images held out, and what the recipe records.

    Args:
        tuning: as :func:`sepconv.report.frames.tuning` makes it.
    """
    columns: list[Column[Record]] = [
        Column("kind", "{kind}".format_map),
        Column("peak learning rate", "{rate:g}".format_map, numeric=True),
        Column("decay", "{decayed}".format_map, numeric=True),
        Column("runs", "{seeds}".format_map, numeric=True),
        Column("val %", partial(_points, "accuracy"), numeric=True),
        Column("in the recipe", lambda row: "yes" if row["chosen"] else "", numeric=True),
    ]
    caption = "Tuning runs, with or without weight decay of depthwise kernels"
    return table(records_of(tuning), columns, caption, name="ours2026-tuning")


def _points(name: str, record: Record) -> str:
    return NOTHING if isnan(record[name]) else number(record[name], "points")


def _number(name: str, record: Record) -> str:
    return NOTHING if isnan(record[name]) else f"{record[name]:.2f}"
