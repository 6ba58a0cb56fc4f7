"""Memory of one training step at the recipe's batch size as it is measured, beside what ``cost.py`` counts.

How it is read depends on what the machine offers; the result names the way, its ``method``:

- ``compiled`` (JAX on a CPU): what the compiler has planned for the step: arguments (weights and slots), outputs and
  temporaries, less the outputs that take the place of arguments. Nothing is run. Scratch space that a kernel takes by
  itself is not in it.
- ``resident`` (TensorFlow on a CPU): weights and slots, plus how far the memory of a fresh process grows at its peak
  while it trains a few steps, after a step on one image has made it set up what it sets up once.
- ``allocator`` (a GPU): the peak that the allocator counts, in a fresh process that trains a few steps. On JAX with
  the search for the fastest kernels, which the counter cannot be told to forget; TensorFlow's is reset after it.

What is run is run in three fresh processes, and the median of them counts; a plan is the same each time.

Each is all that a step holds at once, so each may stand beside the count. But they measure different things: the count
is of the tensors that the backward pass needs, while a measurement has what kernels need to work in and what was freed
late.
Two networks compare under one method, one backend and one device; numbers of different methods do not.
"""

import ctypes
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Literal, TypeVar

import keras
import numpy as np

from sepconv import environment
from sepconv.results import records, store
from sepconv.results.records import CostResult, Environment, MemoryResult
from sepconv.spec import Budget, Experiment, InputError, Paper, Run
from sepconv.training.data import Images
from sepconv.training.step import build_optimizer
from sepconv.training.trainer import Engine, build_model

T = TypeVar("T")
STEPS = 3
REPEATS = 3  # fresh processes
Method = Literal["compiled", "resident", "allocator"]
Reading = tuple[int, dict[str, int]]  # bytes of the step, and what they were made from


class MemoryReadError(InputError):
    """This system does not tell how much memory a process takes."""


def ensure_memories(folder: Path, paper: Paper, names: Sequence[str]) -> tuple[MemoryResult, ...]:
    """The memory of these experiments' steps on this machine: that below ``folder``, or measured now and written there.

    Raises:
        SpecError: an experiment is unknown or is not trained.
        ResultError: a file there is damaged, or the folder cannot be written.
        MemoryReadError: the system does not tell.
    """
    experiments = [paper.experiment(name) for name in names]
    here = _in_fresh_process(environment.describe)  # here, it would take a card's memory from those that measure
    return tuple(
        store.ensure(
            folder,
            records.memory_key(paper.key, experiment.name, here),
            MemoryResult,
            partial(measure_anew, paper.key, experiment),
        )
        for experiment in experiments
    )


def measure_anew(paper_key: str, experiment: Experiment) -> MemoryResult:
    """What :func:`measure` finds where nothing was allocated before, in the median of as many processes as it takes.

    Raises:
        SpecError: the experiment is not trained.
        MemoryReadError: the system does not tell.
    """
    first = _in_fresh_process(measure, paper_key, experiment)
    if first.method == "compiled":
        return first
    others = (_in_fresh_process(measure, paper_key, experiment) for _ in range(REPEATS - 1))
    found = sorted([first, *others], key=lambda memory: memory.step_bytes)
    return found[REPEATS // 2].model_copy(update={"repeats": tuple(memory.step_bytes for memory in found)})


def _in_fresh_process(function: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measure(paper_key: str, experiment: Experiment) -> MemoryResult:
    """Build the network, its optimizer and the engine on one batch of black images, and read the memory of a step.

    Raises:
        SpecError: the experiment is not trained.
        MemoryReadError: the system does not tell.
    """
    run = Run(paper_key, experiment, Budget.PAPER, seed=0)
    recipe = run.recipe
    size = recipe.batch_size
    batch = Images(np.zeros((size, *experiment.image_shape), np.uint8), np.zeros(size, np.int64))
    engine = Engine(build_model(run), build_optimizer(recipe.optimizer), recipe, experiment.classes, batch)
    engine.compile(steps=1)
    described = environment.describe()
    method = method_on(described)
    step_bytes, parts = _METHODS[method](engine, size)
    return MemoryResult(
        paper=paper_key,
        experiment=experiment.name,
        batch_size=size,
        method=method,
        step_bytes=step_bytes,
        repeats=(step_bytes,),
        parts=parts,
        environment=described,
    )


def method_on(machine: Environment) -> Method:
    """How memory is read there."""
    if machine.accelerator:
        return "allocator"
    return "compiled" if machine.backend == "jax" else "resident"


def memory_lines(measured: Sequence[MemoryResult], counts: Sequence[CostResult | None]) -> list[str]:
    """A table for the terminal: measured, counted, and how many times the count was measured."""
    lines = [f"{'experiment':24}{'batch':>7}{'method':>12}{'measured MB':>14}{'counted MB':>13}{'ratio':>8}"]
    for memory, cost in zip(measured, counts, strict=True):
        counted = f"{cost.training_step_bytes / 1e6:.1f}" if cost else "not counted"
        ratio = f"{memory.step_bytes / cost.training_step_bytes:.2f}" if cost else ""
        line = f"{memory.experiment:24}{memory.batch_size:7}{memory.method:>12}{memory.step_bytes / 1e6:14.1f}"
        lines.append(f"{line}{counted:>13}{ratio:>8}")
    return lines


def _compiled(engine: Any, size: int) -> Reading:  # noqa: ANN401 - the engine of JAX, which may not be installed
    plan = engine.step_memory()
    parts = {
        "arguments": int(plan.argument_size_in_bytes),
        "outputs": int(plan.output_size_in_bytes),
        "temporaries": int(plan.temp_size_in_bytes),
        "outputs_in_arguments": int(plan.alias_size_in_bytes),
    }
    return sum(parts.values()) - 2 * parts["outputs_in_arguments"], parts


def _resident(engine: Any, size: int) -> Reading:  # noqa: ANN401
    _train(engine, images=1)
    _release_freed_memory()
    before = _of_process("VmRSS")
    _forget_peak()
    for _ in range(STEPS):
        _train(engine, images=size)
    growth = max(0, _of_process("VmHWM") - before)
    parts = {"weights_and_slots": _state_bytes(engine), "growth": growth}
    return sum(parts.values()), parts


def _allocator(engine: Any, size: int) -> Reading:  # noqa: ANN401
    _train(engine, images=size)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.reset_memory_stats("GPU:0")  # the search for kernels is over
    for _ in range(STEPS):
        _train(engine, images=size)
    peak = environment.peak_bytes() or 0
    planned = _compiled(engine, size)[1] if keras.backend.backend() == "jax" else {}
    return peak, {"peak": peak} | planned


_METHODS: dict[Method, Callable[[Any, int], Reading]] = {
    "compiled": _compiled,
    "resident": _resident,
    "allocator": _allocator,
}


def _train(engine: Any, images: int) -> None:  # noqa: ANN401
    """One step, which changes no weight."""
    engine.train_epoch(np.arange(images), np.zeros(1))


def _state_bytes(engine: Any) -> int:  # noqa: ANN401
    variables = [*engine.model.variables, *engine.optimizer.variables]
    return sum(prod(variable.shape) * np.dtype(variable.dtype).itemsize for variable in variables)


def _release_freed_memory() -> None:
    """Give back what the C library keeps of freed memory, or the steps would take that without growing."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc has it
        trim(0)


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        raise MemoryReadError(f"expected Linux's /proc to forget a process's peak, got: {error.strerror}") from None


def _of_process(name: str) -> int:
    """Bytes of an entry of ``/proc/self/status``."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))
    except (OSError, StopIteration):
        raise MemoryReadError(f"expected {name} in Linux's /proc/self/status, found none") from None
