"""The papers' printed tables are what the papers print."""

import re
from pathlib import Path

import pytest

from sepconv import papers
from sepconv.spec import SpecError

SHARED = Path(__file__).parents[2] / "shared" / "papers"  # the whole papers, where they lie beside the clone
TABLES = {
    "tseng2020": ("table1", "table2", "table3", "table4"),
    "islam2022": ("table1", "table2"),
    "yu2021": ("figure2", "figure3"),
}


def fold(text):
    return " ".join(re.sub(r"[$*|#>]", " ", text.replace(r"\times", "×")).split())


def whole(key):
    path = SHARED / f"{key}.md"
    if not path.exists():
        pytest.skip("the papers do not lie beside this clone")
    return fold(path.read_text())


@pytest.mark.parametrize(("key", "what"), [(key, what) for key, names in TABLES.items() for what in names])
def test_every_row_stands_in_the_paper_in_its_order(key, what):
    text, frame = whole(key), papers.printed(papers.paper(key), what)
    rows = [fold(" ".join(row)) for row in frame.drop(columns="times", errors="ignore").itertuples(index=False)]
    block = " ".join(rows)
    if "times" in frame:
        block = re.sub(r"(?=Conv dw/s1 3 × 3 × 512 dw 4 × 4 × 512 Conv/s1 1 × 1 × 512 × 512)", "5× ", block, count=1)
    assert block in text


def test_the_times_stand_in_the_paper():
    text, frame = whole("yu2021"), papers.printed(papers.paper("yu2021"), "times")
    for row in frame.to_dict("records"):
        assert f"{row['conv']} seconds" in text
        assert f"{row['dw']} seconds" in text


def test_a_table_that_is_not_there_is_one_line_with_those_that_are():
    with pytest.raises(SpecError, match=r"yu2021: expected one of figure2, figure3, log, times; got table9"):
        papers.printed(papers.paper("yu2021"), "table9")


def test_cells_are_the_text_that_is_printed():
    table2 = papers.printed(papers.paper("islam2022"), "table2")
    assert list(table2["Testing Accuracy"]) == ["93%", "95%", "97%"]
    assert list(table2["Trainable Parameters"]) == ["130,442", "490,250", "998,666"]
