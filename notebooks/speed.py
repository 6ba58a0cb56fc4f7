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
# # How fast, and how near to the limit
#
# Depthwise separable convolutions have fewer parameters and far fewer mult-adds than standard ones. But a user waits for seconds and pays
# for memory, and those also depend on the machine, on the framework and on the training loop. This page shows what
# `sepconv bench` measured, each number with the machine that it comes from. What is compared was measured in turns in one
# process, so that other work on the machine affected all of it alike.
#
# Nothing on this page decides a claim. Claims on times use the runs and latencies of the paper's own protocol, and claims on memory use
# counts.

# %% tags=["parameters", "remove-input"]
results_dir = "../../results"

# %% tags=["remove-input"]
from pathlib import Path

from IPython.display import Markdown

from sepconv import papers
from sepconv.report import figures, frames, tables
from sepconv.report.markup import paragraph
from sepconv.results import store

found = store.read_all(Path(results_dir))

# %% [markdown]
# ## Training
#
# The same epochs, from the same weights and over the same batches, were run by four training loops: the *engine*, this book's own loop,
# which trains everything in it; Keras's *fit*; *fit* with many steps per call; and *train on batch*, one compiled call per step. Since all
# compute the same, the losses must agree except for rounding. Keras's loops train Keras's own layers and optimizer. The engine has its own
# batch norm, 1×1 convolution, cropping, GELU and Adam, which compute the same from fewer or faster operations. Each loop's first epoch,
# which compiles, is not counted; the CSV has the extra time that it took. An epoch of *fit* ends when Keras reports it: the
# time to close its input pipeline is left out, although with short epochs it can take as long again.

# %% tags=["remove-input"] mystnb={"figure": {"name": "speed-throughput", "caption": "Images per second of each training loop, over those of Keras's fit on the same machine: right of the line is faster. {download}`CSV <data/speed-throughput.csv>`"}, "image": {"alt": "Ratios of training speed to Keras's fit on a logarithmic axis, a row for each network, a marker for each other training loop"}}
loops = frames.save(frames.throughputs(found), "speed-throughput")
others = loops[loops["loop"] != "fit"]
named = others.assign(
    what=others["paper"] + " " + others["experiment"],
    source=others["loop"].str.replace("_", " ") + ", " + others["backend"] + " on " + others["device"],
)
figures.ratios(named, "images per second ÷ those of fit", {})

# %% tags=["remove-input"]
tables.throughputs_table(loops)

# %% tags=["remove-input"]
apart = (others["loss"] / others["loss_of_fit"] - 1).abs()
Markdown(
    f"In {(apart < 1e-6).sum()} of {len(apart)} comparisons the loss is that of *fit* to six digits. At most they differ by {100 * apart.max():.2f} %, in "
    f"{others.loc[apart.idxmax(), 'experiment']}: the engine's layers and optimizer round differently, and training amplifies the difference."
    if len(apart)
    else ""
)

# %% [markdown]
# ## Inference
#
# The latency of a batch is the time from handing it over to having its logits back. Small batches show what each call costs, large ones
# what arithmetic and memory cost. There are four ways to measure. The images are on the device already, or are copied
# from the host within the measured time; batch norm works as in inference, or as in training, on the statistics of each batch, as
# {cite:t}`yu2021` left it when they measured.

# %% tags=["remove-input"] mystnb={"figure": {"name": "speed-latency", "caption": "Milliseconds of a batch over the batch size, both on logarithmic axes, with batch norm in inference mode and the images on the device: half of the batches took no longer than the marker (p50), 95 % no longer than the end of the bar (p95). A marker without a bar is the mean batch of whole passes. The CSV also has the other ways of measuring. {download}`CSV <data/speed-latency.csv>`"}, "image": {"alt": "Milliseconds of a batch rising with the batch size, a panel for each paper, a line for each network"}}
latencies = frames.save(frames.latencies(found), "speed-latency")
plain = (latencies["batch_norm"] == "inference") & (latencies["transfer"] == "device")
figures.latencies(latencies[plain])

# %% tags=["remove-input"]
timed = latencies[latencies["batches"] > 0]
worst = (timed["p95"] / timed["p50"]).max()
Markdown(
    f"Batches timed one by one: {timed['batches'].sum():,}. At its most uneven, p95 is {worst:.2f} times p50."
    if len(timed)
    else "Batches have not been timed one by one yet."
)

# %% [markdown]
# ## Memory of a training step
#
# Claims on memory use a count: weights, optimizer state, gradients, and the tensors that the backward pass needs, each once. A real step
# takes more, since kernels need working space and not everything is freed at once; or less, where a compiler computes a
# tensor again instead of keeping it. How it is measured depends on the machine:
#
# *compiled*
# : JAX on a CPU: what the compiler plans for the step, read without running it.
#
# *resident*
# : TensorFlow on a CPU: weights and optimizer state, and how far the memory of a fresh process grows while it trains.
#
# *allocator*
# : A GPU: the peak that its allocator counts in a fresh process.
#
# Whatever is run, is run several times, each time in a new process, and the median is shown. Compare networks only under one heading of
# {numref}`speed-memories`, not across headings.

# %% tags=["remove-input"] mystnb={"figure": {"name": "speed-memory", "caption": "Measured over counted bytes of a training step at the recipe's batch size: on the line both are equal. {download}`CSV <data/speed-memory.csv>`"}, "image": {"alt": "Ratios of measured to counted bytes on a logarithmic axis, a row for each network, a marker for each way of measuring"}}
memories = frames.save(frames.memories(found), "speed-memory")
named = memories.assign(
    what=memories["paper"] + " " + memories["experiment"],
    source=memories["method"] + ": " + memories["backend"] + " on " + memories["device"],
)
figures.ratios(named, "measured ÷ counted bytes", {})

# %% tags=["remove-input"]
tables.memories_table(memories)

# %% [markdown]
# ## How near to the limit
#
# A device can copy only so many bytes and compute only so many operations per second. Both limits are measured, on a vector larger than any
# cache and on the product of two large matrices. The *roofline* {cite:p}`williams2009` gives the least time that a training step can then
# take. Every convolution and dense layer has three passes: forward, for the gradient of its input, and for the gradient of its weights.
# Each takes the time of its operations or of its bytes, whichever is longer. Norms, pooling and the optimizer take the time of their bytes.
# Activation functions, augmentation and the start of each kernel count as free.

# %% tags=["remove-input"]
tables.rooflines_table(found)

# %% [markdown]
# *Operations per byte* in {numref}`speed-rooflines` is the balance of the device, see [](mult-adds-and-time): layers with a lower arithmetic
# intensity wait for memory. The fraction reached, in {numref}`speed-reached`, says how much a better kernel or training loop could still gain. It does not rate the network: one that waits for memory
# throughout can reach its limit and still be slow. More than the limit can be reached where a kernel saves operations, as Winograd's
# algorithm does for small filters, or keeps in its cache what is counted as moved.

# %% tags=["remove-input"] mystnb={"figure": {"name": "speed-limits", "caption": "Images per second in training, as measured with this book's engine and as the roofline allows at most, on a logarithmic axis. The CSV also has the networks that were not trained on such a device. {download}`CSV <data/speed-limits.csv>`"}, "image": {"alt": "A row for each network, with a marker at the measured images per second and one at the most that the device allows, joined by a line"}}
limits = frames.save(frames.limits(papers.all_papers(), found, found.rooflines), "speed-limits")
figures.limits(limits)

# %% tags=["remove-input"]
tables.limits_table(limits[limits["measured"].notna()])

# %% [markdown]
# ## Depthwise convolutions part by part
#
# XLA, the compiler of JAX, is known to be slow at depthwise convolutions, above all at the gradient of their weights. Every depthwise
# convolution of the networks was timed on JAX in several ways. *Grouped* is XLA's own convolution with one group per channel. *Shifted* is
# one multiplication and one addition for each position of the kernel, with gradients written by hand. *Pallas* is a kernel written for this
# book that computes the weight gradient and reads images and gradient once; it exists on a GPU only. On the machines in the figure, the
# networks compute each part of each convolution in the fastest way. On any other machine they use the grouped one, since the ratios of a
# CPU say nothing about a GPU.

# %% tags=["remove-input"] mystnb={"figure": {"name": "speed-depthwise", "caption": "Time of the grouped convolution over that of another way, a point for every depthwise convolution of the networks: right of the line, the other way is faster. {download}`CSV <data/speed-depthwise.csv>`"}, "image": {"alt": "Ratios of times on a logarithmic axis, a row for each of the three parts of a training step, a point for each convolution"}}
parts = frames.save(frames.depthwise(found), "speed-depthwise")
figures.depthwise(parts)

# %% tags=["remove-input"]
paragraph(
    f"In {(parts['way'] != 'grouped').sum()} comparisons on {', '.join(sorted(set(parts['device'])))}, all ways give the same numbers: where they differ most, "
    f"it is by {1e6 * parts['difference'].max():.1g} millionths of the largest value."
    if len(parts)
    else "Nothing has been measured yet."
)

# %% tags=["remove-input"]
fastest = parts.groupby(["device", "layer", "precision", "part"])["fraction"].max().dropna()
Markdown(
    f"Each part has to move its input, its output and the kernel once. In its fastest way it reaches this share of the memory limit: "
    f"{', '.join(f'{low:.0%} to {high:.0%} ({part})' for part, low, high in fastest.groupby('part').agg(['min', 'max']).itertuples())}."
    if len(fastest)
    else "How near this comes to the memory limit is unknown: the machine's memory was not measured through JAX."
)
