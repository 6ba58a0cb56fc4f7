"""The network of islam2022 (Sec. 2.1, Fig. 1): image patches, then blocks around a narrowed depthwise convolution."""

from collections.abc import Callable
from typing import Literal

import keras
from keras import KerasTensor, layers

from sepconv.networks import fast_layers
from sepconv.networks.layers import classifier
from sepconv.spec import SpecError

Norm = Literal["batch", "layer"]
_NORMS: dict[str, Callable[..., keras.layers.Layer]] = {
    "batch": fast_layers.BatchNormalization,
    "layer": layers.LayerNormalization,
}


def patch_network(
    image_shape: tuple[int, int, int],
    classes: int,
    *,
    patch: int = 2,
    dim: int = 128,
    kernel: int = 5,
    depth: int = 8,
    first: int = 2,
    second: int = 4,
    norm: Norm = "batch",
    residual: bool = True,
) -> keras.Model:
    """Table 1's models; the defaults are Small.

    Args:
        image_shape: ``(height, width, channels)``; the patch size divides height and width.
        classes: number of logits.
        patch: height, width and stride of the stem's convolution (Eq. 1).
        dim: projection dimension, the channels between blocks.
        kernel: height and width of the depthwise convolution.
        depth: number of blocks.
        first: the first 1×1 convolution narrows to ``dim // first`` channels (Sec. 2.1.3).
        second: the second 1×1 convolution narrows to ``dim // second`` channels (Sec. 2.1.4).
        norm: batch norm, or layer norm over the channels (Sec. 4.1).
        residual: with both residual connections of a block, or without.

    Raises:
        SpecError: an unknown norm, or a patch size or reduction that does not divide.
    """
    _require_divides("patch size", patch, "image height and width", *image_shape[:2])
    _require_divides("first", first, "projection dimension", dim)
    _require_divides("second", second, "projection dimension", dim)
    if norm not in _NORMS:
        raise SpecError(f"unknown norm {norm!r}; expected one of: {', '.join(_NORMS)}")
    inputs = keras.Input(image_shape, name="images")
    x = _gelu_norm(fast_layers.Conv2D(dim, patch, strides=patch, name="stem_conv")(inputs), "stem", norm)
    for i in range(1, depth + 1):
        block = _block(x, dim // first, dim // second, kernel, f"block{i}", norm, residual)
        x = layers.Add(name=f"block{i}_residual")([x, block]) if residual else block
    return keras.Model(inputs, classifier(x, classes), name="patch_network")


def _block(x: KerasTensor, first: int, second: int, kernel: int, name: str, norm: Norm, residual: bool) -> KerasTensor:
    """Two 1×1 convolutions down, a depthwise one with its residual, a 1×1 one up (Sec. 2.1.3-2.1.6)."""
    channels = x.shape[-1]
    x = _gelu_norm(fast_layers.Conv2D(first, 1, name=f"{name}_first_conv")(x), f"{name}_first", norm)
    narrow = _gelu_norm(fast_layers.Conv2D(second, 1, name=f"{name}_second_conv")(x), f"{name}_second", norm)
    x = fast_layers.DepthwiseConv2D(kernel, padding="same", name=f"{name}_depthwise_conv")(narrow)
    x = _gelu_norm(x, f"{name}_depthwise", norm)
    if residual:
        x = layers.Add(name=f"{name}_depthwise_residual")([narrow, x])
    return _gelu_norm(fast_layers.Conv2D(channels, 1, name=f"{name}_pointwise_conv")(x), f"{name}_pointwise", norm)


def _gelu_norm(x: KerasTensor, name: str, norm: Norm) -> KerasTensor:
    """GELU, then the norm (Eq. 1). The GELU is the exact one, with erf: the default of Keras and TensorFlow."""
    x = fast_layers.Activation("gelu", name=f"{name}_gelu")(x)
    return _NORMS[norm](name=f"{name}_norm")(x)


def _require_divides(what: str, divisor: int, of_what: str, *numbers: int) -> None:
    if any(number % divisor for number in numbers):
        sizes = " and ".join(str(number) for number in numbers)
        raise SpecError(f"{what}: expected a divisor of the {of_what} ({sizes}), got {divisor}")
