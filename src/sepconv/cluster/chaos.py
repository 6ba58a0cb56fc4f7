"""What a campaign on a cluster survives: a cluster of three nodes on this machine, disturbed while it trains.

Every disturbance is done for real, to processes of a real cluster that trains smoke runs. In the end each run has to
have a result, no run two, and each result the numbers of an undisturbed run.
"""

import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

from sepconv.cluster.driver import ClusterError, import_ray, numbers
from sepconv.cluster.node import bound_to
from sepconv.cluster.one_machine import (
    HEARTBEAT_SECONDS,
    PATIENCE_SECONDS,
    Driver,
    Nodes,
    campaign,
    descendants,
    parents,
    send,
    smoke_runs,
)
from sepconv.environment import describe
from sepconv.results.records import ClusterResult, cluster_key
from sepconv.results.store import ensure, find_run
from sepconv.training.campaign import Folders, run_queue

NODES = 3  # as many as runs, so that no run has to wait for a node
RUNS = smoke_runs(NODES)
MOST_SECONDS = 10.0  # for which a run is let be before it is hit, a random part of it
MOST_HITS = 3  # of a campaign


# --- what is done to them --------------------------------------------------------------------------------------------

Hit = Callable[[Nodes, Driver, int], Iterator[list[str]]]  # hits, yields the keys of the runs that it hit, clears up


def kill_process(nodes: Nodes, driver: Driver, number: int) -> Iterator[list[str]]:
    """Kill the process that trains a run, or, every other time, Ray's worker that started it."""
    pid, key = random.choice(driver.training())
    send(signal.SIGKILL, [pid if number % 2 else parents()[pid]])
    yield [key]


def kill_node(nodes: Nodes, driver: Driver, number: int) -> Iterator[list[str]]:
    """Kill all processes of a node at once; another node comes in its place."""
    pid, key = random.choice(driver.training())
    nodes.remove(nodes.raylet_of(pid))
    nodes.add()
    yield [key]


def kill_driver(nodes: Nodes, driver: Driver, number: int) -> Iterator[list[str]]:
    """Kill the command itself and give it again."""
    keys = [key for _, key in driver.training()]
    send(signal.SIGKILL, [driver.process.pid])
    driver.process.wait()
    driver.start()
    yield keys


def stop_node(nodes: Nodes, driver: Driver, number: int) -> Iterator[list[str]]:
    """Stop a node's processes until another trains its run, as behind a partition, then let them go on."""
    pid, key = random.choice(driver.training())
    raylet = nodes.raylet_of(pid)
    stopped = [raylet, *descendants(raylet)]
    send(signal.SIGSTOP, stopped)
    nodes.add()
    yield [key]
    send(signal.SIGCONT, stopped)
    _wait_while(lambda: Path(f"/proc/{pid}/stat").exists())  # it ends by itself, since nobody hears of it
    nodes.remove(raylet)


HITS: dict[str, Hit] = {
    "run-killed": kill_process,
    "node-killed": kill_node,
    "driver-killed": kill_driver,
    "node-stopped": stop_node,
}


# --- campaigns -------------------------------------------------------------------------------------------------------


class _Outcome:
    """What is counted over all campaigns of one kind of disturbance."""

    def __init__(self, disturbance: str) -> None:
        self._disturbance, self._expected = disturbance, undisturbed()
        self.recoveries: list[float] = []
        self._campaigns = self._lost = self._refused = self._changed = 0

    def recovered(self, seconds: float) -> None:
        """Note that what was hit is trained again after so many seconds."""
        self.recoveries.append(seconds)
        print(f"{self._disturbance} {len(self.recoveries)}: recovered in {seconds:.1f} s", file=sys.stderr, flush=True)

    def ended(self, driver: Driver) -> None:
        """Count what a campaign has left."""
        found = [find_run(driver.folders.results, run) for run in RUNS]
        self._campaigns += 1
        self._lost += found.count(None)
        self._refused += sum(": a second result with " in line for _, line in driver.lines)
        self._changed += sum(
            numbers(result) != wanted for result, wanted in zip(found, self._expected, strict=True) if result
        )

    def result(self) -> ClusterResult:
        """All of it as a record."""
        return ClusterResult(
            disturbance=self._disturbance,
            ray=import_ray().__version__,
            nodes=NODES,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            runs=self._campaigns * len(RUNS),
            lost=self._lost,
            refused=self._refused,
            changed=self._changed,
            recovery_seconds=tuple(self.recoveries),
            environment=describe(),
        )


def hit_again_and_again(disturbance: str, times: int) -> ClusterResult:
    """Hit campaigns, each from an empty folder of results, until that was done so many times."""
    outcome, hit = _Outcome(disturbance), HITS[disturbance]
    while len(outcome.recoveries) < times:
        with campaign(RUNS, NODES, shared=hit is not stop_node) as (nodes, driver):
            for _ in range(min(MOST_HITS, times - len(outcome.recoveries))):
                if not await_training(driver):
                    break
                since = time.monotonic()
                hitting = hit(nodes, driver, len(outcome.recoveries))
                outcome.recovered(driver.seconds_until(next(hitting), since))
                next(hitting, None)
            driver.wait()
            outcome.ended(driver)
    return outcome.result()


def fill_disk(disturbance: str, times: int) -> ClusterResult:
    """Fill the disk of the results during campaigns, make room once the command has given up, and give it again."""
    outcome = _Outcome(disturbance)
    for _ in range(times):
        with campaign(RUNS, NODES, small_disk=True) as (_, driver):
            await_training(driver)
            filler = driver.folders.results / "filler"
            _fill(filler)
            driver.wait()
            filler.unlink()
            left = [run.key for run in RUNS if find_run(driver.folders.results, run) is None]
            since = time.monotonic()
            driver.start()
            outcome.recovered(driver.seconds_until(left[:1], since))
            driver.wait()
            outcome.ended(driver)
    return outcome.result()


def await_training(driver: Driver) -> bool:
    """Wait until some run has trained or prepared to train for a while; False where the campaign ended before."""
    wanted = random.uniform(0, MOST_SECONDS)
    begun = time.monotonic()
    while driver.process.poll() is None:
        if not driver.training():
            begun = time.monotonic()
        elif time.monotonic() > begun + wanted:
            return True
        time.sleep(0.05)
    return False


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def _wait_while(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while condition():
        if time.monotonic() > end:
            raise ClusterError(f"expected the campaign to go on within {PATIENCE_SECONDS} s, got nothing")
        time.sleep(0.05)


# --- the measurement -------------------------------------------------------------------------------------------------


# How often each is done where nothing else is asked for.
TIMES = {"run-killed": 20, "node-killed": 10, "driver-killed": 10, "node-stopped": 5, "disk-full": 3}


def ensure_clusters(folder: Path, most: int) -> Iterator[ClusterResult]:
    """What a cluster of this machine survives, one disturbance after the other: from the results, or measured now.

    Args:
        folder: of results.
        most: times that each disturbance is done, at most.

    Raises:
        ClusterError: Ray is not installed, or a campaign does not go on.
        ResultError: a file there is damaged, or the folder cannot be written.
    """
    import_ray()
    here = describe()
    for disturbance, times in TIMES.items():
        measure = partial(hit_again_and_again if disturbance in HITS else fill_disk, disturbance, min(times, most))
        yield ensure(folder, cluster_key(disturbance, here), ClusterResult, measure)


def cluster_line(cluster: ClusterResult) -> str:
    """For the terminal."""
    return (
        f"{cluster.disturbance}, {cluster.times} times: of {cluster.runs} runs {cluster.lost} lost, {cluster.changed} "
        f"changed, {cluster.refused} second results refused; recovered in {median(cluster.recovery_seconds):.1f} s, "
        f"{max(cluster.recovery_seconds):.1f} s at most"
    )


@cache
def undisturbed() -> list[Any]:
    """The numbers of each run, trained without a cluster on one core."""
    with tempfile.TemporaryDirectory(prefix="sepconv-chaos-") as place:
        folders = Folders(Path(place) / "results", Path(place) / "checkpoints")
        with bound_to(1):
            failures = run_queue(RUNS, folders)
        if failures:
            raise ClusterError(failures[0])
        return [numbers(result) for run in RUNS if (result := find_run(folders.results, run))]
