"""Which runs are missing, in what order of worth, and how they are worked off on one machine.

The unit is the command ``sepconv run PAPER EXPERIMENT --seed N``, which does nothing where a valid result lies. The
results folder is the only truth; locks keep two processes from training the same run.
"""

import heapq
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from typing import Any

from filelock import FileLock, Timeout

from sepconv.environment import available_cores, unseen_accelerator
from sepconv.papers import all_papers
from sepconv.results.records import Environment, ResultError, RunResult, device_title
from sepconv.results.store import LOCK, Results, find_run, path_of, read_all, write
from sepconv.spec import IMAGE_SHAPES, Budget, Paper, Run, SpecError, Stage, canonical_json
from sepconv.training.checkpoint import discard
from sepconv.training.progress import Display, displays, into_pipe, show

PASSES = 3  # of a training step: forward, and for the gradients of inputs and of weights; an evaluation is forward only
STOPPED = 3  # exit code of a run that was stopped at an epoch's end and can be continued
BUSY = 4  # exit code of a run that another process is training
# Ctrl-C, the end of a session and the usual request to end: all ask for a stop at an epoch's end.
_STOPS = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
_DEAF_SECONDS = 0.5  # at most, from a signal until it is handled
_WATCH = "SEPCONV_WATCH"  # set for a run that ends with whoever holds the other end of its standard input

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
        Stopped: the deadline passed, or SIGTERM, SIGINT or SIGHUP came; a checkpoint was left.
        ResultError: a result is damaged or belongs to another recipe, or a folder cannot be written.
    """
    if (found := find_run(folders.results, run)) is not None:
        return found
    ensure_folders(run, folders)
    try:
        lock = FileLock(folders.checkpoints / f"{run.id}.lock").acquire(blocking=False)
    except Timeout:
        return None
    with lock:
        # Looked for once more: the process that held the lock until now may have written it.
        return find_run(folders.results, run) or _train(run, folders, deadline)


def _train(run: Run, folders: Folders, deadline: float | None) -> RunResult:
    from sepconv.training.trainer import train  # imports Keras and its backend, which nothing else here needs

    with _termination() as (listen, terminated):

        def started(environment: Environment) -> None:
            print(f"{run.key}: training on {Device.of(environment)}", file=sys.stderr, flush=True)
            if unseen := unseen_accelerator(environment.accelerator):
                print(f"WARNING: {unseen}", file=sys.stderr, flush=True)
            listen()

        result = train(
            run,
            checkpoints=folders.checkpoints,
            started=started,
            stop=lambda: bool(terminated) or (deadline is not None and time.monotonic() > deadline),
        )
    write(folders.results, result)
    discard(folders.checkpoints, run.id)
    return result


def run_queue(queue: Sequence[Run], folders: Folders, deadline: float | None = None, workers: int = 1) -> list[str]:
    """Train the runs in order, each in a fresh process, and return a line for each that failed.

    Stops early once the deadline has passed or SIGTERM, SIGINT or SIGHUP came; running it again continues. Where this
    process is killed, every run ends at its epoch's end.

    Args:
        queue: in order of worth; a worker that is free takes the first that waits.
        folders: where results and checkpoints lie.
        deadline: ``time.monotonic()`` after which every worker stops at its next epoch's end.
        workers: how many runs train at once, each on its share of the cores (:func:`shares`).
    """
    crew = _Crew(queue, folders, deadline)
    with handling(lambda _number, _frame: crew.stop()), ThreadPoolExecutor(workers) as pool:
        try:
            if workers == 1:
                _wait_for([pool.submit(crew.work, None)])
            else:
                with displays(workers) as bars:
                    _wait_for([pool.submit(crew.work, *each) for each in zip(shares(workers), bars, strict=True)])
        except BaseException:
            crew.stop()
            raise
    return crew.failures


def _wait_for(futures: Iterable[Future[None]]) -> None:
    """Wait in pieces: Python handles a signal that came just before a wait, or to another thread, only after it."""
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, _DEAF_SECONDS, FIRST_COMPLETED)
        for future in done:
            future.result()


def shares(workers: int) -> list[list[int]]:
    """The cores of this process in as many disjoint and about equal parts.

    Raises:
        SpecError: there are fewer cores than that, or no workers are asked for.
    """
    cores = available_cores()
    if not 1 <= workers <= len(cores):
        raise SpecError(f"expected --workers from 1 to {len(cores)}, the cores of this machine, got {workers}")
    bounds = [len(cores) * i // workers for i in range(workers + 1)]
    return [cores[low:high] for low, high in pairwise(bounds)]


@dataclass(frozen=True)
class Device:
    """What trains. The cores of a CPU are part of it, for speed depends on how many there are."""

    name: str
    accelerator: bool
    cores: int

    def __str__(self) -> str:
        cores = "" if self.accelerator else f", {self.cores} core{'s' * (self.cores != 1)}"
        return f"{device_title(self.name)}{cores}"

    @classmethod
    def of(cls, environment: Environment) -> "Device":
        """The device on which a result was measured."""
        return cls(environment.device, environment.accelerator, environment.cores)

    def share(self, workers: int) -> "Device":
        """The part of it that each worker has, at least."""
        return replace(self, cores=self.cores // workers)

    def is_like(self, other: "Device") -> bool:
        """Whether both train equally fast: the host's cores do not matter to an accelerator."""
        return self.name == other.name and (self.accelerator or self.cores == other.cores)


def check_workers(workers: int, device: Device) -> None:
    """Refuse a number of workers that a device cannot have.

    Raises:
        SpecError: more than one on an accelerator, more than there are cores, or none.
    """
    shares(workers)
    if workers > 1 and device.accelerator:
        raise SpecError(f"expected --workers 1 on {device}, which one run has to itself, got {workers}")


@dataclass(frozen=True)
class Estimate:
    """Seconds that a run would take; ``guessed`` where its own network was never measured on that device."""

    seconds: float
    guessed: bool


class Speeds:
    """How fast networks train on one device, as far as results tell."""

    def __init__(self, results: Results, device: Device) -> None:
        self._per_image = _seconds_per_image(results, device)
        self._mult_adds = {(c.paper, c.experiment): c.mult_adds for c in results.costs}
        self._per_mult_add = {
            experiment: self._per_image[workload] / self._mult_adds[experiment]
            for experiment, workload in _workloads().items()
            if experiment in self._mult_adds and workload in self._per_image
        }

    def seconds(self, run: Run) -> float | None:
        """Seconds that a run would take, from the fastest median epoch measured there; None if unknown.

        Any experiment's epoch counts that trains an equal network on images of the same size.
        """
        per_image = self._per_image.get(_workload(run.spec))
        return None if per_image is None else per_image * _images(run)

    def estimate(self, run: Run) -> Estimate | None:
        """As :meth:`seconds`; where that is None, a guess from mult-adds at the median speed measured there.

        Of the same paper's networks, which resemble each other; of all where none of them was measured. The guess is a
        rough one all the same: networks differ much in how many mult-adds a second they do.
        """
        if (seconds := self.seconds(run)) is not None:
            return Estimate(seconds, guessed=False)
        everywhere = list(self._per_mult_add.values())
        alike = [speed for (paper, _), speed in self._per_mult_add.items() if paper == run.paper] or everywhere
        own = self._mult_adds.get((run.paper, run.experiment.name))
        return Estimate(median(alike) * own * _images(run), guessed=True) if alike and own else None


def queue_lines(queue: Sequence[Run], results: Path, device: Device, workers: int = 1) -> Iterator[str]:
    """The runs in order, what each would take on a worker's share of the device, and all of them together."""
    found = read_all(results) if results.is_dir() else Results()
    speeds = Speeds(found, device.share(workers))
    estimates = [speeds.estimate(run) for run in queue]
    for number, (run, known) in enumerate(zip(queue, estimates, strict=True), start=1):
        time_needed = _duration(known.seconds) if known else "unknown"
        guess = "  guessed from mult-adds" if known and known.guessed else ""
        yield f"{number:4}  {run.key:44} {time_needed:>12}{guess}"
    known_ones = [known for known in estimates if known]
    total, guessed = (
        _wall_seconds((e.seconds for e in known_ones if e.guessed or everything), workers)
        for everything in (True, False)
    )
    at_once = f" with {workers} workers" if workers > 1 else ""
    yield (
        f"On {device}{at_once} this takes about {_duration(total)} in all, of which {_duration(guessed)} guessed, "
        f"and {estimates.count(None)} of {len(queue)} runs unknown"
    )
    yield from _fastest_workers(queue, found, device)


def _fastest_workers(queue: Sequence[Run], results: Results, device: Device) -> Iterator[str]:
    """For each network of the queue, the number of workers at which most images a second were measured on the device.

    Only numbers that divide the cores, each of whose workers was measured alike.
    """
    numbers = [n for n in range(1, device.cores + 1) if device.cores % n == 0]
    if device.accelerator or len(numbers) < 2:
        return
    measured = {n: _seconds_per_image(results, device.share(n)) for n in numbers}
    unknown = []
    for name, workload in {f"{run.paper}/{run.experiment.name}": _workload(run.spec) for run in queue}.items():
        seconds = {n: measured[n][workload] / n for n in numbers if workload in measured[n]}
        if len(seconds) < 2:
            unknown.append(name)
            continue
        best, second = sorted(seconds, key=lambda n: seconds[n])[:2]
        gain = seconds[second] / seconds[best]
        yield f"Fastest by measurement for {name}: --workers {best}, {gain:.2f} times --workers {second}"
    if unknown:
        yield f"Not measured at two numbers of workers: {', '.join(unknown)}"


def _wall_seconds(seconds: Iterable[float], workers: int) -> float:
    """How long all take where a worker that is free takes the next."""
    busy_until = [0.0] * workers
    for each in seconds:
        heapq.heapreplace(busy_until, busy_until[0] + each)
    return max(busy_until)


def this_device() -> Device:
    """The device that training would use here. Asked in a process of its own, which computes nothing on it.

    So that it is told also beside a training that has taken all of its memory.
    """
    code = (
        "import json, os; from sepconv.environment import device_of; from sepconv.results.records import harmless;"
        "name, accelerator = device_of(os.environ['KERAS_BACKEND']); print(json.dumps([harmless(name), accelerator]))"
    )
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    asked = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    name, accelerator = ("an unknown device", False) if asked.returncode else json.loads(asked.stdout.splitlines()[-1])
    return Device(name, accelerator, len(available_cores()))


def _seconds_per_image(results: Results, device: Device) -> dict[bytes, float]:
    """Training seconds per image of every workload measured on ``device``: of its fastest measurement."""
    rates: defaultdict[bytes, list[float]] = defaultdict(list)
    for run in results.runs:
        if device.is_like(Device.of(run.environment)) and run.history:
            seconds = median(epoch.train_seconds for epoch in run.history)
            rates[_workload(run.spec)].append(seconds / run.spec["scale"]["train_images"])
    workloads = _workloads()
    for bench in results.throughputs:
        workload = workloads.get((bench.paper, bench.experiment))
        if workload and device.is_like(Device.of(bench.environment)) and "engine" in bench.loops:
            rates[workload].append(median(bench.loops["engine"].seconds) / bench.images)
    return {workload: min(measured) for workload, measured in rates.items()}


def _workload(spec: Mapping[str, Any]) -> bytes:
    """What the time of training on one image depends on, of a run's spec: equal for experiments that take equally long.

    The number of classes, the optimizer and the size of a batch matter too little to be told apart.
    """
    recipe = spec["recipe"]
    image = IMAGE_SHAPES[spec["dataset"]]
    return canonical_json([spec["network"], image, recipe["augment"], recipe["precision"]])


def _workloads() -> dict[tuple[str, str], bytes]:
    """The workload of every experiment that is trained."""
    return {
        (paper.key, experiment.name): _workload(Run(paper.key, experiment, Budget.PAPER, seed=0).spec)
        for paper in all_papers()
        for experiment in paper.experiments
        if experiment.recipe
    }


def _images(run: Run) -> float:
    """Images that a run trains on, each epoch's anew, and those that it evaluates, in so many as take as long."""
    scale = run.scale
    return scale.epochs * (scale.train_images + scale.evaluate_images / PASSES)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes == 0:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def ensure_folders(run: Run, folders: Folders) -> None:
    """Better to learn now than after hours of training that nothing can be written."""
    for folder in (path_of(folders.results, run.key).parent, folders.checkpoints / run.id):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder) as file:
                file.write(bytes(2**16))  # on a full disk, an empty file can still be made
            if (lock := folder / LOCK).exists():  # such as that of another user
                lock.open("a").close()
        except OSError as error:
            raise ResultError(f"{folder}: expected a folder to write to, got: {error.strerror}") from None


class _Crew:
    """Workers that take runs from one queue, each in a thread that waits for its process."""

    def __init__(self, queue: Sequence[Run], folders: Folders, deadline: float | None) -> None:
        self.failures: list[str] = []
        self._waiting, self._folders, self._deadline = deque(queue), folders, deadline
        self._processes: set[subprocess.Popen[str]] = set()
        # Reentrant, for a second SIGTERM may come while the first is handled, in the same thread.
        self._lock, self._stopped = threading.RLock(), False

    def work(self, cores: Sequence[int] | None, bar: Display = None) -> None:
        """Train what waits until nothing does, on ``cores`` where there are several workers."""
        if cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)  # of this thread only; the processes that it starts inherit it
        while started := self._start_next(shown=bar is not None):
            run, process = started
            if bar is not None and process.stdout is not None:
                for line in process.stdout:
                    show(line.strip(), bar)
            self._take_back(run, process, process.wait())

    def stop(self) -> None:
        """Start nothing any more, and ask every process to stop at its epoch's end."""
        with self._lock:
            self._stopped = True
            for process in self._processes:
                process.send_signal(signal.SIGTERM)

    def _take_back(self, run: Run, process: subprocess.Popen[str], code: int) -> None:
        with self._lock:
            self._processes.discard(process)
            if code == STOPPED or -code in _STOPS:  # the latter where a signal came before training began
                self._waiting.clear()
            elif code and code != BUSY:  # whoever trains it writes its result
                self.failures.append(f"{run.key}: {reason(code)}")

    def _start_next(self, shown: bool) -> tuple[Run, subprocess.Popen[str]] | None:
        with self._lock:
            remaining = None if self._deadline is None else (self._deadline - time.monotonic()) / 60
            if self._stopped or not self._waiting or (remaining is not None and remaining <= 0):
                return None
            run = self._waiting.popleft()
            process = fresh_process(run, self._folders, remaining, shown)
            self._processes.add(process)
            return run, process


def fresh_process(run: Run, folders: Folders, minutes: float | None, shown: bool) -> subprocess.Popen[str]:
    """A fresh process per run: its peak memory is its own, and a crash takes nothing else with it.

    Where its progress is ``shown`` among that of others, all that it prints comes through a pipe. It has a session of
    its own, so that Ctrl-C and the end of a terminal reach it through this process only, and it watches its standard
    input, whose other end closes when this process ends in whatever way.
    """
    command = [sys.executable, "-m", "sepconv", "run", run.paper, run.experiment.name]
    command += ["--budget", run.budget, "--seed", str(run.seed)]
    command += ["--results", str(folders.results), "--checkpoints", str(folders.checkpoints)]
    if minutes is not None:
        command += ["--deadline", f"{minutes:.3f}"]
    environment = os.environ | {_WATCH: "1"} | (into_pipe() if shown else {})
    return subprocess.Popen(
        command,
        text=True,
        env=environment,
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if shown else None,
        stderr=subprocess.STDOUT if shown else None,
    )


def watch_parent() -> None:
    """In a run that a queue has started: ask for a stop once the queue's process is no longer there."""
    if os.environ.pop(_WATCH, None):
        threading.Thread(target=_stop_with_parent, daemon=True).start()


def _stop_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def reason(code: int) -> str:
    """Why a run failed, of the exit code of its process, which is negative where a signal ended it."""
    if code > 0:
        return f"exit code {code}"
    return f"ended by {signal.Signals(-code).name}; the same command continues it from its last checkpoint"


@contextmanager
def handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Handle every signal that asks for a stop, but for those that are ignored, as ``nohup`` has it."""
    before = {number: signal.getsignal(number) for number in _STOPS}
    handled = [number for number, was in before.items() if was is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])


@contextmanager
def _termination() -> Iterator[tuple[Callable[[], None], list[int]]]:
    """A function that starts to collect signals that ask for a stop, and what it collected.

    Before it is called, they end the process, as nothing would be lost. The first that is collected asks for a stop at
    the epoch's end; the second ends the process at once, for an epoch can take hours.
    """
    came: list[int] = []

    def collect(number: int, _frame: object) -> None:
        came.append(number)
        for each in _STOPS:
            if signal.getsignal(each) is collect:
                signal.signal(each, signal.SIG_DFL)
        os.write(2, b"\nStopping at the end of this epoch; ask again to stop at once, without it.\n")

    with ExitStack() as until_the_end:
        yield lambda: until_the_end.enter_context(handling(collect)), came
