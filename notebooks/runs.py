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
# A run is one experiment at one budget from one seed. Its result is one file below `results/`, written by the program that trained
# it and never edited: a checksum in the file would tell. This page lists them all, with the machine and the code that they come from,
# and says which ones are missing. Only runs at the budget `paper` decide a claim.

# %% tags=["parameters", "remove-input"]
results_dir = "../../results"
repeats_dir = "../../repeats"
budget = "paper"

# %% tags=["remove-input"]
from pathlib import Path

from IPython.display import display

from sepconv import papers
from sepconv.report import frames, pages, tables
from sepconv.results import store

found = store.read_all(Path(results_dir))

# %% [markdown]
# ## Runs
#
# *Minutes* hold compilation, training and evaluation. *Train* is the accuracy of the last epoch over its own, possibly augmented
# batches; *val* and *test* are measured after it. The *commit* is that of the code, `-dirty` where it had been changed since; the
# *run id* is a hash of all that determines the numbers, so the same recipe and seed have the same id everywhere.

# %% tags=["remove-input"]
tables.runs_table(found)

# %% [markdown]
# ## Repeats
#
# Is a run repeated bit by bit? Some were made a second time, from the same seed, and their results lie below `repeats/`; they count for
# nothing else. *Numbers* says whether every loss and every accuracy of every epoch is the same to the last bit, and the last two
# columns how far they are apart at most, in points and in loss. Another commit of the code, another machine or another number of its
# cores may change bits.

# %% tags=["remove-input"]
again = store.read_all(Path(repeats_dir)) if Path(repeats_dir).is_dir() else store.Results()
tables.repeats_table(frames.repeats(found, again))

# %% [markdown]
# ## Latencies
#
# One pass over the test images without training, repeated, at each batch size.

# %% tags=["remove-input"]
tables.latencies_table(found)

# %% [markdown]
# ## Counts
#
# Parameters, mult-adds and bytes are counted from the built networks, and so do not depend on a seed or a machine.

# %% tags=["remove-input"]
for paper in papers.all_papers():
    display(tables.costs_table(paper, found))

# %% [markdown]
# ## What is missing
#
# A verdict on a trained network needs three seeds. The hours are what training would take on the named machine, from the fastest
# epoch of the same network that was ever measured there; *unknown* where none was.

# %% tags=["remove-input"]
pages.missing_table(pages.needed(papers.all_papers(), budget), found)

# %% [markdown]
# ## Problems
#
# A file that is damaged, was edited, or lies in the wrong place is listed here and counts for nothing.

# %% tags=["remove-input"]
tables.problems_table(found)
