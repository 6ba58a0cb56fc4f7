"""How often verdicts err in simulated reproductions."""

from collections.abc import Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import pandas as pd

from sepconv.report.markup import Column, Html, folded, link, records_of, table
from sepconv.verdicts.sentences import number

# Columns of rates with their headings, which may be parted where a page is narrow.
_RATES = {
    "reproduced": "repro\u00adduced %",
    "inconclusive": "incon\u00adclusive %",
    "not_reproduced": "not repro\u00adduced %",
    "wrong": "wrong %",
}
Rates = Mapping[str, Any]


def calibration_table(cells: pd.DataFrame) -> Html:
    """How often each verdict is given, by check, margin and number of seeds. Folded, for it is long.

    Args:
        cells: as :func:`sepconv.verdicts.calibration.calibrate` makes it, of one shape and size of noise.
    """
    caption = f"{_simulated(cells)}, by how many points the truth is inside the limit"
    return Html(folded(caption, _verdict_rates(cells, Column("seeds", "{seeds}".format_map, numeric=True), caption)))


def policy_table(cells: pd.DataFrame) -> Html:
    """How often each verdict is given where seeds are added until a claim is decided, and how many seeds that takes.

    Args:
        cells: as :func:`sepconv.verdicts.calibration.calibrate_policy` makes it, of one shape and size of noise.
    """
    caption = f"{_simulated(cells)}, seeds added until decided"
    seeds: Column[Rates] = Column("mean seeds", "{mean_seeds:.1f}".format_map, numeric=True)
    return _verdict_rates(cells, seeds, caption, "calibration-policy")


def concordance_table(concordance: pd.DataFrame) -> Html:
    """What compressed schedules indicated of each claim that the paper's own schedule decided.

    Args:
        concordance: as :func:`sepconv.verdicts.concordance.concordance` makes it.
    """
    columns: list[Column[Rates]] = [
        Column("claim", lambda row: link(f"{row['paper']}.html#{row['claim']}", row["claim"])),
        Column("indicated", itemgetter("indicated")),
        Column("verdict", itemgetter("verdict")),
        Column("outcome", itemgetter("outcome")),
    ]
    empty = "No claim has runs under compressed schedules and is decided by the paper’s own yet"
    caption = "What was indicated, beside what was decided"
    return table(
        records_of(concordance),
        columns,
        caption,
        empty=empty,
        group=itemgetter("paper"),
        layout="stack",
        name="calibration-concordance",
    )


def wrong_rates_table(worst: pd.DataFrame) -> Html:
    """How often a verdict is wrong, by check, shape of the noise and number of seeds.

    Args:
        worst: as :func:`sepconv.verdicts.calibration.worst` makes it.
    """
    columns: list[Column[Rates]] = [
        Column("noise", itemgetter("shape")),
        *(Column(f"{count} seeds", partial(_percent, count), numeric=True) for count in sorted(set(worst["seeds"]))),
    ]
    rates: dict[tuple[str, str], dict[Any, Any]] = {}
    for cell in records_of(worst):
        row = rates.setdefault((cell["check"], cell["shape"]), {"check": cell["check"], "shape": cell["shape"]})
        row[cell["seeds"]] = cell["wrong"]
    caption = "Highest rate of wrong verdicts, in %"
    return table(rates.values(), columns, caption, group=itemgetter("check"), name="calibration-shapes")


def _verdict_rates(cells: pd.DataFrame, seeds: Column[Rates], caption: str, name: str = "") -> Html:
    """The rate of each verdict by check and margin, beside a column that says from how many seeds."""
    columns: list[Column[Rates]] = [
        Column("inside the limit by", lambda cell: number(cell["margin"], ""), numeric=True),
        seeds,
        *(Column(heading, partial(_percent, rate), numeric=True) for rate, heading in _RATES.items()),
    ]
    return table(records_of(cells), columns, caption, group=itemgetter("check"), name=name)


def _simulated(cells: pd.DataFrame) -> str:
    return f"Verdicts in {cells['simulations'].iloc[0]:,} simulated reproductions of each row"


def _percent(name: Any, record: Mapping[Any, Any]) -> str:  # noqa: ANN401 - a column of a frame
    return f"{100 * record[name]:.1f}"
