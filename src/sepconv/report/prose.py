"""Numbers typed into prose: one that no paper and no rule of ours states goes stale when results change.

A paper's page may say what the paper prints, and any page what the rules of the verdicts are. Whatever was measured or
counted here is filled in by code.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

from sepconv.spec import REESTIMATION_IMAGES, Paper, to_json
from sepconv.verdicts.rules import ALPHA, LEVELS
from sepconv.verdicts.samples import MIN_SEEDS
from sepconv.verdicts.stats import CONFIDENCE

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?")
_SHOWN_BY = {"Markdown", "paragraph"}  # calls in notebooks
# What is no prose, or names a thing rather than counts it.
_NAMES = re.compile(
    r"""
      ^(?P<fence>`{3,}|:{3,}).*?^(?P=fence)\s*$      # code and directives
    | (?P<ticks>`+).+?(?P=ticks)                     # code and roles
    | \$[^$]+\$                                      # formulas
    | \]\([^)]*\) | https?://\S+ | ^\([\w-]+\)=$     # links and their targets
    | ^\s*\d+\.\s                                    # numbers of a list
    | \b(?:Sec|Secs|Fig|Figs|Table|Tables|Eq|Eqs|Section|Figure)\b\.?\s\d+(?:\.\d+)*
      (?:(?:\s?[-–,]\s?|\sand\s)\d+(?:\.\d+)*)*      # places in a paper
    | \bPython\s3\.\d+(?:,\s3\.\d+|\sor\s3\.\d+)*    # versions
    | \d+\s?×\s?\d+(?:\s?×\s?\d+)*                   # shapes
    | \((?:19|20)\d\d\)                              # years
    | \b[A-Za-z_]+-?\d[\w.-]* | \d+(?!e-?\d)[A-Za-z_]\w*  # names: CIFAR-10, float32, 3D
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)


def known_numbers(papers: Iterable[Paper]) -> frozenset[float]:
    """Every number in the papers' specs, and those of the rules by which claims are judged."""
    rules = {100 * CONFIDENCE, 100 * ALPHA, float(MIN_SEEDS), *LEVELS, float(REESTIMATION_IMAGES)}
    return frozenset(rules.union(*(_numbers(to_json(paper)) for paper in papers)))


def typed_numbers(text: str, known: frozenset[float]) -> list[str]:
    """The numbers in a text that are neither among those known nor part of a name."""
    found = _NUMBER.findall(_NAMES.sub(" ", text))
    return [number for number in found if _value(number) not in known]


def texts(notebook: Any) -> Iterator[str]:  # noqa: ANN401 - nbformat has no types
    """The prose of a notebook: Markdown cells, captions and alternative texts, and literal text that code shows."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield cell.source
        else:
            shown = cell.metadata.get("mystnb", {})
            yield from (str(value) for part in shown.values() if isinstance(part, dict) for value in part.values())
            yield from _written(cell.source)


def _written(code: str) -> Iterator[str]:
    """Literal text in calls of what shows it, without what f-strings fill in."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in _SHOWN_BY:
            formats = {id(part) for n in ast.walk(call) if isinstance(n, ast.FormattedValue) for part in ast.walk(n)}
            literals = (n for n in ast.walk(call) if isinstance(n, ast.Constant) and id(n) not in formats)
            yield from (node.value for node in literals if isinstance(node.value, str))


def _numbers(value: Any) -> set[float]:  # noqa: ANN401 - any JSON value
    """All numbers in a JSON value and in its texts."""
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return set().union(*map(_numbers, parts))
    return {_value(number) for number in _NUMBER.findall(str(value))}


def _value(number: str) -> float:
    return float(number.replace(",", ""))
