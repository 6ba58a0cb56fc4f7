"""What pages show of the package's own source is that source."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from sepconv.report import pages, source
from sepconv.spec import SpecError

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def test_a_function_is_shown_as_it_stands_below_its_modules_name():
    shown = source.source("report/pages.py", "scope").text
    assert shown == f"# sepconv/report/pages.py\n{inspect.getsource(pages.scope).rstrip()}"


def test_a_method_is_shown_from_the_left_margin():
    first, second, *_ = source.source("report/source.py", "_repr_markdown_").text.splitlines()
    assert (first, second) == ("# sepconv/report/source.py", "def _repr_markdown_(self) -> str:")


def test_a_variable_and_a_claim_are_shown_with_what_they_are_set_to():
    recipe = source.source("papers/tseng2020.py", "RECIPE").text.partition("\n")[2]
    assert recipe.startswith("RECIPE = Recipe(\n    epochs=100,")
    claim = source.source("papers/tseng2020.py", "tseng2020.val-dsc-higher").text.partition("\n")[2]
    (call,) = ast.parse(claim).body
    assert call.value.func.id == "Claim"
    assert claim.count("Claim(") == 1


def test_code_is_shown_as_python():
    code = source.Code("x = 1")
    assert code._repr_markdown_() == "```python\nx = 1\n```"
    assert repr(code) == "Code(1 lines)"


def test_a_name_that_is_not_there_is_one_line():
    with pytest.raises(SpecError, match=r"sepconv/report/pages\.py: expected a definition of nothing, found none"):
        source.source("report/pages.py", "nothing")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_page_shows_of_the_source_is_there(notebook):
    for path, name in re.findall(r'source\("([^"]+)", "([^"]+)"\)', notebook.read_text()):
        assert name in source.source(path, name).text


def test_what_is_included_into_a_page_is_there():
    included = re.compile(r"\{literalinclude\} \.\./src/sepconv/(\S+)\n:pyobject: (\S+)\n")
    found = [match for page in (ROOT / "book").glob("*.md") for match in included.findall(page.read_text())]
    assert found
    for path, name in found:
        assert source.source(path, name.rpartition(".")[2]).text.count("def ") == 1
