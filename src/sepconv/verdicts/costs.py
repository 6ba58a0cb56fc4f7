"""What networks cost, and the weights by which their accuracies make a Bjøntegaard delta at equal cost.

A count is the same everywhere. A time is compared on one machine and backend, where all the networks were timed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sepconv.criteria import COST_PHRASES
from sepconv.results.records import LatencyResult, ThroughputResult, measured_on
from sepconv.spec import TRAIN_IMAGES, AheadAtEqualCost, Check, CostName, Quantity
from sepconv.verdicts import stats
from sepconv.verdicts.samples import Selection

LATENCY_PROTOCOL = ("inference", "host")  # of a user: images come from the host, batch norm is in inference mode
COUNTED = ""  # in place of a machine


@dataclass(frozen=True)
class Comparable:
    """One cost on one machine, and the weights of the two curves' knots in the delta.

    They are empty where no delta is to be had, for the reason in ``why_not``.
    """

    cost: CostName
    machine: str
    weights: tuple[float, ...] = ()
    why_not: str = ""

    @property
    def words(self) -> str:
        """The cost in words, with the machine."""
        where = f" on {self.machine}" if self.machine else ""
        return f"equal {COST_PHRASES[self.cost]}{where}{f' ({self.why_not})' if self.why_not else ''}"


def comparable(cost: CostName, check: AheadAtEqualCost, selection: Selection) -> tuple[Comparable, ...]:
    """A cost on each machine where it is known of all networks; without weights where there is no such machine."""
    first, second = ([quantity.of for quantity in side] for side in (check.first, check.second))
    found = []
    for machine, known in known_everywhere(cost, [*first, *second], selection).items():
        try:
            sides = stats.delta_weights([known[name] for name in first], [known[name] for name in second])
        except ValueError as error:
            found.append(Comparable(cost, machine, why_not=str(error)))
        else:
            found.append(Comparable(cost, machine, tuple(float(weight) for side in sides for weight in side)))
    return tuple(found) or (Comparable(cost, COUNTED, why_not="not known of all networks"),)


def known_everywhere(cost: CostName, names: Sequence[str], selection: Selection) -> dict[str, dict[str, float]]:
    """The cost of each of these experiments, by machine, where it is known of all; ``COUNTED`` of a count."""
    found = {name: of_network(cost, name, selection) for name in names}
    machines = sorted(set.intersection(*(set(each) for each in found.values())))
    return {machine: {name: found[name][machine] for name in names} for machine in machines}


def of_network(cost: CostName, name: str, selection: Selection) -> dict[str, float]:
    """What one network costs: a count, seconds of one epoch of all training images, or seconds of one batch."""
    place = (selection.paper.key, name, selection.budget)
    match cost:
        case "engine_seconds" | "fit_seconds":
            loop = "engine" if cost == "engine_seconds" else "fit"
            timed = (t for t in selection.results.throughputs if (t.paper, t.experiment, t.budget) == place)
            return {measured_on(t.environment): _epoch_seconds(t, loop) for t in timed if loop in t.loops}
        case "latency_p50_1" | "latency_p50_64":
            size = int(cost.removeprefix("latency_p50_"))
            passes = (r for r in selection.results.latencies if _place(r) == (*place, *LATENCY_PROTOCOL))
            return {measured_on(r.environment): r.batch_times[size].p50 / 1000 for r in passes if size in r.batch_times}
    counted = selection.sample(Quantity(cost, name)).values.values()
    return dict.fromkeys([COUNTED], *counted) if counted else {}


def missing(check: Check, selection: Selection) -> tuple[str, ...]:
    """What has to be counted or measured before the check can be answered anywhere, a place of a result each."""
    if not isinstance(check, AheadAtEqualCost):
        return ()
    names = [quantity.of for quantity in (*check.first, *check.second)]
    absent = (
        f"{selection.paper.key}/{name}/{_kind_of(cost, selection)}"
        for cost in check.costs
        if not known_everywhere(cost, names, selection)
        for name in names
        if not of_network(cost, name, selection)
    )
    return tuple(dict.fromkeys(absent))


def _epoch_seconds(result: ThroughputResult, loop: str) -> float:
    (timing,) = (timing for name, timing in result.loops.items() if name == loop)
    return median(timing.seconds) / result.images * TRAIN_IMAGES


def _place(result: LatencyResult) -> tuple[str, ...]:
    return (result.paper, result.experiment, result.budget, result.batch_norm, result.transfer)


def _kind_of(cost: CostName, selection: Selection) -> str:
    """The kind of result that holds a cost."""
    if cost.endswith("_seconds"):
        return f"throughput-{selection.budget}"
    return f"latency-{selection.budget}-{'-'.join(LATENCY_PROTOCOL)}" if cost.startswith("latency") else "cost"
