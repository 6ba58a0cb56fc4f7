"""The landing page's sentences against numbers whose answer is known."""

from dataclasses import replace
from math import nan

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from factories import COUNTED as COUNTED_NETWORK
from factories import A, claim, cost_of, paper_of, run_of, runs_of
from sepconv.report import answer
from sepconv.results.store import Results
from sepconv.spec import Agreement, Budget, Equal, Number, Quantity, Run, Within, consistent, higher
from sepconv.verdicts.judge import judge
from sepconv.verdicts.rules import Verdict

RATIOS = ["pair", "quantity", "machine", "unit", "value", "low", "high", "seeds"]
EVIL = "<img src=x onerror=alert(1)>"


def sentences(html):
    return [item.get_text() for item in BeautifulSoup(html.text, "html.parser").find_all("li")]


def ratio(value, quantity="weights", pair="p, CIFAR-10", machine=""):
    return (pair, quantity, machine, "×", value, nan, nan, 0)


def accuracy(value, low=nan, high=nan, seeds=3, pair="p, CIFAR-10"):
    return (pair, "test accuracy", "", "points", value, low, high, seeds)


def costs(*rows):
    return sentences(answer.costs(pd.DataFrame(rows, columns=RATIOS)))


@pytest.mark.parametrize(
    ("quantity", "value", "sentence"),
    [
        ("weights", 0.497, "Weights: 2.0 times fewer in p (CIFAR-10)."),
        ("weights", 2.0, "Weights: 2.0 times more in p (CIFAR-10)."),
        ("mult-adds", 0.1152, "Arithmetic: 8.7 times less in p (CIFAR-10)."),
        ("mult-adds", 2.526, "Arithmetic: 2.5 times more in p (CIFAR-10)."),
        ("memory of a training step", 3.66, "Training memory: 3.7 times more in p (CIFAR-10)."),
        ("training time", 0.25, "Training time: 4.0 times faster in p (CIFAR-10)."),
        ("inference time", 2.5, "Inference time: 2.5 times slower in p (CIFAR-10)."),
        ("weights", 1.04, "Weights: about the same in p (CIFAR-10)."),
        ("weights", 0.96, "Weights: about the same in p (CIFAR-10)."),
        ("weights", 0.002, "Weights: 500 times fewer in p (CIFAR-10)."),
        ("energy", 0.5, "Energy: 2.0 times less in p (CIFAR-10)."),
    ],
)
def test_a_ratio_below_one_is_less_and_one_above_is_more(quantity, value, sentence):
    assert costs(ratio(value, quantity))[0] == sentence


def test_pairs_of_which_the_same_is_said_stand_together():
    found = {"p, CIFAR-10": 0.5, "q, CIFAR-10": 0.11494, "q, CIFAR-100": 0.11521, "r, CIFAR-10": 0.115}
    assert costs(*(ratio(value, pair=pair) for pair, value in found.items()))[0] == (
        "Weights: 2.0 times fewer in p (CIFAR-10); 8.7 times fewer in q (CIFAR-10 and CIFAR-100) and r (CIFAR-10)."
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((2.5, 4.3), "2.5 to 4.3 times slower"),
        ((0.25, 0.5), "2.0 to 4.0 times faster"),
        ((0.5, 2.0), "from 2.0 times faster to 2.0 times slower"),
        ((2.51, 2.54), "2.5 times slower"),
    ],
)
def test_several_machines_give_a_range(values, words):
    rows = [ratio(value, "training time", machine=f"CPU {number}") for number, value in enumerate(values)]
    assert costs(*rows)[0] == f"Training time: {words} in p (CIFAR-10). Measured on CPU 0; CPU 1."


def test_what_is_not_there_is_said_to_be_untested():
    rows = [
        ratio(0.5, "training time", machine="CPU"),
        ratio(nan, "weights"),
        accuracy(nan, seeds=0, pair="q, CIFAR-10"),
    ]
    assert costs(*rows) == [
        "Training time: 2.0 times faster in p (CIFAR-10). Not known yet: q (CIFAR-10). Measured on CPU.",
        "Weights: Not known yet: p (CIFAR-10) and q (CIFAR-10).",
        "Accuracy: Not known yet: p (CIFAR-10) and q (CIFAR-10).",
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (accuracy(3.13, -1.62, 7.87), "undecided (+3.1 ± 4.7 points, 3 seeds)"),
        (accuracy(-0.5, -1.0, 0.0), "undecided (−0.5 ± 0.5 points, 3 seeds)"),
        (accuracy(2.0, 1.0, 3.0, seeds=4), "higher (+2.0 ± 1.0 points, 4 seeds)"),
        (accuracy(-2.0, -3.0, -1.0), "lower (−2.0 ± 1.0 points, 3 seeds)"),
        (accuracy(2.0, seeds=1), "undecided (+2.0 points with 1 seed, too few for an interval)"),
    ],
)
def test_accuracy_is_undecided_where_the_interval_includes_zero(row, words):
    assert costs(row) == [f"Accuracy: {words} in p (CIFAR-10)."]


@pytest.mark.parametrize(
    ("delta", "low", "high", "words"),
    [
        (1.0, 0.7, 1.3, "separable networks are ahead (+1.0 ± 0.3 points)"),
        (-1.0, -1.3, -0.7, "separable networks are behind (−1.0 ± 0.3 points)"),
        (0.5, -0.2, 1.2, "undecided (+0.5 ± 0.7 points)"),
        (0.2, 0.1, 0.3, "no difference that matters (+0.2 ± 0.1 points)"),
        (1.0, nan, nan, "undecided (+1.0 points, too few seeds for an interval)"),
    ],
)
def test_at_equal_cost(delta, low, high, words):
    frame = pd.DataFrame([("mult-adds", delta, low, high, 0.5)], columns=["what", "delta", "low", "high", "margin"])
    assert sentences(answer.at_equal_cost(frame)) == [f"At equal mult-adds: {words}."]
    assert sentences(answer.at_equal_cost(frame[:0])) == ["At equal cost: not tested yet."]


def test_names_of_machines_and_pairs_stay_text():
    frame = pd.DataFrame([ratio(2.0, "training time", f"{EVIL}, x", EVIL)], columns=RATIOS)
    deltas = pd.DataFrame([(EVIL, 1.0, 0.7, 1.3, 0.5)], columns=["what", "delta", "low", "high", "margin"])
    for html in (answer.costs(frame), answer.at_equal_cost(deltas)):
        assert EVIL in sentences(html)[0]
        assert "<img" not in html.text


TRAINED, UNTRAINED = (claim(Within((Quantity("test_accuracy", name),), 92, 94), "value") for name in "ab")
COUNTED = claim(Equal(Quantity("num_params", "counted"), 1), "exact")
TIMED = claim(higher("latency_4", of="a", than="b"), "order")
INTERNAL = claim(consistent(Agreement(Number("here", 1), Number("there", 2))), "internal")


def text_of(html):
    return BeautifulSoup(html.text, "html.parser").p.text


def test_what_the_judged_claims_rest_on():
    judged = judge(paper_of(TRAINED, TRAINED, UNTRAINED, INTERNAL), Results(runs=runs_of(A, (93.0, 93.1, 92.9))))
    assert text_of(answer.support(judged)) == (
        "Of the 3 judged claims, 2 rest on training at the paper’s own schedule and 1 on what the paper says in two "
        "places."
    )
    counted = judge(paper_of(COUNTED), Results(costs=(cost_of(COUNTED_NETWORK),)))
    assert text_of(answer.support(counted)) == (
        "Of the 1 judged claims, 0 rest on training at the paper’s own schedule and 1 on counts."
    )


def test_times_that_were_only_measured_are_no_training():
    (timed,) = judge(paper_of(TIMED), Results())
    assert text_of(answer.support([replace(timed, verdict=Verdict.REPRODUCED)])) == (
        "Of the 1 judged claims, 0 rest on training at the paper’s own schedule and 1 on measured times."
    )


def test_what_is_missing():
    judged = judge(paper_of(UNTRAINED, TRAINED, INTERNAL), Results(runs=(run_of(A, 0),)))
    absent = [Run("p", A, Budget.PAPER, seed) for seed in range(3)]
    known = {EVIL: {"x": 3600.0, "y": 5400.0}, "fast": {"x": 3600.0}}
    assert text_of(answer.missing(judged, absent, known)) == (
        f"1 of 3 claims are not tested yet. Missing: 3 runs, of which 2 would take about 2 hours on {EVIL}; and times "
        "from accelerators."
    )
    assert text_of(answer.missing(judged, absent, {})) == (
        "1 of 3 claims are not tested yet. Missing: 3 runs; and times from accelerators."
    )
