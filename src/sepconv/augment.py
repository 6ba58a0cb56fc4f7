"""Augmentation; its operations come with the next commits, training without augmentation does not wait for them."""

from typing import Any

import keras

from sepconv.spec import InputError


def augment(
    steps: tuple[tuple[str, ...], ...], images: Any, labels: Any, seeds: keras.random.SeedGenerator
) -> tuple[Any, Any]:
    """Images and labels unchanged where there are no steps."""
    if steps:
        raise InputError("expected a recipe without augmentation; its operations are not written yet")
    return images, labels
