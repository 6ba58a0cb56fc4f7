"""From results to samples: which results count for a quantity, what they measured, and which are missing.

A result counts at the budget and for the spec that the paper's module states today. Whatever lies in the same place but
has another recipe, precision or data, or diverged, is set aside with a reason and never mixed in.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sepconv.metrics import METRICS
from sepconv.results.records import (
    ClusterResult,
    CostResult,
    DepthwiseResult,
    LatencyResult,
    RooflineResult,
    RunResult,
    ScalingResult,
    measured_on,
)
from sepconv.results.store import Results
from sepconv.spec import (
    SHORTENED,
    TRAIN_IMAGES,
    Budget,
    InputError,
    Number,
    Paper,
    Quantity,
    Run,
    to_json,
)

MIN_SEEDS = 3  # fewer give no interval that a verdict may rest on
# How a latency that a claim reads is timed: in training mode, each batch copied from the host (yu2021's notebooks).
LATENCY_PROTOCOL = ("training", "host")

Key = tuple[int, str]  # what two quantities share where they are paired: the seed (or pass) and, for times, the machine


class QuantityError(InputError):
    """A claim asks for what no result can hold: one line says what was expected and what came."""


@dataclass(frozen=True)
class Sample:
    """What one quantity gives: a value a seed, a value a repeated pass, or one exact value."""

    values: dict[Key, float] = field(default_factory=dict)
    sources: dict[Key, str] = field(default_factory=dict)  # keys of the results
    exact: bool = False


@dataclass(frozen=True)
class Selection:
    """The results of one paper that count at one budget; ``any_machine`` lets in times from a CPU, to show them."""

    paper: Paper
    results: Results
    budget: Budget = Budget.PAPER
    any_machine: bool = False
    # Many claims ask for the same quantities, and many quantities are of the same runs.
    _at: dict[Budget, "Selection"] = field(default_factory=dict, init=False, repr=False, compare=False)
    _checked: dict[Quantity, list[tuple[RunResult, str]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _ids: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def at(self, budget: Budget) -> "Selection":
        """The results of the same paper that count at another budget."""
        if budget not in self._at:
            self._at[budget] = replace(self, budget=budget)
        return self._at[budget]

    def sample(self, term: Quantity | Number) -> Sample:
        """What the results that count give for ``term``; empty where there are none.

        Raises:
            QuantityError: no result could ever hold that quantity.
        """
        if isinstance(term, Number):
            return Sample({(0, ""): term.value}, exact=True)
        metric = term.definition
        if metric.source == "cost":
            return self._count(term)
        if metric.source == "latency":
            return self._passes(term)
        counted = [run for run, reason in self._candidates(term) if not reason]
        keys = {run.key: (run.seed, measured_on(run.environment) if metric.unit == "s" else "") for run in counted}
        values = {keys[run.key]: value for run in counted if (value := read(run, term)) is not None}
        return Sample(values, {keys[run.key]: run.key for run in counted})

    def set_aside(self, quantities: Iterable[Quantity]) -> tuple[str, ...]:
        """One text for each result that lies where one would count but does not, with the reason."""
        found: dict[str, None] = {}
        for quantity in quantities:
            if quantity.definition.source == "cost":
                cost = self.results.cost_of(self.paper.key, quantity.of)
                found |= {f"{cost.key} ({reason})": None for reason in [self._against_cost(cost)] if cost and reason}
            elif quantity.definition.source == "latency":
                found |= {f"{r.key} (timed on a CPU)": None for r in self._latencies(quantity) if not self._admits(r)}
            else:
                found |= {f"{run.key} ({reason})": None for run, reason in self._candidates(quantity) if reason}
        return tuple(found)

    def missing(self, quantities: Iterable[Quantity]) -> tuple[str, ...]:
        """Keys of the results that are still needed for ``MIN_SEEDS`` values of each quantity, over equal seeds."""
        wanted = list(quantities)
        absent = []
        for quantity in wanted:
            source = quantity.definition.source
            if source == "cost" and not self.sample(quantity).values:
                absent.append(f"{self.paper.key}/{quantity.of}/cost")
            elif source == "latency" and not self.sample(quantity).values:
                absent.append(f"{self.paper.key}/{quantity.of}/latency-{self.budget}-{'-'.join(LATENCY_PROTOCOL)}")
        trained = [quantity for quantity in wanted if quantity.definition.source == "run"]
        return tuple(dict.fromkeys(absent + self._missing_runs(trained)))

    def _missing_runs(self, quantities: list[Quantity]) -> list[str]:
        """Seeds of which most is there come first; where a result lies that does not count, the seed is lost."""
        usable: dict[str, set[int]] = {}
        for quantity in quantities:
            seeds = {seed for seed, _ in self.sample(quantity).values}
            usable[quantity.of] = usable.get(quantity.of, seeds) & seeds
        lost = {
            run.seed
            for name in usable
            for run in self.results.runs_at(self.paper.key, name, self.budget)
            if run.seed not in usable[name]
        }
        held = Counter(seed for seeds in usable.values() for seed in seeds)
        candidates = (held.keys() | set(range(MIN_SEEDS + len(lost)))) - lost
        chosen = sorted(sorted(candidates, key=lambda seed: (-held[seed], seed))[:MIN_SEEDS])
        return [self._run(name, seed).key for name in usable for seed in chosen if seed not in usable[name]]

    def _candidates(self, quantity: Quantity) -> list[tuple[RunResult, str]]:
        """Every run of the experiment at the budget, with the reason why it does not count, or ""."""
        if self.paper.experiment(quantity.of).recipe is None:
            raise QuantityError(f"expected an experiment that is trained, got {quantity.of}, which is only counted")
        if quantity not in self._checked:
            runs = self.results.runs_at(self.paper.key, quantity.of, self.budget)
            self._checked[quantity] = [(run, self._against(run, quantity)) for run in runs]
        return self._checked[quantity]

    def _against(self, run: RunResult, quantity: Quantity) -> str:
        if run.status != "complete":
            return "its loss became NaN"
        if run.run_id != self._id(run):
            expected = self._run(run.experiment, run.seed)
            return f"other {', '.join(_differences(run.spec, expected.spec))}"
        if run.data_sha256 != self.results.data[run.spec["dataset"]]:
            return "other data"
        if quantity.unit == "s" and not self._admits(run):
            return "timed on a CPU"
        return "" if read(run, quantity) is not None else f"holds no {describe(quantity)}"

    def _admits(self, result: RunResult | LatencyResult) -> bool:
        return self.any_machine or result.environment.accelerator

    def _count(self, quantity: Quantity) -> Sample:
        cost = self.results.cost_of(self.paper.key, quantity.of)
        if quantity.epoch is not None:
            raise QuantityError(f"expected no epoch for {quantity.name}, which is counted, got epoch {quantity.epoch}")
        if cost is None or self._against_cost(cost):
            return Sample(exact=True)
        return Sample({(0, ""): float(quantity.definition.read(cost))}, {(0, ""): cost.key}, exact=True)

    def _against_cost(self, cost: CostResult | None) -> str:
        if cost is None:
            return ""
        experiment = self.paper.experiment(cost.experiment)
        if cost.network != to_json(experiment.network):
            return "other network"
        batch_size = experiment.recipe.batch_size if experiment.recipe else None
        return "other batch size" if cost.batch_size != batch_size else ""

    def _passes(self, quantity: Quantity) -> Sample:
        """One value a repeated pass. The passes of two networks are paired in their order, on one machine."""
        sample = Sample()
        for result in filter(self._admits, self._latencies(quantity)):
            for number, seconds in enumerate(quantity.definition.read(result)):
                key = (number, measured_on(result.environment))
                sample.values[key] = seconds
                sample.sources[key] = result.key
        return sample

    def _latencies(self, quantity: Quantity) -> list[LatencyResult]:
        place = (self.paper.key, quantity.of, self.budget, *LATENCY_PROTOCOL)
        return [
            r for r in self.results.latencies if (r.paper, r.experiment, r.budget, r.batch_norm, r.transfer) == place
        ]

    def _run(self, name: str, seed: int) -> Run:
        return Run(self.paper.key, self.paper.experiment(name), self.budget, seed)

    def _id(self, run: RunResult) -> str:
        """What the id of the run has to be for it to count."""
        if run.key not in self._ids:
            self._ids[run.key] = self._run(run.experiment, run.seed).id
        return self._ids[run.key]


def unknown_results(known: Iterable[Paper], results: Results) -> tuple[str, ...]:
    """One line for each result whose paper or experiment is none of those known: no claim reads it."""
    names = {(paper.key, experiment.name) for paper in known for experiment in paper.experiments}
    return tuple(
        f"{r.key}.json: expected an experiment of a paper here, got {r.experiment} of {r.paper}; it counts for nothing"
        for r in results.everything
        if not isinstance(r, RooflineResult | DepthwiseResult | ClusterResult | ScalingResult)
        and (r.paper, r.experiment) not in names
    )


def read(run: RunResult, quantity: Quantity) -> float | None:
    """The value of ``quantity`` in a complete run; None where this run does not hold it.

    At a shortened budget accuracies after the last epoch are those with re-estimated batch norm.

    Raises:
        QuantityError: no run of that recipe could hold it.
    """
    metric = quantity.definition
    if quantity.epoch is None:
        value: float | None = metric.read(settled(run))
        return value
    if metric.at_epoch is None:
        known = ", ".join(name for name, other in METRICS.items() if other.at_epoch)
        raise QuantityError(f"expected one of {known} at an epoch, got {metric}")
    if metric is METRICS["test_accuracy"] and run.spec["recipe"]["train_images"] != TRAIN_IMAGES:
        raise QuantityError("expected val_accuracy at an epoch, got test_accuracy, which is measured at the end only")
    if run.budget is Budget.PAPER and not 1 <= quantity.epoch <= len(run.history):
        raise QuantityError(f"expected an epoch from 1 to {len(run.history)}, got {quantity.epoch}")
    return metric.at_epoch(run.history[quantity.epoch - 1]) if quantity.epoch <= len(run.history) else None


def settled(run: RunResult) -> RunResult:
    """A run at a shortened budget with its re-estimated accuracies in place of the plain ones, where it has them."""
    if run.budget not in SHORTENED or run.final is None or run.final.reestimated is None:
        return run
    return run.model_copy(update={"final": run.final.model_copy(update=run.final.reestimated.model_dump())})


def describe(quantity: Quantity) -> str:
    """The quantity's metric in words, with the epoch."""
    words = quantity.definition.description
    return words if quantity.epoch is None else f"{words} at epoch {quantity.epoch}"


def _differences(got: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Names of what differs between two specs, hyperparameters one by one."""
    names = [key for key in expected if key != "recipe" and got.get(key) != expected[key]]
    ours, theirs = expected["recipe"], got.get("recipe") or {}
    return names + [key for key in ours if theirs.get(key) != ours[key]] or ["spec"]
