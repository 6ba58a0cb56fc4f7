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
# No paper states everything that its program did. Where one is silent, contradicts itself, or used something that does not exist any
# more, we had to choose. This page lists every such choice and its reason, then every hyperparameter with its place in the paper,
# and at last which claims did not come out, since these are where the choices may matter.

# %% tags=["parameters", "hide-input"]
results_dir = "../../results"

# %% tags=["hide-input"]
from pathlib import Path

from IPython.display import Markdown, display

from sepconv import papers
from sepconv.report import tables
from sepconv.results import store
from sepconv.verdicts import attribution
from sepconv.verdicts.judge import judge

found = store.read_all(Path(results_dir))
judged = [(paper, judge(paper, found)) for paper in papers.published()]

# %% [markdown]
# ## Departures
#
# A *departure* is a place where we knowingly differ from what is printed, or had to fill a gap. The column *the paper* says what is
# printed, and *here* what is run.

# %% tags=["hide-input"]
for paper in papers.all_papers():
    display(tables.departures_table(paper))

# %% [markdown]
# (recipes)=
# ## Recipes
#
# A recipe is the set of hyperparameters that a network is trained with. Each has a source: its place in the paper or in the authors'
# published notebooks, or *not stated*, with the reason for the value that we took.

# %% tags=["hide-input"]
recipes = {paper.key: [e.recipe for e in paper.experiments if e.recipe] for paper in papers.all_papers()}
silent = {
    key: [name.replace("_", " ") for name, source in trained[0].sources.items() if "not stated" in source]
    for key, trained in recipes.items()
    if trained
}
Markdown(
    "\n".join(
        f"- {key} leaves open, at least in part: {', '.join(names) or 'nothing'}." for key, names in silent.items()
    )
)

# %% [markdown]
# Each table gives the first experiment's recipe in full, then only what differs in others.

# %% tags=["hide-input"]
for paper in papers.all_papers():
    display(tables.recipe_table(paper))

# %% [markdown]
# ## What did not come out, and what may be behind it
#
# Where a claim is not reproduced or inconclusive, the results are asked three things in turn. Does it come out in an experiment that
# lacks one of our departures? Then that *protocol departure* is behind it. Could one more run land within the criterion, though the
# mean of ours does not? Then *seed noise* can be, since the papers trained once. And a count has no chance in it: if no choice of ours
# touches it, it is *the statement itself*. What is left over is *unexplained*, and the last column says what would tell more.
#
# Claims on which a paper contradicts itself are not listed: no choice of ours could have helped.

# %% tags=["hide-input"]
gaps = [gap for paper, judgements in judged for gap in attribution.gaps(paper, judgements, found)]
tables.gaps_table(gaps)
