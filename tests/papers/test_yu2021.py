"""What yu2021 states of itself: the authors' log, and the distance of a run to it."""

from itertools import pairwise

import pytest

from factories import run_of
from sepconv.papers import paper, training_log, yu2021
from sepconv.spec import Quantity
from sepconv.verdicts import samples


def test_log_covers_the_epochs_of_each_recipe():
    log = training_log(paper("yu2021"))
    assert len(log) == 470
    for experiment in yu2021.TRAINED:
        epochs = log[log["experiment"] == experiment.name]["epoch"]
        assert list(epochs) == list(range(1, experiment.recipe.epochs + 1))


def test_numbers_from_the_log_are_those_in_the_log():
    last = training_log(paper("yu2021")).groupby("experiment")["test_accuracy"].last()
    assert last.to_dict() == yu2021._LAST_LOGGED


def test_log_is_as_noisy_as_the_criterion_of_the_curves_says():
    log = training_log(paper("yu2021"))
    steps = {name: [abs(b - a) for a, b in pairwise(run["test_accuracy"])] for name, run in log.groupby("experiment")}
    means = [sum(later) / len(later) for later in (s[5:] for s in steps.values())]
    assert (round(min(means), 1), round(max(means), 1)) == (1.7, 3.4)
    assert round(max(max(s[:4]) for s in steps.values())) == 32


def test_distance_to_the_log_of_the_authors():
    experiment = paper("yu2021").experiment("cifar10-conv")
    log = training_log(paper("yu2021"))
    theirs = log[log["experiment"] == experiment.name].sort_values("epoch")["test_accuracy"].tolist()
    run = run_of(experiment, 0, paper="yu2021")
    away = [
        e.model_dump() | {"val_accuracy": t + (2 if e.epoch > 5 else 9)}
        for e, t in zip(run.history, theirs, strict=True)
    ]
    run = run_of(experiment, 0, paper="yu2021", history=away)
    assert samples.read(run, Quantity(yu2021.LOG_DISTANCE, experiment.name)) == pytest.approx(2)
