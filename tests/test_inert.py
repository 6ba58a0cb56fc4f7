"""Markup in any text of a result, put there behind the back of the schema, stays text on every page and figure."""

import typing
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from matplotlib.text import Text
from pydantic import BaseModel

from sepconv import papers
from sepconv.report import answer, figures, frames, markup, pages, tables
from sepconv.results import records, store
from sepconv.results.store import Results
from sepconv.verdicts import attribution, compare
from sepconv.verdicts.judge import judge

EVIL = "<img src=x onerror=alert(1)>-->&\"'</svg>"
TSENG = papers.paper("tseng2020")
BUDGETS = frames.shown("paper")


def poisoned(value, field=None):
    """The same value with ``EVIL`` at the end of each free text in it; what has a form of its own stays.

    Types of layers are free texts too, but no page shows one that it does not know.
    """
    if isinstance(value, BaseModel):
        fields = {name: each for name, each in type(value).model_fields.items() if name != "type"}
        return value.model_copy(
            update={name: poisoned(getattr(value, name), fields[name]) for name in fields if name != "type"}
        )
    if isinstance(value, tuple):
        return tuple(poisoned(each, field) for each in value)
    return value + EVIL if isinstance(value, str) and field and is_text(field) else value


def is_text(field):
    return records.Text.__metadata__[1] in field.metadata or records.Text in typing.get_args(field.annotation)


@pytest.fixture(scope="module")
def evil():
    """The committed results, poisoned."""
    committed = store.read_all(Path(__file__).parents[1] / "results")
    of_kind = {
        kind: tuple(map(poisoned, getattr(committed, kind)))
        for kind in ("runs", "costs", "latencies", "throughputs", "memories", "rooflines", "depthwises")
    }
    return Results(**of_kind, problems=(EVIL,))


def everything_of(found):
    """What pages show of results: name -> HTML."""
    judged = [(paper, judge(paper, found)) for paper in papers.all_papers()]
    of_tseng = judge(TSENG, found)
    page = pages.Page(TSENG, found, tuple(of_tseng), (), BUDGETS)
    wanted = pages.needed([TSENG], "paper")
    compared = compare.compare(TSENG, found, found)
    yield "the sentence of a claim", markup.paragraph(page.judgement("tseng2020.val-dsc-higher").sentence)
    yield "costs of the answer", answer.costs(frames.papers_ratios(found))
    yield "what is missing", answer.missing(of_tseng, pages.missing(wanted, found), pages.seconds(wanted, found))
    yield "missing runs", pages.missing_table(wanted, found)
    yield "scope", pages.scope(page)
    yield "findings", pages.findings(page)
    yield "scoreboard", tables.scoreboard(judged)
    yield "cards", tables.claim_cards(of_tseng)
    yield "times", tables.times_table(of_tseng, found)
    yield "gaps", tables.gaps_table([gap for p, each in judged for gap in attribution.gaps(p, each, found)])
    yield "system", tables.values_beside("", {"Operating system": ""}, frames.systems(TSENG, found))
    yield "costs", tables.costs_table(TSENG, found)
    yield "layers", tables.side_by_side("", ["", "", ""], [], tables.layer_rows(found.cost_of("tseng2020", "conv")))
    yield "runs", tables.runs_table(found)
    yield "latencies", tables.latencies_table(found)
    yield "problems", tables.problems_table(found)
    yield "left out", tables.left_out_table(found.problems)
    yield "repeats", tables.repeats_table(frames.repeats(found, found))
    yield "throughputs", tables.throughputs_table(frames.throughputs(found))
    yield "memories", tables.memories_table(frames.memories(found))
    yield "rooflines", tables.rooflines_table(found)
    yield "limits", tables.limits_table(frames.limits([TSENG], found, found.rooflines))
    yield "expected", tables.expected_table(TSENG, compared)
    yield "compared", tables.compared_table(TSENG, compared)
    yield "changed", tables.changed_table([(TSENG, compared)])


def figures_of(found):
    """The figures whose labels come from results."""
    conv, dw = (found.cost_of("yu2021", f"cifar10-{name}") for name in ("conv", "dw"))
    times = papers.printed(papers.paper("yu2021"), "times")
    yield figures.latencies(frames.latencies(found))
    yield figures.depthwise(frames.depthwise(found))
    yield figures.limits(frames.limits([TSENG], found, found.rooflines))
    yield figures.roofline_ratios(frames.roofline_ratios(conv, dw, (4,), (1, 10), found, times), {})
    yield figures.papers_ratios(frames.papers_ratios(found))


# What of the results reaches a page as free text; all else are numbers, or names of the papers' own.
REACHED = {
    "costs of the answer", "what is missing", "system", "runs", "latencies", "problems", "left out",
    "throughputs", "memories", "rooflines", "limits",
}  # fmt: skip


def test_nothing_of_a_result_becomes_a_tag(evil):
    reached = set()
    for name, html in everything_of(evil):
        page = BeautifulSoup(html.text, "html.parser")
        assert not page.find_all(["img", "script"]), name
        assert not [tag for tag in page.find_all(True) if any(key.startswith("on") for key in tag.attrs)], name
        reached |= {name} if EVIL in page.get_text() or "onerror" in page.get_text() else set()
    assert reached >= REACHED


@pytest.mark.filterwarnings("ignore:constrained_layout")  # labels of such length leave no room
def test_nothing_of_a_result_becomes_a_tag_of_a_figure(evil):
    for picture in figures_of(evil):
        svg = picture._repr_svg_()
        assert any(EVIL in text.get_text() for text in picture.findobj(Text))
        assert "<img" not in svg
        assert svg.count("</svg>") == 1
