"""A real Ray cluster of two nodes, one of which dies while it trains, and what is refused there."""

import random
import subprocess
import sys

import pytest

from sepconv.cluster.driver import numbers
from sepconv.results.store import find_run

pytest.importorskip("ray", reason="Ray is not installed; it comes with the extra cluster")
from sepconv.cluster import chaos

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cifar10")]


def test_a_campaign_that_loses_a_node_ends_with_the_results_of_one_that_does_not(monkeypatch):
    first, second, *_ = chaos.RUNS
    monkeypatch.setattr(chaos, "RUNS", [first])
    (expected,) = chaos.undisturbed()
    monkeypatch.setattr(chaos, "RUNS", [first, second])
    monkeypatch.setattr(random, "uniform", lambda *_: 1.0)
    with chaos.campaign(shared=True, nodes=2) as (nodes, driver):
        refused = cluster_command(nodes, driver, "--gpus-per-run", "2")
        assert chaos.await_training(driver)
        (lost,) = next(chaos.kill_node(nodes, driver, 0))
        assert driver.wait() == 0, driver.lines
        results = [find_run(driver.folders.results, run) for run in chaos.RUNS]
    assert [result.status for result in results] == ["complete"] * 2
    assert numbers(results[0]) == expected
    begun = [line for _, line in driver.lines if line.startswith((f"{lost}: starts", f"{lost}: continues"))]
    assert len(begun) == 2
    assert refused.returncode == 2
    assert refused.stderr == "sepconv: expected --gpus-per-run up to 0, the most on one node, got 2\n"


def cluster_command(nodes, driver, *options):
    command = [sys.executable, "-m", "sepconv", "run", "tseng2020", "conv", "--cluster", nodes.address, *options]
    folder = driver.folders.results.parent / "other"
    return subprocess.run([*command, "--results", folder, "--dry-run"], capture_output=True, text=True)
