"""What all timings share: turns that alternate, and compiled functions that compute what was asked for."""

import keras
import numpy as np
import pytest
from keras import ops

from sepconv.measuring.timing import compiled, in_turns


def test_every_second_round_goes_backwards():
    assert "".join(in_turns("abc", 3)) == "abccbaabc"
    assert list(in_turns({"a": 1, "b": 2}, 2)) == ["a", "b", "b", "a"]
    assert list(in_turns([], 3)) == list(in_turns("ab", 0)) == []


@pytest.mark.parametrize("options", [{}, {"donate": True}, {"shape": (None, 2)}])
def test_a_compiled_function_computes_the_same(options):
    double = compiled(lambda values: 2 * values, **options)
    for rows in (1, 3):
        assert ops.convert_to_numpy(double(ops.ones((rows, 2)))) == pytest.approx(2 * np.ones((rows, 2)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX compiles every shape anew")
@pytest.mark.parametrize(("shape", "traces"), [((None, 2), 1), (None, 2)])
def test_one_trace_serves_all_sizes_of_a_named_shape(shape, traces):
    traced = []
    double = compiled(lambda values: traced.append(values) or 2 * values, shape=shape)
    for rows in (1, 3):
        double(ops.ones((rows, 2)))
    assert len(traced) == traces
