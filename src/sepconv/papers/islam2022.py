"""islam2022: three patch-based networks around a narrowed depthwise convolution, on CIFAR-10."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any

from sepconv import spec
from sepconv.metrics import LEARNING_METRICS, METRICS, RUN_METRICS, Metric
from sepconv.spec import Claim, Departure, Experiment, Network, Number, Optimizer, Paper, Recipe

# --- experiments -----------------------------------------------------------------------------------------------------

PEAK_RATE = 0.01
RECIPE = Recipe(
    epochs=300,
    batch_size=512,
    optimizer=Optimizer("adamw", weight_decay=0.01),
    schedule=spec.WarmupExponential(start=1e-5, peak=PEAK_RATE, end=5e-5, warmup_epochs=5),
    normalisation="cifar10",
    train_images=50_000,
    augment=(("flip",), ("crop",), ("randaugment", "autoaugment"), ("mixup", "cutmix")),
    sources={
        "epochs": "Sec. 3.1, Table 2",
        "batch_size": "Sec. 4.1",
        "optimizer": "AdamW: Sec. 3.1. Weight decay not stated; 0.01, because ConvMixer's CIFAR-10 recipe, whose batch "
        "size and peak learning rate the thesis shares, has that",
        "schedule": "Sec. 3.1: from 1e-5 to 0.01 in five epochs, then down to 5e-5; that the first part is linear is "
        "our reading, 'exponential learning rate scheduler' is the paper's word for the second",
        "normalisation": "not stated; CIFAR-10's mean and deviation, because ConvMixer's CIFAR-10 recipe has those",
        "train_images": "no validation split is mentioned; the whole training split, because Table 2 names training "
        "and testing accuracy only",
        "augment": "RandAugment, AutoAugment, MixUp and CutMix: Sec. 3.1, which does not say how they are combined; "
        "every image draws one policy and one way of mixing, after a flip and a crop, which come before the policy in "
        "RandAugment and AutoAugment as published. Strengths are in sepconv.training.augment",
        "label_smoothing": "not stated; none, because MixUp and CutMix soften the labels already",
        "precision": "not stated; float32, the default of TensorFlow",
    },
)
ADAM = replace(
    RECIPE,
    optimizer=Optimizer("adam"),
    sources=RECIPE.sources | {"optimizer": "Sec. 4.1, the alternative to AdamW; without weight decay"},
)
UNSCALED_DECAY = replace(
    RECIPE,
    optimizer=replace(RECIPE.optimizer, decay_times_rate=False),
    sources=RECIPE.sources
    | {
        "optimizer": "ours, to see whether results depend on it: AdamW as TensorFlow Addons has it, whose decay is not "
        "multiplied by the learning rate"
    },
)
BATCH_128 = replace(RECIPE, batch_size=128, sources=RECIPE.sources | {"batch_size": "Sec. 4.1, the alternative to 512"})
SHORT_EPOCHS = 5  # of the budget short


def _network(patch: int = 2, dim: int = 128, kernel: int = 5, depth: int = 8) -> Network:
    """One row of Table 1; the defaults are Small."""
    return Network("islam.patch_network", {"patch": patch, "dim": dim, "kernel": kernel, "depth": depth})


SMALL = Experiment("small", _network(), "cifar10", RECIPE, SHORT_EPOCHS, "Table 1, Small", label="Small")


def _ablation(name: str, recipe: Recipe = RECIPE, **options: spec.Option) -> Experiment:
    """Small with one change: another recipe, or other options of its network."""
    network = replace(SMALL.network, options=SMALL.network.options | options)
    note = "ablation of Small"
    return replace(SMALL, name=f"small-{name}", network=network, recipe=recipe, note=note, stage="ablation", label="")


MAIN = (
    SMALL,
    replace(SMALL, name="medium", network=_network(dim=256), note="Table 1, Medium", label="Medium"),
    Experiment(
        "large",
        _network(1, 256, 7, 16),
        "cifar10",
        RECIPE,
        SHORT_EPOCHS,
        "Table 1, Large, with patch 1 as printed",
        stage="long",
        label="Large",
    ),
    Experiment(
        "large-p2",
        _network(2, 256, 7, 16),
        "cifar10",
        RECIPE,
        SHORT_EPOCHS,
        "Large with patch 2: 998,666 parameters",
        label="Large with patch size 2",
    ),
)
ABLATIONS = (
    _ablation("k3", kernel=3),
    _ablation("k7", kernel=7),
    _ablation("k9", kernel=9),
    _ablation("p1", patch=1),
    _ablation("p4", patch=4),
    _ablation("d4", depth=4),
    _ablation("d16", depth=16),
    _ablation("no-reduction", first=1, second=1),
    _ablation("first-quarter", first=4),
    _ablation("first-full", first=1),
    _ablation("layer-norm", norm="layer"),
    _ablation("no-residual", residual=False),
    _ablation("adam", ADAM),
    _ablation("batch-128", BATCH_128),
)
UNSCALED = replace(
    _ablation("unscaled-decay", UNSCALED_DECAY),
    note="Small with AdamW as TensorFlow Addons has it; no claim rests on it",
)
COUNTED = (
    Experiment("alexnet", Network("reference.alexnet"), "imagenet", note="Sec. 1.2.1", label="AlexNet"),
    Experiment("vgg19", Network("reference.vgg19"), "imagenet", note="Sec. 1.2.2", label="VGG-19"),
    Experiment("resnet50", Network("reference.resnet50"), "imagenet", note="Sec. 1.2.3", label="ResNet-50"),
)

# --- claims ----------------------------------------------------------------------------------------------------------


def _flops_of(cost: Any) -> int:  # noqa: ANN401 - a CostResult, which no paper module imports
    """What Table 1 calls FLOPs. It states no convention; this one was chosen because it gives Small and Medium.

    Mult-adds of convolutions and the dense layer, each counted once, two operations for each value that enters a norm
    and one for each that enters global average pooling. Biases, activations and residual additions are not counted.
    """
    taken = {"BatchNormalization": 2, "LayerNormalization": 2, "GlobalAveragePooling2D": 1}  # for each value taken in
    return int(cost.mult_adds + sum(taken.get(layer.type, 0) * prod(layer.input_shape) for layer in cost.layers))


FLOPS = Metric("islam_flops", "FLOPs as islam2022 counts them", "cost", _flops_of, words="FLOPs")

_TABLE1 = {
    "small": "Small | 2 | 128 | 5 | 8 | 130,442 | 0.0325G",
    "medium": "Medium | 2 | 256 | 5 | 8 | 490,250 | 0.1238G",
    "large": "Large | 1 | 256 | 7 | 16 | 998,666 | 1.0092G",
}
_TABLE2 = {
    "small": "Small | 130,442 | 71% | 93% | 300 | 0.0325G",
    "medium": "Medium | 490,250 | 76% | 95% | 300 | 0.1238G",
    "large": "Large | 998,666 | 82% | 97% | 300 | 1.0092G",
}
_LARGE = (
    "Large has patch size 1, as Table 1 prints and its FLOPs require; large-p2, which the parameter count requires, is "
    "run beside it and does not decide the claim."
)
_FLOPS_FITTED = ("islam2022.flops-small", "islam2022.flops-medium")
_OF_SIZE = {"small": "", "medium": "", "large": _LARGE}
_RESIDUAL = (
    "In addition, we also used Residual Skip Connections to prevent vanishing gradient problems and to help the "
    "network converge faster."
)
CONVERGENCE_EPOCH = RECIPE.epochs // 10  # at which residual connections are to show faster convergence
_ABLATION = "Small with one change, both sides under the paper's recipe."


def _params(name: str, reported: int) -> Claim:
    return Claim(
        id=f"islam2022.params-{name}",
        quote=_TABLE1[name],
        where="Table 1",
        check=spec.equal("trainable_params", of=name, expected=reported),
        reported=f"{reported:,} trainable parameters",
        because=_OF_SIZE[name],
    )


def _flops(name: str, reported: float) -> Claim:
    return Claim(
        id=f"islam2022.flops-{name}",
        quote=_TABLE1[name],
        where="Table 1",
        check=spec.equal(FLOPS, of=name, expected=round(reported * 1e9), resolution=1e5),
        reported=f"{reported} GFLOPs",
        criterion=f"{name.capitalize()}'s FLOPs differ from the reported ones by less than one unit of the last digit.",
        because="The paper does not define FLOPs. Counted as mult-adds of convolutions and the dense layer, two for "
        "each element of a batch norm, and the additions of pooling: the one convention found that gives Small "
        f"and Medium. Table 1 cuts off after the fourth decimal. {_OF_SIZE[name]}".rstrip(),
        reading_from=_FLOPS_FITTED,
    )


def _test_accuracy(name: str, reported: int) -> Claim:
    return Claim(
        id=f"islam2022.acc-{name}",
        quote=_TABLE2[name],
        where="Table 2",
        check=spec.within("test_accuracy", reported - 1, reported + 1, of=[name]),
        reported=f"{reported} % testing accuracy",
        because="Whole percents are reported, of the last or the best epoch (not stated): half a point for rounding "
        f"and half for the epoch. {_OF_SIZE[name]}".rstrip(),
    )


def _train_accuracy(name: str, reported: int) -> Claim:
    return Claim(
        id=f"islam2022.train-{name}",
        quote=_TABLE2[name],
        where="Table 2",
        check=spec.within("train_accuracy", reported - 3, reported + 3, of=[name]),
        reported=f"{reported} % training accuracy",
        because="Read as what Keras shows while training: over augmented batches, against the larger of two mixed "
        "labels. The tolerance is wide, since the strengths of the augmentations, which set this number, are not "
        f"stated. {_OF_SIZE[name]}".rstrip(),
    )


TABLE_CLAIMS = (
    _params("small", 130_442),
    _params("medium", 490_250),
    _params("large", 998_666),
    _flops("small", 0.0325),
    _flops("medium", 0.1238),
    _flops("large", 1.0092),
    Claim(
        id="islam2022.large-params-vs-flops",
        quote=_TABLE1["large"],
        where="Table 1",
        check=spec.consistent(
            spec.agreement("trainable_params", of="large", stated=Number("parameters in Table 1", 998_666)),
            spec.agreement(FLOPS, of="large", stated=Number("FLOPs in Table 1", 1_009_200_000), tolerance=1e5),
        ),
        reported="patch size 1, 998,666 parameters, 1.0092 GFLOPs",
        criterion="The network of that row has both its number of parameters and its FLOPs.",
        because="Patch size 2 gives the parameters, and a quarter of the FLOPs; patch size 1 the other way round. No "
        "patch size gives both.",
    ),
    _test_accuracy("small", 93),
    _test_accuracy("medium", 95),
    _test_accuracy("large", 97),
    _train_accuracy("small", 71),
    _train_accuracy("medium", 76),
    _train_accuracy("large", 82),
    Claim(
        id="islam2022.test-above-train",
        quote="The model was not overfitted because of the extensive use of augmentation techniques that served as "
        "regulation techniques; instead, testing accuracy was higher than training accuracy.",
        where="Sec. 3.4, Table 2",
        check=spec.above("test_accuracy", "train_accuracy", of=["small", "medium", "large"]),
        reported="71 / 93 %, 76 / 95 %, 82 / 97 %",
        because=_LARGE,
    ),
    Claim(
        id="islam2022.size-order",
        quote="On the CIFAR10 dataset, our smallest model, with only 130,442 trainable parameters and 0.0325 GFLOPS, "
        "has a top-1 accuracy of 93%, while our largest model, with 998,666 parameters and 1.0092 GFLOPS, had an "
        "accuracy of 97%.",
        where="Abstract, Table 2",
        check=spec.increasing("test_accuracy", "small", "medium", "large"),
        reported="93 %, 95 %, 97 %",
        because=_LARGE,
    ),
)

ABLATION_CLAIMS = (
    Claim(
        id="islam2022.kernel",
        quote="We have observed that the model’s accuracy increases with the increase in the depthwise separable "
        "convolution kernel size.",
        where="Sec. 3.4",
        check=spec.increasing("test_accuracy", "small-k3", "small", "small-k7", "small-k9"),
        reported="higher with a larger kernel; no numbers",
        criterion="Test accuracy rises from kernel size 3 to 5, to 7 and to 9, paired over seeds.",
        because=f"Which model and sizes were compared is not stated. {_ABLATION}",
    ),
    Claim(
        id="islam2022.kernel-cost",
        quote="However, excessive kernel sizing has negative effects on model parameters, FLOPS, and training time.",
        where="Sec. 3.4",
        check=spec.every(
            *(
                spec.increasing(metric, "small-k3", "small", "small-k7", "small-k9")
                for metric in ("trainable_params", FLOPS, "epoch_seconds")
            )
        ),
        reported="more parameters, FLOPs and time; no numbers",
        criterion="Parameters, FLOPs and seconds per epoch rise from kernel size 3 to 5, to 7 and to 9.",
        because=_ABLATION,
    ),
    Claim(
        id="islam2022.patch",
        quote="We have found that the accuracy of these models is highest when a patch size is as small as 1.",
        where="Sec. 3.4",
        check=spec.highest("test_accuracy", of="small-p1", than=("small", "small-p4")),
        reported="highest at patch size 1; no numbers",
        criterion="Test accuracy is higher with patch size 1 than with 2 and with 4, paired over seeds.",
        because=f"Which other patch sizes were tried is not stated. {_ABLATION}",
    ),
    Claim(
        id="islam2022.depth",
        quote="Although adding depth increases complexity, the improvement in accuracy shows that the added depth is "
        "not likely to cause the model to overfit.",
        where="Sec. 3.4",
        check=spec.increasing("test_accuracy", "small-d4", "small", "small-d16"),
        reported="higher with more blocks; no numbers",
        criterion="Test accuracy rises from 4 to 8 and to 16 blocks, paired over seeds.",
        because=f"Which depths were compared is not stated. {_ABLATION}",
    ),
    Claim(
        id="islam2022.channel-reduction",
        quote="In our experiment, shrinking the channels of the image before depthwise convolution resulted in fewer "
        "multiplicative and memory-intensive parameters.",
        where="Sec. 3.4; Sec. 3.2 adds FLOPs",
        check=spec.every(
            spec.higher("trainable_params", of="small-no-reduction", than="small"),
            spec.higher(FLOPS, of="small-no-reduction", than="small"),
        ),
        reported="fewer parameters and FLOPs",
        criterion="Small has fewer parameters and FLOPs than with all 1×1 convolutions at the projection dimension.",
        because="The same block, with neither 1×1 convolution narrowing the channels.",
    ),
    Claim(
        id="islam2022.reduction-half",
        quote="The kernel size half of the projection dimension produces the best results for the CIFAR10 dataset.",
        where="Sec. 2.1.3",
        check=spec.highest("test_accuracy", of="small", than=("small-first-quarter", "small-first-full")),
        reported="best at half; no numbers",
        criterion="Test accuracy is higher with a first reduction to a half of the channels than with one to a quarter "
        "and with none, paired over seeds.",
        because="Filters are meant, see islam2022.kernel-size-slip. The second reduction stays at a quarter. "
        f"{_ABLATION}",
    ),
    Claim(
        id="islam2022.batch-norm",
        quote="We have observed a 3-7% increase in accuracy when using Batch Normalization [8], despite Layer "
        "Normalization [20] becoming more and more popular in Transformer, MLP, and even CNN models.",
        where="Sec. 4.1",
        check=spec.difference_within("test_accuracy", 3, 7, of="small", than="small-layer-norm"),
        reported="3 to 7 % higher",
        criterion="Test accuracy with batch norm minus that with layer norm is between 3 and 7 points, paired over "
        "seeds.",
        because=f"Percentage points are meant; layer norm is over the channels, as in Transformers. {_ABLATION}",
    ),
    Claim(
        id="islam2022.adamw",
        quote="The use of the AdamW [19] optimizer instead of the Adam [21] optimizer resulted in a 2-3% increase in "
        "accuracy.",
        where="Sec. 4.1",
        check=spec.difference_within("test_accuracy", 2, 3, of="small", than="small-adam"),
        reported="2 to 3 % higher",
        criterion="Test accuracy with AdamW minus that with Adam is between 2 and 3 points, paired over seeds.",
        because=f"Percentage points are meant; Adam under the same schedule, without weight decay. {_ABLATION}",
    ),
    Claim(
        id="islam2022.batch-size",
        quote="The accuracy was lower when we used a batch size of 128 than when we used a batch size of 512, even "
        "though the smaller batch size should increase accuracy.",
        where="Sec. 4.1",
        check=spec.higher("test_accuracy", of="small", than="small-batch-128"),
        reported="lower at batch size 128; no numbers",
        criterion="Test accuracy is higher with batch size 512 than with 128, paired over seeds.",
        because=f"Nothing else changes: the same learning rates and epochs. {_ABLATION}",
    ),
    Claim(
        id="islam2022.residual",
        quote=_RESIDUAL,
        where="Sec. 2.1",
        check=spec.higher("test_accuracy", of="small", than="small-no-residual"),
        reported="a help; no numbers",
        criterion="Test accuracy is higher with both residual connections than without, paired over seeds.",
        because="Help is read as a higher accuracy after the last epoch. The sentence says faster convergence, which "
        f"islam2022.residual-faster tests; this reading came first and stays. {_ABLATION}",
    ),
    Claim(
        id="islam2022.residual-faster",
        quote=_RESIDUAL,
        where="Sec. 2.1",
        check=spec.higher("train_accuracy", of="small", than="small-no-residual", epoch=CONVERGENCE_EPOCH),
        reported="faster convergence; no numbers",
        because="To converge faster is read as to be ahead in training accuracy after a tenth of the epochs. "
        f"{_ABLATION}",
    ),
)


@dataclass(frozen=True)
class QuotedAccuracy:
    """An accuracy on CIFAR-10 that the thesis quotes, and what the work that it cites for that network prints."""

    network: str
    percent: float
    cited: str
    printed: tuple[float, ...]  # for that network on CIFAR-10, in percent

    @property
    def agreement(self) -> spec.Agreement:
        """The cited work prints the accuracy, to within one unit of its last digit, at least once."""
        unit = 10.0 ** -len(f"{self.percent:g}".partition(".")[2])
        found = any(abs(accuracy - self.percent) < unit for accuracy in self.printed)
        label = f"{self.network} at {self.percent:g} % on CIFAR-10 in {self.cited} (1 if it is there, else 0)"
        return spec.Agreement(Number(label, int(found)), Number("1", 1))


QUOTED_ACCURACIES = (
    # Their 89 % on CIFAR-10 (Sec. 3.3, 11 % error) is that of another network, with four layers.
    QuotedAccuracy("AlexNet", 80.8, "Krizhevsky et al. 2012", ()),
    QuotedAccuracy("VGG-19", 91.2, "Simonyan & Zisserman 2015", ()),
    # Their networks for CIFAR-10 are others, with 20 to 1,202 layers (Table 6).
    QuotedAccuracy("ResNet-50", 95.84, "He et al. 2016", ()),
    # Table 5, pre-trained on ImageNet, on ImageNet-21k and on JFT-300M; none is trained on CIFAR-10 alone.
    QuotedAccuracy(
        "ViT",
        90,
        "Dosovitskiy et al. 2021",
        (98.13, 97.77, 97.86, 97.94, 98.95, 98.79, 99.16, 99.13, 99.27, 99.0, 98.61, 99.38, 99.19, 99.5),
    ),
)


def _quoted(name: str, millions: float) -> spec.Agreement:
    stated = Number(f"stated in Sec. 1.2: {millions} million", round(millions * 1e6))
    return spec.agreement("trainable_params", of=name, stated=stated, tolerance=1e5)


TEXT_CLAIMS = (
    Claim(
        id="islam2022.quoted-params",
        kind="quoted",
        quote="The network design has 62.3 million learnable parameters, which is a very high quantity.",
        where="Sec. 1.2.1, 1.2.2 and 1.2.3",
        check=spec.consistent(_quoted("alexnet", 62.3), _quoted("vgg19", 143.7), _quoted("resnet50", 25.6)),
        reported="AlexNet 62.3, VGG-19 143.7, ResNet-50 25.6 million learnable parameters",
        criterion="Each network's trainable parameters differ from the stated number by less than one unit of its last "
        "digit.",
        because="For the 1,000 classes of ImageNet. AlexNet without the two groups of its original, since they would "
        "leave 61.0 million.",
    ),
    Claim(
        id="islam2022.quoted-accuracies",
        kind="quoted",
        quote="This model's accuracy on the CIFAR10 dataset is about 80.80%.",
        where="Sec. 1.2.1, 1.2.2, 1.2.3 and 1.2.4",
        check=spec.consistent(*(quoted.agreement for quoted in QUOTED_ACCURACIES)),
        reported="AlexNet 80.80 %, VGG-19 91.2 %, ResNet-50 95.84 %, ViT 90 % on CIFAR-10",
        criterion="The work that the thesis cites for each network prints that accuracy for it on CIFAR-10, to within "
        "one unit of the last digit.",
        because="The thesis gives no other source and no recipe, so what can be checked is whether the numbers are in "
        "the works cited; whether the networks can reach them is not tested here. The first three print no accuracy on "
        "CIFAR-10 for these networks; the fourth prints 97.77 to 99.5 % for networks pre-trained on more images.",
    ),
    Claim(
        id="islam2022.kernel-size-slip",
        quote="The filter size functions as a hyperparameter while the kernel size of the convolution layer is held "
        "constant at 1. The multiplication required for the subsequent layers is minimized by narrowing the channel. "
        "The kernel size half of the projection dimension produces the best results for the CIFAR10 dataset.",
        where="Sec. 2.1.3",
        check=spec.consistent(
            spec.Agreement(
                Number("kernel size, held constant", 1), Number("half of Small's projection dimension", 128 / 2)
            )
        ),
        reported="a kernel size of 1 and of half of the projection dimension",
        criterion="The two kernel sizes that the paragraph gives are equal.",
        because="The number of filters is meant by the second, and built: with it, the counts of Table 1 come out.",
    ),
)

DEPARTURES = (
    Departure(
        what="patch size of Large",
        paper="1 (Table 1), with a parameter count that only 2 gives and FLOPs that only 1 gives",
        ours="1 decides the claims; 2 (large-p2) is trained beside it",
        because="Table 1 and the discussion ('highest when a patch size is as small as 1') print it",
        affects=(*METRICS, FLOPS.name),
        experiments=("large",),
        counterpart={"large": "large-p2"},
        kind="contradiction",
    ),
    Departure(
        what="FLOPs",
        paper="not defined",
        ours="mult-adds of convolutions and the dense layer, two operations for each value that enters a norm, one for "
        "each that enters global average pooling; no biases, activations or residual additions",
        because="the one convention found that gives Small and Medium; Large then tests it",
        affects=(FLOPS.name,),
        kind="assumption",
    ),
    Departure(
        what="weight decay",
        paper="not stated",
        ours="0.01",
        because="ConvMixer's CIFAR-10 recipe has it, with the same batch size, peak learning rate, patch and kernel "
        "size",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="what AdamW multiplies its decay by",
        paper="not stated",
        ours="the learning rate, as Keras and PyTorch do",
        because="AdamW of TensorFlow Addons, a likely choice for a TensorFlow user of 2022, does not multiply; "
        f"at the peak rate of {PEAK_RATE:g} its decay is {1 / PEAK_RATE:g} times as strong. {UNSCALED.name} would tell "
        "the two apart",
        affects=(*LEARNING_METRICS,),
        experiments=(SMALL.name,),
        counterpart={SMALL.name: UNSCALED.name},
        kind="assumption",
    ),
    Departure(
        what="augmentation",
        paper="'Typical data augmentation methods like RandAugment, AutoAugment, MixUp, and CutMix' (Sec. 3.1)",
        ours="flip and crop, then RandAugment or AutoAugment, then MixUp or CutMix; each image draws",
        because="how they were combined and their strengths are not stated; all four at once on each image would "
        "leave little of it",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="operations of RandAugment and AutoAugment",
        paper="not stated",
        ours="as in the authors' code for CIFAR: at level 9 a translation of 10 pixels; colour, contrast, brightness "
        "and sharpness at a factor of 0.1 + 0.2 per level",
        because="the policy was searched with these; torchvision, a common alternative, translates by 14.5 pixels at "
        "level 9 and has factors of 1 ± 0.1 per level",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="learning rate",
        paper="'exponential learning rate scheduler', 'dropped gradually to 5e-5' (Sec. 3.1)",
        ours="linear warm-up over five epochs, then the same factor at each step, down to 5e-5 at the last",
        because="the plainest reading of both sentences",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="training accuracy",
        paper="not stated how computed",
        ours="over the last epoch's augmented batches, against the larger label",
        because="it is what Keras shows, and the only way to be 15 points below the testing accuracy",
        affects=("train_accuracy", "generalisation_gap"),
        kind="assumption",
    ),
    Departure(
        what="epoch reported",
        paper="not stated",
        ours="the last of 300",
        because="choosing the best epoch by the test split would bias it",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="validation",
        paper="no validation split is mentioned",
        ours="trained on all 50,000; the curves over epochs are on the test split, and nothing is chosen by them",
        because="Table 2 names training and testing accuracy only",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="network and schedule of the ablations",
        paper="not stated",
        ours="Small with one change, under the paper's recipe of 300 epochs",
        because="Table 2 has 300 epochs for every model, and Small is the cheapest of them",
        affects=(*LEARNING_METRICS,),
        experiments=tuple(experiment.name for experiment in ABLATIONS),
        kind="assumption",
    ),
    Departure(
        what="loss, input scaling, initialisation",
        paper="not stated",
        ours="cross-entropy without label smoothing; CIFAR-10's mean and deviation; Glorot uniform",
        because="Keras's defaults, and ConvMixer's recipe for the scaling",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="framework and hardware",
        paper="TensorFlow on a TPU v3 in a Kaggle notebook (Sec. 3, 3.1)",
        ours="Keras 3 in float32; every result names its backend and device",
        because="the thesis itself suspects the TPU behind its batch-size finding; a GPU tests that too",
        affects=(*RUN_METRICS,),
    ),
)

PAPER = Paper(
    key="islam2022",
    title="An Efficient Image Classification Method Using Depthwise Separable Convolution by a Supervised Learning "
    "Approach",
    authors="Md Safayet Islam",
    year=2022,
    venue="Undergraduate thesis, Rajshahi University of Engineering & Technology",
    link="",
    hardware="TPU v3 in a Kaggle notebook (Sec. 3.1)",
    experiments=(*MAIN, *ABLATIONS, UNSCALED, *COUNTED),
    priority=2,
    claims=TABLE_CLAIMS + ABLATION_CLAIMS + TEXT_CLAIMS,
    departures=DEPARTURES,
    metrics=(FLOPS,),
)
