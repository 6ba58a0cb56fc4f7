"""Runs on a Ray cluster: each missing run is a task, and what the tasks answer goes into the folder of results.

Ray keeps no state that matters: the results folder is the only truth, and the same command, given again after any loss,
continues from what lies there.
"""

import logging
import os
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from sepconv import environment
from sepconv.cluster.node import Answer, Task
from sepconv.results.records import ResultError, RunResult
from sepconv.results.store import find_run, path_of, write
from sepconv.spec import InputError, Run
from sepconv.training import campaign
from sepconv.training.campaign import BUSY, STOPPED, Device, Folders
from sepconv.training.data import SETTING
from sepconv.training.progress import MARK, Display, displays

CONNECT_SECONDS = 10
# A run is leased to a node as long as that reports. A node that could not for so long stops the run, and somewhat
# later another is given it. Ray takes seven minutes to notice a node that neither answers nor closes its connections.
LEASE_SECONDS = 15
SILENCE_SECONDS = 20
TICK_SECONDS = 1
BUSY_SECONDS = 5  # before a run that another process trains is asked for again
MOST_KILLS = 3  # of a run's own process, as where memory is short; what dies with its node is given out for ever
MOST_BARS = 16
DIVERGED = 1  # exit code of a run that left a result all the same


class ClusterError(InputError):
    """A cluster that cannot be reached or used. The message stays one line, whatever Ray says."""

    def __init__(self, line: str) -> None:
        super().__init__(" ".join(line.split())[:600])


@dataclass(frozen=True)
class Share:
    """What each run has of its node: cores, which bind it where it has no GPU, and GPUs or a fraction of one."""

    cores: int = 1
    gpus: float = 0

    def slots(self, resources: Mapping[str, float]) -> int:
        """How many runs a node with these resources trains at once."""
        by_cores = int(resources.get("CPU", 0) // self.cores)
        return min(by_cores, int(resources.get("GPU", 0) / self.gpus + 1e-9)) if self.gpus else by_cores


class Cluster:
    """A Ray cluster that this process has joined."""

    def __init__(self, address: str, share: Share) -> None:
        """Join it.

        Args:
            address: ``HOST:PORT`` of its head; ``auto``, the one that this machine is a node of; ``local``, a new one
                of this machine alone, which ends with this process.
            share: of a node, for each run.

        Raises:
            ClusterError: Ray is not installed, no cluster is there, its versions differ from ours, or no node has as
                much.
        """
        self.share = share
        self._unfit: set[str] = set()
        self._ray = import_ray()
        _join(self._ray, address)
        self._check_share()
        here = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            self._ray.get_runtime_context().get_node_id(), soft=False
        )
        self._board = self._ray.remote(num_cpus=0, scheduling_strategy=here)(_board_class()).remote()
        # The death of a worker or of its node is retried for ever, an error of the task itself never.
        self._remote = self._ray.remote(num_cpus=share.cores, num_gpus=share.gpus, max_retries=-1)(_task_function())
        self._variables = _variables()

    @property
    def slots(self) -> int:
        """How many runs train at once on the nodes that are there and fit."""
        return sum(self.share.slots(node["Resources"]) for node in self._nodes() if node["NodeID"] not in self._unfit)

    def lines(self, queue: Sequence[Run], results: Path) -> Iterator[str]:
        """The runs in order, what each would take, and all of them together, on nodes like the one that answers first.

        Raises:
            ClusterError: no node answers.
        """
        workers = min(max(1, self.slots), len(queue))
        ask = self._ray.remote(num_cpus=self.share.cores, num_gpus=self.share.gpus)(_device_function())
        try:
            name, accelerator = self._ray.get(ask.remote(self._variables))
        except self._ray.exceptions.RayError as error:
            raise ClusterError(f"expected a node that tells its device, got: {error}") from None
        device = Device(name, accelerator, self.share.cores * workers)
        yield from islice(campaign.queue_lines(queue, results, device, workers), len(queue) + 1)
        if 0 < self.share.gpus < 1:
            yield f"These are the times of a whole GPU; each run has {self.share.gpus:g} of one"

    def run_queue(self, queue: Sequence[Run], folders: Folders, deadline: float | None = None) -> list[str]:
        """Train the runs in order, and return a line for each that failed.

        As :func:`sepconv.training.campaign.run_queue`, and a run whose node died is given to another node.

        Args:
            queue: in order of worth.
            folders: where results and checkpoints lie, here and on every node without a scratch folder of its own.
            deadline: ``time.monotonic()`` after which every run stops at its next epoch's end.

        Raises:
            ClusterError: the nodes that are there cannot train, or the cluster is gone. The results so far are written.
        """
        tasks = _Tasks(self, queue, Folders(folders.results.absolute(), folders.checkpoints.absolute()), deadline)
        try:
            with campaign.handling(tasks.stop), displays(min(max(1, self.slots), MOST_BARS)) as bars:
                while tasks.go_on():
                    tasks.give_again(self._show(tasks.running, bars))
                self._show([], bars)
        except self._ray.exceptions.RayError as error:
            raise ClusterError(f"expected the cluster to go on, got: {error}") from None
        return tasks.failures

    def submit(self, run: Run, folders: Folders) -> Any:  # noqa: ANN401 - Ray has no types
        """Give a run to whichever fit node is free, and return the reference to its answer."""
        unfit = ",".join(sorted(self._unfit))
        remote = self._remote.options(label_selector={"ray.io/node-id": f"!in({unfit})"}) if unfit else self._remote
        task = Task(
            paper=run.paper,
            experiment=run.experiment.name,
            budget=run.budget,
            seed=run.seed,
            run_id=run.id,
            results=str(folders.results),
            checkpoints=str(folders.checkpoints),
            cores=None if self.share.gpus else self.share.cores,
            gpus=self.share.gpus,
            variables=self._variables,
            data=os.environ.get(SETTING, ""),
        )
        return remote.remote(run.key, asdict(task), self._board, LEASE_SECONDS)

    def wait(self, references: list[Any]) -> list[Any]:
        """Those of the references whose runs have ended within a second, one or none."""
        ended, _ = self._ray.wait(references, timeout=TICK_SECONDS)
        return list(ended)

    def answer(self, reference: Any) -> tuple[str, Answer]:  # noqa: ANN401
        """The node that a run was given to and what it answers; of a task that failed by itself, no node and why."""
        try:
            node, answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return "", Answer(1, str(error).strip().splitlines()[-1], None)
        return node, Answer(**answer)

    def leave_out(self, unfit: str, why: str) -> None:
        """Give a node no more runs.

        Raises:
            ClusterError: it was the last that could have trained.
        """
        if unfit not in self._unfit:
            self._unfit.add(unfit)
            names = {node["NodeID"]: node["NodeManagerHostname"] for node in self._nodes()}
            print(f"node {names.get(unfit, '')} {unfit[:8]}: {why}; it gets no more runs", file=sys.stderr, flush=True)
        if not self.slots:
            raise ClusterError(f"expected a node that can train, got none; the last one says: {why}")

    def give_up(self, reference: Any) -> None:  # noqa: ANN401
        """Have Ray neither wait for a task nor try it again."""
        self._ray.cancel(reference, force=True)

    def stop(self) -> None:
        """Ask every run to stop at its epoch's end."""
        self._board.stop.remote()

    def _nodes(self) -> list[dict[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def _check_share(self) -> None:
        if self.share.gpus > 1 and not float(self.share.gpus).is_integer():
            raise ClusterError(f"expected --gpus-per-run up to 1, or a whole number, got {self.share.gpus:g}")
        for option, resource, wanted in (("cores", "CPU", self.share.cores), ("gpus", "GPU", self.share.gpus)):
            most = max((node["Resources"].get(resource, 0) for node in self._nodes()), default=0)
            if wanted > most:
                raise ClusterError(f"expected --{option}-per-run up to {most:g}, the most on one node, got {wanted:g}")

    def _show(self, running: Sequence[str], bars: Sequence[Display]) -> list[str]:
        """Show the lines that came from the nodes, and the bars of the runs with these keys while there is room.

        Returns:
            The keys of those that have begun to report and ceased.
        """
        lines, states, silent = self._ray.get(self._board.take.remote(running, SILENCE_SECONDS))
        for line in lines:
            tqdm.write(line)
        for number, bar in enumerate(bars):
            if bar is not None:
                bar.set_description_str(states[number].removeprefix(MARK) if number < len(states) else "")
        return list(silent)


class _Tasks:
    """The runs of one command: those that wait, those that were given out, and those that failed."""

    def __init__(self, cluster: Cluster, queue: Sequence[Run], folders: Folders, deadline: float | None) -> None:
        self.failures: list[str] = []
        self._cluster, self._folders, self._deadline = cluster, folders, deadline
        self._waiting = deque(queue)
        self._busy: deque[tuple[float, Run]] = deque()  # another process trains them; with when to ask again
        self._given: dict[Any, Run] = {}
        self._kills: Counter[str] = Counter()
        self._stops = 0  # how often a stop was asked for

    @property
    def running(self) -> list[str]:
        """The keys of the runs that were given out, in order."""
        return [run.key for run in self._given.values()]

    def stop(self, *_: object) -> None:
        """Give out nothing any more, and ask every run to stop at its epoch's end; asked again, end at once."""
        self._stops += 1  # and nothing else, since a signal can come in the middle of a call of Ray
        if self._stops > 1:
            raise KeyboardInterrupt

    def go_on(self) -> bool:
        """Give out what waits, take back what ends within a second, and return whether anything is left."""
        if not self._stops and self._deadline is not None and time.monotonic() > self._deadline:
            self.stop()
        if self._stops:
            self._waiting.clear()
            self._busy.clear()
            self._cluster.stop()
            if not self._cluster.slots:  # nobody is left to answer
                self._given.clear()
        else:
            self._give_out()
        if self._given:
            for reference in self._cluster.wait(list(self._given)):
                self._take_back(self._given.pop(reference), *self._cluster.answer(reference))
        else:
            time.sleep(TICK_SECONDS)
        return bool(self._given or self._waiting or self._busy)

    def give_again(self, silent: Collection[str]) -> None:
        """Let the runs with these keys wait again, since the nodes that had them no longer report.

        What such a node still answers is not heard. Where it shares the disk, its run is locked until it stops.
        """
        for reference in [reference for reference, run in self._given.items() if run.key in silent]:
            run = self._given.pop(reference)
            self._cluster.give_up(reference)
            self._waiting.appendleft(run)
            tqdm.write(f"{run.key}: its node has not reported for {SILENCE_SECONDS} s; it is given to another")

    def _give_out(self) -> None:
        """As many runs as train at once, and a few that wait on the nodes, so that no node waits for this process."""
        while self._busy and self._busy[0][0] <= time.monotonic():
            self._waiting.append(self._busy.popleft()[1])
        most = 1 + self._cluster.slots * 5 // 4
        while self._waiting and len(self._given) < most:
            run = self._waiting.popleft()
            self._given[self._cluster.submit(run, self._folders)] = run

    def _take_back(self, run: Run, node: str, answer: Answer) -> None:
        if answer.result is not None:
            self._take_in(run, answer)
        elif answer.code == BUSY:
            self._busy.append((time.monotonic() + BUSY_SECONDS, run))
        elif not answer.node_is_fit:
            self._waiting.appendleft(run)
            self._cluster.leave_out(node, answer.last_line)
        elif answer.code == STOPPED or self._may_be_killed_again(run, answer.code):
            self._waiting.appendleft(run)
        else:
            self._fail(run, answer)

    def _take_in(self, run: Run, answer: Answer) -> None:
        try:
            if refused := take_in(self._folders.results, run, answer.result or b""):
                tqdm.write(refused)
        except ResultError as error:
            self.failures.append(str(error))
        else:
            if answer.code == DIVERGED:  # by any other code it ended once a result was there
                self._fail(run, answer)

    def _may_be_killed_again(self, run: Run, code: int) -> bool:
        self._kills[run.key] += code < 0
        return code < 0 and self._kills[run.key] <= MOST_KILLS

    def _fail(self, run: Run, answer: Answer) -> None:
        self.failures.append(f"{run.key}: {campaign.reason(answer.code)}: {answer.last_line}".removesuffix(": "))


def take_in(folder: Path, run: Run, content: bytes) -> str:
    """Add a run's result, as a node sent it, to a folder of results by the store's own writer.

    A node behind a partition may finish a run that another node was given. Of two results that differ, in seconds if in
    nothing else, the first stays; the line that says so is returned.

    Raises:
        ResultError: what came is no valid result of that run, or cannot be written.
    """
    with TemporaryDirectory() as place:
        path = path_of(Path(place), run.key)
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        came, there = find_run(Path(place), run), find_run(folder, run)
    assert came is not None  # it was written just now
    if there is None:
        write(folder, came)
    elif there != came:
        same = "the same" if numbers(there) == numbers(came) else "other"
        return f"{run.key}: a second result with {same} numbers was refused; the first stays"
    return ""


def numbers(result: RunResult) -> tuple[Any, ...]:
    """What a run measured of its network: all that has to be equal, bit for bit, where it is trained again."""
    of_epochs = [(e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy) for e in result.history]
    return result.status, of_epochs, result.final


# --- Ray -------------------------------------------------------------------------------------------------------------


def import_ray() -> Any:  # noqa: ANN401
    """Ray, which has no types, without its statistics of usage.

    Raises:
        ClusterError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise ClusterError(f"expected Ray, got: {error}; install it with pip install 'sepconv[cluster]'") from None
    return ray


def _join(ray: Any, address: str) -> None:  # noqa: ANN401
    if address not in ("auto", "local"):
        _check_address(address)
    options = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ClusterError(f"--cluster {address}: expected a cluster of Ray {ray.__version__}, got: {error}") from None


def _check_address(address: str) -> None:
    """Ray itself would wait for two minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ClusterError(
            f"--cluster {address}: expected auto, local or HOST:PORT of the head of a Ray cluster, got: {error}"
        ) from None


def _variables() -> dict[str, str]:
    """What of this process's environment can change numbers: the nodes take it over."""
    named = [setting.partition("=")[0] for setting in environment.settings()]
    return {name: os.environ[name] for name in ("KERAS_BACKEND", "SEPCONV_COMMIT", *named) if name in os.environ}


# Functions and a class that are made within a function travel to the nodes by value, so that a node without this
# package can say so.


def _task_function() -> Callable[..., Any]:
    def train(key: str, task: dict[str, Any], board: Any, lease_seconds: float) -> tuple[str, dict[str, Any]]:  # noqa: ANN401
        import ray

        node = ray.get_runtime_context().get_node_id()
        try:
            from concurrent.futures import ThreadPoolExecutor
            from dataclasses import asdict

            from sepconv.cluster import node as here
        except ImportError as error:
            return node, {
                "code": 2,
                "last_line": f"cannot import sepconv: {error}",
                "result": None,
                "node_is_fit": False,
            }

        # In a thread, for a task whose main thread waits in ray.get gives its cores to another meanwhile.
        with ThreadPoolExecutor(1) as thread:

            def beat(lines: Sequence[str], bar: str) -> bool:
                heard = board.beat.remote(key, lines, bar)
                return bool(thread.submit(ray.get, heard, timeout=lease_seconds).result())

            return node, asdict(here.train(here.Task(**task), beat))

    return train


def _device_function() -> Callable[..., Any]:
    def device(variables: dict[str, str]) -> tuple[str, bool]:
        import os

        os.environ.update(variables)
        try:
            from sepconv.training.campaign import this_device
        except ImportError:
            return "an unknown device", False
        found = this_device()
        return found.name, found.accelerator

    return device


def _board_class(clock: Callable[[], float] = time.monotonic) -> type:
    class Board:
        """Where runs report: it lives beside the driver and ends with it."""

        def __init__(self) -> None:
            self.lines: list[str] = []
            self.bars: dict[str, str] = {}
            self.beats: dict[str, float] = {}
            self.stopping = False

        def beat(self, key: str, lines: list[str], bar: str) -> bool:
            self.lines += lines
            self.bars[key], self.beats[key] = bar, clock()
            return self.stopping

        def take(self, running: list[str], patience: float) -> tuple[list[str], list[str], list[str]]:
            lines, self.lines = self.lines, []
            self.bars = {key: self.bars[key] for key in running if key in self.bars}
            silent = [key for key in self.bars if clock() > self.beats[key] + patience]
            for key in silent:
                del self.bars[key]
            return lines, [bar for bar in self.bars.values() if bar], silent

        def stop(self) -> None:
            self.stopping = True

    return Board
