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
# A depthwise separable convolution splits a convolution in two: one filter for each channel, then a 1×1 convolution that mixes the
# channels. It needs fewer weights. What else does it save, and what does it cost? {cite:t}`tseng2020`, {cite:t}`islam2022` and
# {cite:t}`yu2021` tried it on CIFAR images. We extracted their testable claims, fixed a criterion for each before running anything, and ran
# the experiments again from one code base. Every number and every verdict below is computed from results; none is typed.

# %% tags=["parameters", "remove-input"]
results_dir = "../../results"

# %% tags=["remove-input"]
from operator import attrgetter
from pathlib import Path

from sepconv import papers
from sepconv.report import answer, figures, frames, pages, tables
from sepconv.results import store
from sepconv.spec import Budget
from sepconv.verdicts.judge import judge

found = store.read_all(Path(results_dir))
judged = [(paper, judge(paper, found)) for paper in sorted(papers.published(), key=attrgetter("year", "key"))]
judgements = [judgement for _, of_paper in judged for judgement in of_paper]

# %% [markdown]
# ## Does it pay?
#
# In the papers' own pairs of networks, the depthwise separable one against the standard one:

# %% tags=["remove-input"]
ratios = frames.save(frames.papers_ratios(found), "index-ratios")
answer.costs(ratios)

# %% tags=["remove-input"] mystnb={"figure": {"name": "answer", "caption": "Depthwise separable against standard networks, in the papers' own pairs. Our comparison at equal cost takes their place once all of its runs are done. {download}`CSV of the pairs <data/index-ratios.csv>`"}, "image": {"alt": "A row for each cost: the separable network's divided by the standard one's, beside the line at one, and the difference in accuracy beside zero"}}
study = papers.paper("ours2026")
deltas = frames.deltas(study, judge(study, found), found)
figures.papers_ratios(ratios) if deltas.empty else figures.forest(deltas)

# %% [markdown]
# Those pairs differ in more than the kind of convolution. [](ours2026) asks the same at equal cost, with one network in both kinds and one
# recipe:

# %% tags=["remove-input"]
answer.at_equal_cost(deltas)

# %% [markdown]
# ### How sure is this?

# %% tags=["remove-input"]
answer.support(judgements)

# %% [markdown]
# (scoreboard)=
# ## Scoreboard
#
# {numref}`claims-by-verdict` counts the claims. Each row of the tables below it is one claim, linked to its evidence: the sentence word for
# word, the criterion, the numbers, and the runs behind them.
#
# - **Reproduced** or **not reproduced**: a count is equal or not; of trained networks, the 95 % interval of the mean over seeds lies inside
#   what the criterion allows, or outside. A paper can also be **consistent** or **inconsistent** with itself.
# - **Inconclusive**: the interval lies across the limit. More seeds may decide.
# - **Not tested at this budget**: runs of the paper's whole schedule are missing. What shortened schedules **indicate** is shown as
#   evidence and never counts.
#
# *Not reproduced* is said of a sentence, not of its authors: they may have run something that the paper leaves open ([](departures)).
# [](how-to-read-a-verdict) has the rules in full.

# %% tags=["remove-input"]
tables.scoreboard(judged)

# %% [markdown]
# ## What is missing

# %% tags=["remove-input"]
missing = pages.missing(pages.needed(papers.published(), Budget.PAPER), found)
answer.missing(judgements, missing, pages.seconds(missing, found))

# %% [markdown]
# [](runs) lists the missing runs by experiment.
#
# ## Run it again
#
# ```shell
# make report
# make reproduce BUDGET=short PAPER=tseng2020
# ```
#
# The first makes this book from the committed results on a fresh clone. The second trains what has no result yet and rebuilds the book.
# [](../rerun) says how to do that on a GPU, how to compare your numbers with ours, and how to add a paper.
