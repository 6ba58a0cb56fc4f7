"""Augmentation on the device: every image of a batch draws its own operation and its own strength.

Only :mod:`keras.ops` and :mod:`keras.random` are used, with static shapes and no branch on a value, so that
:func:`augment` compiles within a ``tf.function`` and within ``jax.jit``. Images are float32
``(batch, height, width, 3)`` in [0, 1], labels float32 ``(batch, classes)``, each row a distribution.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from itertools import groupby
from math import prod
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from sepconv.spec import Augmentation
from sepconv.training.data import NORMALISATIONS

Tensor = Any  # of the backend
Step = Sequence[Augmentation]
Seeds: TypeAlias = keras.random.SeedGenerator
# TensorFlow computes with int32 on the CPU even where there is a GPU. JAX has no other integers by default.
_INTEGER = "int64" if keras.backend.backend() == "tensorflow" else "int32"

# --- strengths -------------------------------------------------------------------------------------------------------

# tseng2020 names kinds of augmentation (Sec. 3.2) without strengths. Flip and shift are those of Keras's CIFAR-10
# example for its ImageDataGenerator; rotation, zoom and brightness are our choice.
FLIP_PROBABILITY = 0.5
SHIFT = 0.1  # of the side, either way, along each axis
ROTATION = 15.0  # degrees, either way, about the centre
ZOOM = 0.1  # the image is enlarged by a factor of 1 - ZOOM to 1 + ZOOM
BRIGHTNESS = 0.2  # pixels are multiplied by 1 - BRIGHTNESS to 1 + BRIGHTNESS

# "Shift by 2 pixels with reflection" of the public CIFAR-10 speed records (github.com/KellerJordan/cifar10-airbench).
REFLECTED_SHIFT = 2  # pixels at most, either way, along each axis

CROP_PADDING = 4  # pixels on each side; He et al. 2016, arXiv:1512.03385, Sec. 4.2

# islam2022 names the next four (Sec. 3.1) without strengths. RandAugment: N = 2, M = 9 on a scale to 10, the authors'
# setting for ResNet-50 (Cubuk et al. 2019, arXiv:1909.13719). AutoAugment: the policy for CIFAR-10 (Cubuk et al. 2018,
# arXiv:1805.09501, appendix). MixUp: alpha = 1, the authors' setting for CIFAR (Zhang et al. 2017, arXiv:1710.09412).
# CutMix: alpha = 1, theirs throughout (Yun et al. 2019, arXiv:1905.04899). Both then draw Beta(1, 1): uniformly.
POLICY_STAGES = 2  # operations one after the other: N of RandAugment, and the length of AutoAugment's sub-policies
RANDAUGMENT_STRENGTH = 9 / 10
AUTOAUGMENT_LEVELS = 9  # the highest of ten levels, 0 to 9

# Full strength of the operations of both policies: the table of operations in AutoAugment's appendix; translation by
# the authors' code for CIFAR (github.com/tensorflow/models, research/autoaugment).
SHEAR = 0.3
TRANSLATION = 10 / 32  # of the side
TURN = 30.0  # degrees
POSTERIZE_BITS = 4  # of 8 bits, taken away
ENHANCE = (0.1, 1.9)  # factor at no and at full strength; 1 leaves the image as it is

# Colour of pixels from outside: 0 after normalisation, as in the authors' code.
FILL = np.array(NORMALISATIONS["cifar10"][0], np.float32)

# The 25 sub-policies found on CIFAR-10: operation, probability, level. The level of an operation without strength is
# written as 0.
AUTOAUGMENT_POLICY = (
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate-x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear-y", 0.5, 8), ("translate-y", 0.7, 9)),
    (("autocontrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear-y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate-x", 0.5, 8)),
    (("equalize", 0.3, 0), ("autocontrast", 0.4, 0)),
    (("translate-y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("color", 0.9, 9), ("equalize", 0.6, 0)),
    (("autocontrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 0)),
    (("translate-y", 0.9, 9), ("translate-y", 0.7, 9)),
    (("autocontrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate-y", 0.7, 9), ("autocontrast", 0.9, 0)),
)


# --- the two entry points --------------------------------------------------------------------------------------------


def augment(steps: Sequence[Step], images: Tensor, labels: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
    """Apply ``steps`` in order; each image draws one alternative of every step.

    Args:
        steps: as ``Recipe.augment`` holds them.
        images: float32 ``(batch, height, width, 3)`` in [0, 1]; square.
        labels: float32 ``(batch, classes)``.
        seeds: advanced by every draw.

    Returns:
        Images and labels of the same shapes. MixUp and CutMix take the image before as partner, which is a random one
        where batches are drawn at random.
    """
    for warps, group in groupby(steps, key=lambda step: WARPS.keys() >= set(step)):
        if warps:
            images = _warp(tuple(group), images, seeds)
        else:
            for step in group:
                images, labels = _apply(step, images, labels, seeds)
    return images, labels


def examples(steps: Sequence[Step], pixels: NDArray[np.uint8], seed: int) -> NDArray[np.float32]:
    """What ``steps`` make of images ``(count, height, width, 3)``, to look at: float32 in [0, 1]."""
    images = ops.cast(pixels, "float32") / 255
    augmented, _ = augment(steps, images, ops.zeros((len(pixels), 1)), keras.random.SeedGenerator(seed))
    return np.asarray(ops.convert_to_numpy(augmented))


# --- drawing ---------------------------------------------------------------------------------------------------------


def _uniform(count: int, low: float, high: float, seeds: Seeds) -> Tensor:
    """One number an image, ``(count,)``, from [low, high)."""
    return keras.random.uniform((count,), low, high, seed=seeds)


def _integer(count: int, below: int, seeds: Seeds) -> Tensor:
    """One integer an image, ``(count,)``, from 0 to ``below - 1``."""
    return keras.random.randint((count,), 0, below, seed=seeds)


def _count(rows: Tensor) -> Any:  # noqa: ANN401 - an integer, or a tensor where a graph leaves it open
    """How many images there are."""
    return ops.shape(rows)[0]


def _per_image(values: Tensor, rank: int) -> Tensor:
    """Reshape ``(batch,)`` so that it broadcasts against a tensor of that rank."""
    return ops.reshape(values, (-1,) + (1,) * (rank - 1))


def _where(drawn: Tensor, this: Tensor, other: Tensor) -> Tensor:
    """The rows of ``this`` where ``drawn``, ``(batch,)``, holds, and of ``other`` elsewhere."""
    # Rows are flattened because TensorFlow's select on a CPU takes five times as long over four axes.
    this_row, other_row = (ops.reshape(rows, (-1, prod(this.shape[1:]))) for rows in (this, other))
    return ops.reshape(ops.where(drawn[:, None], this_row, other_row), (-1, *this.shape[1:]))


def _choose(drawn: Tensor, alternatives: Sequence[Tensor]) -> Tensor:
    """Row by row the alternative with the index ``drawn``, ``(batch,)``."""
    chosen = alternatives[0]
    for index, alternative in enumerate(alternatives[1:], start=1):
        chosen = _where(drawn == index, alternative, chosen)
    return chosen


def _choose_pair(drawn: Tensor, alternatives: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Row by row both tensors of the alternative with the index ``drawn``, ``(batch,)``."""
    first, second = zip(*alternatives, strict=True)
    return _choose(drawn, first), _choose(drawn, second)


# --- moving pixels ---------------------------------------------------------------------------------------------------
# A matrix ``(batch, 3, 3)`` maps (x, y, 1) in the output to the place in the input that it shows. x points right, y
# down, the origin is the centre of the image; translations, its last column, are in sides of the image.


def _matrix(entries: Iterable[Tensor | float], like: Tensor) -> Tensor:
    """The six entries of the first two rows, each a number or ``(batch,)`` as ``like``, as ``(batch, 3, 3)``."""
    rows = ops.stack([ops.zeros_like(like) + entry for entry in (*entries, 0.0, 0.0, 1.0)], axis=-1)
    return ops.reshape(rows, (-1, 3, 3))


def _resample(images: Tensor, matrix: Tensor, interpolation: str, fill: str) -> Tensor:
    """Show each image through its matrix; beyond the edge lies ``FILL`` (``constant``) or the edge (``nearest``)."""
    height, width = images.shape[1:3]
    x, y = (width - 1) / 2, (height - 1) / 2  # pixel indices of the centre
    (a, b, tx), (c, d, ty) = (ops.unstack(row, axis=-1) for row in ops.unstack(matrix, axis=1)[:2])
    offset_x, offset_y = x + tx * width - a * x - b * y, y + ty * height - c * x - d * y
    zero = ops.zeros_like(a)
    transform = ops.stack([a, b, offset_x, c, d, offset_y, zero, zero], axis=-1)
    # Filling with 0 relative to FILL because the operation fills every channel with one number.
    moved = ops.image.affine_transform(images - FILL, transform, interpolation, fill, 0.0, data_format="channels_last")
    return moved + FILL


def _rotation(degrees: Tensor) -> Tensor:
    """Counter-clockwise about the centre."""
    cos, sin = ops.cos(degrees * np.pi / 180), ops.sin(degrees * np.pi / 180)
    return _matrix((cos, -sin, 0.0, sin, cos, 0.0), like=degrees)


def _random_flip(count: int, seeds: Seeds) -> Tensor:
    drawn = _uniform(count, 0.0, 1.0, seeds) < FLIP_PROBABILITY
    return _matrix((ops.where(drawn, -1.0, 1.0), 0.0, 0.0, 0.0, 1.0, 0.0), like=ops.zeros((count,)))


def _random_shift(count: int, seeds: Seeds) -> Tensor:
    x, y = (_uniform(count, -SHIFT, SHIFT, seeds) for _ in "xy")
    return _matrix((1.0, 0.0, x, 0.0, 1.0, y), like=x)


def _random_rotation(count: int, seeds: Seeds) -> Tensor:
    return _rotation(_uniform(count, -ROTATION, ROTATION, seeds))


def _random_zoom(count: int, seeds: Seeds) -> Tensor:
    factor = _uniform(count, 1 - ZOOM, 1 + ZOOM, seeds)
    return _matrix((1 / factor, 0.0, 0.0, 0.0, 1 / factor, 0.0), like=factor)


WARPS: dict[Augmentation, Callable[[int, Seeds], Tensor]] = {
    "flip": _random_flip,
    "shift": _random_shift,
    "rotate": _random_rotation,
    "zoom": _random_zoom,
}


# --- the operations of AutoAugment and RandAugment -------------------------------------------------------------------
# Those that move pixels take a signed strength ``(batch,)`` in [-1, 1] and give matrices; those that change colours
# take images and a strength ``(batch, 1, 1, 1)`` in [0, 1] and give images. Each does what Pillow does, which the
# authors use, but for rounding to 8 bits.


def _shear_x(strength: Tensor) -> Tensor:
    """About the upper left corner, as Pillow's affine transform."""
    return _matrix((1.0, SHEAR * strength, SHEAR * strength / 2, 0.0, 1.0, 0.0), like=strength)


def _shear_y(strength: Tensor) -> Tensor:
    return _matrix((1.0, 0.0, 0.0, SHEAR * strength, 1.0, SHEAR * strength / 2), like=strength)


def _translate_x(strength: Tensor) -> Tensor:
    return _matrix((1.0, 0.0, TRANSLATION * strength, 0.0, 1.0, 0.0), like=strength)


def _translate_y(strength: Tensor) -> Tensor:
    return _matrix((1.0, 0.0, 0.0, 0.0, 1.0, TRANSLATION * strength), like=strength)


def _rotate(strength: Tensor) -> Tensor:
    return _rotation(TURN * strength)


def _enhance(images: Tensor, dull: Tensor, strength: Tensor) -> Tensor:
    """Away from the dull version of an image for a factor above 1, towards it below."""
    low, high = ENHANCE
    return ops.clip(dull + (low + (high - low) * strength) * (images - dull), 0.0, 1.0)


def _grey(images: Tensor) -> Tensor:
    """Luma of ITU-R 601-2, ``(batch, height, width, 1)``."""
    return 0.299 * images[..., :1] + 0.587 * images[..., 1:2] + 0.114 * images[..., 2:]


def _color(images: Tensor, strength: Tensor) -> Tensor:
    return _enhance(images, _grey(images), strength)


def _contrast(images: Tensor, strength: Tensor) -> Tensor:
    return _enhance(images, ops.mean(_grey(images), axis=(1, 2, 3), keepdims=True), strength)


def _brightness(images: Tensor, strength: Tensor) -> Tensor:
    return _enhance(images, ops.zeros_like(images), strength)


def _sharpness(images: Tensor, strength: Tensor) -> Tensor:
    """Dull is the image smoothed by 3x3 weights of 1, but 5 in the middle; the outermost pixels stay."""
    rows = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
    box = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inner = images[:, 1:-1, 1:-1]
    smoothing = ops.pad((box + 4 * inner) / 13 - inner, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return _enhance(images, images + smoothing, strength)


def _autocontrast(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch each channel to all of [0, 1]; a channel of one value stays."""
    low, high = (extreme(images, axis=(1, 2), keepdims=True) for extreme in (ops.min, ops.max))
    stretched = high > low
    return (images - ops.where(stretched, low, 0.0)) / ops.where(stretched, high - low, 1.0)


def _equalize(images: Tensor, strength: Tensor) -> Tensor:
    """Map each channel so that its 256 values are about equally frequent, by Pillow's integer arithmetic."""
    count, (height, width, channels) = _count(images), images.shape[1:]
    value = ops.cast(ops.round(images * 255), _INTEGER)
    channel = ops.reshape(ops.arange(count * channels, dtype=_INTEGER), (-1, 1, 1, channels))
    place = ops.reshape(256 * channel + value, (-1,))  # of each pixel in the histograms, end to end
    sums = ops.segment_sum(ops.ones_like(place, "float32"), place, num_segments=count * channels * 256)
    histogram = ops.cast(ops.reshape(sums, (-1, 256)), _INTEGER)
    below = ops.cumsum(histogram, axis=-1) - histogram
    brightest = ops.sum(ops.where(below + histogram == height * width, histogram, 0), axis=-1, keepdims=True)
    step = (height * width - brightest) // 255
    mapped = ops.minimum((step // 2 + below) // ops.maximum(step, 1), 255)
    mapped = ops.where(step > 0, mapped, ops.arange(256, dtype=_INTEGER))
    equalized = ops.take(ops.reshape(mapped, (-1,)), place)
    return ops.cast(ops.reshape(equalized, ops.shape(images)), "float32") / 255


def _invert(images: Tensor, strength: Tensor) -> Tensor:
    return 1 - images


def _solarize(images: Tensor, strength: Tensor) -> Tensor:
    """Invert what is at least as bright as a threshold that falls from 256 to 0, of 255."""
    return ops.where(ops.round(images * 255) >= (1 - strength) * 256, 1 - images, images)


def _posterize(images: Tensor, strength: Tensor) -> Tensor:
    """Clear the lowest bits of 8, up to ``POSTERIZE_BITS`` of them."""
    grain = 2 ** ops.round(POSTERIZE_BITS * strength)
    return ops.floor(ops.round(images * 255) / grain) * grain / 255


_MOVES: dict[str, Callable[[Tensor], Tensor]] = {
    "shear-x": _shear_x,
    "shear-y": _shear_y,
    "translate-x": _translate_x,
    "translate-y": _translate_y,
    "rotate": _rotate,
}
_COLOURS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "color": _color,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "solarize": _solarize,
    "posterize": _posterize,
    "invert": _invert,
}
_NAMES = ("identity", *_MOVES, *_COLOURS)
_RANDAUGMENT_CHOICES = len(_NAMES) - 1  # all but invert, which comes last: the list of RandAugment, Sec. 3


# --- policies --------------------------------------------------------------------------------------------------------
# A policy draws the operations of each image, by index in ``_NAMES``, and their strengths: both
# ``(batch, POLICY_STAGES)``.


def _randaugment(count: int, seeds: Seeds) -> tuple[Tensor, Tensor]:
    shape = (count, POLICY_STAGES)
    operation = keras.random.randint(shape, 0, _RANDAUGMENT_CHOICES, seed=seeds)
    return operation, RANDAUGMENT_STRENGTH * ops.ones(shape)


def _autoaugment(count: int, seeds: Seeds) -> tuple[Tensor, Tensor]:
    """Each image draws a sub-policy, then for each of its operations whether to apply it."""
    names, probabilities, levels = np.moveaxis(np.array(AUTOAUGMENT_POLICY, object), -1, 0)
    operations = np.vectorize(_NAMES.index)(names).astype(np.int32)
    sub_policy = _integer(count, len(AUTOAUGMENT_POLICY), seeds)
    operation, probability, strength = (
        ops.take(table, sub_policy, axis=0)
        for table in (operations, probabilities.astype(np.float32), (levels / AUTOAUGMENT_LEVELS).astype(np.float32))
    )
    applied = keras.random.uniform((count, POLICY_STAGES), seed=seeds) < probability
    return ops.where(applied, operation, 0), strength  # 0 is the identity


def _operate(images: Tensor, operation: Tensor, strength: Tensor, seeds: Seeds) -> Tensor:
    """Apply one operation to each image; its direction, if it has one, is drawn."""
    sign = ops.where(_uniform(_count(images), 0.0, 1.0, seeds) < 0.5, -1.0, 1.0)
    still = _matrix((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), like=sign)
    matrix = _choose(operation, [still, *(move(sign * strength) for move in _MOVES.values())])
    images = _resample(images, matrix, "nearest", "constant")
    for name, change in _COLOURS.items():
        images = _where(operation == _NAMES.index(name), change(images, _per_image(strength, 4)), images)
    return images


POLICIES: dict[Augmentation, Callable[[int, Seeds], tuple[Tensor, Tensor]]] = {
    "randaugment": _randaugment,
    "autoaugment": _autoaugment,
}


# --- other operations ------------------------------------------------------------------------------------------------


def _crop(images: Tensor, labels: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
    """Pad each side and cut the same size out at random: a shift by whole pixels."""
    count, (height, width) = _count(images), images.shape[1:3]
    x, y = (ops.cast(_integer(count, 2 * CROP_PADDING + 1, seeds) - CROP_PADDING, "float32") for _ in "xy")
    matrix = _matrix((1.0, 0.0, x / width, 0.0, 1.0, y / height), like=x)
    return _resample(images, matrix, "nearest", "constant"), labels


def _reflected_shift(images: Tensor, labels: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
    """Shift by whole pixels; beyond the edge lies the image reflected in its outermost pixels, not repeating them."""
    count, (height, width), most = _count(images), images.shape[1:3], REFLECTED_SHIFT
    padded = ops.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="reflect")
    places = range(2 * most + 1)
    rows = _choose(_integer(count, len(places), seeds), [padded[:, y : y + height] for y in places])
    return _choose(_integer(count, len(places), seeds), [rows[:, :, x : x + width] for x in places]), labels


def _random_brightness(images: Tensor, labels: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
    factor = _uniform(_count(images), 1 - BRIGHTNESS, 1 + BRIGHTNESS, seeds)
    return ops.clip(images * _per_image(factor, 4), 0.0, 1.0), labels


def _mixup(images: Tensor, labels: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
    """Weighted mean of each image and the image before it, and of their labels."""
    share = _uniform(_count(images), 0.0, 1.0, seeds)
    return _mix(images, _per_image(share, 4)), _mix(labels, _per_image(share, 2))


def _cutmix(images: Tensor, labels: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
    """Paste a box of the image before; labels are mixed by the area pasted, of which the edge may cut some off."""
    height, width = images.shape[1:3]
    side = ops.sqrt(_uniform(_count(images), 0.0, 1.0, seeds))  # of the box, in sides of the image
    pasted = _inside(height, side, seeds)[:, :, None] * _inside(width, side, seeds)[:, None, :]
    return _mix(images, pasted[..., None]), _mix(labels, ops.mean(pasted, axis=(1, 2))[:, None])


def _mix(rows: Tensor, share: Tensor) -> Tensor:
    """The row before each row in that share; the first takes the last."""
    return share * ops.roll(rows, 1, axis=0) + (1 - share) * rows


def _inside(size: int, side: Tensor, seeds: Seeds) -> Tensor:
    """1 at those of ``size`` places within a box of that side about a random centre, else 0: ``(batch, size)``."""
    centre, half = _integer(_count(side), size, seeds)[:, None], (ops.cast(side * size, "int32") // 2)[:, None]
    place = ops.arange(size, dtype="int32")[None]
    return ops.cast((place >= centre - half) & (place < centre + half), "float32")


OPERATIONS: dict[Augmentation, Callable[[Tensor, Tensor, Seeds], tuple[Tensor, Tensor]]] = {
    "crop": _crop,
    "reflected-shift": _reflected_shift,
    "brightness": _random_brightness,
    "mixup": _mixup,
    "cutmix": _cutmix,
}


# --- steps -----------------------------------------------------------------------------------------------------------


def _warp(steps: Sequence[Step], images: Tensor, seeds: Seeds) -> Tensor:
    """Steps of warps only: their product resamples the image once."""
    count = _count(images)
    drawn = [_choose(_integer(count, len(s), seeds), [WARPS[name](count, seeds) for name in s]) for s in steps]
    return _resample(images, reduce(ops.matmul, drawn), "bilinear", "nearest")


def _apply(step: Step, images: Tensor, labels: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
    """One step that is not of warps only."""
    if len(step) == 1 and step[0] in OPERATIONS:
        return OPERATIONS[step[0]](images, labels, seeds)
    drawn = _integer(_count(images), len(step), seeds)
    if POLICIES.keys() >= set(step):  # choose before the work, which is the same for all policies
        operation, strength = _choose_pair(drawn, [POLICIES[name](_count(images), seeds) for name in step])
        for stage in range(POLICY_STAGES):
            images = _operate(images, operation[:, stage], strength[:, stage], seeds)
        return images, labels
    return _choose_pair(drawn, [augment([[name]], images, labels, seeds) for name in step])
