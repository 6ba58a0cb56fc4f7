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
# # When does it pay? A comparison at equal cost
#
# None of the papers answers this question. Their separable and standard networks also differ in depth or in their last layers, or have
# no counterpart, so a difference may have other causes than the convolution. Here one network is built with both kinds of convolution in
# several widths, and trained with one recipe. The question is then asked at *equal cost*, for each cost that a user may pay: arithmetic,
# parameters, training time, latency, memory. Mult-adds alone do not tell how fast a network is {cite:p}`ma2018`, and which network looks
# efficient depends on the cost that is shown {cite:p}`dehghani2022`.
#
# This is a study of our own, judged by the same program as the papers. Networks, recipe, questions, criteria and our expectations were
# written in code before its first run.

# %% tags=["parameters", "remove-input"]
budget = "paper"
results_dir = "../../results"
train = False

# %% tags=["remove-input"]
import numpy as np
from IPython.display import Markdown

from sepconv.papers import ours2026
from sepconv.report import figures, frames, pages, tables
from sepconv.report.source import source

page = pages.opening("ours2026", results_dir, budget, train)
page

# %% [markdown]
# ## The answer
#
# {numref}`ours2026-deltas` and {numref}`ours2026-answers` say by how many points separable networks are ahead at equal cost, for each cost,
# averaged over the range of costs that both kinds cover.

# %% tags=["remove-input"] mystnb={"figure": {"name": "ours2026-deltas", "caption": "The mean distance in test accuracy at equal cost (Bjøntegaard delta) with its 95 % interval. A difference within the shaded margin counts as none. {download}`CSV <data/ours2026-deltas.csv>`"}, "image": {"alt": "A row for each cost: the mean distance between separable and standard networks with its interval, beside zero and the margin"}}
deltas = frames.save(frames.deltas(page.paper, page.judgements, page.results), "ours2026-deltas")
figures.forest(deltas)

# %% tags=["remove-input"]
tables.deltas_table(deltas)

# %% [markdown]
# ## The networks
#
# The skeleton is the separable network of {cite:t}`tseng2020`, which follows MobileNet {cite:p}`howard2017`. Its numbers of filters are
# multiplied by a width. In the standard kind a single convolution replaces the depthwise and the pointwise one; batch norm and
# ReLU follow each convolution in both kinds. A standard network of a third of the width costs about as much as the separable one, both in
# mult-adds and in parameters. Only memory differs: the separable one holds the activations of twice as many layers, each
# three times as wide.

# %% tags=["remove-input"]
source("networks/tseng.py", "skeleton")

# %% tags=["remove-input"]
frames.save(frames.counts(page.paper, page.results), "ours2026-counts")
tables.costs_table(page.paper, page.results)

# %% [markdown]
# {download}`Exact counts as CSV <data/ours2026-counts.csv>`

# %% [markdown]
# ## Accuracy over cost
#
# Every point is a run. The delta is the mean vertical distance between the two lines over the range that both cover
# {cite:p}`bjontegaard2001`, here with straight lines between the means, over the logarithm of the cost. It is a weighted sum of the means,
# so its interval is Student's, with one variance pooled over all networks.

# %% tags=["remove-input"] mystnb={"figure": {"name": "ours2026-costs", "caption": "Test accuracy over each cost, every seed. A time has a panel for each machine on which all networks were measured. {download}`CSV <data/ours2026-costs.csv>`"}, "image": {"alt": "Test accuracy over the logarithm of each cost, a line through the means of separable and of standard networks, a point for each seed"}}
points = frames.save(frames.accuracies_over_cost(page.paper, page.results), "ours2026-costs")
figures.accuracy_over_cost(points)

# %% [markdown]
# {numref}`ours2026-pairs` holds networks with about the same mult-adds against each other, and says how often a run of the separable one is
# above a run of the standard one. {download}`CSV <data/ours2026-pairs.csv>`

# %% tags=["remove-input"]
tables.pairs_table(frames.save(frames.pairs_of_widths(page.paper, page.results), "ours2026-pairs"))

# %% [markdown]
# ## Break-even
#
# A depthwise convolution takes longer per mult-add than a standard one. How much longer may it take before separable networks are
# no longer ahead at equal time? The answer is where the curve of {numref}`ours2026-break-even` crosses zero. The vertical marks are
# measured slowdowns.

# %% tags=["remove-input"] mystnb={"figure": {"name": "ours2026-break-even", "caption": "How far separable networks would be ahead at equal time, over how many times as slow per mult-add they are, with the 95 % interval and the measured slowdowns. {download}`CSV of the curve <data/ours2026-break-even.csv>`, {download}`CSV of the marks <data/ours2026-slowdowns.csv>`"}, "image": {"alt": "The lead of separable networks falling with their slowdown per mult-add, with a vertical mark for each measured machine"}}
curve = frames.save(frames.break_even(page.paper, page.results, np.geomspace(0.5, 8, 49)), "ours2026-break-even")
slowdowns = frames.save(frames.slowdowns(page.paper, page.results), "ours2026-slowdowns")
figures.break_even(curve, slowdowns)

# %% tags=["remove-input"]
above = curve.loc[curve["delta"] > 0, "slowdown"]
Markdown(
    f"By the means, separable networks stay ahead up to a slowdown of about {above.max():.1f}."
    if len(above)
    else "No slowdown is known yet at which separable networks are ahead."
)

# %% [markdown]
# ## The questions
#
# Each question stands where a paper's claim would, with a criterion fixed before the runs.

# %% tags=["remove-input"]
tables.claim_cards(page.judgements)

# %% [markdown]
# The runs that the verdicts need, and what the missing ones would cost:

# %% tags=["remove-input"]
pages.missing_runs(page)

# %% [markdown]
# ## Tuning and recipe
#
# A recipe may suit one kind better, so the peak learning rate and the weight decay of depthwise kernels are tuned separately for each kind,
# at one width, on training images that are held out ({numref}`ours2026-tuning`). The rule of choice is code: the best mean validation
# accuracy, and of equal ones the smaller rate. The test images decide nothing here. {download}`CSV <data/ours2026-tuning.csv>`

# %% tags=["remove-input"]
tuning = frames.save(frames.tuning(page.results), "ours2026-tuning")
tables.tuning_table(tuning)

# %% tags=["remove-input"]
undone = int((tuning["seeds"] < len(ours2026.TUNING_SEEDS)).sum())
Markdown(
    f"**{undone} of {len(tuning)} settings have not been tried yet: what the recipe records is provisional.**"
    * bool(undone)
)

# %% tags=["remove-input"]
tables.recipe_table(page.paper)

# %% [markdown]
# ## What this does not cover
#
# The study covers one skeleton on small images, trained for a few epochs. Published tables of other separable networks
# {cite:p}`haase2020` suggest what to expect elsewhere. Where a cost was not measured on a machine, its question is not tested there.
#
# Where we differ from the network and the recipe that we build on:

# %% tags=["remove-input"]
tables.departures_table(page.paper)
