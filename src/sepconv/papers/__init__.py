"""The papers. Each module defines ``PAPER``; a fourth paper is one new module here and no edit elsewhere."""

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sepconv.spec import Paper, SpecError

if TYPE_CHECKING:
    import pandas as pd


@cache
def all_papers() -> tuple[Paper, ...]:
    """Every paper, in the order of the keys."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return tuple(sorted((module.PAPER for module in modules), key=lambda paper: paper.key))


def paper(key: str) -> Paper:
    """The paper of that key.

    Raises:
        SpecError: there is none; the message lists those that exist.
    """
    found = {p.key: p for p in all_papers()}
    if key not in found:
        raise SpecError(f"unknown paper: expected {', '.join(found)}; got {key}")
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
