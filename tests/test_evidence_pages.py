"""What the pages on error rates and on training show is what was simulated and what is trained with."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.image import imread

from factories import result_of
from sepconv import papers
from sepconv.report import figures, frames, tables
from sepconv.results.records import Final
from sepconv.results.store import Results
from sepconv.spec import Budget, Run
from sepconv.training.schedule import learning_rates
from sepconv.verdicts import calibration

SHEET = Path(__file__).parents[1] / "book" / "_static" / "cifar10-examples.png"
PAPERS = {paper.key: paper for paper in papers.all_papers() if any(e.recipe for e in paper.experiments)}


@pytest.fixture(scope="module")
def cells():
    return calibration.calibrate(400, margins=(1.0, 0.0, -2.0), noises=(0.6, 1.0), seeds=(3, 5))


def cell(check="one order", shape="normal", seeds=3, margin=0.0, noise=0.6, wrong=0.02, simulations=10_000, **more):
    return {"check": check, "shape": shape, "seeds": seeds, "margin": margin, "noise": noise, "wrong": wrong,
            "simulations": simulations, "reproduced": 0.25, "inconclusive": 0.625, "not_reproduced": 0.125,
            **more}  # fmt: skip


def grid(html):
    """The cells of a table's rows, headings among them."""
    soup = BeautifulSoup(html._repr_html_(), "html.parser")
    return [[c.get_text(" ", strip=True) for c in row.find_all(["th", "td"])] for row in soup.find_all("tr")]


# --- error rates -----------------------------------------------------------------------------------------------------


def test_worst_is_the_line_with_the_highest_rate():
    frame = pd.DataFrame(
        [cell(wrong=0.02), cell(wrong=0.04, noise=1.0), cell(seeds=5, wrong=0.01), cell("b", wrong=0.5)]
    )
    worst = calibration.worst(frame).set_index(["check", "seeds"])
    assert worst["wrong"].to_dict() == {("one order", 3): 0.04, ("one order", 5): 0.01, ("b", 3): 0.5}
    assert worst.loc[("one order", 3), "noise"] == 1.0
    assert worst.loc[("b", 3), "error"] == pytest.approx(0.005)  # √(0.5 · 0.5 / 10,000)


def test_table_of_rates():
    html = tables.calibration_table(pd.DataFrame([cell(margin=-2.0), cell("three orders", margin=0.0, wrong=0.125)]))
    _, first, *rest = grid(html)
    assert first == ["one order"]
    assert rest == [
        ["−2", "3", "25.0", "62.5", "12.5", "2.0"],
        ["three orders"],
        ["0", "3", "25.0", "62.5", "12.5", "12.5"],
    ]
    assert "10,000 simulated" in html._repr_html_()


def test_table_of_the_policy_says_how_many_seeds_it_takes():
    html = tables.policy_table(pd.DataFrame([cell(margin=-2.0, seeds=10, mean_seeds=3.25)]))
    head, check, row = grid(html)
    assert head[1] == "mean seeds"
    assert check == ["one order"]
    assert row == ["−2", "3.2", "25.0", "62.5", "12.5", "2.0"]


def test_table_of_wrong_rates_has_a_column_for_each_number_of_seeds():
    rates = {("normal", 10): 0.03, ("normal", 3): 0.01, ("skewed", 3): 0.06, ("skewed", 10): 0.07}
    frame = pd.DataFrame([cell(shape=shape, seeds=seeds, wrong=wrong) for (shape, seeds), wrong in rates.items()])
    assert grid(tables.wrong_rates_table(calibration.worst(frame))) == [
        ["noise", "3 seeds", "10 seeds"],
        ["one order"],
        ["normal", "1.0", "3.0"],
        ["skewed", "6.0", "7.0"],
    ]


def test_bars_are_the_rates_and_fill_the_hundred(cells):
    shown = cells[cells["noise"] == 0.6]
    picture = figures.verdict_rates(shown)
    assert [axes.get_title("left") for axes in picture.axes] == list(calibration.CHECKS)
    for axes, check in zip(picture.axes, calibration.CHECKS, strict=True):
        part = shown[shown["check"] == check]
        bars = sorted(axes.patches, key=lambda bar: (round(bar.get_x()), bar.get_y()))
        heights, tops = (
            np.array([number(bar) for bar in bars]).reshape(-1, 3).T
            for number in (lambda bar: bar.get_height(), lambda bar: bar.get_y() + bar.get_height())
        )
        assert np.allclose(heights, 100 * part[["reproduced", "inconclusive", "not_reproduced"]].to_numpy().T)
        assert np.allclose(tops, heights.cumsum(axis=0))
        assert np.allclose(tops[-1], 100)
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["3", "5"] * 3
        (groups,) = axes.child_axes
        assert [tick.get_text() for tick in groups.get_xticklabels()] == ["true by 1", "on the limit", "false by 2"]


def test_power_has_a_panel_for_each_noise():
    frame = pd.concat([frames.power([1, 2], noise, [3, 5], simulations=50) for noise in (1.0, 0.3)])
    low, high = figures.power(frame).axes
    assert (low.get_title("left"), high.get_title("left")) == (
        "standard deviation over seeds: 0.3 points",
        "standard deviation over seeds: 1 point",
    )
    expected = 100 * frame[(frame["noise"] == 1) & (frame["margin"] == 2)]["decided"]
    assert list(high.lines[1].get_ydata()) == list(expected)


def test_seed_noise_is_the_deviation_over_three_seeds_or_more():
    paper, runs = PAPERS["tseng2020"], []
    for name, accuracies in {"conv": (70, 71, 75), "dsc": (80, 81)}.items():
        for seed, accuracy in enumerate(accuracies):
            result = result_of(Run(paper.key, paper.experiment(name), Budget.SHORT, seed))
            final = Final(train_accuracy=50, val_accuracy=50, test_accuracy=accuracy, test_loss=1)
            runs.append(result.model_copy(update={"final": final}))
    frame = frames.seed_noise(paper, Results(runs=tuple(runs)), [Budget.PAPER, Budget.SHORT])
    assert frame.to_dict("records") == [
        {
            "paper": "tseng2020",
            "experiment": "conv",
            "budget": "short",
            "seeds": 3,
            "deviation": pytest.approx(7**0.5),
        }
    ]


# --- learning rates --------------------------------------------------------------------------------------------------


def test_named_points_are_those_that_the_papers_state():
    def points(key):
        named = frames.learning_rates(PAPERS[key]).query("named")
        return {label: list(part["learning_rate"]) for label, part in named.groupby("schedule", sort=False)}

    assert list(points("tseng2020").values()) == [pytest.approx([1e-3, 1e-3])]
    assert list(points("islam2022").values()) == [pytest.approx([1e-5, 0.01, 5e-5])]
    yu = points("yu2021")
    assert yu["cifar100-dw: 270 epochs"] == pytest.approx([0.0125, 0.0125 * 0.99**269])
    assert len(yu) == 4


def test_every_epoch_starts_at_the_rate_that_is_trained_with():
    paper = PAPERS["islam2022"]
    frame = frames.learning_rates(paper)
    recipe = paper.experiment("small").recipe
    curve = frame[frame["schedule"].str.startswith("small ")]
    by_step = learning_rates(recipe, recipe.epochs, 98)  # 50,000 images in batches of 512
    assert list(curve["learning_rate"][:-1]) == list(by_step[:, 0])
    assert curve["learning_rate"].iloc[-1] == by_step[-1, -1]
    assert curve.query("named")["epoch"].tolist() == pytest.approx([0, 5, 300 - 1 / 98])


def test_every_trained_experiment_is_counted_into_a_schedule():
    for paper in PAPERS.values():
        labels = frames.learning_rates(paper)["schedule"].unique()
        trained = [e for e in paper.experiments if e.recipe]
        more = [re.search(r" and (\d+) more:", label) for label in labels]
        shown = len(labels) + sum(int(found[1]) for found in more if found)
        assert shown == len(trained)


def test_named_points_are_marked():
    frame = frames.learning_rates(PAPERS["islam2022"])
    axes = figures.learning_rates(frame).axes[0]
    marked = [tuple(point) for points in axes.collections for point in points.get_offsets()]
    assert marked == list(frame.loc[frame["named"], ["epoch", "learning_rate"]].itertuples(index=False, name=None))


# --- images ----------------------------------------------------------------------------------------------------------


def test_the_sheet_holds_the_first_training_image_of_each_class(cifar10):
    images = np.stack(np.split(imread(SHEET), 10, axis=1))
    train = cifar10.train
    first = [np.flatnonzero(train.labels == label)[0] for label in range(10)]
    assert np.array_equal(np.round(255 * images), train.pixels[first])


def test_photographs_are_shown_pixel_by_pixel_and_as_png():
    images = np.random.default_rng(0).random((3, 4, 4, 3), np.float32)
    picture = figures.photographs({"one": images, "two": 1 - images})
    one, two = picture.axes
    assert [axes.get_ylabel() for axes in (one, two)] == ["one", "two"]
    shown = one.images[0].get_array()
    assert np.array_equal(shown[:, 4:8], images[1])
    assert np.array_equal(two.images[0].get_array(), 1 - shown)
    assert picture._repr_svg_() is None
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert picture._repr_png_() == picture._repr_png_()
