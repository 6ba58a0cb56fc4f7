"""What the pages of the book share: the runs that verdicts need, training those, and what is missing of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sepconv import campaign, tables
from sepconv.markup import Html
from sepconv.measures import MIN_SEEDS
from sepconv.results import Results
from sepconv.spec import Budget, Paper, Run


def needed(papers: Sequence[Paper], budget: str) -> list[Run]:
    """As many seeds of every experiment at ``budget`` as a verdict needs, in order of worth."""
    return campaign.runs(papers, Budget(budget), range(MIN_SEEDS))


def train_missing(wanted: Iterable[Run], folder: Path) -> list[str]:
    """Train what has no result in ``folder`` yet, with checkpoints beside it; a line for each run that failed."""
    return campaign.work_off(campaign.missing(wanted, folder), campaign.Place(folder, folder.parent / "checkpoints"))


def missing(wanted: Iterable[Run], found: Results) -> list[Run]:
    """The runs without a complete result of their recipe."""
    there = {run.run_id for run in found.runs if run.status == "complete"}
    return [run for run in wanted if run.id not in there]


def hours(runs: Iterable[Run], found: Results) -> dict[str, list[float | None]]:
    """What runs would take on each machine that we trained on, in hours; None where the speed was not measured."""
    wanted = list(runs)
    seconds = {m: [campaign.estimate_seconds(run, found, m) for run in wanted] for m in _machines(found)}
    return {machine: [s if s is None else s / 3600 for s in each] for machine, each in seconds.items()}


def missing_tables(wanted: Sequence[Run], found: Results) -> Html:
    """What is missing of each experiment, a table for each machine with what it would cost there."""
    absent = missing(wanted, found)
    return Html("".join(_missing_table(wanted, absent, found, m).text for m in _machines(found) or ["any machine"]))


def _missing_table(wanted: Sequence[Run], absent: Sequence[Run], found: Results, machine: str) -> Html:
    seconds = {run.key: campaign.estimate_seconds(run, found, machine) for run in absent}
    return tables.missing_table(wanted, seconds, machine)


def _machines(found: Results) -> list[str]:
    return sorted({run.environment.device for run in found.runs})
