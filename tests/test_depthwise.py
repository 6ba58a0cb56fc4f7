"""Every way to compute a depthwise convolution gives the numbers of plain NumPy, in each of its parts."""

import jax.numpy as jnp
import numpy as np
import pytest

from sepconv import depthwise
from sepconv.depthwise import PARTS, WAYS, DepthwiseError, Shape

SHAPES = [
    Shape(batch=2, size=8, channels=3, kernel=3, stride=1),
    Shape(batch=2, size=8, channels=3, kernel=3, stride=2),  # zeros after the row only
    Shape(batch=2, size=9, channels=3, kernel=3, stride=2),
    Shape(batch=2, size=8, channels=2, kernel=5, stride=1),
    Shape(batch=1, size=7, channels=2, kernel=5, stride=2),
    Shape(batch=2, size=8, channels=2, kernel=7, stride=1),
    Shape(batch=1, size=4, channels=2, kernel=9, stride=1),  # wider than the image
]


def numpy_parts(shape, images, kernel, gradient):
    """Place by place and value by value, in float64."""
    before, after = shape.padding
    padded = np.pad(images.astype(float), ((0, 0), (before, after), (before, after), (0, 0)))
    outputs, by_image, by_kernel = np.zeros(gradient.shape), np.zeros(padded.shape), np.zeros(kernel.shape)
    for y, x in np.ndindex(shape.output, shape.output):
        rows, columns = (np.s_[i * shape.stride : i * shape.stride + shape.kernel] for i in (y, x))
        window = np.s_[:, rows, columns]
        outputs[:, y, x] = (padded[window] * kernel).sum(axis=(1, 2))
        by_image[window] += gradient[:, None, None, y, x] * kernel
        by_kernel += (padded[window] * gradient[:, None, None, y, x]).sum(axis=0)
    inner = np.s_[before : before + shape.size]
    return {"forward": outputs, "input gradient": by_image[:, inner, inner], "weight gradient": by_kernel}


def arrays(shape):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(shape.batch, shape.size, shape.size, shape.channels))
    kernel = rng.normal(size=(shape.kernel, shape.kernel, shape.channels))
    gradient = rng.normal(size=(shape.batch, shape.output, shape.output, shape.channels))
    return [a.astype("float32") for a in (images, kernel, gradient)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_all_parts_equal_numpy(shape, way):
    images, kernel, gradient = arrays(shape)
    expected = numpy_parts(shape, images, kernel, gradient)
    given = {"forward": (images, kernel), "input gradient": (kernel, gradient), "weight gradient": (images, gradient)}
    for part in PARTS:
        result = WAYS[way].part(part)(shape, *map(jnp.asarray, given[part]))
        assert result.dtype == jnp.float32
        np.testing.assert_allclose(result, expected[part], atol=2e-5, err_msg=part)


def test_padding_is_that_of_same():
    assert Shape(1, 32, 1, 3, 1).padding == (1, 1)
    assert Shape(1, 32, 1, 3, 2).padding == (0, 1)
    assert Shape(1, 33, 1, 3, 2).padding == (1, 1)
    assert Shape(1, 8, 1, 7, 1).padding == (3, 3)


def test_bytes_moved_are_those_of_both_images():
    assert Shape(batch=2, size=8, channels=3, kernel=3, stride=2).bytes_moved == 4 * 2 * 3 * (64 + 16)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_all_ways_are_timed_in_every_part(dtype, monkeypatch):
    monkeypatch.setattr(depthwise, "REPEATS", 2)
    seconds = depthwise.measure(SHAPES[0], dtype)
    assert tuple(seconds) == PARTS
    for by_way in seconds.values():
        assert by_way.keys() == WAYS.keys()
        assert min(by_way.values()) > 0


def test_a_way_that_gives_other_numbers_is_refused(monkeypatch):
    wrong = depthwise.Way(
        lambda shape, images, kernel: 1.1 * depthwise.grouped_forward(shape, images, kernel),
        depthwise.grouped_input_gradient,
        depthwise.grouped_weight_gradient,
    )
    monkeypatch.setitem(WAYS, "wrong", wrong)
    with pytest.raises(DepthwiseError, match=r"forward .*wrong differs from grouped by"):
        depthwise.measure(SHAPES[0], "float32")
