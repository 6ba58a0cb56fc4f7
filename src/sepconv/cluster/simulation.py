"""A campaign on many more machines than there are here: runs, failures and the driver, simulated event by event."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Machines:
    """What a campaign is simulated on. Times in seconds."""

    nodes: int
    start: float = 0.0  # from being given a run until its first epoch begins
    driver: float = 0.0  # of the driver for each run, which it gives out one after the other
    checkpoint: float = math.inf  # of training between two checkpoints, all of which a failure can cost
    between_failures: float = math.inf  # of one node, on average
    repair: float = 0.0  # until a node that failed is back


def makespan(seconds: Sequence[float], machines: Machines, seed: int = 0) -> float:
    """Seconds until the last of the runs is done.

    A node that is free is given the first run that waits, as soon as the driver has time for it. A node that fails
    loses what its run trained since its last checkpoint; the run is given to another, as on a shared disk.

    Args:
        seconds: of training of each run, in the order in which they are given out.
        machines: that train them.
        seed: of the failures.
    """
    random = Random(seed)
    waiting = list(enumerate(seconds))  # which run, and how much of it is left
    failed: list[tuple[float, int, float]] = []  # when it can be given out again, and the same
    nodes = [0.0] * machines.nodes  # when each is free
    driver = end = 0.0
    while waiting or failed:
        free = heapq.heappop(nodes)
        while failed and (failed[0][0] <= free or not waiting):
            free = max(free, failed[0][0])
            heapq.heappush(waiting, heapq.heappop(failed)[1:])
        number, left = heapq.heappop(waiting)
        driver = max(free, driver) + machines.driver
        begun = driver + machines.start
        failure = driver + _until_failure(machines, random)
        if failure >= begun + left:
            heapq.heappush(nodes, begun + left)
            end = max(end, begun + left)
        else:
            kept = max(0.0, failure - begun) // machines.checkpoint * machines.checkpoint
            heapq.heappush(failed, (failure, number, left - kept))
            heapq.heappush(nodes, failure + machines.repair)
    return end


def _until_failure(machines: Machines, random: Random) -> float:
    never = math.isinf(machines.between_failures)
    return math.inf if never else random.expovariate(1 / machines.between_failures)
