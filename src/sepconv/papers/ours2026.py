"""ours2026: our own study. When does depthwise separable convolution pay, at equal cost?

None of the three papers answers it: their networks differ in more than the kind of convolution. Here one skeleton is
built in both kinds and several widths and trained by one recipe. Networks, recipe, tuning, questions, criteria and
expectations below were committed before the first run.

First the tuning runs, whose validation accuracy alone decides: ``choose`` takes a setting for each kind, and ``CHOSEN``
records it. The runs of all other experiments follow; their ids contain what was chosen. A test holds ``CHOSEN`` to the
rule as soon as the tuning results are there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Literal

from sepconv import spec
from sepconv.metrics import LEARNING_METRICS
from sepconv.spec import (
    TRAIN_IMAGES,
    Claim,
    CostName,
    Departure,
    DifferenceWithin,
    Experiment,
    Network,
    Optimizer,
    Pair,
    Paper,
    Quantity,
    Recipe,
    Triangular,
)

Kind = Literal["separable", "standard"]

# --- networks --------------------------------------------------------------------------------------------------------

# By name; numbers of filters are multiplied by it. A standard network of width w/3 has about the mult-adds and about
# the parameters of a separable one of width w, both at once.
WIDTHS: dict[Kind, dict[str, float]] = {
    "separable": {"1-2": 1 / 2, "3-4": 3 / 4, "1": 1.0, "3-2": 3 / 2},
    "standard": {"1-6": 1 / 6, "1-4": 1 / 4, "1-3": 1 / 3, "1-2": 1 / 2},
}
# The smallest separable network holds more activations in training than the largest standard one, so equal bytes need
# smaller ones.
SMALL_WIDTHS = {"1-6": 1 / 6, "1-4": 1 / 4}
TUNED_WIDTH: dict[Kind, str] = {"separable": "1", "standard": "1-3"}
BN_MOMENTUM = 0.6  # of batch norm's running averages, as in github.com/KellerJordan/cifar10-airbench


def network(kind: Kind, width: float) -> Network:
    """tseng2020's DepthSepConv with one block of 512 filters, in another kind of convolution and another width."""
    return Network("tseng.skeleton", {"convolution": kind, "width": width, "bn_momentum": BN_MOMENTUM})


# --- recipe and tuning -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """What is tuned: the peak learning rate, and whether depthwise kernels are decayed."""

    rate: float
    decay_depthwise: bool


RATES = (0.2, 0.4, 0.8)
HELD_OUT = 5_000
TUNING_SEEDS = (0,)
# A standard network has no depthwise kernels, so to it both values of that setting are the same run.
SETTINGS: dict[Kind, tuple[Setting, ...]] = {
    "separable": tuple(Setting(rate, decay) for rate, decay in product(RATES, (True, False))),
    "standard": tuple(Setting(rate, True) for rate in RATES),
}
# By `choose` from the tuning runs. Until those are there, the middle rate stands here and no other run counts.
CHOSEN: dict[Kind, Setting] = {"separable": Setting(0.4, True), "standard": Setting(0.4, True)}


def choose(accuracies: Mapping[Setting, Sequence[float]]) -> Setting:
    """The setting with the best mean validation accuracy; of equal ones the smaller rate, then the one that decays.

    Args:
        accuracies: of each setting, in percent, one for each of ``TUNING_SEEDS``.
    """
    return min(accuracies, key=lambda setting: (-fmean(accuracies[setting]), setting.rate, not setting.decay_depthwise))


def recipe(setting: Setting, train_images: int = TRAIN_IMAGES) -> Recipe:
    """The one recipe, at one setting of what is tuned."""
    return Recipe(
        epochs=10,
        batch_size=512,
        optimizer=Optimizer("sgd", momentum=0.9, nesterov=True, l2=5e-4, decay_depthwise=setting.decay_depthwise),
        schedule=Triangular(setting.rate),
        normalisation="cifar10",
        train_images=train_images,
        augment=(("flip",), ("reflected-shift",)),
        label_smoothing=0.2,
        sources={
            "epochs": "ours: what two cores can train; the public CIFAR-10 speed records take about ten",
            "batch_size": "David Page's ResNet series (myrtle.ai, 2018), which those records began from",
            "optimizer": "SGD with Nesterov momentum and decay as in Page's series, here without changing it with the "
            "batch size; decay of depthwise kernels is tuned",
            "schedule": "the shape of cifar10-airbench's: from 0.2 of the peak, which comes at 23 % of the steps, to "
            "0.07 of it; the peak is tuned",
            "normalisation": "mean and deviation of each channel, as in those records",
            "train_images": "all but the 5,000 held out for tuning, or all",
            "augment": "random flip and a shift by up to 2 pixels with reflection, as in cifar10-airbench",
            "label_smoothing": "0.2, as in cifar10-airbench",
            "precision": "float32, the reference of this book",
        },
    )


def tuning(kind: Kind) -> dict[Setting, Experiment]:
    """The tuning experiment of each setting."""
    width = WIDTHS[kind][TUNED_WIDTH[kind]]
    decays = {True: "", False: "-undecayed"}
    return {
        setting: Experiment(
            name=f"tuning-{kind}-rate-{100 * setting.rate:.0f}{decays[setting.decay_depthwise]}",
            network=network(kind, width),
            dataset="cifar10",
            recipe=recipe(setting, TRAIN_IMAGES - HELD_OUT),
            note=f"tuning of the {kind} kind: peak learning rate {setting.rate:g}"
            + ("" if setting.decay_depthwise else ", depthwise kernels not decayed"),
            stage="ablation",
        )
        for setting in SETTINGS[kind]
    }


# --- experiments -----------------------------------------------------------------------------------------------------


def _experiment(kind: Kind, name: str, width: float) -> Experiment:
    return Experiment(
        name=f"{kind}-{name}",
        network=network(kind, width),
        dataset="cifar10",
        recipe=recipe(CHOSEN[kind]),
        note=f"the skeleton of tseng2020's DepthSepConv, {kind} convolution, width {name.replace('-', '/')}",
        label=f"{kind} {name.replace('-', '/')}",
    )


SEPARABLE, STANDARD = (
    tuple(_experiment(kind, name, width) for name, width in widths.items()) for kind, widths in WIDTHS.items()
)
SMALL_SEPARABLE = tuple(_experiment("separable", name, width) for name, width in SMALL_WIDTHS.items())
TUNING = (*tuning("separable").values(), *tuning("standard").values())

# --- questions -------------------------------------------------------------------------------------------------------

MARGIN = 0.5  # points of test accuracy; a difference under it is none
_ASKED_OF = "test accuracy on CIFAR-10, three seeds of each network"
_MEAN_GAP = (
    "The mean distance of the two curves of test accuracy over the logarithm of the cost, where both kinds have "
    "networks"
)


def _question(
    name: str,
    quote: str,
    costs: Sequence[CostName],
    expected: str,
    of: Sequence[Experiment] = SEPARABLE,
    more: str = "",
) -> Claim:
    return Claim(
        id=f"ours2026.{name}",
        quote=quote,
        where=_ASKED_OF,
        check=spec.ahead_at_equal_cost(
            "test_accuracy", *costs, of=[e.name for e in of], than=[e.name for e in STANDARD], margin=MARGIN
        ),
        reported=expected,
        because=f"{_MEAN_GAP} (Bjøntegaard delta). {more}".strip(),
    )


_PER_MACHINE = "Each machine on which all networks were measured is asked by itself, and all of them have to agree."
QUESTIONS = (
    _question(
        "mult-adds",
        "At equal mult-adds, are separable networks ahead?",
        ["mult_adds"],
        "separable ahead by 0.5 to 1.3 points, less at larger sizes",
        more="The primary question. Expected from the published tables of Haase and Amthor 2020.",
    ),
    _question(
        "parameters",
        "At equal numbers of parameters, are separable networks ahead?",
        ["num_params"],
        "separable ahead by 0.5 to 1.3 points, less at larger sizes",
    ),
    _question(
        "training-time",
        "At equal training time, are separable networks ahead?",
        ["engine_seconds", "fit_seconds"],
        "open",
        more=f"Seconds of an epoch by this engine, and by stock fit. {_PER_MACHINE}",
    ),
    _question(
        "latency",
        "At equal latency, are separable networks ahead?",
        ["latency_p50_1", "latency_p50_64"],
        "open",
        more=f"Median time of a batch of 1 and of 64 images, copied from the host. {_PER_MACHINE}",
    ),
    _question(
        "training-bytes",
        "At equal memory of a training step, are separable networks ahead?",
        ["training_step_bytes"],
        "no: at equal mult-adds they hold more than four times the activations",
        of=(*SMALL_SEPARABLE, SEPARABLE[0]),
        more="Counted bytes of weights, gradients, optimizer state and stored activations. Asked of the separable "
        "networks that are small enough to overlap with the standard ones.",
    ),
)
_HALF = (STANDARD[-1].name, SEPARABLE[0].name)
WIDTH_QUESTIONS = (
    Claim(
        id="ours2026.width-accuracy",
        quote="At equal width, do separable networks lose accuracy?",
        where=_ASKED_OF,
        check=DifferenceWithin(Pair(*(Quantity("test_accuracy", name) for name in _HALF)), low=MARGIN, high=100),
        reported="yes, they lose accuracy",
        criterion="Test accuracy after the last epoch of standard 1/2 minus that of separable 1/2 is at least 0.5 "
        "points, paired over seeds.",
        because="The papers' own question; the correction for several questions leaves it out, since it is not one of "
        "those at equal cost.",
        kind="question",
        corrected=False,
    ),
    Claim(
        id="ours2026.width-cost",
        quote="At equal width, how many times fewer mult-adds do separable networks take?",
        where="the networks as counted",
        check=spec.ratio_within("mult_adds", 7, 9, of=_HALF[0], than=_HALF[1]),
        reported="about 8 times fewer",
        because="Between 7 and 9 is about 8.",
        kind="question",
        corrected=False,
    ),
)

DEPARTURES = (
    Departure(
        what="rounding of widths",
        paper="the filters of Table 2 times the width",
        ours="rounded to whole filters",
        because="a third of 32 filters is no whole number",
        affects=(),
    ),
    Departure(
        what="momentum and learning rate",
        paper="PyTorch's SGD in the speed records: the velocity is scaled by the rate of each step",
        ours="Keras's: each gradient is scaled by the rate of its own step",
        because="the two are equal only while the rate is constant; both kinds of network are trained alike",
        affects=(*LEARNING_METRICS,),
    ),
)

PAPER = Paper(
    key="ours2026",
    title="When does depthwise separable convolution pay? A comparison at equal cost",
    authors="The authors of this book",
    year=2026,
    venue="this book",
    link="https://doi.org/10.1007/978-3-030-57115-3_16",
    hardware="every result names its own",
    experiments=(*SEPARABLE, *STANDARD, *SMALL_SEPARABLE, *TUNING),
    claims=QUESTIONS + WIDTH_QUESTIONS,
    departures=DEPARTURES,
    priority=4,
    study=True,
)
