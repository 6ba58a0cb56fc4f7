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
# # How the networks are trained
#
# Two parts of a recipe are easier to show than to describe: the learning rate over the epochs, and the augmentation of the images. Papers
# state the first in a sentence and the second as a list of names. This page shows both as they are run here. The page of each paper gives
# the numbers behind them, each with its place in the paper or our reason.

# %% tags=["parameters", "remove-input"]
seed = 1

# %% tags=["remove-input"]
import os

import numpy as np
import pandas as pd
from matplotlib.image import imread

os.environ["KERAS_BACKEND"] = "numpy"  # the code is the same on every backend; this one starts at once

from sepconv import papers
from sepconv.report import figures, frames
from sepconv.training import augment

tseng, islam = papers.paper("tseng2020"), papers.paper("islam2022")

# %% [markdown]
# ## Learning rates
#
# {cite:t}`islam2022` states three points, start, peak and end, with a short warm-up to the peak. {cite:t}`yu2021` multiply by the
# same factor after each epoch, a different one for each network. {cite:t}`tseng2020` say nothing, and we take the default of their
# framework. The points that define a schedule are marked: its start, its peak and its end.

# %% tags=["remove-input"] mystnb={"figure": {"name": "training-learning-rates", "caption": "Learning rate over the epochs of every recipe, on a logarithmic scale. {download}`CSV <data/training-learning-rates.csv>`"}, "image": {"alt": "Learning rates over epochs: islam2022 rises briefly, then falls exponentially; tseng2020 is constant; yu2021 falls exponentially, at four different speeds"}}
rates = pd.concat([frames.learning_rates(paper) for paper in papers.all_papers()])
figures.learning_rates(frames.save(rates, "training-learning-rates"))

# %% [markdown]
# The budgets `short` and `double` compress these schedules so that they end at the same learning rate: a warm-up keeps its share of the epochs,
# at least one, and a decay per epoch is raised to the power that keeps the last epoch's rate.

# %% [markdown]
# ## Augmentation
#
# Each image draws its own operation and strength, again in every epoch. The pictures show the operations one by one, and then all
# steps of the recipe together, on one training image of each class of CIFAR-10 {cite:p}`krizhevsky2009`: the first of each in the official
# files. They are made by the code that trains, here with NumPy as its backend. {download}`The images <../_static/cifar10-examples.png>`

# %% tags=["remove-input"]
images = np.stack(np.split(imread("../_static/cifar10-examples.png"), 10, axis=1))
pixels = np.uint8(np.round(255 * images))

# %% [markdown]
# ### tseng2020
#
# The paper names kinds of operations but no strengths. Ours are mild: each moves or brightens the image a little.

# %% tags=["remove-input"] mystnb={"figure": {"name": "training-augmentation-tseng2020", "caption": "The operations of tseng2020’s augmentation, each alone, and all in turn. Pixels outside the image repeat its edge."}, "image": {"alt": "Ten small photographs in a row, and the same shifted, rotated, zoomed, brightened or darkened, flipped, and all of it at once"}}
recipe = tseng.experiment("da-conv").recipe
alone = {name: ((name,),) for step in recipe.augment for name in step}
made = {name: augment.examples(steps, pixels, seed) for name, steps in (alone | {"all steps": recipe.augment}).items()}
figures.photographs({"as they are": images} | made)

# %% [markdown]
# ### islam2022
#
# The thesis names four methods, all of them strong. RandAugment {cite:p}`cubuk2020` and AutoAugment {cite:p}`cubuk2019` put an image
# through a few operations from a fixed list, MixUp {cite:p}`zhang2018` blends it with another, and CutMix {cite:p}`yun2019` pastes a
# box of another into it; the labels are mixed in the same proportions. In the recipe an image draws one of the first two and one of the last
# two, after a flip and a crop. The pictures show why training accuracy may stay far below testing accuracy.

# %% tags=["remove-input"] mystnb={"figure": {"name": "training-augmentation-islam2022", "caption": "The operations of islam2022’s augmentation, each alone, and all steps of the recipe in turn. Pixels outside the image are grey, the mean of CIFAR-10. MixUp and CutMix mix an image with the one to its left."}, "image": {"alt": "Ten small photographs in a row, and the same flipped, cropped, with operations of RandAugment and AutoAugment, blended with or pasted over by their neighbours, and all of it at once"}}
recipe = islam.experiment("small").recipe
alone = {name: ((name,),) for step in recipe.augment for name in step}
made = {name: augment.examples(steps, pixels, seed) for name, steps in (alone | {"all steps": recipe.augment}).items()}
figures.photographs({"as they are": images} | made)

# %% [markdown]
# ### yu2021
#
# The images are only scaled by mean and standard deviation, as in the authors' notebooks.
