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

from sepconv import claims, papers, results, tables

found = results.read_all(Path(results_dir))
judged = [(paper, claims.judge(paper, found)) for paper in papers.all_papers()]

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
recipes = {paper.key: next(e.recipe for e in paper.experiments if e.recipe) for paper in papers.all_papers()}
silent = {
    key: [name.replace("_", " ") for name, source in recipe.sources.items() if "not stated" in source]
    for key, recipe in recipes.items()
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
# One row for each number that lies outside of what its criterion allows. *Off by* is the distance to the nearest allowed value. A
# count has no chance in it, so whatever it is off by comes from what was built, which the last column tells. For a trained network,
# the part that is smaller than the interval of the mean can be the luck of the seeds; what is left over is a difference between the
# programs, and the departures above are where to look for it. Where a claim was inconsistent within its paper, no choice of ours
# could have helped.

# %% tags=["hide-input"]
tables.gaps_table([judgement for _, judgements in judged for judgement in judgements])
