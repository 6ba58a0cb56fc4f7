"""How fast a cluster works through runs, and how much of that its driver can do: measured on this machine."""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from sepconv.cluster.driver import Cluster, ClusterError, Share, import_ray
from sepconv.cluster.one_machine import campaign, smoke_runs
from sepconv.environment import describe
from sepconv.results.records import RunResult, ScalingResult, scaling_key
from sepconv.results.store import ensure, find_run, write
from sepconv.spec import Run
from sepconv.training.campaign import Folders

RUNS = smoke_runs(8)
NODES = (1, 2, 4)  # of one core each
DRIVEN = 100  # runs that the driver is timed over, whose tasks answer at once
BEATS = 1_000
REPEATS = 3


def ensure_scaling(folder: Path) -> ScalingResult:
    """How fast a cluster of this machine trains, from the results, or measured now.

    Raises:
        ClusterError: Ray is not installed, or a campaign fails.
        ResultError: the file there is damaged, or the folder cannot be written.
    """
    import_ray()
    return ensure(folder, scaling_key(describe()), ScalingResult, _measure)


def scaling_lines(scaling: ScalingResult) -> list[str]:
    """For the terminal."""
    return [
        *(
            f"{nodes} nodes of one core: {scaling.runs_per_hour(nodes):.0f} runs an hour"
            for nodes in sorted(scaling.campaign_seconds)
        ),
        f"a run starts and ends in {scaling.start_seconds:.1f} s beside its training",
        f"the driver takes {1e3 * median(scaling.driver_seconds):.1f} ms for each run, and "
        f"{1e3 * median(scaling.beat_seconds):.2f} ms for each report of one",
    ]


def _measure() -> ScalingResult:
    campaigns = {nodes: _campaign(nodes) for nodes in NODES}
    (example, *_) = campaigns[NODES[0]][1]
    driver_seconds, beat_seconds = _driver(example)
    return ScalingResult(
        ray=import_ray().__version__,
        runs=len(RUNS),
        campaign_seconds={nodes: seconds for nodes, (seconds, _) in campaigns.items()},
        trained_seconds={
            nodes: sum(result.seconds.train + result.seconds.evaluate for result in results)
            for nodes, (_, results) in campaigns.items()
        },
        driver_seconds=driver_seconds,
        beat_seconds=beat_seconds,
        environment=describe(),
    )


def _campaign(nodes: int) -> tuple[float, list[RunResult]]:
    """Seconds from the first run's start until the command ends, and the results."""
    with campaign(RUNS, nodes) as (_, driver):
        driver.wait()
        ended = time.monotonic()
        results = [result for run in RUNS if (result := find_run(driver.folders.results, run))]
    starts = [at for at, line in driver.lines if ": starts " in line]
    if len(results) < len(RUNS):
        raise ClusterError(f"expected {len(RUNS)} results, got {len(results)}: {driver.lines[-1:]}")
    print(f"{nodes} nodes: {len(RUNS)} runs in {ended - starts[0]:.0f} s", file=sys.stderr, flush=True)
    return ended - starts[0], results


def _driver(example: RunResult) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Seconds that a driver is busy with one run, and with one report of a run, each of a few times."""
    cluster = _AnsweringAtOnce("local", Share())
    runs = smoke_runs(DRIVEN)
    with TemporaryDirectory() as place:
        cluster.contents = {run.key: _content(Path(place), _as_if(example, run)) for run in runs}
        work = [partial(cluster.work_off, runs, Folders(Path(place) / f"{n}", Path(place))) for n in range(REPEATS + 1)]
        seconds = [_seconds(each) / DRIVEN for each in work]
    beats = [_seconds(partial(cluster.report, RUNS[0].key)) / BEATS for _ in range(REPEATS)]
    return tuple(seconds[1:]), tuple(beats)  # the first one starts Ray's workers


class _AnsweringAtOnce(Cluster):
    """A cluster whose nodes have every result already."""

    contents: dict[str, bytes]

    def submit(self, run: Run, folders: Folders) -> Any:  # noqa: ANN401 - Ray has no types
        def answer(content: bytes) -> tuple[str, dict[str, Any]]:
            return "", {"code": 0, "last_line": "", "result": content, "node_is_fit": True}

        return self._ray.remote(num_cpus=self.share.cores)(answer).remote(self.contents[run.key])

    def work_off(self, runs: list[Run], folders: Folders) -> None:
        if failures := self.run_queue(runs, folders):
            raise ClusterError(failures[0])

    def report(self, key: str) -> None:
        self._ray.get([self._board.beat.remote(key, [], "") for _ in range(BEATS)])


def _as_if(example: RunResult, run: Run) -> RunResult:
    return example.model_copy(update={"seed": run.seed, "run_id": run.id, "spec": run.spec})


def _content(folder: Path, result: RunResult) -> bytes:
    return write(folder, result).read_bytes()


def _seconds(do: Callable[[], None]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun
