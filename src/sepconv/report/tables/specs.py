"""What a paper's module states: recipes and departures."""

from collections.abc import Iterable
from dataclasses import fields

from markupsafe import Markup

from sepconv.report.markup import (
    NOTHING,
    Column,
    Html,
    columns_of_cells,
    folded,
    link,
    paragraph,
    recipe_anchor,
    table,
    target,
)
from sepconv.spec import (
    Augmentation,
    Constant,
    Departure,
    DepartureKind,
    EpochDecay,
    Optimizer,
    Paper,
    Recipe,
    Schedule,
    Triangular,
    WarmupExponential,
)
from sepconv.verdicts.sentences import several

Hyperparameter = tuple[str, str, str]  # name, value, source
_NOT_TRAINED: tuple[Hyperparameter, ...] = ((NOTHING, "built and counted, not trained", NOTHING),)
_REASONS: dict[DepartureKind, str] = {
    "contradiction": "The paper contradicts itself, or what its authors published with it",
    "assumption": "The paper leaves it open",
    "difference": "We differ from the paper",
}
_OPTIMIZER_NAMES = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}


def recipe_table(paper: Paper) -> Html:
    """Every hyperparameter with its source, folded: the first experiment's, then what differs in others.

    Each experiment's name is the target of the links to its recipe, also where the network is only counted.
    """
    base = next((_hyperparameters(e.recipe) for e in paper.experiments if e.recipe), ())
    sharing: dict[tuple[Hyperparameter, ...], list[Markup]] = {}
    for e in paper.experiments:
        rows = tuple(row for row in _hyperparameters(e.recipe) if row not in base) if e.recipe else _NOT_TRAINED
        sharing.setdefault(rows or base, []).append(target(recipe_anchor(paper.key, e.name), e.name))
    titles = {rows: Markup(", ").join(names) for rows, names in sharing.items()}
    if titles.keys() - {base, _NOT_TRAINED}:
        titles[base] += Markup("; also of the others, except for what is stated below")
    caption = f"Training hyperparameters of {paper.key}"
    rows_and_titles = [(*row, title) for rows, title in titles.items() for row in rows]
    columns = columns_of_cells("hyperparameter", "value", "source")
    whole = table(rows_and_titles, columns, caption, group=lambda row: row[-1], layout="stack")
    return Html(folded("Every hyperparameter of every experiment, with its source", whole))


def departures_table(paper: Paper) -> Html:
    """Where we knowingly differ from a paper, or had to choose, by the reason for it; named, and folded below."""
    columns = [
        Column[Departure]("what", lambda departure: departure.what),
        Column("the paper", lambda departure: departure.paper),
        Column("here", lambda departure: departure.ours),
        Column("because", lambda departure: departure.because),
    ]
    caption = f"Departures and assumptions: {paper.key}"
    ordered = sorted(paper.departures, key=lambda departure: [*_REASONS].index(departure.kind))
    empty = f"No departures from {paper.key}"
    whole = table(ordered, columns, caption, empty=empty, group=lambda d: _REASONS[d.kind], layout="stack")
    if not paper.departures:
        return whole
    names = paragraph(f"{', '.join(departure.what for departure in ordered)}.")
    return Html(names.__html__() + folded(f"{several(len(ordered), 'departure')}, each with its reason", whole))


def choices_table(papers: Iterable[Paper]) -> Html:
    """What we chose for each paper: its departures, and the hyperparameters that it leaves open; linked to its page."""

    def departures(paper: Paper) -> str:
        return ", ".join(departure.what for departure in paper.departures) or NOTHING

    columns = [
        Column[Paper]("paper", lambda paper: link(f"{paper.key}.html#departures", paper.key)),
        Column("departures", departures),
        Column("hyperparameters left open", _left_open),
    ]
    return table(papers, columns, "Departures and open hyperparameters of each paper", layout="stack", name="choices")


def _left_open(paper: Paper) -> str:
    """The hyperparameters that are not stated of the first network that is trained."""
    recipe = next((e.recipe for e in paper.experiments if e.recipe), None)
    sources = recipe.sources if recipe else {}
    return ", ".join(name.replace("_", " ") for name, source in sources.items() if "not stated" in source) or NOTHING


def _hyperparameters(recipe: Recipe) -> tuple[Hyperparameter, ...]:
    names = [field.name for field in fields(recipe) if field.name != "sources"]
    return tuple((name.replace("_", " "), _value(getattr(recipe, name)), recipe.sources[name]) for name in names)


def _value(value: object) -> str:
    match value:
        case Optimizer():
            return _optimizer(value)
        case Constant() | EpochDecay() | WarmupExponential() | Triangular():
            return _schedule(value)
        case tuple():
            return _augment(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
    return str(value)


def _optimizer(optimizer: Optimizer) -> str:
    decayed = "every parameter" if optimizer.decay_depthwise else "every parameter but depthwise kernels"
    settings = {
        f"{'Nesterov ' if optimizer.nesterov else ''}momentum {optimizer.momentum}": optimizer.momentum,
        f"decoupled weight decay {optimizer.weight_decay}": optimizer.weight_decay,
        "not multiplied by the learning rate": not optimizer.decay_times_rate,
        f"L2 {optimizer.l2} on {decayed}": optimizer.l2,
        "reset at each epoch": optimizer.reset_each_epoch,
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
        case Triangular():
            peak = f"learning rate {schedule.peak:g} at {100 * schedule.rise:g} % of the steps"
            return f"{peak}, from {schedule.start:g} and to {schedule.end:g} times that, linearly"


def _augment(steps: tuple[tuple[Augmentation, ...], ...]) -> str:
    return ", then ".join(" or ".join(step) for step in steps) or "none"
