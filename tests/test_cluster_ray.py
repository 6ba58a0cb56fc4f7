"""A real Ray cluster of two nodes, one of which dies while it trains, and what is refused there."""

import random
import subprocess
import sys

import pytest

from sepconv.cluster.driver import numbers
from sepconv.cluster.node import bound_to
from sepconv.results.store import find_run
from sepconv.training import campaign
from sepconv.training.campaign import Folders

pytest.importorskip("ray", reason="Ray is not installed; it comes with the extra cluster")
from sepconv.cluster import chaos

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cifar10")]


def test_a_campaign_that_loses_a_node_ends_with_the_results_of_one_that_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(chaos, "RUNS", chaos.RUNS[:2])
    monkeypatch.setattr(random, "uniform", lambda *_: 0.5)
    elsewhere = Folders(tmp_path / "results", tmp_path / "checkpoints")
    with bound_to(1):
        alone = campaign.fresh_process(chaos.RUNS[0], elsewhere, None, shown=True)
    with chaos.campaign(chaos.RUNS, nodes=2) as (nodes, driver):
        too_much = ["--cluster", nodes.address, "--gpus-per-run", "2", "--results", str(tmp_path / "none")]
        refused = subprocess.run(
            [sys.executable, "-m", "sepconv", "run", "tseng2020", *too_much], capture_output=True, text=True
        )
        assert chaos.await_training(driver)
        (hit,) = next(chaos.kill_node(nodes, driver, 0))
        assert driver.wait() == 0, driver.lines
        results = [find_run(driver.folders.results, run) for run in chaos.RUNS]
    alone.communicate()
    assert [result.status for result in results] == ["complete"] * 2
    assert numbers(results[0]) == numbers(find_run(elsewhere.results, chaos.RUNS[0]))
    starts = [line for _, line in driver.lines if line.startswith((f"{hit}: starts", f"{hit}: continues"))]
    assert len(starts) == 2
    assert refused.returncode == 2
    assert refused.stderr == "sepconv: expected --gpus-per-run up to 0, the most on one node, got 2\n"
    assert not (tmp_path / "none").exists()
