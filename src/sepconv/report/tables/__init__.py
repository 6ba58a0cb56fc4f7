"""Tables and claim cards of the book: judgements, specs, results and frames in, HTML out. No files, no statistics.

One module per subject; pages take all of them from here. Each table is a list of columns for
:func:`sepconv.report.markup.table`.
"""

from sepconv.report.tables.calibration import calibration_table, concordance_table, policy_table, wrong_rates_table
from sepconv.report.tables.cells import format_estimate
from sepconv.report.tables.claims import claim_cards, gaps_table, scoreboard, times_table
from sepconv.report.tables.comparison import (
    changed_table,
    compared_table,
    expected_table,
    idle_claims,
    left_out_table,
)
from sepconv.report.tables.equal_cost import deltas_table, pairs_table, tuning_table
from sepconv.report.tables.measurements import limits_table, memories_table, rooflines_table, throughputs_table
from sepconv.report.tables.networks import (
    channel_rows,
    costs_table,
    layer_rows,
    networks_beside,
    side_by_side,
    values_beside,
)
from sepconv.report.tables.runs import (
    latencies_table,
    missing_table,
    precision_table,
    problems_table,
    repeats_table,
    runs_table,
)
from sepconv.report.tables.specs import choices_table, departures_table, recipe_table

__all__ = [
    "calibration_table",
    "changed_table",
    "channel_rows",
    "choices_table",
    "claim_cards",
    "compared_table",
    "concordance_table",
    "costs_table",
    "deltas_table",
    "departures_table",
    "expected_table",
    "format_estimate",
    "gaps_table",
    "idle_claims",
    "latencies_table",
    "layer_rows",
    "left_out_table",
    "limits_table",
    "memories_table",
    "missing_table",
    "networks_beside",
    "pairs_table",
    "policy_table",
    "precision_table",
    "problems_table",
    "recipe_table",
    "repeats_table",
    "rooflines_table",
    "runs_table",
    "scoreboard",
    "side_by_side",
    "throughputs_table",
    "times_table",
    "tuning_table",
    "values_beside",
    "wrong_rates_table",
]
