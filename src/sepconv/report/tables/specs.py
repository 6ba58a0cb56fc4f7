"""What a paper's module states: recipes and departures."""

from dataclasses import fields

from markupsafe import Markup

from sepconv.report.markup import NOTHING, Column, Html, columns_of_cells, recipe_anchor, table, target
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

Hyperparameter = tuple[str, str, str]  # name, value, source
_NOT_TRAINED: tuple[Hyperparameter, ...] = ((NOTHING, "built and counted, not trained", NOTHING),)
_REASONS: dict[DepartureKind, str] = {
    "contradiction": "The paper contradicts itself, or what its authors published with it",
    "assumption": "The paper leaves it open",
    "difference": "We differ from the paper",
}
_OPTIMIZER_NAMES = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}


def recipe_table(paper: Paper) -> Html:
    """Every hyperparameter with its source: the first experiment's, then what differs in others.

    Each experiment's name is the target of the links to its recipe, also where the network is only counted.
    """
    base = next((_hyperparameters(e.recipe) for e in paper.experiments if e.recipe), ())
    sharing: dict[tuple[Hyperparameter, ...], list[Markup]] = {}
    for e in paper.experiments:
        rows = tuple(row for row in _hyperparameters(e.recipe) if row not in base) if e.recipe else _NOT_TRAINED
        sharing.setdefault(rows or base, []).append(target(recipe_anchor(paper.key, e.name), e.name))
    titles = {rows: Markup(", ").join(names) for rows, names in sharing.items()}
    if titles.keys() - {base, _NOT_TRAINED}:
        titles[base] += Markup("; the others too, but for what is said below")
    return table(
        [(*row, title) for rows, title in titles.items() for row in rows],
        columns_of_cells("hyperparameter", "value", "source"),
        f"Training hyperparameters of {paper.key}",
        group=lambda row: row[-1],
        layout="stack",
    )


def departures_table(paper: Paper) -> Html:
    """Where we knowingly differ from a paper, or had to choose, by the reason for it."""
    columns = [
        Column[Departure]("what", lambda departure: departure.what),
        Column("the paper", lambda departure: departure.paper),
        Column("here", lambda departure: departure.ours),
        Column("because", lambda departure: departure.because),
    ]
    caption = f"Departures and assumptions: {paper.key}"
    ordered = sorted(paper.departures, key=lambda departure: [*_REASONS].index(departure.kind))
    empty = f"No departures from {paper.key}"
    return table(ordered, columns, caption, empty=empty, group=lambda d: _REASONS[d.kind], layout="stack")


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
        case Triangular():
            peak = f"learning rate {schedule.peak:g} at {100 * schedule.rise:g} % of the steps"
            return f"{peak}, from {schedule.start:g} and to {schedule.end:g} times that, linearly"


def _augment(steps: tuple[tuple[Augmentation, ...], ...]) -> str:
    return ", then ".join(" or ".join(step) for step in steps) or "none"
