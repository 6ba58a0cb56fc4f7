"""The roofline against numbers worked out by hand."""

import pytest

from sepconv import roofline
from sepconv.results import CostResult, Layer

# 4 × 4 × 2 in, 4 × 4 × 3 out, 3 × 3 × 2 × 3 weights and 3 biases: 864 mult-adds for one image.
CONV = Layer(
    name="conv", type="Conv2D", stride=1, filter_shape=(3, 3, 2, 3), input_shape=(4, 4, 2), output_shape=(4, 4, 3),
    params=57, mult_adds=864,
)  # fmt: skip
NORM = CONV.model_copy(update={"name": "norm", "type": "BatchNormalization", "mult_adds": 0, "params": 8})


def cost(*layers):
    counts = ("num_params", "trainable_params", "mult_adds", "islam_flops", "weighted_layers", "weight_bytes",
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
