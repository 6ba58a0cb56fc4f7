"""yu2021: MobileNet-like networks with and without depthwise separable convolution, on CIFAR-10 and CIFAR-100.

The authors' notebooks (github.com/Calvin0722/CSC413-Project, commit 48e559b; "the notebooks" below) state what the
paper leaves out, and print every epoch: ``yu2021_log.csv`` is that output, network by network. Its test losses are
40/39 of the mean over batches, since the notebooks divide a sum of 40 batches by the last index.
"""

import csv
from itertools import accumulate
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import Any

from sepconv import spec
from sepconv.metrics import COST_METRICS, LEARNING_METRICS, RUN_METRICS, Metric
from sepconv.spec import Claim, Departure, EpochDecay, Experiment, Network, Number, Optimizer, Paper, Recipe

# --- experiments -----------------------------------------------------------------------------------------------------


def _recipe(epochs: int, decay: float, l2: float) -> Recipe:
    """The notebooks' recipe; what differs from network to network are the arguments."""
    return Recipe(
        epochs=epochs,
        batch_size=256,
        optimizer=Optimizer("sgd", momentum=0.9, nesterov=True, l2=l2, reset_each_epoch=True),
        schedule=EpochDecay(0.0125, decay),
        normalisation="imagenet",
        train_images=50_000,
        sources={
            "epochs": "the notebooks; Sec. 4.2 gives 270 for DepthwiseConvNet on CIFAR-100, and 80 where they have 50 "
            "for ConvNet",
            "batch_size": "the notebooks; Sec. 4.3 for inference",
            "optimizer": "Sec. 4.1: stochastic gradient descent with weight decay; the rest from the notebooks, which "
            "make a new optimizer at each epoch and so lose the momentum",
            "schedule": "Sec. 4.1: learning rate decay; its numbers from the notebooks",
            "normalisation": "the notebooks",
            "train_images": "Sec. 4.3: the training set contains 50,000 images; the notebooks hold none of them out",
            "augment": "the notebooks: none",
            "label_smoothing": "the notebooks: none",
            "precision": "the notebooks: float32, PyTorch's default",
        },
    )


SHORT_SHARE = 20  # the budget short has a twentieth of each network's own epochs, rounded up


def _trained(network: str, dataset: spec.Dataset, recipe: Recipe) -> Experiment:
    builder = {"dw": "yu.depthwise_conv_net", "conv": "yu.conv_net"}[network]
    name = {"dw": "DepthwiseConvNet", "conv": "ConvNet"}[network]
    note = {"dw": "Fig. 3", "conv": "Fig. 2 with the five 512-512 layers of the notebooks"}[network]
    label = f"{name} on {dataset.replace('cifar', 'CIFAR-')}"
    short_epochs = ceil(recipe.epochs / SHORT_SHARE)
    place = f"{dataset}-{network}"
    return Experiment(place, Network(builder), dataset, recipe, short_epochs, f"{name}, {note}", label=label)


TRAINED = (
    _trained("dw", "cifar10", _recipe(epochs=100, decay=0.95, l2=0.02)),
    _trained("conv", "cifar10", _recipe(epochs=50, decay=0.9, l2=0.025)),
    _trained("dw", "cifar100", _recipe(epochs=270, decay=0.99, l2=0.01)),
    _trained("conv", "cifar100", _recipe(epochs=50, decay=0.95, l2=0.0225)),
)
COUNTED = (
    Experiment(
        "conv-fig2",
        Network("yu.conv_net", {"blocks_512": 0}),
        "cifar100",
        note="Fig. 2 as printed",
        label="ConvNet as printed",
    ),
    Experiment("mobilenet", Network("reference.mobilenet"), "imagenet", note="Sec. 2.2"),
    Experiment("mobilenet-standard", Network("reference.mobilenet_standard"), "imagenet", note="Sec. 2.2"),
)

# --- the authors' log -------------------------------------------------------------------------------------------------

LOG = "yu2021_log.csv"
with Path(__file__).with_name(LOG).open(newline="") as _file:
    _ROWS = tuple(csv.DictReader(_file))


def _logged(experiment: str, column: str) -> list[float]:
    """A column of the log for one experiment, epoch by epoch from the first."""
    return [float(row[column]) for row in _ROWS if row["experiment"] == experiment]


def _seconds(experiment: str) -> list[float]:
    """Of each epoch with its evaluation."""
    return [*map(sum, zip(*(_logged(experiment, f"{part}_seconds") for part in ("train", "test")), strict=True))]


def epochs_in_time(experiment: str, seconds: float) -> int:
    """How many epochs of the experiment, each with its evaluation, had ended after so many seconds, by the log."""
    return sum(passed <= seconds for passed in accumulate(_seconds(experiment)))


# --- the connections of Sec. 3.1 -------------------------------------------------------------------------------------

# Input channels M, output channels N and output width D_f of the thirteen layers of Fig. 3, on a 64 × 64 stem.
_LAYERS = (
    (32, 64, 64),
    (64, 128, 32),
    (128, 128, 32),
    (128, 256, 16),
    (256, 256, 16),
    (256, 512, 8),
    *[(512, 512, 8)] * 5,
    (512, 1024, 4),
    (1024, 1024, 4),
)
_STEM = 3 * 3 * 3 * 32 * 32 * 32  # transposed: every one of the 32 × 32 × 3 inputs has 3 × 3 × 32 connections
_LINEAR = 1024 * 100
_STANDARD = _STEM + sum(3 * 3 * m * n * d * d for m, n, d in _LAYERS) + _LINEAR
_SEPARABLE = _STEM + sum(3 * 3 * m * d * d + m * n * d * d for m, n, d in _LAYERS) + _LINEAR

# --- claims ----------------------------------------------------------------------------------------------------------

LOG_FROM_EPOCH = 6  # the first epochs swing too much from run to run to be compared with the authors' log


def _log_distance(run: Any) -> float | None:  # noqa: ANN401 - a RunResult, which no paper module imports
    """Mean absolute distance of our test accuracy to the authors' log, in points, over the epochs that both have."""
    theirs = dict(enumerate(_logged(run.experiment, "test_accuracy"), start=1))
    later = [e for e in run.history if e.epoch >= LOG_FROM_EPOCH and e.epoch in theirs]
    return fmean(abs(e.val_accuracy - theirs[e.epoch]) for e in later) if later else None


def _convolution_mult_adds(cost: Any) -> int:  # noqa: ANN401 - a CostResult
    """Mult-adds for one image without those of dense layers."""
    return sum(layer.mult_adds for layer in cost.layers if layer.type != "Dense")


CONVOLUTION_MULT_ADDS = Metric(
    "convolution_mult_adds", "mult-adds", "cost", _convolution_mult_adds, words="mult-adds of the convolutions"
)
LOG_DISTANCE = Metric("log_distance", "points", "run", _log_distance, words="distance to the authors' log")

_COUNTS = (
    "The number of parameters in ConvNet is 28377572, and the number of parameters in DepthwiseConvNet is 3320420, so "
    "we expect ConvNet to have a higher test accuracy than DepthwiseConvNet since ConvNet has higher capacity."
)
_ACCURACY10 = (
    "For CIFAR10, The DepthwiseConvNet achieves validation accuracy of 89.940% and ConvNet achieves a validation "
    "accuracy of 88.08%, so DepthwiseConvNet has a slightly higher validation accuracy than ConvNet but the two "
    "difference in the two networks are extremely small."
)
_ACCURACY100 = (
    "For CIFAR100, The DepthwiseConvNet achieves validation accuracy of 68.990% and ConvNet achieves a validation "
    "accuracy of 67.230%, so the 2 models has roughly the same validation accuracy."
)
_TIME_256 = (
    "For DepthwiseConvNet, it takes 1.98 seconds to go through the test set and 9.15 seconds to go through the "
    "training set. For ConvNet, it takes 2.17 seconds to go through the test set and 10.09 seconds to go through the "
    "test set."
)
_TIME_4 = (
    "For DepthwiseConvNet, it takes 15.22 seconds to go though the test set and 75.18 seconds to go through the test "
    "set. For ConvNet, it takes 12.82 seconds to go through the test set and 63.84 seconds to go through the test set."
)
_MOBILENET = (
    "However, depth-wise separable MobileNet can reduce the mult-adds from 4866 million to 569 million, and reduced "
    "the number of parameters from 29.3 million to 4.2 million, which significantly improves the model size and "
    "training cost."
)
_TOTAL_TIME = (
    "For the total training time on CIFAR100, DepthwiseConvNet takes 270 epochs to train and the total training time "
    "is 5322.46 seconds while ConvNet takes 80 epochs and and the total training time is 1770.90 seconds."
)
_TEST_SPLIT = (
    "'Validation' is the test split (yu2021.validation-is-test). Judged after the last epoch with batch norm's running "
    "statistics; the printed number was taken with those of each batch, which changes it by less than the tolerance "
    "(yu2021.bn-mode)."
)
_QUOTES = {10: _ACCURACY10, 100: _ACCURACY100}
_PRINTED = {  # Sec. 4.1
    "cifar10-dw": 89.94,
    "cifar10-conv": 88.08,
    "cifar100-dw": 68.99,
    "cifar100-conv": 67.23,
}


def _higher_on_both(metric: str, of: str, than: str) -> spec.Ordered:
    """``metric`` is higher for one network than for the other, on CIFAR-10 and on CIFAR-100."""
    return spec.every(*(spec.higher(metric, of=f"cifar{n}-{of}", than=f"cifar{n}-{than}") for n in (10, 100)))


def _test_accuracy(classes: int, network: str, tolerance: float) -> Claim:
    name = f"cifar{classes}-{network}"
    reported = _PRINTED[name]
    return Claim(
        id=f"yu2021.acc{classes}-{network}",
        quote=_QUOTES[classes],
        where="Sec. 4.1",
        check=spec.within("test_accuracy", reported - tolerance, reported + tolerance, of=[name]),
        reported=f"{reported:.2f} %",
        because=_TEST_SPLIT,
    )


def _order(classes: int) -> Claim:
    return Claim(
        id=f"yu2021.order{classes}",
        quote=_QUOTES[classes],
        where="Sec. 4.1",
        check=spec.higher("test_accuracy", of=f"cifar{classes}-dw", than=f"cifar{classes}-conv"),
        reported=f"{_PRINTED[f'cifar{classes}-dw']:.2f} % against {_PRINTED[f'cifar{classes}-conv']:.2f} %",
        because="Each network with its own epochs, learning rates and weight decay, as in the paper.",
    )


def _similar(classes: int) -> Claim:
    return Claim(
        id=f"yu2021.similar{classes}",
        quote=_QUOTES[classes],
        where="Sec. 4.1; 'comparably' in the abstract",
        check=spec.difference_within("test_accuracy", -2, 2, of=f"cifar{classes}-dw", than=f"cifar{classes}-conv"),
        reported={10: "1.86 points, 'extremely small'", 100: "1.76 points, 'roughly the same'"}[classes],
        criterion=f"The test accuracies of the two networks on CIFAR-{classes} differ by at most 2 points, paired "
        "over seeds.",
        because="The paper calls a difference of almost 2 points extremely small; 2 points is that, rounded.",
    )


ACCURACY_CLAIMS = (
    _test_accuracy(10, "dw", 1.0),
    _test_accuracy(10, "conv", 1.0),
    _test_accuracy(100, "dw", 1.5),
    _test_accuracy(100, "conv", 1.5),
    _order(10),
    _order(100),
    _similar(10),
    _similar(100),
    Claim(
        id="yu2021.expect-conv-higher",
        kind="expectation",
        quote=_COUNTS,
        where="Sec. 4.1",
        check=_higher_on_both("test_accuracy", of="conv", than="dw"),
        reported="ConvNet above DepthwiseConvNet, as 71.7 % is above 70.6 % for MobileNet on ImageNet (Sec. 2.2)",
        criterion="ConvNet's test accuracy is above DepthwiseConvNet's on both data sets, paired over seeds.",
        because="What the authors expected, not what they found: their own numbers go the other way. If it is "
        "supported here, their finding is not (yu2021.order10, yu2021.order100).",
    ),
    Claim(
        id="yu2021.curves",
        quote="Detailed training loss and accuracy graph is shown in figures 4 to 7.",
        where="Figs. 4 to 11, with the numbers of the notebooks",
        check=spec.within(LOG_DISTANCE, 0, 4, of=_PRINTED),
        reported="470 epochs of four networks in the notebooks' output",
        criterion="The mean absolute distance of our test accuracy to the authors', over all epochs after the fifth, "
        "is at most 4 points for each network.",
        because="The curves are noisy: from one epoch to the next the authors' own test accuracy moves by 1.7 to 3.4 "
        "points on average, which is about how far apart two runs of one network must be expected. The first five "
        "epochs, which move by up to 32 points, are left out.",
    ),
)


def _params(network: str, reported: int, because: str) -> Claim:
    return Claim(
        id=f"yu2021.params-{network}",
        quote=_COUNTS,
        where="Sec. 4.1",
        check=spec.equal("trainable_params", of=f"cifar100-{network}", expected=reported),
        reported=f"{reported:,} parameters",
        because=because,
    )


def _stated(metric: str | Metric, name: str, millions: float, tolerance: float) -> spec.Agreement:
    """A count that is stated in millions, as its tolerance is."""
    stated = Number(f"{millions} million", millions * 1e6)
    return spec.agreement(metric, of=name, stated=stated, tolerance=tolerance * 1e6)


COUNT_CLAIMS = (
    _params(
        "conv", 28_377_572, "With the biases and the five 512-512 layers of the notebooks, which Fig. 2 leaves out."
    ),
    _params("dw", 3_320_420, "With the biases of the notebooks."),
    Claim(
        id="yu2021.figure2",
        quote="The detailed layer by layer structure is shown in figure 2 and figure 3.",
        where="Fig. 2, against Sec. 4.1",
        check=spec.consistent(
            spec.agreement("trainable_params", of="conv-fig2", stated=Number("stated in Sec. 4.1", 28_377_572))
        ),
        reported="no layer from 512 to 512 channels in Fig. 2, five in Fig. 3; 28,377,572 parameters",
        criterion="The network that Fig. 2 lists has the stated number of parameters.",
        because="With the five layers of Fig. 3 and the notebooks the number comes out (yu2021.params-conv); that "
        "network is trained.",
    ),
    Claim(
        id="yu2021.connections",
        kind="exact",
        quote="So, in total, the connections in a depth-wise separable convolution is D_k * D_k * M * D_f * D_f + M * "
        "N * D_f * D_f.",
        where="Sec. 3.1",
        check=spec.consistent(
            spec.agreement(
                "mult_adds",
                of="cifar100-conv",
                stated=Number("stem + sum of D_k D_k M N D_f D_f over 13 layers + linear", _STANDARD),
            ),
            spec.agreement(
                "mult_adds",
                of="cifar100-dw",
                stated=Number("stem + sum of D_k D_k M D_f D_f + M N D_f D_f over 13 layers + linear", _SEPARABLE),
            ),
        ),
        reported="two formulas",
        criterion="Summed over the layers, the formulas give exactly the mult-adds counted in the built networks.",
        because="Connections are mult-adds for one image. The stem and the linear layer, to which the formulas do not "
        "apply, are added as they are.",
    ),
    Claim(
        id="yu2021.mobilenet-cost",
        kind="quoted",
        quote=_MOBILENET,
        where="Sec. 2.2",
        check=spec.consistent(
            _stated("mult_adds", "mobilenet-standard", 4866, tolerance=1),
            _stated("mult_adds", "mobilenet", 569, tolerance=1),
            _stated("trainable_params", "mobilenet-standard", 29.3, tolerance=0.1),
            _stated("trainable_params", "mobilenet", 4.2, tolerance=0.1),
        ),
        reported="mult-adds 4866 and 569 million, parameters 29.3 and 4.2 million",
        criterion="Each count of MobileNet differs from the stated one by less than one unit of its last digit.",
        because="MobileNet for 224 × 224 images and 1,000 classes, without biases in its convolutions, as published. "
        "Every layer is counted, by which 4866 is missed by 0.03 %. It is met without the classifier "
        "(yu2021.mobilenet-cost-convolutions), and 569 is not; this criterion, of one way of counting for both, was "
        "committed first and stays.",
    ),
    Claim(
        id="yu2021.mobilenet-cost-convolutions",
        kind="quoted",
        quote=_MOBILENET,
        where="Sec. 2.2",
        check=spec.consistent(_stated(CONVOLUTION_MULT_ADDS, "mobilenet-standard", 4866, tolerance=1)),
        reported="4866 million mult-adds",
        criterion="The mult-adds of standard MobileNet's convolutions differ from the stated number by less than one "
        "unit of its last digit.",
        because="Read without the classifier, whose 1.02 million mult-adds make the difference. The number is the one "
        "that MobileNet's own paper prints. By this reading separable MobileNet has 567.72 million, not 569; with the "
        "classifier it has 568.74 (yu2021.mobilenet-cost).",
        reading_from=("yu2021.mobilenet-cost-convolutions",),
    ),
)

TIME_CLAIMS = (
    Claim(
        id="yu2021.epoch-time",
        quote="Standard convolution takes around 33.2 seconds per epoch, while depth-wise separable neural network "
        "takes only 17.7 seconds per epoch, so the training time halved by using the latter.",
        where="Sec. 4.2",
        check=spec.ratio_within("epoch_seconds", 1.5, 2.35, of="cifar100-conv", than="cifar100-dw"),
        reported="33.2 s against 17.7 s: a ratio of 1.88",
        because="The reported ratio, a quarter more or less, for another device. CIFAR-100, as the rest of Sec. 4.2.",
    ),
    Claim(
        id="yu2021.total-time",
        quote="So DepthwiseConvNet has a longer total training time than the ConvNet.",
        where="Sec. 4.2, abstract",
        check=spec.higher("total_seconds", of="cifar100-dw", than="cifar100-conv"),
        reported="5322.46 s against 1770.90 s on CIFAR-100",
        criterion="All epochs of DepthwiseConvNet on CIFAR-100 together take longer than all of ConvNet.",
        because="With the epochs of the notebooks, 270 and 50. The reported totals hold the evaluation after each "
        "epoch too, which ours leave out.",
    ),
    Claim(
        id="yu2021.more-epochs",
        quote="For the training time, it takes less time for DepthwiseConvNet to run each epoch but take longer to "
        "train the whole model due to the need to run more epochs compared to ConvNet.",
        where="Sec. 5 and 4.2",
        check=_higher_on_both("settling_epoch", of="dw", than="conv"),
        reported="270 epochs against 80 (50 in the notebooks)",
        criterion="DepthwiseConvNet first reaches 99 % of its final test accuracy at a later epoch than ConvNet, on "
        "both data sets, paired over seeds.",
        because="The number of epochs was chosen by the authors; that they are needed is read from the curve. Each "
        "network has its own learning rate decay, which sets much of this.",
    ),
    Claim(
        id="yu2021.latency-256",
        quote=_TIME_256,
        where="Sec. 4.3",
        check=spec.higher("latency_256", of="cifar10-conv", than="cifar10-dw"),
        reported="1.98 s against 2.17 s (test), 9.15 s against 10.09 s (training set)",
        criterion="At batch size 256, ConvNet takes longer than DepthwiseConvNet for the 10,000 test images.",
        because="The times stand in the CIFAR-10 notebook, taken with batch norm in training mode and each batch "
        "copied from the host, as ours are. Theirs also include loading and normalising the images in two worker "
        "processes, which ours leave out.",
    ),
    Claim(
        id="yu2021.latency-4",
        quote=_TIME_4,
        where="Sec. 4.3",
        check=spec.higher("latency_4", of="cifar10-dw", than="cifar10-conv"),
        reported="15.22 s against 12.82 s (test), 75.18 s against 63.84 s (training set)",
        criterion="At batch size 4, DepthwiseConvNet takes longer than ConvNet for the 10,000 test images.",
        because="As for batch size 256 (yu2021.latency-256).",
    ),
    Claim(
        id="yu2021.crossover",
        quote="For test time, DepthwiseConvNet takes shorter amount of time when batch size is reasonably large but "
        "the study also discovered a situation where DepthwiseConvNet takes longer to run when input is extremely "
        "small.",
        where="Sec. 5 and 4.3",
        check=spec.every(
            spec.higher("latency_256", of="cifar10-conv", than="cifar10-dw"),
            spec.higher("latency_4", of="cifar10-dw", than="cifar10-conv"),
        ),
        reported="DepthwiseConvNet faster at 256, slower at 4",
        criterion="On one device, DepthwiseConvNet is the faster at batch size 256 and the slower at 4.",
        because="Both signs together mean that there is a batch size between them below which DepthwiseConvNet loses; "
        "the sweep over batch sizes shows where.",
    ),
)


def _percent_more(longer: float, shorter: float, printed: float) -> spec.Agreement:
    recomputed = Number(f"{longer} s is more than {shorter} s by, in %", 100 * (longer / shorter - 1))
    return spec.Agreement(recomputed, Number("printed, in %", printed), tolerance=0.1)


_EPOCHS, _EPOCH = 50, 33.2  # of ConvNet on CIFAR-100: epochs in the notebooks, seconds of one in Sec. 4.2
_EVALUATION = round(fmean(_logged("cifar100-conv", "test_seconds")), 1)
_TOTALS = {  # seconds; on CIFAR-100 in Sec. 4.2 too
    "cifar10-dw": 1979.88,
    "cifar10-conv": 1769.63,
    "cifar100-dw": 5322.46,
    "cifar100-conv": 1770.90,
}


def _log_total(name: str) -> spec.Agreement:
    """The seconds in the log of one network are the printed total; each was rounded to a hundredth of a second."""
    seconds = _seconds(name)
    logged = Number(f"seconds of {len(seconds)} epochs and evaluations of {name}", sum(seconds))
    return spec.Agreement(logged, Number("printed total", _TOTALS[name]), tolerance=0.005 * (2 * len(seconds) + 1))


def _ahead_at_equal_epochs(classes: int) -> Claim:
    """Of the epochs that both networks have in the log, DepthwiseConvNet is ahead at more than half."""
    dw, conv = (_logged(f"cifar{classes}-{network}", "test_accuracy") for network in ("dw", "conv"))
    common = len(conv)
    ahead = sum(first > second for first, second in zip(dw, conv, strict=False))
    timely = epochs_in_time(f"cifar{classes}-dw", seconds=sum(_seconds(f"cifar{classes}-conv")))
    return Claim(
        id=f"yu2021.log-order{classes}",
        quote=_QUOTES[classes],
        where="Sec. 4.1, against the notebooks",
        check=spec.consistent(
            spec.Agreement(
                Number(f"epochs in the log at which DepthwiseConvNet is ahead, of {common} that both have", ahead),
                Number("all of them", common),
                tolerance=common / 2,
            )
        ),
        reported=f"{_PRINTED[f'cifar{classes}-dw']:.2f} % after {len(dw)} epochs against "
        f"{_PRINTED[f'cifar{classes}-conv']:.2f} % after {common}",
        criterion="In the authors' log DepthwiseConvNet has the higher test accuracy at more than half of the epochs "
        "that both networks have.",
        because=f"The paper compares DepthwiseConvNet after {len(dw)} epochs with ConvNet after {common}. At equal "
        f"epochs ConvNet is ahead at {common - ahead} of {common}: after epoch {common} it has {conv[-1]:.2f} % and "
        f"DepthwiseConvNet {dw[common - 1]:.2f} %. In as many seconds DepthwiseConvNet does {timely} epochs and "
        f"reaches {dw[timely - 1]:.2f} %. That is no verdict on the networks: each has its own learning rates, "
        f"and ConvNet's reach their end at epoch {common}. It shows that the paper's order depends on what is held "
        "equal. The log is that of one run (yu2021.log-total).",
    )


INTERNAL_CLAIMS = (
    Claim(
        id="yu2021.epochs-80",
        quote=_TOTAL_TIME,
        where="Sec. 4.2",
        check=spec.consistent(
            spec.Agreement(Number("80 epochs of 33.2 s", 80 * 33.2), Number("total in s", 1770.90), tolerance=80 * 0.05)
        ),
        reported="80 epochs, 33.2 s each, 1770.90 s in all",
        criterion="ConvNet's epochs times the seconds of one are its total, but for the rounding of 33.2.",
        because=f"The notebooks print the same total for {_EPOCHS} epochs. {_EPOCHS} × {_EPOCH} s = "
        f"{_EPOCHS * _EPOCH:,.0f} s of training is not the total either; with the {_EVALUATION} s of evaluation that "
        f"follow each epoch in the notebooks, {_EPOCHS} × ({_EPOCH} + {_EVALUATION}) s = "
        f"{_EPOCHS * (_EPOCH + _EVALUATION):,.0f} s is. So 80 is a slip; {_EPOCHS} epochs are trained.",
    ),
    Claim(
        id="yu2021.log-total",
        quote=_TOTAL_TIME,
        where="Sec. 4.2, against the notebooks",
        check=spec.consistent(*map(_log_total, _TOTALS)),
        reported="5322.46 s and 1770.90 s on CIFAR-100; the notebooks print 1979.88 s and 1769.63 s for CIFAR-10",
        criterion="For each network the seconds that the notebooks print for every epoch and every evaluation add up "
        "to the total that is printed, to within the rounding of each.",
        because="The total leaves no room for epochs that were lost or trained again, so the log of each network is "
        "that of one run without a restart.",
    ),
    Claim(
        id="yu2021.percentages",
        quote="So, it takes 9.5% and 10.3% more time for ConvNet to run compared to DepthwiseConvNet on test set and "
        "train set respectively.",
        where="Sec. 4.3",
        check=spec.consistent(
            _percent_more(2.17, 1.98, 9.5),
            _percent_more(10.09, 9.15, 10.3),
            _percent_more(15.22, 12.82, 18.7),
            _percent_more(75.18, 63.84, 17.8),
        ),
        reported="9.5 %, 10.3 %, 18.7 %, 17.8 %",
        criterion="Each percentage, recomputed from the printed times, differs from the printed one by less than one "
        "unit of its last digit.",
        because="The first is 9.6 when rounded; cut off, or from unrounded times, 9.5 is right as well.",
    ),
    Claim(
        id="yu2021.bn-mode",
        quote=_ACCURACY10,
        where="Sec. 4.1, against the notebooks",
        check=spec.consistent(
            *(
                spec.Agreement(
                    Number(f"printed for {name}", printed),
                    Number("last epoch in the notebook", _logged(name, "test_accuracy")[-1]),
                    tolerance=0.005,
                )
                for name, printed in _PRINTED.items()
            )
        ),
        reported="89.94, 88.08, 68.99 and 67.23 %",
        criterion="The printed accuracies are those that the notebooks print for the last epoch.",
        because="The paper against the notebooks, not against itself: the same weights on the same images must give "
        "one accuracy. The notebooks' evaluation ends by putting the network back into training mode, and the printed "
        "accuracies come after it: batch norm then takes the statistics of each batch. Our runs hold both accuracies, "
        "our latencies both modes.",
    ),
    Claim(
        id="yu2021.validation-is-test",
        quote="The training set contains 50,000 images of 32 * 32 * 3 and the test set contains 10,000 images of 32 * "
        "32 * 3.",
        where="Sec. 4.3, against 'validation accuracy' in Sec. 4.1",
        check=spec.consistent(
            spec.Agreement(
                Number("training images that are not trained on: 50,000 - 50,000", 50_000 - 50_000),
                Number("images of 'validation' in the notebooks", 10_000),
            )
        ),
        reported="'validation accuracy', trained on 50,000 images",
        criterion="There are as many images held out of the training set as the validation accuracy is measured on.",
        because="None is held out: the notebooks validate on the test split. No tuning code is published; if "
        "hyperparameters were chosen by this accuracy, the only one that the notebooks measure, the reported "
        "accuracies are somewhat optimistic.",
    ),
    _ahead_at_equal_epochs(10),
    _ahead_at_equal_epochs(100),
)

_LATENCIES = ("latency_4", "latency_256")

DEPARTURES = (
    Departure(
        what="mult-adds of MobileNet's classifier",
        paper="4866 and 569 million (Sec. 2.2), which no one way of counting gives",
        ours="counted; yu2021.mobilenet-cost-convolutions leaves them out",
        because="a dense layer's mult-adds are part of what a network costs",
        affects=(COST_METRICS["mult_adds"].name,),
        experiments=("mobilenet", "mobilenet-standard"),
        counterpart={COST_METRICS["mult_adds"].name: CONVOLUTION_MULT_ADDS},
        kind="contradiction",
    ),
    Departure(
        what="copies that padding makes",
        paper="PyTorch pads strided convolutions without a copy of their input",
        ours="a layer of its own pads, and its output is counted among the activations of a training step: 17 % more "
        "than PyTorch keeps for DepthwiseConvNet, 28 % for ConvNet",
        because="Keras pads on both sides only so; no claim on memory rests on it",
        affects=("training_step_bytes",),
    ),
    Departure(
        what="hyperparameters",
        paper="'hyperparmeter tuned using linear search', no values",
        ours="those of the authors' notebooks",
        because="they are what was run",
        affects=(),
        kind="assumption",
    ),
    Departure(
        what="epochs of ConvNet on CIFAR-100",
        paper="80 (Sec. 4.2)",
        ours="50, as in the notebooks",
        because="50 epochs take the 1770.90 s that the paper prints; 80 do not",
        affects=(),
        kind="contradiction",
    ),
    Departure(
        what="layers of ConvNet",
        paper="Fig. 2 lists no layer from 512 to 512 channels",
        ours="the five of the notebooks",
        because="only with them does it have the stated number of parameters",
        affects=(),
        kind="contradiction",
    ),
    Departure(
        what="momentum",
        paper="not stated",
        ours="Nesterov 0.9, starting at zero in every epoch",
        because="the notebooks make a new optimizer at each epoch",
        affects=(),
        kind="assumption",
    ),
    Departure(
        what="batch norm when accuracy is measured",
        paper="statistics of each batch, by an oversight of the notebooks",
        ours="running statistics decide the claims; the accuracy with batch statistics is reported beside them",
        because="an accuracy should not depend on which images share a batch",
        affects=("test_accuracy", LOG_DISTANCE.name),
        counterpart={"test_accuracy": "batch_stats_accuracy"},
    ),
    Departure(
        what="validation",
        paper="'validation accuracy' on the test split",
        ours="the same numbers, called test accuracy; nothing is chosen by them",
        because="the notebooks hold no images out",
        affects=(),
        kind="contradiction",
    ),
    Departure(
        what="epoch reported",
        paper="not stated; the notebooks show that it is the last",
        ours="the last",
        because="no choice by the test split",
        affects=(),
        kind="assumption",
    ),
    Departure(
        what="running variance of batch norm",
        paper="PyTorch averages the unbiased variance of each batch",
        ours="as Keras does, the biased one",
        because="over a batch's images and positions the two differ by at most 0.1 %",
        affects=(*LEARNING_METRICS, LOG_DISTANCE.name),
    ),
    Departure(
        what="latency",
        paper="includes loading and normalising images in two worker processes",
        ours="images in the host's memory, copied batch by batch",
        because="the network is what the paper compares; loading hides differences",
        affects=_LATENCIES,
    ),
    Departure(
        what="framework and hardware",
        paper="PyTorch on a GPU of Google Colab, model not stated",
        ours="Keras 3, with PyTorch's padding and initialisation; every result names its backend and device",
        because="one code base for all papers",
        affects=(*RUN_METRICS, LOG_DISTANCE.name, *_LATENCIES),
    ),
)

PAPER = Paper(
    key="yu2021",
    title="Comparing Depth-wise Separable Convolution and Ordinary Convolution",
    authors="Calvin Yu, Ziyi Zhang, Huiting Chen",
    year=2021,
    venue="Course project, University of Toronto, on the template of NeurIPS 2020",
    link="https://github.com/Calvin0722/CSC413-Project",
    hardware="not stated; a GPU of Google Colab by the notebooks",
    experiments=TRAINED + COUNTED,
    claims=COUNT_CLAIMS + ACCURACY_CLAIMS + TIME_CLAIMS + INTERNAL_CLAIMS,
    departures=DEPARTURES,
    metrics=(LOG_DISTANCE, CONVOLUTION_MULT_ADDS),
    log=LOG,
)
