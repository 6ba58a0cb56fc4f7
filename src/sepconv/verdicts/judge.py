"""Judge the claims of a paper from results: verdicts are computed here and typed nowhere.

A claim's check becomes one or more numbers with limits (:class:`Question`); each is answered from the results that
count (:mod:`sepconv.verdicts.samples`), and the answers are decided by the rules of :mod:`sepconv.verdicts.rules`:

- reproduced if every number is inside its limits, not reproduced as soon as one is outside (corrected for the number of
  comparisons), whatever else is still missing;
- else not tested, if a number has no value at the paper's budget at all; else inconclusive.

Beside the verdict, an order of accuracies may be indicated by complete runs under compressed schedules. That decides
nothing: networks change places while they train, so a short schedule can show another order than the paper's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, inf, log, nextafter
from statistics import fmean
from typing import Any, assert_never

from sepconv.results.store import Results
from sepconv.spec import (
    SHORTENED,
    AheadAtEqualCost,
    Budget,
    Check,
    Claim,
    Consistent,
    DifferenceWithin,
    Equal,
    InputError,
    Number,
    Ordered,
    Pair,
    Paper,
    Quantity,
    RatioWithin,
    Within,
    to_json,
)
from sepconv.verdicts import costs, rules, sentences, stats
from sepconv.verdicts.rules import ALPHA, Direction, Evidence, Grade, Indication, Judgement, Part, Verdict
from sepconv.verdicts.samples import MIN_SEEDS, Key, Sample, Selection, describe

__all__ = ["Judgement", "Part", "Question", "Verdict", "answer", "export", "judge", "questions"]

SCHEMA = 3  # of the export; 1 called a quantity a measure, 2 had hints and no grade of evidence
BOOTSTRAP_SEED = 0
CHANCE_SIMULATIONS = 2000  # leave a chance a standard error of about one percent
# What an order may be indicated of: all else depends on how long is trained, or on the machine.
_INDICABLE = {"train_accuracy", "val_accuracy", "test_accuracy", "generalisation_gap"}
_VERDICT_OF = {1: Verdict.REPRODUCED, -1: Verdict.NOT_REPRODUCED, 0: Verdict.INCONCLUSIVE}
_CONSISTENT_OR_NOT = {1: Verdict.CONSISTENT, -1: Verdict.INCONSISTENT, 0: Verdict.INCONCLUSIVE}
_SUPPORTED_OR_NOT = {1: Verdict.SUPPORTED, -1: Verdict.NOT_SUPPORTED, 0: Verdict.INCONCLUSIVE}


@dataclass(frozen=True)
class Question:
    """Does a quantity, or a difference or ratio of two, lie from ``low`` to ``high``? ``strict``: between them.

    With ``weights`` it is the sum of the terms' means, each times its weight, with one variance pooled over the terms.
    """

    terms: tuple[Quantity | Number, ...]  # one or two, or one for each weight
    low: float
    high: float
    strict: bool = False
    ratio: bool = False
    weights: tuple[float, ...] = ()
    name: str = ""  # where the terms do not say what is asked for

    @property
    def limits(self) -> tuple[float, float]:
        """The closed interval that decides, on the scale of :meth:`Answer.values`: logarithms of ratios."""
        if self.ratio:
            return (log(self.low) if self.low > 0 else -inf), log(self.high)
        if self.strict:
            return nextafter(self.low, inf), nextafter(self.high, -inf) if self.high < inf else inf
        return self.low, inf if self.unit == "%" and self.high >= 100 else self.high

    @property
    def unit(self) -> str:
        """Unit of the number that is asked for."""
        if self.ratio:
            return "×"
        unit = next((term.unit for term in self.terms if isinstance(term, Quantity)), "")
        return "points" if unit == "%" and len(self.terms) > 1 else unit

    def label(self, labels: Mapping[str, str]) -> str:
        """What is asked for, in words; ``labels`` says what to call each experiment."""
        if self.name:
            return self.name
        if len(self.terms) == 1:
            return _term_label(self.terms[0], labels)
        first, second = self.terms
        sign = "÷" if self.ratio else "−"
        if isinstance(first, Quantity) and isinstance(second, Quantity) and describe(first) == describe(second):
            return f"{describe(first)}, {labels[first.of]} {sign} {labels[second.of]}"
        return f"{_term_label(first, labels)} {sign} {_term_label(second, labels)}"


@dataclass(frozen=True)
class Answer:
    """What the results say to a question: ``values`` by seed (logarithms of ratios), and the mean of each side.

    ``groups`` are the values of each term of a weighted sum, whose variance is pooled; empty for all other questions.
    """

    question: Question
    values: tuple[float, ...]
    sides: tuple[float, ...]
    runs: tuple[str, ...]
    exact: bool
    groups: tuple[tuple[float, ...], ...] = ()

    @property
    def evidence(self) -> Evidence:
        """Evidence that the number lies within the limits."""
        if self.exact and self.values:
            return rules.weigh_exact(self.values[0], *self.question.limits)
        if self.groups:
            return rules.weigh_contrast(self.groups, self.question.weights, *self.question.limits)
        return rules.weigh(self.values, *self.question.limits)

    @property
    def estimate(self) -> stats.Estimate:
        """The mean, or weighted sum of means, with its standard error; of two seeds or more."""
        return stats.contrast(self.groups, self.question.weights) if self.groups else stats.mean_of(self.values)

    @property
    def on_its_scale(self) -> tuple[float, ...]:
        """The values, ratios as ratios."""
        return tuple(map(exp, self.values)) if self.question.ratio else self.values


def judge(paper: Paper, results: Results) -> tuple[Judgement, ...]:
    """Judge every claim of a paper, in the order of ``paper.claims``.

    A claim that cannot be judged at all is not tested, with the reason in its sentence; the others are still judged.
    """
    selection = Selection(paper, results)
    judgements = [_judge(claim, selection) for claim in paper.claims]
    return tuple(replace(j, sentence=j.sentence or sentences.sentence(j)) for j in _with_holm(judgements))


def questions(check: Check) -> tuple[Question, ...]:
    """The numbers that a check asks for, with their limits; none where which they are depends on what was measured."""
    match check:
        case Equal():
            expected, resolution = check.expected, check.resolution
            return (Question((check.quantity,), expected - resolution, expected + resolution, strict=True),)
        case Within():
            return tuple(Question((quantity,), check.low, check.high) for quantity in check.quantities)
        case Ordered():
            return tuple(Question(_terms(pair), 0, inf, strict=True) for pair in check.pairs)
        case DifferenceWithin():
            return (Question(_terms(check.pair), check.low, check.high),)
        case RatioWithin():
            return (Question(_terms(check.pair), check.low, check.high, ratio=True),)
        case AheadAtEqualCost():
            return ()
        case Consistent():
            return tuple(Question((a.left, a.right), -a.tolerance, a.tolerance, strict=True) for a in check.agreements)
    assert_never(check)


def asked(check: Check, selection: Selection) -> tuple[Question, ...]:
    """As :func:`questions`, with those at equal cost, for each machine on which all networks' costs are known.

    Where there is none, a question without weights stands for it, which nothing answers.
    """
    if not isinstance(check, AheadAtEqualCost):
        return questions(check)
    return tuple(
        Question(
            (*check.first, *check.second), check.margin, inf, weights=known.weights, name=f"distance at {known.words}"
        )
        for cost in check.costs
        for known in costs.comparable(cost, check, selection)
    )


def answer(question: Question, selection: Selection) -> Answer:
    """Answer a question from the results that count.

    Raises:
        QuantityError: no result could ever answer it.
    """
    if len(question.terms) > 2:
        return _weighted(question, selection)
    samples = [selection.sample(term) for term in question.terms]
    sides = _aligned(samples)
    shared = list(sides[0])
    values = tuple(sides[0].values())
    if len(sides) == 2:
        compare = stats.log_ratios if question.ratio else stats.paired_differences
        values = tuple(compare(*sides).values())
    return Answer(
        question=question,
        values=values,
        sides=tuple(fmean(side.values()) for side in sides if side),
        runs=tuple(sorted({s.sources[key] for s in samples for key in s.sources if s.exact or key in shared})),
        exact=all(sample.exact for sample in samples),
    )


def _weighted(question: Question, selection: Selection) -> Answer:
    """The answer over the seeds that all terms have; ``sides`` are the parts with positive and negative weights."""
    samples = [selection.sample(term) for term in question.terms]
    aligned = _aligned(samples) if question.weights else []
    groups = tuple(tuple(side.values()) for side in aligned) if aligned and aligned[0] else ()
    if not groups:
        return Answer(question, (), (), (), exact=False)
    weighted = [[weight * value for value in group] for weight, group in zip(question.weights, groups, strict=True)]
    means = [fmean(group) for group in weighted]
    return Answer(
        question=question,
        values=tuple(map(sum, zip(*weighted, strict=True))),
        sides=(sum(mean for mean in means if mean > 0), -sum(mean for mean in means if mean < 0)),
        runs=tuple(sorted({sample.sources[key] for sample in samples for key in aligned[0]})),
        exact=False,
        groups=groups,
    )


def export(papers: Sequence[Paper], results: Results) -> dict[str, Any]:
    """All claims with their verdicts as plain JSON values, for other tools; ``schema_version`` says which layout."""
    return {
        "schema_version": SCHEMA,
        "papers": [
            {"key": paper.key, "title": paper.title, "claims": [_exported(j) for j in judge(paper, results)]}
            for paper in papers
        ],
        "problems": list(results.problems),
    }


def _judge(claim: Claim, selection: Selection) -> Judgement:
    """One claim, without Holm's correction and without the sentence, unless it cannot be judged."""
    try:
        answers = [answer(question, selection) for question in asked(claim.check, selection)]
        missing = selection.missing(claim.quantities) + costs.missing(claim.check, selection)
        set_aside = selection.set_aside(claim.quantities)
        indication = _indication(claim, selection)
    except (InputError, ValueError) as error:
        return _unjudgeable(claim, selection.paper, str(error))
    comparisons = max(1, sum(not a.exact for a in answers))
    evidence = rules.combine([rules.correct(a.evidence, comparisons) for a in answers])
    seeds = max((len(a.values) for a in answers if not a.exact), default=0)
    level = rules.level(seeds)
    verdict = _verdict_of(evidence, claim, level, tested=all(a.values for a in answers))
    more_seeds = _more_seeds(answers, comparisons, seeds) if verdict is Verdict.INCONCLUSIVE else None
    parts = tuple(_part(a, claim, comparisons, level, selection.paper.labels) for a in answers)
    units = {part.unit for part in parts}
    return Judgement(
        paper=selection.paper.key,
        claim=claim,
        verdict=verdict,
        holm_verdict=verdict,
        p_value=_p_value(answers, evidence, level),
        parts=parts,
        unit=units.pop() if len(units) == 1 else "",
        runs=tuple(dict.fromkeys(run for a in answers for run in a.runs)),
        missing=missing,
        set_aside=set_aside,
        sentence="",
        grade=_grade(verdict, indication),
        indication=indication,
        more_seeds=more_seeds,
        chance=_chance(answers, comparisons, more_seeds) if more_seeds else None,
        look=rules.look(seeds),
        level=level,
    )


def _with_holm(judgements: list[Judgement]) -> list[Judgement]:
    """Holm's correction over the paper's claims on which a test was made; what is not sure any more is inconclusive.

    Claims that are not ``corrected`` stay as they are and change no other's correction. A corrected p-value is held
    against the level of its claim's own look.
    """
    tested = {i: j.p_value for i, j in enumerate(judgements) if j.p_value is not None and j.claim.corrected}
    adjusted = dict(zip(tested, stats.holm(list(tested.values())), strict=True))
    return [
        replace(j, holm_verdict=Verdict.INCONCLUSIVE) if adjusted.get(i, 0) > j.level else j
        for i, j in enumerate(judgements)
    ]


def _part(given: Answer, claim: Claim, comparisons: int, level: float, labels: Mapping[str, str]) -> Part:
    question, values, n = given.question, given.values, len(given.values)
    enough = n >= MIN_SEEDS and not given.exact
    interval = given.estimate.interval(n) if enough else None
    bootstrap = stats.bootstrap_interval(values, BOOTSTRAP_SEED) if enough and not given.groups else None
    if question.ratio:
        interval, bootstrap = stats.from_logs(interval), stats.from_logs(bootstrap)
    return Part(
        label=question.label(labels),
        estimate=_mean(given),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=n,
        verdict=_verdict_of(rules.correct(given.evidence, comparisons), claim, level, tested=bool(values)),
        unit=question.unit,
        exact=given.exact,
        at_least=question.low if question.limits[0] > -inf else None,
        at_most=question.high if question.limits[1] < inf else None,
        sides=given.sides,
        values=given.on_its_scale,
        bootstrap=bootstrap,
        effect=stats.paired_effect(values) if enough and len(question.terms) == 2 else None,
    )


def _mean(given: Answer) -> float | None:
    """Of ratios the geometric mean."""
    if not given.values:
        return None
    mean = fmean(given.values)
    return exp(mean) if given.question.ratio else mean


def _verdict_of(evidence: Evidence, claim: Claim, level: float, tested: bool) -> Verdict:
    """The verdict in the words of the claim's kind; a contradiction stands whatever else is still missing."""
    direction = int(rules.decide(evidence, level))
    if not tested and direction != -1:
        return Verdict.NOT_TESTED
    words = _SUPPORTED_OR_NOT if claim.expected else _CONSISTENT_OR_NOT if claim.kind == "internal" else _VERDICT_OF
    return words[direction]


def _p_value(answers: list[Answer], evidence: Evidence, level: float) -> float | None:
    """The smaller p-value of the two directions, where a test was made.

    A claim that a count decides has p = 0 and so changes no other claim's correction.
    """
    drawn = [len(a.values) for a in answers if not a.exact]
    decided = int(rules.decide(evidence, level)) != 0
    if not drawn or not (decided or min(drawn) >= MIN_SEEDS):
        return None
    return float(min(evidence.supports, evidence.contradicts))


def _more_seeds(answers: list[Answer], comparisons: int, seeds: int) -> int | None:
    """The most that any undecided number needs; below three seeds, what is lacking to three.

    The number with the most ``seeds`` sets the level at which all are decided.
    """
    undecided = [a for a in answers if not a.exact and int(rules.decide(a.evidence, rules.level(seeds))) != 1]
    needed = [_more_seeds_of(a, comparisons, seeds - len(a.values)) for a in undecided]
    known = [number for number in needed if number is not None]
    return max(known) if known and len(known) == len(needed) else None


def _more_seeds_of(given: Answer, comparisons: int, behind: int) -> int | None:
    """As :func:`_more_seeds`, of one number, which has so many seeds fewer than the one with the most."""
    if len(given.values) < MIN_SEEDS:
        return MIN_SEEDS - len(given.values)
    return stats.seeds_to_decide(
        given.values,
        *given.question.limits,
        lambda number: rules.level(number + behind),
        comparisons,
        given.estimate if given.groups else None,
    )


def _chance(answers: list[Answer], comparisons: int, further: int) -> float | None:
    """How likely the claim is decided once ``further`` seeds have come, looked at as the rule for adding seeds has it.

    None where a number has fewer than three seeds, which say too little about the spread, and for weighted sums, which
    are not simulated.
    """
    drawn = [a for a in answers if not a.exact]
    numbers = [len(a.values) for a in drawn]
    if min(numbers) < MIN_SEEDS or any(a.groups for a in drawn):
        return None
    samples = [
        stats.with_further_values(a.values, further, CHANCE_SIMULATIONS, random_state)
        for random_state, a in enumerate(drawn)
    ]
    added = sorted({*range(1, min(further, rules.MAX_SEEDS - MIN_SEEDS) + 1), further})
    looks = [[n + more for n in numbers] for more in added]
    decisions, _ = rules.decide_in_turn(samples, [a.question.limits for a in drawn], looks, comparisons)
    return float((decisions != 0).mean())


def _grade(verdict: Verdict, indication: Indication | None) -> Grade:
    if verdict is not Verdict.NOT_TESTED:
        return Grade.DIRECT
    return Grade.INDICATED if indication and indication.direction is not Direction.OPEN else Grade.NONE


def _indication(claim: Claim, selection: Selection) -> Indication | None:
    """What the runs at both shortened budgets say of the order that a claim states."""
    if not isinstance(claim.check, Ordered) or not all(_indicable(q, selection.paper) for q in claim.quantities):
        return None
    orders = questions(claim.check)
    answers = {b: [answer(q, selection.at(b)) for q in orders] for b in SHORTENED}
    runs = tuple(dict.fromkeys(run for budget in SHORTENED for a in answers[budget] for run in a.runs))
    signs = {budget: _signs(answers[budget]) for budget in SHORTENED}
    reasons = [_why_open(budget, answers[budget]) for budget in SHORTENED if 0 in signs[budget]]
    if reasons:
        return Indication(Direction.OPEN, "; ".join(reasons), runs)
    labels = selection.paper.labels
    found = "; ".join(
        sentences.at_budget(budget, [_part(a, claim, 1, ALPHA, labels) for a in answers[budget]])
        for budget in SHORTENED
    )
    if signs[Budget.SHORT] != signs[Budget.DOUBLE]:
        return Indication(Direction.OPEN, f"the directions differ: {found}", runs)
    direction = Direction.REVERSED if -1 in signs[Budget.SHORT] else Direction.AS_CLAIMED
    return Indication(direction, found, runs)


def _indicable(quantity: Quantity, paper: Paper) -> bool:
    shortened = all(paper.experiment(quantity.of).has(budget) for budget in SHORTENED)
    return shortened and quantity.name in _INDICABLE and quantity.epoch is None


def _signs(answers: list[Answer]) -> list[int]:
    """Which way each order points at one budget: 1 as claimed, -1 reversed, 0 where it is not clear of zero.

    Each is decided as at the paper's own budget, a reversal corrected for the number of orders. But unlike there, one
    that is reversed does not stand for others that are not clear or not run.
    """
    level = rules.level(max(len(a.values) for a in answers))
    return [int(rules.decide(rules.correct(a.evidence, len(answers)), level)) for a in answers]


def _why_open(budget: Budget, answers: list[Answer]) -> str:
    seeds = min(len(a.values) for a in answers)
    if seeds < MIN_SEEDS:
        return f"{seeds} of {MIN_SEEDS} seeds at the budget {budget}"
    return f"an interval at the budget {budget} is not clear of zero"


def _unjudgeable(claim: Claim, paper: Paper, reason: str) -> Judgement:
    return Judgement(
        paper=paper.key,
        claim=claim,
        verdict=Verdict.NOT_TESTED,
        holm_verdict=Verdict.NOT_TESTED,
        p_value=None,
        parts=(),
        unit="",
        runs=(),
        missing=(),
        set_aside=(),
        sentence=f"Cannot be judged: {reason}.",
        grade=Grade.NONE,
        indication=None,
        more_seeds=None,
        chance=None,
        look=None,
        level=ALPHA,
    )


def _aligned(samples: list[Sample]) -> list[dict[Key, float]]:
    """The terms' values over the keys that all have; an exact number stands beside every seed of the other."""
    drawn = [sample.values for sample in samples if not sample.exact] or [samples[0].values]
    shared = [key for key in sorted(drawn[0]) if all(key in values for values in drawn)]
    if not all(sample.values for sample in samples):
        shared = []
    return [
        {key: next(iter(sample.values.values())) if sample.exact else sample.values[key] for key in shared}
        for sample in samples
    ]


def _terms(pair: Pair) -> tuple[Quantity, Quantity]:
    return pair.first, pair.second


def _term_label(term: Quantity | Number, labels: Mapping[str, str]) -> str:
    return f"{describe(term)} of {labels[term.of]}" if isinstance(term, Quantity) else term.label


def _exported(judgement: Judgement) -> dict[str, Any]:
    exported: dict[str, Any] = to_json(judgement)
    claim: dict[str, Any] = exported.pop("claim")
    return claim | exported
