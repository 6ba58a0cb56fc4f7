"""Every operation does what a slow reference does, and every image draws for itself, on both backends."""

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image, ImageEnhance, ImageOps

from sepconv.training import augment as module
from sepconv.training.augment import augment

RANDOM = np.random.default_rng(0)
STILL = np.eye(3, dtype=np.float32)


def _pixels(count: int) -> np.ndarray:
    """Images uint8 ``(count, 32, 32, 3)`` with gradients, noise and few values; the last is grey all over."""
    slopes = RANDOM.uniform(-4, 4, (count, 2, 3))
    y, x = np.mgrid[:32, :32]
    smooth = 128 + slopes[:, 0, None, None] * (x[..., None] - 16) + slopes[:, 1, None, None] * (y[..., None] - 16)
    pixels = np.clip(smooth + RANDOM.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)
    pixels[0] = pixels[0] // 100 * 90
    pixels[-1] = 77
    return pixels


PIXELS = _pixels(6)
IMAGES = PIXELS.astype(np.float32) / 255
FILL = tuple(round(255 * float(v)) for v in module.FILL)


def _numpy(tensor) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


def _augment(steps, images, labels=None, seed=0):
    labels = np.zeros((len(images), 1), np.float32) if labels is None else labels
    return tuple(_numpy(t) for t in augment(steps, images, labels, keras.random.SeedGenerator(seed)))


# --- operations against Pillow ---------------------------------------------------------------------------------------


def _affine(*entries):
    return lambda image: image.transform((32, 32), Image.Transform.AFFINE, entries, fillcolor=FILL)


PILLOW_MOVES = {
    "shear-x": lambda s: _affine(1, 0.3 * s, 0, 0, 1, 0),
    "shear-y": lambda s: _affine(1, 0, 0, 0.3 * s, 1, 0),
    "translate-x": lambda s: _affine(1, 0, 10 * s, 0, 1, 0),
    "translate-y": lambda s: _affine(1, 0, 0, 0, 1, 10 * s),
    "rotate": lambda s: lambda image: image.rotate(30 * s, fillcolor=FILL),
}


def _enhanced(kind, strength):
    return lambda image: kind(image).enhance(0.1 + 1.8 * strength)


PILLOW_COLOURS = {  # operation, and how many of 255 levels Pillow's own rounding may lie off
    "color": (lambda s: lambda image: _enhanced(ImageEnhance.Color, s)(image), 2),
    "contrast": (lambda s: lambda image: _enhanced(ImageEnhance.Contrast, s)(image), 2),
    "brightness": (lambda s: lambda image: _enhanced(ImageEnhance.Brightness, s)(image), 1),
    "sharpness": (lambda s: lambda image: _enhanced(ImageEnhance.Sharpness, s)(image), 2),
    "autocontrast": (lambda s: ImageOps.autocontrast, 1),
    "equalize": (lambda s: ImageOps.equalize, 0),
    "invert": (lambda s: ImageOps.invert, 0),
    "solarize": (lambda s: lambda image: ImageOps.solarize(image, int(256 - 256 * s)), 0),
    "posterize": (lambda s: lambda image: ImageOps.posterize(image, 8 - round(4 * s)), 0),
}


def _by_pillow(operation) -> np.ndarray:
    return np.stack([np.asarray(operation(Image.fromarray(pixels))) for pixels in PIXELS]) / 255


def test_pillow_checks_every_operation():
    assert PILLOW_MOVES.keys() == module._MOVES.keys()
    assert PILLOW_COLOURS.keys() == module._COLOURS.keys()


@pytest.mark.parametrize("strength", [-1.0, -0.52, 0.3, 0.9])
@pytest.mark.parametrize("name", PILLOW_MOVES)
def test_move_is_pillows(name, strength):
    matrix = module._MOVES[name](ops.full((len(IMAGES),), strength))
    moved = _numpy(module._resample(ops.convert_to_tensor(IMAGES), matrix, "nearest", "constant"))
    np.testing.assert_allclose(moved, _by_pillow(PILLOW_MOVES[name](strength)), atol=0.6 / 255)


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("name", PILLOW_COLOURS)
def test_colour_is_pillows(name, strength):
    expected, levels = PILLOW_COLOURS[name]
    changed = _numpy(module._COLOURS[name](ops.convert_to_tensor(IMAGES), ops.full((len(IMAGES), 1, 1, 1), strength)))
    np.testing.assert_allclose(changed, _by_pillow(expected(strength)), atol=(levels + 0.01) / 255)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="asks TensorFlow what it has registered")
@pytest.mark.parametrize("name", PILLOW_COLOURS)
def test_beside_a_gpu_no_pixel_goes_through_the_hosts_memory(name):
    import tensorflow as tf

    pixels, strength = tf.TensorSpec((4, 32, 32, 3)), tf.TensorSpec((4, 1, 1, 1))
    graph = tf.function(module._COLOURS[name]).get_concrete_function(pixels, strength).graph
    large = [op for op in graph.get_operations() if any((i.shape.num_elements() or 0) > 32 * 32 for i in op.inputs)]
    assert large
    assert [op.type for op in large if not _is_of_the_gpu(op)] == []


def _is_of_the_gpu(operation):
    """Whether TensorFlow has a kernel for GPUs that takes the first input, and gives the output, in their memory."""
    from tensorflow.python.framework.kernels import get_registered_kernels_for_op

    types = {name: value.type for name, value in operation.node_def.attr.items()}
    return any(
        kernel.device_type == "GPU"
        and all(types[each.name] in each.allowed_values.list.type for each in kernel.constraint)
        and not {"x", "input", "output", "z"} & set(kernel.host_memory_arg)
        for kernel in get_registered_kernels_for_op(operation.type).kernel
    )


def test_every_image_gets_its_own_operation():
    names = module._NAMES
    pixels = _pixels(len(names))
    images = ops.convert_to_tensor(pixels.astype(np.float32) / 255)
    strength = np.linspace(0.1, 0.9, len(names), dtype=np.float32)
    result = _numpy(module._operate(images, np.arange(len(names)), strength, keras.random.SeedGenerator(0)))
    np.testing.assert_allclose(result[0], pixels[0] / 255, atol=1e-6)
    for index, name in enumerate(names):
        alone, own = images[index : index + 1], strength[index : index + 1]
        if name in module._MOVES:
            candidates = [
                module._resample(alone, module._MOVES[name](ops.convert_to_tensor(sign * own)), "nearest", "constant")
                for sign in (-1, 1)
            ]
        elif name in module._COLOURS:
            candidates = [module._COLOURS[name](alone, own.reshape(1, 1, 1, 1))]
        else:
            candidates = [alone]
        distance = min(np.abs(_numpy(c)[0] - result[index]).max() for c in candidates)
        assert distance < 1e-5, name


# --- affine maps against a loop --------------------------------------------------------------------------------------


def _slow_resample(image, matrix, fill):
    """Bilinear, one pixel at a time, in float64; ``fill`` is a colour, or None for the nearest edge."""
    height, width, _ = image.shape
    result = np.zeros(image.shape)
    for row in range(height):
        for column in range(width):
            place = np.array([(column + 0.5) / width - 0.5, (row + 0.5) / height - 0.5, 1])
            x, y, _ = matrix.astype(np.float64) @ place
            x, y = (x + 0.5) * width - 0.5, (y + 0.5) * height - 0.5
            left, top = int(np.floor(x)), int(np.floor(y))
            for i, weight_y in ((top, top + 1 - y), (top + 1, y - top)):
                for j, weight_x in ((left, left + 1 - x), (left + 1, x - left)):
                    inside = 0 <= i < height and 0 <= j < width
                    edge = image[min(max(i, 0), height - 1), min(max(j, 0), width - 1)]
                    result[row, column] += weight_x * weight_y * (edge if inside or fill is None else fill)
    return result


@pytest.mark.parametrize("name", module.WARPS)
def test_warp_shows_what_its_matrix_says(name):
    warped, _ = _augment([[name]], IMAGES, seed=3)
    seeds = keras.random.SeedGenerator(3)
    module._integer(len(IMAGES), 1, seeds)  # a step first draws one of its alternatives
    matrix = _numpy(module.WARPS[name](len(IMAGES), seeds))
    for image, own, result in zip(IMAGES, matrix, warped, strict=True):
        np.testing.assert_allclose(result, _slow_resample(image, own, None), atol=2e-5)


def test_warps_that_meet_resample_once():
    steps = [["rotate"], ["zoom"], ["shift"]]
    warped, _ = _augment(steps, IMAGES, seed=5)
    seeds, product = keras.random.SeedGenerator(5), np.tile(STILL, (len(IMAGES), 1, 1))
    for (name,) in steps:
        module._integer(len(IMAGES), 1, seeds)
        product = product @ _numpy(module.WARPS[name](len(IMAGES), seeds))
    for image, own, result in zip(IMAGES, product, warped, strict=True):
        np.testing.assert_allclose(result, _slow_resample(image, own, None), atol=2e-5)


def test_warps_keep_within_their_strengths():
    seeds = keras.random.SeedGenerator(0)
    shift, turn, zoom = (_numpy(module.WARPS[name](4000, seeds)) for name in ("shift", "rotate", "zoom"))
    degrees = np.degrees(np.arctan2(turn[:, 1, 0], turn[:, 0, 0]))
    for values, low, high in (
        (shift[:, :2, 2], -0.1, 0.1),
        (degrees, -15, 15),
        (1 / zoom[:, 0, 0], 0.9, 1.1),
    ):
        assert low - 1e-4 <= values.min() < low + 0.01 * (high - low)
        assert high + 1e-4 >= values.max() > high - 0.01 * (high - low)


# --- each image its own draw -----------------------------------------------------------------------------------------


def test_flip_mirrors_about_half_of_the_images_exactly():
    pixels = _pixels(400)
    images = pixels.astype(np.float32) / 255
    flipped, _ = _augment([["flip"]], images)
    mirrored = np.abs(flipped - images[:, :, ::-1]).max(axis=(1, 2, 3)) < 1e-6
    kept = np.abs(flipped - images).max(axis=(1, 2, 3)) < 1e-6
    assert (mirrored | kept).all()
    assert 150 < mirrored.sum() < 250


def test_crop_is_a_window_of_the_padded_image_and_each_window_comes():
    image = np.arange(32 * 32 * 3, dtype=np.float32).reshape(32, 32, 3) / 3072
    padded = np.tile(module.FILL, (40, 40, 1))
    padded[4:36, 4:36] = image
    windows = {(y, x): padded[y : y + 32, x : x + 32] for y in range(9) for x in range(9)}
    cropped, _ = _augment([["crop"]], np.tile(image, (1000, 1, 1, 1)))
    middle = {round(float(window[16, 16, 0]), 5): place for place, window in windows.items()}
    came = [middle[round(float(result[16, 16, 0]), 5)] for result in cropped]
    for place, result in zip(came, cropped, strict=True):
        np.testing.assert_allclose(result, windows[place], atol=1e-6)
    assert set(came) == windows.keys()


def test_reflected_shift_is_a_window_of_the_image_that_numpy_reflects_and_each_window_comes():
    image = np.arange(32 * 32 * 3, dtype=np.float32).reshape(32, 32, 3) / 3072
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    windows = {(y, x): padded[y : y + 32, x : x + 32] for y in range(5) for x in range(5)}
    place_of = {float(window[16, 16, 0]): place for place, window in windows.items()}
    shifted, _ = _augment([["reflected-shift"]], np.tile(image, (500, 1, 1, 1)))
    places = [place_of[float(result[16, 16, 0])] for result in shifted]
    for place, result in zip(places, shifted, strict=True):
        np.testing.assert_array_equal(result, windows[place])
    assert set(places) == windows.keys()


def test_brightness_scales_each_image_by_its_own_factor():
    grey = np.full((2000, 4, 4, 3), 0.5, np.float32)
    bright, _ = _augment([["brightness"]], grey)
    factors = bright[:, 0, 0, 0] / 0.5
    np.testing.assert_allclose(bright, bright[:, :1, :1, :1] * np.ones_like(bright))
    assert 0.8 <= factors.min() < 0.81
    assert 1.19 < factors.max() <= 1.2
    assert _augment([["brightness"]], np.full((50, 4, 4, 3), 0.95, np.float32))[0].max() == 1.0


def test_randaugment_draws_fourteen_operations_alike():
    operation, strength = (_numpy(t) for t in module._randaugment(20_000, keras.random.SeedGenerator(0)))
    assert operation.shape == strength.shape == (20_000, 2)
    drawn = [module._NAMES[i] for i in np.unique(operation)]
    colours = {"autocontrast", "equalize", "solarize", "color", "posterize", "contrast", "brightness", "sharpness"}
    assert set(drawn) == colours | {"identity", "rotate", "shear-x", "shear-y", "translate-x", "translate-y"}
    counts = np.bincount(operation.ravel())
    assert np.abs(counts / counts.sum() - 1 / 14).max() < 0.006
    np.testing.assert_allclose(strength, 0.9, rtol=1e-6)
    assert np.abs(np.corrcoef(operation.T)[0, 1]) < 0.03


def test_autoaugment_draws_each_sub_policy_with_its_probabilities():
    operation, strength = (_numpy(t) for t in module._autoaugment(100_000, keras.random.SeedGenerator(0)))
    expected: dict[tuple, float] = {}
    for first, second in module.AUTOAUGMENT_POLICY:
        for a in (True, False):
            for b in (True, False):
                share = (first[1] if a else 1 - first[1]) * (second[1] if b else 1 - second[1]) / 25
                names = (first[0] if a else "identity", second[0] if b else "identity")
                key = (*names, round(first[2] / 9, 3), round(second[2] / 9, 3))
                expected[key] = expected.get(key, 0) + share
    names = [[module._NAMES[i] for i in row] for row in operation]
    keys = [(*n, *(round(float(s), 3) for s in row)) for n, row in zip(names, strength, strict=True)]
    came, counts = np.unique(np.array(keys, object).astype(str), axis=0, return_counts=True)
    shares = dict(zip(map(tuple, came), counts / len(keys), strict=True))
    assert shares.keys() == {tuple(map(str, key)) for key, share in expected.items() if share > 0}
    for key, share in expected.items():
        assert shares.get(tuple(map(str, key)), 0) == pytest.approx(share, abs=0.002)


# The policy for CIFAR-10 in the appendix of arXiv:1805.09501, written a second time and shorter: operation,
# probability in tenths, level where the operation has a strength.
POLICY = """
invert 1, contrast 2 6; rotate 7 2, translate-x 3 9; sharpness 8 1, sharpness 9 3; shear-y 5 8, translate-y 7 9
autocontrast 5, equalize 9; shear-y 2 7, posterize 3 7; color 4 3, brightness 6 7; sharpness 3 9, brightness 7 9
equalize 6, equalize 5; contrast 6 7, sharpness 6 5; color 7 7, translate-x 5 8; equalize 3, autocontrast 4
translate-y 4 3, sharpness 2 6; brightness 9 6, color 2 8; solarize 5 2, invert 0; equalize 2, autocontrast 6
equalize 2, equalize 6; color 9 9, equalize 6; autocontrast 8, solarize 2 8; brightness 1 3, color 7 0
solarize 4 5, autocontrast 9; translate-y 9 9, translate-y 7 9; autocontrast 9, solarize 8 3; equalize 8, invert 1
translate-y 7 9, autocontrast 9
"""


def test_the_policy_is_copied_right():
    pairs = [pair.split(",") for line in POLICY.strip().splitlines() for pair in line.split(";")]
    expected = []
    for pair in pairs:
        words = [operation.split() for operation in pair]
        expected.append(tuple((w[0], int(w[1]) / 10, int(w[2]) if len(w) > 2 else 0) for w in words))
    assert len(expected) == 25
    assert tuple(expected) == module.AUTOAUGMENT_POLICY


def test_alternatives_come_equally_often():
    pixels = np.full((2000, 8, 8, 3), 0.5, np.float32)
    pixels[:, :, :4] = 0.25
    result, _ = _augment([["flip", "brightness"]], pixels)
    flipped_or_kept = np.isin(np.round(result[:, 0, 0, 0], 6), (0.25, 0.5))
    assert 900 < flipped_or_kept.sum() < 1100  # brightness hits these two values with probability 0


def test_alternatives_among_warps_come_equally_often():
    images = _pixels(2000)[:-1].astype(np.float32) / 255
    result, _ = _augment([["flip", "rotate"]], images)
    mirrored = np.abs(result - images[:, :, ::-1]).max(axis=(1, 2, 3)) < 1e-6
    kept = np.abs(result - images).max(axis=(1, 2, 3)) < 1e-6
    assert 420 < mirrored.sum() < 580  # a quarter; four standard deviations are 78
    assert 420 < kept.sum() < 580


@pytest.mark.parametrize("step", [["randaugment", "autoaugment"], ["randaugment", "crop"], ["mixup", "cutmix"]])
def test_alternatives_keep_shape_and_range(step):
    images = _pixels(40).astype(np.float32) / 255
    labels = np.eye(10, dtype=np.float32)[np.arange(40) % 10]
    result, mixed = _augment([step], images, labels)
    assert result.shape == images.shape
    assert result.dtype == np.float32
    assert 0 <= result.min() < result.max() <= 1 + 1e-6
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-6)
    assert np.abs(result - images).max(axis=(1, 2, 3)).mean() > 0.1


# --- mixing ----------------------------------------------------------------------------------------------------------


def test_mixup_mixes_images_as_labels():
    images = _pixels(500).astype(np.float32) / 255
    mixed, labels = _augment([["mixup"]], images, np.eye(500, dtype=np.float32))
    own = np.diag(labels)
    other = np.roll(np.arange(500), 1)
    np.testing.assert_allclose(labels[np.arange(500), other], 1 - own, atol=1e-6)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    share = own[:, None, None, None]
    np.testing.assert_allclose(mixed, share * images + (1 - share) * images[other], atol=1e-6)
    assert np.abs(np.quantile(own, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.08


def test_cutmix_mixes_labels_by_the_area_of_a_box():
    count = 1000
    images = np.arange(count, dtype=np.float32)[:, None, None, None] * np.ones((1, 32, 32, 3), np.float32)
    mixed, labels = _augment([["cutmix"]], images, np.eye(count, dtype=np.float32))
    other = np.roll(np.arange(count), 1)
    pasted = mixed[..., 0] == other[:, None, None]
    assert ((mixed[..., 0] == np.arange(count)[:, None, None]) | pasted).all()
    np.testing.assert_allclose(labels[np.arange(count), other], pasted.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    rows, columns = pasted.any(axis=2), pasted.any(axis=1)
    np.testing.assert_array_equal(pasted, rows[:, :, None] & columns[:, None, :])
    for line in (rows, columns):
        assert (np.abs(np.diff(np.pad(line, ((0, 0), (1, 1))).astype(int), axis=1)).sum(axis=1) <= 2).all()
    assert len(np.unique(pasted.sum(axis=(1, 2)))) > 100  # each image its own box
    assert _mean_area() == pytest.approx(pasted.mean(), abs=0.03)


def _mean_area(draws: int = 20_000) -> float:
    """Mean area that the CutMix authors' ``rand_bbox`` pastes, drawn with numpy."""
    side = (32 * np.sqrt(RANDOM.uniform(size=draws))).astype(int)
    lengths = []
    for _ in range(2):
        centre = RANDOM.integers(0, 32, draws)
        lengths.append(np.clip(centre + side // 2, 0, 32) - np.clip(centre - side // 2, 0, 32))
    return float((lengths[0] * lengths[1]).mean() / 1024)


# --- compiled --------------------------------------------------------------------------------------------------------

ALL = (
    ("flip",),
    ("shift", "rotate", "zoom"),
    ("crop",),
    ("reflected-shift",),
    ("brightness",),
    ("randaugment", "autoaugment"),
    ("mixup", "cutmix"),
    ("flip", "mixup"),
)


def _compiled(seeds):
    """``augment`` compiled as the engines do it; on TensorFlow with the size of the batch left open."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        signature = [tf.TensorSpec((None, 32, 32, 3)), tf.TensorSpec((None, 10))]
        return tf.function(
            lambda images, labels: augment(ALL, images, labels, seeds), input_signature=signature, autograph=False
        )
    import jax

    @jax.jit
    def step(state, images, labels):
        with keras.StatelessScope(state_mapping=[(seeds.state, state)]) as scope:
            result = augment(ALL, images, labels, seeds)
        return result, scope.get_current_value(seeds.state)

    def call(images, labels):
        result, state = step(seeds.state.value, images, labels)
        seeds.state.assign(state)
        return result

    return call


def test_compiled_is_the_same_and_goes_on_drawing():
    images, labels = _pixels(12).astype(np.float32) / 255, np.eye(10, dtype=np.float32)[np.arange(12) % 10]
    plain, seeds = keras.random.SeedGenerator(7), keras.random.SeedGenerator(7)
    compiled = _compiled(seeds)
    expected = [augment(ALL, images, labels, plain) for _ in range(2)]
    came = [compiled(images, labels) for _ in range(2)]
    for (image, label), (expected_image, expected_label) in zip(came, expected, strict=True):
        np.testing.assert_allclose(_numpy(label), _numpy(expected_label), atol=1e-6)
        differs = np.abs(_numpy(image) - _numpy(expected_image)) > 1e-4
        assert differs.mean() < 0.01  # rounding may move a nearest pixel or cross a threshold
    assert np.abs(_numpy(came[0][0]) - _numpy(came[1][0])).mean() > 0.01


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX compiles anew for each size")
def test_one_graph_takes_batches_of_every_size():
    compiled = _compiled(keras.random.SeedGenerator(0))
    for count in (5, 1):  # the last batch of an epoch may be a single image
        images, _ = compiled(_pixels(count).astype(np.float32) / 255, np.eye(10, dtype=np.float32)[:count])
        assert images.shape == (count, 32, 32, 3)


def test_examples_are_pictures():
    pictures = module.examples([["randaugment"]], PIXELS, seed=1)
    assert pictures.shape == PIXELS.shape
    np.testing.assert_array_equal(pictures, module.examples([["randaugment"]], PIXELS, seed=1))
    assert np.abs(pictures - module.examples([["randaugment"]], PIXELS, seed=2)).max() > 0.1
    np.testing.assert_allclose(module.examples([], PIXELS, seed=1), IMAGES, atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="this is the run on JAX")
def test_operations_hold_and_compile_on_jax(run_tests_on_jax):
    run_tests_on_jax("-k", "pillow or warp or compiled or reflected", __file__)
