"""What cells of several tables say: estimates, numbers of things, numbers of three digits."""

from markupsafe import Markup

from sepconv.report.markup import NOTHING, badge, note
from sepconv.verdicts.rules import Judgement, Part
from sepconv.verdicts.sentences import number, several


def format_estimate(part: Part) -> str:
    """What the results say to one number of a claim: the two counts, or the mean with its 95 % interval."""
    if part.estimate is None:
        return NOTHING
    unit = part.unit.partition(" as ")[0]  # whose FLOPs they are stands in the claim
    if part.exact and part.unit == "×":
        return f"{number(part.estimate, '×')} × ({' against '.join(number(side, '') for side in part.sides)})"
    if part.exact:
        return f"{' against '.join(number(side, part.unit) for side in part.sides)} {unit}".rstrip()
    sign = "+" if part.unit != "×" and len(part.sides) == 2 and part.estimate > 0 else ""
    text = f"{sign}{number(part.estimate, part.unit)}"
    if part.low is None or part.high is None:
        return f"{text} {unit}".rstrip()
    if part.unit == "×":  # not symmetric
        return f"{text} × ({number(part.low, '×')} to {number(part.high, '×')})"
    half = (part.high - part.low) / 2
    if part.unit not in ("%", "points"):  # they have two decimals anyway
        half = float(f"{half:.2g}")
    return f"{text} ± {number(half, part.unit)} {unit}".rstrip()


def describe_estimate(part: Part, *, with_verdict: bool) -> Markup:
    """One number of a claim with what it rests on, and its own verdict where the claim has several numbers."""
    details = [] if part.exact else [f"n = {part.n}"]
    if part.bootstrap is not None:
        low, high = number(part.bootstrap.low, part.unit), number(part.bootstrap.high, part.unit)
        details.append(f"bootstrap {low} to {high}")
    if part.effect is not None:
        details.append(f"effect size {number(round(part.effect, 1), '')} standard deviations")
    line = Markup("{}: <strong>{}</strong>").format(part.label, format_estimate(part))
    if details:
        line += Markup(" {}").format(note(f"({'; '.join(details)})"))
    return line + Markup(" {}").format(badge(part.verdict)) if with_verdict else line


def missing_results(judgement: Judgement) -> str:
    """How many results a claim still needs."""
    return f"{several(len(judgement.missing), 'result')} missing" if judgement.missing else NOTHING


def significant(value: float) -> str:
    """Three digits, or all before the point; a number below one without zeros at its end."""
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:#.3g}" if value >= 1 else f"{value:.3g}"
