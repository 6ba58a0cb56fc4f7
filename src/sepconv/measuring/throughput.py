"""Training throughput: whole epochs by this package's engine and by Keras's own loops, in turns, in one process.

All loops train the same network from the same weights on the same batches, with the same augmentation, dropout and
learning rate, so that their losses must agree. Keras's loops train Keras's own layers, as their users would. They have
the augmentation inside their compiled step and are spared the shuffling, both to their advantage. So is timing an epoch
of ``fit`` from Keras's ``on_epoch_begin`` to its ``on_epoch_end``: afterwards it puts its input pipeline away, and with
TensorFlow 2.21 and epochs of seconds that waited until 0.32, 0.65, 1.29 or 2.57 s had passed, whatever the network, as
if for something that wakes up after times that double.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
from keras import ops

from sepconv import environment
from sepconv.measuring.timing import in_turns
from sepconv.networks import fast_layers
from sepconv.results import records, store
from sepconv.results.records import LoopTiming, ResultError, ThroughputResult, TrainingLoop
from sepconv.spec import Recipe, Run, SpecError
from sepconv.training.data import Images
from sepconv.training.schedule import learning_rates
from sepconv.training.step import build_optimizer, losses, training_batch
from sepconv.training.trainer import Engine, build_model, load_splits, timed

EPOCHS = 5  # timed; one before them compiles
STEPS_PER_EXECUTION = 32
Tensor = Any  # a tensor of the backend


def ensure_throughput(folder: Path, run: Run, images: int | None = None) -> ThroughputResult:
    """The throughput of a run on this machine: that below ``folder``, or measured now and written there.

    Raises:
        SpecError: the experiment is not trained, or not at this budget, or has not so many images.
        ResultError: the file there is damaged or of other epochs, or the folder cannot be written.
    """
    key = records.throughput_key(run.paper, run.experiment.name, run.budget, environment.describe())
    found = store.ensure(folder, key, ThroughputResult, lambda: measure(run, images))
    if images not in (None, found.images):
        path = store.path_of(folder, key)
        raise ResultError(f"{path}: expected epochs of {images} images, got {found.images}; move it away to measure")
    return found


def measure(run: Run, count: int | None = None) -> ThroughputResult:
    """Time ``EPOCHS`` epochs of every training loop over training images of ``run``, the loops in turns.

    Args:
        run: whose network, recipe and images.
        count: images of an epoch, the first ones; None for all that the budget trains on.

    Raises:
        SpecError: the experiment is not trained, or not at this budget, or has not so many images.
        DataError: the images are not there or are damaged.
    """
    images = load_splits(run).train
    if count is not None and not 1 <= count <= len(images):
        raise SpecError(f"expected 1 to {len(images)} images, which is what this budget trains on, got {count}")
    images = images.first(count)
    loops = {name: _Loop.compiled(build, run, images) for name, build in _LOOPS.items()}
    for loop in in_turns(loops.values(), EPOCHS):
        loop.time()
    return ThroughputResult(
        paper=run.paper,
        experiment=run.experiment.name,
        budget=run.budget,
        images=len(images),
        batch_size=run.recipe.batch_size,
        steps_per_execution=STEPS_PER_EXECUTION,
        loops={name: loop.timing() for name, loop in loops.items()},
        environment=environment.describe(),
    )


def throughput_lines(result: ThroughputResult) -> list[str]:
    """A table for the terminal: images per second, and how many times those of ``fit``."""
    rates = {name: [result.images / s for s in loop.seconds] for name, loop in result.loops.items()}
    lines = [
        f"Epochs of {result.images} images in batches of {result.batch_size} on {result.environment.device} "
        f"({result.environment.backend}): median (slowest to fastest) of {len(rates['fit'])} epochs",
        f"{'loop':26}{'images/s':>28}{'of fit':>9}{'compile s':>11}{'loss':>10}",
    ]
    for name, loop in result.loops.items():
        spread = f"{median(rates[name]):.0f} ({min(rates[name]):.0f} to {max(rates[name]):.0f})"
        of_fit = median(rates[name]) / median(rates["fit"])
        lines.append(f"{name:26}{spread:>28}{of_fit:9.2f}{loop.compile:11.1f}{median(loop.losses):10.5f}")
    return lines


@dataclass
class _Loop:
    """A training loop, and what its epochs have taken.

    ``epoch`` trains one epoch and returns its mean loss and the seconds that it took; ``variables`` are all that it
    changes.
    """

    epoch: Callable[[], tuple[float, float]]
    variables: Sequence[keras.Variable]
    first_seconds: float = 0.0
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    @classmethod
    def compiled(cls, build: "_Build", run: Run, images: Images) -> "_Loop":
        """Build the loop and train one epoch, whose time is that of compiling and not counted."""
        built, seconds = timed(build, run, images)
        loop = cls(*built)
        before = loop._state()
        _, first = loop.epoch()
        loop._restore(before)
        loop.first_seconds = seconds + first
        return loop

    def time(self) -> None:
        """Train an epoch and put everything back, so that the next one starts from the same weights."""
        before = self._state()
        loss, seconds = self.epoch()
        self.seconds.append(seconds)
        self.losses.append(loss)
        self._restore(before)

    def timing(self) -> LoopTiming:
        """What was measured."""
        compiling = max(0.0, self.first_seconds - median(self.seconds))
        return LoopTiming(compile=compiling, seconds=tuple(self.seconds), losses=tuple(self.losses))

    def _state(self) -> list[Any]:
        return [ops.convert_to_numpy(variable).copy() for variable in self.variables]

    def _restore(self, values: list[Any]) -> None:
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)


class Baseline(keras.Model):  # type: ignore[misc]
    """The network as Keras's own loops train it: what the engine does to a batch is part of the model.

    Takes pixels and labels, and gives logits and targets side by side, ``(batch, 2 * classes)``, since MixUp and CutMix
    change the targets too.
    """

    def __init__(self, run: Run, steps_per_execution: int) -> None:
        super().__init__()
        self.network = _network_of_keras(build_model(run))
        self.recipe, self.classes = run.recipe, run.experiment.classes
        self.seeds = keras.random.SeedGenerator(0)
        optimizer = _optimizer_of_keras(build_optimizer(self.recipe.optimizer))
        optimizer.learning_rate = _first_rate(run)
        self.compile(optimizer, self._cross_entropy, metrics=[_hit], steps_per_execution=steps_per_execution)
        optimizer.build(self.network.trainable_variables)

    def call(self, inputs: tuple[Tensor, Tensor], training: bool = False) -> Tensor:
        """Augment, normalise, classify."""
        images, targets = training_batch(self.recipe, self.classes, *inputs, self.seeds)
        logits = ops.cast(self.network(images, training=training), "float32")
        return ops.concatenate([logits, targets], -1)

    @property
    def all_variables(self) -> list[keras.Variable]:
        """All that an epoch changes, but for the metrics, which Keras resets."""
        return [*self.network.variables, *self.optimizer.variables, self.seeds.state]

    def _cross_entropy(self, labels: Tensor, outputs: Tensor) -> Tensor:
        logits, targets = ops.split(outputs, 2, axis=-1)
        return losses(logits, targets, self.recipe.label_smoothing)


def _network_of_keras(model: keras.Model) -> keras.Model:
    """The same network with the same weights and random state, of Keras's own layers."""

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        return _class_of_keras(layer, keras.layers).from_config(layer.get_config())

    twin = keras.models.clone_model(model, clone_function=clone)
    for variable, value in zip(twin.variables, model.variables, strict=True):
        variable.assign(value)
    return twin


def _optimizer_of_keras(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The same optimizer as Keras has it; one that Keras has not stays."""
    kind = _class_of_keras(optimizer, keras.optimizers)
    return optimizer if kind is type(optimizer) else kind.from_config(optimizer.get_config())


def _class_of_keras(thing: Any, those_of_keras: Any) -> Any:  # noqa: ANN401 - a layer or an optimizer, and its module
    """Its class, or the one of Keras that a class of ``kernels`` stands in for under the same name."""
    kind = type(thing)
    return getattr(those_of_keras, kind.__name__) if kind.__module__ == fast_layers.__name__ else kind


def _hit(labels: Tensor, outputs: Tensor) -> Tensor:
    logits, targets = ops.split(outputs, 2, axis=-1)
    return ops.cast(ops.equal(ops.argmax(logits, -1), ops.argmax(targets, -1)), "float32")


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """The seconds of an epoch of ``fit``."""

    start = seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.seconds = time.perf_counter() - self.start


_Built = tuple[Callable[[], tuple[float, float]], Sequence[keras.Variable]]
_Build = Callable[[Run, Images], _Built]


def _engine(run: Run, images: Images) -> _Built:
    model, recipe = build_model(run), run.recipe
    optimizer = build_optimizer(recipe.optimizer)
    engine = Engine(model, optimizer, recipe, run.experiment.classes, images)
    rates = np.full(math.ceil(len(images) / recipe.batch_size), _first_rate(run))
    engine.compile(len(rates))
    order = np.arange(len(images))

    def epoch() -> tuple[float, float]:
        (loss, _), seconds = timed(engine.train_epoch, order, rates)
        return loss, seconds

    return epoch, [*model.variables, *optimizer.variables, engine.seeds.state]


def _fit(run: Run, images: Images, steps_per_execution: int = 1) -> _Built:
    model = Baseline(run, steps_per_execution)

    def epoch() -> tuple[float, float]:
        inputs, clock = (images.pixels, images.labels), _Clock()
        size = model.recipe.batch_size
        history = model.fit(inputs, images.labels, batch_size=size, shuffle=False, verbose=0, callbacks=[clock])
        return float(history.history["loss"][0]), clock.seconds

    return epoch, model.all_variables


def _fit_steps_per_execution(run: Run, images: Images) -> _Built:
    return _fit(run, images, STEPS_PER_EXECUTION)


def _train_on_batch(run: Run, images: Images) -> _Built:
    model = Baseline(run, steps_per_execution=1)

    def train() -> float:
        total = 0.0
        for start in range(0, len(images), model.recipe.batch_size):
            pixels, labels = (part[start : start + model.recipe.batch_size] for part in (images.pixels, images.labels))
            total += float(model.train_on_batch((pixels, labels), labels)[0]) * len(labels)
        return total / len(images)

    return lambda: timed(train), model.all_variables


_LOOPS: dict[TrainingLoop, _Build] = {
    "engine": _engine,
    "fit": _fit,
    "fit_steps_per_execution": _fit_steps_per_execution,
    "train_on_batch": _train_on_batch,  # one compiled call a step, its loss fetched each time
}


def _first_rate(run: Run) -> float:
    """The learning rate of the first step, kept for all."""
    recipe: Recipe = run.recipe
    return float(learning_rates(recipe, 1, math.ceil(recipe.train_images / recipe.batch_size))[0, 0])
