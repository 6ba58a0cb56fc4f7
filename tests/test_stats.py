"""Every statistic against a number that did not come from it, and against the laws it must obey.

SLEEP is Student's sleep data as R ships it; R's documentation prints ``t.test(extra ~ group, paired = TRUE)``:
t = -4.0621, df = 9, p-value = 0.002833, 95 percent confidence interval -2.4598858 to -0.7001142.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri
from scipy.stats import ttest_1samp, ttest_ind

from sepconv.verdicts import stats

SLEEP = (
    (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0),
    (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4),
)
EXTRA = tuple(second - first for first, second in zip(*SLEEP, strict=True))

accuracies = st.lists(st.floats(1, 100).map(lambda v: round(v, 2)), min_size=3, max_size=12)


def spread(values):
    """Values whose standard deviation is not lost in rounding."""
    assume(np.std(values) > 1e-3)
    return values


def test_student_interval_of_sleep_data():
    interval = stats.mean_interval(EXTRA)
    assert interval.n == 10
    assert interval.estimate == pytest.approx(1.58)
    assert (interval.low, interval.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)


def test_interval_narrows_with_confidence():
    # R: t.test(extra2 - extra1, conf.level = 0.9): t(0.95, 9) = 1.833113, standard error 1.229995 / sqrt(10)
    interval = stats.mean_interval(EXTRA, confidence=0.9)
    assert interval.high - interval.low == pytest.approx(2 * 1.833113 * 1.229995 / math.sqrt(10), abs=1e-5)


def test_prediction_interval_by_hand():
    # 1.58 ± 2.262157 · 1.229995 · √1.1, with t from a printed table
    interval = stats.prediction_interval(EXTRA)
    assert (interval.low, interval.high) == pytest.approx((-1.33825, 4.49825), abs=1e-4)


def test_interval_of_ratios_is_geometric():
    # ratios 2, 4, 8: logs have mean log 4 and standard deviation log 2; t(0.975, 2) = 4.302653
    interval = stats.from_logs(stats.mean_interval([math.log(r) for r in (2, 4, 8)]))
    factor = 2 ** (4.302653 / math.sqrt(3))
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((4, 4 / factor, 4 * factor), rel=1e-6)


def test_one_sided_p_values_of_sleep_data():
    # with one limit far away, half of R's two-sided 0.002833
    assert float(stats.equivalence(EXTRA, 0, 1e9)) == pytest.approx(0.002833 / 2, abs=1e-6)
    assert float(stats.exclusion(EXTRA, -1e9, 0)) == pytest.approx(0.002833 / 2, abs=1e-6)


@pytest.mark.parametrize(("low", "high"), [(0, 3), (1, 2), (2, 5), (-4, 1), (1.58, 1.58)])
def test_p_values_agree_with_scipys_one_sample_tests(low, high):
    above = ttest_1samp(EXTRA, low, alternative="greater").pvalue
    below = ttest_1samp(EXTRA, high, alternative="less").pvalue
    assert float(stats.equivalence(EXTRA, low, high)) == pytest.approx(max(above, below))
    assert float(stats.exclusion(EXTRA, low, high)) == pytest.approx(min(1 - above, 1 - below))


def test_holm_as_r_prints_it():
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([]) == []
    assert stats.holm([0.6, 0.7]) == [1, 1]


def test_effect_size_of_sleep_data():
    # d_z = t / √n
    assert stats.paired_effect(EXTRA) == pytest.approx(4.0621 / math.sqrt(10), abs=1e-5)


def test_paired_over_equal_keys_only():
    first, second = {0: 5.0, 1: 6.0, 7: 9.0}, {1: 2.0, 0: 4.0, 3: 1.0}
    assert stats.paired_differences(first, second) == {0: 1.0, 1: 4.0}
    assert stats.log_ratios(first, second) == pytest.approx({0: math.log(1.25), 1: math.log(3)})


def test_ratio_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"positive values, got 0 / 4"):
        stats.log_ratios({0: 0.0}, {0: 4.0})


def bca_by_hand(values, resamples, rng):
    """Efron's formulas (An Introduction to the Bootstrap, Sec. 14.3), written out."""
    values = np.asarray(values)
    means = rng.choice(values, (resamples, values.size)).mean(axis=1)
    z0 = ndtri((means < values.mean()).mean() + (means == values.mean()).mean() / 2)
    jackknife = (values.sum() - values) / (values.size - 1)
    deviation = jackknife.mean() - jackknife
    a = (deviation**3).sum() / (6 * (deviation**2).sum() ** 1.5)
    z = z0 + ndtri([0.025, 0.975])
    return np.quantile(means, ndtr(z0 + z / (1 - a * z)))


def test_bootstrap_interval_against_efrons_formulas():
    expected = bca_by_hand(EXTRA, 200_000, np.random.default_rng(1))
    interval = stats.bootstrap_interval(EXTRA, random_state=0, resamples=100_000)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=0.02)


def test_bootstrap_honours_the_random_state():
    first, again, other = (stats.bootstrap_interval(EXTRA, random_state=seed) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_bootstrap_of_equal_values_has_no_width():
    assert stats.bootstrap_interval([70.0] * 4, random_state=0) == stats.Interval(70, 70, 70, 4)


@pytest.mark.parametrize("statistic", [stats.mean_interval, stats.prediction_interval])
def test_one_value_gives_no_interval(statistic):
    assert statistic([93.0]) is None
    assert statistic([]) is None
    assert statistic([93.0, 94.0]) is not None


def test_one_value_gives_no_other_statistic():
    assert stats.bootstrap_interval([93.0], random_state=0) is None
    assert stats.paired_effect([1.0]) is None
    assert stats.seeds_to_decide([93.0], 92, 94) is None


@pytest.mark.parametrize("bad", [[1.0, math.nan, 2.0], [1.0, math.inf], [[1.0, 2.0], [3.0, 4.0]]])
def test_what_is_no_sample_is_refused(bad):
    with pytest.raises(ValueError, match="expected a sequence of finite numbers"):
        stats.mean_interval(bad)


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [((92.4, 93.0, 93.9), 92, 94), ((0.1, -0.3, 0.9), 0, math.inf), ((94.1, 94.6, 94.9), 92, 94)],
)
@pytest.mark.parametrize("comparisons", [1, 3])
def test_seeds_to_decide_is_the_first_sample_size_that_decides(values, low, high, comparisons):
    def decided(n):
        shape = np.linspace(-1, 1, n)
        same = np.mean(values) + np.std(values, ddof=1) * shape / shape.std(ddof=1)
        inside = stats.mean_interval(same)
        outside = stats.mean_interval(same, 1 - 0.05 / comparisons)
        return (low <= inside.low and inside.high <= high) or outside.low > high or outside.high < low

    further = stats.seeds_to_decide(values, low, high, comparisons=comparisons)
    assert further > 0
    assert decided(3 + further)
    assert not decided(3 + further - 1)


def test_a_stricter_level_takes_more_seeds():
    values = (0.1, -0.3, 0.9)
    plain, stricter = (stats.seeds_to_decide(values, 0, math.inf, lambda _seeds, at=at: at) for at in (0.05, 0.01))
    assert plain < stricter
    later = stats.seeds_to_decide(values, 0, math.inf, lambda seeds: 0.05 if seeds == 3 else 0.01)
    assert later == stricter


def test_further_values_follow_those_that_are_there_as_uncertain_as_these_leave_them():
    values = (92.0, 93.0, 94.0)
    drawn = stats.with_further_values(values, 2, 40_000, 0)
    assert drawn.shape == (40_000, 5)
    assert (drawn[:, :3] == values).all()
    expected = stats.prediction_interval(values)  # 95 % of what one more run can be
    for column in drawn[:, 3:].T:
        assert np.mean((expected.low <= column) & (column <= expected.high)) == pytest.approx(0.95, abs=0.005)
    assert np.corrcoef(drawn[:, 3:].T)[0, 1] > 0.1  # both share a mean that is not known
    assert np.array_equal(drawn, stats.with_further_values(values, 2, 40_000, 0))


def test_one_value_says_nothing_about_further_ones():
    with pytest.raises(ValueError, match="expected two values or more, got 1"):
        stats.with_further_values([93.0], 2, 10, 0)


def test_on_the_limit_no_number_of_seeds_decides():
    assert stats.seeds_to_decide([-1.0, 0.0, 1.0], 0, math.inf) is None


def test_decided_already_needs_none():
    assert stats.seeds_to_decide([92.9, 93.0, 93.1], 92, 94) == 0


@given(accuracies, st.randoms())
def test_order_of_the_values_does_not_matter(values, random):
    spread(values)
    shuffled = random.sample(values, len(values))
    for statistic in (stats.mean_interval, stats.prediction_interval):
        one, other = statistic(values), statistic(shuffled)
        assert (one.low, one.high) == pytest.approx((other.low, other.high))
    assert float(stats.equivalence(values, 40, 60)) == pytest.approx(float(stats.equivalence(shuffled, 40, 60)))


@settings(max_examples=20)
@given(accuracies, st.randoms())
def test_order_of_the_values_does_not_matter_to_the_bootstrap(values, random):
    shuffled = random.sample(values, len(values))
    assert stats.bootstrap_interval(values, 3, resamples=500) == stats.bootstrap_interval(shuffled, 3, resamples=500)


@given(accuracies, st.floats(-50, 50), st.floats(0.1, 10))
def test_intervals_shift_and_scale_with_the_values(values, shift, scale):
    spread(values)
    for statistic in (stats.mean_interval, stats.prediction_interval):
        plain, moved = statistic(values), statistic([scale * v + shift for v in values])
        expected = [scale * v + shift for v in (plain.estimate, plain.low, plain.high)]
        assert [moved.estimate, moved.low, moved.high] == pytest.approx(expected, abs=1e-6)


@given(accuracies, st.floats(-50, 50), st.floats(0.1, 10))
def test_p_values_and_effects_do_not_hang_on_the_unit(values, shift, scale):
    spread(values)
    moved = [scale * v + shift for v in values]
    for p_value in (stats.equivalence, stats.exclusion):
        plain = float(p_value(values, 40, 60))
        assert float(p_value(moved, scale * 40 + shift, scale * 60 + shift)) == pytest.approx(plain, abs=1e-6)
    assert stats.paired_effect([scale * v for v in values]) == pytest.approx(stats.paired_effect(values), rel=1e-6)


# Whole numbers and powers of two: sums are then exact, and resamples whose mean is the sample's own stay on its side.
@settings(max_examples=20)
@given(st.lists(st.integers(0, 100), min_size=3, max_size=8), st.integers(-50, 50), st.sampled_from([0.25, 0.5, 2, 8]))
def test_the_bootstrap_shifts_and_scales_with_the_values(values, shift, scale):
    spread(values)
    plain = stats.bootstrap_interval(values, 3, resamples=500)
    moved = stats.bootstrap_interval([scale * (v + shift) for v in values], 3, resamples=500)
    expected = [scale * (v + shift) for v in (plain.estimate, plain.low, plain.high)]
    assert [moved.estimate, moved.low, moved.high] == pytest.approx(expected, abs=1e-9)


@given(st.dictionaries(st.integers(0, 9), st.tuples(st.floats(1, 100), st.floats(1, 100)), min_size=1))
def test_ratios_do_not_hang_on_the_unit_and_turn_with_their_terms(pairs):
    first, second = ({seed: pair[side] for seed, pair in pairs.items()} for side in (0, 1))
    plain = stats.log_ratios(first, second)
    minutes = stats.log_ratios({k: v / 60 for k, v in first.items()}, {k: v / 60 for k, v in second.items()})
    assert minutes == pytest.approx(plain, abs=1e-9)
    assert stats.log_ratios(second, first) == pytest.approx({k: -v for k, v in plain.items()})


@given(accuracies, st.randoms(), st.floats(-50, 50), st.floats(0.1, 10))
def test_seeds_to_decide_do_not_hang_on_order_or_unit(values, random, shift, scale):
    spread(values)
    moved = [scale * v + shift for v in random.sample(values, len(values))]
    plain = stats.seeds_to_decide(values, 40, 60)
    found = stats.seeds_to_decide(moved, scale * 40 + shift, scale * 60 + shift)
    assert (plain is None) == (found is None)
    assert abs((plain or 0) - (found or 0)) <= 1  # rounding may move the first sample size that decides by one


@given(accuracies)
def test_mirrored_values_have_the_mirrored_interval(values):
    plain, mirrored = stats.mean_interval(values), stats.mean_interval([-v for v in values])
    assert (mirrored.low, mirrored.high) == pytest.approx((-plain.high, -plain.low))


@given(accuracies)
def test_one_more_run_is_less_certain_than_the_mean(values):
    spread(values)
    mean, run = stats.mean_interval(values), stats.prediction_interval(values)
    assert run.low < mean.low < mean.estimate < mean.high < run.high


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.randoms())
def test_holm_never_lowers_and_follows_its_values(p_values, random):
    adjusted = stats.holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    order = random.sample(range(len(p_values)), len(p_values))
    assert stats.holm([p_values[i] for i in order]) == pytest.approx([adjusted[i] for i in order])


def test_student_interval_covers_its_share():
    samples = np.random.default_rng(0).normal(93, 0.5, (3000, 4))
    intervals = [stats.mean_interval(sample) for sample in samples]
    covered = np.mean([i.low <= 93 <= i.high for i in intervals])
    assert covered == pytest.approx(0.95, abs=0.015)  # four standard errors


def test_prediction_interval_covers_its_share():
    samples = np.random.default_rng(1).normal(93, 0.5, (3000, 5))
    intervals = [stats.prediction_interval(sample[:4]) for sample in samples]
    covered = np.mean([i.low <= sample[4] <= i.high for i, sample in zip(intervals, samples, strict=True)])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_bootstrap_interval_covers_about_its_share():
    samples = np.random.default_rng(4).normal(93, 0.5, (600, 25))
    intervals = [stats.bootstrap_interval(sample, 0, resamples=400) for sample in samples]
    covered = np.mean([i.low <= 93 <= i.high for i in intervals])
    assert 0.9 < covered < 0.97  # a little less than 95 %, as is known of small samples


def test_p_values_of_many_samples_at_once_are_those_of_each():
    samples = np.random.default_rng(2).normal(50, 5, (4, 3, 6))
    together = stats.equivalence(samples, 45, 55)
    assert together.shape == (4, 3)
    assert together[2, 1] == pytest.approx(float(stats.equivalence(samples[2, 1], 45, 55)))


# --- curves ----------------------------------------------------------------------------------------------------------


def test_contrast_by_hand():
    # Means 2, 5 and 11; sums of squares 2, 8 and 2, so the pooled variance is 12 / 6 = 2.
    found = stats.contrast([[1, 2, 3], [3, 5, 7], [10, 11, 12]], [1, 0.5, -1])
    assert float(found.mean) == pytest.approx(2 + 2.5 - 11)
    assert float(found.error) == pytest.approx(math.sqrt(2 * (1 + 0.25 + 1) / 3))
    assert found.freedom == 6


def test_contrast_of_two_equal_groups_is_students_test_of_two_samples():
    first, second = (np.array(group) for group in SLEEP)
    found = stats.contrast([first, second], [1, -1])
    by_scipy = ttest_ind(first, second)  # equal variances
    assert float(found.mean / found.error) == pytest.approx(by_scipy.statistic)
    assert float(stats.exclusion(found, 0, math.inf)) == pytest.approx(by_scipy.pvalue / 2)
    assert found.interval(10).high == pytest.approx(by_scipy.confidence_interval().high)


def test_contrasts_of_many_groups_at_once_are_those_of_each():
    groups = np.random.default_rng(0).normal(size=(5, 8, 3))
    weights = np.linspace(-1, 1, 8)
    together = stats.contrast(groups, weights)
    for i, each in enumerate(groups):
        alone = stats.contrast(each, weights)
        assert (together.mean[i], together.error[i]) == pytest.approx((float(alone.mean), float(alone.error)))


def test_weights_of_a_whole_curve_are_those_of_the_trapezoid_rule():
    weights = stats.mean_height_weights([0, 1, 3], 0, 3)
    assert weights.tolist() == pytest.approx([0.5 / 3, 1.5 / 3, 1 / 3])


def test_weights_of_a_part_of_a_curve_by_hand():
    # From 0.5 to 2 of knots at 0, 1 and 3 with heights a, b, c: the curve is (a+b)/2 at 0.5, b at 1, (b+c)/2 at 2.
    # 0.5 * ((a+b)/2 + b)/2 + 1 * (b + (b+c)/2)/2 = a/8 + 3b/8 + 3b/4 + c/4, over a length of 1.5.
    expected = [1 / 12, 3 / 4, 1 / 6]
    assert stats.mean_height_weights([0, 1, 3], 0.5, 2).tolist() == pytest.approx(expected)
    assert stats.mean_height_weights([3, 0, 1], 0.5, 2).tolist() == pytest.approx([expected[2], *expected[:2]])


def delta(first_costs, first, second_costs, second):
    weights = stats.delta_weights(first_costs, second_costs)
    return float(weights[0] @ np.asarray(first) + weights[1] @ np.asarray(second))


def test_delta_of_parallel_lines_is_their_distance():
    costs, heights = np.array([1, 2, 4, 8.0]), np.array([80, 82, 84, 86.0])
    assert delta(costs, heights + 1.5, costs, heights) == pytest.approx(1.5)
    # Twice as cheap at equal height is two points above at equal cost, two points being what doubling the cost brings.
    assert delta(costs / 2, heights, costs, heights) == pytest.approx(2)


def test_delta_by_hand():
    # Shared range: cost 2 to 4, of log2 1 to 2. The first rises from 80 at log2 0 to 84 at 2: mean 83 there. The second
    # rises from 81 at log2 1 to 83 at log2 3: mean 81.5.
    assert delta([1, 4], [80, 84], [2, 8], [81, 83]) == pytest.approx(83 - 81.5)


def test_delta_turns_with_its_sides_and_not_with_the_unit_of_cost():
    first, second = ([1, 3, 7], [80, 83, 85]), ([2, 4, 9], [79, 84, 84.5])
    assert delta(*first, *second) == pytest.approx(-delta(*second, *first))
    scaled = [1000 * cost for cost in first[0]], first[1], [1000 * cost for cost in second[0]], second[1]
    assert delta(*scaled) == pytest.approx(delta(*first, *second))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1, 2], [3, 4], "expected curves that overlap"),
        ([1, 2], [2, 4], "expected curves that overlap"),
        ([0, 2], [1, 4], "expected positive costs"),
        ([1, 1, 2], [1, 4], "expected knots in different places"),
    ],
)
def test_curves_without_a_delta_are_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        stats.delta_weights(first, second)


def test_times_cheaper_by_hand():
    costs, heights = [1, 2, 4], [80, 82, 84]
    assert stats.times_cheaper(costs, heights, [3, 6, 12], heights) == pytest.approx(3)
    # Shared heights 82 to 84: the first costs 2 to 4, the second 1 to 8, whose geometric means are both 2**1.5.
    assert stats.times_cheaper([1, 2, 4], heights, [1, 8], [82, 84]) == pytest.approx(1)
    assert stats.times_cheaper(costs, heights, [1, 2], [90, 91]) is None
    assert stats.times_cheaper(costs, [80, 84, 82], costs, heights) is None


def test_superiority_counts_ties_half():
    assert stats.superiority([3, 4], [1, 2]) == 1
    assert stats.superiority([1, 2], [1, 2]) == 0.5
    assert stats.superiority([1, 3], [2]) == 0.5
    assert stats.superiority([1, 2, 2], [2]) == pytest.approx((0 + 0.5 + 0.5) / 3)
    with pytest.raises(ValueError, match="expected a value on either side"):
        stats.superiority([], [1])


def test_pooled_spread_needs_fewer_seeds():
    values = [0.1, 1.3, 0.7]
    pooled = stats.Estimate(stats.mean_of(values).mean, stats.mean_of(values).error, 16)
    alone, together = (stats.seeds_to_decide(values, 0, math.inf, pooled=estimate) for estimate in (None, pooled))
    assert together < alone
