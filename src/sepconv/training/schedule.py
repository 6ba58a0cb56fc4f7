"""Learning rates as one number a step."""

import numpy as np
from numpy.typing import NDArray

from sepconv.spec import Constant, EpochDecay, Recipe, Triangular, WarmupExponential


def learning_rates(recipe: Recipe, epochs: int, steps_per_epoch: int) -> NDArray[np.float64]:
    """Learning rate of every step, shape ``(epochs, steps_per_epoch)``.

    A smoke run, which has fewer epochs than its recipe, keeps the shape of a warm-up or triangular schedule (rise and
    decay shrink alike), while a decay per epoch stays as the recipe states it. The shortened budgets have a compressed
    recipe of their own: :meth:`sepconv.spec.Recipe.compressed`.
    """
    steps = epochs * steps_per_epoch
    match recipe.schedule:
        case Constant(learning_rate=rate):
            rates = np.full(steps, rate)
        case EpochDecay(learning_rate=rate, decay=decay):
            rates = np.repeat(rate * decay ** np.arange(epochs), steps_per_epoch)
        case WarmupExponential() as schedule:
            warmup = round(steps * schedule.warmup_epochs / recipe.epochs)
            rates = np.concatenate(
                [
                    np.linspace(schedule.start, schedule.peak, warmup, endpoint=False),
                    np.geomspace(schedule.peak, schedule.end, steps - warmup),
                ]
            )
        case Triangular() as schedule:
            last = steps - 1
            corners = np.array([schedule.start, 1, schedule.end]) * schedule.peak
            rates = np.interp(np.arange(steps), [0, schedule.rise * last, last], corners)
    return rates.reshape(epochs, steps_per_epoch)
