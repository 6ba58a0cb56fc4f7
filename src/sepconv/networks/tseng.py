"""The two networks of tseng2020 (Tables 1 and 2), and the second's skeleton in other widths and convolutions."""

from dataclasses import replace
from typing import Literal

import keras
from keras import layers

from sepconv.networks import fast_layers
from sepconv.networks.layers import KERAS, classifier, conv_bn_relu, depthwise_separable_block, standard_block

BLOCKS = {"separable": depthwise_separable_block, "standard": standard_block}


def conv(image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Table 1: three 3×3 convolutions, each with ReLU and 2×2 max pooling, then 1024 hidden units.

    The pooling has stride 2: the table prints "/s1", but its sizes halve from row to row.
    """
    inputs = x = keras.Input(image_shape, name="images")
    for i, filters in enumerate((32, 64, 128), start=1):
        x = fast_layers.Conv2D(filters, 3, padding="same", name=f"block{i}_conv")(x)
        x = layers.Activation("relu", name=f"block{i}_relu")(x)
        x = layers.MaxPooling2D(2, name=f"block{i}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(1024, name="hidden")(x)
    x = layers.Activation("relu", name="hidden_relu")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="conv")


def depthwise_separable(image_shape: tuple[int, int, int], classes: int, *, blocks_512: int = 1) -> keras.Model:
    """Table 2: MobileNet with stride 1 in the stem; every convolution has a bias, batch norm and ReLU.

    Args:
        image_shape: ``(height, width, channels)``.
        classes: number of logits.
        blocks_512: blocks from 512 to 512 filters. Table 2 prints 5; the stated 1,094,538 parameters are those of 1.
    """
    return skeleton(image_shape, classes, blocks_512=blocks_512)


def skeleton(
    image_shape: tuple[int, int, int],
    classes: int,
    *,
    convolution: Literal["separable", "standard"] = "separable",
    width: float = 1.0,
    blocks_512: int = 1,
    bn_momentum: float = 0.99,
) -> keras.Model:
    """Table 2 with every number of filters times ``width``, in one of two kinds of convolution.

    Args:
        image_shape: ``(height, width, channels)``.
        classes: number of logits.
        convolution: of the blocks: depthwise and pointwise, or one standard 3×3. Batch norm and ReLU follow each.
        width: multiplies the filters of Table 2; the product is rounded.
        blocks_512: blocks from 512 to 512 filters at width 1.
        bn_momentum: of batch norm's running averages, as Keras counts it: the share that is kept at each step.
    """
    convention = replace(KERAS, bn_momentum=bn_momentum)
    block = BLOCKS[convolution]
    inputs = keras.Input(image_shape, name="images")
    x = conv_bn_relu(inputs, round(32 * width), 3, "stem", convention=convention)
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * blocks_512, (1024, 1)]
    for i, (filters, stride) in enumerate(blocks, start=1):
        x = block(x, round(filters * width), f"block{i}", stride, convention)
    name = "depthwise_separable" if convolution == "separable" else convolution
    return keras.Model(inputs, classifier(x, classes, convention), name=name)
