"""Networks of other work whose counts the papers quote: built and counted, never trained."""

import keras
from keras import KerasTensor, layers

from sepconv.networks.layers import (
    NO_BIAS,
    Block,
    classifier,
    conv_bn_relu,
    depthwise_separable_block,
    mobilenet_blocks,
    standard_block,
)


def alexnet(image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """AlexNet (Krizhevsky et al. 2012) as one tower, without its response normalisation, which has no weights.

    The paper's 224×224 images give its 55×55 outputs only when padded to 227×227.
    """
    inputs = keras.Input(image_shape, name="images")
    x = layers.ZeroPadding2D(((1, 2), (1, 2)), name="conv1_pad")(inputs)
    x = _pool(_conv_relu(x, 96, 11, 1, stride=4, padding="valid"), 1)
    x = _pool(_conv_relu(x, 256, 5, 2), 2)
    x = _conv_relu(x, 384, 3, 3)
    x = _conv_relu(x, 384, 3, 4)
    x = _pool(_conv_relu(x, 256, 3, 5), 5)
    x = layers.Flatten(name="flatten")(x)
    for i in (6, 7):
        x = layers.Dense(4096, name=f"dense{i}")(x)
        x = layers.Activation("relu", name=f"dense{i}_relu")(x)
        x = layers.Dropout(0.5, name=f"dense{i}_dropout")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="alexnet")


def vgg19(image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """VGG-19 (Simonyan & Zisserman 2015), from Keras."""
    return keras.applications.VGG19(
        weights=None, input_shape=image_shape, classes=classes, classifier_activation=None, name="vgg19"
    )


def resnet50(image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """ResNet-50 (He et al. 2016), from Keras, whose convolutions have biases."""
    return keras.applications.ResNet50(
        weights=None, input_shape=image_shape, classes=classes, classifier_activation=None, name="resnet50"
    )


def mobilenet(image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """MobileNet (Howard et al. 2017, Table 1)."""
    return _mobilenet(image_shape, classes, depthwise_separable_block, "mobilenet")


def mobilenet_standard(image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """MobileNet with standard convolutions (Howard et al. 2017, Table 4, "Conv MobileNet")."""
    return _mobilenet(image_shape, classes, standard_block, "mobilenet_standard")


def _mobilenet(image_shape: tuple[int, int, int], classes: int, block: Block, name: str) -> keras.Model:
    inputs = keras.Input(image_shape, name="images")
    x = conv_bn_relu(inputs, 32, 3, "stem", stride=2, convention=NO_BIAS)
    return keras.Model(inputs, classifier(mobilenet_blocks(x, block, NO_BIAS), classes), name=name)


def _conv_relu(
    x: KerasTensor, filters: int, kernel: int, number: int, stride: int = 1, padding: str = "same"
) -> KerasTensor:
    x = layers.Conv2D(filters, kernel, stride, padding, name=f"conv{number}")(x)
    return layers.Activation("relu", name=f"conv{number}_relu")(x)


def _pool(x: KerasTensor, number: int) -> KerasTensor:
    return layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)
