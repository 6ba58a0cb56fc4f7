"""What the pages of the book share: the runs that verdicts need, training those, and what is missing of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sepconv.report import tables
from sepconv.report.markup import Html
from sepconv.results.store import Results
from sepconv.spec import Budget, Paper, Run
from sepconv.training import campaign
from sepconv.verdicts.samples import MIN_SEEDS


def needed(papers: Sequence[Paper], budget: str) -> list[Run]:
    """As many seeds of every experiment at ``budget`` as a verdict needs, in order of worth."""
    return campaign.runs(papers, Budget(budget), range(MIN_SEEDS))


def train_missing(wanted: Iterable[Run], folder: Path) -> list[str]:
    """Train what has no result in ``folder`` yet, with checkpoints beside it; a line for each run that failed."""
    return campaign.run_queue(campaign.missing(wanted, folder), campaign.Folders(folder, folder.parent / "checkpoints"))


def missing(wanted: Iterable[Run], found: Results) -> list[Run]:
    """The runs without a complete result of their recipe."""
    there = {run.run_id for run in found.runs if run.status == "complete"}
    return [run for run in wanted if run.id not in there]


def seconds(runs: Iterable[Run], found: Results) -> dict[str, dict[str, float]]:
    """What runs would take, by their keys, on each machine where the speed of one of them was measured."""
    wanted = list(runs)
    devices = {str(device): device for run in found.runs if (device := campaign.Device.of(run.environment))}
    estimates = {
        name: {run.key: campaign.estimate_seconds(run, found, devices[name]) for run in wanted}
        for name in sorted(devices)
    }
    known = {m: {key: s for key, s in each.items() if s is not None} for m, each in estimates.items()}
    return {machine: each for machine, each in known.items() if each}


def missing_table(wanted: Sequence[Run], found: Results) -> Html:
    """What is missing of each experiment, and what it would cost on each machine."""
    absent = missing(wanted, found)
    return tables.missing_table(wanted, absent, seconds(absent, found))
