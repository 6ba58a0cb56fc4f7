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
# # Depthwise Separable Convolution, Reproduced
#
# A depthwise separable convolution splits a convolution in two: one filter for each channel, then a 1×1 convolution that
# mixes the channels. It needs a fraction of the weights and of the arithmetic. What does it cost in accuracy, and what does it save in
# time? {cite:t}`tseng2020`, {cite:t}`islam2022` and {cite:t}`yu2021` asked that on CIFAR images, and this book began with them.
#
# It takes each sentence of its papers that can turn out to hold or not, fixes beforehand what would have to be seen, runs their
# experiments again from one code base, and lets a program say what holds. **No verdict in this book is typed by hand.**

# %% tags=["parameters", "hide-input"]
results_dir = "../../results"

# %% tags=["hide-input"]
from pathlib import Path

from IPython.display import Markdown

from sepconv import papers
from sepconv.report import pages, tables
from sepconv.results import store
from sepconv.spec import Budget
from sepconv.verdicts.judge import judge
from sepconv.verdicts.rules import Verdict
from sepconv.verdicts.samples import MIN_SEEDS

found = store.read_all(Path(results_dir))
judged = [(paper, judge(paper, found)) for paper in papers.published()]

# %% [markdown]
# (scoreboard)=
# ## Scoreboard
#
# One row a claim. Its name leads to its card on the paper's page: the sentence word for word, the criterion, the reading that was
# chosen where the paper leaves something open, the numbers, and the runs behind them.

# %% tags=["hide-input"]
tables.scoreboard(judged)

# %% [markdown]
# ## How to read a verdict
#
# A claim about a count is **reproduced** or **not reproduced**: the number is equal or it is not. A paper that says two things
# which cannot both be true is **inconsistent** with itself.
#
# A claim about trained networks is judged by the 95 % interval of the mean over seeds. Inside what the criterion allows it is
# reproduced, outside it is not, and across the border it is **inconclusive**. Only runs of the paper's whole schedule count. As
# long as they are missing, the claim is **not tested at this budget**; what complete runs of a shortened schedule
# **indicate** stands on its card and counts for nothing. [](how-to-read-a-verdict) says it in full.
#
# *Not reproduced* speaks of a sentence and not of its authors: what they left open, and we had to choose, may be what differs. Those
# choices are all listed under [](departures).

# %% [markdown]
# ## What is not tested yet

# %% tags=["hide-input"]
untested = [j for _, judgements in judged for j in judgements if j.verdict is Verdict.NOT_TESTED]
wanted = pages.needed(papers.published(), Budget.PAPER)
missing = pages.missing(wanted, found)
Markdown(
    f"**{len(untested)} of {sum(len(judgements) for _, judgements in judged)} claims are not tested.** They rest "
    f"on training at the papers' own budget: {len(wanted)} runs, {MIN_SEEDS} seeds of each experiment that they read, of which "
    f"{len(missing)} are missing, and on times, which are only taken from accelerators."
)

# %% tags=["hide-input"]
lines = [
    f"- On {machine}, {len(known)} of the missing runs would take about {sum(known.values()) / 3600:,.0f} hours; "
    f"the speed of the other {len(missing) - len(known)} was not measured there."
    for machine, known in pages.seconds(missing, found).items()
]
Markdown("\n".join(lines) or "What they would take is not known yet: none of these networks has been trained.")

# %% [markdown]
# [](runs) lists them experiment by experiment.
#
# ## At equal cost
#
# None of the papers says when depthwise separable convolution pays. [](ours2026) asks that at equal cost, in a study of our own.

# %% [markdown]
# ## Run it again
#
# ```shell
# make report
# make reproduce BUDGET=short PAPER=tseng2020
# ```
#
# The first makes this book from the committed results on a fresh clone; the second trains what has no result yet and makes the
# book from the whole. [](../rerun) says how to do it on a GPU, how to see your numbers beside ours, and how to add a paper.
