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
# # The papers beside each other
#
# Each paper compares networks under its own recipe. This page puts all of them into the same pictures, and asks what none of the
# papers asks: why so much less arithmetic saves so little time, how many seeds a claim of this kind needs, and whether the
# answers depend on the precision of the arithmetic.

# %% tags=["parameters"]
budget = "paper"
results_dir = "../../results"

# %% tags=["hide-input"]
from pathlib import Path

import numpy as np
from IPython.display import Markdown

from sepconv import papers
from sepconv.report import figures, frames, tables
from sepconv.results import store
from sepconv.verdicts import rules

found, budgets = store.read_all(Path(results_dir)), frames.shown(budget)

# %% [markdown]
# ## Accuracy against cost
#
# A line joins networks that see the same images, with or without the same augmentation. **Filled** points are runs of a paper's
# whole schedule, **hollow** ones of a shorter budget: complete schedules in fewer epochs. Compare filled with filled and
# hollow with hollow, and only along a line. Across lines recipes, epochs and images differ. At the shorter
# budgets batch norm is re-estimated, since its running averages have not settled. The controlled comparison, one recipe for all, is still
# to be run.

# %% tags=["hide-input"] mystnb={"figure": {"name": "comparison-costs", "caption": "Test accuracy (mean over seeds) against parameters, mult-adds for one image, and bytes that one training step holds at the recipe's batch size. {download}`CSV <data/comparison-costs.csv>`"}, "image": {"alt": "Three scatter plots of test accuracy against parameters, mult-adds and bytes of a training step, on logarithmic axes"}}
costs = frames.save(frames.costs(papers.published(), found, budgets), "comparison-costs")
figures.accuracy_against_costs(costs, ["num_params", "mult_adds", "training_step_bytes"])

# %% [markdown]
# The last panel shows what the word *lightweight* hides. Beside weights, gradients and optimizer state, training holds the activations
# that the backward pass needs. A separable block has two convolutions, two norms and two activation functions where a standard one
# has one each, so it keeps about twice as many activations, and that outweighs the weights that it saves:

# %% tags=["hide-input"]
twins = [("tseng2020", "conv", "dsc"), ("yu2021", "cifar100-conv", "cifar100-dw")]
pairs = [(key, found.cost_of(key, standard), found.cost_of(key, separable)) for key, standard, separable in twins]
Markdown(
    "\n".join(
        f"- {key}, depthwise separable over standard: parameters × {b.num_params / a.num_params:.2f}, mult-adds × "
        f"{b.mult_adds / a.mult_adds:.2f}, weights and optimizer × {b.weight_bytes / a.weight_bytes:.2f}, a whole training "
        f"step × {b.training_step_bytes / a.training_step_bytes:.2f}."
        for key, a, b in pairs
    )
)

# %% [markdown]
# ## Why fewer mult-adds are not less time
#
# A device computes and moves data at once. What a layer needs more of sets its time {cite:p}`williams2009`. The number that tells is its
# *arithmetic intensity*: operations for each byte that is moved. A depthwise convolution uses each value that it reads only a few
# times. It does next to no arithmetic, but reads and writes as much as any other layer.

# %% tags=["hide-input"] mystnb={"figure": {"name": "comparison-intensity", "caption": "Arithmetic intensity of each convolution of yu2021's networks: two operations a mult-add, over the bytes of input, output and weights, forward, float32, at the recipe's batch size. {download}`CSV <data/comparison-intensity.csv>`"}, "image": {"alt": "Operations per byte over the place in the network: standard convolutions highest, pointwise ones about a tenth of them, depthwise ones lower again by an order of magnitude or more"}}
conv, dw = (found.cost_of("yu2021", f"cifar100-{name}") for name in ("conv", "dw"))
intensity = frames.intensity({"ConvNet": conv, "DepthwiseConvNet": dw}, conv.batch_size)
figures.intensities(frames.save(intensity, "comparison-intensity"))

# %% [markdown]
# A device has such a number too, its *balance*: how many operations it computes while it moves one byte. Layers below it wait for
# memory. The roofline then predicts how many times as long ConvNet takes as DepthwiseConvNet, for any device: on one with little
# arithmetic the ratio is that of the mult-adds, and the more arithmetic a device has for each byte, the less is saved. The
# reported ratio of epoch times is what devices of a balance around the crossing should show. This is a bound and no measurement: it
# leaves out the backward pass, starting each kernel, and caches.

# %% tags=["hide-input"] mystnb={"figure": {"name": "comparison-roofline", "caption": "Time of ConvNet over that of DepthwiseConvNet for a batch, over the balance of the device. Lines: the roofline’s prediction. Points: measured here. They lie below the lines, since ConvNet comes closer to the device’s limits than DepthwiseConvNet with its many small layers. Dotted: reported by yu2021 (Sec. 4.3) for a GPU whose balance is unknown. At high balance the prediction reverses the reported order of the batch sizes: it counts ConvNet’s larger weights, which make its small batches slow, but not the time to start each layer, of which DepthwiseConvNet has about twice as many. {download}`CSV <data/comparison-roofline.csv>`"}, "image": {"alt": "Predicted ratio of times falling from the ratio of mult-adds on devices of low balance to about one on devices of high balance; the measured ratios lie below the prediction, the reported ones lower still"}}
pair = [found.cost_of("yu2021", f"cifar10-{name}") for name in ("conv", "dw")]
times = papers.printed(papers.paper("yu2021"), "times")
epoch = times[times["metric"] == "epoch_seconds"].iloc[0]
predicted = frames.roofline_ratios(*pair, (4, 256), np.geomspace(1, 1000, 61), found, times)
marks = {
    "ratio of mult-adds": pair[0].mult_adds / pair[1].mult_adds,
    "reported, one epoch of training": float(epoch["conv"]) / float(epoch["dw"]),
}
figures.roofline_ratios(frames.save(predicted, "comparison-roofline"), marks)

# %% tags=["hide-input"]
shares = (
    intensity[intensity["network"] == "DepthwiseConvNet"].groupby("convolution")[["mult_adds", "bytes_moved"]].sum()
)
shares = 100 * shares / shares.sum()
Markdown(
    f"In DepthwiseConvNet, depthwise convolutions do {shares.loc['depthwise', 'mult_adds']:.0f} % of the convolutions' mult-adds "
    f"and move {shares.loc['depthwise', 'bytes_moved']:.0f} % of their bytes."
)

# %% [markdown]
# ## How many seeds a claim needs
#
# Two runs that differ in their seed only end at different accuracies. So one run of each network, which is what the papers report,
# tells their order only if they are far apart. The figure shows simulated reproductions: two networks whose true accuracies differ by as
# much as the legend says, judged by the rules of this book.

# %% tags=["hide-input"] mystnb={"figure": {"name": "comparison-power", "caption": "How often the true order of two networks is found, over the number of seeds of each, at a typical deviation of an accuracy from seed to seed. {download}`CSV <data/comparison-power.csv>`"}, "image": {"alt": "Share of reproductions that find the order, rising with the number of seeds, faster for networks that are further apart"}}
power = frames.save(frames.power(margins=[0.5, 1, 2], noise=0.6, seeds=range(3, 16)), "comparison-power")
figures.power(power)

# %% tags=["hide-input"]
enough = power[power["decided"] >= 0.8].groupby("margin")["seeds"].min()
most = power["seeds"].max()
lines = [
    f"- {margin:g} point{'s' * (margin != 1)} apart: {enough.get(margin, f'more than {most}')} seeds of each network find the order in "
    "four of five cases."
    for margin in sorted(set(power["margin"]))
]
Markdown(f"With a deviation of {power['noise'].iloc[0]:g} points:\n\n" + "\n".join(lines))

# %% [markdown]
# ## Does the verdict depend on the precision?
#
# GPUs compute faster in bfloat16 than in float32, and a re-runner may want to use it. Every verdict of this book rests on float32.
# Some experiments have a twin that differs in nothing but the precision: its layers compute in bfloat16, while weights, optimizer, batch
# norm's statistics and the loss stay in float32. No claim rests on the twins; they are only held against their originals.

# %% tags=["hide-input"]
Markdown(
    f"The rule was fixed before the first of these runs. The difference of the test accuracies is paired over equal seeds. "
    f"*{rules.Difference.NONE.capitalize()}*: its 95 % interval lies within {rules.RELEVANT_DIFFERENCE:g} point on either side of zero, which is "
    f"the narrowest tolerance of any claim on an accuracy. *{rules.Difference.SOME.capitalize()}*: the interval lies outside. "
    f"*{rules.Difference.OPEN.capitalize()}*: it reaches both, or there are fewer than three seeds, which give no interval."
)

# %% tags=["hide-input"]
precisions = frames.save(frames.precisions(papers.all_papers(), found, budgets), "comparison-precision")
tables.precision_table(precisions)

# %% [markdown]
# {download}`CSV <data/comparison-precision.csv>`. At the shorter budgets batch norm is re-estimated, as [](../methods) says.
