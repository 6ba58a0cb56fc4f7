"""What a node does for a run: train it in a fresh process, report what that prints, answer with the result's file.

Nothing here imports Ray: whoever calls passes ``beat``, by which a node reports and learns whether it has to stop.
"""

import os
import random
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sepconv.environment import available_cores, check_backend
from sepconv.papers import paper
from sepconv.results.store import path_of
from sepconv.spec import Budget, InputError, Run
from sepconv.training import campaign, checkpoint, data
from sepconv.training.campaign import Folders
from sepconv.training.progress import MARK

SCRATCH = "SEPCONV_SCRATCH"  # on a node that shares no disk: its folder for results and checkpoints
BEAT_SECONDS = 2.0
BAD_INPUT = 2  # exit code of a run that was refused: by its own fault or by that of its node

# Takes the lines that came since the last call and the latest state of the bar; True asks for a stop.
Beat = Callable[[Sequence[str], str], bool]


@dataclass(frozen=True)
class Task:
    """A run as it travels to a node, which finds it among its own papers."""

    paper: str
    experiment: str
    budget: str
    seed: int
    run_id: str
    results: str
    checkpoints: str
    cores: int | None  # that it is bound to; None where an accelerator trains it
    gpus: float  # how many, or what share of one
    variables: dict[str, str]  # of the driver's environment, which count here too
    data: str  # the driver's folder of images, for a node that names none


@dataclass(frozen=True)
class Answer:
    """How a run ended on a node."""

    code: int  # of its process; negative where a signal ended it
    last_line: str  # of what it printed
    result: bytes | None  # the file that it left
    node_is_fit: bool = True  # False where the node is at fault, and ``last_line`` says why


def train(task: Task, beat: Beat) -> Answer:
    """Train a run unless its result lies on this node already, and return its result's file.

    Args:
        task: which run, with what share of the node.
        beat: called every two seconds. Where it asks for a stop, or raises since nobody listens any more, the run
            stops at its epoch's end and leaves a checkpoint: if nobody hears of it, another node may have been given
            the same run.
    """
    _set_environment(task)
    folders = _folders(task)
    try:
        run = _run(task)
    except InputError as error:
        return Answer(BAD_INPUT, str(error), None, node_is_fit=False)
    if beat([_whence(run, folders)], ""):
        return Answer(campaign.STOPPED, "", None)
    said = _Said()
    with bound_to(task.cores):
        process = campaign.fresh_process(run, folders, None, shown=True)
        with _beating(beat, said, process.terminate):
            for line in process.stdout or ():
                said.add(line.strip())
            code = process.wait()
    if code == BAD_INPUT and (fault := _fault(run, folders)):
        return Answer(code, fault, None, node_is_fit=False)
    path = path_of(folders.results, run.key)
    return Answer(code, said.last, path.read_bytes() if path.exists() else None)


class _Said:
    """What a run has printed and nobody has heard yet."""

    def __init__(self) -> None:
        self.last, self._bar = "", ""
        self._lines: deque[str] = deque()

    def add(self, line: str) -> None:
        if line.startswith(MARK):
            self._bar = line
        elif line:
            self.last = line
            self._lines.append(line)

    def take(self) -> tuple[list[str], str]:
        """The lines since the last call, and the latest state of the bar."""
        return [self._lines.popleft() for _ in range(len(self._lines))], self._bar


@contextmanager
def _beating(beat: Beat, said: _Said, stop: Callable[[], None]) -> Iterator[None]:
    """Beat until the end, and call ``stop`` once where that is asked for or nobody listens."""
    ended = threading.Event()

    def asks_for_stop() -> bool:
        try:
            return beat(*said.take())
        except Exception:  # whatever keeps it from being heard
            return True

    def beats() -> None:
        while not ended.wait(BEAT_SECONDS):
            if asks_for_stop():
                stop()
                return

    thread = threading.Thread(target=beats, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        asks_for_stop()  # the last lines


def _run(task: Task) -> Run:
    """The run as this node's code knows it, which has to be the driver's.

    Raises:
        InputError: this node has no such experiment, or another recipe of it.
    """
    run = Run(task.paper, paper(task.paper).experiment(task.experiment), Budget(task.budget), task.seed)
    if run.id != task.run_id:
        raise InputError(f"expected run {task.run_id} for {run.key}, got {run.id}; install the same version of sepconv")
    return run


def _folders(task: Task) -> Folders:
    scratch = os.environ.get(SCRATCH)
    if scratch:
        return Folders(Path(scratch) / "results", Path(scratch) / "checkpoints")
    return Folders(Path(task.results), Path(task.checkpoints))


def _whence(run: Run, folders: Folders) -> str:
    epoch = checkpoint.newest_epoch(folders.checkpoints, run.id)
    start = f"continues after epoch {epoch}" if epoch else "starts from its first epoch"
    return f"{run.key}: {start} on {socket.gethostname()}"


def _fault(run: Run, folders: Folders) -> str:
    """What this node lacks to train a run that was refused here; nothing where the run itself is at fault."""
    try:
        check_backend()
        campaign.ensure_folders(run, folders)
        if run.experiment.dataset != "imagenet":  # which is not trained
            data.load(run.experiment.dataset)
    except InputError as error:
        return str(error)
    return ""


def _set_environment(task: Task) -> None:
    """Threads follow from the cores that a run is bound to, so what Ray puts into ``OMP_NUM_THREADS`` is taken out."""
    os.environ.pop("OMP_NUM_THREADS", None)
    if task.data:
        os.environ.setdefault(data.SETTING, task.data)
    os.environ.update(task.variables | share_of_gpu(task.gpus))


def share_of_gpu(gpus: float) -> dict[str, str]:
    """The variables by which JAX and TensorFlow take no more of a GPU's memory than a share of it, less a tenth."""
    if not 0 < gpus < 1:
        return {}
    return {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 * gpus:.3f}", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


@contextmanager
def bound_to(count: int | None) -> Iterator[None]:
    """Bind this thread, and what it starts, to so many cores that no other task has; None binds nothing.

    On as many cores, a run gives the same bits on equal machines.
    """
    if count is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = available_cores()
    with _claimed(before, count) as cores:
        os.sched_setaffinity(0, cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)


@contextmanager
def _claimed(cores: Sequence[int], count: int) -> Iterator[Sequence[int]]:
    """The first cores that are free, by locks that end with their process; any of all where too few are free.

    Too few are free where Ray was told of more cores than there are.
    """
    folder = Path(tempfile.gettempdir()) / f"sepconv-cores-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    with ExitStack() as held:
        mine: list[int] = []
        for core in cores:
            with suppress(Timeout):
                if len(mine) < count:
                    held.enter_context(FileLock(folder / f"{core}.lock").acquire(blocking=False))
                    mine.append(core)
        yield mine if len(mine) == count else random.sample(cores, count)
