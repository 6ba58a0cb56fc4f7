"""tseng2020: a small standard network against a MobileNet-like one on CIFAR-10, with and without augmentation."""

from dataclasses import replace
from typing import Any

from sepconv import spec
from sepconv.metrics import LEARNING_METRICS, METRICS, RUN_METRICS, Metric
from sepconv.spec import (
    FLOAT32_BYTES,
    Claim,
    Constant,
    Departure,
    Experiment,
    Network,
    Number,
    Optimizer,
    Paper,
    Recipe,
)

# --- experiments -----------------------------------------------------------------------------------------------------

RECIPE = Recipe(
    epochs=100,
    batch_size=64,
    optimizer=Optimizer("adam"),
    schedule=Constant(1e-3),
    normalisation="unit",
    train_images=40_000,
    sources={
        "epochs": "Sec. 4.2",
        "batch_size": "Sec. 4.2",
        "optimizer": "not stated; Adam, because TensorFlow's own CIFAR-10 tutorial for Keras takes it",
        "schedule": "not stated; 0.001 throughout, because that is the default of Keras's Adam",
        "normalisation": "not stated; pixel/255, because TensorFlow's own CIFAR-10 tutorial for Keras takes it",
        "train_images": "Table 3 and Sec. 4.1: 10,000 of the 50,000 are held out for validation",
        "augment": "none: Conv and DepthSepConv are the schemes without data augmentation (Sec. 4.2)",
        "label_smoothing": "not stated; none, the default of Keras's cross-entropy",
        "precision": "not stated; float32, the default of Keras",
    },
)
AUGMENTED = replace(
    RECIPE,
    augment=(("shift",), ("rotate",), ("zoom",), ("brightness",), ("flip",)),
    sources=RECIPE.sources
    | {
        "augment": "Sec. 3.2 names rotating, resizing, scaling, brightness, flipping 'and so on', but no strengths and "
        "not which of them were used; we apply these and the shift of Keras's own CIFAR-10 example, every image each "
        "time anew, with the strengths in sepconv.training.augment"
    },
)
BFLOAT16 = replace(
    RECIPE,
    precision="bfloat16",
    sources=RECIPE.sources
    | {"precision": "ours, to see whether results depend on it: layers compute in bfloat16, all else in float32"},
)

SHORT_EPOCHS = 8  # of the budget short

CONV = Experiment("conv", Network("tseng.conv"), "cifar10", RECIPE, SHORT_EPOCHS, "Table 1", label="Conv")
DSC = Experiment(
    "dsc",
    Network("tseng.depthwise_separable", {"blocks_512": 1}),
    "cifar10",
    RECIPE,
    SHORT_EPOCHS,
    "Table 2 with one block of 512 filters: the network that has the 1,094,538 parameters of Sec. 4.2",
    label="DepthSepConv",
)
DSC_5 = replace(
    DSC,
    name="dsc-5",
    network=Network("tseng.depthwise_separable", {"blocks_512": 5}),
    note="Table 2 as printed, with five blocks of 512 filters: 2,182,026 parameters",
    label="DepthSepConv with five 512 blocks",
)
EXPERIMENTS = (
    CONV,
    DSC,
    DSC_5,
    *(
        replace(plain, name=f"da-{plain.name}", recipe=AUGMENTED, label=f"{plain.label} with augmentation")
        for plain in (CONV, DSC, DSC_5)
    ),
    *(  # no claim rests on these
        replace(
            plain,
            name=f"{plain.name}-bf16",
            recipe=BFLOAT16,
            note=f"{plain.name} in bfloat16",
            stage="ablation",
            label=f"{plain.label} in bfloat16",
        )
        for plain in (CONV, DSC)
    ),
)

# --- claims ----------------------------------------------------------------------------------------------------------


def _step_bytes_without_slots(cost: Any) -> int:  # noqa: ANN401 - a CostResult, which no paper module imports
    """Bytes of a training step with an optimizer that keeps nothing from step to step, such as plain SGD."""
    slots = cost.weight_bytes - FLOAT32_BYTES * cost.num_params
    return int(cost.training_step_bytes - slots)


STEP_BYTES_WITHOUT_SLOTS = Metric(
    "step_bytes_without_slots", "bytes", "cost", _step_bytes_without_slots, words="training step bytes without slots"
)

_COUNTS = (
    "In our experimental architecture, the number of model parameters for standard convolution and depthwise "
    "separable convolution was 2,201,674 and 1,094,538, respectively."
)
_ONE_BLOCK = (
    "DepthSepConv is the network with one 512 block, which alone has the stated number of parameters; "
    "Table 2 as printed (dsc-5) is run beside it and does not decide the claim."
)

COUNT_CLAIMS = (
    Claim(
        id="tseng2020.params-conv",
        quote=_COUNTS,
        where="Sec. 4.2",
        check=spec.equal("num_params", of="conv", expected=2_201_674),
        reported="2,201,674 parameters",
        because="With 'same' padding and pooling of stride 2, as the input sizes of Table 1 require.",
    ),
    Claim(
        id="tseng2020.params-dsc",
        quote=_COUNTS,
        where="Sec. 4.2",
        check=spec.equal("num_params", of="dsc", expected=1_094_538),
        reported="1,094,538 parameters",
        criterion="The network of Table 2, with one 512 block, has exactly that many parameters.",
        because="Counted as Keras's summary does, with batch norm's moving statistics. Table 2 as printed, with five "
        "512 blocks, has about twice as many; see tseng2020.table2-vs-text.",
        reading_from=("tseng2020.params-dsc",),
    ),
    Claim(
        id="tseng2020.table2-vs-text",
        quote="Five layers of 512 groups of filters of depthwise separable convolution with a step size of 1 and a "
        "layer of 1024 groups of filters of depthwise separable convolution with a step size of 1 are connected.",
        where="Sec. 3.1 and Table 2, against Sec. 4.2",
        check=spec.consistent(spec.agreement("num_params", of="dsc-5", stated=Number("stated in Sec. 4.2", 1_094_538))),
        reported="five 512 blocks (Table 2 and Sec. 3.1) and 1,094,538 parameters (Sec. 4.2)",
        criterion="The network with five 512 blocks has the number of parameters that the paper states.",
        because="One 512 block gives exactly the stated number (tseng2020.params-dsc), so the trained network is taken "
        "to have one.",
    ),
    Claim(
        id="tseng2020.table1-stride",
        quote="Max Pool/s1 | Pool 2 × 2 | 32 × 32 × 32 | Conv/s1 | 3 × 3 × 64 | 16 × 16 × 32",
        where="Table 1",
        check=spec.consistent(
            *(
                spec.Agreement(
                    Number(f"a pool of stride 1 keeps {size} × {size}", size),
                    Number("the next row's input", size // 2),
                    tolerance=2,
                )
                for size in (32, 16, 8)
            )
        ),
        reported="pooling of stride 1 (s1); the next rows' inputs are 16, 8 and 4 wide",
        criterion="The size that a pool of stride 1 leaves is the input size of the next row.",
        because="A 2 × 2 pool of stride 1 takes away at most one pixel of the width, hence the tolerance of less than "
        "two. Stride 2 is meant, and built.",
    ),
    Claim(
        id="tseng2020.fewer-params",
        quote="Even though there are many layers of depthwise separable convolution, the number of parameters is still "
        "lower than the standard convolution.",
        where="Sec. 4.2",
        check=spec.higher("num_params", of="conv", than="dsc"),
        reported="1,094,538 against 2,201,674",
        because=_ONE_BLOCK,
    ),
    Claim(
        id="tseng2020.cost",
        kind="question",
        quote="Depthwise separable convolution reduces the parameters and calculation costs used in convolution "
        "operations, resulting in a better model than the previous one for a given number of parameters [10].",
        where="Sec. 2.2",
        check=spec.higher("mult_adds", of="conv", than="dsc"),
        reported="lower calculation costs",
        because="Our question, not a claim of the paper: the sentence stands among its related work and compares "
        "convolutions of one shape, of which it is true. We ask whether it also holds of the two networks that the "
        f"paper compares, which differ in more than the kind of convolution. {_ONE_BLOCK}",
    ),
    Claim(
        id="tseng2020.layers",
        quote="Although the model is lightweight, the depthwise separable convolution architecture is composed of "
        "depth convolution and point by point convolution which leads to an increase in the number of layers.",
        where="Sec. 4.2",
        check=spec.higher("weighted_layers", of="dsc", than="conv"),
        reported="more layers",
        because=_ONE_BLOCK,
    ),
    Claim(
        id="tseng2020.memory-weights",
        quote="Since depthwise separable convolution is a lightweight model, the main characteristics are to reduce "
        "the number of parameters and reduce the amount of memory per parameter.",
        where="Sec. 4.2",
        check=spec.higher("weight_bytes", of="conv", than="dsc"),
        reported="less memory",
        because="'Memory per parameter' is 4 bytes in both networks; the memory of all parameters is meant. "
        + _ONE_BLOCK,
    ),
    Claim(
        id="tseng2020.memory-training",
        quote="Therefore, the memory usage can be reduced during the model training process.",
        where="Sec. 4.2",
        check=spec.higher("training_step_bytes", of="conv", than="dsc"),
        reported="less memory while training",
        criterion="One training step at batch size 64 needs fewer bytes for DepthSepConv than for Conv.",
        because="Training holds the activations for the backward pass beside weights, gradients and optimizer state. "
        + _ONE_BLOCK,
    ),
)

ACCURACY_CLAIMS = (
    Claim(
        id="tseng2020.train-dsc-higher",
        quote="The experimental results of the training concentration accuracy show that the depthwise separable "
        "convolution architecture can obtain a higher accuracy than the standard convolution neural network.",
        where="Sec. 4.2, Fig. 1",
        check=spec.higher("train_accuracy", of="dsc", than="conv"),
        reported="DepthSepConv above Conv; no numbers in the text",
        because="'Training concentration accuracy' is the accuracy on the training set, as Keras reports it: over the "
        f"batches of the epoch, dropout active. {_ONE_BLOCK}",
    ),
    Claim(
        id="tseng2020.dsc-epoch30",
        quote="The accuracy of the depthwise separable convolution is 30, already very close to 1.",
        where="Sec. 4.2, Fig. 1",
        check=spec.within("train_accuracy", 97, 100, of=["dsc"], epoch=30),
        reported="very close to 1 at 30",
        because=f"'30' is the epoch, 'very close to 1' at least 0.97. {_ONE_BLOCK}",
    ),
    *(
        Claim(
            id=f"tseng2020.da-lowers-train-{name}",
            quote="It was found that if data enhancement techniques were included, the recognition accuracy rate would "
            "be reduced in both architectures.",
            where="Sec. 4.2, Fig. 1",
            check=spec.higher("train_accuracy", of=name, than=f"da-{name}"),
            reported="lower with augmentation",
            because="With augmentation the accuracy is on the augmented images, as Keras reports it.",
        )
        for name in ("conv", "dsc")
    ),
    *(
        Claim(
            id=f"tseng2020.val-below-train-{name}",
            quote="From the experimental results to verify the centrality accuracy of the concentration we found that "
            "the depthwise separable convolution and standard convolution neural networks are lower than that of the "
            "training set.",
            where="Sec. 4.2, Fig. 2",
            check=spec.above("train_accuracy", "val_accuracy", of=[name]),
            reported="validation below training accuracy",
            criterion=f"{label}'s validation accuracy after the last epoch is below its training accuracy in "
            "it, without augmentation, paired over seeds.",
            because="Judged without augmentation, which the text turns to only afterwards.",
        )
        for name, label in ((CONV.name, CONV.label), (DSC.name, DSC.label))
    ),
    Claim(
        id="tseng2020.val-dsc-higher",
        quote="Experimental results showed that the depthwise separable CNN improves validation accuracy compared with "
        "the standard CNN.",
        where="Abstract, Fig. 2",
        check=spec.higher("val_accuracy", of="dsc", than="conv"),
        reported="DepthSepConv above Conv; no numbers in the text",
        because="One sentence of Sec. 4.2 says 'still lower' of DepthSepConv; the abstract and the rest of the section "
        f"say higher. {_ONE_BLOCK}",
    ),
    Claim(
        id="tseng2020.val-dsc-higher-da",
        quote="From the experimental results in Fig. 1 and Fig. 2, it can be observed that the depthwise separable "
        "convolution architecture achieves higher accuracy than standard convolution neural networks.",
        where="Sec. 4.2, Fig. 2",
        check=spec.higher("val_accuracy", of="da-dsc", than="da-conv"),
        reported="DA-DepthSepConv above DA-Conv; no numbers in the text",
        because=f"Both figures show the networks with and without augmentation. {_ONE_BLOCK}",
    ),
    *(
        Claim(
            id=f"tseng2020.da-raises-val-{name}",
            quote="In addition, with the addition of data enhancement technology, the accuracy of recognition results "
            "for both architectures have improved.",
            where="Sec. 4.2, Fig. 2",
            check=spec.higher("val_accuracy", of=f"da-{name}", than=name),
            reported="higher with augmentation",
            because="Validation images are never augmented (Sec. 4.2: 'mainly targeted at training sets').",
        )
        for name in ("conv", "dsc")
    ),
    *(
        Claim(
            id=f"tseng2020.da-generalises-{name}",
            quote="Although the addition of data enhancement techniques may lead to a decrease in the accuracy of the "
            "training set, it can improve the accuracy of the validation set and improve the generalization of the "
            "model.",
            where="Sec. 4.2",
            check=spec.higher("generalisation_gap", of=name, than=f"da-{name}"),
            reported="better generalization with augmentation",
            because="Generalization is read as the gap between training and validation accuracy.",
        )
        for name in ("conv", "dsc")
    ),
)

TIME_CLAIMS = (
    Claim(
        id="tseng2020.train-time",
        quote="However, although the number of layers increased and the accuracy increased, it did not increase the "
        "training time significantly.",
        where="Sec. 4.2",
        check=spec.ratio_within("epoch_seconds", 0, 1.25, of="dsc", than="conv"),
        reported="not significantly longer",
        because="No time is given; a quarter more is where we set 'significantly'. Sec. 5 adds that depthwise "
        f"separable convolution 'will not speed up' training. {_ONE_BLOCK}",
    ),
)

DEPARTURES = (
    Departure(
        what="number of 512 blocks",
        paper="five in Table 2 and Sec. 3.1; a parameter count (Sec. 4.2) that only one block gives",
        ours="one block (dsc) decides the claims; five (dsc-5) are trained beside it",
        because="the count comes from the program that was run, the table was typed",
        affects=(*METRICS,),
        experiments=("dsc", "da-dsc"),
        counterpart={"dsc": "dsc-5", "da-dsc": "da-dsc-5"},
        kind="contradiction",
    ),
    Departure(
        what="stride of pooling",
        paper="1 (Table 1, 's1')",
        ours="2",
        because="the input sizes of Table 1 halve after each pool",
        affects=(),
        kind="contradiction",
    ),
    Departure(
        what="optimizer",
        paper="not stated",
        ours="Adam, which keeps two slots for each weight",
        because="TensorFlow's own CIFAR-10 tutorial for Keras takes it; the paper used Keras and mentions no tuning",
        affects=(*LEARNING_METRICS, "weight_bytes", "training_step_bytes"),
        counterpart={"training_step_bytes": STEP_BYTES_WITHOUT_SLOTS},
        kind="assumption",
    ),
    Departure(
        what="learning rate",
        paper="not stated",
        ours="0.001 throughout",
        because="the default of Keras's Adam; the paper mentions no schedule",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="loss",
        paper="not stated",
        ours="categorical cross-entropy on the softmax output",
        because="the usual loss for ten exclusive classes",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="augmentation",
        paper="operations listed in general terms (Sec. 3.2), no strengths",
        ours="random shift, rotation, zoom, brightness and horizontal flip, drawn anew for each image and epoch",
        because="those are the operations named, and shifts, which Keras's own CIFAR-10 example has; 'resizing' and "
        "'scaling' are both zoom; 'brightness color temperature' is read as brightness",
        affects=(*RUN_METRICS,),
        experiments=("da-conv", "da-dsc", "da-dsc-5"),
        kind="assumption",
    ),
    Departure(
        what="input scaling and initialisation",
        paper="not stated",
        ours="pixel/255; Glorot uniform weights, zero biases",
        because="the defaults of Keras; pixel/255 as in TensorFlow's tutorial",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="split",
        paper="40,000 / 10,000 / 10,000; how the 10,000 for validation were chosen is not stated",
        ours="a random permutation that follows from the seed",
        because="seeds then vary the split too, as repeating the paper's experiment would",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="epoch reported",
        paper="not stated; Figs. 1 and 2 show curves",
        ours="the last of 100",
        because="choosing the best epoch by validation accuracy would bias the validation accuracy",
        affects=(*LEARNING_METRICS,),
        kind="assumption",
    ),
    Departure(
        what="framework and hardware",
        paper="TensorFlow Keras with CUDA 9.0 on Windows 10, one NVIDIA TITAN RTX (Table 4)",
        ours="Keras 3; every result names its backend and device",
        because="TensorFlow of that time does not run on current GPUs; only times and last digits should depend on it",
        affects=("epoch_seconds", "total_seconds"),
    ),
)

PAPER = Paper(
    key="tseng2020",
    title="A Study of Image Recognition for Standard Convolution and Depthwise Separable Convolution",
    authors="Fan-Hsun Tseng, Fan-Yi Kao",
    year=2020,
    venue="BICT 2020, Springer",
    link="https://doi.org/10.1007/978-3-030-57115-3_16",
    hardware="NVIDIA TITAN RTX, Windows 10, Python 3.6, CUDA 9.0, cuDNN 7.6 (Table 4)",
    experiments=EXPERIMENTS,
    priority=1,
    claims=COUNT_CLAIMS + ACCURACY_CLAIMS + TIME_CLAIMS,
    departures=DEPARTURES,
    metrics=(STEP_BYTES_WITHOUT_SLOTS,),
)
