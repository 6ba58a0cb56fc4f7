"""Clusters: what they survive, how fast they train, and how fast one of many nodes would."""

from collections.abc import Sequence
from statistics import median

import pandas as pd

from sepconv.cluster.simulation import Machines, makespan
from sepconv.papers import all_papers
from sepconv.results.records import ScalingResult, machine
from sepconv.results.store import Results
from sepconv.spec import Budget
from sepconv.training.campaign import Device, Speeds, runs

SEEDS = range(10)  # as many as the rule for adding seeds ever asks for
NODES = (1, 10, 100, 1_000)
CHECKPOINT_SECONDS = 300.0  # after which the end of an epoch leaves a checkpoint
BETWEEN_FAILURES = 1_000 * 86_400 / 6.5  # seconds of a node: 6.50 failures in 1,000 node-days (Kokolis et al. 2025)
REPAIR_SECONDS = 3_600.0  # until a node that failed is back: assumed


def disturbances(results: Results) -> pd.DataFrame:
    """What clusters survive, a row for each disturbance, under the headings of the book's table."""
    rows = [
        {
            "disturbance": cluster.disturbance.replace("-", " "),
            "times": cluster.times,
            "runs": cluster.runs,
            "lost": cluster.lost,
            "with other numbers": cluster.changed,
            "second results refused": cluster.refused,
            "median recovery (s)": round(median(cluster.recovery_seconds), 1),
            "longest recovery (s)": round(max(cluster.recovery_seconds), 1),
            "machine": machine(cluster.environment),
        }
        for cluster in results.clusters
    ]
    return pd.DataFrame(rows)


def scaling(results: Results) -> pd.DataFrame:
    """How fast clusters of one machine train, a row per number of nodes, under the headings of the book's table."""
    rows = [
        {
            "nodes of one core": nodes,
            "runs": found.runs,
            "seconds": round(found.campaign_seconds[nodes]),
            "runs per hour": round(found.runs_per_hour(nodes)),
            "start of a run (s)": round(found.start_seconds, 1),
            "driver per run (ms)": round(1e3 * median(found.driver_seconds), 1),
            "driver per report (ms)": round(1e3 * median(found.beat_seconds), 2),
            "machine": machine(found.environment),
        }
        for found in results.scalings
        for nodes in sorted(found.campaign_seconds)
    ]
    return pd.DataFrame(rows)


def simulated(results: Results) -> pd.DataFrame:
    """Whole campaigns on many nodes like one core of each machine measured, under the headings of the book's table.

    Hours in the order in which runs are given out, with the longest run first, if the work were shared out evenly, and
    of the longest run alone.
    """
    rows = [
        row
        for found in results.scalings
        for budget in (Budget.SMOKE, Budget.PAPER)
        for row in _simulated(found, budget, results)
    ]
    return pd.DataFrame(rows)


def _simulated(found: ScalingResult, budget: Budget, results: Results) -> list[dict[str, object]]:
    speeds = Speeds(results, Device(found.environment.device, found.environment.accelerator, 1))
    estimates = [speeds.estimate(run) for run in runs(all_papers(), budget, SEEDS)]
    seconds = [each.seconds for each in estimates if each]
    return [_simulated_on(nodes, found, budget, seconds) for nodes in NODES]


def _simulated_on(nodes: int, found: ScalingResult, budget: Budget, seconds: Sequence[float]) -> dict[str, object]:
    driver = median(found.driver_seconds)
    machines = Machines(nodes, found.start_seconds, driver, CHECKPOINT_SECONDS, BETWEEN_FAILURES, REPAIR_SECONDS)
    in_order, longest_first = makespan(seconds, machines), makespan(sorted(seconds, reverse=True), machines)
    hours = {
        "hours": in_order,
        "longest first": longest_first,
        "shared out evenly": sum(seconds) / nodes,
        "longest run": max(seconds),
    }
    return {
        "budget": str(budget),
        "runs": len(seconds),
        "nodes": nodes,
        **{name: float(f"{value / 3600:.3g}") for name, value in hours.items()},
        "driver busy (%)": float(f"{100 * driver * len(seconds) / in_order:.2g}"),
        "machine": machine(found.environment),
    }
