# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Every run
#
# A run is one experiment at one budget (how much of the paper's schedule is trained) from one seed. Its result is one file below
# `results/`, written by the program that trained it. It is never edited, and a checksum in the file would reveal it. This page lists all
# runs with the machine and the version of the code that they come from, and says which are missing. Only runs at the budget `paper` decide
# a claim.

# %% tags=["parameters", "remove-input"]
results_dir = "../../results"
repeats_dir = "../../repeats"
budget = "paper"

# %% tags=["remove-input"]
from pathlib import Path

import pandas as pd
from IPython.display import display

from sepconv import papers
from sepconv.report import frames, pages, tables
from sepconv.report.markup import Html, folded
from sepconv.results import store

found = store.read_all(Path(results_dir))

# %% [markdown]
# ## Runs
#
# {numref}`all-runs` has one row per run. The minutes include compilation, training and evaluation. *Val* and *test* are accuracies in percent after the last epoch. The *commit* is
# that of the code, `-dirty` where the code had been changed since. The CSV also has the epochs, the training accuracy, the precision, and the *run
# id*, a hash of everything that determines the numbers, so the same recipe and seed have the same id everywhere.
# {download}`CSV <data/runs.csv>`

# %% tags=["remove-input"]
frames.save(frames.all_runs(found), "runs")
tables.runs_table(found)

# %% [markdown]
# ## Repeats
#
# Is a run repeated bit by bit? Some runs are made a second time from the same seed. Their results lie below `repeats/` and are used for
# nothing else. *Numbers* says whether every loss and every accuracy of every epoch is the same to the last bit, and the last two
# columns give the largest difference, in points and in loss. Another commit of the code, another machine or another number of
# cores may change bits.

# %% tags=["remove-input"]
again = store.read_all(Path(repeats_dir)) if Path(repeats_dir).is_dir() else store.Results()
tables.repeats_table(frames.repeats(found, again))

# %% [markdown]
# ## Latencies
#
# The time of one pass over the test images without training, repeated, at each batch size. [](speed) shows the latency of a batch. A name
# with `reduced` is of a pass over some of the images only.

# %% tags=["remove-input"]
tables.latencies_table(found)

# %% [markdown]
# ## Counts
#
# Parameters, mult-adds and bytes are counted from the built networks, and so do not depend on a seed or a machine. Numbers are rounded;
# the exact ones are in the {download}`CSV <data/runs-counts.csv>`.

# %% tags=["remove-input"]
known = papers.all_papers()
frames.save(pd.concat([frames.counts(paper, found) for paper in known]), "runs-counts")
for paper in known:
    display(Html(folded(f"Networks of {paper.key}", tables.costs_table(paper, found))))

# %% [markdown]
# ## What is missing
#
# A verdict on a trained network needs three seeds. The hours are estimates for the named machine, from the fastest epoch of the same
# network that was measured there; *unknown* where none was.

# %% tags=["remove-input"]
pages.missing_table(pages.needed(papers.all_papers(), budget), found)

# %% [markdown]
# ## Problems
#
# A file that is damaged, was edited, or lies in the wrong place is listed here and ignored otherwise.

# %% tags=["remove-input"]
tables.problems_table(found)
