"""Every run and latency, runs made twice or in two precisions, and what is missing or unreadable."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import pandas as pd

from sepconv.report.markup import NOTHING, Column, Html, columns_of_cells, folded, paragraph, records_of, table
from sepconv.report.tables.cells import significant
from sepconv.results.records import Environment, Final, LatencyResult, RunResult, measured_on
from sepconv.results.store import Results
from sepconv.spec import Run
from sepconv.verdicts.samples import MIN_SEEDS
from sepconv.verdicts.sentences import number, several, signed

Sweep = tuple[LatencyResult, int]  # at one batch size
Record = Mapping[str, Any]


def runs_table(results: Results) -> Html:
    """Every run, grouped by paper and by what it ran on; each row is the target of the links to that run."""

    def accuracy(of: Callable[[Final], float]) -> Callable[[RunResult], str]:
        return lambda run: number(of(run.final), "%") if run.final else run.status

    def minutes(run: RunResult) -> str:
        return significant((run.seconds.compile + run.seconds.train + run.seconds.evaluate) / 60)

    def place(run: RunResult) -> str:
        there, rounded = run.environment, "" if run.environment.exact_products else ", rounded"
        precision = f"{run.spec['recipe'].get('precision', NOTHING)}{rounded}"
        return f"{run.paper}: {there.device_title}, {there.backend} {there.backend_version}, {precision}"

    columns = [
        Column[RunResult]("run", lambda run: run.key.removeprefix(f"{run.paper}/")),
        Column("val %", accuracy(lambda final: final.val_accuracy), numeric=True),
        Column("test %", accuracy(lambda final: final.test_accuracy), numeric=True),
        Column("min", minutes, numeric=True),
        Column[RunResult]("commit", lambda run: _commit(run.environment)),
    ]
    return table(
        sorted(results.runs, key=lambda run: (place(run), run.experiment, run.budget, run.seed)),
        columns,
        f"All {len(results.runs)} runs",
        empty="No run has been made yet",
        group=place,
        anchor=lambda run: run.key,
        sortable=True,
        name="all-runs",
    )


def latencies_table(results: Results) -> Html:
    """Every latency measurement, folded: seconds of a pass over its images, the fastest and the slowest repeat."""

    def name(sweep: Sweep) -> str:
        return sweep[0].key.removesuffix(f"-{measured_on(sweep[0].environment)}")  # the group says where

    def seconds(of: Callable[[Sequence[float]], float], sweep: Sweep) -> str:
        passes = sweep[0].seconds[sweep[1]]
        return number(of(passes), "s") if passes else NOTHING

    def place(sweep: Sweep) -> str:
        on = sweep[0].environment
        return f"{on.device_title}, {on.backend}, commit {_commit(on)}"

    columns = [
        Column("measurement", name),
        Column[Sweep]("batch size", lambda sweep: str(sweep[1]), numeric=True),
        Column("fastest (s)", partial(seconds, min), numeric=True),
        Column("slowest (s)", partial(seconds, max), numeric=True),
    ]
    in_order = sorted(results.latencies, key=lambda latency: latency.key)
    sweeps = [(latency, size) for latency in in_order for size in sorted(latency.seconds)]
    whole = table(
        sweeps,
        columns,
        "Latencies",
        group=place,
        anchor=lambda sweep: sweep[0].key if sweep[1] == min(sweep[0].seconds) else "",
    )
    caption = f"{several(len(in_order), 'measurement')} at {several(len(sweeps), 'batch size')} in all"
    return Html(folded(caption, whole)) if sweeps else paragraph("No latency has been measured yet.")


def missing_table(wanted: Sequence[Run], absent: Sequence[Run], seconds: Mapping[str, Mapping[str, float]]) -> Html:
    """How many of the wanted runs are missing, by experiment, and what they would cost.

    Args:
        wanted: all runs that there should be.
        absent: those that are missing.
        seconds: for each machine, the estimated seconds of missing runs by their keys; a run that is not there is
            unknown.
    """
    missing = {run.key for run in absent}
    runs_of: dict[tuple[str, str], list[Run]] = {}
    for run in wanted:
        runs_of.setdefault((run.paper, run.experiment.name), []).append(run)
    rows = [(*place, len(runs), [run.key for run in runs if run.key in missing]) for place, runs in runs_of.items()]

    def hours(known: Mapping[str, float], row: tuple[str, str, int, list[str]]) -> str:
        estimates = [known[key] for key in row[3] if key in known]
        if len(estimates) < len(row[3]):
            return "unknown"
        return f"{sum(estimates) / 3600:,.1f}" if estimates else NOTHING

    columns: list[Column[tuple[str, str, int, list[str]]]] = [
        Column("experiment", itemgetter(1)),
        Column("runs", lambda row: f"{row[2] - len(row[3])}\u00a0of\u00a0{row[2]}", numeric=True),
        *(Column(f"hours on {machine}", partial(hours, known), numeric=True) for machine, known in seconds.items()),
    ]
    return table(rows, columns, f"{len(wanted) - len(absent)} of {len(wanted)} runs are done", group=itemgetter(0))


def problems_table(results: Results) -> Html:
    """Files below the results folder that could not be read; they count for nothing."""
    rows = [(problem,) for problem in results.problems]
    empty = "Every file below the results folder could be read"
    return table(rows, columns_of_cells("problem"), "Files that could not be read", empty=empty)


def precision_table(pairs: pd.DataFrame) -> Html:
    """Experiments that were trained in float32 and in bfloat16, with the difference of their accuracies.

    Args:
        pairs: as :func:`sepconv.report.frames.precisions` makes it.
    """
    columns: list[Column[Record]] = [
        Column("experiment", itemgetter("experiment")),
        Column("budget", itemgetter("budget")),
        Column("float32 %", lambda pair: number(pair["reference"], "%"), numeric=True),
        Column("bfloat16 %", lambda pair: number(pair["accuracy"], "%"), numeric=True),
        Column("difference (points)", _difference, numeric=True),
        Column("n", "{seeds}".format_map, numeric=True),
        Column("verdict", itemgetter("verdict")),
    ]
    return table(
        records_of(pairs[pairs["seeds"] > 0]),
        columns,
        "Test accuracy in both precisions, and the paired difference with its 95 % interval",
        empty="No experiment has been trained in both precisions yet",
        group=itemgetter("paper"),
        layout="stack",
        name="comparison-precision",
    )


def repeats_table(repeats: pd.DataFrame) -> Html:
    """Runs that were made twice, and how far apart their numbers are.

    Args:
        repeats: as :func:`sepconv.report.frames.repeats` makes it.
    """
    columns: list[Column[Record]] = [
        Column("run", lambda repeat: repeat["run"].partition("/")[2]),
        Column("machine", lambda repeat: "the same" if repeat["same_machine"] else "another"),
        Column("code", lambda repeat: "the same" if repeat["same_code"] else "another"),
        Column("numbers", lambda repeat: "equal" if repeat["equal"] else "not equal"),
        Column("accuracy off by", "{accuracy:.2f}".format_map, numeric=True),
        Column("loss off by", "{loss:.2g}".format_map, numeric=True),
    ]
    return table(
        records_of(repeats),
        columns,
        "Runs made twice from the same seed",
        empty="No run has been made twice yet",
        name="repeats",
        group=lambda repeat: repeat["run"].partition("/")[0],
        layout="one-line",
    )


def _difference(pair: Record) -> str:
    text = signed(pair["difference"], 2)
    if pair["seeds"] < MIN_SEEDS:
        return f"{text}, no interval"
    return f"{text} ({signed(pair['low'], 2)} to {signed(pair['high'], 2)})"


def _commit(environment: Environment) -> str:
    return environment.git_commit[:8] + ("-dirty" if environment.git_commit.endswith("-dirty") else "")
