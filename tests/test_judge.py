"""The verdict engine: what counts, how it is decided, and how often it errs."""

import itertools
import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import (
    COUNTED,
    A,
    B,
    C,
    claim,
    cost_of,
    environment,
    full_results,
    latency_of,
    paper_of,
    run_of,
    runs_of,
    timed,
)
from sepconv import papers
from sepconv.metrics import METRICS, Metric, latency
from sepconv.results.records import Reestimated
from sepconv.results.store import Results
from sepconv.spec import (
    Agreement,
    Budget,
    Consistent,
    DifferenceWithin,
    Equal,
    Network,
    Number,
    Ordered,
    Pair,
    Quantity,
    RatioWithin,
    SpecError,
    Within,
    higher,
)
from sepconv.verdicts import calibration, rules, samples, sentences, stats
from sepconv.verdicts.concordance import concordance
from sepconv.verdicts.judge import Question, export, judge, questions
from sepconv.verdicts.rules import Direction, Grade, Verdict

INSIDE, OUTSIDE, ACROSS = (93.0, 93.1, 92.9), (90.0, 90.1, 89.9), (93.0, 94.5, 93.2)  # against 93 ± 1


HALVES = Metric("half_params", "halves", "cost", lambda cost: cost.num_params / 2, words="half of the parameters")
LOSS = Metric("last_loss", "nats", "run", lambda run: run.history[-1].val_loss)


def judge_one(check, kind, **found):
    (judgement,) = judge(paper_of(claim(check, kind), metrics=(HALVES, LOSS)), Results(**found))
    return judgement


ACCURACY = Within((Quantity("test_accuracy", "a"),), 92, 94)
value = partial(judge_one, ACCURACY, "value")
order = partial(judge_one, higher("test_accuracy", of="a", than="b"), "order")

# --- the rules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [(INSIDE, Verdict.REPRODUCED), (OUTSIDE, Verdict.NOT_REPRODUCED), (ACROSS, Verdict.INCONCLUSIVE)],
)
def test_value(accuracies, verdict):
    judgement = value(runs=runs_of(A, accuracies))
    assert judgement.verdict is verdict
    (part,) = judgement.parts
    interval = stats.mean_interval(accuracies)
    assert (part.estimate, part.low, part.high, part.n) == pytest.approx(
        (interval.estimate, interval.low, interval.high, 3)
    )
    assert (part.at_least, part.at_most, part.unit) == (92, 94, "%")
    assert judgement.runs == ("p/a/paper-seed-0", "p/a/paper-seed-1", "p/a/paper-seed-2")


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [((1, 1.2, 0.9), Verdict.REPRODUCED), ((-1, -1.2, -0.9), Verdict.NOT_REPRODUCED), ((1, -1, 0.2), "inconclusive")],
)
def test_order_is_paired(gain, verdict):
    base = (60.0, 80.0, 70.0)  # the spread between seeds is far larger than the gain, and drops out
    found = order(runs=runs_of(A, np.add(base, gain)) + runs_of(B, base))
    assert found.verdict == verdict
    assert found.parts[0].values == pytest.approx(gain)
    assert found.unit == "points"


def test_order_takes_only_equal_seeds():
    found = order(
        runs=runs_of(A, (91.0, 91.1, 91.2, 99.0)) + tuple(run_of(B, s, 90 + s / 7) for s in (1, 2, 5)),
    )
    assert found.parts[0].n == 2
    assert found.verdict is Verdict.INCONCLUSIVE
    assert set(found.runs) == {f"p/{name}/paper-seed-{seed}" for name in "ab" for seed in (1, 2)}
    assert found.missing == ("p/b/paper-seed-0",)


def test_difference():
    check = DifferenceWithin(Pair(Quantity("test_accuracy", "a"), Quantity("test_accuracy", "b")), 3, 7)
    found = partial(judge_one, check, "value")
    assert found(runs=runs_of(A, (85, 86, 87.5)) + runs_of(B, (80, 81, 82))).verdict is Verdict.REPRODUCED
    assert found(runs=runs_of(A, (81, 82, 83.5)) + runs_of(B, (80, 81, 82))).verdict is Verdict.NOT_REPRODUCED


def test_ratio_is_of_geometric_means():
    check = RatioWithin(Pair(Quantity("epoch_seconds", "a"), Quantity("epoch_seconds", "b")), 1.5, 2.35)
    found = judge_one(check, "ratio", runs=timed(A, (18, 40, 38)) + timed(B, (10, 20, 20)))
    assert found.verdict is Verdict.REPRODUCED
    assert found.parts[0].estimate == pytest.approx((1.8 * 2 * 1.9) ** (1 / 3))
    assert found.parts[0].values == pytest.approx((1.8, 2, 1.9))
    assert found.unit == "×"
    slow = judge_one(check, "ratio", runs=timed(A, (80, 90, 81)) + timed(B, (10, 10, 10)))
    assert slow.verdict is Verdict.NOT_REPRODUCED


def test_ratio_open_below():
    check = RatioWithin(Pair(Quantity("epoch_seconds", "a"), Quantity("epoch_seconds", "b")), 0, 1.25)
    found = judge_one(check, "ratio", runs=timed(A, (5, 6, 5)) + timed(B, (10, 10, 11)))
    assert found.verdict is Verdict.REPRODUCED
    assert (found.parts[0].at_least, found.parts[0].at_most) == (None, 1.25)


@pytest.mark.parametrize(("count", "verdict"), [(93, "reproduced"), (94, "not reproduced"), (92, "not reproduced")])
def test_count_is_equal_or_not(count, verdict):
    found = judge_one(Equal(Quantity("num_params", "a"), 93), "exact", costs=(cost_of(A, num_params=count),))
    assert found.verdict == found.holm_verdict == verdict
    assert (found.parts[0].estimate, found.parts[0].low, found.parts[0].n) == (count, None, 1)
    assert found.p_value is None
    assert found.runs == ("p/a/cost",)


def test_count_to_the_printed_digits():
    found = partial(judge_one, Equal(Quantity("mult_adds", "a"), 32_500_000, 100_000), "exact")
    assert found(costs=(cost_of(A, mult_adds=32_539_904),)).verdict is Verdict.REPRODUCED
    assert found(costs=(cost_of(A, mult_adds=32_600_000),)).verdict is Verdict.NOT_REPRODUCED


def test_order_of_counts_is_strict():
    found = partial(judge_one, higher("mult_adds", of="a", than="b"), "order")
    more, less = cost_of(A, mult_adds=7), cost_of(B, mult_adds=6)
    assert found(costs=(more, less)).verdict is Verdict.REPRODUCED
    assert found(costs=(cost_of(A, mult_adds=6), less)).verdict is Verdict.NOT_REPRODUCED


@pytest.mark.parametrize(("right", "verdict"), [(10.4, Verdict.CONSISTENT), (10.5, Verdict.INCONSISTENT)])
def test_the_paper_against_itself(right, verdict):
    check = Consistent(
        (Agreement(Number("x", 10), Number("y", right), 0.5), Agreement(Number("z", 1), Number("w", 1), 1))
    )
    assert judge_one(check, "internal").verdict is verdict


def test_a_quoted_number_is_reproduced_or_not():
    check = Consistent((Agreement(Quantity("num_params", "counted"), Number("quoted", 105), 10),))
    assert judge_one(check, "quoted", costs=(cost_of(COUNTED),)).verdict is Verdict.REPRODUCED


def test_no_accuracy_is_above_100():
    check = Within((Quantity("test_accuracy", "a"),), 97, 100)
    found = judge_one(check, "value", runs=runs_of(A, (99.0, 100.0, 99.9)))
    assert found.parts[0].high > 100
    assert found.verdict is Verdict.REPRODUCED


def test_effect_size_is_of_differences_only():
    runs = runs_of(A, (91.0, 92.0, 93.0)) + runs_of(B, (90.0, 90.0, 90.0))
    found = judge_one(higher("test_accuracy", of="a", than="b"), "order", runs=runs)
    assert found.parts[0].effect == pytest.approx(2.0)  # mean 2, standard deviation 1
    assert value(runs=runs_of(A, INSIDE)).parts[0].effect is None
    two = judge_one(higher("test_accuracy", of="a", than="b"), "order", runs=(*runs[:2], *runs[3:5]))
    assert two.parts[0].effect is None


@pytest.mark.parametrize("n", [1, 2])
def test_below_three_seeds_nothing_is_decided(n):
    for accuracies in (INSIDE, OUTSIDE):
        found = value(runs=runs_of(A, accuracies[:n]))
        assert found.verdict is Verdict.INCONCLUSIVE
        assert (found.parts[0].low, found.parts[0].high, found.parts[0].bootstrap) == (None, None, None)
        assert found.p_value is None
        assert found.more_seeds == 3 - n
        assert len(found.missing) == 3 - n
        assert "fewer than three seeds decide nothing" in found.sentence


def test_nothing_at_all_is_not_tested():
    found = value()
    assert found.verdict is Verdict.NOT_TESTED
    assert found.missing == ("p/a/paper-seed-0", "p/a/paper-seed-1", "p/a/paper-seed-2")
    assert (found.parts[0].estimate, found.parts[0].n, found.more_seeds) == (None, 0, None)


@pytest.mark.parametrize("check", [Equal(Quantity("num_params", "a"), 93), higher("mult_adds", of="a", than="b")])
def test_a_count_that_is_missing_is_not_tested(check):
    found = judge_one(check, "exact" if isinstance(check, Equal) else "order")
    assert found.verdict is Verdict.NOT_TESTED
    assert "p/a/cost" in found.missing
    assert "p/a/cost" in found.sentence


def test_every_part_has_to_hold():
    check = Ordered(higher("test_accuracy", of="a", than="b").pairs + higher("test_accuracy", of="b", than="c").pairs)
    low, mid, high = runs_of(C, (80, 81, 82)), runs_of(B, (82, 83.1, 84)), runs_of(A, (84, 85.1, 86))
    assert judge_one(check, "order", runs=low + mid + high).verdict is Verdict.REPRODUCED
    level = runs_of(C, (82, 83, 84.2))
    found = judge_one(check, "order", runs=level + mid + high)
    assert [p.verdict for p in found.parts] == [Verdict.REPRODUCED, Verdict.INCONCLUSIVE]
    assert found.verdict is Verdict.INCONCLUSIVE
    missing = judge_one(check, "order", runs=mid + high)
    assert missing.verdict is Verdict.NOT_TESTED


def test_one_contradicted_part_is_enough_whatever_is_missing():
    pairs = higher("test_accuracy", of="a", than="b").pairs + higher("test_accuracy", of="b", than="c").pairs
    found = judge_one(Ordered(pairs), "order", runs=runs_of(A, (80, 81, 82)) + runs_of(B, (85, 86.1, 87)))
    assert [p.verdict for p in found.parts] == [Verdict.NOT_REPRODUCED, Verdict.NOT_TESTED]
    assert found.verdict is Verdict.NOT_REPRODUCED


def test_contradiction_is_corrected_for_the_number_of_parts():
    worse = (-1.0, -1.3, -0.55)  # two-sided p about 0.05 / 2
    p = float(rules.weigh(worse, 0, np.inf).contradicts)
    assert 0.05 / 3 < p < 0.05
    runs = runs_of(A, np.add((90, 91, 92), worse)) + runs_of(B, (90, 91, 92))
    pair = higher("test_accuracy", of="a", than="b").pairs
    assert judge_one(Ordered(pair), "order", runs=runs).verdict is Verdict.NOT_REPRODUCED
    found = judge_one(Ordered(3 * pair), "order", runs=runs)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.more_seeds > 0


@given(
    st.lists(st.integers(8900, 9700).map(lambda v: v / 100), min_size=3, max_size=8).filter(lambda v: np.std(v) > 0.01)
)
def test_the_p_values_decide_as_the_interval_does(accuracies):
    interval = stats.mean_interval(accuracies)
    expected = 1 if interval.low >= 92 and interval.high <= 94 else -(interval.high < 92 or interval.low > 94)
    assert int(rules.decide(rules.weigh(accuracies, 92, 94))) == expected


@given(st.permutations(runs_of(A, INSIDE) + runs_of(B, OUTSIDE) + runs_of(C, ACROSS)))
def test_the_order_of_the_files_does_not_matter(runs):
    paper = paper_of(claim(ACCURACY, "value"), claim(higher("test_accuracy", of="a", than="b"), "order"))
    assert judge(paper, Results(runs=tuple(runs))) == judge(
        paper, Results(runs=tuple(sorted(runs, key=lambda r: r.key)))
    )


def test_holm_takes_back_what_many_claims_make_likely_by_chance():
    marginal, sure = (0.5, 0.62, 0.33), (5.0, 5.1, 4.9)
    assert 0.025 < float(rules.weigh(marginal, 0, np.inf).supports) <= 0.05
    base = (70.0, 71.0, 72.0)
    found = Results(runs=runs_of(B, base) + runs_of(A, np.add(base, marginal)) + runs_of(C, np.add(base, sure)))
    weak, strong = (claim(higher("test_accuracy", of=name, than="b"), "order") for name in "ac")
    (alone,) = judge(paper_of(weak), found)
    assert alone.holm_verdict is Verdict.REPRODUCED
    first, second, counted = judge(paper_of(weak, strong, claim(Equal(Quantity("num_params", "a"), 1), "exact")), found)
    assert (first.verdict, first.holm_verdict) == (
        Verdict.REPRODUCED,
        Verdict.REPRODUCED,
    )  # the last step is not corrected
    assert second.holm_verdict is Verdict.REPRODUCED
    assert counted.holm_verdict is Verdict.NOT_TESTED
    pair = judge(paper_of(weak, weak), found)
    assert [j.verdict for j in pair] == [Verdict.REPRODUCED] * 2
    assert [j.holm_verdict for j in pair] == [Verdict.INCONCLUSIVE] * 2
    assert "Holm" in pair[0].sentence


# --- what counts -----------------------------------------------------------------------------------------------------


def altered(experiment, **recipe):
    return replace(experiment, recipe=replace(experiment.recipe, **recipe))


DIVERGED = {"status": "diverged", "final": None, "history": []}


@pytest.mark.parametrize(
    ("stranger", "reason"),
    [
        (run_of(altered(A, precision="bfloat16"), 2, 10.0), "other precision"),
        (run_of(altered(A, batch_size=16, augment=(("flip",),)), 2, 10.0), "other batch_size, augment"),
        (run_of(replace(A, network=Network("nets.a", {"wide": True})), 2, 10.0), "other network"),
        (run_of(A, 2, 10.0, data_sha256="cd" * 32), "other data"),
        (run_of(A, 2, 10.0, **DIVERGED), "its loss became NaN"),
    ],
)
def test_another_result_in_the_same_place_is_named_and_not_mixed_in(stranger, reason):
    found = value(runs=(*runs_of(A, INSIDE[:2]), stranger))
    assert found.parts[0].values == pytest.approx(INSIDE[:2])
    assert found.runs == ("p/a/paper-seed-0", "p/a/paper-seed-1")
    assert found.set_aside == (f"p/a/paper-seed-2 ({reason})",)
    assert f"not counted: p/a/paper-seed-2 ({reason})" in found.sentence
    assert found.missing == ("p/a/paper-seed-3",)  # its place is taken


def test_the_data_that_most_results_have_counts_whatever_their_order():
    odd = run_of(A, 0, 10.0, data_sha256="00" * 32)
    for runs in itertools.permutations((odd, run_of(A, 1), run_of(A, 2))):
        assert value(runs=runs).set_aside == ("p/a/paper-seed-0 (other data)",)


def test_other_papers_and_budgets_do_not_count():
    unknown_results = runs_of(A, INSIDE, paper="q") + runs_of(A, INSIDE, budget=Budget.SHORT)
    found = value(runs=unknown_results)
    assert found.verdict is Verdict.NOT_TESTED
    assert (found.runs, found.set_aside) == ((), ())


def test_times_of_a_cpu_decide_nothing_and_indicate_nothing():
    check = higher("epoch_seconds", of="a", than="b")
    on_cpu = {"environment": environment("Xeon", accelerator=False)}
    found = judge_one(check, "order", runs=timed(A, (20, 21, 22), **on_cpu) + timed(B, (10, 10.1, 10.2), **on_cpu))
    assert found.verdict is Verdict.NOT_TESTED
    assert found.set_aside[0] == "p/a/paper-seed-0 (timed on a CPU)"
    assert (found.grade, found.indication) == (Grade.NONE, None)


# --- grades of evidence ----------------------------------------------------------------------------------------------

AHEAD, BEHIND, NEAR = (70.0, 71.0, 72.0), (60.0, 61.5, 62.0), (70.5, 70.5, 72.5)


def shortened(short, double, budgets=(Budget.SHORT, Budget.DOUBLE)):
    """Runs of A and B at both budgets: the accuracies of each at ``short`` and at ``double``."""
    return tuple(
        run
        for budget, sides in zip(budgets, (short, double), strict=True)
        for experiment, accuracies in zip((A, B), sides, strict=True)
        for run in runs_of(experiment, accuracies, budget=budget)
    )


@pytest.mark.parametrize(
    ("short", "double", "direction", "reason"),
    [
        ((AHEAD, BEHIND), (AHEAD, BEHIND), "as claimed", "at the budget short, test accuracy, a − b: 9.83 points"),
        ((BEHIND, AHEAD), (BEHIND, AHEAD), "not as claimed", "at the budget double, test accuracy, a − b: −9.83"),
        ((AHEAD, BEHIND), (BEHIND, AHEAD), "open", "the directions differ: at the budget short"),
        ((AHEAD, NEAR), (AHEAD, BEHIND), "open", "an interval at the budget short is not clear of zero"),
        ((AHEAD, BEHIND), (AHEAD, NEAR), "open", "an interval at the budget double is not clear of zero"),
        ((AHEAD, BEHIND), (AHEAD[:2], BEHIND), "open", "2 of 3 seeds at the budget double"),
        ((AHEAD, BEHIND), ((), ()), "open", "0 of 3 seeds at the budget double"),
        (((), ()), (AHEAD, BEHIND), "open", "0 of 3 seeds at the budget short"),
    ],
)
def test_an_order_is_indicated_by_both_shortened_budgets_or_open(short, double, direction, reason):
    found = order(runs=shortened(short, double))
    assert found.verdict is found.holm_verdict is Verdict.NOT_TESTED
    assert found.p_value is None
    assert found.indication.direction == direction
    assert found.indication.reason.startswith(reason) or f"; {reason}" in found.indication.reason
    assert found.grade is (Grade.NONE if direction == "open" else Grade.INDICATED)
    assert found.runs == ()
    assert len(found.indication.runs) == sum(min(len(a), len(b)) for a, b in (short, double)) * 2


def test_smoke_runs_indicate_nothing():
    found = order(runs=shortened((AHEAD, BEHIND), (AHEAD, BEHIND), budgets=(Budget.SMOKE, Budget.SHORT)))
    assert found.indication.direction is Direction.OPEN
    assert sentences.indication(found).startswith("Compressed schedules leave the order open: 0 of 3 seeds at the")


def test_an_indication_stands_beside_a_verdict_and_changes_none():
    direct = runs_of(A, BEHIND) + runs_of(B, AHEAD)
    alone, both = order(runs=direct), order(runs=direct + shortened((AHEAD, BEHIND), (AHEAD, BEHIND)))
    assert alone.verdict is Verdict.NOT_REPRODUCED
    assert both.indication.direction is Direction.AS_CLAIMED
    assert replace(both, indication=None) == replace(alone, indication=None)
    assert alone.grade is both.grade is Grade.DIRECT


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        (ACCURACY, "value"),
        (DifferenceWithin(Pair(Quantity("test_accuracy", "a"), Quantity("test_accuracy", "b")), 2, 5), "value"),
        (higher("settling_epoch", of="a", than="b"), "order"),
        (higher("total_seconds", of="a", than="b"), "order"),
        (Ordered((Pair(Quantity("val_accuracy", "a", epoch=2), Quantity("val_accuracy", "b", epoch=2)),)), "order"),
        (higher("num_params", of="a", than="b"), "order"),
    ],
)
def test_only_orders_of_accuracies_are_indicated(check, kind):
    found = judge_one(check, kind, runs=shortened((AHEAD, BEHIND), (AHEAD, BEHIND)))
    assert (found.grade, found.indication) == (Grade.NONE, None)


def test_counts_are_direct_evidence():
    costs = (cost_of(A, num_params=2), cost_of(B, num_params=1))
    assert judge_one(higher("num_params", of="a", than="b"), "order", costs=costs).grade is Grade.DIRECT


def test_one_order_of_several_that_is_reversed_reverses_the_claim():
    check = Ordered(
        (*higher("test_accuracy", of="a", than="b").pairs, *higher("test_accuracy", of="a", than="c").pairs)
    )
    third = [run for budget in (Budget.SHORT, Budget.DOUBLE) for run in runs_of(C, (80.0, 81.5, 82), budget=budget)]
    found = judge_one(check, "order", runs=(*shortened((AHEAD, BEHIND), (AHEAD, BEHIND)), *third))
    assert found.indication.direction is Direction.REVERSED


def ahead_of_both(b, c, seeds=3):
    """A's lead over B and over C at short and at double, from so many seeds of C, as evidence on both orders."""
    base = np.array(AHEAD)
    runs = [
        run
        for place, budget in enumerate((Budget.SHORT, Budget.DOUBLE))
        for experiment, accuracies in ((A, base), (B, base - b[place]), (C, (base - c[place])[:seeds]))
        for run in runs_of(experiment, accuracies, budget=budget)
    ]
    pairs = higher("test_accuracy", of="a", than="b").pairs + higher("test_accuracy", of="a", than="c").pairs
    return judge_one(Ordered(pairs), "order", runs=runs).indication


LEAD, LAG, TIE = np.array((5.0, 5.1, 4.9)), np.array((-5.0, -5.1, -4.9)), np.array((1.0, -1.0, 0.5))


def test_of_several_orders_each_has_to_be_clear_of_zero_in_one_direction():
    assert ahead_of_both((LEAD, LEAD), (LEAD, LEAD)).direction is Direction.AS_CLAIMED
    assert ahead_of_both((LAG, LAG), (LEAD, LEAD)).direction is Direction.REVERSED
    for c in ((TIE, TIE), (LEAD, TIE)):
        assert "is not clear of zero" in ahead_of_both((LAG, LAG), c).reason
    assert ahead_of_both((LAG, LEAD), (LEAD, LAG)).reason.startswith("the directions differ")


@pytest.mark.parametrize("seeds", [0, 2])
def test_an_order_that_is_reversed_indicates_nothing_while_another_ones_runs_are_missing(seeds):
    found = ahead_of_both((LAG, LAG), (LEAD, LEAD), seeds)
    assert found.direction is Direction.OPEN
    assert found.reason == f"{seeds} of 3 seeds at the budget short; {seeds} of 3 seeds at the budget double"


def test_a_reversed_order_is_corrected_for_the_number_of_orders():
    slight = np.array((-1.0, -1.3, -0.55))  # two-sided p between 0.05 / 2 and 0.05
    alone = shortened((tuple(AHEAD + slight), AHEAD), (tuple(AHEAD + slight), AHEAD))
    assert order(runs=alone).indication.direction is Direction.REVERSED
    assert ahead_of_both((slight, slight), (LEAD, LEAD)).direction is Direction.OPEN


def test_an_experiment_without_short_epochs_is_judged_all_the_same():
    paper = paper_of(claim(higher("test_accuracy", of="a", than="b"), "order"))
    unstated = replace(paper, experiments=tuple(replace(e, short_epochs=None) for e in paper.experiments))
    (found,) = judge(unstated, Results(runs=shortened((AHEAD, BEHIND), (AHEAD, BEHIND))))
    assert (found.verdict, found.indication) == (Verdict.NOT_TESTED, None)
    assert not found.sentence.startswith("Cannot be judged")


def settled(run, accuracy):
    """A run whose accuracies with re-estimated batch norm are these."""
    final = run.final.model_copy(update={"reestimated": Reestimated(val_accuracy=accuracy, test_accuracy=accuracy)})
    return run.model_copy(update={"final": final})


def test_shortened_runs_are_judged_with_re_estimated_batch_norm_and_runs_at_the_papers_budget_never():
    unsettled = shortened((BEHIND, AHEAD), (BEHIND, AHEAD))  # plain accuracies point the other way
    runs = [settled(r, r.final.test_accuracy + (20 if r.experiment == "a" else 0)) for r in unsettled]
    assert order(runs=unsettled).indication.direction is Direction.REVERSED
    assert order(runs=tuple(runs)).indication.direction is Direction.AS_CLAIMED
    at_paper = [settled(run, 10.0) for run in runs_of(A, INSIDE)]
    assert value(runs=tuple(at_paper)).verdict is Verdict.REPRODUCED


def test_the_gap_of_a_shortened_run_is_to_its_re_estimated_accuracy():
    run = settled(run_of(A, 0, 60.0, budget=Budget.SHORT), 50.0)
    assert samples.read(run, Quantity("generalisation_gap", "a")) == 10
    assert samples.read(run, Quantity("train_accuracy", "a")) == 60


def test_concordance_holds_indications_against_verdicts():
    claims = [
        claim(higher("test_accuracy", of=of, than=than), "order") for of, than in (("a", "b"), ("b", "a"), ("a", "c"))
    ]
    direct = runs_of(A, AHEAD) + runs_of(B, BEHIND) + runs_of(C, NEAR)

    def outcomes(runs):
        frame = concordance(judge(paper_of(*claims), Results(runs=direct + runs)))
        return dict(frame[["claim", "outcome"]].itertuples(index=False, name=None))

    assert outcomes(()) == {}
    assert outcomes(shortened((AHEAD, BEHIND), (AHEAD, BEHIND))) == {"p.claim-0": "agrees", "p.claim-1": "agrees"}
    assert outcomes(shortened((BEHIND, AHEAD), (BEHIND, AHEAD))) == {"p.claim-0": "differs", "p.claim-1": "differs"}
    assert outcomes(shortened((BEHIND, AHEAD), (AHEAD, BEHIND))) == {"p.claim-0": "left open", "p.claim-1": "left open"}


# --- times -----------------------------------------------------------------------------------------------------------


def test_times_are_paired_on_one_machine():
    check = higher("total_seconds", of="a", than="b")
    other = {"environment": environment("T4")}
    slow = timed(A, (20, 21, 22))
    assert judge_one(check, "order", runs=slow + timed(B, (10, 10.1, 10.2))).verdict is Verdict.REPRODUCED
    assert judge_one(check, "order", runs=slow + timed(B, (10, 10.1, 10.2), **other)).verdict is Verdict.NOT_TESTED


def test_accuracy_does_not_hang_on_the_machine():
    on_cpu = {"environment": environment("Xeon", accelerator=False)}
    assert value(runs=runs_of(A, INSIDE, **on_cpu)).verdict is Verdict.REPRODUCED


def test_latency_is_paired_by_pass_under_the_papers_protocol():
    check = higher("latency_256", of="a", than="b")
    slow, fast = latency_of(A, (2.17, 2.18, 2.16)), latency_of(B, (1.98, 1.97, 1.99))
    assert judge_one(check, "order", latencies=(slow, fast)).verdict is Verdict.REPRODUCED
    assert judge_one(check, "order", latencies=(fast, slow)).runs == (
        "p/a/latency-paper-training-host-h200-jax",
        "p/b/latency-paper-training-host-h200-jax",
    )
    inference = latency_of(A, (2.17, 2.18, 2.16), protocol=("inference", "host"))
    assert judge_one(check, "order", latencies=(inference, fast)).missing == ("p/a/latency-paper-training-host",)
    on_cpu = latency_of(A, (2.17, 2.18, 2.16), device="Xeon", accelerator=False)
    assert judge_one(check, "order", latencies=(on_cpu, fast)).verdict is Verdict.NOT_TESTED


@pytest.mark.parametrize(
    ("cost", "reason"),
    [
        (cost_of(A).model_copy(update={"network": {"builder": "nets.b", "options": {}}}), "other network"),
        (cost_of(A).model_copy(update={"batch_size": 9}), "other batch size"),
    ],
)
def test_counts_of_another_network_do_not_count(cost, reason):
    found = judge_one(Equal(Quantity("num_params", "a"), 100), "exact", costs=(cost,))
    assert found.verdict is Verdict.NOT_TESTED
    assert found.set_aside == (f"p/a/cost ({reason})",)


def test_every_metric_can_be_read():
    results = {"run": run_of(A, 0), "cost": cost_of(A), "latency": latency_of(A, (1.0, 2.0))}
    for metric in (*METRICS.values(), latency(256)):
        assert metric.read(results[metric.source]) is not None, metric
        assert samples.describe(Quantity(metric.name, "a")) == samples.describe(Quantity(metric, "a"))


def test_a_metric_that_only_one_paper_needs_is_judged_like_any_other():
    counted = judge_one(Equal(Quantity(HALVES, "a"), 46), "exact", costs=(cost_of(A, num_params=92),))
    assert counted.verdict is Verdict.REPRODUCED
    assert (counted.parts[0].label, counted.unit) == ("half of the parameters of a", "halves")
    trained = judge_one(Within((Quantity(LOSS, "a"),), 2, 3), "value", runs=runs_of(A, INSIDE))
    assert trained.verdict is Verdict.NOT_REPRODUCED  # every loss of runs_of is 1
    assert trained.parts[0].label == "last loss of a"


def test_a_latency_can_be_asked_for_at_any_batch_size():
    check = higher("latency_37", of="a", than="b")
    slow, fast = (latency_of(e, seconds, sizes=(37,)) for e, seconds in ((A, (3, 3.1, 3.2)), (B, (1, 1.1, 1.3))))
    found = judge_one(check, "order", latencies=(slow, fast))
    assert found.verdict is Verdict.REPRODUCED
    assert found.parts[0].label == "time for the test images at batch size 37, a − b"
    other = judge_one(higher("latency_38", of="a", than="b"), "order", latencies=(slow, fast))
    assert other.verdict is Verdict.NOT_TESTED


def test_numbers_name_networks_by_their_titles():
    titled = {"a": "Conv", "b": "DepthSepConv"}
    first, second = Quantity("num_params", "a"), Quantity("num_params", "b")
    assert Question((first, second), 0, 1).label(titled) == "parameters, Conv − DepthSepConv"
    assert Question((first,), 0, 1).label(titled) == "parameters of Conv"
    paper = paper_of(claim(Equal(first, 46), "exact"), experiments=(replace(A, label="Conv"),))
    (judged,) = judge(paper, Results(costs=(cost_of(A, num_params=46),)))
    assert judged.parts[0].label == "parameters of Conv"


OF_THREE_EPOCHS = replace(A, recipe=replace(A.recipe, epochs=3), short_epochs=None)


def history_of(*accuracies, seconds=(10.0, 10.0, 40.0)):
    epochs = run_of(OF_THREE_EPOCHS, 0).history
    return [
        asdict(e) | {"val_accuracy": a, "train_accuracy": a + 5, "train_seconds": s}
        for e, a, s in zip(epochs, accuracies, seconds, strict=True)
    ]


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        (Quantity("val_accuracy", "a", epoch=2), 79.3),
        (Quantity("train_accuracy", "a", epoch=1), 65.0),
        (Quantity("generalisation_gap", "a", epoch=1), 5.0),
        (Quantity("settling_epoch", "a"), 2),  # 79.3 >= 0.99 · 80, 60 is not
        (Quantity("epoch_seconds", "a"), 10.0),  # the median: the first epochs of a run are odd
        (Quantity("total_seconds", "a"), 30.0),
        (Quantity("generalisation_gap", "a"), 0.0),
    ],
)
def test_metrics_of_a_run(quantity, expected):
    run = run_of(OF_THREE_EPOCHS, 0, history=history_of(60.0, 79.3, 80.0))
    assert samples.read(run, quantity) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        (Quantity("test_accuracy", "a", epoch=2), "expected val_accuracy at an epoch"),
        (Quantity("settling_epoch", "a", epoch=2), "at an epoch, got settling_epoch"),
        (Quantity("val_accuracy", "a", epoch=9), "expected an epoch from 1 to 8, got 9"),
        (Quantity("val_accuracy", "counted"), "which is only counted"),
        (Quantity("num_params", "a", epoch=2), "which is counted, got epoch 2"),
    ],
)
def test_a_claim_that_cannot_be_judged_says_why_and_the_others_are_judged(quantity, reason):
    paper = paper_of(claim(Within((quantity,), 1, 2), "value"), claim(ACCURACY, "value"))
    bad, good = judge(paper, Results(runs=runs_of(A, INSIDE), costs=(cost_of(A),)))
    assert bad.verdict is bad.holm_verdict is Verdict.NOT_TESTED
    assert bad.sentence.startswith("Cannot be judged: ")
    assert reason in bad.sentence
    assert good.verdict is Verdict.REPRODUCED


def test_a_ratio_of_zero_seconds_says_why():
    check = RatioWithin(Pair(Quantity("epoch_seconds", "a"), Quantity("epoch_seconds", "b")), 0, 1)
    found = judge_one(check, "ratio", runs=timed(A, (1, 1, 1)) + timed(B, (0, 1, 1)))
    assert "a ratio needs positive values" in found.sentence


def test_what_never_counts_spoils_no_verdict():
    check = RatioWithin(Pair(Quantity("epoch_seconds", "a"), Quantity("epoch_seconds", "b")), 0, 1)
    zero = [asdict(e) | {"train_seconds": 0.0} for e in run_of(A, 0, budget=Budget.SMOKE).history]
    found = judge_one(check, "ratio", runs=[run_of(e, 0, budget=Budget.SMOKE, history=zero) for e in (A, B)])
    assert (found.verdict, found.grade) == (Verdict.NOT_TESTED, Grade.NONE)
    assert found.sentence.startswith("Not tested at this budget")


measured = st.builds(
    Quantity,
    st.sampled_from([*sorted(METRICS), "latency_4", HALVES, LOSS]),
    st.sampled_from(["a", "b", "counted"]),
    st.none() | st.integers(1, 5),
)
limits = st.floats(0, 200).map(lambda value: round(value, 2))
pairs = st.builds(Pair, measured, measured)
checks = st.one_of(
    st.builds(Equal, measured, limits),
    st.builds(Within, st.lists(measured, min_size=1, max_size=3).map(tuple), limits, limits),
    st.builds(DifferenceWithin, pairs, limits, limits),
    st.builds(RatioWithin, pairs, limits, limits.map(lambda value: value + 0.01)),
    pairs.filter(lambda pair: pair.first != pair.second).map(lambda pair: Ordered((pair,))),
    st.builds(lambda a, b: Consistent((Agreement(a, Number("n", b)),)), measured, limits),
)
KINDS = {Equal: "exact", Consistent: "internal", Ordered: "order", RatioWithin: "ratio"}
found_of_all = st.lists(
    st.builds(
        run_of,
        st.sampled_from([A, B]),
        st.integers(0, 3),
        st.sampled_from([0.0, 50.0, 100.0]),
        budget=st.sampled_from(Budget),
    ),
    max_size=8,
)


@given(checks, found_of_all)
def test_no_check_that_can_be_written_stops_the_others_from_being_judged(check, runs):
    """Contradictory limits are refused when they are written; what is left is judged or says in one line why not."""
    try:
        strange = claim(check, KINDS.get(type(check), "value"))
    except SpecError:
        return
    counted = tuple(cost_of(e) for e in (A, B, COUNTED))
    sure = claim(Equal(Quantity("num_params", "a"), 100), "exact")
    found = Results(runs=tuple({run.key: run for run in runs}.values()), costs=counted)
    judged, beside = judge(paper_of(strange, sure, metrics=(HALVES, LOSS)), found)
    assert judged.sentence
    assert "\n" not in judged.sentence
    assert beside.verdict is Verdict.REPRODUCED


def test_missing_prefers_the_seeds_that_are_nearly_there():
    runs = (run_of(A, 7), run_of(B, 7), run_of(A, 4))
    assert order(runs=runs).missing == ("p/a/paper-seed-0", "p/b/paper-seed-0", "p/b/paper-seed-4")


# --- words, export ---------------------------------------------------------------------------------------------------


def test_sentence_of_a_value():
    assert value(runs=runs_of(A, INSIDE)).sentence == (
        "Reproduced: the paper reports 93 %, and we find test accuracy of a: 93.00 % "
        "(95 % interval 92.75 to 93.25, n = 3)."
    )


@pytest.mark.parametrize("kind", ["question", "expectation"])
def test_what_was_expected_is_supported_or_not_and_is_no_finding_of_the_paper(kind):
    paper = paper_of(claim(higher("num_params", of="a", than="b"), kind))
    found = {n: judge(paper, Results(costs=(cost_of(A, num_params=n), cost_of(B, num_params=5))))[0] for n in (1, 9)}
    assert [found[n].verdict for n in (1, 9)] == [Verdict.NOT_SUPPORTED, Verdict.SUPPORTED]
    assert found[9].sentence.startswith("Supported: expected was 93 %, and we find")


def test_a_fitted_claim_says_so_and_is_counted_apart():
    counted = claim(Equal(Quantity("num_params", "a"), 9), "exact")
    paper = paper_of(replace(counted, reading_from=("p.claim-0",)), replace(counted, reading_from=("p.claim-0",)))
    judged = judge(paper, Results(costs=(cost_of(A, num_params=9),)))
    assert ["fitted, not tested" in judgement.sentence for judgement in judged] == [True, False]
    assert sentences.counts(judged) == "2 reproduced (of which 1 fitted)"


def test_sentence_of_an_inconclusive_value_says_what_would_decide():
    found = value(runs=runs_of(A, ACROSS))
    assert found.more_seeds == stats.seeds_to_decide(ACROSS, 92, 94, rules.level)
    assert f"{found.more_seeds} further seeds would decide with a chance of about" in found.sentence
    assert found.sentence.endswith(", beyond the 10 at which looking ends.")
    soon = sentences.sentence(replace(found, more_seeds=1, chance=0.584))
    assert soon.endswith("; 1 further seed would decide with a chance of about 60 %.")


def test_below_three_seeds_there_is_no_chance_to_tell():
    found = value(runs=runs_of(A, ACROSS[:2]))
    assert (found.more_seeds, found.chance, found.look) == (1, None, None)
    assert sentences.further_seeds(found) == "1 further seed"


# --- looks -----------------------------------------------------------------------------------------------------------

MARGINAL = (0.4, 0.62, 0.33, 0.15)  # above 0 with p between the level of the fourth seed and 0.05


def marginal(*accuracies, checks=1):
    base = np.arange(70.0, 70.0 + len(accuracies))
    found = Results(runs=runs_of(B, base) + runs_of(A, base + accuracies))
    asked = claim(higher("test_accuracy", of="a", than="b"), "order")
    return judge(paper_of(*checks * (asked,)), found)[0]


def test_levels_are_fixed_and_the_simulation_gives_them():
    assert (0.05, *7 * (calibration.later_level(),)) == rules.LEVELS
    assert calibration.error_of_looks(rules.LEVELS) < 0.045
    assert calibration.error_of_looks(len(rules.LEVELS) * (0.05,)) == pytest.approx(0.083, abs=0.003)
    assert calibration.error_of_looks((0.05,)) == pytest.approx(0.025, abs=0.002)


@pytest.mark.parametrize(
    ("seeds", "look", "level"),
    [(0, None, 0.05), (2, None, 0.05), (3, 1, 0.05), (4, 2, 0.015), (10, 8, 0.015), (11, 8, 0.015)],
)
def test_the_number_of_seeds_says_which_look_it_is(seeds, look, level):
    assert (rules.look(seeds), rules.level(seeds)) == (look, level)


def test_a_later_look_is_stricter_and_says_so():
    assert rules.LEVELS[1] < float(rules.weigh(MARGINAL, 0, np.inf).supports) <= 0.05
    later = marginal(*MARGINAL)
    assert (later.verdict, later.look, later.level) == (Verdict.INCONCLUSIVE, 2, rules.LEVELS[1])
    assert later.parts[0].low > 0  # the interval shown stays that of 95 %
    assert later.parts[0].verdict is Verdict.INCONCLUSIVE
    assert "; judged at look 2 of 8, two-sided level 0.015; " in later.sentence
    first = marginal(0.4, 0.5, 0.6)
    assert (first.verdict, first.look, first.level) == (Verdict.REPRODUCED, 1, 0.05)
    assert "look" not in first.sentence


def test_holm_holds_a_claim_against_the_level_of_its_look():
    values = (0.4, 0.62, 0.33, 0.3)
    p = float(rules.weigh(values, 0, np.inf).supports)
    assert rules.LEVELS[1] / 2 < p <= rules.LEVELS[1]
    assert marginal(*values).holm_verdict is Verdict.REPRODUCED
    assert marginal(*values, checks=2).verdict is Verdict.REPRODUCED
    assert marginal(*values, checks=2).holm_verdict is Verdict.INCONCLUSIVE


def test_the_number_with_the_most_seeds_sets_the_level_of_all():
    three, four = (0.5, 0.62, 0.33), (5.0, 5.1, 4.9, 5.0)
    base = np.arange(70.0, 74.0)
    found = Results(
        runs=runs_of(A, base + four) + runs_of(B, base) + runs_of(C, np.subtract(base[:3], three)),
    )
    pairs = higher("test_accuracy", of="a", than="b").pairs + higher("test_accuracy", of="b", than="c").pairs
    (together,) = judge(paper_of(claim(Ordered(pairs), "order")), found)
    assert rules.LEVELS[1] < float(rules.weigh(three, 0, np.inf).supports) <= 0.05
    assert (together.verdict, together.look) == (Verdict.INCONCLUSIVE, 2)
    assert [part.verdict for part in together.parts] == [Verdict.REPRODUCED, Verdict.INCONCLUSIVE]
    assert together.more_seeds > 0


def test_the_chance_that_is_told_is_how_often_it_happens():
    """Averaged over reproductions whose truth is unknown; told for one, it is as right as its three seeds allow."""
    random = np.random.default_rng(5)
    told, happened = [], []
    for effect in np.repeat((0.5, 1.0, 1.5, 2.0), 12):
        values = random.normal(effect, 1, 3)
        found = marginal(*values)
        if found.chance is None or found.more_seeds > 7:
            continue
        further = random.normal(effect, 1, (200, found.more_seeds))
        sample = np.concatenate([np.broadcast_to(values, (200, 3)), further], axis=1)
        looks = [(3 + n,) for n in range(1, found.more_seeds + 1)]
        decisions, _ = rules.decide_in_turn([sample], [(0, np.inf)], looks, 1)
        told.append(found.chance)
        happened.append((decisions != 0).mean())
    assert len(told) > 20
    assert np.mean(told) == pytest.approx(np.mean(happened), abs=0.12)
    assert 0.4 < np.mean(told) < 0.75


def test_looks_stop_at_the_first_decision():
    sample = np.array([[5.0, 5.1, 4.9, -90.0, -90.0], [0.0, 1.0, -1.0, 0.5, -0.5], [-1.0, 1.0, 0.0, 30.0, 30.1]])
    decisions, seeds = rules.decide_in_turn([sample], [(0, np.inf)], [(3,), (4,), (5,)], 1)
    assert decisions.tolist() == [1, 0, 0]
    assert seeds.tolist() == [3, 5, 5]


def test_sentence_of_a_count():
    found = judge_one(higher("mult_adds", of="a", than="b"), "order", costs=(cost_of(A, mult_adds=7000), cost_of(B)))
    assert "mult-adds, a − b: 6,900 mult-adds (7,000 against 100)" in found.sentence


@pytest.mark.parametrize("paper", papers.all_papers(), ids=lambda paper: paper.key)
def test_every_claim_of_the_papers_can_be_decided(paper):
    for judgement in judge(paper, full_results(paper)):
        assert judgement.verdict is not Verdict.NOT_TESTED, judgement.sentence
        assert judgement.missing == ()


@pytest.mark.parametrize("paper", papers.all_papers(), ids=lambda paper: paper.key)
def test_without_results_only_printed_numbers_are_judged(paper):
    for judgement in judge(paper, Results()):
        if judgement.claim.quantities:
            assert judgement.verdict is Verdict.NOT_TESTED
            assert judgement.missing
        else:
            internal = {Verdict.CONSISTENT, Verdict.INCONSISTENT}
            quoted = {Verdict.REPRODUCED, Verdict.NOT_REPRODUCED}
            assert judgement.verdict in {"internal": internal, "quoted": quoted}[judgement.claim.kind]


def test_export_is_plain_json_and_complete():
    paper = paper_of(claim(ACCURACY, "value"), claim(higher("mult_adds", of="a", than="b"), "order"))
    found = Results(runs=runs_of(A, INSIDE), problems=("x.json: damaged",))
    exported = export([paper], found)
    assert json.loads(json.dumps(exported, allow_nan=False)) == exported
    assert exported["schema_version"] == 3
    assert exported["problems"] == ["x.json: damaged"]
    first, second = exported["papers"][0]["claims"]
    assert (first["id"], first["verdict"], first["reported"]) == ("p.claim-0", "reproduced", "93 %")
    assert first["parts"][0]["values"] == list(INSIDE)
    assert first["runs"] == ["p/a/paper-seed-0", "p/a/paper-seed-1", "p/a/paper-seed-2"]
    assert (second["parts"][0]["at_least"], second["parts"][0]["at_most"]) == (0, None)


# --- calibration -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table():
    return calibration.calibrate(simulations=2000, shapes=calibration.SHAPES, noises=(0.6,))


def test_wrong_verdicts_are_rare(table):
    normal = table[table["shape"] == "normal"]
    assert normal["wrong"].max() <= 0.025 + 4 * np.sqrt(0.025 * 0.975 / 2000)
    assert normal["wrong"].max() > 0.01  # on the limit the rules use what they may
    far = table[table["margin"].abs() >= 1]
    assert far["wrong"].max() <= 0.01


def test_skewed_noise_costs_some_of_it(table):
    assert 0.025 < table[table["shape"] == "skewed"]["wrong"].max() <= 0.08


def test_power_grows_with_seeds_and_with_distance(table):
    normal = table[(table["shape"] == "normal") & (table["margin"] < 0)]
    by_seeds = normal.pivot_table(index=["check", "margin"], columns="seeds", values="decided")
    assert (by_seeds[10] >= by_seeds[5]).all()
    assert (by_seeds[5] >= by_seeds[3]).all()
    by_margin = normal.pivot_table(index=["check", "seeds"], columns="margin", values="decided")
    assert (by_margin[-4.0] >= by_margin[-1.0]).all()
    assert by_margin[-4.0].max() > 0.99


@pytest.fixture(scope="module")
def policy():
    return calibration.calibrate_policy(simulations=3000, noises=(0.6,))


def test_adding_seeds_until_decided_errs_in_less_than_five_percent(policy):
    assert policy["wrong"].max() < 0.05
    assert policy["wrong"].max() > 0.03  # more often than one look at a fixed number does
    assert policy.loc[policy["margin"].abs() >= 1, "wrong"].max() <= 0.01


def test_what_is_clear_takes_few_seeds_and_what_is_not_takes_all(policy):
    seeds = policy[policy["check"] == "one order"].set_index("margin")["mean_seeds"]
    assert 3 <= seeds[-4.0] < 3.2
    assert seeds[-4.0] < seeds[-2.0] < seeds[-1.0] < seeds[0.0] <= 10
    assert (policy["seeds"] == 10).all()


def test_rates_are_shares_of_all(table):
    assert np.allclose(table[["reproduced", "not_reproduced", "inconclusive"]].sum(axis=1), 1)


def test_calibration_honours_the_random_state():
    small = partial(calibration.calibrate, simulations=50, noises=(1.0,), seeds=(3,))
    assert small(random_state=1).equals(small(random_state=1))
    assert not small(random_state=1).equals(small(random_state=2))


def test_the_simulation_judges_as_the_engine_does():
    random = np.random.default_rng(3)
    drawn = random.uniform(90, 94, (40, 1)) + random.normal(0, 0.4, (40, 3))
    (question,) = questions(ACCURACY)
    together = rules.decide(rules.weigh(drawn, *question.limits))
    words = {1: Verdict.REPRODUCED, -1: Verdict.NOT_REPRODUCED, 0: Verdict.INCONCLUSIVE}
    assert set(together.tolist()) == {-1, 0, 1}
    for sample, direction in zip(drawn, together.tolist(), strict=True):
        assert value(runs=runs_of(A, sample)).verdict is words[direction]
