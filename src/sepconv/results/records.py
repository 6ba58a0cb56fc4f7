"""What a result is: a frozen, validated record for each kind, and its place in the store."""

import hashlib
import math
import re
from itertools import groupby
from statistics import median
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from sepconv.spec import TRAIN_IMAGES, Budget, Dataset, InputError, Precision, Scale, Seed, Slug, canonical_json

T = TypeVar("T")
SCHEMA: Literal[1] = 1
Percent = Annotated[float, Field(ge=0, le=100)]
# Bounds that no honest result comes near, so that sums, squares and ratios of what is read stay finite.
_MOST = 1e9  # seconds of about thirty years
_LEAST_SECONDS = 1e-12
_MOST_COUNT = 10**18
MOST_TEXT = 300  # characters
NonNegative = Annotated[float, Field(ge=0, le=_MOST)]
Positive = Annotated[float, Field(ge=_LEAST_SECONDS, le=_MOST)]
Count = Annotated[int, Field(ge=0, le=_MOST_COUNT)]
PositiveCount = Annotated[int, Field(gt=0, le=_MOST_COUNT)]
Loss = Annotated[float, Field(ge=-1e39, le=1e39)]  # float32 ends at 3.4e38
Repeats = Annotated[tuple[Positive, ...], Field(min_length=1)]  # seconds


class ResultError(InputError):
    """A result that cannot be read or written. Whatever the file and its name say, the message stays one line."""

    def __init__(self, line: str) -> None:
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in line))


# What begins a tag of HTML, code in Markdown, or the address of a link or of an image.
_MARKUP = re.compile(r"[<>`]|\]\(")


def harmless(text: str) -> str:
    """A text of the system as results can hold it: printable, no markup in it, and no longer than they allow."""
    return _MARKUP.sub("?", "".join(c for c in text if c.isprintable()))[:MOST_TEXT]


def _harmless(text: str) -> str:
    """Control characters and line breaks could rewrite what a terminal shows, and markup what a page does."""
    if not text.isprintable():
        raise ValueError("expected printable characters only")
    if found := _MARKUP.search(text):
        raise ValueError(f"expected text without markup, got {found[0]}")
    return text


def _check_json(value: T) -> T:
    """Hold every text in a JSON value, those of its names included, against the rules for :data:`Text`.

    Numbers have to be finite, as in every other field.
    """
    if isinstance(value, str):
        _harmless(value)
        if len(value) > MOST_TEXT:
            raise ValueError(f"expected at most {MOST_TEXT} characters, got {len(value)}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value}")
    elif isinstance(value, dict):
        for name, entry in value.items():
            _check_json(name), _check_json(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            _check_json(entry)
    return value


def first_error(error: ValidationError) -> str:
    """The first fault that pydantic found, in one line: where, what was expected, what came."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "result"
    return f"{place}: {first['msg']}; got {repr(first['input'])[:80]}"


Text = Annotated[str, Field(min_length=1, max_length=MOST_TEXT), AfterValidator(_harmless)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# With slots, since a folder of results can hold a million of them and a model takes five times the memory.
@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Epoch:
    """What one epoch measured. Validation is on the test split where the paper has no validation split."""

    epoch: PositiveCount
    learning_rate: NonNegative  # at the epoch's last step
    train_loss: Loss
    train_accuracy: Percent  # running over the epoch's (augmented) batches, as Keras reports it
    val_loss: Loss
    val_accuracy: Percent
    train_seconds: NonNegative  # without compiling
    evaluate_seconds: NonNegative


class Reestimated(_Model):
    """Accuracies with batch norm's running averages replaced by averages over training images, taken after training.

    In a short run the running averages have not settled when training ends. ``torch.optim.swa_utils.update_bn`` and
    pycls's precise statistics do the same.
    """

    val_accuracy: Percent
    test_accuracy: Percent


class Final(_Model):
    """What the weights after the last epoch measure."""

    train_accuracy: Percent  # of the last epoch, running
    val_accuracy: Percent
    test_accuracy: Percent
    test_loss: Loss
    batch_stats_accuracy: Percent | None = None  # test accuracy with batch norm on each batch's own statistics
    reestimated: Reestimated | None = None  # None without batch norm, and in results from before it was measured


class Seconds(_Model):
    """Where the time of a run went."""

    compile: NonNegative  # first call of each function, less a later call
    train: NonNegative
    evaluate: NonNegative


class Environment(_Model):
    """The machine and software that a result comes from."""

    python: Text
    keras: Text
    backend: Literal["tensorflow", "jax", "torch"]
    backend_version: Text
    numpy: Text
    device: Text
    accelerator: bool
    cores: PositiveCount
    system: Text
    exact_products: bool = True  # float32 products keep the digits of their factors; False where they round, as to TF32
    git_commit: Text  # of the code; "-dirty" appended where it was changed
    settings: tuple[Text, ...] = ()  # environment variables that can change numbers; not recorded at first

    @property
    def device_title(self) -> str:
        """The device as a reader calls it."""
        return device_title(self.device)


class _SpecRecipe(_Model, extra="allow"):
    train_images: Annotated[int, Field(gt=0, le=TRAIN_IMAGES)]


class _Spec(_Model, extra="allow"):
    """What readers rely on in the spec of a run; all else of it is held against the paper's by ``run_id``."""

    network: dict[str, Any]
    dataset: Dataset
    recipe: _SpecRecipe
    scale: Scale
    seed: Seed


Part = Literal["forward", "input gradient", "weight gradient"]  # of a layer's training step
Way = Literal["grouped", "shifted", "pallas"]  # to compute a part of a depthwise convolution on JAX


def _check_budget(budget: str) -> str:
    """A result of a budget that is gone gets one line that says what to do."""
    if budget not in list(Budget):
        raise ValueError(f"expected {', '.join(Budget)}; this budget is gone or never was, delete the file")
    return budget


def _check_spec(spec: dict[str, Any]) -> dict[str, Any]:
    try:
        _Spec.model_validate(spec)
    except ValidationError as error:
        raise ValueError(first_error(error)) from None
    return _check_json(spec)


class Stretch(_Model):
    """Epochs of a run that one process trained."""

    first_epoch: PositiveCount
    environment: Environment


class RunResult(_Model):
    """The result of one run."""

    kind: Literal["run"] = "run"
    schema_version: Literal[1] = SCHEMA
    paper: Slug
    experiment: Slug
    budget: Annotated[Budget, BeforeValidator(_check_budget)]
    seed: Seed
    run_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    spec: Annotated[dict[str, Any], AfterValidator(_check_spec)]
    status: Literal["complete", "diverged"]  # diverged: the loss became NaN; history ends there and final is None
    history: tuple[Epoch, ...]
    final: Final | None
    seconds: Seconds
    peak_bytes: Count | None  # of the device, or of the process on a CPU; None where it cannot be read
    data_sha256: Sha256
    environment: Environment
    stretches: tuple[Stretch, ...] = ()  # of a run that was continued, in order; the last one's is ``environment``
    # How each depthwise layer, by name, was computed: "keras" is the layer of Keras. None where it was not recorded.
    depthwise_ways: dict[str, dict[Part, Way | Literal["keras"]]] | None = None

    @property
    def key(self) -> str:
        """Place below the results folder, without the suffix."""
        return f"{self.paper}/{self.experiment}/{self.budget}-seed-{self.seed}"

    @model_validator(mode="after")
    def _whole(self) -> "RunResult":
        if self.run_id != hashlib.sha256(canonical_json(self.spec)).hexdigest()[:16]:
            raise ValueError("run_id is not the hash of spec")
        if self.seed != self.spec["seed"]:
            raise ValueError(f"seed differs from the spec's, {self.spec['seed']}")
        if [e.epoch for e in self.history] != list(range(1, len(self.history) + 1)):
            raise ValueError("history must number its epochs 1, 2, …")
        complete = self.status == "complete"
        if complete != (self.final is not None):
            raise ValueError("a complete run, and only it, has final metrics")
        if complete and len(self.history) != (epochs := self.spec["scale"]["epochs"]):
            raise ValueError(f"a complete run has {epochs} epochs, this one {len(self.history)}")
        return self


# Families of layers, by the names of Keras's classes.
CONVOLUTIONS = {"Conv2D": "standard", "DepthwiseConv2D": "depthwise", "Conv2DTranspose": "transposed"}
NORMS = ("BatchNormalization", "LayerNormalization")


class Layer(_Model):
    """One layer of a network as counted."""

    name: Text
    type: Text
    stride: PositiveCount | None
    filter_shape: tuple[PositiveCount, ...]
    input_shape: tuple[PositiveCount, ...]  # (height, width, channels) or (features,)
    output_shape: tuple[PositiveCount, ...]
    params: Count
    mult_adds: Count


class CostResult(_Model):
    """Counts of the network of one experiment; deterministic."""

    kind: Literal["cost"] = "cost"
    schema_version: Literal[1] = SCHEMA
    paper: Slug
    experiment: Slug
    network: Annotated[dict[str, Any], AfterValidator(_check_json)]
    batch_size: PositiveCount | None  # of the training step whose bytes are counted; None where there is no recipe
    num_params: Count
    trainable_params: Count
    mult_adds: Count
    weighted_layers: Count
    weight_bytes: Count
    activation_bytes: Count
    training_step_bytes: Count
    layers: tuple[Layer, ...]

    @property
    def blocks(self) -> list[list[Layer]]:
        """Layers next to each other whose names begin alike, such as ``block1_conv`` and ``block1_bn``."""
        return [list(block) for _, block in groupby(self.layers, key=lambda layer: layer.name.partition("_")[0])]

    @property
    def key(self) -> str:
        """Place below the results folder, without the suffix."""
        return f"{self.paper}/{self.experiment}/cost"


# Times say how many images they are of, and stay what they are when a budget goes: `reduced` was one in version 0.1.
MeasuredBudget = Budget | Literal["reduced"]
BatchNorm = Literal["inference", "training"]
Transfer = Literal["device", "host"]


class BatchTime(_Model):
    """How long one whole batch took, over those of all passes: half of them took ``p50`` at most, 95 % ``p95``."""

    p50: Positive  # milliseconds
    p95: Positive
    batches: PositiveCount  # timed; from few of them p95 is hardly less than the slowest

    @model_validator(mode="after")
    def _ordered(self) -> "BatchTime":
        if self.p95 < self.p50:
            raise ValueError(f"p95 is never below p50, got {self.p95} and {self.p50}")
        return self


class LatencyResult(_Model):
    """Inference time of one network against batch size, on one device."""

    kind: Literal["latency"] = "latency"
    schema_version: Literal[1] = SCHEMA
    paper: Slug
    experiment: Slug
    budget: MeasuredBudget
    images: PositiveCount  # of one pass; the paper's budget is the test split's 10,000
    batch_norm: BatchNorm
    transfer: Transfer  # images already on the device, or copied from the host in the timed part
    seconds: Annotated[dict[PositiveCount, Repeats], Field(min_length=1)]  # batch size -> seconds of each repeated pass
    batch_times: dict[PositiveCount, BatchTime] = Field(
        default_factory=dict
    )  # by batch size; empty where passes only were timed
    environment: Environment

    @property
    def key(self) -> str:
        """Place below the results folder, without the suffix."""
        place = self.paper, self.experiment, self.budget, self.batch_norm, self.transfer
        return latency_key(*place, self.environment)


class LoopTiming(_Model):
    """Epochs of one training loop, each from the same weights over the same batches."""

    compile: NonNegative  # seconds of the first epoch and all that led to it, less those of a later epoch
    seconds: Repeats  # of each epoch after the first
    losses: tuple[Loss, ...]  # mean training loss of each of these epochs

    @model_validator(mode="after")
    def _whole(self) -> "LoopTiming":
        if len(self.seconds) != len(self.losses):
            raise ValueError(f"every epoch has a time and a loss, got {len(self.seconds)} and {len(self.losses)}")
        return self


TrainingLoop = Literal["engine", "fit", "fit_steps_per_execution", "train_on_batch"]


class ThroughputResult(_Model):
    """Training time of whole epochs by each training loop, taken in turns in one process, on one device."""

    kind: Literal["throughput"] = "throughput"
    schema_version: Literal[1] = SCHEMA
    paper: Slug
    experiment: Slug
    budget: MeasuredBudget
    images: PositiveCount  # of one epoch
    batch_size: PositiveCount
    steps_per_execution: PositiveCount  # of the loop named after it
    loops: dict[TrainingLoop, LoopTiming]
    environment: Environment

    @property
    def key(self) -> str:
        """Place below the results folder, without the suffix."""
        return throughput_key(self.paper, self.experiment, self.budget, self.environment)


class MemoryResult(_Model):
    """Memory of one training step as measured on one device; :mod:`sepconv.measuring.memory` says how.

    Shown beside the counted ``training_step_bytes``, which the claims read; it decides none of them.
    """

    kind: Literal["memory"] = "memory"
    schema_version: Literal[1] = SCHEMA
    paper: Slug
    experiment: Slug
    batch_size: PositiveCount
    method: Literal["compiled", "resident", "allocator"]
    step_bytes: PositiveCount  # all that the step holds at its peak, weights and optimizer state included
    repeats: Annotated[
        tuple[Count, ...], Field(min_length=1)
    ]  # what each process measured, of which that is the median
    parts: dict[Text, Count]  # bytes that the method read, by name
    environment: Environment

    @property
    def key(self) -> str:
        """Place below the results folder, without the suffix."""
        return memory_key(self.paper, self.experiment, self.environment)


class Product(_Model):
    """Products of two square matrices."""

    size: PositiveCount  # rows, and columns
    seconds: Repeats  # of one product, each time it was measured

    @property
    def operations_per_second(self) -> float:
        """Two floating-point operations a mult-add; the median of the repeats."""
        return 2 * self.size**3 / median(self.seconds)


class RooflineResult(_Model):
    """What a device can do at most, through one backend: bytes moved and operations computed in a second."""

    kind: Literal["roofline"] = "roofline"
    schema_version: Literal[1] = SCHEMA
    copy_bytes: PositiveCount  # read and written by one copy, together
    copy_seconds: Repeats  # of one copy, each time it was measured
    products: dict[Precision, Product]
    environment: Environment

    @property
    def key(self) -> str:
        """Place below the results folder, without the suffix."""
        return roofline_key(self.environment)

    @property
    def bytes_per_second(self) -> float:
        """The median of the repeats."""
        return self.copy_bytes / median(self.copy_seconds)


Padding = Literal["same", "valid"]  # TensorFlow's names
# What the fastest way of a depthwise convolution depends on, besides the machine: fields of its timing.
CONVOLUTION = ("size", "channels", "kernel", "stride", "padding", "precision")


class DepthwiseShape(_Model):
    """What one depthwise layer of a network works on: a batch of square images."""

    batch: PositiveCount
    size: PositiveCount  # height and width of the input
    channels: PositiveCount
    kernel: PositiveCount  # height and width
    stride: PositiveCount
    padding: Padding = "same"

    @property
    def output(self) -> int:
        """Height and width of the output."""
        covered = self.size if self.padding == "same" else self.size - self.kernel + 1
        return -(-covered // self.stride)

    @property
    def zeros(self) -> tuple[int, int]:
        """Zeros before and after a row of the input."""
        total = max(0, (self.output - 1) * self.stride + self.kernel - self.size)
        return (total // 2, total - total // 2) if self.padding == "same" else (0, 0)

    @property
    def values(self) -> int:
        """Values of input, kernel and output together: what each part of a training step has to move."""
        images = self.batch * (self.size**2 + self.output**2)
        return self.channels * (images + self.kernel**2)


class DepthwiseTiming(DepthwiseShape):
    """A depthwise layer, each part of its training step timed in each way that the device has."""

    precision: Precision
    seconds: dict[Part, dict[Way, Repeats]]  # of one call, each time it was measured
    differences: dict[Part, NonNegative]  # the largest between two ways, as a share of the largest value

    @model_validator(mode="after")
    def _whole(self) -> "DepthwiseTiming":
        parts = set(get_args(Part))
        if self.seconds.keys() != parts or self.differences.keys() != parts:
            raise ValueError(f"expected {', '.join(get_args(Part))}, each timed and with a difference")
        if not all("grouped" in ways for ways in self.seconds.values()):
            raise ValueError("expected the grouped way of every part, which the others are held against")
        return self


class DepthwiseResult(_Model):
    """Ways to compute a depthwise convolution, taken in turns in one process, on one device."""

    kind: Literal["depthwise"] = "depthwise"
    schema_version: Literal[1] = SCHEMA
    timings: Annotated[tuple[DepthwiseTiming, ...], Field(min_length=1)]
    environment: Environment

    @property
    def key(self) -> str:
        """Place below the results folder, without the suffix."""
        return depthwise_key(self.environment)


class ClusterResult(_Model):
    """What was done to campaigns on a Ray cluster, its nodes all on one machine, and what was left of their runs."""

    kind: Literal["cluster"] = "cluster"
    schema_version: Literal[1] = SCHEMA
    disturbance: Slug
    ray: Text
    nodes: PositiveCount
    heartbeat_seconds: Positive  # after which Ray takes a node that says nothing for dead
    runs: PositiveCount  # of all campaigns together
    lost: Count  # runs without a result in the end
    refused: Count  # second results of a run, of which the first stayed
    changed: Count  # results with other numbers than the undisturbed run's
    recovery_seconds: Repeats  # each time, until every run that was hit was trained again or had its result
    environment: Environment

    @property
    def key(self) -> str:
        """Place below the results folder, without the suffix."""
        return cluster_key(self.disturbance, self.environment)

    @property
    def times(self) -> int:
        """How often it was disturbed."""
        return len(self.recovery_seconds)


class ScalingResult(_Model):
    """How fast a Ray cluster whose nodes all lie on one machine trains short runs, and what its driver can do."""

    kind: Literal["scaling"] = "scaling"
    schema_version: Literal[1] = SCHEMA
    ray: Text
    runs: PositiveCount  # of each campaign
    campaign_seconds: Annotated[dict[PositiveCount, Positive], Field(min_length=1)]  # by nodes, of one core each
    trained_seconds: Annotated[dict[PositiveCount, Positive], Field(min_length=1)]  # of all runs together, by nodes
    driver_seconds: Repeats  # that the driver is busy with one run
    beat_seconds: Repeats  # that it is busy with one report of a run
    environment: Environment

    @model_validator(mode="after")
    def _whole(self) -> "ScalingResult":
        if self.campaign_seconds.keys() != self.trained_seconds.keys():
            raise ValueError("campaign_seconds and trained_seconds are of the same numbers of nodes")
        return self

    @property
    def key(self) -> str:
        """Place below the results folder, without the suffix."""
        return scaling_key(self.environment)

    def runs_per_hour(self, nodes: int) -> float:
        """Runs that so many nodes have trained in an hour."""
        return 3600 * self.runs / self.campaign_seconds[nodes]

    @property
    def start_seconds(self) -> float:
        """What a run takes beside its training on the fewest nodes: starting, reading images, compiling, writing."""
        nodes = min(self.campaign_seconds)
        return max(0.0, nodes * self.campaign_seconds[nodes] - self.trained_seconds[nodes]) / self.runs


def latency_key(
    paper: str, experiment: str, budget: MeasuredBudget, batch_norm: str, transfer: str, environment: Environment
) -> str:
    """Where the latency of an experiment lies below the results folder, without the suffix."""
    return f"{paper}/{experiment}/latency-{budget}-{batch_norm}-{transfer}-{measured_on(environment)}"


def throughput_key(paper: str, experiment: str, budget: MeasuredBudget, environment: Environment) -> str:
    """Where the throughput of an experiment lies below the results folder, without the suffix."""
    return f"{paper}/{experiment}/throughput-{budget}-{measured_on(environment)}"


def memory_key(paper: str, experiment: str, environment: Environment) -> str:
    """Where the measured memory of an experiment's step lies below the results folder, without the suffix."""
    return f"{paper}/{experiment}/memory-step-{measured_on(environment)}"


def roofline_key(environment: Environment) -> str:
    """Where a device's roofline lies below the results folder, without the suffix. No paper is called ``machines``."""
    return f"machines/{machine(environment)}/roofline-{environment.backend}"


def depthwise_key(environment: Environment) -> str:
    """Where a device's depthwise convolutions lie below the results folder, without the suffix."""
    return f"machines/{machine(environment)}/depthwise-{environment.backend}"


def cluster_key(disturbance: str, environment: Environment) -> str:
    """Where what a cluster of this machine survives lies below the results folder, without the suffix."""
    return f"machines/{machine(environment)}/cluster-{disturbance}-{environment.backend}"


def scaling_key(environment: Environment) -> str:
    """Where the speed of a cluster of this machine lies below the results folder, without the suffix."""
    return f"machines/{machine(environment)}/scaling-{environment.backend}"


def measured_on(environment: Environment) -> str:
    """The machine and the backend: times and memory compare only where both are the same."""
    return f"{machine(environment)}-{environment.backend}"


def machine(environment: Environment) -> str:
    """A device's name as part of a path; for a CPU with the number of its cores, without which it says little."""
    return machine_name(environment.device, environment.accelerator, environment.cores)


def device_title(device: str) -> str:
    """A device as a reader calls it: ``Intel Xeon`` for ``Intel(R) Xeon(R) Processor``."""
    return re.sub(r"\((R|TM)\)", "", device).removesuffix(" Processor")


def machine_name(device: str, accelerator: bool, cores: int) -> str:
    """As :func:`machine`, before there is an environment to record."""
    name = re.sub("[^a-z0-9]+", "-", device.lower()).strip("-") or "unknown"
    return name if accelerator else f"{name}-{cores}-cores"
