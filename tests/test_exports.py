"""What other tools read is fresh, says what the engine says, and fits the schema and the form that it names."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from factories import result_of
from sepconv import cli, papers
from sepconv.report import build, exports, gates
from sepconv.report.markup import claim_address
from sepconv.results import store
from sepconv.spec import Budget, Run
from sepconv.verdicts.judge import SCHEMA, export

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = """\
# %% [markdown]
# # A title
# Some prose.

# %% [markdown]
# The rates. {download}`CSV <data/rates.csv>`

# %% mystnb={"figure": {"name": "a", "caption": "The `a`: {download}`Ours <data/a.csv>`, {download}`b <data/b.csv>`"}}
figure

# %% mystnb={"figure": {"name": "b", "caption": "The same, later. {download}`Ours <data/a.csv>`"}}
figure
"""


@pytest.fixture
def repository(tmp_path):
    for place, text in {
        "notebooks/page.py": NOTEBOOK,
        "CITATION.cff": "title: 'The book: a title'\\nauthors: [{name: Somebody}]".replace("\\n", "\n"),
    }.items():
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(text)
    (tmp_path / "results").mkdir()
    return tmp_path


def validate(exported):
    jsonschema.Draft202012Validator(exports.schema()).validate(exported)


@pytest.mark.parametrize(
    "path",
    [
        "results/claims.json",
        "results/claims.schema.json",
        "codecheck.yml",
        "src/sepconv/networks/depthwise_ways.csv",
        "book/cluster.csv",
        "book/scaling.csv",
        "book/simulation.csv",
    ],
)
def test_committed_exports_are_fresh(path):
    assert (ROOT / path).read_text() == exports.files(ROOT / "results")[ROOT / path], "run sepconv export"


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(exports.schema())


def test_what_is_exported_fits_the_schema(tmp_path):
    experiment = papers.paper("tseng2020").experiment("dsc")
    for seed in range(4):
        store.write(tmp_path, result_of(Run("tseng2020", experiment, Budget.PAPER, seed)))
    found = store.read_all(tmp_path)
    exported = export(papers.all_papers(), found)
    assert any(part["bootstrap"] for paper in exported["papers"] for c in paper["claims"] for part in c["parts"])
    validate(exported)


@pytest.mark.parametrize(
    "damage",
    [
        lambda e: e.update(schema_version=SCHEMA + 1),
        lambda e: e.pop("problems"),
        lambda e: e.update(more=1),
        lambda e: e["papers"][0].pop("title"),
        lambda e: e["papers"][0]["claims"][0].update(verdict="probably"),
        lambda e: e["papers"][0]["claims"][0].pop("quote"),
        lambda e: e["papers"][0]["claims"][0].update(claim={}),
        lambda e: e["papers"][0]["claims"][0]["parts"][0].update(n="3"),
        lambda e: e["papers"][0]["claims"][0]["check"].update(type="guess"),
    ],
)
def test_the_schema_refuses_anything_else(damage):
    exported = json.loads((ROOT / "results" / "claims.json").read_text())
    validate(exported)
    damage(exported)
    with pytest.raises(jsonschema.ValidationError):
        validate(exported)


def test_manifest_has_the_form_that_codecheck_asks_of_authors(repository):
    text = exports.files(repository / "results")[repository / "codecheck.yml"]
    assert "%YAML 1.1\n---\n" in text
    assert yaml.safe_load(text) == {
        "version": "https://codecheck.org.uk/spec/config/1.0/",
        "manifest": [
            {"file": "results/claims.json", "comment": "every claim with its verdict, reported and reproduced"},
            {"file": "book/papers/page.ipynb", "comment": "executed notebook: A title"},
            {"file": "book/papers/data/rates.csv", "comment": "The rates."},
            {"file": "book/papers/data/a.csv", "comment": "The `a`: The same, later."},
            {"file": "book/papers/data/b.csv", "comment": "The `a`:"},
        ],
        "paper": {"title": "The book: a title", "authors": [{"name": "Somebody"}]},
    }


def test_manifest_names_every_file_that_a_page_offers_and_all_of_them_are_there():
    named = {entry["file"] for entry in yaml.safe_load((ROOT / "codecheck.yml").read_text())["manifest"]}
    assert not [file for file in named if not (ROOT / file).is_file()]
    written = {path.relative_to(ROOT).as_posix() for path in (ROOT / "book" / "papers").glob("data/*.csv")}
    assert written <= named


def test_every_export_is_written(repository):
    (repository / "src" / "sepconv" / "networks").mkdir(parents=True)
    made = exports.files(repository / "results")
    exports.write(made)
    assert {path.name: path.read_text() for path in made} == {path.name: text for path, text in made.items()}


def test_results_of_others_inside_of_a_repository_change_nothing_of_it(repository):
    (repository / "theirs").mkdir()
    assert {path.name for path in exports.files(repository / "theirs")} == {"claims.json", "claims.schema.json"}


def test_results_outside_of_a_repository_have_no_manifest(tmp_path):
    assert {path.name for path in exports.files(tmp_path)} == {"claims.json", "claims.schema.json"}


def test_every_claim_has_an_address_of_its_own_in_the_book(tmp_path):
    (tmp_path / "results").mkdir()
    exports.write(exports.files(tmp_path / "results", tmp_path / "html"))
    everything = json.loads((tmp_path / "results" / "claims.json").read_text())
    claims = {claim["id"]: claim for paper in everything["papers"] for claim in paper["claims"]}
    assert claims.keys() == {claim.id for paper in papers.all_papers() for claim in paper.claims}
    for name, claim in claims.items():
        assert json.loads((tmp_path / "html" / claim_address(name)).read_text()) == claim | {"schema_version": SCHEMA}


def test_claims_of_the_book_are_judged_from_the_results_that_its_pages_show(repository, tmp_path, monkeypatch):
    """A folder that has only the counts of one network, so only these claims are judged there."""
    theirs = tmp_path / "theirs"
    cost = Path("tseng2020", "conv", "cost.json")
    (theirs / cost).parent.mkdir(parents=True)
    shutil.copy(ROOT / "results" / cost, theirs / cost)
    for module, name in ((build, "execute"), (build, "build"), (gates, "check")):
        monkeypatch.setattr(module, name, lambda *_: None)
    monkeypatch.setattr(build, "parse_parameters", lambda root, texts: dict(text.split("=") for text in texts))
    monkeypatch.chdir(repository)
    cli.report([f"results_dir={theirs}"])

    def verdict(claim):
        return json.loads((build.html(repository) / claim_address(claim)).read_text())["verdict"]

    assert verdict("tseng2020.params-conv") == "reproduced"
    assert verdict("tseng2020.params-dsc") == "not tested at this budget"
    assert not (repository / "results" / "claims.json").exists()
