"""Results as tidy data frames, one observation per row: what figures are drawn from and readers download.

One module per subject; pages take all of them from here. Rows of different machines stand side by side and are never
pooled.
"""

from pathlib import Path

import pandas as pd

from sepconv.report.frames.calibration import power, seed_noise
from sepconv.report.frames.clusters import disturbances, scaling, simulated
from sepconv.report.frames.equal_cost import (
    accuracies_over_cost,
    break_even,
    deltas,
    pairs_of_widths,
    slowdowns,
    tuning,
)
from sepconv.report.frames.measurements import (
    depthwise,
    fastest_ways,
    latencies,
    limits,
    memories,
    ratios,
    roofline_ratios,
    throughputs,
)
from sepconv.report.frames.networks import costs, counts, intensity, layers, learning_rates, padded_bytes
from sepconv.report.frames.pairs import papers_ratios
from sepconv.report.frames.runs import (
    HISTORY,
    accuracies,
    accuracy_text,
    all_runs,
    history,
    log,
    log_leads,
    logged,
    precisions,
    repeats,
    shown,
    systems,
)

__all__ = [
    "HISTORY",
    "accuracies",
    "accuracies_over_cost",
    "accuracy_text",
    "all_runs",
    "break_even",
    "costs",
    "counts",
    "deltas",
    "depthwise",
    "disturbances",
    "fastest_ways",
    "history",
    "intensity",
    "latencies",
    "layers",
    "learning_rates",
    "limits",
    "log",
    "log_leads",
    "logged",
    "memories",
    "padded_bytes",
    "pairs_of_widths",
    "papers_ratios",
    "power",
    "precisions",
    "ratios",
    "repeats",
    "roofline_ratios",
    "save",
    "scaling",
    "seed_noise",
    "shown",
    "simulated",
    "slowdowns",
    "systems",
    "throughputs",
    "tuning",
]


def save(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Write the frame to ``data/NAME.csv`` beside the page that offers it for download, and return it."""
    path = Path("data") / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    return frame
