"""The roofline against numbers worked out by hand."""

import pytest

from factories import ENVIRONMENT
from sepconv.measuring import roofline
from sepconv.results.records import CostResult, Layer, Product, RooflineResult

# 4 × 4 × 2 in, 4 × 4 × 3 out, 3 × 3 × 2 × 3 weights and 3 biases: 864 mult-adds for one image.
CONV = Layer(
    name="conv", type="Conv2D", stride=1, filter_shape=(3, 3, 2, 3), input_shape=(4, 4, 2), output_shape=(4, 4, 3),
    params=57, mult_adds=864,
)  # fmt: skip
NORM = CONV.model_copy(update={"name": "norm", "type": "BatchNormalization", "mult_adds": 0, "params": 8})


def cost(*layers):
    counts = ("num_params", "trainable_params", "mult_adds", "weighted_layers", "weight_bytes",
              "activation_bytes", "training_step_bytes")  # fmt: skip
    return CostResult(paper="a", experiment="b", network={}, batch_size=1, layers=layers, **dict.fromkeys(counts, 1))


def test_operations_and_bytes():
    assert roofline.operations(CONV, 10) == 2 * 864 * 10
    assert roofline.bytes_moved(CONV, 10) == 4 * (10 * (32 + 48) + 57)
    assert roofline.bytes_moved(CONV, 10, bytes_per_value=2) == 2 * (10 * (32 + 48) + 57)
    assert roofline.arithmetic_intensity(CONV, 10) == pytest.approx(17_280 / 3_428)


def test_what_a_layer_needs_more_of_sets_its_time():
    assert roofline.relative_time([CONV], 10, balance=1) == 17_280  # arithmetic
    assert roofline.relative_time([CONV], 10, balance=100) == 3_428  # bytes
    assert roofline.relative_time([CONV, NORM], 10, balance=1) == 17_280 + 4 * (800 + 8)


def test_ratio_goes_from_that_of_the_operations_to_that_of_the_bytes():
    light = CONV.model_copy(update={"mult_adds": 216})
    assert roofline.time_ratio(cost(CONV), cost(light), 10, 1e-6) == pytest.approx(4)
    assert roofline.time_ratio(cost(CONV), cost(light), 10, 1e6) == 1
    assert roofline.time_ratio(cost(CONV, CONV), cost(light), 10, 1e6) == 2


# --- a training step -------------------------------------------------------------------------------------------------

FAST = 1e30  # so fast that it takes no time


def device(bytes_per_second=FAST, operations_per_second=FAST, bytes_per_value=4):
    return roofline.Device(bytes_per_second, operations_per_second, bytes_per_value)


def test_a_step_by_hand():
    """Two equal convolutions with a norm between, ten images; weights and slots 3 × 100, gradients 100 values."""
    counted = cost(CONV, NORM, CONV).model_copy(update={"weight_bytes": 1200, "trainable_params": 100})
    moved = 4 * (10 * (32 + 48) + 57)  # by one pass of a convolution
    norm = 2 * 4 * (10 * (32 + 48) + 8) + 4 * 10 * 32  # input and output twice, and the input's gradient
    update = 2 * 1200 + 4 * 100
    passes = 2 + 3  # the first convolution's input needs no gradient
    assert roofline.step_seconds(counted, 10, device(bytes_per_second=1)) == passes * moved + norm + update
    assert roofline.step_seconds(counted, 10, device(operations_per_second=1)) == pytest.approx(passes * 17_280)
    both = roofline.step_seconds(counted, 10, device(bytes_per_second=1, operations_per_second=1))
    assert both == passes * 17_280 + norm + update  # a convolution takes whichever takes longer


def test_half_the_bytes_in_bfloat16_but_for_the_update():
    counted = cost(CONV, NORM).model_copy(update={"weight_bytes": 0, "trainable_params": 0})
    half, whole = (roofline.step_seconds(counted, 10, device(bytes_per_second=1, bytes_per_value=n)) for n in (2, 4))
    assert half == whole / 2
    updated = counted.model_copy(update={"weight_bytes": 100})
    assert roofline.step_seconds(updated, 10, device(bytes_per_second=1, bytes_per_value=2)) == half + 200


def test_an_epoch_is_its_whole_batches_and_what_is_left():
    on = device(bytes_per_second=1)
    ten, three = (roofline.step_seconds(cost(CONV), images, on) for images in (10, 3))
    assert roofline.epoch_seconds(cost(CONV), 23, 10, on) == 2 * ten + three
    assert roofline.epoch_seconds(cost(CONV), 20, 10, on) == 2 * ten
    assert roofline.epoch_seconds(cost(CONV), 3, 10, on) == three


def test_a_device_is_the_median_of_its_repeats():
    products = {"float32": Product(size=10, seconds=(4.0, 1.0, 2.0))}
    measured = RooflineResult(copy_bytes=100, copy_seconds=(1.0, 5.0, 4.0), products=products, environment=ENVIRONMENT)
    assert roofline.device(measured, "float32") == roofline.Device(25, 1000, 4)
    assert roofline.device(measured, "bfloat16") is None
    half = measured.model_copy(update={"products": {"bfloat16": products["float32"]}})
    assert roofline.device(half, "bfloat16").bytes_per_value == 2
