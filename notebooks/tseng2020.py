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
# {cite:t}`tseng2020` build two networks for CIFAR-10. *Conv* is a plain one: three convolutions with pooling and a hidden dense
# layer. *DepthSepConv* follows MobileNet {cite:p}`howard2017`, with depthwise separable blocks and global pooling instead of the
# hidden layer. Both are trained with and without augmentation, and the four training runs are compared as curves.

# %% tags=["parameters", "remove-input"]
budget = "paper"
results_dir = "../../results"
train = False

# %% tags=["remove-input"]
from IPython.display import Markdown, display

from sepconv import papers
from sepconv.report import figures, frames, pages, tables
from sepconv.report.markup import paragraph
from sepconv.report.source import source
from sepconv.spec import CLASSES, IMAGE_SHAPES, TEST_IMAGES

page = pages.opening("tseng2020", results_dir, budget, train)
paper, found, budgets = page.paper, page.results, page.budgets
page

# %% [markdown]
# ## Scope of the claims
#
# The paper claims that the separable network has half the parameters, is more accurate in training and in validation, and takes hardly
# more time; and that augmentation lowers training accuracy and raises validation accuracy in both networks.

# %% tags=["remove-input"]
pages.scope(page)

# %% [markdown]
# ## What we found

# %% tags=["remove-input"]
conv, dsc, dsc_5 = (found.cost_of(paper.key, name) for name in ("conv", "dsc", "dsc-5"))
display(pages.findings(page))
Markdown(
    f"Conv has {conv.num_params:,} parameters and takes {conv.mult_adds / 1e6:.1f} million mult-adds per image. DepthSepConv has "
    f"{dsc.num_params:,} parameters, {conv.num_params / dsc.num_params:.2f} times fewer, and takes {dsc.mult_adds / 1e6:.1f} million "
    f"mult-adds, {dsc.mult_adds / conv.mult_adds:.2f} times as many. A training step holds {conv.training_step_bytes / 1e6:,.0f} MB for "
    f"Conv and {dsc.training_step_bytes / 1e6:,.0f} MB for DepthSepConv, whose backward pass needs the activations of many more layers."
)

# %% [markdown]
# ## Networks
#
# The block that DepthSepConv repeats, as this book builds it:

# %% tags=["remove-input"]
source("networks/layers.py", "depthwise_separable_block")

# %% [markdown]
# Tables 1 and 2 of the paper list every layer. {numref}`tseng2020-conv` repeats the first of them, with a mark at each row in which the
# network built here differs. It has three slips. Pooling is printed with stride 1 but must have stride 2, since the next row's input
# is half as wide. The later filters are printed without their input channels. The row of the hidden layer gives its input before
# flattening. The softmax is part of the loss here.

# %% tags=["remove-input"]
layer_columns = ["type", "filter", "input"]
table1 = papers.printed(paper, "table1")[layer_columns].itertuples(index=False, name=None)
tables.side_by_side("Conv (Table 1 of tseng2020)", layer_columns, table1, tables.layer_rows(conv), "tseng2020-conv")

# %% [markdown]
# Table 2 of the paper has five blocks of 512 filters, but the number of parameters given in the text is that of a network with one. One is
# built, and the other four are marked in {numref}`tseng2020-dsc`. The network as printed is trained as well, under the name `dsc-5`.

# %% tags=["remove-input"]
table2 = papers.printed(paper, "table2").to_dict("records")
repeated = [row for row in table2 if row["times"] != "1"]
at = table2.index(repeated[0])
unrolled = table2[:at] + repeated * int(repeated[0]["times"]) + table2[at + len(repeated) :]
rows = [[row[column] for column in layer_columns] for row in unrolled]
tables.side_by_side("DepthSepConv (Table 2 of tseng2020)", layer_columns, rows, tables.layer_rows(dsc), "tseng2020-dsc")

# %% [markdown]
# ## Training
#
# One recipe trains all four networks; augmentation is the only difference. Each value has a source: its place in the paper, or the reason
# why we chose it.

# %% tags=["remove-input"]
source("papers/tseng2020.py", "RECIPE")

# %% tags=["remove-input"]
tables.recipe_table(paper)

# %% [markdown]
# The data are those of the paper; the system is not ({numref}`tseng2020-system`).

# %% tags=["remove-input"]
recipe, shape = paper.experiment("conv").recipe, IMAGE_SHAPES["cifar10"]
sizes = [recipe.train_images, recipe.validation_images, TEST_IMAGES]
here = ["CIFAR-10", f"{shape[0]} × {shape[1]}", f"{CLASSES['cifar10']} categories", *(f"{n:,} pics" for n in sizes)]
table3, table4 = (dict(papers.printed(paper, name).to_numpy()) for name in ("table3", "table4"))
display(tables.values_beside("Data (Table 3 of tseng2020)", table3, dict(zip(table3, here, strict=True))))
tables.values_beside("System (Table 4 of tseng2020)", table4, frames.systems(paper, found), "tseng2020-system")

# %% [markdown]
# The paper's Table 4 cannot be right as printed: CUDA supports cards of the TITAN RTX's generation only from the next major version on.
# Either the card or the version is misprinted; the paper does not show which. No verdict depends on it.
#
# This trains DepthSepConv for one epoch on a few images:
#
# ```python
# from sepconv.papers import paper
# from sepconv.spec import Budget, Run
# from sepconv.training.trainer import Trainer
#
# trainer = Trainer(Run("tseng2020", paper("tseng2020").experiment("dsc"), Budget.SMOKE, seed=0))
# trainer.train_epoch()
# print(trainer.progress)
# ```

# %% [markdown]
# ## Results
#
# The paper prints its curves without numbers, so ours in {numref}`tseng2020-fig-1` and {numref}`tseng2020-fig-2` cannot be drawn over
# them; what its text says about them is judged in the claims below. Only the paper's own schedule decides a claim.

# %% mystnb={"figure": {"name": "tseng2020-fig-1", "caption": "Training accuracy of both networks with (DA) and without augmentation (Fig. 1 of tseng2020). Thin lines are seeds, the thick line is their mean. The CSV also has the shorter budgets. {download}`CSV <data/tseng2020-curves.csv>`"}, "image": {"alt": "Training accuracy over epochs of Conv, DepthSepConv, DA-Conv and DA-DepthSepConv"}}
names = {"conv": "Conv", "dsc": "DepthSepConv", "da-conv": "DA-Conv", "da-dsc": "DA-DepthSepConv"}
history = frames.save(frames.history(paper, found, names, budgets), "tseng2020-curves")
whole = history["budget"] == budget
figures.curves(history[whole], "train_accuracy")

# %% tags=["remove-input"] mystnb={"figure": {"name": "tseng2020-fig-2", "caption": "Validation accuracy of the same runs (Fig. 2 of tseng2020). {download}`CSV <data/tseng2020-curves.csv>`"}, "image": {"alt": "Validation accuracy over epochs of Conv, DepthSepConv, DA-Conv and DA-DepthSepConv"}}
figures.curves(history[whole], "val_accuracy")

# %% [markdown]
# The {term}`budgets <budget>` `short` and `double` compress the schedule into fewer epochs, so their curves must not be compared with those
# above. Read validation accuracy there with care: batch norm evaluates with running averages, which Keras updates slowly and which lag
# behind the statistics that the network is trained with. DepthSepConv has batch norm and Conv has none.

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Show the curves at the shorter budgets", "code_prompt_hide": "Hide the curves at the shorter budgets", "figure": {"name": "tseng2020-shorter", "caption": "Validation accuracy at the shorter budgets, a panel for each. {download}`CSV <data/tseng2020-curves.csv>`"}, "image": {"alt": "Validation accuracy over epochs of the same networks under compressed schedules, one panel for each budget"}}
figures.curves(history[~whole], "val_accuracy")

# %% [markdown]
# The runs at the paper's budget that the verdicts need, and what the missing ones would cost:

# %% tags=["remove-input"]
pages.missing_runs(page)

# %% [markdown]
# ## Claims
#
# A claim is a sentence of the paper with a criterion that was fixed before the runs. One of them, as it stands in the code:

# %% tags=["remove-input"]
source("papers/tseng2020.py", "tseng2020.val-dsc-higher")

# %%
paragraph(page.judgement("tseng2020.val-dsc-higher").sentence)

# %% [markdown]
# All of them:

# %% tags=["remove-input"]
tables.claim_cards(page.judgements)

# %% [markdown]
# ## What was easy
#
# The tables give nearly every shape, and the two numbers of parameters in the text settle the rest: only one reading gives both of these
# counts to the last digit. Batch size, epochs and the split of the images are stated.
#
# ## What was hard
#
# The paper states neither the optimizer, nor the learning rate, nor how pixels are scaled, nor how strongly images are augmented. These set
# how fast a curve rises and how much augmentation costs, so the verdicts on augmentation depend on our choices more than the others do.
# Table 2 and the text contradict each other about the network that was trained. And since the curves come without numbers, only their
# order can be tested.
#
# ## Departures
#
# Where we knowingly differ from the paper, or had to choose because it is silent:

# %% tags=["remove-input"]
tables.departures_table(paper)

# %% [markdown]
# ## Contact with the authors

# %% tags=["remove-input"]
Markdown(pages.CONTACT)
