"""What pages share: the sections of a paper's page, which runs a verdict needs, and what is missing of them."""

import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise, takewhile
from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup

from factories import result_of
from sepconv.papers import all_papers, paper, published
from sepconv.report import pages
from sepconv.report.build import read_source
from sepconv.results import store
from sepconv.results.store import Results, read_all
from sepconv.spec import Budget, InputError, Run
from sepconv.training import campaign
from sepconv.verdicts.judge import judge
from sepconv.verdicts.rules import Verdict
from sepconv.verdicts.samples import MIN_SEEDS

ROOT = Path(__file__).parent.parent
RERUN, RESULTS = ROOT / "book" / "rerun.md", ROOT / "results"
TSENG = paper("tseng2020")
WANTED = pages.needed([TSENG], "smoke")


def test_a_verdict_needs_some_seeds_of_every_experiment_that_a_claim_reads():
    assert {run.budget for run in WANTED} == {Budget.SMOKE}
    assert [run.seed for run in WANTED if run.experiment.name == "conv"] == list(range(MIN_SEEDS))
    assert {run.experiment.name for run in WANTED} == {"conv", "dsc", "da-conv", "da-dsc"}  # not dsc-5, nor bfloat16
    counted = replace(TSENG, claims=tuple(c for c in TSENG.claims if c.kind == "exact"))
    assert pages.needed([counted], "smoke") == []


def test_what_diverged_or_has_another_recipe_is_missing():
    whole = result_of(WANTED[0])
    diverged = result_of(WANTED[1]).model_copy(update={"status": "diverged", "final": None})
    other = result_of(WANTED[2]).model_copy(update={"run_id": "0" * 16})
    assert pages.missing(WANTED, Results(runs=(whole, diverged, other))) == WANTED[1:]


def test_seconds_on_each_machine_where_the_speed_was_measured():
    unwanted = result_of(Run("islam2022", paper("islam2022").experiment("small"), Budget.SMOKE, 0), device="tpu")
    found = Results(runs=(result_of(WANTED[0], train_seconds=1800), result_of(WANTED[1], device="gpu"), unwanted))
    first, second = WANTED[:2]
    assert pages.seconds([first, second], found) == {
        "cpu, 2 cores": {
            first.key: pytest.approx(3600 * 4 / 3)
        },  # two epochs, and to evaluate as many images once in each
        "gpu, 2 cores": {second.key: pytest.approx(4 * 4 / 3)},
    }


def test_a_column_of_what_is_missing_for_each_machine():
    found = Results(runs=(result_of(WANTED[0]), result_of(WANTED[1], device="gpu")))
    for results, machines in ((found, ["cpu, 2 cores", "gpu, 2 cores"]), (Results(), [])):
        (table,) = BeautifulSoup(pages.missing_table(WANTED, results).text, "html.parser").find_all("table")
        headings = [heading.text for heading in table.thead.find_all("th")]
        assert headings[2:] == [f"hours on {machine}" for machine in machines]


def test_missing_runs_are_folded_below_their_number(tmp_path):
    store.write(tmp_path, result_of(WANTED[0]))
    page = pages.opening("tseng2020", str(tmp_path), "smoke", train=False)
    fold = BeautifulSoup(pages.missing_runs(page).text, "html.parser").details
    assert fold.summary.text == f"1 of {len(WANTED)} runs done"
    assert fold.table


def test_a_page_opens_with_its_paper_judged(tmp_path):
    run = WANTED[0]
    store.write(tmp_path, result_of(run))
    page = pages.opening("tseng2020", str(tmp_path), "smoke", train=False)
    assert (page.paper, page.wanted, page.budgets) == (TSENG, tuple(WANTED), (Budget.SMOKE,))
    assert [result.key for result in page.results.runs] == [run.key]
    assert [j.claim for j in page.judgements] == list(TSENG.claims)
    assert page._repr_markdown_().startswith(f"**{len(TSENG.claims)} claims: ")
    assert repr(page) == "Page of tseng2020"  # no address and no long text: executed pages are compared


def test_a_page_trains_what_is_missing_before_it_reads(tmp_path, monkeypatch, capsys):
    def run_queue(queue, folders):
        assert list(queue) == WANTED
        store.write(folders.results, result_of(WANTED[0]))
        return ["one failed"]

    monkeypatch.setattr(pages.campaign, "run_queue", run_queue)
    page = pages.opening("tseng2020", str(tmp_path), "smoke", train=True)
    assert len(page.results.runs) == 1
    assert capsys.readouterr().out == "one failed\n"


@pytest.mark.parametrize(
    ("key", "folder", "budget", "message"),
    [
        ("tseng", "", "smoke", "unknown paper"),
        ("tseng2020", "none", "smoke", "expected a folder of results"),
        ("tseng2020", "", "papr", "unknown budget"),
    ],
)
def test_a_page_of_nothing_is_one_line(key, folder, budget, message, tmp_path):
    with pytest.raises(InputError, match=message):
        pages.opening(key, str(tmp_path / folder), budget, train=False)


def test_nothing_is_trained_where_nothing_is_missing(tmp_path):
    assert pages.train_missing([], tmp_path) == []


# --- the pages of papers ---------------------------------------------------------------------------------------------

NOTEBOOKS = ROOT / "notebooks"
PAGES = [NOTEBOOKS / f"{p.key}.py" for p in published()]
TEMPLATE = ROOT / "src" / "sepconv" / "report" / "templates" / "notebook.py.txt"


@pytest.mark.parametrize("page", [*PAGES, TEMPLATE], ids=lambda path: path.name)
def test_every_papers_page_has_the_sections_of_a_reproducibility_report(page):
    assert tuple(re.findall(r"^# ## (.*)$", page.read_text(), re.MULTILINE)) == pages.SECTIONS


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", ())


@pytest.mark.parametrize("page", sorted(NOTEBOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_plumbing_leaves_no_bar(page):
    code = [cell for cell in read_source(page).cells if cell.cell_type == "code"]
    assert not [cell.source for cell in code if tagged(cell, "hide-input")]
    still_open = [cell for cell in code if not tagged(cell, "remove-input")]
    assert len(still_open) >= 2 * (page in PAGES)  # a plot, and a claim with its judgement
    assert all(len(cell.source.splitlines()) <= 12 for cell in still_open)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_call_that_trains_an_epoch_is_one(page, monkeypatch, capsys):
    """It is run with a stand-in for what trains, which the names and the run that it is given have to suit."""
    trained = []

    class Trainer:
        progress = "shown"

        def __init__(self, run):
            self.run = run

        def train_epoch(self):
            trained.append(self.run)

    monkeypatch.setitem(sys.modules, "sepconv.training.trainer", SimpleNamespace(Trainer=Trainer))
    (block,) = re.findall(r"^# ```python\n(.*?)^# ```$", page.read_text(), re.MULTILINE | re.DOTALL)
    exec(re.sub(r"^# ?", "", block, flags=re.MULTILINE), {})
    assert [(run.paper, run.budget) for run in trained] == [(page.stem, Budget.SMOKE)]
    assert trained[0].experiment.recipe
    assert capsys.readouterr().out == "shown\n"


def test_the_opening_says_what_claims_rest_on_and_what_was_found():
    page = pages.opening("tseng2020", str(RESULTS), "paper", train=False)
    scope, findings = (BeautifulSoup(part(page).text, "html.parser") for part in (pages.scope, pages.findings))
    total, *counts = map(int, re.findall(r"\d+", scope.text))
    assert total == sum(counts) == len(TSENG.claims)
    findings = findings("li")
    assert [int(re.search(r"\((\d+) claim", item.text)[1]) for item in findings] == counts
    decided = {j.claim.id for j in page.judgements if j.verdict is not Verdict.NOT_TESTED}
    named = {link["href"].partition("#")[2] for item in findings for link in item("a")}
    assert named == decided
    for item, count in zip(findings, counts, strict=True):
        numbers = re.findall(r"(?:: |; )(\d+) ", item.text)
        assert sum(map(int, numbers)) == count


def test_the_judgement_on_a_claim_is_that_claims():
    page = pages.opening("tseng2020", str(RESULTS), "paper", train=False)
    assert page.judgement("tseng2020.layers").claim.id == "tseng2020.layers"


def words_of(line, assignments):
    """A command's words as a shell expands them."""
    script = "\n".join([*assignments, f"printf '%s\\n' {line}"])
    return subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout.splitlines()


def documented_runs():
    """Keys of the runs at the papers' budget that the commands of the page on running again would train."""
    lines = RERUN.read_text().splitlines()
    assignments = [line for line in lines if re.match(r'\w+="', line)]
    for line in lines:
        trains = line.startswith(("make reproduce", ".venv/bin/sepconv run"))
        words = words_of(line, assignments) if trains else []
        settings = dict(word.split("=") for word in words if "=" in word)
        seeds = settings.get("SEEDS", "0").split()
        seeds = [words[i + 1] for i, word in enumerate(words) if word == "--seed"] or seeds
        if "BUDGET=paper" not in words and ["--budget", "paper"] not in map(list, pairwise(words)):
            continue
        named = list(takewhile(lambda word: not word.startswith("--"), words[2:])) if "run" in words else []
        key, *names = named or [settings.get("PAPER", "all")]
        chosen = all_papers() if key == "all" else [paper(key)]
        yield from (run.key for run in campaign.runs(chosen, Budget.PAPER, map(int, seeds), names))


def test_every_run_that_a_claim_still_needs_is_in_the_documented_commands():
    """Also those of seeds beyond the third that a time needs from an accelerator, where the others ran on a CPU."""
    results, documented = read_all(RESULTS), set(documented_runs())
    missing = {key for p in all_papers() for j in judge(p, results) for key in j.missing if "-seed-" in key}
    assert missing - documented == set()
