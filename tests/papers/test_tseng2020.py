"""What tseng2020 states of itself: which reading was fitted, which claim is ours, and what a training step holds."""

from pathlib import Path

import pytest

from sepconv.papers import paper, tseng2020
from sepconv.results import store
from sepconv.results.store import read_all
from sepconv.verdicts.attribution import Cause, gaps
from sepconv.verdicts.judge import judge

RESULTS = Path(__file__).parents[2] / "results"
PAPER = paper("tseng2020")


@pytest.mark.parametrize("name", ["conv", "dsc"])
def test_a_step_without_slots_lacks_the_two_moments_of_adam(name):
    cost = store.read(store.path_of(RESULTS, f"tseng2020/{name}/cost"))
    moments = cost.training_step_bytes - tseng2020.STEP_BYTES_WITHOUT_SLOTS.read(cost)
    assert moments == 2 * 4 * cost.trainable_params


def test_the_number_of_blocks_was_fitted_to_the_number_of_parameters():
    assert [claim.id for claim in PAPER.claims if claim.fitted] == ["tseng2020.params-dsc"]


def test_calculation_costs_of_the_two_networks_are_our_question():
    (cost,) = (claim for claim in PAPER.claims if claim.id == "tseng2020.cost")
    assert (cost.kind, cost.expected) == ("question", True)
    assert cost.because.startswith("Our question, not a claim of the paper")


def test_memory_of_a_training_step_is_not_blamed_on_the_optimizer_or_the_learning_rate():
    results = read_all(RESULTS)
    found = {gap.judgement.claim.id: gap for gap in gaps(PAPER, judge(PAPER, results), results)}
    memory = found["tseng2020.memory-training"]
    assert memory.cause is Cause.STATEMENT
    assert "without them: number of 512 blocks, optimizer." in memory.known
    assert "tseng2020.cost" not in found
