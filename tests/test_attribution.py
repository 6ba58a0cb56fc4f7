"""What is behind a gap: each reason is found where it holds, and only there."""

from dataclasses import replace

import pytest

from factories import A, B, claim, cost_of, paper_of, run_of, runs_of, timed
from sepconv import papers
from sepconv.results.store import Results
from sepconv.spec import Departure, Equal, Pair, Quantity, RatioWithin, SpecError, Within, higher
from sepconv.verdicts import attribution
from sepconv.verdicts.attribution import Cause
from sepconv.verdicts.judge import judge

CLAIMED = Within((Quantity("test_accuracy", "a"),), 92, 94)
OUTSIDE = (90.0, 90.1, 89.9)
ORDER = higher("mult_adds", of="a", than="b")


def departure(**changes):
    known = {"what": "choice", "paper": "not stated", "ours": "x", "because": "y", "affects": ("test_accuracy",)}
    return Departure(**known | changes)


def gaps(check, departures=(), kind="value", **found):
    paper = paper_of(claim(check, kind), departures=tuple(departures))
    results = Results(**found)
    return attribution.gaps(paper, judge(paper, results), results)


def test_what_came_out_or_was_not_tested_has_no_gap():
    assert gaps(CLAIMED) == ()
    assert gaps(CLAIMED, runs=runs_of(A, (93, 93.1, 92.9))) == ()


@pytest.mark.parametrize(("accuracies", "seeds"), [((93.0, 94.5, 93.2), "further seed"), ((90.0, 90.1), "1 further")])
def test_what_is_inconclusive_may_be_seeds(accuracies, seeds):
    (gap,) = gaps(CLAIMED, runs=runs_of(A, accuracies))
    assert gap.cause is Cause.SEEDS
    assert seeds in gap.experiment
    assert gap.experiment.startswith("a: ")


def test_seeds_are_behind_it_where_one_run_may_lie_inside():
    scattered = (90.0, 91.2, 88.8, 91.0, 89.0, 90.5, 89.5, 92.0)  # mean 90.2 ± 1, one more run up to 92.8
    (gap,) = gaps(CLAIMED, runs=runs_of(A, scattered))
    assert gap.judgement.verdict == "not reproduced"
    assert gap.cause is Cause.SEEDS
    assert "single run" in gap.known


def test_unexplained_where_no_departure_touches_it():
    others = [departure(affects=("train_accuracy",)), departure(what="elsewhere", experiments=("b",))]
    (gap,) = gaps(CLAIMED, others, runs=runs_of(A, OUTSIDE))
    assert gap.cause is Cause.UNEXPLAINED
    assert "too small" in gap.known
    assert "No departure is left" in gap.known
    assert "from 89.50 to 90.50 %, apart" in gap.known  # 90 ∓ 4.303 · 0.1 · √(4/3)


def test_departures_that_were_never_undone_are_named_with_the_experiment():
    (gap,) = gaps(CLAIMED, [departure(), departure(what="loss", experiments=("a",))], runs=runs_of(A, OUTSIDE))
    assert gap.cause is Cause.UNEXPLAINED
    assert "never undone: choice, loss." in gap.known
    assert gap.experiment.startswith("a from three seeds")
    assert "from 90.00 to 92.00 %" in gap.experiment


@pytest.mark.parametrize("counterpart", [{"a": "b"}, {"test_accuracy": "batch_stats_accuracy"}])
def test_a_departure_without_which_it_holds_is_behind_it(counterpart):
    runs = tuple(
        run_of(A, seed, accuracy, final=run_of(A, seed, accuracy).final.model_dump() | {"batch_stats_accuracy": 93.0})
        for seed, accuracy in enumerate(OUTSIDE)
    )
    runs += runs_of(B, (93.0, 93.1, 92.9))
    (gap,) = gaps(CLAIMED, [departure(counterpart=counterpart)], runs=runs)
    assert gap.cause is Cause.DEPARTURE
    assert "choice" in gap.known


@pytest.mark.parametrize(
    ("kinds", "cause"),
    [
        (["contradiction"], Cause.CONTRADICTION),
        (["assumption"], Cause.DEPARTURE),
        (["contradiction", "difference"], Cause.DEPARTURE),
    ],
)
def test_what_the_papers_other_statement_gives_is_no_departure_of_ours(kinds, cause):
    found = [departure(what=kind, kind=kind, counterpart={"a": "b"}) for kind in kinds]
    (gap,) = gaps(CLAIMED, found, runs=runs_of(A, OUTSIDE) + runs_of(B, (93.0, 93.1, 92.9)))
    assert gap.cause is cause
    assert ("The paper contradicts itself" in gap.known) == (cause is Cause.CONTRADICTION)


def test_a_departure_without_which_it_is_no_better_is_cleared():
    (gap,) = gaps(CLAIMED, [departure(counterpart={"a": "b"})], runs=runs_of(A, OUTSIDE) + runs_of(B, OUTSIDE))
    assert gap.cause is Cause.UNEXPLAINED
    assert "does no better without them: choice." in gap.known
    assert "No departure is left" in gap.known


def test_a_departure_whose_other_experiment_has_no_runs_stays_open():
    (gap,) = gaps(CLAIMED, [departure(counterpart={"a": "b"})], runs=runs_of(A, OUTSIDE))
    assert "never undone: choice" in gap.known


def test_a_count_has_no_chance_in_it():
    costs = (cost_of(A, mult_adds=1), cost_of(B, mult_adds=2))
    (gap,) = gaps(ORDER, kind="order", costs=costs)
    assert gap.cause is Cause.STATEMENT
    (gap,) = gaps(ORDER, [departure(affects=("mult_adds",))], kind="order", costs=costs)
    assert gap.cause is Cause.UNEXPLAINED
    assert "choice" in gap.experiment


def test_a_count_that_another_reading_gives():
    costs = (cost_of(A, num_params=1), cost_of(B, num_params=93))
    reading = departure(affects=("num_params",), counterpart={"a": "b"})
    (gap,) = gaps(Equal(Quantity("num_params", "a"), 93), [reading], kind="exact", costs=costs)
    assert gap.cause is Cause.DEPARTURE


def test_ratios_are_predicted_on_their_own_scale():
    check = RatioWithin(Pair(Quantity("epoch_seconds", "a"), Quantity("epoch_seconds", "b")), 1.5, 2.35)
    (gap,) = gaps(check, kind="ratio", runs=timed(A, (80, 81, 82)) + timed(B, (10, 10, 10)))
    assert gap.cause is Cause.UNEXPLAINED
    assert "from 7.618 to 8.612 ×" in gap.known  # 8.1 · exp(∓4.303 · 0.01235 · √(4/3))


def test_a_departure_names_metrics_and_experiments_that_exist():
    with pytest.raises(SpecError, match=r"unknown metric.*num_params.*got sharpness"):
        paper_of(departures=(departure(affects=("sharpness",)),))
    for change in ({"experiments": ("d",)}, {"counterpart": {"a": "d"}}):
        with pytest.raises(SpecError, match=r"unknown experiment.*got d"):
            paper_of(departures=(departure(**change),))


def test_every_departure_of_the_papers_is_undone_by_another_experiment():
    for paper in papers.all_papers():
        for found in paper.departures:
            asked = [c for c in paper.claims if attribution.touches(found, c)]
            changed = [c for c in asked if attribution.undo(found, c) != c]
            assert bool(changed) == bool(found.counterpart), f"{paper.key}: {found.what}"


def test_undoing_leaves_the_rest_as_it_is():
    asked = claim(higher("test_accuracy", of="a", than="b"), "order")
    other = attribution.undo(departure(counterpart={"a": "c"}), asked)
    assert other == replace(asked, check=higher("test_accuracy", of="c", than="b"))
