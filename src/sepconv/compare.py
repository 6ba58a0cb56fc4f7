"""A re-runner's results against ours, claim by claim."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sepconv import stats
from sepconv.claims import Answer, Question, answer, judge, questions
from sepconv.measures import MeasureError, Selection, data_of
from sepconv.results import Results
from sepconv.spec import Budget, Claim, Measure, Paper
from sepconv.stats import Interval
from sepconv.verdicts import Judgement, Verdict


@dataclass(frozen=True)
class Row:
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
    rows: tuple[Row, ...]

    @property
    def changed(self) -> bool:
        """Both could test the claim, and the verdicts differ."""
        verdicts = {self.ours.verdict, self.theirs.verdict}
        return Verdict.NOT_TESTED not in verdicts and len(verdicts) == 2

    @property
    def shared(self) -> tuple[Row, ...]:
        """The numbers that both have."""
        return tuple(row for row in self.rows if row.theirs)

    @property
    def predicted(self) -> tuple[Row, ...]:
        """The numbers that one more run of ours is predicted for."""
        return tuple(row for row in self.rows if row.expected)


def compare(paper: Paper, ours: Results, theirs: Results) -> tuple[Comparison, ...]:
    """Compare every claim of a paper: changed verdicts first, then what both have numbers for, then the rest.

    Against no results at all, it says what any would be held against.
    """
    theirs = _of_our_data(ours, theirs)
    compared = [
        Comparison(claim, our, their, tuple(_rows(claim, Selection(paper, ours), Selection(paper, theirs))))
        for claim, our, their in zip(paper.claims, judge(paper, ours), judge(paper, theirs), strict=True)
    ]
    return tuple(sorted(compared, key=lambda c: (not c.changed, not c.shared)))


def set_aside(paper: Paper, ours: Results, theirs: Results) -> tuple[str, ...]:
    """One text for each result of theirs that is compared with none of ours, with the reason, such as other data."""
    comparable = _of_our_data(ours, theirs)
    kept = {run.key for run in comparable.runs}
    other_data = [f"{r.key} (other data than ours)" for r in theirs.runs if r.paper == paper.key and r.key not in kept]
    wanted = [Measure("num_params", e.name) for e in paper.experiments]
    wanted += [Measure("test_accuracy", e.name) for e in paper.experiments if e.recipe]
    found = (text for budget in Budget for text in Selection(paper, comparable, budget).set_aside(wanted))
    return tuple(dict.fromkeys([*other_data, *found]))


def _of_our_data(ours: Results, theirs: Results) -> Results:
    """Their results without the runs on other images than ours of the same dataset."""
    data = data_of(ours)
    kept = (run for run in theirs.runs if run.data_sha256 == data.get(run.spec["dataset"], run.data_sha256))
    return replace(theirs, runs=tuple(kept))


def _rows(claim: Claim, ours: Selection, theirs: Selection) -> Iterator[Row]:
    asked = [q for q in questions(claim.check) if any(isinstance(term, Measure) for term in q.terms)]
    for budget in reversed(Budget):
        for question in asked:
            try:
                our, their = (answer(question, Selection(s.paper, s.results, budget)) for s in (ours, theirs))
            except (MeasureError, ValueError):
                continue  # the judgements say why
            row = _row(budget, our, their)
            counted_before = row.exact and budget is not Budget.PAPER
            if row.ours and (row.theirs or row.expected) and not counted_before:
                yield row


def _row(budget: Budget, our: Answer, their: Answer) -> Row:
    expected = None if our.exact else _one_more(our.values, our.question)
    as_expected = None
    if our.exact and our.values:
        as_expected = sum(value == our.values[0] for value in their.values)
    elif expected:
        as_expected = sum(expected.low <= value <= expected.high for value in their.on_its_scale)
    return Row(
        budget=budget,
        label=our.question.label,
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
