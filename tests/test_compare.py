"""A re-runner's folder beside ours: in what order, held against what, and what is left out, from store to page."""

import sys
from dataclasses import asdict, replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup

from factories import A, B, claim, cost_of, paper_of, result_of, run_of, runs_of, timed
from sepconv import cli, papers
from sepconv.report import build, gates, markup, tables, terminal
from sepconv.report.terminal import comparison_lines
from sepconv.results import store
from sepconv.results.store import Results
from sepconv.spec import Agreement, Budget, Consistent, Equal, Number, Pair, Quantity, RatioWithin, Run, Within, higher
from sepconv.verdicts import compare, samples, stats

INSIDE, OUTSIDE = (93.0, 93.1, 92.9), (90.0, 90.1, 89.9)  # of ACCURACY
ACCURACY = Within((Quantity("test_accuracy", "a"),), 92, 94)
TIMES = RatioWithin(Pair(Quantity("epoch_seconds", "a"), Quantity("epoch_seconds", "b")), 0, 9)
VALUE = paper_of(claim(ACCURACY, "value"))


def only_row(check, kind, ours, theirs=Results()):  # noqa: B008 - frozen
    (comparison,) = compare.compare(paper_of(claim(check, kind)), ours, theirs)
    (row,) = comparison.rows
    return row


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_a_changed_verdict_comes_first():
    paper = paper_of(claim(higher("test_accuracy", of="a", than="b"), "order"), claim(ACCURACY, "value"))
    base = runs_of(B, (50.0, 51.0, 52.0))
    found = (Results(runs=runs_of(A, accuracies) + base) for accuracies in (INSIDE, OUTSIDE))
    first, second = compare.compare(paper, *found)
    assert (first.claim.check, first.changed, second.changed) == (ACCURACY, True, False)


def test_values_are_held_against_the_interval_of_one_more_run():
    theirs = (89.0, 92.8, 89.1)
    row = only_row(ACCURACY, "value", *(Results(runs=runs_of(A, values)) for values in (INSIDE, theirs)))
    assert row.expected == stats.prediction_interval(INSIDE)
    assert (row.theirs, row.as_expected) == (theirs, 1)


def test_ratios_are_held_against_it_as_ratios():
    ours = Results(runs=timed(A, (18, 40, 38)) + timed(B, (10, 20, 20)))
    theirs = Results(runs=timed(A, (19, 90, 20)) + timed(B, (10, 10, 10)))
    row = only_row(TIMES, "ratio", ours, theirs)
    logs = stats.prediction_interval(np.log((1.8, 2, 1.9)))
    assert (row.expected.low, row.expected.high) == pytest.approx((np.exp(logs.low), np.exp(logs.high)))
    assert row.theirs == pytest.approx((1.9, 9, 2))
    assert row.as_expected == 2


def test_smaller_budgets_are_compared_too():
    accuracies = ((50.0, 51.0, 52.0), (51.5,))
    (comparison,) = compare.compare(
        VALUE, *(Results(runs=runs_of(A, values, budget=Budget.SHORT)) for values in accuracies)
    )
    assert not comparison.changed
    (row,) = comparison.rows
    assert (row.budget, row.theirs, row.as_expected) == (Budget.SHORT, (51.5,), 1)


@pytest.mark.parametrize("accuracies", [(93.0,), (93.0, 93.0, 93.0)])
def test_from_one_run_and_from_equal_ones_nothing_is_expected(accuracies):
    row = only_row(ACCURACY, "value", *(Results(runs=runs_of(A, accuracies)),) * 2)
    assert (row.expected, row.as_expected) == (None, None)


def test_no_accuracy_is_expected_outside_of_0_and_100():
    row = only_row(ACCURACY, "value", Results(runs=runs_of(A, (10.0, 90.0))))
    assert (row.expected.low, row.expected.high) == (0, 100)
    row = only_row(higher("test_accuracy", of="a", than="b"), "order",
                   Results(runs=runs_of(A, (10.0, 90.0)) + runs_of(B, (50, 50))))  # fmt: skip
    assert row.expected.low < -100


def test_counts_are_equal_or_not_and_stand_at_one_budget():
    ours, theirs = (Results(costs=(cost_of(A, num_params=n),)) for n in (5, 6))
    check = Equal(Quantity("num_params", "a"), 5)
    assert only_row(check, "exact", ours, ours).as_expected == 1
    row = only_row(check, "exact", ours, theirs)
    assert (row.budget, row.exact, row.expected, row.as_expected) == (Budget.PAPER, True, None, 0)


def test_the_papers_own_numbers_are_no_rows():
    check = Consistent((Agreement(Number("x", 1), Number("y", 1)),))
    (comparison,) = compare.compare(paper_of(claim(check, "internal")), Results(), Results())
    assert comparison.rows == ()


def test_against_nobody_it_says_what_to_expect():
    ours = Results(runs=runs_of(A, INSIDE), costs=(cost_of(A),))
    paper = paper_of(claim(ACCURACY, "value"), claim(Equal(Quantity("num_params", "a"), 100), "exact"))
    value, count = compare.compare(paper, ours, Results())
    assert (value.shared, count.rows) == ((), ())
    assert [row.expected for row in value.predicted] == [stats.prediction_interval(INSIDE)]


def test_one_budget_that_cannot_be_read_hides_no_other():
    zero = {"history": [asdict(e) | {"train_seconds": 0} for e in run_of(B, 0).history]}
    reduced = (run_of(A, 0, budget=Budget.SHORT), run_of(B, 0, budget=Budget.SHORT))
    ours = Results(runs=(run_of(A, 0), run_of(B, 0, **zero), *reduced))
    assert only_row(TIMES, "ratio", ours, ours).budget is Budget.SHORT


def test_who_ran_one_of_two_networks_has_that_one_compared():
    check = higher("test_accuracy", of="a", than="b")
    ours, theirs = Results(runs=runs_of(A, INSIDE) + runs_of(B, (80, 82))), Results(runs=(run_of(B, 7, 81.5),))
    (comparison,) = compare.compare(paper_of(claim(check, "order")), ours, theirs)
    (row,) = comparison.shared
    assert (row.label, row.ours, row.theirs, row.as_expected) == ("test accuracy of b", (80, 82), (81.5,), 1)
    assert [row.label for row in comparison.predicted if not row.theirs] == ["test accuracy, a − b"]


def test_seconds_of_one_network_alone_are_not_compared():
    ours = Results(runs=timed(A, (1, 2, 3)) + timed(B, (1, 1, 2)))
    (comparison,) = compare.compare(paper_of(claim(TIMES, "ratio")), ours, Results(runs=timed(A, (1, 2, 3))))
    assert comparison.shared == ()


def test_another_grade_of_evidence_is_named_where_they_have_some():
    order = paper_of(claim(higher("test_accuracy", of="a", than="b"), "order"))
    direct = Results(runs=runs_of(A, (70, 71, 72)) + runs_of(B, (60, 61, 62.5)))
    shortened = [
        run
        for budget in (Budget.SHORT, Budget.DOUBLE)
        for run in runs_of(A, (60, 61, 62), budget=budget) + runs_of(B, (70, 71, 72.5), budget=budget)
    ]
    for theirs, lines in (
        (Results(runs=tuple(shortened)), ["p.claim-0: evidence direct here, indicated not as claimed there"]),
        (direct, []),
        (Results(), []),
    ):
        compared = compare.compare(order, direct, theirs)
        assert [line for line in comparison_lines(compared, ()) if "evidence" in line] == lines
        assert not any(c.changed for c in compared)


# --- what is left out ------------------------------------------------------------------------------------------------


def test_what_is_not_compared_is_named_with_the_reason():
    ours = Results(runs=runs_of(A, INSIDE))
    bfloat16 = replace(A, recipe=replace(A.recipe, precision="bfloat16"))
    theirs = Results(
        runs=(
            run_of(A, 5),
            run_of(A, 6, data_sha256="cd" * 32),
            run_of(bfloat16, 7, budget=Budget.SHORT),
            run_of(A, 8, status="diverged", final=None, history=[]),
            run_of(A, 9, paper="q", data_sha256="cd" * 32),
        ),
        costs=(cost_of(A).model_copy(update={"network": {"builder": "nets.b", "options": {}}}),),
    )
    assert compare.set_aside(paper_of(), ours, theirs) == (
        "p/a/paper-seed-6 (other data than ours)",
        "p/a/cost (other network)",
        "p/a/short-seed-7 (other precision)",
        "p/a/paper-seed-8 (its loss became NaN)",
    )


def test_runs_on_other_images_than_ours_do_not_count_for_them():
    ours = Results(runs=runs_of(A, INSIDE))
    (comparison,) = compare.compare(VALUE, ours, Results(runs=runs_of(A, OUTSIDE, data_sha256="cd" * 32)))
    assert (comparison.theirs.runs, comparison.changed) == ((), False)
    (alone,) = compare.compare(VALUE, Results(), Results(runs=runs_of(A, OUTSIDE, data_sha256="cd" * 32)))
    assert len(alone.theirs.runs) == 3  # ours has no images to be other than


def test_a_result_of_no_experiment_is_named():
    found = Results(runs=(run_of(A, 0), run_of(A, 1, paper="q"), run_of(replace(A, name="z"), 2)))
    assert samples.unknown_results([paper_of()], found) == (
        "q/a/paper-seed-1.json: expected an experiment of a paper here, got a of q; it counts for nothing",
        "p/z/paper-seed-2.json: expected an experiment of a paper here, got z of p; it counts for nothing",
    )


# --- tables ----------------------------------------------------------------------------------------------------------

ORDER = claim(higher("test_accuracy", of="a", than="b"), "order")
MANY = paper_of(
    claim(ACCURACY, "value"),
    ORDER,
    ORDER,
    claim(Equal(Quantity("num_params", "a"), 100), "exact"),
    claim(Equal(Quantity("mult_adds", "a"), 100), "exact"),
    claim(Consistent((Agreement(Number("x", 1), Number("y", 1)),)), "internal"),
    claim(Within((Quantity("test_accuracy", "c"),), 92, 94), "value"),
)
OURS = Results(runs=runs_of(A, INSIDE) + runs_of(B, (60.0, 60.4)), costs=(cost_of(A),))
THEIRS = Results(runs=runs_of(A, OUTSIDE) + runs_of(B, (56.9,)), costs=(cost_of(A, num_params=101),))


def cells(html, selector="table"):
    """The texts of each row of the tables that are selected."""
    rows = (row for found in BeautifulSoup(html.text, "html.parser").select(selector) for row in found("tr"))
    return [[c.get_text(" ", strip=True).replace("\u00a0", " ") for c in row.find_all(["th", "td"])] for row in rows]


def both(paper, ours, theirs):
    return [(paper, compare.compare(paper, ours, theirs))]


def test_changed_verdicts_have_the_numbers_of_both():
    assert cells(tables.changed_table(both(MANY, OURS, THEIRS)))[1:] == [
        ["p"],
        [
            "claim-0 (paper: 93 %)",
            "✓ reproduced test accuracy of a: 93.00 ± 0.25 % (n = 3; bootstrap 92.90 to 93.10)",
            "✗ not reproduced test accuracy of a: 90.00 ± 0.25 % (n = 3; bootstrap 89.90 to 90.10)",
        ],
        [
            "claim-3 (paper: 93 %)",
            "✓ reproduced parameters of a: 100 parameters",
            "✗ not reproduced parameters of a: 101 parameters",
        ],
    ]
    assert "No verdict changed" in tables.changed_table(both(MANY, OURS, OURS)).text


def test_each_number_stands_once_with_its_claims_and_equal_counts_are_folded():
    ((_, compared),) = both(MANY, OURS, THEIRS)
    html = tables.compared_table(MANY, compared)
    assert cells(html, ".sc-scroll:not(details *) table") == [
        ["number", "ours", "theirs", "one more run of ours"],
        ["budget paper"],
        [
            "test accuracy of a (%) claim-0 (paper: 93 %)",
            "92.90, 93.00, 93.10",
            "89.90, 90.00, 90.10",
            "92.50 to 93.50 0 of 3 in it",
        ],
        ["parameters of a claim-3 (paper: 93 %)", "100", "101", "0 of 1 equal"],
        [
            "test accuracy, a − b (points) claim-1 (paper: 93 %) claim-2 (paper: 93 %)",
            "32.70, 33.00",
            "33.10",
            "29.55 to 36.15 1 of 1 in it",
        ],
    ]
    assert cells(html, "details table")[2:] == [["mult-adds of a claim-4 (paper: 93 %)", "100", "100"]]
    soup = BeautifulSoup(html.text, "html.parser")
    assert [row.a.text for row in soup.select("tr.sc-differs")] == ["claim-0", "claim-3"]
    assert soup.caption.text == "p: 4 numbers in both"


def test_a_row_is_marked_where_one_value_of_several_is_outside():
    theirs = Results(runs=runs_of(A, (93.0, 89.0)))
    html = tables.compared_table(VALUE, compare.compare(VALUE, Results(runs=runs_of(A, INSIDE)), theirs))
    (row,) = BeautifulSoup(html.text, "html.parser").select("tr.sc-differs")
    assert "1\u00a0of\u00a02 in\u00a0it" in row.text


def test_of_many_claims_on_one_number_the_first_are_named():
    paper = paper_of(*5 * [claim(ACCURACY, "value")])
    row = cells(tables.expected_table(paper, compare.compare(paper, Results(runs=runs_of(A, INSIDE)), Results())))[2]
    shown = " ".join(f"claim-{i} (paper: 93 %)" for i in range(3))
    assert row[0] == f"test accuracy of a (%) {shown} and 2 other claims"


def test_nothing_in_both_is_said():
    html = tables.compared_table(MANY, compare.compare(MANY, OURS, Results()))
    assert BeautifulSoup(html.text, "html.parser").get_text(strip=True) == "p: nothing in both"


def test_what_to_expect_is_a_row_a_number():
    ((_, compared),) = both(MANY, OURS, Results())
    assert cells(tables.expected_table(MANY, compared))[2:] == [
        ["test accuracy of a (%) claim-0 (paper: 93 %)", "92.90, 93.00, 93.10", "92.50 to 93.50"],
        ["test accuracy, a − b (points) claim-1 (paper: 93 %) claim-2 (paper: 93 %)", "32.70, 33.00", "29.55 to 36.15"],
    ]
    assert "too few runs" in tables.expected_table(MANY, compare.compare(MANY, Results(), Results())).text


def test_many_values_are_a_range():
    ours = Results(runs=runs_of(A, (93.0, 93.2, 92.9, 93.1)))
    row = cells(tables.expected_table(VALUE, compare.compare(VALUE, ours, Results())))[2]
    assert row[1] == "92.90 to 93.20 (n = 4)"


def test_what_is_not_compared_says_why():
    def reasons(theirs, given):
        html = tables.idle_claims(both(MANY, OURS, theirs), given)
        return [item.text for item in BeautifulSoup(html.text, "html.parser")("li")]

    own = "p.claim-5: the paper’s own numbers, nothing to run"
    assert reasons(THEIRS, True) == [own, "p.claim-6: results missing: 3 in ours, 3 in theirs"]
    assert reasons(Results(), False) == [
        "p.claim-3: counted, has to be equal",
        "p.claim-4: counted, has to be equal",
        own,
        "p.claim-6: 3 results missing at the paper’s budget",
    ]


def test_left_out():
    assert cells(tables.left_out_table(["x (other data)"]))[1:] == [["x (other data)"]]
    assert "Every result of the other folder" in tables.left_out_table([]).text


def test_nothing_of_the_other_folder_becomes_html():
    evil = "<img src=x onerror=alert(1)>"
    assert not BeautifulSoup(tables.left_out_table([evil]).text, "html.parser").find_all("img")


def test_the_terminal_lists_a_changed_verdict_first_of_all_papers():
    same = compare.compare(VALUE, OURS, OURS)
    changed = compare.compare(replace(VALUE, claims=(replace(claim(ACCURACY, "value"), id="p.y"),)), OURS, THEIRS)
    lines = list(terminal.comparison_lines([*same, *changed], ["x (other data)"]))
    assert lines[0] == "p.y: reproduced here, not reproduced there"
    assert [line.split()[0] for line in lines[1:4]] == ["the", "ours:", "theirs:"]
    assert lines[-1] == "not compared: x (other data)"


# --- as a re-runner would --------------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[1]
CHANGED = "tseng2020.train-dsc-higher"  # the first of its page


@pytest.fixture
def folders(tmp_path):
    """Ours, in which dsc is ahead of conv, and theirs, in which it is behind and one file is damaged.

    The first paper has the same numbers in both.
    """
    tseng, small = papers.paper("tseng2020"), papers.paper("islam2022").experiment("small")
    for name, ahead in {"ours": 9.0, "theirs": -9.0}.items():
        for seed in range(3):
            store.write(tmp_path / name, result_of(Run("islam2022", small, Budget.PAPER, seed), accuracy=90 + seed))
            for experiment, accuracy in {"conv": 70 + seed, "dsc": 70 + ahead + seed / 2}.items():
                run = Run("tseng2020", tseng.experiment(experiment), Budget.PAPER, seed)
                store.write(tmp_path / name, result_of(run, accuracy=accuracy))
    store.write(tmp_path / "theirs", result_of(Run("tseng2020", tseng.experiment("da-conv"), Budget.PAPER, 0)))
    store.path_of(tmp_path / "theirs", "tseng2020/da-conv/paper-seed-0").write_text("{")
    return tmp_path / "ours", tmp_path / "theirs"


def test_comparing_two_folders_in_the_terminal(folders, monkeypatch, capsys):
    ours, theirs = map(str, folders)
    monkeypatch.setattr(sys, "argv", ["sepconv", "compare", theirs, "--results", ours])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    assert ended.value.code == 1
    assert shown.out.startswith(f"{CHANGED}: reproduced here, not reproduced there\n")
    assert "[paper] test accuracy of Small in %: ours 90.00, 91.00, 92.00; theirs 90.00, 91.00, 92.00; one" in shown.out
    assert shown.err.startswith("tseng2020/da-conv/paper-seed-0.json: expected a JSON file")
    assert shown.err.count("\n") == 1


@pytest.mark.slow
def test_the_page_of_two_folders(folders, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "yours.py").write_text((ROOT / "notebooks" / "yours.py").read_text())
    ours, theirs = map(str, folders)
    (page,) = build.execute(tmp_path, {"results_dir": ours, "theirs_dir": theirs})
    assert list(gates.notebook_faults(tmp_path)) == []
    outputs = [o for cell in nbformat.read(page, as_version=4).cells for o in cell.get("outputs", ())]
    html = [markup.Html(output.data["text/html"]) for output in outputs if "text/html" in output.get("data", {})]
    _, paper, first, *_ = cells(html[0])
    assert paper == ["tseng2020"]
    assert first[0].startswith(CHANGED.removeprefix("tseng2020.") + " (paper: ")
    assert cells(html[-1])[1][0].startswith("tseng2020/da-conv/paper-seed-0.json: expected a JSON file")
    store.write(folders[1], result_of(Run("tseng2020", papers.paper("tseng2020").experiment("dsc"), Budget.PAPER, 3)))
    assert "stale" in "\n".join(gates.notebook_faults(tmp_path))
