"""The papers. Each module defines ``PAPER``; ``sepconv new`` writes another one, and nothing else is edited."""

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sepconv import criteria
from sepconv.spec import Paper, SpecError

if TYPE_CHECKING:
    import pandas as pd


@cache
def load() -> tuple[tuple[Paper, ...], tuple[str, ...]]:
    """Every paper in the order of the keys, and one line for each module that states something that cannot be.

    Claims whose module writes no criterion have the one that :mod:`sepconv.criteria` makes.
    """
    found, problems = [], []
    for module in pkgutil.iter_modules(__path__):
        try:
            paper = importlib.import_module(f"{__name__}.{module.name}").PAPER
            if paper.key != module.name:
                raise SpecError(f"expected the paper with the key {module.name}, got {paper.key}")
            ids = {claim.id for claim in paper.claims}
            if unknown := {id_ for claim in paper.claims for id_ in claim.reading_from} - ids:
                raise SpecError(f"reading_from: expected ids of the paper's claims, got {', '.join(sorted(unknown))}")
            found.append(criteria.complete(paper))
        except SpecError as error:
            problems.append(f"papers/{module.name}.py: {error}")
        except ValidationError as error:
            problems.append(f"papers/{module.name}.py: {_first(error)}")
    return tuple(sorted(found, key=lambda paper: paper.key)), tuple(problems)


def all_papers() -> tuple[Paper, ...]:
    """Every paper, in the order of the keys.

    Raises:
        SpecError: a paper's module states something that cannot be.
    """
    found, problems = load()
    if problems:
        raise SpecError(problems[0])
    return found


def published() -> tuple[Paper, ...]:
    """Every paper but our own studies, in the order of the keys.

    Raises:
        SpecError: a paper's module states something that cannot be.
    """
    return tuple(paper for paper in all_papers() if not paper.study)


def paper(key: str) -> Paper:
    """The paper of that key.

    Raises:
        SpecError: there is none; the message lists those that exist, or says what is wrong with its module.
    """
    papers, problems = load()
    found = {p.key: p for p in papers}
    if key not in found:
        broken = [problem for problem in problems if problem.startswith(f"papers/{key}.py: ")]
        raise SpecError(broken[0] if broken else f"unknown paper: expected {', '.join(found)}; got {key}")
    return found[key]


def training_log(paper: Paper) -> "pd.DataFrame | None":
    """What the authors printed of each epoch, or None where they published no log.

    Columns: ``experiment``, ``epoch`` (first is 1), ``test_accuracy`` (%), and others that differ from paper to paper.
    """
    if paper.log is None:
        return None
    import pandas as pd  # here, for it takes longer to import than everything that only lists the papers

    return pd.read_csv(Path(__file__).parent / paper.log)


def printed(paper: Paper, what: str) -> "pd.DataFrame":
    """A table that the paper prints, cell by cell as text: ``what`` is its name, such as ``table1``.

    Raises:
        SpecError: there is none; the message lists those that exist.
    """
    import pandas as pd

    found = {path.stem.removeprefix(f"{paper.key}_"): path for path in Path(__file__).parent.glob(f"{paper.key}_*.csv")}
    if what not in found:
        raise SpecError(f"{paper.key}: expected one of {', '.join(sorted(found))}; got {what}")
    return pd.read_csv(found[what], dtype=str, keep_default_na=False)


def _first(error: ValidationError) -> str:
    """The first thing that does not fit, in one line."""
    first = error.errors()[0]
    place = ".".join(map(str, (error.title, *first["loc"])))
    return f"{place}: {first['msg']}; got {repr(first['input'])[:80]}"
