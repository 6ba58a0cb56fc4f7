"""Learning rates at the points that the papers name."""

from dataclasses import replace

import pytest

from sepconv.papers import paper
from sepconv.spec import EpochDecay
from sepconv.training.schedule import learning_rates


def recipe(key, experiment):
    return paper(key).experiment(experiment).recipe


def test_constant_is_the_same_at_every_step():
    rates = learning_rates(recipe("tseng2020", "conv"), epochs=3, steps_per_epoch=4)
    assert rates.shape == (3, 4)
    assert set(rates.ravel()) == {1e-3}


def test_epoch_decay_multiplies_once_an_epoch():
    decaying = replace(recipe("tseng2020", "conv"), schedule=EpochDecay(0.0125, 0.95))
    rates = learning_rates(decaying, epochs=100, steps_per_epoch=2)
    assert rates[0].tolist() == [0.0125, 0.0125]
    assert rates[1, 0] == pytest.approx(0.0125 * 0.95)
    assert rates[-1, 1] == pytest.approx(0.0125 * 0.95**99)


def test_warm_up_reaches_its_peak_after_five_epochs_and_its_end_at_the_last_step():
    rates = learning_rates(recipe("islam2022", "small"), epochs=300, steps_per_epoch=98)
    assert rates[0, 0] == pytest.approx(1e-5)
    assert rates[5, 0] == pytest.approx(0.01) == rates.max()
    assert rates[-1, -1] == pytest.approx(5e-5)
    after = rates[5:].ravel()
    assert after[1:] / after[:-1] == pytest.approx(after[1] / after[0])  # exponential: one ratio throughout


@pytest.mark.parametrize(
    ("experiment", "epochs", "decay"),
    [("cifar10-dw", 100, 0.95), ("cifar10-conv", 50, 0.9), ("cifar100-dw", 270, 0.99), ("cifar100-conv", 50, 0.95)],
)
def test_schedules_of_yu2021_start_and_end_as_its_notebooks_do(experiment, epochs, decay):
    decaying = recipe("yu2021", experiment)
    assert decaying.epochs == epochs
    rates = learning_rates(decaying, epochs, steps_per_epoch=196)
    assert rates[0, 0] == 0.0125
    assert rates[-1, -1] == pytest.approx(0.0125 * decay ** (epochs - 1))


def test_the_ablations_of_islam2022_warm_up_over_five_epochs_too():
    rates = learning_rates(recipe("islam2022", "small-short"), epochs=100, steps_per_epoch=98)
    assert (rates[0, 0], rates[5, 0], rates[-1, -1]) == pytest.approx((1e-5, 0.01, 5e-5))


def test_a_shorter_run_keeps_the_shape_of_a_warm_up_schedule():
    rates = learning_rates(recipe("islam2022", "small"), epochs=60, steps_per_epoch=98)
    assert rates.argmax() == 98  # five of 300 epochs are one of 60
    assert rates[-1, -1] == pytest.approx(5e-5)
