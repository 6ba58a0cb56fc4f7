"""Verdicts in plain words, made from the numbers and nothing else."""

from collections import Counter
from collections.abc import Iterable, Sequence

from sepconv.spec import Claim
from sepconv.verdicts.rules import ALPHA, LEVELS, MAX_SEEDS, Direction, Grade, Judgement, Part, Verdict
from sepconv.verdicts.samples import MIN_SEEDS
from sepconv.verdicts.stats import MOST_SEEDS

_UNITS_OF_SIDES = {"points": "%", "×": ""}  # a difference and a ratio are of numbers in other units


def number(value: float, unit: str) -> str:
    """A number as a reader wants it: counts whole, accuracies to 0.01, all else to four significant digits."""
    if unit in ("%", "points"):
        text = f"{value:.2f}"
    elif value == round(value) or abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", "−")


def signed(value: float, decimals: int = 1) -> str:
    """A difference with its sign, a true minus where it is negative."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def several(count: int, what: str) -> str:
    """``1 result``, ``2 results``."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def counts(judgements: Iterable[Judgement]) -> str:
    """How many claims have which verdict, the most frequent first, and how many of them were fitted."""
    judged = list(judgements)
    fitted = Counter(judgement.verdict for judgement in judged if judgement.claim.fitted)
    return ", ".join(
        f"{count} {verdict}{f' (of which {fitted[verdict]} fitted)' if fitted[verdict] else ''}"
        for verdict, count in Counter(judgement.verdict for judgement in judged).most_common()
    )


def reading(claim: Claim) -> str:
    """Which claims chose the reading that this one is judged by, and what its verdict is then worth; else nothing."""
    if claim.fitted:
        return "Fitted: the reading was chosen because it gives the reported number, which is therefore no test of it."
    if claim.reading_from:
        return f"The reading was chosen by {listed(claim.reading_from)}; this claim tests it."
    return ""


def sentence(judgement: Judgement) -> str:
    """Verdict, what the paper reports, and what we found, in one sentence."""
    claim, verdict = judgement.claim, judgement.verdict
    reported = "expected was" if claim.expected else "the paper reports"
    opening = f"{verdict.capitalize()}: {reported} {claim.reported.rstrip('.')}"
    found = "; ".join(describe_part(part) for part in judgement.parts if part.n)
    pieces = [f"{opening}, and we find {found}" if found else opening]
    if claim.fitted:
        pieces.append("fitted, not tested: the reading was chosen because it gives this number")
    if verdict is Verdict.NOT_TESTED:
        pieces.append(f"missing: {listed(judgement.missing)}" if judgement.missing else "no result counts")
    if judgement.level < ALPHA:
        pieces.append(f"judged at {look(judgement)}")
    if verdict is Verdict.INCONCLUSIVE:
        pieces.append(what_would_decide(judgement))
    if judgement.holm_verdict != verdict:
        pieces.append("not sure any more with Holm's correction over the paper's claims")
    if judgement.set_aside:
        pieces.append(f"not counted: {listed(judgement.set_aside)}")
    return "; ".join(pieces) + "."


def evidence(judgement: Judgement) -> str:
    """The grade of the evidence, with its direction where it is only indicated."""
    if judgement.grade is Grade.INDICATED and judgement.indication:
        return f"{judgement.grade} {judgement.indication.direction}"
    return str(judgement.grade)


def indication(judgement: Judgement) -> str:
    """What compressed schedules say, which decides nothing; nothing of it where there are no such runs."""
    found = judgement.indication
    if found is None or not found.runs:
        return ""
    if found.direction is Direction.OPEN:
        return f"Compressed schedules leave the order open: {found.reason}."
    return f"Compressed schedules indicate the order {found.direction}, which decides nothing: {found.reason}."


def at_budget(budget: str, parts: Iterable[Part]) -> str:
    """The numbers that were found at one budget."""
    return f"at the budget {budget}, {'; '.join(describe_part(part) for part in parts)}"


def describe_part(part: Part) -> str:
    """One number, the two that it compares, its interval and its n."""
    if part.estimate is None:
        return f"{part.label}: nothing"
    details = []
    if len(part.sides) == 2:
        of_side = _UNITS_OF_SIDES.get(part.unit, part.unit)
        details.append(" against ".join(number(side, of_side) for side in part.sides))
    if part.low is not None and part.high is not None:
        details.append(f"95 % interval {number(part.low, part.unit)} to {number(part.high, part.unit)}, n = {part.n}")
    elif not part.exact:
        details.append(f"n = {part.n}, no interval")
    shown = f"{part.label}: {number(part.estimate, part.unit)} {part.unit}".rstrip()
    return f"{shown} ({'; '.join(details)})" if details else shown


def look(judgement: Judgement) -> str:
    """At which look the claim was judged, and at which level."""
    return f"look {judgement.look} of {len(LEVELS)}, two-sided level {judgement.level:g}"


def what_would_decide(judgement: Judgement) -> str:
    """What an inconclusive claim still needs to be decided."""
    if any(part.n < MIN_SEEDS for part in judgement.parts if not part.exact):
        return "fewer than three seeds decide nothing"
    if judgement.more_seeds is None:
        return f"with this spread even {MOST_SEEDS} seeds would not decide"
    return further_seeds(judgement)


def further_seeds(judgement: Judgement) -> str:
    """How many further seeds would decide, and with which chance, rounded to the twentieth that it is sure to.

    Below three seeds the spread is unknown, and so is the chance.
    """
    more = judgement.more_seeds or 0
    seeds = several(more, "further seed")
    if judgement.chance is None:
        return seeds
    most = max(part.n for part in judgement.parts if not part.exact) + more
    beyond = f", beyond the {MAX_SEEDS} at which looking ends" if most > MAX_SEEDS else ""
    return f"{seeds} would decide with a chance of about {5 * round(20 * judgement.chance)} %{beyond}"


def listed(texts: Sequence[str], most: int = 3) -> str:
    """Texts in a row, cut where there are too many to read."""
    rest = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {rest} more" if rest > 0 else "")
