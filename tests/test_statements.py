"""What pages say in words, where numbers that are counted, measured or printed could make it wrong."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sepconv import papers
from sepconv.measuring import roofline
from sepconv.report import frames
from sepconv.results import store
from sepconv.training import campaign
from sepconv.verdicts.stats import bootstrap_interval

ROOT = Path(__file__).parents[1]
RESULTS = store.read_all(ROOT / "results")
YU = papers.paper("yu2021")
TIMES = papers.printed(YU, "times")
CONV, DW = (RESULTS.cost_of("yu2021", f"cifar10-{name}") for name in ("conv", "dw"))


def ratio_of(metric):
    row = TIMES.set_index("metric").loc[metric]
    return float(row["conv"]) / float(row["dw"])


def kinds(cost):
    return Counter(layer.type for layer in cost.layers)


# --- comparison ------------------------------------------------------------------------------------------------------


def test_only_two_papers_train_a_standard_counterpart():
    """A network is standard without depthwise convolutions; islam2022 counts such networks and trains none."""
    standard = {
        paper.key
        for paper in papers.published()
        for experiment in paper.experiments
        if experiment.recipe and not kinds(RESULTS.cost_of(paper.key, experiment.name))["DepthwiseConv2D"]
    }
    assert standard == {"tseng2020", "yu2021"}


def test_the_networks_of_yu2021_differ_in_the_kind_of_convolution_only():
    conv, dw = kinds(CONV), kinds(DW)
    assert conv["DepthwiseConv2D"] == 0
    assert dw["DepthwiseConv2D"] == conv["Conv2D"]  # each in the place of one
    assert dw["BatchNormalization"] == conv["BatchNormalization"] + conv["Conv2D"]
    assert {k: n for k, n in conv.items() if n == 1} == {k: n for k, n in dw.items() if n == 1}


def test_conv_of_tseng2020_has_no_batch_norm_and_few_layers():
    conv, dsc = (RESULTS.cost_of("tseng2020", name) for name in ("conv", "dsc"))
    assert kinds(conv)["BatchNormalization"] == 0
    assert conv.weighted_layers < dsc.weighted_layers / 3


def test_the_roofline_promises_more_than_was_measured():
    points = frames.roofline_ratios(CONV, DW, (CONV.batch_size, 4), [1.0], RESULTS, TIMES)
    measured = points[points["source"].str.startswith("measured")]
    assert len(measured)
    for row in measured.itertuples():
        assert row.ratio < roofline.time_ratio(CONV, DW, row.batch_size, row.balance)


def test_at_high_balance_the_roofline_has_the_order_of_batch_sizes_reversed():
    for balance in np.geomspace(100, 1000, 5):
        assert roofline.time_ratio(CONV, DW, 4, balance) > roofline.time_ratio(CONV, DW, CONV.batch_size, balance)
    assert ratio_of("latency_4") < 1 < ratio_of("latency_256")


# --- papers ----------------------------------------------------------------------------------------------------------


def test_yu2021_reports_shorter_epochs_and_a_longer_training_of_the_separable_network():
    assert ratio_of("epoch_seconds") > 1 > ratio_of("total_seconds")
    page = (ROOT / "notebooks" / "yu2021.py").read_text()
    assert "but longer training in total" in " ".join(page.replace("\n# ", " ").split())


def test_small_and_medium_of_islam2022_are_called_fitted_and_large_is_not():
    fitted = {claim.id for claim in papers.paper("islam2022").claims if claim.fitted and "flops" in claim.id}
    assert fitted == {"islam2022.flops-small", "islam2022.flops-medium"}


# --- methods and rerun -----------------------------------------------------------------------------------------------


def test_gradients_are_within_what_their_test_allows():
    errors = pd.read_csv(ROOT / "book" / "_static" / "gradient-errors.csv")
    allowed = 100 * float(re.search(r"^CLOSE = (\S+)", (ROOT / "tests/test_whole_gradients.py").read_text(), re.M)[1])
    now = pd.to_numeric(errors["now"], errors="coerce").dropna()
    assert len(now) == errors.iloc[:, 0].str.partition(",")[0].nunique()
    assert (now <= allowed).all()
    assert (pd.to_numeric(errors["before"]) > allowed).all()


def test_bootstrap_of_three_seeds_covers_about_seven_of_ten():
    samples = np.random.default_rng(0).normal(size=(200, 3))
    intervals = [bootstrap_interval(list(sample), random_state=0, resamples=999) for sample in samples]
    assert np.mean([i.low <= 0 <= i.high for i in intervals]) == pytest.approx(0.71, abs=0.08)


def test_exit_codes_are_those_of_the_program():
    table = dict(re.findall(r"^\| `(\d)` \| (.*) \|$", (ROOT / "book" / "rerun.md").read_text(), re.M))
    assert "stopped" in table[str(campaign.STOPPED)]
    assert "another process" in table[str(campaign.BUSY)]
    assert set(table) == {*"012", str(campaign.STOPPED), str(campaign.BUSY)}
