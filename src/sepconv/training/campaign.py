"""Which runs are missing, in what order of worth, and how they are worked off on one machine.

The unit is the command ``sepconv run PAPER EXPERIMENT --seed N``, which does nothing where a valid result lies. The
results folder is the only truth; locks keep two processes from training the same run.
"""

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile

from filelock import FileLock, Timeout

from sepconv.results.records import ResultError, RunResult
from sepconv.results.store import Results, find_run, read_all, write
from sepconv.spec import Budget, Paper, Run, SpecError, Stage
from sepconv.training.checkpoint import discard

PASSES = 3  # of a training step: forward, and for the gradients of inputs and of weights; an evaluation is forward only
STOPPED = 3  # exit code of a run that was stopped at an epoch's end and can be continued

# Order of worth: when the first, second, third and any later seed of a stage's experiments has its turn. A verdict
# needs three seeds, and each of those of a long experiment takes more time than a seed of all others.
_TURNS: dict[Stage, tuple[int, int, int, int]] = {
    "main": (0, 2, 2, 4),
    "long": (1, 5, 5, 5),
    "ablation": (3, 3, 3, 4),
}


@dataclass(frozen=True)
class Folders:
    """Where results and checkpoints lie."""

    results: Path
    checkpoints: Path


def runs(papers: Sequence[Paper], budget: Budget, seeds: Iterable[int], names: Sequence[str] = ()) -> list[Run]:
    """Runs in order of worth.

    First one seed of every main experiment, the long ones last; then their second and third seed, without the long
    ones; then three seeds of the ablations; then what is left. Within each of these, seed by seed, papers in their
    turn, and each paper's experiments in its own order.

    Args:
        papers: whose experiments.
        budget: at which budget; experiments that do not have it are left out.
        seeds: in order.
        names: only these experiments; all where empty.

    Raises:
        SpecError: a name that no paper has or that several have, or that of an experiment without that budget.
    """
    known = {e.name: e for paper in papers for e in paper.experiments}
    for name in names:
        if len(keys := [paper.key for paper in papers if name in {e.name for e in paper.experiments}]) > 1:
            raise SpecError(f"expected an experiment of one paper, got {name} of {', '.join(keys)}; name the paper")
    if unknown := set(names) - known.keys():
        raise SpecError(f"unknown experiment {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    if without := [name for name in names if not known[name].has(budget)]:
        raise SpecError(f"expected experiments with the budget {budget}, got {', '.join(without)}; see sepconv list")
    priorities = {paper.key: paper.priority for paper in papers}
    queue = [
        (_TURNS[experiment.stage][min(nth, 3)], nth, Run(paper.key, experiment, budget, seed))
        for nth, seed in enumerate(seeds)
        for paper in papers
        for experiment in paper.experiments
        if experiment.has(budget) and (not names or experiment.name in names)
    ]
    return [run for *_, run in sorted(queue, key=lambda entry: (*entry[:2], priorities[entry[2].paper]))]


def missing(wanted: Iterable[Run], folder: Path) -> list[Run]:
    """The runs without a valid result in ``folder``.

    Raises:
        ResultError: a result is damaged or belongs to another recipe.
    """
    return [run for run in wanted if find_run(folder, run) is None]


def run_one(run: Run, folders: Folders, deadline: float | None = None) -> RunResult | None:
    """Train ``run`` unless its result is there or another process trains it (then None), and write its result.

    Args:
        run: what to train.
        folders: where results and checkpoints lie.
        deadline: ``time.monotonic()`` after which it stops at the next epoch's end.

    Raises:
        Stopped: the deadline passed or SIGTERM came; a checkpoint was left.
        ResultError: a result is damaged or belongs to another recipe, or a folder cannot be written.
    """
    if (found := find_run(folders.results, run)) is not None:
        return found
    _ensure_folders(folders)
    try:
        lock = FileLock(folders.checkpoints / f"{run.id}.lock").acquire(blocking=False)
    except Timeout:
        return None
    with lock:
        # Looked for once more: the process that held the lock until now may have written it.
        return find_run(folders.results, run) or _train(run, folders, deadline)


def _train(run: Run, folders: Folders, deadline: float | None) -> RunResult:
    from sepconv.training.trainer import train  # imports Keras and its backend, which nothing else here needs

    with _termination() as terminated:
        result = train(
            run,
            checkpoints=folders.checkpoints,
            stop=lambda: bool(terminated) or (deadline is not None and time.monotonic() > deadline),
        )
    write(folders.results, result)
    discard(folders.checkpoints, run.id)
    return result


def run_queue(queue: Sequence[Run], folders: Folders, deadline: float | None = None) -> list[str]:
    """Train the runs one after another, each in a fresh process, and return a line for each that failed.

    Stops early once the deadline has passed or SIGTERM came; running it again continues.
    """
    failures = []
    for run in queue:
        remaining = None if deadline is None else (deadline - time.monotonic()) / 60
        if remaining is not None and remaining <= 0:
            break
        code = _in_fresh_process(run, folders, remaining)
        if code in (STOPPED, -signal.SIGTERM):  # the latter where SIGTERM came before training began
            break
        if code:
            failures.append(f"{run.key}: exit code {code}")
    return failures


def estimate_seconds(run: Run, results: Results, device: str) -> float | None:
    """Seconds that ``run`` would take on ``device``, from the fastest median epoch measured there; None if unknown."""
    per_image = _seconds_per_image(results, device).get((run.paper, run.experiment.name))
    return None if per_image is None else per_image * _images(run)


@dataclass(frozen=True)
class Estimate:
    """Seconds that a run would take; ``guessed`` where its own network was never measured on that device."""

    seconds: float
    guessed: bool


def estimate(run: Run, results: Results, device: str) -> Estimate | None:
    """As :func:`estimate_seconds`; where that is None, a guess from mult-adds at the median speed measured there.

    Of the same paper's networks, which resemble each other; of all where none of them was measured. The guess is a
    rough one all the same: networks differ much in how many mult-adds a second they do.
    """
    if (seconds := estimate_seconds(run, results, device)) is not None:
        return Estimate(seconds, guessed=False)
    costs = {(c.paper, c.experiment): c.mult_adds for c in results.costs}
    measured = _seconds_per_image(results, device)
    speeds = {experiment: measured[experiment] / costs[experiment] for experiment in measured.keys() & costs.keys()}
    alike = [speed for (paper, _), speed in speeds.items() if paper == run.paper] or list(speeds.values())
    own = costs.get((run.paper, run.experiment.name))
    return Estimate(median(alike) * own * _images(run), guessed=True) if alike and own else None


def queue_lines(queue: Sequence[Run], results: Path) -> Iterator[str]:
    """The runs in order, what each would take on this machine's device, and all of them together."""
    device = this_device()
    found = read_all(results) if results.is_dir() else Results()
    estimates = [estimate(run, found, device) for run in queue]
    for number, (run, known) in enumerate(zip(queue, estimates, strict=True), start=1):
        time_needed = _duration(known.seconds) if known else "unknown"
        guess = "  guessed from mult-adds" if known and known.guessed else ""
        yield f"{number:4}  {run.key:44} {time_needed:>12}{guess}"
    known_ones = [known for known in estimates if known]
    total, guessed = (sum(e.seconds for e in known_ones if e.guessed or everything) for everything in (True, False))
    yield (
        f"On {device} this takes about {_duration(total)} in all, of which {_duration(guessed)} guessed, "
        f"and {estimates.count(None)} of {len(queue)} runs unknown"
    )


def this_device() -> str:
    """The device that training would use here. Asked in a process of its own, since whoever asks takes its memory."""
    code = "from sepconv.environment import describe; print(describe().device)"
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    asked = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    return asked.stdout.splitlines()[-1] if asked.returncode == 0 else "an unknown device"


def _seconds_per_image(results: Results, device: str) -> dict[tuple[str, str], float]:
    """Training seconds an image of every paper's experiment measured on ``device``: of its fastest measurement."""
    rates: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for run in results.runs:
        if run.environment.device == device and run.history:
            seconds = median(epoch.train_seconds for epoch in run.history)
            rates[run.paper, run.experiment].append(seconds / run.spec["scale"]["train_images"])
    for bench in results.throughputs:
        if bench.environment.device == device and "engine" in bench.loops:
            rates[bench.paper, bench.experiment].append(median(bench.loops["engine"].seconds) / bench.images)
    return {experiment: min(measured) for experiment, measured in rates.items()}


def _images(run: Run) -> float:
    """Images that a run trains on, each epoch's anew, and those that it evaluates, in so many as take as long."""
    scale = run.experiment.scale(run.budget)
    return scale.epochs * (scale.train_images + scale.evaluate_images / PASSES)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes == 0:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _ensure_folders(folders: Folders) -> None:
    """Better to learn now than after hours of training that nothing can be written."""
    for folder in (folders.results, folders.checkpoints):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise ResultError(f"{folder}: expected a folder to write to, got: {error.strerror}") from None


def _in_fresh_process(run: Run, folders: Folders, minutes: float | None) -> int:
    """A fresh process a run: its peak memory is its own, and a crash takes nothing else with it."""
    command = [sys.executable, "-m", "sepconv", "run", run.paper, run.experiment.name]
    command += ["--budget", run.budget, "--seed", str(run.seed)]
    command += ["--results", str(folders.results), "--checkpoints", str(folders.checkpoints)]
    if minutes is not None:
        command += ["--deadline", f"{minutes:.3f}"]
    with _termination() as came, subprocess.Popen(command) as process:
        signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
        if came:  # while the process was being started
            process.send_signal(signal.SIGTERM)
        return process.wait()


@contextmanager
def _termination() -> Iterator[list[int]]:
    """Collect SIGTERM instead of dying of it: the list is empty until one comes."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
