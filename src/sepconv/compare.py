"""A re-runner's results against ours, claim by claim."""

from dataclasses import dataclass

from sepconv import stats
from sepconv.claims import Answer, answer, judge, questions
from sepconv.measures import MeasureError, Selection
from sepconv.results import Results
from sepconv.spec import Budget, Claim, Paper
from sepconv.stats import Interval
from sepconv.verdicts import Judgement, Verdict


@dataclass(frozen=True)
class Row:
    """One number of a claim at one budget, on both sides.

    ``expected`` is where one more run of ours would lie with 95 % confidence (the prediction interval); None where we
    have too few runs for one, and for counts, which have to be equal.
    """

    budget: Budget
    label: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    expected: Interval | None
    as_expected: int | None  # how many of their values are; None where nothing can be expected


@dataclass(frozen=True)
class Comparison:
    """One claim judged from our results and from theirs, with the numbers at every budget that both have run."""

    claim: Claim
    ours: Judgement
    theirs: Judgement
    rows: tuple[Row, ...]

    @property
    def changed(self) -> bool:
        """Both could test the claim, and the verdicts differ."""
        verdicts = {self.ours.verdict, self.theirs.verdict}
        return Verdict.NOT_TESTED not in verdicts and len(verdicts) == 2


def compare(paper: Paper, ours: Results, theirs: Results) -> tuple[Comparison, ...]:
    """Compare every claim of a paper: changed verdicts first, then what both have numbers for, then the rest."""
    compared = [
        Comparison(claim, our, their, _rows(claim, Selection(paper, ours), Selection(paper, theirs)))
        for claim, our, their in zip(paper.claims, judge(paper, ours), judge(paper, theirs), strict=True)
    ]
    return tuple(sorted(compared, key=lambda c: (not c.changed, not c.rows)))


def _rows(claim: Claim, ours: Selection, theirs: Selection) -> tuple[Row, ...]:
    rows = []
    for budget in reversed(Budget):
        for question in questions(claim.check):
            try:
                our, their = (answer(question, Selection(s.paper, s.results, budget)) for s in (ours, theirs))
            except (MeasureError, ValueError):
                return ()  # the judgements say why
            if our.values and their.values and not (our.exact and budget is not Budget.PAPER):
                rows.append(_row(budget, our, their))
    return tuple(rows)


def _row(budget: Budget, our: Answer, their: Answer) -> Row:
    expected = None if our.exact else stats.prediction_interval(our.values)
    as_expected = None
    if our.exact:
        as_expected = sum(value == our.values[0] for value in their.values)
    elif expected:
        as_expected = sum(expected.low <= value <= expected.high for value in their.values)
    return Row(
        budget=budget,
        label=our.question.label,
        unit=our.question.unit,
        ours=our.on_its_scale,
        theirs=their.on_its_scale,
        expected=stats.from_logs(expected) if our.question.ratio else expected,
        as_expected=as_expected,
    )
