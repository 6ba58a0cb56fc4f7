"""``train(run) -> RunResult``: real images, whole epochs, resumable at every checkpoint."""

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from sepconv import environment
from sepconv.networks import build, fast_layers
from sepconv.results.records import Environment, Epoch, Final, Reestimated, RunResult, Seconds, Stretch
from sepconv.spec import REESTIMATION_IMAGES, Run, SpecError
from sepconv.training import checkpoint, data
from sepconv.training.checkpoint import Checkpoint, CheckpointError, Stopped
from sepconv.training.progress import hidden
from sepconv.training.schedule import learning_rates
from sepconv.training.step import SLOTS, build_optimizer, running_averages

if keras.backend.backend() == "jax":
    from sepconv.training.engine_jax import Engine as Engine
else:
    from sepconv.training.engine_tensorflow import Engine as Engine  # type: ignore[assignment]  # the same interface

T = TypeVar("T")
_log = logging.getLogger(__name__)


class DivergedError(Exception):
    """The loss is no longer a number."""


def train(
    run: Run,
    *,
    checkpoints: Path | None = None,
    checkpoint_every: int = 5,
    checkpoint_minutes: float = 5,
    started: Callable[[Environment], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Train one run from its newest checkpoint, or from the start, and return its result.

    A run whose loss becomes NaN is returned too, with the epochs before that and the status ``diverged``. Progress
    is shown where standard error is a terminal.

    Args:
        run: what to train, at which budget, from which seed.
        checkpoints: folder of checkpoints; None keeps none.
        checkpoint_every: epochs between checkpoints.
        checkpoint_minutes: minutes after which an epoch's end leaves a checkpoint although fewer epochs have passed.
        started: called once images and network are there, before the first epoch, with the environment; until then
            nothing can be lost.
        stop: asked at every epoch's end; True saves a checkpoint and stops.

    Raises:
        Stopped: ``stop`` said so; the message names the run and the epoch.
        DataError: the images are not there or are damaged.
        SpecError: the experiment is not trained, or not at this budget.
        CheckpointError: a checkpoint cannot be written, or is of another version of the network.
    """
    trainer = Trainer(run)
    if checkpoints and (saved := checkpoint.load(checkpoints, run.id)):
        trainer.restore(saved)
    epochs, saved_at = trainer.scale.epochs, time.monotonic()
    started(trainer.environment)
    with tqdm(desc=run.key, total=epochs, initial=trainer.epoch, unit="epoch", disable=hidden()) as bar:
        while trainer.epoch < epochs:
            try:
                trainer.train_epoch()
            except DivergedError as error:
                _log.error("%s", error)
                return trainer.result("diverged")
            bar.set_postfix_str(trainer.progress)
            bar.update()
            stopping = trainer.epoch < epochs and stop()
            late = time.monotonic() >= saved_at + 60 * checkpoint_minutes
            if checkpoints and (stopping or late or trainer.epoch % checkpoint_every == 0):
                checkpoint.save(checkpoints, trainer.checkpoint())
                saved_at = time.monotonic()
            if stopping:
                raise Stopped(f"{run.key}: stopped after epoch {trainer.epoch} of {epochs}")
    return trainer.result("complete")


@dataclass(frozen=True)
class Splits:
    """The images that a run trains on and is evaluated on; ``validation`` is the test split where none is held out."""

    train: data.Images
    validation: data.Images
    test: data.Images
    sha256: str


def load_splits(run: Run) -> Splits:
    """The images of a run: its seed splits training from validation, its scale bounds each."""
    recipe, scale = run.recipe, run.scale
    if run.experiment.dataset == "imagenet":
        raise SpecError(f"{run.key}: expected an experiment on CIFAR, got imagenet, whose shapes are only counted with")
    cifar = data.load(run.experiment.dataset)
    train, held_out = data.split(cifar.train, recipe.train_images, run.seed)
    validation = held_out if recipe.validation_images else cifar.test
    return Splits(
        train.first(scale.train_images),
        validation.first(scale.evaluate_images),
        cifar.test.first(scale.evaluate_images),
        cifar.sha256,
    )


def build_model(run: Run) -> keras.Model:
    """The network of a run with the initial weights of its seed, in the precision of its recipe."""
    keras.utils.set_random_seed(run.seed)
    precision = run.recipe.precision
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        return build(run.experiment.network, run.experiment.image_shape, run.experiment.classes)
    finally:
        keras.config.set_dtype_policy("float32")


class Trainer:
    """One run in progress: model, optimizer, images and what the epochs so far have measured."""

    def __init__(self, run: Run) -> None:
        self.run, self.recipe, self.scale = run, run.recipe, run.scale
        self.environment = environment.describe()
        self.splits = load_splits(run)
        self.history: list[Epoch] = []
        self.stretches = [Stretch(first_epoch=1, environment=self.environment)]
        steps = math.ceil(self.scale.train_images / self.recipe.batch_size)
        self.rates = learning_rates(self.recipe, self.scale.epochs, steps)
        self.model = build_model(run)
        self.optimizer = build_optimizer(self.recipe.optimizer)
        start = time.perf_counter()
        self.engine = Engine(self.model, self.optimizer, self.recipe, run.experiment.classes, self.splits.train)
        self.engine.compile(steps)
        self.engine.compile_evaluation(len(self.splits.validation))
        self.compile_seconds = time.perf_counter() - start

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    @property
    def progress(self) -> str:
        """Throughput and accuracy of the last epoch, for a reader who waits."""
        last = self.history[-1]
        return f"{self.scale.train_images / last.train_seconds:.0f} images/s, validation {last.val_accuracy:.2f} %"

    def train_epoch(self) -> None:
        """Train one epoch, evaluate on the validation images, and append to the history.

        Raises:
            DivergedError: the loss is NaN or infinite; the history ends before this epoch.
        """
        number = self.epoch + 1
        self._start_epoch(number)
        order = np.random.default_rng([self.run.seed, number]).permutation(self.scale.train_images)
        (loss, accuracy), train_seconds = timed(self.engine.train_epoch, order, self.rates[number - 1])
        (val_loss, val_accuracy), evaluate_seconds = timed(self.engine.evaluate, self.splits.validation)
        if not (math.isfinite(loss) and math.isfinite(val_loss)):
            raise DivergedError(
                f"{self.run.key}: the loss is {loss} after epoch {number}; the last epoch with a number is {number - 1}"
            )
        self.history.append(
            Epoch(
                epoch=number,
                learning_rate=float(self.rates[number - 1, -1]),
                train_loss=loss,
                train_accuracy=accuracy,
                val_loss=val_loss,
                val_accuracy=val_accuracy,
                train_seconds=train_seconds,
                evaluate_seconds=evaluate_seconds,
            )
        )

    def checkpoint(self) -> Checkpoint:
        """All that :meth:`restore` needs to continue after the last epoch."""
        variables = [keras.ops.convert_to_numpy(variable) for variable in self._variables()]
        history = [asdict(epoch) for epoch in self.history]
        stretches = [stretch.model_dump(mode="json") for stretch in self.stretches]
        return Checkpoint(self.run.id, variables, history, self.compile_seconds, stretches)

    def restore(self, saved: Checkpoint) -> None:
        """Continue from a checkpoint of the same run.

        Raises:
            CheckpointError: its variables are not this network's, or another backend trained it, whose random numbers
                are others.
        """
        before = [Stretch.model_validate_json(json.dumps(stretch)) for stretch in saved.stretches]
        if before and (backend := before[-1].environment.backend) != self.environment.backend:
            raise CheckpointError(
                f"{self.run.key}: expected a checkpoint of {self.environment.backend}, got one of {backend}; continue "
                f"with KERAS_BACKEND={backend}, or delete the folder {saved.run_id} of checkpoints to start over"
            )
        variables = self._variables()
        if [tuple(v.shape) for v in variables] != [v.shape for v in saved.variables]:
            raise CheckpointError(
                f"{self.run.key}: expected a checkpoint with this network's {len(variables)} variables, got one of "
                f"another version of it; delete the folder {saved.run_id} of checkpoints to start over"
            )
        _assign(variables, saved.variables)
        self.history = [Epoch(**epoch) for epoch in saved.history]
        self.compile_seconds += saved.compile_seconds
        self.stretches = [*before, Stretch(first_epoch=self.epoch + 1, environment=self.environment)]

    def result(self, status: Literal["complete", "diverged"]) -> RunResult:
        """What the run measured; the final metrics are those of the weights after the last epoch."""
        return RunResult(
            paper=self.run.paper,
            experiment=self.run.experiment.name,
            budget=self.run.budget,
            seed=self.run.seed,
            run_id=self.run.id,
            spec=self.run.spec,
            status=status,
            history=tuple(self.history),
            final=self._final() if status == "complete" else None,
            seconds=Seconds(
                compile=self.compile_seconds,
                train=sum(epoch.train_seconds for epoch in self.history),
                evaluate=sum(epoch.evaluate_seconds for epoch in self.history),
            ),
            peak_bytes=environment.peak_bytes(),
            data_sha256=self.splits.sha256,
            environment=self.environment,
            stretches=() if self.stretches[-1].first_epoch == 1 else tuple(self.stretches),
            depthwise_ways={
                layer.name: layer.ways for layer in self.model.layers if isinstance(layer, fast_layers.DepthwiseConv2D)
            },
        )

    def _final(self) -> Final:
        test_loss, test_accuracy = self.engine.evaluate(self.splits.test)
        kinds = {type(layer) for layer in self.model.layers}
        # In training mode dropout would drop too, so the question is asked of networks without it only.
        asked = keras.layers.BatchNormalization in kinds and keras.layers.Dropout not in kinds
        return Final(
            train_accuracy=self.history[-1].train_accuracy,
            val_accuracy=self.history[-1].val_accuracy,
            test_accuracy=test_accuracy,
            test_loss=test_loss,
            batch_stats_accuracy=self.engine.evaluate_batch_statistics(self.splits.test) if asked else None,
            reestimated=self._reestimated(),
        )

    def _reestimated(self) -> Reestimated | None:
        """Accuracies under re-estimated batch norm; the running averages are put back. None without batch norm."""
        averages = running_averages(self.model)
        if not averages:
            return None
        before = [keras.ops.convert_to_numpy(average) for average in averages]
        _assign(averages, self.engine.mean_batch_statistics(self.splits.train.first(REESTIMATION_IMAGES)))
        try:
            _, val_accuracy = self.engine.evaluate(self.splits.validation)
            _, test_accuracy = self.engine.evaluate(self.splits.test)
        finally:
            _assign(averages, before)
        return Reestimated(val_accuracy=val_accuracy, test_accuracy=test_accuracy)

    def _start_epoch(self, number: int) -> None:
        """Random state from (seed, epoch) alone, so that a continued run draws what an uninterrupted one draws."""
        for index, generator in enumerate([self.engine.seeds, *_seed_generators(self.model)]):
            generator.state.assign(np.random.default_rng([self.run.seed, number, index]).integers(2**31, size=2))
        if self.recipe.optimizer.reset_each_epoch:
            for slot in self.optimizer.variables[SLOTS:]:
                slot.assign(np.zeros(slot.shape, slot.dtype))  # Keras's zeros_like knows no variables on JAX

    def _variables(self) -> list[keras.Variable]:
        return [*self.model.trainable_variables, *self.model.non_trainable_variables, *self.optimizer.variables]


def _seed_generators(model: keras.Model) -> list[keras.random.SeedGenerator]:
    """Seed generators of the model's dropout layers, in order."""
    return [layer.seed_generator for layer in model.layers if isinstance(layer, keras.layers.Dropout)]


def _assign(variables: list[keras.Variable], values: Sequence[NDArray[Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def timed(function: Callable[..., T], *arguments: Any) -> tuple[T, float]:  # noqa: ANN401
    """A function's value and the seconds that it took."""
    start = time.perf_counter()
    value = function(*arguments)
    return value, time.perf_counter() - start
