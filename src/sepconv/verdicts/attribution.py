"""Why a claim did not come out: what is known of each gap, and the experiment that would tell more.

What the results can settle is looked at first: a departure that another experiment lacks, then the noise of the seeds.
What neither explains is unexplained, with the departures that may be behind it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from math import inf, log
from typing import TypeVar

from sepconv.results.store import Results
from sepconv.spec import Claim, Departure, Paper, Quantity
from sepconv.verdicts import stats
from sepconv.verdicts.judge import judge
from sepconv.verdicts.rules import Judgement, Part, Verdict
from sepconv.verdicts.samples import MIN_SEEDS
from sepconv.verdicts.sentences import describe_part, further_seeds, listed, number
from sepconv.verdicts.stats import Interval

T = TypeVar("T")


class Cause(StrEnum):
    """What is behind a gap, as far as the results say."""

    CONTRADICTION = "contradiction in the paper"
    DEPARTURE = "protocol departure"
    SEEDS = "seed noise"
    STATEMENT = "the statement itself"  # a count that no choice of ours can change
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Gap:
    """A claim that did not come out, what is known of the reason, and what would tell more."""

    judgement: Judgement
    cause: Cause
    known: str
    experiment: str


@dataclass(frozen=True)
class Suspects:
    """Departures that touch a claim, by what undoing them did to its verdict."""

    explaining: tuple[Departure, ...]  # without it the claim is reproduced
    cleared: tuple[str, ...]  # without it the claim is no better
    open: tuple[str, ...]  # never undone


def gaps(paper: Paper, judgements: Iterable[Judgement], results: Results) -> tuple[Gap, ...]:
    """What is known of each claim that is not reproduced or inconclusive, in the order given."""
    open_verdicts = (Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE)
    return tuple(_gap(j, suspects(paper, j.claim, results)) for j in judgements if j.verdict in open_verdicts)


def touches(departure: Departure, claim: Claim) -> bool:
    """Whether one of the quantities that the claim rests on could come out otherwise without the departure."""
    return any(
        quantity.name in departure.affects and (not departure.experiments or quantity.of in departure.experiments)
        for quantity in claim.quantities
    )


def suspects(paper: Paper, claim: Claim, results: Results) -> Suspects:
    """Judge the claim without each departure that touches it, where the results allow that."""
    judged = [(d, _without(d, paper, claim, results)) for d in paper.departures if touches(d, claim)]
    decided = (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED)
    return Suspects(
        explaining=tuple(departure for departure, verdict in judged if verdict is Verdict.REPRODUCED),
        cleared=tuple(departure.what for departure, verdict in judged if verdict is Verdict.NOT_REPRODUCED),
        open=tuple(departure.what for departure, verdict in judged if verdict not in decided),
    )


def undo(departure: Departure, spec: T) -> T:
    """A claim, check or quantity with what the departure stands for replaced by what lacks it."""
    if isinstance(spec, Quantity):
        of = str(departure.counterpart.get(spec.of, spec.of))
        return replace(spec, of=of, metric=departure.counterpart.get(spec.name, spec.metric))
    if isinstance(spec, tuple):
        return type(spec)(undo(departure, part) for part in spec)
    if is_dataclass(spec) and not isinstance(spec, type):
        return replace(spec, **{f.name: undo(departure, getattr(spec, f.name)) for f in fields(spec)})
    return spec


def _without(departure: Departure, paper: Paper, claim: Claim, results: Results) -> Verdict:
    """The claim's verdict without the departure; not tested where no experiment lacks it."""
    other = undo(departure, claim)
    if other == claim:
        return Verdict.NOT_TESTED
    (judgement,) = judge(replace(paper, claims=(other,)), results)
    return judgement.verdict


def _gap(judgement: Judgement, found: Suspects) -> Gap:
    parts = [part for part in judgement.parts if part.verdict is judgement.verdict]
    if judgement.verdict is Verdict.INCONCLUSIVE:
        return _undecided(judgement, parts)
    if found.explaining:
        return _explained(judgement, found.explaining)
    if all(part.exact for part in parts):
        return _counted(judgement, found)
    predicted = {part: interval for part in parts if not part.exact and (interval := _one_more_run(part))}
    if len(predicted) == len(parts) and all(_distance(i, part) == 0 for part, i in predicted.items()):
        return _by_luck(judgement, predicted)
    return _unexplained(judgement, found, predicted)


def _undecided(judgement: Judgement, parts: Sequence[Part]) -> Gap:
    few = any(part.n < MIN_SEEDS for part in parts)
    reason = "Fewer than three seeds" if few else "The interval reaches both sides of what the criterion allows"
    known = f"{reason}: {'; '.join(describe_part(part) for part in parts)}. Seed noise alone can be behind it."
    experiment = (
        f"{_experiments(judgement)}: {further_seeds(judgement)}."
        if judgement.more_seeds
        else f"A narrower question: with this spread {stats.MOST_SEEDS:,} seeds would not decide."
    )
    return Gap(judgement, Cause.SEEDS, known, experiment)


def _explained(judgement: Judgement, departures: Sequence[Departure]) -> Gap:
    whats = listed([departure.what for departure in departures])
    experiment = "Only the authors' program can say which of the two was run."
    if all(departure.kind == "contradiction" for departure in departures):
        known = f"The paper contradicts itself in {whats}. By its other statement the claim is reproduced."
        return Gap(judgement, Cause.CONTRADICTION, known, experiment)
    known = f"Without the departure in {whats}, the claim is reproduced."
    return Gap(judgement, Cause.DEPARTURE, known, experiment)


def _counted(judgement: Judgement, found: Suspects) -> Gap:
    known = f"Counted, so there is no chance in it.{_cleared(found)}"
    if found.open:
        experiment = f"Count again with one of these changed at a time: {', '.join(found.open)}."
        return Gap(judgement, Cause.UNEXPLAINED, known, experiment)
    known += " No departure of ours is left, so the statement itself does not hold by this criterion."
    return Gap(judgement, Cause.STATEMENT, known, "None: no training changes a count.")


def _by_luck(judgement: Judgement, predicted: dict[Part, Interval]) -> Gap:
    known = f"The mean lies outside of the criterion, but a single run need not: {_predictions(predicted)}."
    return Gap(judgement, Cause.SEEDS, known, "The authors' program from three seeds or more; ours says all it can.")


def _unexplained(judgement: Judgement, found: Suspects, predicted: dict[Part, Interval]) -> Gap:
    known = f"The noise of the seeds is too small: {_predictions(predicted)}.{_cleared(found)}"
    if not found.open:
        experiment = "The same runs on the other backend and in the other precision, then the authors' program."
        return Gap(judgement, Cause.UNEXPLAINED, f"{known} No departure is left that could be behind it.", experiment)
    known += f" Departures that may be behind it, since they were never undone: {', '.join(found.open)}."
    needed = "; ".join(_needed(part) for part in judgement.parts if part.verdict is judgement.verdict)
    experiment = (
        f"{_experiments(judgement)} from three seeds, with one of these departures changed at a time. The one behind "
        f"it has to bring {needed}."
    )
    return Gap(judgement, Cause.UNEXPLAINED, known, experiment)


def _cleared(found: Suspects) -> str:
    ruled_out = ", ".join(found.cleared)
    return f" Ruled out, since the claim does no better without them: {ruled_out}." if found.cleared else ""


def _experiments(judgement: Judgement) -> str:
    return ", ".join(dict.fromkeys(quantity.of for quantity in judgement.claim.quantities))


def _one_more_run(part: Part) -> Interval | None:
    """Where one more run would lie; None for fewer than two values."""
    if part.unit == "×":
        return stats.from_logs(stats.prediction_interval([log(value) for value in part.values]))
    return stats.prediction_interval(part.values)


def _predictions(predicted: dict[Part, Interval]) -> str:
    return "; ".join(_prediction(part, interval) for part, interval in predicted.items())


def _prediction(part: Part, one_more: Interval) -> str:
    low, high = number(one_more.low, part.unit), number(one_more.high, part.unit)
    text = f"{part.label} of one more run would lie from {low} to {high} {part.unit}".rstrip()
    return f"{text}, apart from what the criterion allows" if _distance(one_more, part) else text


def _needed(part: Part) -> str:
    """From where the mean is to the nearest value that the criterion allows."""
    if part.estimate is None:
        return part.label
    nearest = part.at_least if part.at_least is not None and part.estimate < part.at_least else part.at_most
    values = [number(value, part.unit) for value in (part.estimate, nearest) if value is not None]
    return f"{part.label} from {' to '.join(values)} {part.unit}".rstrip()


def _distance(interval: Interval, part: Part) -> float:
    """Between an interval and the criterion's; 0 where they touch."""
    low = -inf if part.at_least is None else part.at_least
    high = inf if part.at_most is None else part.at_most
    return max(0.0, low - interval.high, interval.low - high)
