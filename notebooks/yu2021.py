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
# # yu2021: MobileNet with and without depthwise separable convolutions
#
# {cite:t}`yu2021` take MobileNet {cite:p}`howard2017`, replace its first layer by a transposed convolution so that it fits the small images
# of CIFAR, and train it twice: as it is (*DepthwiseConvNet*), and with ordinary convolutions of the same channels in place of the
# separable ones (*ConvNet*). They compare accuracy on CIFAR-10 and CIFAR-100, the time of training, and the time of inference.
#
# They find accuracies that hardly differ, epochs that take half the time, and an inference that is a little faster in large batches
# and slower in very small ones. The authors published their notebooks with all that they printed, so here
# our curves can be laid over theirs.

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

page = pages.opening("yu2021", results_dir, budget, train)
paper, found, budgets = page.paper, page.results, page.budgets
page

# %% [markdown]
# ## The networks
#
# The two networks have the same first and last layers and the same channels between them. Their blocks are of the three kinds of the
# paper's first figure. Here they are drawn from the first blocks of the built networks.

# %% tags=["hide-input"] mystnb={"figure": {"name": "yu2021-fig-1", "caption": "The three kinds of layers, drawn from the built networks (Fig. 1 of yu2021). The number after an arrow is that of the channels that come out. {download}`Layers as CSV <data/yu2021-layers.csv>`"}, "image": {"alt": "Three columns of boxes: depthwise separable, a depthwise and a pointwise convolution, each with batch norm and ReLU; ordinary, one convolution with batch norm and ReLU; transposed, one transposed convolution with batch norm and ReLU"}}
conv, dw = (found.cost_of(paper.key, f"cifar100-{name}") for name in ("conv", "dw"))
frames.save(frames.layers(conv, dw), "yu2021-layers")
kinds = {"depthwise\nseparable": (dw, "block1_"), "ordinary": (conv, "block1_"), "transposed": (conv, "stem_")}
picked = {title: [x for x in cost.layers if x.name.startswith(start)] for title, (cost, start) in kinds.items()}
figures.diagram({t: figures.layer_boxes(x, ["batch norm", "ReLU"]) for t, x in picked.items()})

# %% [markdown]
# **Figures 2 and 3** list the layers. ConvNet as printed lacks the rows from 512 to 512 channels that DepthwiseConvNet has. The authors'
# notebooks have them, and only with them does the number of parameters come out that the paper gives. They are built, and marked here.

# %% tags=["hide-input"]
for figure, name, cost in (("figure2", "Fig. 2: ConvNet", conv), ("figure3", "Fig. 3: DepthwiseConvNet", dw)):
    printed = papers.printed(paper, figure)
    rows = printed.itertuples(index=False, name=None)
    display(tables.side_by_side(name, list(printed), rows, tables.channel_rows(cost)))

# %% tags=["hide-input"]
as_printed = found.cost_of(paper.key, "conv-fig2")
Markdown(
    f"ConvNet has {conv.trainable_params:,} trainable parameters ({as_printed.trainable_params:,} as Fig. 2 prints it), "
    f"DepthwiseConvNet {dw.trainable_params:,}. For one image ConvNet takes {conv.mult_adds / dw.mult_adds:.1f} times as many "
    f"mult-adds, and a training step of DepthwiseConvNet holds {dw.training_step_bytes / conv.training_step_bytes:.2f} times as many bytes."
)

# %% [markdown]
# ## The curves
#
# The grey line is what the authors' notebooks printed, one run of each network. Ours lie over it, where there are any; runs of a shorter
# budget go through a compressed schedule and end at the left edge, so their curves need not agree. The paper plots the training loss and the accuracy on the test split, which it calls validation accuracy.
# The *test* loss that the notebooks print is not shown: it is a little too large throughout, since a sum over batches is divided by the
# index of the last batch and not by their number.

# %% tags=["hide-input"]
names = {"dw": "DepthwiseConvNet", "conv": "ConvNet"}
labels = {f"{data}-{name}": label for data in ("cifar10", "cifar100") for name, label in names.items()}
history = frames.save(frames.history(paper, found, labels, budgets), "yu2021-curves")
log = frames.save(papers.training_log(paper), "yu2021-log")


# %% tags=["hide-input"] mystnb={"figure": {"name": "yu2021-fig-4", "caption": "DepthwiseConvNet on CIFAR-10, training loss and test accuracy (Figs. 4 and 5 of yu2021). {download}`Our runs <data/yu2021-curves.csv>`, {download}`the authors’ log <data/yu2021-log.csv>`"}, "image": {"alt": "DepthwiseConvNet on CIFAR-10: training loss and test accuracy over epochs, our runs over the authors' log"}}
figures.over_log(history[history["experiment"] == "cifar10-dw"], frames.log(paper, "cifar10-dw"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "yu2021-fig-6", "caption": "ConvNet on CIFAR-10, training loss and test accuracy (Figs. 6 and 7 of yu2021). {download}`Our runs <data/yu2021-curves.csv>`, {download}`the authors’ log <data/yu2021-log.csv>`"}, "image": {"alt": "ConvNet on CIFAR-10: training loss and test accuracy over epochs, our runs over the authors' log"}}
figures.over_log(history[history["experiment"] == "cifar10-conv"], frames.log(paper, "cifar10-conv"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "yu2021-fig-8", "caption": "DepthwiseConvNet on CIFAR-100, training loss and test accuracy (Figs. 8 and 9 of yu2021). {download}`Our runs <data/yu2021-curves.csv>`, {download}`the authors’ log <data/yu2021-log.csv>`"}, "image": {"alt": "DepthwiseConvNet on CIFAR-100: training loss and test accuracy over epochs, our runs over the authors' log"}}
figures.over_log(history[history["experiment"] == "cifar100-dw"], frames.log(paper, "cifar100-dw"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "yu2021-fig-10", "caption": "ConvNet on CIFAR-100, training loss and test accuracy (Figs. 10 and 11 of yu2021). {download}`Our runs <data/yu2021-curves.csv>`, {download}`the authors’ log <data/yu2021-log.csv>`"}, "image": {"alt": "ConvNet on CIFAR-100: training loss and test accuracy over epochs, our runs over the authors' log"}}
figures.over_log(history[history["experiment"] == "cifar100-conv"], frames.log(paper, "cifar100-conv"))

# %% [markdown]
# What is still missing at that budget, and what it would cost:

# %% tags=["hide-input"]
pages.missing_table(page.wanted, found)

# %% [markdown]
# ## The times of Sections 4.2 and 4.3
#
# Seconds depend on the machine, and the paper does not name its GPU. What can be compared is how many times as long ConvNet takes as
# DepthwiseConvNet. If mult-adds were all that counts, it would be as in the dashed line. Times from a CPU or a smaller budget are
# shown but never decide a claim.

# %% tags=["hide-input"] mystnb={"figure": {"name": "yu2021-times", "caption": "Time of ConvNet over that of DepthwiseConvNet, as printed in Secs. 4.2 and 4.3, and as measured here. Right of the solid line DepthwiseConvNet is faster. {download}`CSV <data/yu2021-times.csv>`"}, "image": {"alt": "Ratios of times on a logarithmic axis, a row for each measurement: reported, ours where measured, and the ratio of mult-adds"}}
ratios = frames.save(frames.ratios(paper, found, papers.printed(paper, "times"), budgets), "yu2021-times")
figures.ratios(ratios, "ConvNet ÷ DepthwiseConvNet", {"mult-adds": conv.mult_adds / dw.mult_adds})

# %% [markdown]
# The table holds what decides.

# %% tags=["hide-input"]
tables.times_table(page.judgements, found)

# %% [markdown]
# ## The claims

# %% tags=["hide-input"]
tables.claim_cards(page.judgements)

# %% [markdown]
# ## What was easy and what was hard
#
# **Easy.** The notebooks state every hyperparameter and print every epoch, which is more than either of the other papers offers. Numbers
# of parameters come out to the last digit.
#
# **Hard.** The paper and its notebooks differ: in the layers of ConvNet, in its epochs on CIFAR-100, and in how accuracy was measured, since
# a network that was left in training mode normalises each batch by that batch's own statistics. The notebooks make a new optimizer at each
# epoch, so momentum starts from zero each time; that had to be rebuilt. So had PyTorch's padding of strided convolutions and its
# initial weights, which are not Keras's. "Validation" is the test split, and was tuned on.
#
# All choices are listed under [](departures).

# %% [markdown]
# ## The recipe

# %% tags=["hide-input"]
tables.recipe_table(paper)
