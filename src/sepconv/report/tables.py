"""Tables and claim cards of the book: judgements, specs and results in, HTML out. No files, no statistics."""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

import pandas as pd
from markupsafe import Markup

from sepconv.report.markup import (
    Group,
    Html,
    Row,
    badge,
    card,
    claim_link,
    folded,
    lines,
    link,
    listing,
    note,
    recipe_anchor,
    recipe_link,
    run_link,
    table,
    target,
    verdicts,
)
from sepconv.results.records import CostResult, Environment, LatencyResult, Layer, RunResult, measured_on
from sepconv.results.store import Results
from sepconv.spec import (
    Augmentation,
    Budget,
    Constant,
    EpochDecay,
    Experiment,
    Optimizer,
    Paper,
    Recipe,
    Run,
    Schedule,
    WarmupExponential,
)
from sepconv.verdicts import compare
from sepconv.verdicts.attribution import Gap
from sepconv.verdicts.compare import Comparison
from sepconv.verdicts.rules import ALPHA, Judgement, Part, Verdict
from sepconv.verdicts.samples import MIN_SEEDS
from sepconv.verdicts.sentences import look, number

Judged = Sequence[tuple[Paper, Sequence[Judgement]]]
Compared = Sequence[tuple[Paper, Sequence[Comparison]]]
Numbers = Mapping[compare.Row, Sequence[Comparison]]  # with the claims that rest on each
LayerRow = tuple[str, ...]

NOTHING = "–"
_NORMS = ("BatchNormalization", "LayerNormalization")
_LAYER_NAMES = {
    "Conv2D": "Conv",
    "DepthwiseConv2D": "Conv dw",
    "Conv2DTranspose": "Transposed Conv",
    "MaxPooling2D": "Max Pool",
    "GlobalAveragePooling2D": "Avg Pool",
    "Dense": "FC",
}

_NOT_TRAINED = (Row((NOTHING, "built and counted, not trained", NOTHING)),)
_OPTIMIZER_NAMES = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}
_FIGURE_NAMES = {
    "Conv2D": "Normal Conv",
    "Conv2DTranspose": "Transposed Conv",
    "GlobalAveragePooling2D": "Adaptive Average Pool",
    "Dense": "Linear Layer",
}


# --- claims ----------------------------------------------------------------------------------------------------------


def scoreboard(judged: Judged) -> Html:
    """How many claims of each paper have which verdict, then one row a claim, linked to its card."""
    return Html(_counts(judged) + Markup("").join(_claims(paper, judgements) for paper, judgements in judged))


def claim_cards(judgements: Sequence[Judgement]) -> Html:
    """A card a claim, whose anchor is the claim's id."""
    return Html(Markup("").join(card(judgement, _entries(judgement)) for judgement in judgements))


def gaps_table(gaps: Sequence[Gap]) -> Html:
    """Each claim that did not come out: what is known of the reason, and the experiment that would tell more."""
    papers = dict.fromkeys(gap.judgement.paper for gap in gaps)
    groups = [Group(key, tuple(_gap_row(gap) for gap in gaps if gap.judgement.paper == key)) for key in papers]
    columns = ("claim", "likely cause", "what is known", "what would tell more")
    return Html(table(f"{len(gaps)} claims that did not come out", columns, groups, layout="stack"))


def format_estimate(part: Part) -> str:
    """What the results say to one number of a claim: the two counts, or the mean with its 95 % interval."""
    if part.estimate is None:
        return NOTHING
    unit = _short(part.unit)
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


def _short(unit: str) -> str:
    """A unit without whose FLOPs they are, which stands in the claim."""
    return unit.partition(" as ")[0]


def _gap_row(gap: Gap) -> Row:
    claim = lines([claim_link(gap.judgement), verdicts(gap.judgement)])
    return Row((claim, gap.cause, gap.known, gap.experiment))


def _counts(judged: Judged) -> Markup:
    counts = [Counter(judgement.verdict for judgement in judgements) for _, judgements in judged]
    names = [link(f"{paper.key}.html", paper.key) for paper, _ in judged]
    rows = [
        Row((badge(verdict), *(str(count[verdict]) if count[verdict] else NOTHING for count in counts)))
        for verdict in Verdict
    ]
    total = Row(("claims", *(str(count.total()) for count in counts)), mark="total")
    columns = ("verdict", *names)
    return table("Verdicts on each paper’s claims", columns, [Group("", (*rows, total))], numeric=names)


def _claims(paper: Paper, judgements: Sequence[Judgement]) -> Markup:
    rows = tuple(
        Row((claim_link(j), verdicts(j), j.claim.reported, _found_in_short(j), _n_in_short(j))) for j in judgements
    )
    columns = ("claim", "verdict", "the paper reports", "reproduced (mean ± 95 % interval)", "n")
    caption = f"{paper.key}: {paper.authors} ({paper.year}), {paper.title}"
    return table(caption, columns, [Group("", rows)], numeric=("n",), layout="stack")


def _found_in_short(judgement: Judgement) -> str:
    known = [part for part in judgement.parts if part.n]
    if len(known) == len(judgement.parts) == 1:
        return format_estimate(known[0])
    counts = Counter(part.verdict for part in known)
    if known:
        return ", ".join(f"{count} of {len(judgement.parts)} {verdict}" for verdict, count in counts.items())
    return note(_missing_in_short(judgement))


def _missing_in_short(judgement: Judgement) -> str:
    return f"{_several(len(judgement.missing), 'result')} missing" if judgement.missing else NOTHING


def _n_in_short(judgement: Judgement) -> str:
    """Seeds of the part that has fewest; counts have none."""
    drawn = [part.n for part in judgement.parts if not part.exact]
    return str(min(drawn)) if drawn else NOTHING


def _entries(judgement: Judgement) -> Iterable[tuple[str, str]]:
    claim = judgement.claim
    yield "Criterion", claim.criterion
    if claim.because:
        yield "Because", claim.because
    yield "Reported", claim.reported
    several = len(judgement.parts) > 1
    yield "Reproduced", _listed([_part_line(part, several) for part in judgement.parts]) or NOTHING
    if judgement.look:
        stricter = "; the interval shown stays that of 95 %" if judgement.level < ALPHA else ""
        yield "Judged at", f"{look(judgement)}{stricter}"
    if judgement.holm_verdict != judgement.verdict:
        yield "Correction", "The first verdict stands alone; the second is corrected for the number of claims (Holm)."
    if judgement.runs:
        yield "Runs", _folded(f"{len(judgement.runs)} used", [run_link(key) for key in judgement.runs])
    recipes = dict.fromkeys(q.of for q in claim.quantities if q.definition.source == "run" or q.unit == "bytes")
    if recipes:
        yield "Recipe", Markup(", ").join(recipe_link(judgement.paper, of) for of in recipes)
    if judgement.missing:
        yield "Missing", _folded(f"{len(judgement.missing)} still needed", judgement.missing)
    if judgement.set_aside:
        yield "Not counted", _folded(f"{len(judgement.set_aside)} set aside", judgement.set_aside)


def _part_line(part: Part, several: bool) -> Markup:
    details = [] if part.exact else [f"n = {part.n}"]
    if part.bootstrap is not None:
        low, high = number(part.bootstrap.low, part.unit), number(part.bootstrap.high, part.unit)
        details.append(f"bootstrap {low} to {high}")
    if part.effect is not None:
        details.append(f"effect size {number(round(part.effect, 1), '')} standard deviations")
    line = Markup("{}: <strong>{}</strong>").format(part.label, format_estimate(part))
    if details:
        line += Markup(" {}").format(note(f"({'; '.join(details)})"))
    return line + Markup(" {}").format(badge(part.verdict)) if several else line


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else listing(texts)


def _folded(summary: str, texts: Sequence[str], most: int = 2) -> str:
    """A list that is folded where it is long."""
    return _listed(texts) if len(texts) <= most else folded(summary, listing(texts))


# --- another folder of results ---------------------------------------------------------------------------------------


def changed_table(compared: Compared) -> Html:
    """Each claim on which the other folder gives another verdict than ours, with the numbers on both sides."""
    groups = [Group(paper.key, tuple(_changed_row(c) for c in found if c.changed)) for paper, found in compared]
    changed = sum(len(group.rows) for group in groups)
    caption = f"{_several(changed, 'verdict')} changed" if changed else "No verdict changed"
    return Html(table(caption, ("claim", "ours", "theirs"), groups))


def compared_table(paper: Paper, comparisons: Sequence[Comparison]) -> Html:
    """Every number of a paper's claims that both folders have; equal counts are folded below the others."""
    numbers = {row: claims for row, claims in compare.by_number(comparisons).items() if row.theirs}
    equal = {row: claims for row, claims in numbers.items() if row.exact and row.as_expected == len(row.theirs)}
    rest = {row: claims for row, claims in numbers.items() if row not in equal}
    caption = f"{paper.key}: {_several(len(numbers), 'number')} in both" if numbers else f"{paper.key}: nothing in both"
    columns = ("number", "ours", "theirs", "one more run of ours")
    shown = table(caption, columns, _by_budget(rest, _compared_cells), numeric=columns[1:]) if rest or not equal else ""
    counts = table(f"Counts of {paper.key}", columns[:3], _by_budget(equal, _count_cells), numeric=columns[1:3])
    summary = f"{paper.key}: {_several(len(equal), 'count')} equal in both"
    return Html(shown + folded(summary, counts) if equal else Markup(shown))


def expected_table(paper: Paper, comparisons: Sequence[Comparison]) -> Html:
    """Every number of a paper's claims at every budget from which one more run of ours can be predicted."""
    numbers = {row: claims for row, claims in compare.by_number(comparisons).items() if row.expected}
    caption = f"{paper.key}: what to expect of one more run" if numbers else f"{paper.key}: too few runs to expect one"
    columns = ("number", "ours", "one more run")
    return Html(table(caption, columns, _by_budget(numbers, _expected_cells), numeric=columns[1:]))


def idle_claims(compared: Compared, given: bool) -> Html:
    """Claims of which nothing is compared (or, with no folder ``given``, predicted), folded, with what is missing."""
    idle = [c for _, found in compared for c in found if not (c.shared if given else c.predicted)]
    reasons = [Markup("{}: {}").format(_claim_of(c), _why_idle(c, given)) for c in idle]
    return Html(folded(_several(len(idle), "claim"), listing(reasons)))


def left_out_table(reasons: Sequence[str]) -> Html:
    """Files of the other folder that are compared with nothing, each with the reason."""
    count = f"{_several(len(reasons), 'result')} of the other folder not compared"
    caption = count if reasons else "Every result of the other folder is compared where ours has the same"
    return Html(table(caption, ("result and reason",), [Group("", tuple(Row((reason,)) for reason in reasons))]))


def _changed_row(comparison: Comparison) -> Row:
    sides = (comparison.ours, comparison.theirs)
    cells = (lines([verdicts(side), *(_part_line(part, several=False) for part in side.parts)]) for side in sides)
    return Row((_claim_and_reported(comparison), *cells))


def _heading(row: compare.Row, claims: Sequence[Comparison], most: int = 3) -> Markup:
    """What the number is, its unit where the words do not say it, and the first of the claims that rest on it.

    What the paper reports stands beside them where the number is one of the paper's budget.
    """
    label = f"{row.label} ({row.unit})" if row.unit in ("%", "points", "s", "×") else row.label
    rest = [note(f"and {_several(len(claims) - most, 'other claim')}")] if len(claims) > most else []
    named = (_claim_and_reported(c) if row.budget is Budget.PAPER else claim_link(c.ours) for c in claims[:most])
    return lines([label, *named, *rest])


def _claim_and_reported(comparison: Comparison) -> Markup:
    return Markup("{} {}").format(claim_link(comparison.ours), note(f"(paper: {comparison.claim.reported})"))


def _by_budget(numbers: Numbers, cells: Callable[[compare.Row], tuple[str, ...]]) -> list[Group]:
    return [
        Group(
            f"budget {budget}",
            tuple(
                Row((_heading(row, claims), *cells(row)), mark=_mark(row))
                for row, claims in numbers.items()
                if row.budget is budget
            ),
        )
        for budget in reversed(Budget)
    ]


def _compared_cells(row: compare.Row) -> tuple[str, ...]:
    if row.as_expected is None:
        return (*_count_cells(row), note("too few of ours" if len(row.ours) < 2 else "ours are all equal"))
    inside = f"{row.as_expected}\u00a0of\u00a0{len(row.theirs)}"
    said = note(f"{inside} equal") if row.exact else lines([_range(row), note(f"{inside} in\u00a0it")])
    return (*_count_cells(row), said)


def _count_cells(row: compare.Row) -> tuple[str, ...]:
    return _sample(row.ours, row.unit), _sample(row.theirs, row.unit)


def _expected_cells(row: compare.Row) -> tuple[str, ...]:
    return _sample(row.ours, row.unit), _range(row)


def _mark(row: compare.Row) -> str:
    return "differs" if row.as_expected is not None and row.as_expected < len(row.theirs) else ""


def _range(row: compare.Row) -> str:
    if row.expected is None:
        return NOTHING
    return f"{number(row.expected.low, row.unit)} to\u00a0{number(row.expected.high, row.unit)}"


def _sample(values: Sequence[float], unit: str, most: int = 3) -> str:
    """A few values each for itself, more as their range."""
    ordered = [number(value, unit) for value in sorted(values)]
    return ", ".join(ordered) if len(ordered) <= most else f"{ordered[0]} to {ordered[-1]} (n = {len(ordered)})"


def _claim_of(comparison: Comparison) -> Markup:
    return link(f"{comparison.ours.paper}.html#{comparison.claim.id}", comparison.claim.id)


def _why_idle(comparison: Comparison, given: bool) -> str:
    ours, theirs = comparison.ours, comparison.theirs
    if not comparison.claim.quantities:
        return "the paper’s own numbers, nothing to run"
    if given:
        sides = {"ours": len(ours.missing), "theirs": len(theirs.missing)}
        missing = [f"{n} in {where}" for where, n in sides.items() if n]
        return f"results missing: {', '.join(missing)}" if missing else "measured differently"
    counted = ours.parts and all(part.exact for part in ours.parts)
    return "counted, has to be equal" if counted else f"{_missing_in_short(ours)} at the paper’s budget"


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


# --- calibration -----------------------------------------------------------------------------------------------------


def calibration_table(cells: pd.DataFrame) -> Html:
    """How often each verdict is given, grouped by check: one row a margin and number of seeds. Folded, for it is long.

    Args:
        cells: as :func:`sepconv.verdicts.calibration.calibrate` makes it, of one shape and size of noise.
    """
    rates = ("reproduced", "inconclusive", "not_reproduced", "wrong")
    groups = [
        Group(str(check), tuple(_calibration_row(cell, rates) for cell in part.to_dict("records")))
        for check, part in cells.groupby("check", sort=False)
    ]
    columns = ("truth within the limit by (points)", "seeds", *(f"{rate.replace('_', ' ')} %" for rate in rates))
    caption = f"Verdicts in {cells['simulations'].iloc[0]:,} simulated reproductions of each row"
    return Html(folded(caption, table(caption, columns, groups, numeric=columns)))


def policy_table(cells: pd.DataFrame) -> Html:
    """How often each verdict is given where seeds are added until a claim is decided, and how many seeds that takes.

    Args:
        cells: as :func:`sepconv.verdicts.calibration.calibrate_policy` makes it, of one shape and size of noise.
    """
    rates = ("reproduced", "inconclusive", "not_reproduced", "wrong")
    groups = [
        Group(str(check), tuple(_policy_row(cell, rates) for cell in part.to_dict("records")))
        for check, part in cells.groupby("check", sort=False)
    ]
    columns = ("truth within the limit by (points)", "mean seeds", *(f"{rate.replace('_', ' ')} %" for rate in rates))
    caption = f"Verdicts in {cells['simulations'].iloc[0]:,} simulated reproductions per row, seeds added until decided"
    return Html(table(caption, columns, groups, numeric=columns))


def wrong_rates_table(worst: pd.DataFrame) -> Html:
    """How often a verdict is wrong, by check, shape of the noise and number of seeds.

    Args:
        worst: as :func:`sepconv.verdicts.calibration.worst` makes it.
    """
    seeds = sorted(set(worst["seeds"]))
    groups = [
        Group(str(check), tuple(_wrong_row(str(shape), cells) for shape, cells in part.groupby("shape", sort=False)))
        for check, part in worst.groupby("check", sort=False)
    ]
    columns = ("noise", *(f"{n} seeds" for n in seeds))
    return Html(table("Highest rate of wrong verdicts, in %", columns, groups, numeric=columns[1:]))


def _calibration_row(cell: Mapping[Hashable, Any], rates: Sequence[str]) -> Row:
    return Row((number(cell["margin"], ""), str(cell["seeds"]), *(_percent(cell[rate]) for rate in rates)))


def _policy_row(cell: Mapping[Hashable, Any], rates: Sequence[str]) -> Row:
    return Row((number(cell["margin"], ""), f"{cell['mean_seeds']:.1f}", *(_percent(cell[rate]) for rate in rates)))


def _wrong_row(shape: str, cells: pd.DataFrame) -> Row:
    return Row((shape, *map(_percent, cells.sort_values("seeds")["wrong"])))


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f}"


# --- specs -----------------------------------------------------------------------------------------------------------


def recipe_table(paper: Paper) -> Html:
    """Every hyperparameter with its source: the first experiment's, then what differs in others.

    Each experiment's name is the target of the links to its recipe, also where the network is only counted.
    """
    base = next((_recipe_rows(e.recipe) for e in paper.experiments if e.recipe), ())
    sharing: dict[tuple[Row, ...], list[Markup]] = {}
    for e in paper.experiments:
        rows = tuple(row for row in _recipe_rows(e.recipe) if row not in base) if e.recipe else _NOT_TRAINED
        sharing.setdefault(rows, []).append(target(recipe_anchor(paper.key, e.name), e.name))
    titles = {rows: Markup(", ").join(names) for rows, names in sharing.items()}
    alike = titles.pop((), Markup(""))
    others = "; the others too, but for what is said below" if titles.keys() - {_NOT_TRAINED} else ""
    groups = [Group(alike + others, base), *(Group(title, rows) for rows, title in titles.items())]
    columns = ("hyperparameter", "value", "source")
    return Html(table(f"Training hyperparameters of {paper.key}", columns, groups, layout="stack"))


def departures_table(paper: Paper) -> Html:
    """Where we knowingly differ from a paper, or had to choose."""
    rows = tuple(Row((d.what, d.paper, d.ours, d.because)) for d in paper.departures)
    columns = ("what", "the paper", "here", "because")
    caption = f"Departures and assumptions: {paper.key}" if rows else f"{paper.key}: no departure"
    return Html(table(caption, columns, [Group("", rows)], layout="stack"))


def _recipe_rows(recipe: Recipe) -> tuple[Row, ...]:
    names = [field.name for field in fields(recipe) if field.name != "sources"]
    return tuple(Row((name.replace("_", " "), _value(getattr(recipe, name)), recipe.sources[name])) for name in names)


def _value(value: object) -> str:
    match value:
        case Optimizer():
            return _optimizer(value)
        case Constant() | EpochDecay() | WarmupExponential():
            return _schedule(value)
        case tuple():
            return _augment(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
    return str(value)


def _optimizer(optimizer: Optimizer) -> str:
    settings = {
        f"{'Nesterov ' if optimizer.nesterov else ''}momentum {optimizer.momentum}": optimizer.momentum,
        f"decoupled weight decay {optimizer.weight_decay}": optimizer.weight_decay,
        f"L2 {optimizer.l2} on every parameter": optimizer.l2,
        "made anew at each epoch": optimizer.reset_each_epoch,
    }
    return ", ".join([_OPTIMIZER_NAMES[optimizer.name], *(text for text, is_set in settings.items() if is_set)])


def _schedule(schedule: Schedule) -> str:
    match schedule:
        case Constant():
            return f"learning rate {schedule.learning_rate:g}, constant"
        case EpochDecay():
            return f"learning rate {schedule.learning_rate:g} × {schedule.decay:g}^epoch, the first epoch being 0"
        case WarmupExponential():
            up = f"learning rate {schedule.start:g} to {schedule.peak:g} over {schedule.warmup_epochs} epochs, linearly"
            return f"{up}; then to {schedule.end:g}, exponentially"


def _augment(steps: tuple[tuple[Augmentation, ...], ...]) -> str:
    return ", then ".join(" or ".join(step) for step in steps) or "none"


# --- networks and costs ----------------------------------------------------------------------------------------------


def layer_rows(cost: CostResult) -> tuple[LayerRow, ...]:
    """(type/stride, filter shape, input size) of each layer but norms, as tseng2020 prints them: ``Conv/s1``."""
    return tuple((_type(layer), _filter(layer), _size(layer.input_shape)) for layer in _without_norms(cost))


def channel_rows(cost: CostResult) -> tuple[LayerRow, ...]:
    """(type, input channels, output channels) as yu2021's Figs. 2 and 3 print them.

    A depthwise convolution and the pointwise one after it are one row; the last layer's outputs are called Classes.
    """
    layers = _without_norms(cost)
    rows = []
    for before, layer in zip([None, *layers], layers, strict=False):
        separable = before is not None and before.type == "DepthwiseConv2D"
        name = "Depth-wise Separable Conv" if separable else _FIGURE_NAMES.get(layer.type, layer.type)
        outputs = "Classes" if layer is layers[-1] else str(layer.output_shape[-1])
        if layer.type != "DepthwiseConv2D":
            rows.append((name, str(layer.input_shape[-1]), outputs))
    return tuple(rows)


def side_by_side(
    caption: str, columns: Sequence[str], printed: Iterable[Sequence[str]], built: Iterable[Sequence[str]]
) -> Html:
    """The rows that a paper prints, aligned with those of the built network; where they differ, the built is said.

    Args:
        caption: of the table.
        columns: what the cells of a row are, in print and built alike.
        printed: the paper's rows, top to bottom.
        built: ours, in the same notation, as :func:`layer_rows` gives them.
    """
    theirs, ours = [tuple(row) for row in printed], [tuple(row) for row in built]
    rows: list[Row] = []
    for tag, a, b, c, d in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if tag == "equal":
            rows += [Row(("same", *map(_unbroken, row), NOTHING)) for row in theirs[a:b]]
        else:
            rows += _differing(columns, theirs[a:b], ours[c:d])
    return Html(table(caption, ("", *columns, "built instead"), [Group("", tuple(rows))], layout="one-line"))


def columns_beside(caption: str, printed: Sequence[Mapping[str, str]], ours: Sequence[Mapping[str, str]]) -> Html:
    """A table as the paper prints it, with our value beside each of its cells but the first, the row's heading.

    Args:
        caption: of the table.
        printed: the paper's rows, cells by column.
        ours: a row for each of theirs; a column that is not there is shown as nothing.
    """
    heading, *columns = printed[0]
    headings = (heading, *(text for column in columns for text in (f"{column}, paper", f"{column}, ours")))
    rows = [
        Row((row[heading], *(cell for c in columns for cell in (row[c], mine.get(c, NOTHING)))))
        for row, mine in zip(printed, ours, strict=True)
    ]
    return Html(table(caption, headings, [Group("", tuple(rows))]))


def costs_table(paper: Paper, results: Results) -> Html:
    """What each network of a paper costs; mult-adds are for one image, bytes for one training step."""
    columns = (
        "experiment",
        "parameters",
        "trainable",
        "mult-adds (M)",
        "layers",
        "weights (MB)",
        "step (MB)",
    )
    rows = tuple(_cost_row(paper, e, results.cost_of(paper.key, e.name)) for e in paper.experiments)
    caption = (
        f"Costs of {paper.key}. Weights with the optimizer’s state; step: all that one training step holds, at the "
        "recipe’s batch size (one image where a network is not trained)"
    )
    return Html(table(caption, columns, [Group("", rows)], numeric=columns[1:]))


def _differing(columns: Sequence[str], theirs: Sequence[LayerRow], ours: Sequence[LayerRow]) -> Iterable[Row]:
    """Rows of which one side has other cells than the other, or none."""
    for printed, built in zip_longest(theirs, ours):
        if built is None:
            cells = ("only in print", *printed, NOTHING)
        elif printed is None:
            cells = ("only built", *built, NOTHING)
        else:
            both = zip(columns, built, printed, strict=True)
            other = (f"{column} {cell}" for column, cell, in_print in both if cell != in_print)
            cells = ("differs", *printed, ", ".join(other))
        yield Row(tuple(map(_unbroken, cells)), mark="differs")


def _unbroken(shape: str) -> str:
    return shape.replace(" × ", "\u00a0×\u00a0")


def _cost_row(paper: Paper, experiment: Experiment, cost: CostResult | None) -> Row:
    name = lines([experiment.name, note(experiment.note)]) if experiment.note else experiment.name
    anchor = f"{paper.key}/{experiment.name}/cost"
    if cost is None:
        return Row((name, note("not counted yet"), *[NOTHING] * 5), anchor)
    counts = (f"{cost.num_params:,}", f"{cost.trainable_params:,}", f"{cost.mult_adds / 1e6:,.1f}")
    sizes = (f"{size / 1e6:,.1f}" for size in (cost.weight_bytes, cost.training_step_bytes))
    return Row((name, *counts, str(cost.weighted_layers), *sizes), anchor)


def _without_norms(cost: CostResult) -> list[Layer]:
    return [layer for layer in cost.layers if layer.type not in _NORMS]


def _type(layer: Layer) -> str:
    return f"{_LAYER_NAMES[layer.type]}/s{layer.stride or 1}"


def _filter(layer: Layer) -> str:
    if layer.type == "DepthwiseConv2D":  # the last number is the filters of each channel: one
        return f"{_size(layer.filter_shape[:3])} dw"
    pool = "Pool " if "Pooling" in layer.type else ""
    return pool + _size(layer.filter_shape)


def _size(shape: Sequence[int]) -> str:
    """A dense layer's features are written as a 1 × 1 image."""
    return " × ".join(map(str, shape if len(shape) > 1 else (1, 1, *shape)))


# --- runs ------------------------------------------------------------------------------------------------------------


def runs_table(results: Results) -> Html:
    """Every run, grouped by paper; each row is the target of the links to that run."""
    columns = (
        "run", "status", "epochs", "train %", "val %", "test %", "minutes", "device", "backend", "precision", "commit",
        "run id",
    )  # fmt: skip
    papers = sorted({run.paper for run in results.runs})
    groups = [Group(key, tuple(_run_row(r) for r in _by_place(results.runs) if r.paper == key)) for key in papers]
    caption = f"All {len(results.runs)} runs" if groups else "No run has been made yet"
    return Html(table(caption, columns, groups, numeric=columns[2:7], layout="one-line"))


def latencies_table(results: Results) -> Html:
    """Every latency measurement: seconds of one pass, the fastest and the slowest of its repeats."""
    numbers = ("batch size", "images", "fastest (s)", "slowest (s)", "passes")
    columns = ("measurement", *numbers, "device", "backend", "commit")
    rows = tuple(row for result in sorted(results.latencies, key=lambda r: r.key) for row in _latency_rows(result))
    caption = "Latencies" if rows else "No latency has been measured yet"
    return Html(table(caption, columns, [Group("", rows)], numeric=numbers, layout="one-line"))


def times_table(judgements: Sequence[Judgement], results: Results) -> Html:
    """Reported against measured times: the claims on seconds, with the machines that ours were measured on."""
    measured: list[RunResult | LatencyResult] = [*results.runs, *results.latencies]
    devices = {result.key: result.environment.device for result in measured}
    timed = [j for j in judgements if any(q.unit == "s" for q in j.claim.quantities)]
    rows = tuple(_times_row(j, devices) for j in timed)
    columns = ("claim", "the paper reports", "measured", "machine", "verdict")
    return Html(table("Times, reported and measured", columns, [Group("", rows)], layout="stack"))


def missing_table(wanted: Sequence[Run], absent: Sequence[Run], seconds: Mapping[str, Mapping[str, float]]) -> Html:
    """How many of the wanted runs are missing, experiment by experiment, and what they would cost.

    Args:
        wanted: all runs that there should be.
        absent: those that are missing.
        seconds: for each machine, the estimated seconds of missing runs by their keys; a run that is not there is
            unknown.
    """
    counts: dict[tuple[str, str], list[Run]] = {}
    for run in wanted:
        counts.setdefault((run.paper, run.experiment.name), []).append(run)
    missing = {run.key for run in absent}
    papers = dict.fromkeys(run.paper for run in wanted)
    groups = [
        Group(
            paper,
            tuple(_missing_row(name, runs, missing, seconds) for (key, name), runs in counts.items() if key == paper),
        )
        for paper in papers
    ]
    columns = ("experiment", "runs there", "runs missing", *(f"hours on {machine}" for machine in seconds))
    caption = f"{len(wanted) - len(absent)} of {len(wanted)} runs are there"
    return Html(table(caption, columns, groups, numeric=columns[1:]))


def problems_table(results: Results) -> Html:
    """Files below the results folder that could not be read; they count for nothing."""
    rows = tuple(Row((problem,)) for problem in results.problems)
    caption = "Files that could not be read" if rows else "Every file below the results folder could be read"
    return Html(table(caption, ("problem",), [Group("", rows)]))


def precision_table(pairs: pd.DataFrame) -> Html:
    """Experiments in float32 and in bfloat16, with the difference of their accuracies.

    Args:
        pairs: as :func:`sepconv.report.frames.precisions` makes it.
    """
    columns = ("experiment", "budget", "float32 %", "bfloat16 %", "difference (points)", "n", "verdict")
    groups = [
        Group(str(paper), tuple(_precision_row(pair) for pair in part.to_dict("records")))
        for paper, part in pairs.groupby("paper", sort=False)
    ]
    caption = "Test accuracy in both precisions, and the paired difference with its 95 % interval"
    return Html(table(caption, columns, groups, numeric=columns[2:6], layout="one-line"))


def repeats_table(repeats: pd.DataFrame) -> Html:
    """Runs that were made twice, and how far apart their numbers are.

    Args:
        repeats: as :func:`sepconv.report.frames.repeats` makes it.
    """
    columns = ("run", "machine", "code", "numbers", "accuracy off by", "loss off by")
    groups: dict[str, list[Row]] = {}
    for repeat in repeats.to_dict("records"):
        paper, _, run = repeat["run"].partition("/")
        groups.setdefault(paper, []).append(_repeat_row(run, repeat))
    caption = "Runs made twice from the same seed" if groups else "No run has been made twice yet"
    shown = [Group(paper, tuple(rows)) for paper, rows in groups.items()]
    return Html(table(caption, columns, shown, numeric=columns[4:], layout="one-line"))


def _precision_row(pair: Mapping[Hashable, Any]) -> Row:
    means = [number(pair[side], "%") if pair["seeds"] else NOTHING for side in ("reference", "accuracy")]
    return Row((pair["experiment"], pair["budget"], *means, _difference(pair), str(pair["seeds"]), pair["verdict"]))


def _difference(pair: Mapping[Hashable, Any]) -> str:
    if not pair["seeds"]:
        return NOTHING
    text = _signed(pair["difference"])
    if pair["seeds"] < MIN_SEEDS:
        return f"{text}, no interval"
    return f"{text} ({_signed(pair['low'])} to {_signed(pair['high'])})"


def _signed(points: float) -> str:
    return f"{points:+.2f}".replace("-", "−")


def _repeat_row(run: str, repeat: Mapping[Hashable, Any]) -> Row:
    same = ("the same" if repeat[what] else "another" for what in ("same_machine", "same_code"))
    numbers = "equal" if repeat["equal"] else "not equal"
    return Row((run, *same, numbers, f"{repeat['accuracy']:.2f}", f"{repeat['loss']:.2g}"))


def _by_place(runs: Sequence[RunResult]) -> list[RunResult]:
    return sorted(runs, key=lambda run: (run.paper, run.experiment, run.budget, run.seed))


def _run_row(run: RunResult) -> Row:
    final = run.final
    accuracies = (final.train_accuracy, final.val_accuracy, final.test_accuracy) if final else ()
    shown = [number(value, "%") for value in accuracies] or [NOTHING] * 3
    total = run.seconds.compile + run.seconds.train + run.seconds.evaluate
    environment = run.environment
    return Row(
        (
            run.key.removeprefix(f"{run.paper}/"),
            run.status,
            str(len(run.history)),
            *shown,
            f"{total / 60:.1f}",
            environment.device,
            f"{environment.backend} {environment.backend_version}",
            str(run.spec["recipe"].get("precision", NOTHING)) + ("" if environment.exact_products else ", rounded"),
            _commit(environment),
            run.run_id,
        ),
        anchor=run.key,
    )


def _commit(environment: Environment) -> str:
    return environment.git_commit[:8] + ("-dirty" if environment.git_commit.endswith("-dirty") else "")


def _latency_rows(result: LatencyResult) -> Iterable[Row]:
    environment = result.environment
    name = result.key.removesuffix(f"-{measured_on(environment)}")  # the last columns say where
    for i, (batch_size, passes) in enumerate(sorted(result.seconds.items())):
        spread = [number(seconds, "s") for seconds in (min(passes), max(passes))] if passes else [NOTHING] * 2
        cells = (name, str(batch_size), f"{result.images:,}", *spread, str(len(passes)))
        machine = (environment.device, environment.backend, _commit(environment))
        yield Row((*cells, *machine), anchor="" if i else result.key)


def _times_row(judgement: Judgement, devices: Mapping[str, str]) -> Row:
    machines = sorted({devices[key] for key in judgement.runs if key in devices})
    measured = [f"{part.label}: {format_estimate(part)}" for part in judgement.parts if part.n]
    return Row(
        (
            claim_link(judgement),
            judgement.claim.reported,
            lines(measured) or note(_missing_in_short(judgement)),
            ", ".join(machines) or NOTHING,
            verdicts(judgement),
        )
    )


def _missing_row(
    name: str, runs: Sequence[Run], missing: Collection[str], seconds: Mapping[str, Mapping[str, float]]
) -> Row:
    absent = [run.key for run in runs if run.key in missing]
    costs = (_hours([there.get(key) for key in absent]) for there in seconds.values())
    return Row((name, str(len(runs) - len(absent)), str(len(absent)), *costs))


def _hours(seconds: Sequence[float | None]) -> str:
    known = [value for value in seconds if value is not None]
    if len(known) < len(seconds):
        return "unknown"
    return f"{sum(known) / 3600:,.1f}" if known else NOTHING


# --- speed -----------------------------------------------------------------------------------------------------------


def throughputs_table(frame: pd.DataFrame) -> Html:
    """Every training loop that was timed, under what it was timed on.

    Args:
        frame: as :func:`sepconv.report.speed.throughputs` makes it.
    """
    timed = frame.groupby(["paper", "experiment", "device", "backend", "images", "batch_size", "epochs"], sort=False)
    groups = [
        Group(_throughput_title(*map(str, place)), tuple(_loop_row(loop) for loop in _records(p))) for place, p in timed
    ]
    columns = ("training loop", "images/s", "slowest to fastest", "of fit", "compile (s)", "loss")
    caption = "Training loops, taken in turns; medians of epochs" if groups else "No throughput has been measured yet"
    return Html(table(caption, columns, groups, numeric=columns[1:], layout="one-line"))


def memories_table(frame: pd.DataFrame) -> Html:
    """Bytes of a training step, measured beside counted, under the way in which they were measured.

    Args:
        frame: as :func:`sepconv.report.speed.memories` makes it.
    """
    ways = frame.groupby(["method", "backend", "device"], sort=False)
    groups = [Group(f"{method}: {b} on {d}", tuple(map(_memory_row, _records(p)))) for (method, b, d), p in ways]
    columns = ("network", "batch size", "counted (MB)", "measured (MB)", "lowest to highest", "measured ÷ counted")
    caption = "Memory of a training step" if groups else "No memory of a training step has been measured yet"
    return Html(table(caption, columns, groups, numeric=columns[1:]))


def rooflines_table(results: Results) -> Html:
    """What each device can do at most, float32 first: medians of the repeats."""
    columns = ("device", "backend", "GB/s", "precision", "TFLOP/s", "operations per byte")
    rows = tuple(
        Row(
            (
                roof.environment.device,
                roof.environment.backend,
                _significant(roof.bytes_per_second / 1e9),
                precision,
                _significant(product.operations_per_second / 1e12),
                _significant(product.operations_per_second / roof.bytes_per_second),
            )
        )
        for roof in results.rooflines
        for precision, product in sorted(roof.products.items(), reverse=True)
    )
    caption = "What each device can do at most" if rows else "No device has been measured yet"
    return Html(table(caption, columns, [Group("", rows)], numeric=(columns[2], *columns[4:])))


def limits_table(frame: pd.DataFrame) -> Html:
    """Each network's least step and most images per second on each device, and what was reached of it.

    Args:
        frame: as :func:`sepconv.report.speed.limits` makes it.
    """
    devices = frame.groupby(["device", "backend"], sort=False)
    groups = [Group(f"{device}, {backend}", tuple(map(_limit_row, _records(p)))) for (device, backend), p in devices]
    columns = ("network", "least step (ms)", "at most (images/s)", "measured (images/s)", "reached (%)", "from")
    caption = "Training against the roofline" if groups else "No device has been measured yet"
    return Html(table(caption, columns, groups, numeric=columns[1:5]))


def _throughput_title(
    paper: str, experiment: str, device: str, backend: str, images: str, size: str, epochs: str
) -> str:
    return (
        f"{paper} {experiment}: {epochs} epochs of {int(images):,} images in batches of {size}, {backend} on {device}"
    )


def _loop_row(loop: Mapping[Hashable, Any]) -> Row:
    spread = f"{_significant(loop['slowest'])} to {_significant(loop['fastest'])}"
    speed = (_significant(loop["images_per_second"]), spread, f"{loop['ratio']:.2f}")
    return Row((loop["loop"].replace("_", " "), *speed, f"{loop['compile_seconds']:.1f}", f"{loop['loss']:.5f}"))


def _memory_row(row: Mapping[Hashable, Any]) -> Row:
    counted, measured, low, high = (f"{row[name] / 1e6:,.1f}" for name in ("counted", "measured", "lowest", "highest"))
    spread = f"{low} to {high}" if low != high else NOTHING
    name = f"{row['paper']} {row['experiment']}"
    return Row((name, str(row["batch_size"]), counted, measured, spread, f"{row['ratio']:.2f}"))


def _limit_row(row: Mapping[Hashable, Any]) -> Row:
    reached = (NOTHING, NOTHING) if pd.isna(row["measured"]) else (
        _significant(row["measured"]), _significant(100 * row["fraction"]))  # fmt: skip
    most = (_significant(row["least_step_ms"]), _significant(row["limit"]))
    return Row((f"{row['paper']} {row['experiment']}", *most, *reached, row["source"] or NOTHING))


def _records(frame: pd.DataFrame) -> list[dict[Hashable, Any]]:
    return frame.to_dict("records")


def _significant(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
