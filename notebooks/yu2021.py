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
# separable ones (*ConvNet*). The authors published their notebooks with everything that these printed, so here our curves can be compared
# with theirs epoch by epoch.

# %% tags=["parameters", "remove-input"]
budget = "paper"
results_dir = "../../results"
train = False

# %% tags=["remove-input"]
from IPython.display import Markdown, display

from sepconv import papers
from sepconv.report import figures, frames, pages, tables
from sepconv.report.markup import Html, folded, paragraph
from sepconv.report.source import source
from sepconv.verdicts.sentences import signed

page = pages.opening("yu2021", results_dir, budget, train)
paper, found, budgets = page.paper, page.results, page.budgets
page

# %% [markdown]
# ## Scope of the claims
#
# The paper compares accuracy on CIFAR-10 and CIFAR-100, the time of training, and the time of inference. It reports accuracies that hardly
# differ; epochs of DepthwiseConvNet that take half the time, but longer training in total, since DepthwiseConvNet is trained for more
# epochs; and inference that is a little faster in large batches and slower in very small ones.

# %% tags=["remove-input"]
pages.scope(page)

# %% [markdown]
# ## What we found

# %% tags=["remove-input"]
conv, dw, as_printed = (found.cost_of(paper.key, name) for name in ("cifar100-conv", "cifar100-dw", "conv-fig2"))
times = papers.printed(paper, "times").set_index("metric")[["conv", "dw"]].astype(float)
total = times.loc["total_seconds"]
display(pages.findings(page))
Markdown(
    f"ConvNet has {conv.trainable_params:,} trainable parameters ({as_printed.trainable_params:,} as Fig. 2 prints it), "
    f"DepthwiseConvNet {dw.trainable_params:,}. For one image ConvNet takes {conv.mult_adds / dw.mult_adds:.1f} times as many "
    f"mult-adds. By our count, a training step of DepthwiseConvNet holds {dw.training_step_bytes / conv.training_step_bytes:.2f} times as "
    f"many bytes. The whole training of DepthwiseConvNet takes {total['dw'] / total['conv']:.2f} times as long in the paper: "
    f"{total['dw']:,.0f} against {total['conv']:,.0f} seconds."
)

# %% [markdown]
# ## Networks
#
# The two networks have the same first and last layers and the same channels between them. They are built by one function, which is given
# the kind of block:

# %% tags=["remove-input"]
source("networks/layers.py", "mobilenet_blocks")

# %% tags=["remove-input"] mystnb={"figure": {"name": "yu2021-fig-1", "caption": "The three kinds of layers, drawn from the first blocks of the built networks (Fig. 1 of yu2021). The number after an arrow is the number of output channels. {download}`Layers as CSV <data/yu2021-layers.csv>`"}, "image": {"alt": "Three columns of boxes: depthwise separable, a depthwise and a pointwise convolution, each with batch norm and ReLU; ordinary, one convolution with batch norm and ReLU; transposed, one transposed convolution with batch norm and ReLU"}}
frames.save(frames.layers(conv, dw), "yu2021-layers")
kinds = {"depthwise\nseparable": (dw, "block1_"), "ordinary": (conv, "block1_"), "transposed": (conv, "stem_")}
picked = {title: [x for x in cost.layers if x.name.startswith(start)] for title, (cost, start) in kinds.items()}
figures.diagram({t: figures.layer_boxes(x, ["batch norm", "ReLU"]) for t, x in picked.items()})

# %% [markdown]
# **Figures 2 and 3** of the paper list the layers. ConvNet as printed lacks the rows from 512 to 512 channels that DepthwiseConvNet has. The
# authors' notebooks have them, and only with them does the number of parameters agree with the paper. They are built, and marked in
# {numref}`yu2021-layers-convnet`.

# %% tags=["remove-input"]
printed_networks = {
    "figure2": ("ConvNet (Fig. 2 of yu2021)", conv, "yu2021-layers-convnet"),
    "figure3": ("DepthwiseConvNet (Fig. 3 of yu2021)", dw, ""),
}
for figure, (title, cost, name) in printed_networks.items():
    printed = papers.printed(paper, figure)
    rows = printed.itertuples(index=False, name=None)
    display(tables.side_by_side(title, list(printed), rows, tables.channel_rows(cost), name))

# %% [markdown]
# ## Training
#
# The recipe is that of the authors' notebooks. Each network and dataset has its own number of epochs and its own decay of the learning
# rate; all else is shared.

# %% tags=["remove-input"]
source("papers/yu2021.py", "_recipe")

# %% tags=["remove-input"]
tables.recipe_table(paper)

# %% [markdown]
# This trains DepthwiseConvNet for one epoch on a few images:
#
# ```python
# from sepconv.papers import paper
# from sepconv.spec import Budget, Run
# from sepconv.training.trainer import Trainer
#
# trainer = Trainer(Run("yu2021", paper("yu2021").experiment("cifar10-dw"), Budget.SMOKE, seed=0))
# trainer.train_epoch()
# print(trainer.progress)
# ```

# %% [markdown]
# ## Results
#
# The grey line in {numref}`yu2021-fig-4` to {numref}`yu2021-fig-10` is what the authors' notebooks printed, one run of each network. Our
# runs, where there are any, are drawn over it. Those of a shorter {term}`budget` follow a {term}`compressed schedule`, so they have panels of their own. The paper plots the training loss, and the
# accuracy on the test split, which it calls validation accuracy. The *test* loss that the notebooks print is not shown: it is slightly too
# large throughout, since the sum over batches is divided by the index of the last batch and not by the number of batches.

# %% tags=["remove-input"]
names = {"dw": "DepthwiseConvNet", "conv": "ConvNet"}
labels = {f"{data}-{name}": label for data in ("cifar10", "cifar100") for name, label in names.items()}
history = frames.save(frames.history(paper, found, labels, budgets), "yu2021-curves")
log = frames.save(papers.training_log(paper), "yu2021-log")


# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Show the curves of DepthwiseConvNet on CIFAR-10", "code_prompt_hide": "Hide the curves of DepthwiseConvNet on CIFAR-10", "figure": {"name": "yu2021-fig-4", "caption": "DepthwiseConvNet on CIFAR-10, training loss and test accuracy (Figs. 4 and 5 of yu2021). {download}`Our runs <data/yu2021-curves.csv>`, {download}`the authors’ log <data/yu2021-log.csv>`"}, "image": {"alt": "DepthwiseConvNet on CIFAR-10: training loss and test accuracy over epochs, our runs over the authors' log"}}
figures.over_log(history[history["experiment"] == "cifar10-dw"], frames.log(paper, "cifar10-dw"))

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Show the curves of ConvNet on CIFAR-10", "code_prompt_hide": "Hide the curves of ConvNet on CIFAR-10", "figure": {"name": "yu2021-fig-6", "caption": "ConvNet on CIFAR-10, training loss and test accuracy (Figs. 6 and 7 of yu2021). {download}`Our runs <data/yu2021-curves.csv>`, {download}`the authors’ log <data/yu2021-log.csv>`"}, "image": {"alt": "ConvNet on CIFAR-10: training loss and test accuracy over epochs, our runs over the authors' log"}}
figures.over_log(history[history["experiment"] == "cifar10-conv"], frames.log(paper, "cifar10-conv"))

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Show the curves of DepthwiseConvNet on CIFAR-100", "code_prompt_hide": "Hide the curves of DepthwiseConvNet on CIFAR-100", "figure": {"name": "yu2021-fig-8", "caption": "DepthwiseConvNet on CIFAR-100, training loss and test accuracy (Figs. 8 and 9 of yu2021). {download}`Our runs <data/yu2021-curves.csv>`, {download}`the authors’ log <data/yu2021-log.csv>`"}, "image": {"alt": "DepthwiseConvNet on CIFAR-100: training loss and test accuracy over epochs, our runs over the authors' log"}}
figures.over_log(history[history["experiment"] == "cifar100-dw"], frames.log(paper, "cifar100-dw"))

# %% tags=["remove-input", "hide-output"] mystnb={"code_prompt_show": "Show the curves of ConvNet on CIFAR-100", "code_prompt_hide": "Hide the curves of ConvNet on CIFAR-100", "figure": {"name": "yu2021-fig-10", "caption": "ConvNet on CIFAR-100, training loss and test accuracy (Figs. 10 and 11 of yu2021). {download}`Our runs <data/yu2021-curves.csv>`, {download}`the authors’ log <data/yu2021-log.csv>`"}, "image": {"alt": "ConvNet on CIFAR-100: training loss and test accuracy over epochs, our runs over the authors' log"}}
figures.over_log(history[history["experiment"] == "cifar100-conv"], frames.log(paper, "cifar100-conv"))

# %% [markdown]
# **The authors' log by itself.** The paper compares each network at the end of its own schedule. Compared at equal epochs, the same log
# gives another order ({numref}`yu2021-log`). It is one run of each network without restarts: its epochs are numbered without a gap, and every one is timed.

# %% mystnb={"figure": {"name": "yu2021-log", "caption": "Test accuracy of both networks on CIFAR-10 in the authors' log. {download}`CSV <data/yu2021-log.csv>`"}, "image": {"alt": "Test accuracy over epochs of DepthwiseConvNet and ConvNet on CIFAR-10, as the authors' notebooks print it"}}
of_cifar10 = {f"cifar10-{name}": label for name, label in names.items()}
figures.curves(frames.logged(paper, of_cifar10), "val_accuracy", "test accuracy (%)")

# %% tags=["remove-input"]
leads = frames.log_leads(paper, [("cifar10-conv", "cifar10-dw"), ("cifar100-conv", "cifar100-dw")])
frames.save(leads, "yu2021-log-leads")
first = 10  # before it both curves rise steeply
shown = leads[leads["epoch"] >= first].groupby(["experiment", "held_equal"], sort=False)["lead"]
lines = [
    f"- {paper.labels[name]}, at equal {held_equal}: ahead of DepthwiseConvNet at {(lead > 0).sum()} of the {len(lead)} epochs "
    f"from epoch {first} on; by {signed(lead.mean())} points on average"
    for (name, held_equal), lead in shown
]
Markdown("\n".join(lines))

# %% [markdown]
# {download}`CSV of these leads <data/yu2021-log-leads.csv>`
#
# **The times of Sections 4.2 and 4.3.** Seconds depend on the machine, and the paper does not name its GPU. What can be compared is how many
# times as long ConvNet takes as DepthwiseConvNet, shown in {numref}`yu2021-times`. If the number of mult-adds alone determined the time, every ratio would lie on the dashed
# line. Times from a CPU or at a shorter budget are shown but never decide a claim.

# %% tags=["remove-input"] mystnb={"figure": {"name": "yu2021-times", "caption": "Time of ConvNet over that of DepthwiseConvNet, as printed in Secs. 4.2 and 4.3, and as measured here. Right of the solid line DepthwiseConvNet is faster. {download}`CSV <data/yu2021-times.csv>`"}, "image": {"alt": "Ratios of times on a logarithmic axis, a row for each measurement: reported, ours where measured, and the ratio of mult-adds"}}
ratios = frames.save(frames.ratios(paper, found, papers.printed(paper, "times"), budgets), "yu2021-times")
figures.ratios(ratios, "ConvNet ÷ DepthwiseConvNet", {"mult-adds": conv.mult_adds / dw.mult_adds})

# %% tags=["remove-input"]
Html(folded("The claims on these times, with what was measured", tables.times_table(page.judgements, found)))

# %% [markdown]
# Our latencies are taken as the notebooks take theirs, on images copied from the host and with batch norm on each batch's statistics, with
# one difference: the notebooks also time the two worker processes that load the images, and we do not.
#
# The runs at the paper's budget that the verdicts need, and what the missing ones would cost:

# %% tags=["remove-input"]
pages.missing_runs(page)

# %% [markdown]
# ## Claims
#
# A claim is a sentence of the paper with a criterion that was fixed before the runs. One of them, as it stands in the code:

# %% tags=["remove-input"]
source("papers/yu2021.py", "yu2021.epoch-time")

# %%
paragraph(page.judgement("yu2021.epoch-time").sentence)

# %% [markdown]
# All of them:

# %% tags=["remove-input"]
tables.claim_cards(page.judgements)

# %% [markdown]
# ## What was easy
#
# The notebooks state every hyperparameter and print every epoch, which is more than either of the other papers offers. The numbers of
# parameters match to the last digit.
#
# ## What was hard
#
# The paper and its notebooks differ: in the layers of ConvNet, in its epochs on CIFAR-100, and in how accuracy was measured, since
# a network that is left in training mode normalises each batch by that batch's own statistics. The notebooks make a new optimizer at each
# epoch, so momentum starts from zero each time, and that had to be rebuilt. So had PyTorch's padding of strided convolutions and its
# initial weights, which are not Keras's. What the paper calls validation is the test split.
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
