"""A re-runner's results against ours, claim by claim."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf

from sepconv.results.store import Results
from sepconv.spec import Budget, Claim, InputError, Paper, Quantity
from sepconv.verdicts import sentences, stats
from sepconv.verdicts.judge import Answer, Question, answer, asked, judge
from sepconv.verdicts.rules import Grade, Judgement, Verdict
from sepconv.verdicts.samples import Selection
from sepconv.verdicts.stats import Interval


@dataclass(frozen=True)
class ComparedNumber:
    """One number at one budget, on both sides; ``theirs`` is empty where they have not run it.

    ``expected`` is where one more run of ours would lie with 95 % confidence (the prediction interval); None where we
    have too few runs for one, and for counts, which have to be equal.
    """

    budget: Budget
    label: str
    unit: str
    exact: bool  # counted, without chance
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    expected: Interval | None
    as_expected: int | None  # how many of their values are; None where nothing can be expected


@dataclass(frozen=True)
class Comparison:
    """One claim judged from our results and from theirs, with the numbers that ours say something about."""

    claim: Claim
    ours: Judgement
    theirs: Judgement
    rows: tuple[ComparedNumber, ...]

    @property
    def changed(self) -> bool:
        """Both could test the claim, and the verdicts differ."""
        verdicts = {self.ours.verdict, self.theirs.verdict}
        return Verdict.NOT_TESTED not in verdicts and len(verdicts) == 2

    @property
    def regraded(self) -> bool:
        """They have evidence too, of another grade than ours, or both have indications that point different ways."""
        theirs = self.theirs.grade is not Grade.NONE
        return theirs and sentences.evidence(self.ours) != sentences.evidence(self.theirs)

    @property
    def shared(self) -> tuple[ComparedNumber, ...]:
        """The numbers that both have."""
        return tuple(row for row in self.rows if row.theirs)

    @property
    def predicted(self) -> tuple[ComparedNumber, ...]:
        """The numbers that one more run of ours is predicted for."""
        return tuple(row for row in self.rows if row.expected)


def compare(paper: Paper, ours: Results, theirs: Results) -> tuple[Comparison, ...]:
    """Compare every claim of a paper: changed verdicts first, then what both have numbers for, then the rest.

    Against no results at all, it says what any would be held against.
    """
    theirs = _of_our_data(ours, theirs)
    selections = Selection(paper, ours), Selection(paper, theirs)
    compared = [
        Comparison(claim, our, their, tuple(_rows(claim, *selections)))
        for claim, our, their in zip(paper.claims, judge(paper, ours), judge(paper, theirs), strict=True)
    ]
    return tuple(sorted(compared, key=lambda c: (not c.changed, not c.shared)))


def by_number(comparisons: Iterable[Comparison]) -> dict[ComparedNumber, list[Comparison]]:
    """Each number of one paper once, with the claims that rest on it."""
    found: dict[ComparedNumber, list[Comparison]] = {}
    for comparison in comparisons:
        for row in dict.fromkeys(comparison.rows):
            found.setdefault(row, []).append(comparison)
    return found


def set_aside(paper: Paper, ours: Results, theirs: Results) -> tuple[str, ...]:
    """One text for each result of theirs that is compared with none of ours, with the reason, such as other data."""
    comparable = _of_our_data(ours, theirs)
    kept = {run.key for run in comparable.runs}
    other_data = [f"{r.key} (other data than ours)" for r in theirs.runs if r.paper == paper.key and r.key not in kept]
    wanted = [Quantity("num_params", e.name) for e in paper.experiments]
    wanted += [Quantity("test_accuracy", e.name) for e in paper.experiments if e.recipe]
    found = (text for budget in Budget for text in Selection(paper, comparable, budget).set_aside(wanted))
    return tuple(dict.fromkeys([*other_data, *found]))


def _of_our_data(ours: Results, theirs: Results) -> Results:
    """Their results without the runs on other images than ours of the same dataset."""
    kept = (run for run in theirs.runs if run.data_sha256 == ours.data.get(run.spec["dataset"], run.data_sha256))
    return replace(theirs, runs=tuple(kept))


def _rows(claim: Claim, ours: Selection, theirs: Selection) -> Iterator[ComparedNumber]:
    for budget in reversed(Budget):
        our, their = ours.at(budget), theirs.at(budget)
        for question in _asked(claim, our):
            yield from _rows_of(question, our, their)


def _asked(claim: Claim, ours: Selection) -> tuple[Question, ...]:
    try:
        return asked(claim.check, ours)
    except (InputError, ValueError):
        return ()  # the judgements say why


def _rows_of(question: Question, ours: Selection, theirs: Selection) -> Iterator[ComparedNumber]:
    """The number that is asked for; where they have run only one of the two that it compares, that one.

    Not of seconds: alone, they say more about the machine than about the network.
    """
    if not any(isinstance(term, Quantity) for term in question.terms):
        return
    try:
        row = _row(ours, answer(question, ours), answer(question, theirs))
    except (InputError, ValueError):
        return  # the judgements say why
    if row.ours and (row.theirs or row.expected) and (row.budget is Budget.PAPER or not row.exact):
        yield row
    if len(question.terms) == 2 and not row.theirs:
        alone = (Question((term,), -inf, inf) for term in question.terms)
        found = (row for one in alone if one.unit != "s" for row in _rows_of(one, ours, theirs))
        yield from (row for row in found if row.theirs)


def _row(ours: Selection, our: Answer, their: Answer) -> ComparedNumber:
    expected = None if our.exact else _one_more(our.values, our.question)
    as_expected = None
    if our.exact and our.values:
        as_expected = sum(value == our.values[0] for value in their.values)
    elif expected:
        as_expected = sum(expected.low <= value <= expected.high for value in their.on_its_scale)
    return ComparedNumber(
        budget=ours.budget,
        label=our.question.label(ours.paper.labels),
        unit=our.question.unit,
        exact=our.exact,
        ours=our.on_its_scale,
        theirs=their.on_its_scale,
        expected=expected,
        as_expected=as_expected,
    )


def _one_more(values: tuple[float, ...], question: Question) -> Interval | None:
    """The prediction interval, of a percentage within 0 and 100; None for fewer than two values, and for equal ones.

    Equal values show no spread to predict from: two networks that still guess are often right equally often.
    """
    expected = stats.prediction_interval(values)
    if expected is None or expected.low == expected.high:
        return None
    if question.ratio:
        return stats.from_logs(expected)
    if question.unit == "%":
        return replace(expected, low=max(expected.low, 0.0), high=min(expected.high, 100.0))
    return expected
