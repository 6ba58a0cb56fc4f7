"""The two networks of tseng2020 (Tables 1 and 2)."""

import keras
from keras import layers

from sepconv.networks import fast_layers
from sepconv.networks.layers import classifier, conv_bn_relu, depthwise_separable_block


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
    inputs = keras.Input(image_shape, name="images")
    x = conv_bn_relu(inputs, 32, 3, "stem")
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * blocks_512, (1024, 1)]
    for i, (filters, stride) in enumerate(blocks, start=1):
        x = depthwise_separable_block(x, filters, f"block{i}", stride)
    return keras.Model(inputs, classifier(x, classes), name="depthwise_separable")
