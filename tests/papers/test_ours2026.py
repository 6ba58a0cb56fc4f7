"""Our own study: its design, the choice of its settings, and its questions through the engine that judges papers."""

from pathlib import Path

import numpy as np
import pytest

from factories import batches_of, cost_of, run_of, throughput_of
from sepconv.measuring import cost
from sepconv.papers import all_papers, ours2026, paper, published
from sepconv.papers.ours2026 import CHOSEN, SEPARABLE, SETTINGS, STANDARD, TUNING, TUNING_SEEDS, Setting, choose, tuning
from sepconv.report import figures, frames, tables
from sepconv.results.store import Results, read_all
from sepconv.spec import TRAIN_IMAGES, Budget, Run
from sepconv.verdicts import calibration, stats
from sepconv.verdicts.judge import judge
from sepconv.verdicts.rules import Verdict

RESULTS = Path(__file__).parents[2] / "results"
STUDY = paper("ours2026")
MAIN = (*SEPARABLE, *STANDARD)


# --- design ----------------------------------------------------------------------------------------------------------


def test_the_study_is_judged_with_the_papers_and_not_counted_as_one():
    assert STUDY in all_papers()
    assert [p.key for p in published()] == [p.key for p in all_papers() if p.key != "ours2026"]


# M mult-adds and M parameters, counted; the design had counted them by hand and rounded filters otherwise.
COUNTS = {
    "separable-1-2": (8_358_912, 286_666),
    "separable-3-4": (18_043_392, 625_450),
    "separable-1": (31_397_888, 1_094_538),
    "separable-3-2": (69_116_928, 2_423_626),
    "standard-1-6": (7_440_030, 264_326),
    "standard-1-4": (16_738_816, 592_794),
    "standard-1-3": (29_744_450, 1_052_122),
    "standard-1-2": (66_507_776, 2_358_314),
}


def test_a_third_of_the_width_costs_what_separable_convolution_does():
    counts = {e.name: cost.count("ours2026", e) for e in MAIN}
    assert {name: (c.mult_adds, c.num_params) for name, c in counts.items()} == COUNTS
    for separable, standard in zip(SEPARABLE, STANDARD, strict=True):
        first, second = counts[separable.name], counts[standard.name]
        assert 1 < first.mult_adds / second.mult_adds < 1.15
        assert 1 < first.num_params / second.num_params < 1.1
        assert 4.5 < first.activation_bytes / second.activation_bytes < 4.7


def test_equal_bytes_need_the_small_separable_networks():
    separable, small, standard = (
        [cost.count("ours2026", e).training_step_bytes for e in networks]
        for networks in (SEPARABLE, ours2026.SMALL_SEPARABLE, STANDARD)
    )
    assert min(separable) > max(standard)
    stats.delta_weights([*small, separable[0]], standard)  # raises where they do not overlap


def test_one_recipe_for_both_kinds_but_for_what_was_tuned():
    for e in MAIN:
        setting = CHOSEN["separable" if e in SEPARABLE else "standard"]
        assert e.recipe == ours2026.recipe(setting)
        assert e.recipe.train_images == TRAIN_IMAGES


# --- the choice ------------------------------------------------------------------------------------------------------


def test_tuning_holds_images_out_and_asks_both_kinds_for_the_same_rates():
    assert {e.recipe.validation_images for e in TUNING} == {5_000}
    rates = [{setting.rate for setting in settings} for settings in SETTINGS.values()]
    assert rates[0] == rates[1]
    assert len({Run("ours2026", e, Budget.PAPER, 0).id for e in TUNING}) == len(TUNING)


def test_the_best_mean_is_chosen_and_of_equal_ones_the_smaller_rate():
    low, high, bare = Setting(0.2, True), Setting(0.4, True), Setting(0.2, False)
    assert choose({high: [90.0, 92.0], low: [90.0, 91.0]}) == high
    assert choose({high: [90.0], low: [90.0], bare: [90.0]}) == low
    assert choose({high: [90.0], bare: [90.0]}) == bare


@pytest.mark.parametrize("kind", SETTINGS)
def test_what_is_recorded_is_what_the_rule_chooses(kind):
    found = read_all(RESULTS)
    wanted = {s: [Run("ours2026", e, Budget.PAPER, seed).id for seed in TUNING_SEEDS] for s, e in tuning(kind).items()}
    accuracies = {run.run_id: run.final.val_accuracy for run in found.runs if run.final}
    if not all(id_ in accuracies for ids in wanted.values() for id_ in ids):
        pytest.skip("the tuning runs are not all there")
    assert choose({s: [accuracies[id_] for id_ in ids] for s, ids in wanted.items()}) == CHOSEN[kind]


# --- questions -------------------------------------------------------------------------------------------------------

COST = (8, 16, 32, 64)  # of the networks of either kind
NOISE = (-0.1, 0.0, 0.1)


def results(ahead, *, machines=("cpu",), costs=COST, seeds=3):
    """Accuracies that rise by two points a network; the separable ones are ``ahead``."""
    kinds = [
        (e, c, i, kind) for kind in (SEPARABLE, STANDARD) for i, (e, c) in enumerate(zip(kind, costs, strict=True))
    ]
    return Results(
        runs=tuple(
            run_of(e, seed, 80 + 2 * i + (ahead if kind is SEPARABLE else 0) + NOISE[seed], paper="ours2026")
            for e, _, i, kind in kinds
            for seed in range(seeds)
        ),
        costs=tuple(cost_of(e, paper="ours2026", mult_adds=c, num_params=c) for e, c, *_ in kinds),
        throughputs=tuple(
            throughput_of((c, c, c), e.name, paper="ours2026", budget=Budget.PAPER, device=machine)
            for machine in machines
            for e, c, *_ in kinds
        ),
        latencies=tuple(
            batches_of(e, {1: c, 64: 2 * c}, paper="ours2026", device=machine)
            for machine in machines
            for e, c, *_ in kinds
        ),
    )


def judged(name, found):
    return next(j for j in judge(STUDY, found) if j.claim.id == f"ours2026.{name}")


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [(1.0, Verdict.SUPPORTED), (0.5, Verdict.INCONCLUSIVE), (0.0, Verdict.NOT_SUPPORTED), (-1, Verdict.NOT_SUPPORTED)],
)
def test_a_question_at_equal_cost_by_its_margin(ahead, verdict):
    found = judged("mult-adds", results(ahead))
    assert found.verdict is verdict
    assert found.parts[0].estimate == pytest.approx(ahead)
    assert found.parts[0].unit == "points"
    assert len(found.runs) == 24


def test_interval_pools_the_variance_over_widths():
    (part,) = judged("mult-adds", results(1.0)).parts
    weights = np.concatenate(stats.delta_weights(COST, COST))
    half = 2.1199 * 0.1 * np.sqrt(np.square(weights).sum() / 3)  # t of 16 degrees of freedom
    assert (part.low, part.high) == pytest.approx((1 - half, 1 + half), abs=1e-4)
    assert part.n == 3


def test_times_are_asked_on_each_machine_and_all_have_to_agree():
    found = judged("latency", results(1.0, machines=("cpu", "gpu")))
    assert found.verdict is Verdict.SUPPORTED
    assert len(found.parts) == 4  # two batch sizes on two machines
    slower = results(1.0, machines=("cpu",))
    # On the other machine a separable network takes four times as long: two doublings are four points lost.
    other = results(1.0, machines=("gpu",))
    times = {e.name: 4 if e in SEPARABLE else 1 for e in MAIN}
    latencies = tuple(
        latency.model_copy(
            update={
                "batch_times": {
                    size: time.model_copy(update={"p50": time.p50 * times[latency.experiment]})
                    for size, time in latency.batch_times.items()
                }
            }
        )
        for latency in other.latencies
    )
    both = Results(slower.runs, slower.costs, (*slower.latencies, *latencies), slower.throughputs)
    found = judged("latency", both)
    assert found.verdict is Verdict.NOT_SUPPORTED
    assert [round(part.estimate, 6) for part in found.parts] == [1, -3, 1, -3]


def test_a_cost_that_was_not_measured_is_not_tested_and_says_what_is_missing():
    found = results(1.0, machines=())
    time = judged("training-time", found)
    assert time.verdict is Verdict.NOT_TESTED
    assert "ours2026/separable-1-2/throughput-paper" in time.missing
    assert "ours2026/standard-1-6/latency-paper-inference-host" in judged("latency", found).missing


def test_costs_that_do_not_overlap_are_not_tested():
    found = results(1.0)
    apart = Results(
        found.runs,
        tuple(
            c.model_copy(update={"mult_adds": 1000 + c.mult_adds}) if "separable" in c.experiment else c
            for c in found.costs
        ),
    )
    question = judged("mult-adds", apart)
    assert question.verdict is Verdict.NOT_TESTED
    assert "expected curves that overlap" in question.parts[0].label


def test_fewer_than_three_seeds_decide_nothing():
    assert judged("mult-adds", results(5.0, seeds=2)).verdict is Verdict.INCONCLUSIVE
    assert judged("mult-adds", Results()).verdict is Verdict.NOT_TESTED


def test_holms_correction_is_over_the_questions_at_equal_cost():
    corrected = {claim.id for claim in STUDY.claims if claim.corrected}
    assert corrected == {
        f"ours2026.{q}" for q in ("mult-adds", "parameters", "training-time", "latency", "training-bytes")
    }
    assert judged("width-accuracy", results(-8.0)).verdict is Verdict.SUPPORTED


# --- what its page shows ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    return results(1.0, machines=("cpu", "gpu"))


def test_without_results_every_frame_is_empty_and_every_picture_drawn():
    nothing = Results()
    empty = [
        frames.accuracies_over_cost(STUDY, nothing),
        frames.deltas(STUDY, judge(STUDY, nothing), nothing),
        frames.break_even(STUDY, nothing, [1.0]),
        frames.slowdowns(STUDY, nothing),
        frames.pairs_of_widths(STUDY, nothing),
    ]
    assert [len(frame) for frame in empty] == [0] * len(empty)
    points, deltas, curve, slowdowns, pairs = empty
    pictures = figures.accuracy_over_cost(points), figures.forest(deltas), figures.break_even(curve, slowdowns)
    assert all(
        "not" in axes.texts[0].get_text() or "no" in axes.texts[0].get_text() for p in pictures for axes in p.axes
    )
    assert "No question is answered yet" in tables.deltas_table(deltas).text
    assert "No pair" in tables.pairs_table(pairs).text
    assert set(frames.tuning(nothing)["seeds"]) == {0}


def test_every_seed_stands_over_each_cost_that_is_known_of_all(found):
    points = frames.accuracies_over_cost(STUDY, found)
    assert set(points.groupby("panel").size()) == {24}
    first = points[(points["panel"] == "mult-adds") & (points["network"] == "separable 3/4") & (points["seed"] == 1)]
    assert first[["kind", "cost", "accuracy"]].to_numpy().tolist() == [["separable", 16.0, 83.0]]
    assert len(figures.accuracy_over_cost(points).axes) == points["panel"].nunique()


def test_deltas_are_those_of_the_judgements_with_the_horizontal_ones_beside(found):
    deltas = frames.deltas(STUDY, judge(STUDY, found), found)
    assert list(deltas["delta"]) == pytest.approx([1.0] * 10)  # two counts; four times on two machines
    assert set(deltas["verdict"]) == {"supported"}
    assert list(deltas["times_cheaper"]) == pytest.approx([2**0.5] * 10)  # two points are a doubling
    assert (deltas["low"] < deltas["delta"]).all()
    rows = [text.get_text() for text in figures.forest(deltas).axes[0].get_yticklabels()]
    assert rows[0] == "mult-adds"
    assert len(rows) == 10


def test_break_even_is_where_the_slowdown_eats_the_lead(found):
    curve = frames.break_even(STUDY, found, [0.5, 1, 2**0.5, 2, 100])
    assert list(curve["slowdown"]) == [0.5, 1, 2**0.5, 2]  # at 100 there is no time that both kinds take
    assert list(curve["delta"]) == pytest.approx([3, 1, 0, -1])
    assert (curve["low"] < curve["delta"]).all()
    marks = frames.slowdowns(STUDY, found)
    assert list(marks["slowdown"]) == pytest.approx([1] * 8)
    assert len(figures.break_even(curve, marks).axes[0].lines) == 2 + 8


def test_pairs_of_widths_say_how_often_one_is_above_the_other(found):
    pairs = frames.pairs_of_widths(STUDY, found)
    assert list(pairs["difference"]) == pytest.approx([1] * 4)
    assert set(pairs["superiority"]) == {1}
    assert set(frames.pairs_of_widths(STUDY, results(0.0))["superiority"]) == {0.5}


def test_simulated_deltas_err_as_seldom_as_was_promised():
    rates = calibration.calibrate_delta(4000, margins=(0.0, -0.25, 0.25), noises=(0.3,), seeds=(3, 5, 10))
    assert rates["wrong"].max() < 0.05
    assert rates.loc[(rates["margin"] == 0) & (rates["seeds"] == 3), "wrong"].item() > 0.01  # it can be wrong
    assert rates.loc[rates["seeds"] == 10, "mean_seeds"].max() < 10
