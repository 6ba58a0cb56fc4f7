"""What the paper modules state: quotes that stand in the papers, every claim that is to be judged, one log."""

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from sepconv import papers
from sepconv.papers import all_papers, islam2022, paper, training_log, yu2021
from sepconv.spec import REFERENCE_PRECISION, DifferenceWithin, Ordered, RatioWithin, SpecError, canonical_json, to_json

EXCERPTS = Path(__file__).parent / "excerpts"
SHARED = Path(__file__).parents[2] / "shared"  # the whole papers, where they lie beside the clone

IDS = {
    "tseng2020": """
        params-conv params-dsc table2-vs-text table1-stride fewer-params cost layers train-dsc-higher dsc-epoch30
        da-lowers-train-conv da-lowers-train-dsc val-below-train-conv val-below-train-dsc val-dsc-higher
        val-dsc-higher-da da-raises-val-conv da-raises-val-dsc da-generalises-conv da-generalises-dsc train-time
        memory-weights memory-training
    """,
    "islam2022": """
        params-small params-medium params-large flops-small flops-medium flops-large large-params-vs-flops acc-small
        acc-medium acc-large train-small train-medium train-large test-above-train size-order kernel kernel-cost patch
        depth channel-reduction reduction-half batch-norm adamw batch-size residual quoted-params kernel-size-slip
    """,
    "yu2021": """
        params-conv params-dw figure2 acc10-dw acc10-conv acc100-dw acc100-conv order10 order100 similar10 similar100
        expect-conv-higher epoch-time total-time epochs-80 more-epochs latency-256 latency-4 crossover percentages
        bn-mode validation-is-test connections mobilenet-cost curves
    """,
}
CLAIMS = [claim for p in all_papers() for claim in p.claims]
COMPARISONS = [c for c in CLAIMS if isinstance(c.check, Ordered | DifferenceWithin | RatioWithin)]
EXPERIMENTS = [(p.key, experiment) for p in all_papers() for experiment in p.experiments]


def fold(text: str) -> str:
    """Text without mark-up, its white space and table bars folded to single spaces."""
    plain = re.sub(r"<[^>]+>|[$*#>]", "", text.replace(r"\times", "×"))
    return " ".join(plain.replace("|", " ").split())


def excerpts(key: str) -> list[str]:
    lines = (EXCERPTS / f"{key}.md").read_text().splitlines()
    return [fold(line) for line in lines if line.startswith(">")]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_quote_stands_in_an_excerpt_word_for_word(claim):
    assert any(fold(claim.quote) in excerpt for excerpt in excerpts(claim.id.split(".")[0]))


@pytest.mark.parametrize("key", IDS)
def test_excerpts_stand_in_the_paper_word_for_word(key):
    path = SHARED / "papers" / f"{key}.md"
    if not path.exists():
        pytest.skip("the papers are not beside the repository")
    text = fold(path.read_text())
    assert [e for e in excerpts(key) if e not in text] == []


@pytest.mark.parametrize("key", IDS)
def test_claims_are_those_to_be_judged(key):
    assert {c.id for c in paper(key).claims} == {f"{key}.{name}" for name in IDS[key].split()}


def test_claims_are_those_of_the_list_of_claims():
    path = SHARED / "CLAIMS.md"
    if not path.exists():
        pytest.skip("the list of claims is not beside the repository")
    rows = re.findall(r"^\| ((?:tseng2020|islam2022|yu2021)\.[^|]+) \|", path.read_text(), re.MULTILINE)
    assert len(rows) > 50
    known = {c.id for c in CLAIMS}
    listed = [ids & known for row in rows for ids in _possible_ids(row)]
    assert all(listed)
    assert set().union(*listed) == known


def _possible_ids(row: str) -> list[set[str]]:
    """For each id of a row its spellings: "a.b-conv, …-dsc" means a.b-conv and, by either rule, a.b-dsc."""
    first, *others = [part.strip() for part in re.split(r"[,/]", row)]
    endings = [part.lstrip("…") for part in others]
    stem = first.rpartition("-")[0]
    return [{first}, *({e} if "." in e else {stem + e, first + e} for e in endings)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claim_says_what_is_reported_where_and_how_it_is_judged(claim):
    assert claim.where
    assert claim.reported
    assert claim.criterion.endswith(".")
    assert claim.because == claim.because.strip()


@pytest.mark.parametrize("claim", COMPARISONS, ids=lambda claim: claim.id)
def test_networks_that_a_claim_compares_are_shortened_by_one_factor(claim):
    experiments = [paper(claim.id.split(".")[0]).experiment(m.of) for m in claim.quantities]
    trained = [(e.short_epochs, e.recipe.epochs) for e in experiments if e.recipe]
    shares = [short / whole for short, whole in trained] or [0]
    assert max(shares) - min(shares) < 1 / min([whole for _, whole in trained] or [1])  # but for rounding to an epoch


@pytest.mark.parametrize(("key", "experiment"), EXPERIMENTS, ids=lambda value: getattr(value, "name", value))
def test_every_hyperparameter_has_a_source(key, experiment):
    sources = experiment.recipe.sources if experiment.recipe else {}
    assert [field for field, source in sources.items() if not source.strip()] == []


def test_ablations_of_small_change_one_thing():
    reference, ablations = paper("islam2022").experiment("small"), islam2022.ABLATIONS
    assert ablations
    for experiment in ablations:
        ours, theirs = to_json(experiment), to_json(reference)
        differing = [key for key in ("network", "recipe", "dataset") if ours[key] != theirs[key]]
        assert len(differing) == 1, experiment.name


def test_log_covers_the_epochs_of_each_recipe():
    log = training_log(paper("yu2021"))
    assert len(log) == 470
    for experiment in yu2021.TRAINED:
        epochs = log[log["experiment"] == experiment.name]["epoch"]
        assert list(epochs) == list(range(1, experiment.recipe.epochs + 1))


def test_numbers_from_the_log_are_those_in_the_log():
    last = training_log(paper("yu2021")).groupby("experiment")["test_accuracy"].last()
    assert last.to_dict() == yu2021._LAST_LOGGED


def test_log_is_as_noisy_as_the_criterion_of_the_curves_says():
    log = training_log(paper("yu2021"))
    steps = {name: [abs(b - a) for a, b in pairwise(run["test_accuracy"])] for name, run in log.groupby("experiment")}
    means = [sum(later) / len(later) for later in (s[5:] for s in steps.values())]
    assert (round(min(means), 1), round(max(means), 1)) == (1.7, 3.4)
    assert round(max(max(s[:4]) for s in steps.values())) == 32


def test_paper_without_log_has_none():
    assert training_log(paper("tseng2020")) is None


def test_unknown_paper_lists_the_known():
    with pytest.raises(SpecError, match=r"islam2022, tseng2020, yu2021; got nova2030"):
        paper("nova2030")


def test_another_paper_is_one_new_module(tmp_path, monkeypatch):
    module = """
        from dataclasses import replace
        from sepconv.papers import tseng2020
        PAPER = replace(tseng2020.PAPER, key="nova2030", claims=())
    """
    (tmp_path / "nova2030.py").write_text("\n".join(line.strip() for line in module.splitlines()))
    monkeypatch.setattr(papers, "__path__", [*papers.__path__, str(tmp_path)])
    papers.load.cache_clear()
    try:
        assert [p.key for p in all_papers()] == ["islam2022", "nova2030", "tseng2020", "yu2021"]
    finally:
        papers.load.cache_clear()
        sys.modules.pop("sepconv.papers.nova2030", None)


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
