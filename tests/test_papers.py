"""What the paper modules state: quotes that stand in the papers, every claim that is to be judged, one log."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sepconv import papers
from sepconv.papers import all_papers, paper, published, training_log
from sepconv.spec import (
    REFERENCE_PRECISION,
    Budget,
    DifferenceWithin,
    Ordered,
    RatioWithin,
    SpecError,
    canonical_json,
    to_json,
)

EXCERPTS = Path(__file__).parent / "excerpts"
SHARED = Path(__file__).parents[2] / "shared"  # the whole papers, where they lie beside the clone

KEYS = [p.key for p in all_papers()]
QUOTED_KEYS = [p.key for p in published()]
CLAIMS = [claim for p in all_papers() for claim in p.claims]
QUOTED = [claim for p in published() for claim in p.claims]
COMPARISONS = [c for c in CLAIMS if isinstance(c.check, Ordered | DifferenceWithin | RatioWithin)]
EXPERIMENTS = [(p.key, experiment) for p in all_papers() for experiment in p.experiments]


def fold(text: str) -> str:
    """Text without mark-up, its white space and table bars folded to single spaces."""
    plain = re.sub(r"<[^>]+>|[$*#>]", "", text.replace(r"\times", "×"))
    return " ".join(plain.replace("|", " ").split())


def excerpts(key: str) -> list[str]:
    lines = (EXCERPTS / f"{key}.md").read_text().splitlines()
    return [fold(line) for line in lines if line.startswith(">")]


@pytest.mark.parametrize("claim", QUOTED, ids=lambda claim: claim.id)
def test_quote_stands_in_an_excerpt_word_for_word(claim):
    assert any(fold(claim.quote) in excerpt for excerpt in excerpts(claim.id.split(".")[0]))


@pytest.mark.parametrize("key", QUOTED_KEYS)
def test_excerpts_stand_in_the_paper_word_for_word(key):
    path = SHARED / "papers" / f"{key}.md"
    if not path.exists():
        pytest.skip(f"{key}.md is not beside the repository")
    text = fold(path.read_text())
    assert [e for e in excerpts(key) if e not in text] == []


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claim_says_what_is_reported_where_and_how_it_is_judged(claim):
    assert claim.where
    assert claim.reported
    assert claim.criterion.endswith(".")
    assert claim.because == claim.because.strip()


@pytest.mark.parametrize("claim", COMPARISONS, ids=lambda claim: claim.id)
def test_networks_that_a_claim_compares_are_shortened_by_one_factor(claim):
    experiments = [paper(claim.id.split(".")[0]).experiment(m.of) for m in claim.quantities]
    trained = [(e.short_epochs, e.recipe.epochs) for e in experiments if e.has(Budget.SHORT)]
    shares = [short / whole for short, whole in trained] or [0]
    assert max(shares) - min(shares) < 1 / min([whole for _, whole in trained] or [1])  # but for rounding to an epoch


@pytest.mark.parametrize(("key", "experiment"), EXPERIMENTS, ids=lambda value: getattr(value, "name", value))
def test_every_hyperparameter_has_a_source(key, experiment):
    sources = experiment.recipe.sources if experiment.recipe else {}
    assert [field for field, source in sources.items() if not source.strip()] == []


def test_a_log_is_there_where_a_paper_names_one_and_else_is_none():
    for each in all_papers():
        log = training_log(each)
        assert (log is not None) == (each.log is not None)
        assert log is None or {"experiment", "epoch", "test_accuracy"} <= set(log)


def test_unknown_paper_lists_the_known():
    with pytest.raises(SpecError, match=f"{', '.join(KEYS)}; got other2099"):
        paper("other2099")


@pytest.fixture
def another_module(tmp_path, monkeypatch):
    """Put another module, other2099, among the papers."""

    def put(text):
        (tmp_path / "other2099.py").write_text(text)
        monkeypatch.setattr(papers, "__path__", [*papers.__path__, str(tmp_path)])
        papers.load.cache_clear()

    yield put
    papers.load.cache_clear()
    sys.modules.pop("sepconv.papers.other2099", None)


def test_another_paper_is_one_new_module(another_module):
    another_module(
        "from dataclasses import replace\n"
        "from sepconv.papers import tseng2020\n"
        "PAPER = replace(tseng2020.PAPER, key='other2099', claims=())\n"
    )
    assert [p.key for p in all_papers()] == sorted([*KEYS, "other2099"])


def test_a_module_with_the_key_of_an_existing_paper_is_refused(another_module):
    another_module("from sepconv.papers import tseng2020\nPAPER = tseng2020.PAPER\n")
    with pytest.raises(SpecError, match=r"papers/other2099.py: expected the paper with the key other2099, got tseng2"):
        all_papers()
    with pytest.raises(SpecError, match=r"got tseng2020$"):
        paper("other2099")


def test_a_reading_that_no_claim_of_the_paper_chose_is_refused(another_module):
    another_module(
        "from dataclasses import replace\n"
        "from sepconv.papers import tseng2020\n"
        "first = replace(tseng2020.PAPER.claims[0], id='other2099.a', reading_from=('other2099.b',))\n"
        "PAPER = replace(tseng2020.PAPER, key='other2099', claims=(first,))\n"
    )
    with pytest.raises(SpecError, match=r"reading_from: expected ids of the paper's claims, got other2099.b$"):
        all_papers()


@pytest.mark.parametrize("paper", all_papers(), ids=lambda paper: paper.key)
def test_papers_export_as_json(paper):
    exported = json.loads(canonical_json(to_json(paper)))
    assert [c["id"] for c in exported["claims"]] == [c.id for c in paper.claims]
    assert all(c["check"]["type"] for c in exported["claims"])


def test_listing_the_papers_imports_nothing_heavy():
    code = "import sys; from sepconv.papers import all_papers; all_papers(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"keras", "tensorflow", "jax", "torch", "pandas", "numpy"} & set(loaded) == set()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_no_claim_rests_on_another_precision_than_the_reference(claim):
    recipes = [paper(claim.id.split(".")[0]).experiment(m.of).recipe for m in claim.quantities]
    assert {recipe.precision for recipe in recipes if recipe} <= {REFERENCE_PRECISION}
