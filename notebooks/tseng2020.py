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
# # tseng2020: a small network, standard and depthwise separable
#
# {cite:t}`tseng2020` build two networks for CIFAR-10. *Conv* is a plain one, three convolutions with pooling and a hidden dense
# layer. *DepthSepConv* follows MobileNet {cite:p}`howard2017`, with depthwise separable blocks and a global pooling in place of the
# hidden layer. Both are trained with and without augmentation of the images, and the four training runs are compared as curves.
#
# The paper claims that the separable network has half the parameters, is more accurate in training and in validation, and takes
# hardly more time; and that augmentation lowers training accuracy and raises validation accuracy in both.

# %% tags=["parameters"]
budget = "paper"
results_dir = "../../results"
train = False

# %% [markdown]
# With the parameter `train`, what is missing at the budget is trained first. Without it, this page is made from the results that are
# there.

# %% tags=["hide-input"]
from IPython.display import Markdown, display

from sepconv import papers
from sepconv.report import figures, frames, pages, tables
from sepconv.spec import CLASSES, IMAGE_SHAPES, TEST_IMAGES

page = pages.opening("tseng2020", results_dir, budget, train)
paper, found, budgets = page.paper, page.results, page.budgets
page

# %% [markdown]
# ## The networks
#
# Tables 1 and 2 of the paper list every layer. Where the network that is built here has another one, the row is marked and says so.
# Three things are to be seen in Table 1: pooling is printed with stride 1 and must have stride 2, for the next row's input is
# half as wide; the later filters are printed without their input channels; and the row of the hidden layer gives its input before it is
# flattened. The softmax is part of the loss here.

# %% tags=["hide-input"]
layer_columns = ["type", "filter", "input"]
table1 = papers.printed(paper, "table1")[layer_columns].itertuples(index=False, name=None)
conv, dsc, dsc_5 = (found.cost_of(paper.key, name) for name in ("conv", "dsc", "dsc-5"))
tables.side_by_side("Table 1: Conv", layer_columns, table1, tables.layer_rows(conv))

# %% [markdown]
# Table 2 prints five blocks of 512 filters. The number of parameters that the text gives is that of a network with one, so one is
# built, and the other four are marked. The network as printed is trained as well, under the name `dsc-5`.

# %% tags=["hide-input"]
table2 = papers.printed(paper, "table2").to_dict("records")
repeated = [row for row in table2 if row["times"] != "1"]
at = table2.index(repeated[0])
unrolled = table2[:at] + repeated * int(repeated[0]["times"]) + table2[at + len(repeated) :]
rows = [[row[column] for column in layer_columns] for row in unrolled]
tables.side_by_side("Table 2: DepthSepConv", layer_columns, rows, tables.layer_rows(dsc))

# %% tags=["hide-input"]
Markdown(
    f"Conv has {conv.num_params:,} parameters and takes {conv.mult_adds:,} mult-adds for one image; DepthSepConv has "
    f"{dsc.num_params:,} and takes {dsc.mult_adds:,}, so it has fewer parameters and takes *more* arithmetic. With the five "
    f"blocks of Table 2 it has {dsc_5.num_params:,}. One training step holds {conv.training_step_bytes / 1e6:,.0f} MB for Conv "
    f"and {dsc.training_step_bytes / 1e6:,.0f} MB for DepthSepConv: the backward pass needs the activations of all its layers."
)

# %% [markdown]
# ## Data and system

# %% tags=["hide-input"]
recipe, shape = paper.experiment("conv").recipe, IMAGE_SHAPES["cifar10"]
sizes = [recipe.train_images, recipe.validation_images, TEST_IMAGES]
ours = ["CIFAR-10", f"{shape[0]} × {shape[1]}", f"{CLASSES['cifar10']} categories", *(f"{n:,} pics" for n in sizes)]
table3 = papers.printed(paper, "table3")
built = zip(table3["property"], ours, strict=True)
display(
    tables.side_by_side("Table 3: data sets", ["property", "value"], table3.itertuples(index=False, name=None), built)
)
table4 = papers.printed(paper, "table4").to_dict("records")
systems = frames.systems(paper, found)
mine = [{"value": systems[row["property"]]} if row["property"] in systems else {} for row in table4]
tables.columns_beside("Table 4: system", table4, mine)

# %% [markdown]
# ## The curves
#
# The paper prints its curves as figures without numbers, so ours cannot be laid over them. What its text says about them is judged
# in the claims below. A panel for each budget is shown: only the paper's own decides a claim, and curves of different panels must
# not be compared, since a smaller budget trains for fewer epochs. At the smaller budgets, read validation accuracy with care: batch norm
# evaluates with running averages, which Keras moves slowly, and which lag behind the statistics that the network is trained with.
# DepthSepConv has batch norm and Conv has none.

# %% tags=["hide-input"] mystnb={"figure": {"name": "tseng2020-fig-1", "caption": "Training accuracy of both networks with (DA) and without augmentation (Fig. 1 of tseng2020). Thin lines are seeds, the thick line is their mean. {download}`CSV <data/tseng2020-curves.csv>`"}, "image": {"alt": "Training accuracy over epochs of Conv, DepthSepConv, DA-Conv and DA-DepthSepConv, one panel for each budget"}}
names = {"conv": "Conv", "dsc": "DepthSepConv", "da-conv": "DA-Conv", "da-dsc": "DA-DepthSepConv"}
history = frames.save(frames.history(paper, found, names, budgets), "tseng2020-curves")
figures.curves(history, "train_accuracy")

# %% tags=["hide-input"] mystnb={"figure": {"name": "tseng2020-fig-2", "caption": "Validation accuracy of the same runs (Fig. 2 of tseng2020). {download}`CSV <data/tseng2020-curves.csv>`"}, "image": {"alt": "Validation accuracy over epochs of Conv, DepthSepConv, DA-Conv and DA-DepthSepConv, one panel for each budget"}}
figures.curves(history, "val_accuracy")

# %% [markdown]
# What is still missing at that budget, and what it would cost:

# %% tags=["hide-input"]
pages.missing_table(page.wanted, found)

# %% [markdown]
# ## The claims

# %% tags=["hide-input"]
tables.claim_cards(page.judgements)

# %% [markdown]
# ## What was easy and what was hard
#
# **Easy.** The tables give nearly every shape, and the two numbers of parameters in the text settle the rest: they are counts, and
# only one reading gives both to the last digit. Batch size, epochs and the split are stated.
#
# **Hard.** The optimizer, the learning rate and the scaling of pixels are not stated, and neither is how strongly images are
# augmented or by what. These set how fast a curve rises and how much augmentation costs, so the claims about augmentation rest on
# our choice more than others do. Table 2 and the text contradict each other about the network that was trained. And without numbers on
# the curves, one can only ask which is above which.
#
# All choices are listed under [](departures).

# %% [markdown]
# ## The recipe

# %% tags=["hide-input"]
tables.recipe_table(paper)
