"""A Ray cluster whose nodes all lie on this machine, and the command that trains on it: what measures starts and hits.

Processes are looked up in ``/proc``, as Linux lists them.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sepconv.cluster.driver import ClusterError
from sepconv.cluster.node import SCRATCH
from sepconv.papers import paper
from sepconv.results.store import path_of
from sepconv.spec import Budget, Run
from sepconv.training.campaign import Folders

PATIENCE_SECONDS = 600
HEARTBEAT_SECONDS = 15  # after which a node that says nothing counts as dead: three times asked and no answer
_HEARTBEAT = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 2000,
    "health_check_timeout_ms": 3000,
    "health_check_failure_threshold": 3,
}


class Nodes:
    """A Ray cluster of this machine: a head that trains nothing, and nodes of one core each that can be killed.

    Args:
        count: of nodes that train.
        scratch: where each node has a folder of its own for results and checkpoints; None where they share a disk.
    """

    def __init__(self, count: int, scratch: Path | None = None) -> None:
        from ray.cluster_utils import Cluster

        self._scratch, self._made = scratch, 0
        options = {"num_cpus": 0, "include_dashboard": False, "_system_config": _HEARTBEAT}
        self._cluster = Cluster(initialize_head=True, head_node_args=options)
        self._nodes: dict[int, Any] = {}  # by the process id of its raylet
        for _ in range(count):
            self.add()
        self._cluster.wait_for_nodes()

    @property
    def address(self) -> str:
        """``HOST:PORT`` of the head."""
        return str(self._cluster.address)

    def add(self) -> None:
        """Start one more node, without waiting for it."""
        self._made += 1
        own = {SCRATCH: str(self._scratch / f"node-{self._made}")} if self._scratch else {}
        node = self._cluster.add_node(num_cpus=1, wait=False, env_vars=own)
        self._nodes[node.all_processes["raylet"][0].process.pid] = node

    def raylet_of(self, process: int) -> int:
        """The process id of the raylet whose node a run's process belongs to."""
        return next(pid for pid in _ancestors(process) if pid in self._nodes)

    def remove(self, raylet: int) -> None:
        """Kill what is left of a node."""
        send(signal.SIGKILL, descendants(raylet))
        self._cluster.remove_node(self._nodes.pop(raylet), allow_graceful=False)

    def end(self) -> None:
        """End all processes of the cluster."""
        self._cluster.shutdown()


@dataclass
class Driver:
    """``sepconv run … --cluster`` in a process of its own, and when it printed which line.

    Args:
        address: of the cluster.
        folders: where its results and checkpoints lie.
        runs: of one experiment, which it trains.
    """

    address: str
    folders: Folders
    runs: Sequence[Run]
    lines: list[tuple[float, str]] = field(default_factory=list)

    def start(self) -> "Driver":
        """Start the command, or start it again."""
        first, seeds = self.runs[0], [option for run in self.runs for option in ("--seed", str(run.seed))]
        command = [sys.executable, "-m", "sepconv", "run", first.paper, first.experiment.name, *seeds]
        command += ["--results", str(self.folders.results), "--checkpoints", str(self.folders.checkpoints)]
        command += ["--cluster", self.address]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen(command, text=True, start_new_session=True, **pipes)
        threading.Thread(target=self._read, args=[self.process], daemon=True).start()
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            self.lines.append((time.monotonic(), line.strip()))

    def seconds_until(self, keys: Sequence[str], since: float) -> float:
        """Seconds from ``since`` until each of these runs has its result, or was given out again and trains.

        Raises:
            ClusterError: that never comes.
        """
        while time.monotonic() < since + PATIENCE_SECONDS:
            if all(self._has_result(key) or self._trains_again(key, since) for key in keys):
                return time.monotonic() - since
            time.sleep(0.05)
        raise ClusterError(f"expected {', '.join(keys)} within {PATIENCE_SECONDS} s, got: {self.lines[-1:]}")

    def _has_result(self, key: str) -> bool:
        return path_of(self.folders.results, key).exists()

    def _trains_again(self, key: str, since: float) -> bool:
        said = [line.removeprefix(f"{key}: ") for at, line in list(self.lines) if at > since and line.startswith(key)]
        begun = [number for number, what in enumerate(said) if what.startswith(("starts ", "continues "))]
        return bool(begun) and any(what.startswith("training on ") for what in said[begun[0] :])

    def training(self) -> list[tuple[int, str]]:
        """Process id and key of every run that is trained and has no result yet."""
        return [(pid, key) for pid, key in self._trained() if not self._has_result(key)]

    def _trained(self) -> Iterator[tuple[int, str]]:
        place = f"\0{self.folders.results.parent}/".encode()
        for run in self.runs:
            seed = f"\0--seed\0{run.seed}\0".encode()
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    command = path.read_bytes()
                    of_run = b"sepconv\0run" in command and b"--cluster" not in command
                    if of_run and seed in command and place in command:
                        yield int(path.parent.name), run.key

    def wait(self) -> int:
        """The exit code of the command, once it has ended."""
        return self.process.wait(PATIENCE_SECONDS)


def smoke_runs(count: int) -> list[Run]:
    """So many runs of seconds each, alike but for their seeds."""
    conv = paper("tseng2020").experiment("conv")
    return [Run("tseng2020", conv, Budget.SMOKE, seed) for seed in range(count)]


@contextmanager
def campaign(
    runs: Sequence[Run], nodes: int, *, shared: bool = True, small_disk: bool = False
) -> Iterator[tuple[Nodes, Driver]]:
    """A cluster and a command that trains on it, in a folder of their own; all of it ends with the block.

    Args:
        runs: of one experiment, which the command trains.
        nodes: how many.
        shared: whether the nodes share a disk.
        small_disk: whether the results have a disk of their own, of a megabyte.
    """
    with ExitStack() as until_the_end:
        place = Path(until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="sepconv-cluster-")))
        folders = Folders(place / "results", place / "checkpoints")
        folders.results.mkdir()
        if small_disk:
            mounted = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folders.results)]
            subprocess.run(mounted, check=True, capture_output=True)
            until_the_end.callback(subprocess.run, ["umount", "-l", str(folders.results)], check=True)
        cluster = Nodes(nodes, None if shared else place)
        until_the_end.callback(cluster.end)
        driver = Driver(cluster.address, folders, runs).start()
        until_the_end.callback(lambda: driver.process.kill())
        yield cluster, driver


def send(number: signal.Signals, processes: Sequence[int]) -> None:
    """Send a signal to those of these processes that are still there."""
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def parents() -> dict[int, int]:
    """The parent of every process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    return found


def _ancestors(process: int) -> Iterator[int]:
    parent_of = parents()
    while process in parent_of:
        yield process
        process = parent_of[process]


def descendants(process: int) -> list[int]:
    """All processes that a process started, and those that they started."""
    parent_of = parents()
    below = [pid for pid, parent in parent_of.items() if parent == process]
    return [*below, *(further for pid in below for further in descendants(pid))]
