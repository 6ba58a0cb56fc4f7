"""What the book's script does for a reader, in a real browser."""

from dataclasses import replace
from pathlib import Path

import pytest

import browser
from factories import claim, paper_of
from sepconv.report import markup, tables
from sepconv.results.store import Results
from sepconv.spec import Quantity, Within
from sepconv.verdicts.judge import judge
from sepconv.verdicts.rules import Verdict

SCRIPT = Path(__file__).parents[1] / "book" / "_static" / "book.js"
MOST_LINES = 200
VERDICTS = (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.REPRODUCED)
NUMBERS = ("9.5", "–", "1,000", "−3", "10")
PAGE = """\
<!DOCTYPE html><meta charset="utf-8"><title>page</title>
<script src="{script}"></script>
<style>.sc-scroll {{ overflow-x: auto; width: 700px }} .wide {{ white-space: nowrap }}</style>
<div class="article-header-buttons"></div>
<details class="hide above-input"><summary>code</summary>x = 1</details>
{content}
<pre id="told"></pre>
<script>addEventListener("load", () => setTimeout(tell, 500)); {tell}</script>
"""
# Plays a reader, and tells what the page shows after each step.
TELL = """
const all = (selector) => [...document.querySelectorAll(selector)];
const press = (text) => all("button").find((button) => button.textContent.startsWith(text)).click();
const shown = (selector) => all(selector).filter((element) => element.checkVisibility()).length;
const board = () => ({
  rows: shown(".sc-filtered tbody tr:not(.sc-group)"), tables: shown(".sc-filtered table"),
  status: document.querySelector(".sc-filtered [role=status]").textContent,
  pressed: all(".sc-filtered [aria-pressed=true]").map((chip) => chip.textContent),
});
const column = () => ({
  cells: all(".sc-sortable tbody td").map((cell) => cell.textContent),
  sorted: document.querySelectorAll(".sc-sortable th")[1].ariaSort,
});
const open = () => all(".sc-claim").map((card) => card.open);
const code = () => [document.documentElement.classList.contains("sc-code"), document.querySelector(".hide").open];
const stops = () => all(".sc-scroll[tabindex]").map((box) => box.getAttribute("aria-label"));
function tell() {
  const told = { linked: open(), code: [code()], stops: stops(), boards: [board()], columns: [] };
  press("not reproduced"); told.boards.push(board());
  press("all"); told.boards.push(board());
  press("number"); told.columns.push(column());
  press("number"); told.columns.push(column());
  press("Fold all"); told.folded = open();
  dispatchEvent(new Event("beforeprint")); told.printed = open(); told.code.push(code());
  dispatchEvent(new Event("afterprint")); told.after = open();
  press("Expand all"); told.expanded = open();
  press("Code"); told.code.push(code()); told.remembered = localStorage.getItem("sepconv-code");
  document.getElementById("told").textContent = JSON.stringify(told);
}
"""


def content():
    """A scoreboard, its cards, and a table to sort, which is wider than its box."""
    asked = claim(Within((Quantity("test_accuracy", "a"),), 92, 94), "value")
    judged = judge(paper_of(*[asked] * len(VERDICTS)), Results())
    judged = [replace(j, verdict=v, holm_verdict=v) for j, v in zip(judged, VERDICTS, strict=True)]
    columns = [
        markup.Column[str]("name", lambda number: f"n{number}"),
        markup.Column[str]("number", lambda number: number, numeric=True),
    ]
    numbers = markup.table(NUMBERS, columns, f"Numbers{' wide' * 50}", sortable=True)
    few = markup.table(NUMBERS, columns, "Narrow")
    shown = (tables.scoreboard([(paper_of(), judged)]), tables.claim_cards(judged), few)
    return "".join(html.text for html in shown) + f'<div class="wide">{numbers.text}</div>'


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    page = folder / "page.html"
    page.write_text(PAGE.format(script=SCRIPT.as_uri(), content=content(), tell=TELL))
    return browser.told(page, folder / "profile", timeout=120, fragment="#p.claim-1")


def test_chips_filter_the_scoreboard_and_say_so(told):
    before, filtered, again = told["boards"]
    assert (before["rows"], filtered["rows"]) == (3, 1)
    assert (before["tables"], filtered["tables"]) == (1, 1)
    assert (filtered["status"], filtered["pressed"]) == ("1 of 3 claims: not reproduced", ["not reproduced (1)"])
    assert again == before


def test_a_column_sorts_by_its_numbers_with_what_is_missing_last(told):
    ascending, descending = told["columns"]
    assert ascending == {"cells": ["−3", "9.5", "10", "1,000", "–"], "sorted": "ascending"}
    assert descending == {"cells": ["1,000", "10", "9.5", "−3", "–"], "sorted": "descending"}


def test_a_link_opens_its_card_and_print_opens_all_cards(told):
    assert told["linked"] == [False, True, False]
    assert told["folded"] == told["after"] == [False] * 3
    assert told["printed"] == told["expanded"] == [True] * 3


def test_the_switch_shows_all_code_and_is_remembered(told):
    folded, printed, switched = told["code"]
    assert folded == printed == [False, False]
    assert switched == [True, True]
    assert told["remembered"] == "shown"


def test_only_a_box_that_scrolls_is_a_tab_stop(told):
    (name,) = told["stops"]
    assert name.startswith("Numbers")


def test_the_script_is_small():
    assert len(SCRIPT.read_text().splitlines()) < MOST_LINES
