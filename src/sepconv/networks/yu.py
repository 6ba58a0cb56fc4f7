"""The two networks of yu2021 (Sec. 3.3, Figs. 2 and 3), with PyTorch's padding, initial weights and batch norm."""

import keras
from keras import KerasTensor, layers

from sepconv.networks import fast_layers
from sepconv.networks.layers import (
    PYTORCH,
    Block,
    bn_relu,
    classifier,
    depthwise_separable_block,
    mobilenet_blocks,
    standard_block,
)


def conv_net(image_shape: tuple[int, int, int], classes: int, *, blocks_512: int = 5) -> keras.Model:
    """ConvNet. Fig. 2 prints no block from 512 to 512 filters; the stated 28,377,572 parameters are those of five."""
    return _network(image_shape, classes, standard_block, blocks_512, "conv_net")


def depthwise_conv_net(image_shape: tuple[int, int, int], classes: int, *, blocks_512: int = 5) -> keras.Model:
    """DepthwiseConvNet (Fig. 3)."""
    return _network(image_shape, classes, depthwise_separable_block, blocks_512, "depthwise_conv_net")


def _network(image_shape: tuple[int, int, int], classes: int, block: Block, blocks_512: int, name: str) -> keras.Model:
    inputs = keras.Input(image_shape, name="images")
    x = bn_relu(_upsample(inputs, 32), "stem", PYTORCH)
    x = mobilenet_blocks(x, block, PYTORCH, blocks_512)
    return keras.Model(inputs, classifier(x, classes, PYTORCH), name=name)


def _upsample(x: KerasTensor, filters: int) -> KerasTensor:
    """Double height and width, as PyTorch's ``ConvTranspose2d`` with stride 2, padding 1 and output padding 1 does.

    The full output has 2h + 1 rows. PyTorch drops the first, Keras's "same" would drop the last. PyTorch takes the
    fan-in from the second axis of a transposed weight, which is that of the output's channels.
    """
    initial = PYTORCH.initial(3 * 3 * filters, "kernel")
    x = layers.Conv2DTranspose(filters, 3, strides=2, padding="valid", name="stem_conv", **initial)(x)
    return fast_layers.Cropping2D(((1, 0), (1, 0)), name="stem_crop")(x)
