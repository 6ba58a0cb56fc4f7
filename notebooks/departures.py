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
# # Departures and assumptions
#
# No paper states everything that its program did. Where a paper is silent, contradicts itself, or used something that no longer
# exists, we had to choose. Each paper's page gives every such choice with its reason. This page lists what was chosen, and asks of each claim
# that was not reproduced whether a choice of ours may be the cause.

# %% tags=["parameters", "remove-input"]
results_dir = "../../results"

# %% tags=["remove-input"]
from pathlib import Path

from sepconv import papers
from sepconv.report import tables
from sepconv.results import store
from sepconv.verdicts import attribution
from sepconv.verdicts.judge import judge

found = store.read_all(Path(results_dir))
judged = [(paper, judge(paper, found)) for paper in papers.published()]

# %% [markdown]
# ## What was chosen
#
# A *departure* is a place where we knowingly differ from what is printed, or had to fill a gap. {numref}`choices` names them all, and the
# *hyperparameters* that a paper leaves open, at least in part.

# %% tags=["remove-input"]
tables.choices_table(papers.all_papers())

# %% [markdown]
# ## What was not reproduced, and what may be the cause
#
# For each claim that is not reproduced or inconclusive, {numref}`gaps` asks the results three questions in turn. Is it reproduced in an experiment
# without one of our departures? Then that *protocol departure* is the cause. Could one more run meet the criterion, although the
# mean of ours does not? Then *seed noise* can be the cause, since the papers trained once. A count involves no chance, so if no choice of ours
# affects it, the cause is *the statement itself*. What is left is *unexplained*, and the last column says what would tell more.
#
# Claims on which a paper contradicts itself are not listed: no choice of ours could have helped.

# %% tags=["remove-input"]
gaps = [gap for paper, judgements in judged for gap in attribution.gaps(paper, judgements, found)]
tables.gaps_table(gaps)
