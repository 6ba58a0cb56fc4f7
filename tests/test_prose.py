"""A number typed into prose is found unless the page's paper or a rule of the verdicts states it."""

from pathlib import Path

import jupytext
import pytest

from sepconv import papers
from sepconv.report import build, gates, prose

NOTHING = frozenset()
PAGE = """\
# %% [markdown]
# # Title

# %% mystnb={"figure": {"name": "fig-1", "caption": "CAPTION"}, "image": {"alt": "ALT"}}
from IPython.display import Markdown
share = 12.345
Markdown(f"SHOWN {share:8}" + " and {:.3f}".format(share))
"""


@pytest.mark.parametrize(
    "text",
    [
        "An accuracy of 93.4 %.",
        "about 1,234,567 parameters",
        "17 runs",
        "in (12) cases",
        "a rate of 3e-4",
        "# 4 findings",
        "see Table 3: 41 rows",
        "[41 runs](papers/runs)",
        "trained in 2017",
        "41× as fast",
    ],
)
def test_a_planted_number_is_found(text):
    assert len(prose.typed_numbers(text, NOTHING)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "CIFAR-10 and CIFAR-100, VGG-19, ResNet-50, float32, tseng2020",
        "Fig. 2, Figs. 4-11, Tables 1 and 2, Sec. 4.2, Eq. 1",
        "Python 3.11, 3.12 or 3.13",
        "1×1 and 3 × 3 filters",
        "1. first\n2. second",
        "`n = 5` and {cite:t}`tseng2020`",
        "```python\nx = 5\n```",
        "````\n```\n5\n```\n````",
        "$9 m n$",
        "[the page](a.html#5) and https://doi.org/10.1007/978",
        "(2020)",
    ],
)
def test_what_is_no_finding_is_left_alone(text):
    assert prose.typed_numbers(text, NOTHING) == []


def test_code_ends_where_it_ends():
    assert prose.typed_numbers("`a` 5 `b`\n\n```\n6\n```\n\n7\n\n```\n8\n```\n", NOTHING) == ["5", "7"]


def test_rules_are_stated_and_so_is_what_the_paper_prints():
    rules = prose.known_numbers([])
    assert prose.typed_numbers("95 %, 5 %, 3 seeds", rules) == []
    conv, tseng = "2,201,674", prose.known_numbers([papers.paper("tseng2020")])
    assert prose.typed_numbers(conv, rules) == [conv]
    assert prose.typed_numbers(conv, tseng) == []
    assert prose.typed_numbers("93.4", tseng) == ["93.4"]


@pytest.mark.parametrize("place", ["Title", "CAPTION", "ALT", "SHOWN"])
def test_every_prose_of_a_notebook_is_read(place):
    notebook = jupytext.reads(PAGE.replace(place, f"{place} 41"), "py:percent")
    found = [number for text in prose.texts(notebook) for number in prose.typed_numbers(text, NOTHING)]
    assert found == ["41"]


def test_code_and_formats_of_a_notebook_are_no_prose():
    notebook = jupytext.reads(PAGE, "py:percent")
    assert not [number for text in prose.texts(notebook) for number in prose.typed_numbers(text, NOTHING)]


def test_the_gate_names_page_and_number(tmp_path):
    for place, text in {
        "book/methods.md": "We found 93.4 %.",
        "notebooks/tseng2020.py": PAGE,
        "notebooks/runs.py": PAGE,
    }.items():
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("CAPTION", "2,201,674 parameters"))
    assert list(gates.prose_faults(tmp_path)) == [
        "book/methods.md: 93.4 is typed into prose; fill it in from results or specs",
        "notebooks/runs.py: 2,201,674 is typed into prose; fill it in from results or specs",
    ]


def test_a_fault_in_prose_fails_the_check(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "methods.md").write_text("We found 93.4 %.")
    with pytest.raises(build.ReportError, match=r"93\.4 is typed"):
        gates.check(tmp_path)


def test_the_books_own_prose_passes():
    assert list(gates.prose_faults(Path(__file__).parents[1])) == []
