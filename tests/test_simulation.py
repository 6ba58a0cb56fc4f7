"""The simulated campaign: known answers where they can be computed by hand, bounds where they cannot."""

import pytest

from sepconv.cluster.simulation import Machines, makespan


@pytest.mark.parametrize(
    ("seconds", "machines", "expected"),
    [
        ([10.0] * 6, Machines(1), 60),
        ([10.0] * 6, Machines(4), 20),  # the last two runs leave two nodes idle
        ([10.0] * 6, Machines(100), 10),
        ([5.0, 5.0, 20.0], Machines(2), 25),  # the long run is given out last
        ([20.0, 5.0, 5.0], Machines(2), 20),
        ([10.0] * 6, Machines(2, start=1), 33),
        ([10.0] * 3, Machines(3, driver=2), 16),  # the third run is given out after 6 s
        ([10.0] * 100, Machines(100, driver=2), 210),  # the driver is the limit
    ],
)
def test_without_failures(seconds, machines, expected):
    assert makespan(seconds, machines) == pytest.approx(expected)


def test_a_failure_costs_what_was_not_saved_and_the_repair(monkeypatch):
    times = iter([25.0, 1e9])
    monkeypatch.setattr("sepconv.cluster.simulation._until_failure", lambda *_: next(times))
    machines = Machines(1, start=1, checkpoint=10, between_failures=1, repair=100)
    # Trained from 1 s to 25 s, of which 20 s were saved; the node is back at 125 s and trains the other 20 s.
    assert makespan([40.0], machines) == pytest.approx(125 + 1 + 20)


def test_a_run_that_failed_goes_on_at_once_on_a_node_that_waits(monkeypatch):
    times = iter([25.0, 1e9])
    monkeypatch.setattr("sepconv.cluster.simulation._until_failure", lambda *_: next(times))
    machines = Machines(2, start=1, checkpoint=10, between_failures=1, repair=100)
    assert makespan([40.0], machines) == pytest.approx(25 + 1 + 20)


def test_failures_are_those_of_the_seed_and_as_frequent_as_asked_for():
    machines = Machines(10, checkpoint=60, between_failures=3600, repair=60)
    seconds = [600.0] * 1000
    undisturbed = makespan(seconds, Machines(10))
    assert (
        makespan(seconds, machines, seed=1)
        == makespan(seconds, machines, seed=1)
        != makespan(seconds, machines, seed=2)
    )
    # A failure every hour costs a repair of 60 s and half a minute of training on average.
    assert makespan(seconds, machines) / undisturbed == pytest.approx(1 + 90 / 3600, rel=0.01)


def test_a_thousand_nodes_are_quick_to_simulate():
    runs = [600.0] * 5000
    assert makespan(runs, Machines(1000, between_failures=86_400, checkpoint=60)) < 6000
