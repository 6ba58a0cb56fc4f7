"""What pages share: which runs a verdict needs, and what is missing of them."""

import pytest
from bs4 import BeautifulSoup

from factories import result_of
from sepconv import pages
from sepconv.measures import MIN_SEEDS
from sepconv.papers import paper
from sepconv.results import Results
from sepconv.spec import Budget

TSENG = paper("tseng2020")
WANTED = pages.needed([TSENG], "smoke")


def test_a_verdict_needs_some_seeds_of_every_experiment():
    assert {run.budget for run in WANTED} == {Budget.SMOKE}
    assert [run.seed for run in WANTED if run.experiment.name == "conv"] == list(range(MIN_SEEDS))
    assert {run.experiment.name for run in WANTED} == {e.name for e in TSENG.experiments}


def test_what_diverged_or_has_another_recipe_is_missing():
    whole = result_of(WANTED[0])
    diverged = result_of(WANTED[1]).model_copy(update={"status": "diverged", "final": None})
    other = result_of(WANTED[2]).model_copy(update={"run_id": "0" * 16})
    assert pages.missing(WANTED, Results(runs=(whole, diverged, other))) == WANTED[1:]


def test_hours_on_each_machine_where_the_speed_was_measured():
    found = Results(runs=(result_of(WANTED[0], train_seconds=1800), result_of(WANTED[1], device="gpu")))
    assert pages.hours(WANTED[:2], found) == {
        "cpu": [pytest.approx(4 / 3), None],  # two epochs, and to evaluate as many images once in each
        "gpu": [None, pytest.approx(4 / 3 / 900)],
    }


def test_a_table_of_what_is_missing_for_each_machine():
    found = Results(runs=(result_of(WANTED[0]), result_of(WANTED[1], device="gpu")))
    for results, machines in ((found, ["cpu", "gpu"]), (Results(), ["any machine"])):
        tables = BeautifulSoup(pages.missing_tables(WANTED, results).text, "html.parser").find_all("table")
        assert [table.caption.text.partition("Hours on ")[2] for table in tables] == machines


def test_nothing_is_trained_where_nothing_is_missing(tmp_path):
    assert pages.train_missing([], tmp_path) == []
