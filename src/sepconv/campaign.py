"""Which runs are missing, in what order of worth, and how they are worked off on one machine.

The unit is the command ``sepconv run PAPER EXPERIMENT --seed N``, which does nothing where a valid result lies. The
results folder is the only truth; locks keep two processes from training the same run.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile

from filelock import FileLock, Timeout

from sepconv.checkpoint import discard
from sepconv.results import ResultError, Results, RunResult, find_run, write
from sepconv.spec import Budget, Paper, Run, SpecError

STOPPED = 3  # exit code of a run that was stopped at an epoch's end and can be continued


@dataclass(frozen=True)
class Place:
    """Where results and checkpoints lie."""

    results: Path
    checkpoints: Path


def runs(papers: Sequence[Paper], budget: Budget, seeds: Iterable[int], names: Sequence[str] = ()) -> list[Run]:
    """Runs in order of worth: one seed of everything before the next seed, each paper's experiments in its own order.

    Args:
        papers: whose experiments.
        budget: at which budget; experiments that do not have it are left out.
        seeds: in order.
        names: only these experiments; all where empty.

    Raises:
        SpecError: a name that no paper has, or that of an experiment without that budget.
    """
    known = {e.name: e for paper in papers for e in paper.experiments}
    if unknown := set(names) - known.keys():
        raise SpecError(f"unknown experiment {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    if without := [name for name in names if not known[name].has(budget)]:
        raise SpecError(f"expected experiments with the budget {budget}, got {', '.join(without)}; see sepconv list")
    return [
        Run(paper.key, experiment, budget, seed)
        for seed in seeds
        for paper in papers
        for experiment in paper.experiments
        if experiment.has(budget) and (not names or experiment.name in names)
    ]


def missing(wanted: Iterable[Run], folder: Path) -> list[Run]:
    """The runs without a valid result in ``folder``.

    Raises:
        ResultError: a result is damaged or belongs to another recipe.
    """
    return [run for run in wanted if find_run(folder, run) is None]


def run_one(run: Run, place: Place, deadline: float | None = None) -> RunResult | None:
    """Train ``run`` unless its result is there or another process trains it (then None), and write its result.

    Args:
        run: what to train.
        place: where results and checkpoints lie.
        deadline: ``time.monotonic()`` after which it stops at the next epoch's end.

    Raises:
        Stopped: the deadline passed or SIGTERM came; a checkpoint was left.
        ResultError: a result is damaged or belongs to another recipe, or a folder cannot be written.
    """
    if (found := find_run(place.results, run)) is not None:
        return found
    _ensure_folders(place)
    try:
        lock = FileLock(place.checkpoints / f"{run.id}.lock").acquire(blocking=False)
    except Timeout:
        return None
    with lock:
        # Looked for once more: the process that held the lock until now may have written it.
        return find_run(place.results, run) or _train(run, place, deadline)


def _train(run: Run, place: Place, deadline: float | None) -> RunResult:
    from sepconv.train import train  # imports Keras and its backend, which nothing else here needs

    with _termination() as terminated:
        result = train(
            run,
            checkpoints=place.checkpoints,
            stop=lambda: bool(terminated) or (deadline is not None and time.monotonic() > deadline),
        )
    write(place.results, result)
    discard(place.checkpoints, run.id)
    return result


def work_off(queue: Sequence[Run], place: Place, deadline: float | None = None) -> list[str]:
    """Train the runs one after another, each in a fresh process, and return a line for each that failed.

    Stops early once the deadline has passed or SIGTERM came; running it again continues.
    """
    failures = []
    for run in queue:
        remaining = None if deadline is None else (deadline - time.monotonic()) / 60
        if remaining is not None and remaining <= 0:
            break
        code = _in_fresh_process(run, place, remaining)
        if code in (STOPPED, -signal.SIGTERM):  # the latter where SIGTERM came before training began
            break
        if code:
            failures.append(f"{run.key}: exit code {code}")
    return failures


def estimate_seconds(run: Run, results: Results, device: str) -> float | None:
    """Seconds that ``run`` would train on ``device``, from the fastest median epoch measured there; None if unknown."""
    scale = run.experiment.scale(run.budget)
    rates = [
        median(e.train_seconds for e in r.history) / r.spec["scale"]["train_images"]
        for r in results.runs
        if (r.paper, r.experiment, r.environment.device) == (run.paper, run.experiment.name, device) and r.history
    ]
    return min(rates) * scale.train_images * scale.epochs if rates else None


def _ensure_folders(place: Place) -> None:
    """Better to learn now than after hours of training that nothing can be written."""
    for folder in (place.results, place.checkpoints):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise ResultError(f"{folder}: expected a folder to write to, got: {error.strerror}") from None


def _in_fresh_process(run: Run, place: Place, minutes: float | None) -> int:
    """A fresh process a run: its peak memory is its own, and a crash takes nothing else with it."""
    command = [sys.executable, "-m", "sepconv", "run", run.paper, run.experiment.name]
    command += ["--budget", run.budget, "--seed", str(run.seed)]
    command += ["--results", str(place.results), "--checkpoints", str(place.checkpoints)]
    if minutes is not None:
        command += ["--deadline", f"{minutes:.3f}"]
    with subprocess.Popen(command) as process, _forwarding(process):
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


@contextmanager
def _forwarding(process: subprocess.Popen[bytes]) -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
