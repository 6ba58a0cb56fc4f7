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
# Each paper compares networks under its own recipe. This page puts all of them into the same figures, and asks two things that the
# papers do not: why the saved arithmetic does not turn into saved time at the same ratio, and whether the answers depend on the precision of
# the arithmetic. Two of the papers compare separable with standard convolution; {cite:t}`islam2022` has no standard counterpart.

# %% tags=["parameters", "remove-input"]
budget = "paper"
results_dir = "../../results"

# %% tags=["remove-input"]
from pathlib import Path

import numpy as np
from IPython.display import Markdown

from sepconv import papers
from sepconv.measuring import roofline
from sepconv.report import figures, frames, tables
from sepconv.report.markup import Html, listing
from sepconv.results import store
from sepconv.verdicts import rules

found, budgets = store.read_all(Path(results_dir)), frames.shown(budget)

# %% [markdown]
# ## Accuracy against cost
#
# In {numref}`comparison-costs` a line joins networks that see the same images, with or without the same augmentation. The legend names runs of a
# shorter {term}`budget`, a complete schedule in fewer epochs, as a series of their own; the others are runs of a paper's whole
# schedule. Compare points only along a line: across lines recipes, epochs and images differ. At the shorter
# budgets batch norm is re-estimated, since its running averages have not settled. [](ours2026) trains both kinds by one recipe.

# %% tags=["remove-input"] mystnb={"figure": {"name": "comparison-costs", "caption": "Test accuracy (mean over seeds) against parameters, mult-adds for one image, and bytes that one training step holds at the recipe's batch size. {download}`CSV <data/comparison-costs.csv>`"}, "image": {"alt": "Three scatter plots of test accuracy against parameters, mult-adds and bytes of a training step, on logarithmic axes"}}
costs = frames.save(frames.costs(papers.published(), found, budgets), "comparison-costs")
figures.accuracy_against_costs(costs, ["num_params", "mult_adds", "training_step_bytes"])

# %% [markdown]
# The last panel shows what the word *lightweight* hides. Besides weights, gradients and optimizer state, training holds the activations
# that the backward pass needs. The ratios of separable to standard are:

# %% tags=["remove-input"]
twins = [("tseng2020", "conv", "dsc"), ("yu2021", "cifar10-conv", "cifar10-dw")]
pairs = [(key, found.cost_of(key, standard), found.cost_of(key, separable)) for key, standard, separable in twins]
memories = frames.memories(found).set_index(["paper", "experiment", "method"])["measured"]
planned = {
    key: memories[key, dw, "compiled"] / memories[key, conv, "compiled"]
    for key, conv, dw in twins
    if {(key, conv, "compiled"), (key, dw, "compiled")} <= set(memories.index)
}
Markdown(
    "\n".join(
        f"- {key}: parameters × {b.num_params / a.num_params:.2f}, mult-adds × {b.mult_adds / a.mult_adds:.2f}, weights and "
        f"optimizer × {b.weight_bytes / a.weight_bytes:.2f}, a whole training step × {b.training_step_bytes / a.training_step_bytes:.2f} "
        "as counted" + (f" and × {planned[key]:.2f} in the plan of JAX's compiler." if key in planned else ".")
        for key, a, b in pairs
    )
)

# %% [markdown]
# In yu2021 the two networks differ in the kind of convolution only. A separable block has two convolutions, two norms and two activation
# functions where a standard one has one each, so it keeps about twice as many activations; the first and last layers, which both networks
# share, dilute that. In tseng2020 the networks differ in more: Conv has no batch norm and few layers, so most of its ratio
# comes from the architecture and not from the kind of convolution.

# %% tags=["remove-input"]
_, standard, separable = pairs[1]
padded = {c.experiment: frames.padded_bytes(c) for c in (separable, standard)}
extra = [padded[c.experiment] / (c.activation_bytes - padded[c.experiment]) for c in (separable, standard)]
Markdown(
    "The count of yu2021 includes four padded copies of activations, one for each strided convolution, which PyTorch does not "
    f"make. They add {100 * extra[0]:.0f} % to the other activations of DepthwiseConvNet and {100 * extra[1]:.0f} % to those of ConvNet. "
    "Without them "
    "the count equals what PyTorch's autograd keeps."
)

# %% [markdown]
# (mult-adds-and-time)=
# ## Mult-adds and time
#
# A device computes and moves data at once, so whichever a layer needs longer for sets its time {cite:p}`williams2009`: the *roofline* is the
# highest speed that these two limits allow. The number that decides between them is the layer's *arithmetic intensity*: operations for
# each byte that is moved. A depthwise convolution uses each value that it reads only a few times. It does very little arithmetic, but
# reads and writes as much as any other layer.

# %% tags=["remove-input"] mystnb={"figure": {"name": "comparison-intensity", "caption": "Arithmetic intensity of each convolution of yu2021's networks: two operations per mult-add, over the bytes of input, output and weights, forward, float32, at the recipe's batch size. {download}`CSV <data/comparison-intensity.csv>`"}, "image": {"alt": "Operations per byte over the place in the network: standard convolutions highest, pointwise ones about a tenth of them, depthwise ones lower again by an order of magnitude or more"}}
conv, dw = (found.cost_of("yu2021", f"cifar100-{name}") for name in ("conv", "dw"))
intensity = frames.intensity({"ConvNet": conv, "DepthwiseConvNet": dw}, conv.batch_size)
figures.intensities(frames.save(intensity, "comparison-intensity"))

# %% [markdown]
# A device has such a number too, its *balance*: how many operations it computes while it moves one byte. Layers of lower intensity wait
# for memory. From this the roofline predicts how many times as long ConvNet takes as DepthwiseConvNet: on a device of low balance the ratio is
# that of the mult-adds, and the more arithmetic a device has for each byte, the less is saved ({numref}`comparison-roofline`).

# %% mystnb={"figure": {"name": "comparison-roofline", "caption": "Time of ConvNet over that of DepthwiseConvNet for a batch, over the balance of the device. Lines: the roofline’s prediction. Points: measured here; they lie below the lines. Dotted: reported by yu2021 (Sec. 4.3) for a GPU whose balance is unknown. At high balance the prediction reverses the reported order of the batch sizes. {download}`CSV <data/comparison-roofline.csv>`"}, "image": {"alt": "Predicted ratio of times falling from the ratio of mult-adds on devices of low balance to about one on devices of high balance; the measured ratios lie below the prediction, the reported ones lower still"}}
conv, dw = (found.cost_of("yu2021", f"cifar10-{name}") for name in ("conv", "dw"))
times = papers.printed(papers.paper("yu2021"), "times")
epoch = times[times["metric"] == "epoch_seconds"].iloc[0]
points = frames.roofline_ratios(conv, dw, (4, conv.batch_size), np.geomspace(1, 1000, 61), found, times)
marks = {
    "ratio of mult-adds": conv.mult_adds / dw.mult_adds,
    "reported, one epoch of training": float(epoch["conv"]) / float(epoch["dw"]),
}
figures.roofline_ratios(frames.save(points, "comparison-roofline"), marks)

# %% [markdown]
# The prediction is a bound and not a measurement. It lets every layer reach the limits of the device, and leaves out
# caches and the time that it takes to start each kernel. Depthwise kernels fall further short of the limits than standard ones, so the
# prediction promises too much:

# %% tags=["remove-input"]
measured = points[points["source"].str.startswith("measured")]
lines = [
    f"batches of {row.batch_size}, {row.source}, balance {row.balance:.0f}: predicted "
    f"{roofline.time_ratio(conv, dw, row.batch_size, row.balance):.1f}, measured {row.ratio:.1f}"
    for row in measured.itertuples()
]
Html(listing(lines) or "No machine has been measured yet.")

# %% [markdown]
# At high balance it even predicts the wrong order of batch sizes. In small batches most of what is moved are weights, of which ConvNet has
# more, so DepthwiseConvNet should gain most there. The paper measured the opposite: DepthwiseConvNet is faster in large batches and slower
# in very small ones, where starting a kernel takes longer than running it, and DepthwiseConvNet has more kernels to start.

# %% tags=["remove-input"]
shares = (
    intensity[intensity["network"] == "DepthwiseConvNet"].groupby("convolution")[["mult_adds", "bytes_moved"]].sum()
)
shares = 100 * shares / shares.sum()
Markdown(
    f"In DepthwiseConvNet, depthwise convolutions do {shares.loc['depthwise', 'mult_adds']:.0f} % of the convolutions' mult-adds "
    f"and move {shares.loc['depthwise', 'bytes_moved']:.0f} % of their bytes."
)

# %% [markdown]
# ## Does the precision change the verdict?
#
# GPUs compute faster in bfloat16 than in float32, and a re-runner may want to use it. Every verdict of this book rests on float32.
# Some experiments have a twin that differs in nothing but the precision: its layers compute in bfloat16, while weights, optimizer, batch
# norm's statistics and the loss stay in float32. No claim rests on the twins; {numref}`comparison-precision` only compares them with their
# originals.

# %% tags=["remove-input"]
Markdown(
    f"The rule was fixed before the first of these runs. The difference of the test accuracies is paired over equal seeds. "
    f"*{rules.Difference.NONE.capitalize()}*: its 95 % interval lies within {rules.RELEVANT_DIFFERENCE:g} point on either side of zero, which is "
    f"the narrowest tolerance of any claim on an accuracy. *{rules.Difference.SOME.capitalize()}*: the interval lies outside. "
    f"*{rules.Difference.OPEN.capitalize()}*: it reaches both, or there are fewer than three seeds, which give no interval."
)

# %% tags=["remove-input"]
precisions = frames.save(frames.precisions(papers.all_papers(), found, budgets), "comparison-precision")
tables.precision_table(precisions)

# %% [markdown]
# At the shorter budgets batch norm is re-estimated, as [](../methods) explains. {download}`CSV <data/comparison-precision.csv>`
