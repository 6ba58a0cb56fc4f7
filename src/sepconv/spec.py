"""What a paper, an experiment, a recipe and a claim are: frozen, typed, validated on construction.

Everything that a paper module states is an instance of the classes below. They hold no behaviour beyond validation and
derived values, import neither Keras nor a numerical library, and are exported as JSON by :func:`to_json`.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from itertools import chain, pairwise
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, InstanceOf, PlainSerializer, TypeAdapter
from pydantic.dataclasses import dataclass

from sepconv.metrics import METRICS, Metric, named

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy and both backends take
Dataset = Literal["cifar10", "cifar100", "imagenet"]  # imagenet: shapes to count with, never trained on
Augmentation = Literal[
    "flip", "crop", "shift", "reflected-shift", "rotate", "zoom", "brightness", "randaugment", "autoaugment", "mixup",
    "cutmix",
]  # fmt: skip
Normalisation = Literal["unit", "imagenet", "cifar10"]
Precision = Literal["float32", "bfloat16"]
REFERENCE_PRECISION: Precision = "float32"  # in which results decide claims
FLOAT32_BYTES = 4
BYTES_PER_VALUE: dict[Precision, int] = {"float32": FLOAT32_BYTES, "bfloat16": 2}
Stage = Literal["main", "long", "ablation"]  # long: a main experiment that takes more time than all others together
Option = int | float | str | bool | None


class InputError(Exception):
    """Bad input, in one line: what was expected, what came, what to do. The command line prints it and exits with 2."""


class SpecError(InputError):
    """A paper module states something that cannot be."""


class Budget(StrEnum):
    """How much of the paper's schedule is run. Only ``PAPER`` decides a claim.

    ``SHORT`` and ``DOUBLE`` train on all images under a schedule compressed to an experiment's short epochs, or to
    twice as many; together they may indicate an order.
    """

    SMOKE = "smoke"
    SHORT = "short"
    DOUBLE = "double"
    PAPER = "paper"


IMAGE_SHAPES: dict[Dataset, tuple[int, int, int]] = {
    "cifar10": (32, 32, 3),
    "cifar100": (32, 32, 3),
    "imagenet": (224, 224, 3),
}
CLASSES: dict[Dataset, int] = {"cifar10": 10, "cifar100": 100, "imagenet": 1000}
TEST_IMAGES = 10_000  # of CIFAR-10 and CIFAR-100 alike
TRAIN_IMAGES = 50_000
REESTIMATION_IMAGES = 8_192  # training images, unaugmented, from which batch norm's statistics are re-estimated


# --- experiments -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=_CONFIG)
class Network:
    """A network by its builder, ``module.function`` under :mod:`sepconv.networks`, and that function's options."""

    builder: Annotated[str, Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$")]
    options: dict[str, Option] = Field(default_factory=dict)


@dataclass(frozen=True, config=_CONFIG)
class Constant:
    """One learning rate for every step."""

    learning_rate: Annotated[float, Field(gt=0)]
    kind: Literal["constant"] = "constant"


@dataclass(frozen=True, config=_CONFIG)
class EpochDecay:
    """``learning_rate * decay ** epoch``, constant within an epoch; the first epoch is number 0."""

    learning_rate: Annotated[float, Field(gt=0)]
    decay: Annotated[float, Field(gt=0, le=1)]
    kind: Literal["epoch_decay"] = "epoch_decay"


@dataclass(frozen=True, config=_CONFIG)
class WarmupExponential:
    """Linear from ``start`` to ``peak`` over the warm-up, then exponential down to ``end`` at the last step."""

    start: Annotated[float, Field(gt=0)]
    peak: Annotated[float, Field(gt=0)]
    end: Annotated[float, Field(gt=0)]
    warmup_epochs: Annotated[int, Field(ge=0)]
    kind: Literal["warmup_exponential"] = "warmup_exponential"


@dataclass(frozen=True, config=_CONFIG)
class Triangular:
    """Linear from ``start * peak`` up to ``peak``, then linear down to ``end * peak`` at the last step.

    ``rise`` is the share of the run's steps at which the peak is reached. Shape and shares of the public CIFAR-10 speed
    records (github.com/KellerJordan/cifar10-airbench).
    """

    peak: Annotated[float, Field(gt=0)]
    start: Annotated[float, Field(ge=0, le=1)] = 0.2
    rise: Annotated[float, Field(gt=0, lt=1)] = 0.23
    end: Annotated[float, Field(ge=0, le=1)] = 0.07
    kind: Literal["triangular"] = "triangular"


Schedule = Annotated[Constant | EpochDecay | WarmupExponential | Triangular, Field(discriminator="kind")]


@dataclass(frozen=True, config=_CONFIG)
class Optimizer:
    """An optimizer and its settings, the learning rate apart (see ``Recipe.schedule``).

    ``weight_decay`` is decoupled (AdamW); ``l2`` is added to the gradient of every parameter, as PyTorch's SGD does.
    ``reset_each_epoch`` starts every epoch with fresh slots (momentum zero), as yu2021's notebooks do.
    ``decay_depthwise`` says whether ``l2`` is added to the gradients of depthwise convolutions too.
    ``decay_times_rate`` says whether each step multiplies ``weight_decay`` by the learning rate, as Keras and PyTorch
    do; AdamW of TensorFlow Addons does not.
    """

    name: Literal["adam", "adamw", "sgd"]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    l2: Annotated[float, Field(ge=0)] = 0.0
    reset_each_epoch: bool = False
    decay_depthwise: bool = True
    decay_times_rate: bool = True


@dataclass(frozen=True, config=_CONFIG)
class Recipe:
    """Training hyperparameters. ``sources`` says of each field where the paper states it, or why we chose it.

    ``augment`` is a sequence of steps, each a tuple of alternatives of which every image draws one.
    """

    epochs: Annotated[int, Field(gt=0)]
    batch_size: Annotated[int, Field(gt=0)]
    optimizer: Optimizer
    schedule: Schedule
    normalisation: Normalisation
    train_images: Annotated[int, Field(gt=0, le=TRAIN_IMAGES)]
    sources: dict[str, str]
    augment: tuple[tuple[Augmentation, ...], ...] = ()
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Precision = REFERENCE_PRECISION

    def __post_init__(self) -> None:
        """Every hyperparameter has a source, and no source is for a hyperparameter that does not exist."""
        known = {f.name for f in fields(self)} - {"sources"}
        _require(self.sources.keys() == known, "sources must name each hyperparameter once", known, self.sources)

    @property
    def validation_images(self) -> int:
        """Images held out of the training split; 0 means that the paper validated on the test split."""
        return TRAIN_IMAGES - self.train_images

    def compressed(self, epochs: int) -> "Recipe":
        """This recipe in fewer epochs, with a schedule that ends at the learning rate where this one ends.

        A schedule has to end within its budget (Li et al. 2020, doi:10.48550/arXiv.1905.04753). A warm-up keeps its
        share of the epochs, at least one; a decay per epoch is raised to the power that keeps the last epoch's rate.

        Raises:
            SpecError: one epoch has no first and last rate, and more epochs than the recipe's compress nothing.
        """
        if not 2 <= epochs <= self.epochs:
            raise SpecError(f"expected 2 to {self.epochs} epochs to compress the schedule to, got {epochs}")
        schedule = self.schedule
        if isinstance(schedule, EpochDecay):
            schedule = replace(schedule, decay=schedule.decay ** ((self.epochs - 1) / (epochs - 1)))
        elif isinstance(schedule, WarmupExponential) and schedule.warmup_epochs:
            share = schedule.warmup_epochs / self.epochs
            schedule = replace(schedule, warmup_epochs=max(1, round(share * epochs)))
        source = f"{epochs} of {self.epochs} epochs, the schedule compressed; {self.sources['epochs']}"
        return replace(self, epochs=epochs, schedule=schedule, sources=self.sources | {"epochs": source})


@dataclass(frozen=True, config=_CONFIG)
class Scale:
    """How much of a recipe a budget runs. ``evaluate_images`` bounds validation and test each."""

    epochs: Annotated[int, Field(gt=0)]
    train_images: Annotated[int, Field(gt=0, le=TRAIN_IMAGES)]
    evaluate_images: Annotated[int, Field(gt=0, le=TEST_IMAGES)]


SMOKE = Scale(epochs=2, train_images=256, evaluate_images=256)
SHORTENED = {Budget.SHORT: 1, Budget.DOUBLE: 2}  # times an experiment's short epochs


@dataclass(frozen=True, config=_CONFIG)
class Experiment:
    """One configuration: a network on a dataset under a recipe. Without a recipe it is built and counted only.

    ``short_epochs`` are those of the budget short; double has twice as many. ``stage`` says only when a campaign takes
    its turn to it, never what a run computes. ``label`` is what sentences call the experiment, if not by its name.
    """

    name: Slug
    network: Network
    dataset: Dataset
    recipe: Recipe | None = None
    short_epochs: Annotated[int, Field(gt=0)] | None = None
    note: str = ""
    stage: Stage = "main"
    label: str = ""

    def __post_init__(self) -> None:
        """The schedule can be compressed to both shortened budgets."""
        try:
            for budget in SHORTENED:
                if self.has(budget):
                    self.recipe_at(budget)
        except SpecError as error:
            raise SpecError(f"{self.name}: {error}") from None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(height, width, channels)`` of the input."""
        return IMAGE_SHAPES[self.dataset]

    @property
    def classes(self) -> int:
        """Number of classes of the dataset."""
        return CLASSES[self.dataset]

    def has(self, budget: Budget) -> bool:
        """Whether this experiment is trained at ``budget``."""
        return self.recipe is not None and (budget not in SHORTENED or self.short_epochs is not None)

    def recipe_at(self, budget: Budget) -> Recipe:
        """The recipe that ``budget`` trains under: the paper's own, compressed at the shortened budgets.

        Raises:
            SpecError: the experiment is not trained, or not at this budget.
        """
        if self.recipe is None:
            raise SpecError(f"{self.name}: expected an experiment with a recipe, got one that is only counted")
        if budget not in SHORTENED:
            return self.recipe
        if self.short_epochs is None:
            raise SpecError(f"{self.name}: no short epochs are stated; use the budget smoke or paper")
        return self.recipe.compressed(SHORTENED[budget] * self.short_epochs)

    def scale(self, budget: Budget) -> Scale:
        """How much of :meth:`recipe_at` ``budget`` runs: all of it but for the budget smoke.

        Raises:
            SpecError: the experiment is not trained, or not at this budget.
        """
        recipe = self.recipe_at(budget)
        return SMOKE if budget is Budget.SMOKE else Scale(recipe.epochs, recipe.train_images, TEST_IMAGES)


@dataclass(frozen=True, config=_CONFIG)
class Run:
    """One experiment, at one budget, from one seed."""

    paper: Slug
    experiment: Experiment
    budget: Budget
    seed: Seed

    @property
    def key(self) -> str:
        """Where the result lies below the results folder, without the suffix: ``paper/experiment/budget-seed-n``."""
        return f"{self.paper}/{self.experiment.name}/{self.budget}-seed-{self.seed}"

    @property
    def recipe(self) -> Recipe:
        """The recipe that the run trains under; see :meth:`Experiment.recipe_at`."""
        return self.experiment.recipe_at(self.budget)

    @property
    def scale(self) -> Scale:
        """How much of its recipe the run trains; see :meth:`Experiment.scale`."""
        return self.experiment.scale(self.budget)

    @property
    def spec(self) -> dict[str, Any]:
        """All that determines the numbers of the run, and no prose."""
        recipe = to_json(self.recipe)
        del recipe["sources"]
        for younger in ("decay_depthwise", "decay_times_rate"):  # than the first results, whose ids stay
            if recipe["optimizer"][younger]:
                del recipe["optimizer"][younger]
        return {
            "network": to_json(self.experiment.network),
            "dataset": self.experiment.dataset,
            "recipe": recipe,
            "scale": to_json(self.scale),
            "seed": self.seed,
        }

    @property
    def id(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON of :attr:`spec`."""
        return hashlib.sha256(canonical_json(self.spec)).hexdigest()[:16]


# --- claims ----------------------------------------------------------------------------------------------------------

NameOrMetric = Annotated[str | InstanceOf[Metric], PlainSerializer(str, return_type=str)]
_KNOWN_METRICS = (*METRICS, "latency_N for a batch size N")


@dataclass(frozen=True, config=_CONFIG)
class Quantity:
    """A metric of an experiment: one number for a cost metric, one a seed for a run, one a repeat for a latency.

    ``metric`` is the name of one of :mod:`sepconv.metrics`, or one of the paper's own ``metrics``.
    ``epoch`` (first is 1) reads a run's history there rather than at its end.
    """

    metric: NameOrMetric
    of: str
    epoch: Annotated[int, Field(ge=1)] | None = None

    def __post_init__(self) -> None:
        """The metric is a known one."""
        known = isinstance(self.metric, Metric) or named(self.metric) is not None
        _require(known, "unknown metric", _KNOWN_METRICS, [self.name])

    @property
    def name(self) -> str:
        """Name of the metric."""
        return str(self.metric)

    @property
    def definition(self) -> Metric:
        """The metric itself."""
        found = self.metric if isinstance(self.metric, Metric) else named(self.metric)
        assert found is not None  # refused on construction
        return found

    @property
    def unit(self) -> str:
        """Unit of the metric."""
        return self.definition.unit


@dataclass(frozen=True, config=_CONFIG)
class Number:
    """A number that the paper prints, or plain arithmetic on such numbers; ``label`` shows the arithmetic."""

    label: str
    value: float


@dataclass(frozen=True, config=_CONFIG)
class Equal:
    """A count equals the reported one to less than ``resolution`` (one unit of the last digit that was printed)."""

    quantity: Quantity
    expected: float
    resolution: Annotated[float, Field(gt=0)] = 1.0
    type: Literal["equal"] = "equal"


@dataclass(frozen=True, config=_CONFIG)
class Within:
    """The mean over seeds lies in ``[low, high]``, for each of the quantities."""

    quantities: Annotated[tuple[Quantity, ...], Field(min_length=1)]
    low: float
    high: float
    type: Literal["within"] = "within"


@dataclass(frozen=True, config=_CONFIG)
class Pair:
    """Two quantities that are compared over the same seeds."""

    first: Quantity
    second: Quantity


@dataclass(frozen=True, config=_CONFIG)
class Ordered:
    """``first`` is greater than ``second`` in each pair."""

    pairs: Annotated[tuple[Pair, ...], Field(min_length=1)]
    type: Literal["ordered"] = "ordered"

    def __post_init__(self) -> None:
        """No quantity has to be greater than itself, be it by way of others."""
        below: dict[Quantity, list[Quantity]] = {}
        for pair in self.pairs:
            below.setdefault(pair.first, []).append(pair.second)
        try:
            TopologicalSorter(below).prepare()
        except CycleError as error:
            circle = " > ".join(f"{quantity.name} of {quantity.of}" for quantity in reversed(error.args[1]))
            raise SpecError(f"expected an order that can hold, got {circle}") from None


@dataclass(frozen=True, config=_CONFIG)
class DifferenceWithin:
    """``first - second`` lies in ``[low, high]``."""

    pair: Pair
    low: float
    high: float
    type: Literal["difference_within"] = "difference_within"


@dataclass(frozen=True, config=_CONFIG)
class RatioWithin:
    """``first / second`` lies in ``[low, high]``."""

    pair: Pair
    low: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(gt=0)]
    type: Literal["ratio_within"] = "ratio_within"


@dataclass(frozen=True, config=_CONFIG)
class Agreement:
    """Two numbers that the paper's own statements make equal: they differ by less than ``tolerance``."""

    left: Number | Quantity
    right: Number | Quantity
    tolerance: Annotated[float, Field(gt=0)] = 1.0


# What a network may cost: a count of its cost result, or a time that differs from machine to machine. Training seconds
# are those of one epoch, by this package's engine and by Keras's ``fit``; a latency is the median of one batch.
CostName = Literal[
    "mult_adds", "num_params", "training_step_bytes", "engine_seconds", "fit_seconds", "latency_p50_1", "latency_p50_64"
]


@dataclass(frozen=True, config=_CONFIG)
class AheadAtEqualCost:
    """The ``first`` networks are ahead of the ``second`` by ``margin`` or more at equal cost, for each of ``costs``.

    Each side is one metric of several networks that differ in size. What is compared is the Bjøntegaard delta: the mean
    distance between the two curves of the metric over the logarithm of the cost, over the range that both cover. A time
    is asked for on each machine by itself.
    """

    first: Annotated[tuple[Quantity, ...], Field(min_length=2)]
    second: Annotated[tuple[Quantity, ...], Field(min_length=2)]
    costs: Annotated[tuple[CostName, ...], Field(min_length=1)]
    margin: float = 0.0
    type: Literal["ahead_at_equal_cost"] = "ahead_at_equal_cost"


@dataclass(frozen=True, config=_CONFIG)
class Consistent:
    """Every agreement holds."""

    agreements: Annotated[tuple[Agreement, ...], Field(min_length=1)]
    type: Literal["consistent"] = "consistent"


def equal(metric: str | Metric, *, of: str, expected: float, resolution: float = 1.0) -> Equal:
    """``metric`` of the experiment ``of`` is the ``expected`` count, to less than ``resolution``."""
    return Equal(Quantity(metric, of), expected, resolution)


def within(metric: str | Metric, low: float, high: float, *, of: Iterable[str], epoch: int | None = None) -> Within:
    """``metric`` lies in ``[low, high]`` for each of the experiments ``of``."""
    return Within(tuple(Quantity(metric, name, epoch) for name in of), low, high)


def pair(metric: str | Metric, *, of: str, than: str, epoch: int | None = None) -> Pair:
    """``metric`` of the experiment ``of`` beside that of ``than``."""
    return Pair(Quantity(metric, of, epoch), Quantity(metric, than, epoch))


def higher(metric: str | Metric, *, of: str, than: str, epoch: int | None = None) -> Ordered:
    """``metric`` is higher for the experiment ``of`` than for ``than``."""
    return Ordered((pair(metric, of=of, than=than, epoch=epoch),))


def highest(metric: str | Metric, *, of: str, than: Iterable[str]) -> Ordered:
    """``metric`` is higher for the experiment ``of`` than for each of ``than``."""
    return Ordered(tuple(pair(metric, of=of, than=other) for other in than))


def increasing(metric: str | Metric, *experiments: str) -> Ordered:
    """``metric`` rises from each experiment to the next."""
    return Ordered(tuple(pair(metric, of=more, than=less) for less, more in pairwise(experiments)))


def above(metric: str | Metric, other: str | Metric, *, of: Iterable[str]) -> Ordered:
    """``metric`` is above the ``other`` metric for each of the experiments ``of``."""
    return Ordered(tuple(Pair(Quantity(metric, name), Quantity(other, name)) for name in of))


def every(*orders: Ordered) -> Ordered:
    """Each of the orders holds."""
    return Ordered(tuple(chain.from_iterable(order.pairs for order in orders)))


def difference_within(metric: str | Metric, low: float, high: float, *, of: str, than: str) -> DifferenceWithin:
    """``metric`` of ``of`` minus that of ``than`` lies in ``[low, high]``."""
    return DifferenceWithin(pair(metric, of=of, than=than), low, high)


def ratio_within(metric: str | Metric, low: float, high: float, *, of: str, than: str) -> RatioWithin:
    """``metric`` of ``of`` over that of ``than`` lies in ``[low, high]``."""
    return RatioWithin(pair(metric, of=of, than=than), low, high)


def ahead_at_equal_cost(
    metric: str | Metric, *costs: CostName, of: Iterable[str], than: Iterable[str], margin: float = 0.0
) -> AheadAtEqualCost:
    """``metric`` of the experiments ``of`` is ahead of that of ``than`` at equal cost, for each of ``costs``."""
    first, second = (tuple(Quantity(metric, name) for name in names) for names in (of, than))
    return AheadAtEqualCost(first, second, costs, margin)


def agreement(metric: str | Metric, *, of: str, stated: Number, tolerance: float = 1.0) -> Agreement:
    """``metric`` of the experiment ``of`` is the number that the paper states."""
    return Agreement(Quantity(metric, of), stated, tolerance)


def consistent(*agreements: Agreement) -> Consistent:
    """Every agreement holds."""
    return Consistent(agreements)


Check = Annotated[
    Equal | Within | Ordered | DifferenceWithin | RatioWithin | AheadAtEqualCost | Consistent,
    Field(discriminator="type"),
]
# internal: the paper against itself, or against the program and log that its authors published. question: asked by us.
# expectation: what the authors expected beforehand, which their own numbers need not bear out.
Kind = Literal["exact", "value", "order", "ratio", "internal", "quoted", "question", "expectation"]
_KINDS: dict[type, tuple[Kind, ...]] = {  # that a claim with such a check may be of; the first unless it states another
    Equal: ("exact", "quoted"),
    Within: ("value",),
    DifferenceWithin: ("value", "question"),
    Ordered: ("order", "question", "expectation"),
    RatioWithin: ("ratio", "question"),
    AheadAtEqualCost: ("question",),
    Consistent: ("internal", "exact", "quoted"),
}


class Basis(StrEnum):
    """What a verdict on a claim rests on."""

    COUNTED = "counted"  # on the network as built; nothing is trained
    TRAINED = "trained or timed"
    INTERNAL = "the paper against itself"


def _kind(claim: dict[str, Any]) -> Kind:
    """The kind of a claim that states none, by its check."""
    return _KINDS[type(claim["check"])][0]


@dataclass(frozen=True, config=_CONFIG)
class Claim:
    """A sentence of a paper and the criterion, fixed beforehand, by which results decide it.

    ``criterion`` is the check in plain words. A paper's module writes it where it can say more than the sentence that
    :mod:`sepconv.criteria` makes from the check, and leaves it empty elsewhere; ``papers.load`` fills it in.

    Of a study of our own, ``quote`` is the question, ``where`` says what it is asked of, and ``reported`` is what was
    expected before the first run. Holm's correction leaves out a claim that is not ``corrected``.

    ``reading_from`` are the ids of the claims whose reported numbers chose the reading, where the paper alone does not
    settle it. A claim that is among them itself was fitted: that it comes out tests nothing.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+\.[a-z0-9]+(-[a-z0-9]+)*$")]
    quote: str  # verbatim from the paper
    where: str  # section, table or figure
    check: Check
    reported: str  # what the paper states, as a reader would write it
    because: str = ""  # the reading that was chosen where the paper leaves something open
    criterion: str = ""
    kind: Kind = Field(default_factory=_kind)
    corrected: bool = True
    reading_from: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """The check suits the kind, and an interval is one."""
        kinds = _KINDS[type(self.check)]
        what = f"{self.id}: kind of a claim whose check is {type(self.check).__name__}"
        _require(self.kind in kinds, what, kinds, [self.kind])
        if isinstance(self.check, Within | DifferenceWithin | RatioWithin) and self.check.low > self.check.high:
            raise SpecError(f"{self.id}: expected low <= high, got [{self.check.low}, {self.check.high}]")

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities that the check reads."""
        return tuple(_quantities(self.check))

    @property
    def basis(self) -> Basis:
        """What a verdict on the claim rests on."""
        if self.kind == "internal":
            return Basis.INTERNAL
        counted = all(quantity.definition.source == "cost" for quantity in self.quantities)
        return Basis.COUNTED if counted else Basis.TRAINED

    @property
    def fitted(self) -> bool:
        """Whether the reading was chosen so that this claim comes out."""
        return self.id in self.reading_from

    @property
    def expected(self) -> bool:
        """Whether ``reported`` is what somebody expected, rather than what the paper found."""
        return self.kind in ("question", "expectation")


DepartureKind = Literal["difference", "assumption", "contradiction"]


@dataclass(frozen=True, config=_CONFIG)
class Departure:
    """Where we knowingly differ from a paper, or had to choose.

    ``kind`` says why: a ``difference`` is ours, an ``assumption`` fills in what the paper leaves open, and in a
    ``contradiction`` statements of the paper, or of what its authors published with it, exclude each other.
    ``affects`` are the metrics that could come out otherwise without it, of ``experiments`` only (of all if empty);
    none where the authors' own numbers show that their program did the same. ``counterpart`` maps an experiment or a
    metric to the one that lacks this departure, where there is one.
    """

    what: str
    paper: str
    ours: str
    because: str
    affects: tuple[str, ...]
    experiments: tuple[Slug, ...] = ()
    counterpart: dict[str, NameOrMetric] = Field(default_factory=dict)
    kind: DepartureKind = "difference"


def _in_words(metric: Metric) -> dict[str, str]:
    return {"name": metric.name, "unit": metric.unit, "words": metric.description}


@dataclass(frozen=True, config=_CONFIG)
class Paper:
    """A paper: its citation, experiments and claims. A campaign takes papers with a smaller ``priority`` first.

    ``study`` marks one of our own: its claims are questions, and no count of papers includes it.
    """

    key: Slug
    title: str
    authors: str
    year: int
    venue: str
    link: str
    hardware: str
    experiments: tuple[Experiment, ...]
    claims: tuple[Claim, ...]
    departures: tuple[Departure, ...] = ()
    metrics: tuple[Annotated[InstanceOf[Metric], PlainSerializer(_in_words)], ...] = ()  # that only this paper needs
    log: str | None = None  # CSV beside the module: experiment, epoch, test_accuracy, … as the authors printed them
    priority: int = 0
    study: bool = False

    def __post_init__(self) -> None:
        """Names are unique, ids begin with the key, and claims and departures name experiments that exist."""
        names = [e.name for e in self.experiments]
        _require(len(set(names)) == len(names), f"{self.key}: experiment names must differ", set(names), names)
        labels = [*self.labels.values()]
        _require(len(set(labels)) == len(labels), f"{self.key}: experiment labels must differ", set(labels), labels)
        ids = [c.id for c in self.claims]
        _require(len(set(ids)) == len(ids), f"{self.key}: claim ids must differ", set(ids), ids)
        for claim in self.claims:
            _require(claim.id.startswith(self.key + "."), "claim ids begin with the paper", [self.key], [claim.id])
            wanted = {m.of for m in claim.quantities}
            _require(wanted <= set(names), f"{claim.id}: unknown experiment", names, wanted - set(names))
            self._require_metrics(claim.id, [m.name for m in claim.quantities])
        for departure in self.departures:
            self._require_metrics(f"departure {departure.what!r}", departure.affects)
            others = {*departure.experiments, *map(str, chain(*departure.counterpart.items()))}
            others -= {*METRICS, *map(str, self.metrics)}
            _require(others <= set(names), f"{departure.what!r}: unknown experiment", names, others - set(names))

    def _require_metrics(self, what: str, names: Iterable[str]) -> None:
        """These are metrics of any paper, or this one's own."""
        own = {metric.name for metric in self.metrics}
        unknown = {name for name in names if name not in own and named(name) is None}
        _require(not unknown, f"{what}: unknown metric", {*_KNOWN_METRICS, *own}, unknown)

    @property
    def labels(self) -> dict[str, str]:
        """What sentences call each experiment: its label, or its name where it has none."""
        return {e.name: e.label or e.name for e in self.experiments}

    def experiment(self, name: str) -> Experiment:
        """The experiment of that name.

        Raises:
            SpecError: there is none; the message lists those that exist.
        """
        found = {e.name: e for e in self.experiments}
        _require(name in found, f"{self.key}: unknown experiment", found, [name])
        return found[name]


# --- JSON ------------------------------------------------------------------------------------------------------------


def to_json(spec: Any) -> Any:  # noqa: ANN401 - any of the classes above
    """A spec as plain JSON values."""
    return TypeAdapter(type(spec)).dump_python(spec, mode="json")


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """The one way to write a JSON value: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _require(holds: bool, what: str, expected: Iterable[str], got: Iterable[str]) -> None:
    if not holds:
        raise SpecError(f"{what}: expected {', '.join(sorted(expected))}; got {', '.join(sorted(got))}")


def _quantities(check: Any) -> Iterable[Quantity]:  # noqa: ANN401 - one of the checks
    """Walk the fields of a check and yield the quantities in it, in order."""
    if isinstance(check, Quantity):
        yield check
    elif isinstance(check, tuple):
        for part in check:
            yield from _quantities(part)
    elif is_dataclass(check):
        for field in fields(check):
            yield from _quantities(getattr(check, field.name))
