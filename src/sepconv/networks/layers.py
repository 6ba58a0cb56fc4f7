"""The blocks that the networks repeat, each written once.

Tensors are ``(batch, height, width, channels)``. A block named ``x`` makes layers ``x_conv``, ``x_bn``, ``x_relu``.
"""

from collections.abc import Callable
from dataclasses import dataclass

from keras import KerasTensor, initializers, layers

from sepconv.networks import fast_layers


@dataclass(frozen=True)
class Convention:
    """What convolutions and batch norms do where a paper leaves it to its framework; the defaults are Keras's.

    ``pad_both_sides`` pads an odd kernel with ``kernel // 2`` zeros on each side, as PyTorch does; Keras's "same" pads
    a strided convolution at the end only. ``initializer`` makes the initializer of weights and bias from the fan-in.
    """

    bias: bool = True
    pad_both_sides: bool = False
    initializer: Callable[[int], initializers.Initializer] | None = None
    bn_momentum: float = 0.99
    bn_epsilon: float = 1e-3

    def initial(self, fan_in: int, weights: str) -> dict[str, initializers.Initializer]:
        """Initializers by argument name, for a layer whose weights are called ``weights``."""
        if self.initializer is None:
            return {}
        return {f"{weights}_initializer": self.initializer(fan_in), "bias_initializer": self.initializer(fan_in)}


def pytorch_uniform(fan_in: int) -> initializers.Initializer:
    """PyTorch's default for weights and biases, ``kaiming_uniform(a=√5)``: uniform on ±1/√fan_in."""
    bound = fan_in**-0.5
    return initializers.RandomUniform(-bound, bound)


KERAS = Convention()
# MobileNet's convolutions have no bias: the batch norm after them has one.
NO_BIAS = Convention(bias=False)
# PyTorch's momentum 0.1 is Keras's 0.9. Its running variance is Bessel-corrected, Keras's is not: they differ by the
# factor n / (n - 1) with n = batch · height · width, at most 0.1 % in the networks and batches of yu2021.
PYTORCH = Convention(pad_both_sides=True, initializer=pytorch_uniform, bn_momentum=0.9, bn_epsilon=1e-5)

Block = Callable[[KerasTensor, int, str, int, Convention], KerasTensor]  # (x, filters, name, stride, convention)


def conv_bn_relu(
    x: KerasTensor, filters: int, kernel: int, name: str, stride: int = 1, convention: Convention = KERAS
) -> KerasTensor:
    """Standard convolution, batch norm, ReLU: ``(b, h, w, c) -> (b, ⌈h/stride⌉, ⌈w/stride⌉, filters)``."""
    x, padding = _pad(x, kernel, stride, name, convention)
    initial = convention.initial(kernel * kernel * x.shape[-1], "kernel")
    conv = fast_layers.Conv2D(
        filters, kernel, stride, padding, use_bias=convention.bias, name=f"{name}_conv", **initial
    )
    return bn_relu(conv(x), name, convention)


def depthwise_bn_relu(
    x: KerasTensor, kernel: int, name: str, stride: int = 1, convention: Convention = KERAS
) -> KerasTensor:
    """Depthwise convolution, batch norm, ReLU: ``(b, h, w, c) -> (b, ⌈h/stride⌉, ⌈w/stride⌉, c)``."""
    x, padding = _pad(x, kernel, stride, name, convention)
    initial = convention.initial(kernel * kernel, "depthwise")
    conv = fast_layers.DepthwiseConv2D(
        kernel, stride, padding, use_bias=convention.bias, name=f"{name}_conv", **initial
    )
    return bn_relu(conv(x), name, convention)


def depthwise_separable_block(
    x: KerasTensor, filters: int, name: str, stride: int = 1, convention: Convention = KERAS
) -> KerasTensor:
    """Depthwise 3×3 and pointwise 1×1 convolution, each with batch norm and ReLU.

    Not Keras's ``SeparableConv2D``, which has nothing between the two convolutions.
    """
    x = depthwise_bn_relu(x, 3, f"{name}_depthwise", stride, convention)
    return conv_bn_relu(x, filters, 1, f"{name}_pointwise", convention=convention)


def standard_block(
    x: KerasTensor, filters: int, name: str, stride: int = 1, convention: Convention = KERAS
) -> KerasTensor:
    """The standard counterpart of :func:`depthwise_separable_block`: one 3×3 convolution, batch norm, ReLU."""
    return conv_bn_relu(x, filters, 3, name, stride, convention)


def mobilenet_blocks(x: KerasTensor, block: Block, convention: Convention, blocks_512: int = 5) -> KerasTensor:
    """The 13 blocks after MobileNet's stem (its Table 1), five of which keep 512 filters.

    The table prints stride 2 for the last block too, but its input and output are both 7×7: stride 1 is meant.
    """
    shapes = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * blocks_512, (1024, 2), (1024, 1)]
    for i, (filters, stride) in enumerate(shapes, start=1):
        x = block(x, filters, f"block{i}", stride, convention)
    return x


def bn_relu(x: KerasTensor, name: str, convention: Convention = KERAS) -> KerasTensor:
    """Batch norm and ReLU."""
    norm = fast_layers.BatchNormalization(
        momentum=convention.bn_momentum, epsilon=convention.bn_epsilon, name=f"{name}_bn"
    )
    return layers.Activation("relu", name=f"{name}_relu")(norm(x))


def classifier(x: KerasTensor, classes: int, convention: Convention = KERAS) -> KerasTensor:
    """Global average pooling and a dense layer: ``(b, h, w, c) -> logits (b, classes)``."""
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return layers.Dense(classes, name="logits", **convention.initial(x.shape[-1], "kernel"))(x)


def _pad(x: KerasTensor, kernel: int, stride: int, name: str, convention: Convention) -> tuple[KerasTensor, str]:
    """The input of a convolution and its ``padding``. At stride 1 "same" pads both sides alike, and costs no copy."""
    if not convention.pad_both_sides or stride == 1:
        return x, "same"
    return layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x), "valid"
