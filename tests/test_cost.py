"""Counts against the papers' numbers, against TensorFlow's and JAX's own counting, and against sums by hand."""

from dataclasses import fields, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from sepconv.measuring import cost, roofline
from sepconv.networks import build
from sepconv.papers import all_papers, islam2022, yu2021
from sepconv.papers import paper as paper_of
from sepconv.results import store
from sepconv.spec import Constant, Experiment, Network, Optimizer, Recipe

ROOT = Path(__file__).parent.parent
OPTIMIZER = Optimizer("adam")
RECIPE = Recipe(
    epochs=1,
    batch_size=64,
    optimizer=OPTIMIZER,
    schedule=Constant(0.001),
    normalisation="unit",
    train_images=50_000,
    sources={field.name: "a test" for field in fields(Recipe) if field.name != "sources"},
)


def counted(builder, options=None, dataset="cifar10", recipe=None):
    return cost.count("test", Experiment("x", Network(builder, options or {}), dataset, recipe))


# --- against the papers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "options", "mult_adds", "weighted_layers"),
    [
        ("tseng.conv", {}, 12_429_312, 5),
        ("tseng.depthwise_separable", {}, 31_397_888, 18),
        ("tseng.depthwise_separable", {"blocks_512": 5}, 48_470_016, 26),
    ],
)
def test_tseng(builder, options, mult_adds, weighted_layers):
    result = counted(builder, options)
    assert (result.mult_adds, result.weighted_layers) == (mult_adds, weighted_layers)


def test_mobilenet_as_quoted():
    result = counted("reference.mobilenet", dataset="imagenet")
    assert round(result.mult_adds / 1e6) == 569
    assert round(result.num_params / 1e6, 1) == 4.3  # 4.2 without batch norm's running statistics
    assert round(result.trainable_params / 1e6, 1) == 4.2


@pytest.mark.slow
def test_standard_mobilenet_as_quoted():
    result = counted("reference.mobilenet_standard", dataset="imagenet")
    assert result.mult_adds / 1e6 == pytest.approx(4866, abs=2)  # 4867.3
    assert round(result.trainable_params / 1e6, 1) == 29.3


def test_connections_are_the_counted_mult_adds():
    """The formulas of yu2021, Sec. 3.1, on the sizes that its claim puts into them, layer by layer of both networks."""
    standard = {row.name: row for row in counted("yu.conv_net").layers}
    separable = {row.name: row for row in counted("yu.depthwise_conv_net").layers}
    for i, (m, n, d) in enumerate(yu2021._LAYERS, 1):
        block = standard[f"block{i}_conv"]
        assert (block.input_shape[-1], *block.output_shape) == (m, d, d, n)
        assert block.mult_adds == 3 * 3 * m * n * d * d
        assert separable[f"block{i}_depthwise_conv"].mult_adds == 3 * 3 * m * d * d
        assert separable[f"block{i}_pointwise_conv"].mult_adds == m * n * d * d
    assert f"block{i + 1}_conv" not in standard


# --- against the frameworks ------------------------------------------------------------------------------------------

COUNTED_TWICE = [("tseng.conv", {}), ("tseng.depthwise_separable", {}), ("islam.patch_network", {})]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's profiler reads TensorFlow's graphs")
@pytest.mark.parametrize(("builder", "options"), COUNTED_TWICE)
def test_against_the_profiler_of_tensorflow(builder, options):
    """Exact: the profiler counts two operations a mult-add, in these kinds of node."""
    operations = profile(build(Network(builder, options), (32, 32, 3), 10))
    result = counted(builder, options)
    products = sum(operations.get(kind, 0) for kind in ("Conv2D", "DepthwiseConv2dNative", "MatMul"))
    assert products == 2 * result.mult_adds
    norms = sum(row.output_shape[0] * row.output_shape[1] * row.output_shape[2] for row in norm_rows(result))
    assert islam2022.FLOPS.read(result) == result.mult_adds + 2 * norms + operations.get("Mean", 0)


def norm_rows(result):
    return [row for row in result.layers if row.type == "BatchNormalization"]


def profile(model):
    """Operations for one image by kind of node."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

    call = tf.function(lambda x: model(x, training=False))
    graph_def = convert_variables_to_constants_v2_as_graph(
        call.get_concrete_function(tf.TensorSpec((1, *model.input_shape[1:])))
    )[1]
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_def, name="")
        node = tf.compat.v1.profiler.profile(graph, cmd="op", options=options)
    operations = {}
    while node.children:  # the kinds come as a chain
        node = node.children[0]
        operations[node.name] = node.float_ops
    return operations


def bytes_kept(builder, options):
    """Bytes per image that JAX's autodiff keeps for the backward pass."""
    import jax

    model = build(Network(builder, options), (32, 32, 3), 10)
    weights, state = ([v.value for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables))
    images = jax.numpy.asarray(np.random.default_rng(0).normal(size=(2, 32, 32, 3)), "float32")

    def loss(weights):
        logits, _ = model.stateless_call(weights, state, images, training=True)
        return jax.nn.logsumexp(logits, axis=-1).sum()

    kept = {id(a): a for a in jax.tree.leaves(jax.vjp(loss, weights)[1])}.values()
    return sum(a.nbytes for a in kept if a.shape[:1] == (2,)) / 2


@pytest.mark.slow
@pytest.mark.parametrize(("builder", "options"), [("tseng.conv", {}), ("islam.patch_network", {"depth": 1})])
def test_activations_against_the_autodiff_of_jax(builder, options, on_jax):
    """JAX's autodiff, not compiled, keeps what we count and, for want of a compiler, up to 2.2 times as much."""
    assert 1 <= on_jax(bytes_kept, builder, options) / counted(builder, options).activation_bytes <= 2.2


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_activations_by_hand():
    """tseng.conv: images, three ReLU outputs, three pooled ones, hidden ReLU, dropout, logits; each once."""
    values = 32 * 32 * 3 + 32 * 32 * 32 + 16 * 16 * (32 + 64) + 8 * 8 * (64 + 128) + 4 * 4 * 128 + 1024 + 1024 + 10
    assert counted("tseng.conv").activation_bytes == 4 * values
    assert counted("tseng.conv", recipe=RECIPE).activation_bytes == 64 * 4 * values
    assert counted("tseng.conv", recipe=replace(RECIPE, precision="bfloat16")).activation_bytes == 64 * 2 * values


@pytest.mark.parametrize(
    ("optimizer", "slots"),
    [(OPTIMIZER, 2), (Optimizer("adamw"), 2), (Optimizer("sgd", momentum=0.9), 1), (Optimizer("sgd"), 0)],
)
def test_bytes_of_a_step(optimizer, slots):
    result = counted("tseng.depthwise_separable", recipe=replace(RECIPE, optimizer=optimizer))
    assert result.weight_bytes == 4 * (1_094_538 + slots * 1_084_938)
    assert result.training_step_bytes == result.weight_bytes + 4 * 1_084_938 + result.activation_bytes


def test_without_a_recipe_one_image_and_no_slots():
    result = counted("tseng.conv")
    assert (result.batch_size, result.weight_bytes) == (None, 4 * 2_201_674)


@pytest.mark.parametrize(
    "builder", ["tseng.conv", "tseng.depthwise_separable", "islam.patch_network", "yu.depthwise_conv_net"]
)
def test_rows_add_up(builder):
    result = counted(builder)
    assert sum(row.params for row in result.layers) == result.num_params
    assert sum(row.mult_adds for row in result.layers) == result.mult_adds


def test_rows_of_table_1():
    rows = {row.name: row for row in counted("tseng.conv").layers}
    assert rows["block2_conv"].model_dump() == {
        "name": "block2_conv",
        "type": "Conv2D",
        "stride": 1,
        "filter_shape": (3, 3, 32, 64),
        "input_shape": (16, 16, 32),
        "output_shape": (16, 16, 64),
        "params": 3 * 3 * 32 * 64 + 64,
        "mult_adds": 16 * 16 * 3 * 3 * 32 * 64,
    }
    assert (rows["block2_pool"].stride, rows["block2_pool"].filter_shape) == (2, (2, 2))


def test_depthwise_moves_more_per_operation():
    rows = {row.name: row for row in counted("yu.depthwise_conv_net").layers}
    standard = {row.name: row for row in counted("yu.conv_net").layers}
    depthwise, conv = rows["block7_depthwise_conv"], standard["block7_conv"]
    assert roofline.arithmetic_intensity(depthwise, 256) < 3 < 100 < roofline.arithmetic_intensity(conv, 256)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (keras.layers.SeparableConv2D(4, 3, activation="relu", name="odd"), "odd: .* mult-adds of a SeparableConv2D"),
        (keras.layers.LeakyReLU(name="odd"), "odd: cannot tell what a LeakyReLU keeps"),
    ],
)
def test_unknown_layers_are_refused(layer, message, monkeypatch):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layer(inputs))
    monkeypatch.setattr(cost, "build", lambda *_: model)
    with pytest.raises(cost.CostError, match=message):
        counted("tseng.conv")


# --- the committed files ---------------------------------------------------------------------------------------------


def test_a_stale_count_is_replaced(tmp_path):
    experiment = Experiment("conv", Network("tseng.conv"), "cifar10")
    paper = replace(all_papers()[0], key="test", experiments=(experiment,), claims=(), departures=())
    fresh = cost.count("test", experiment)
    path = store.write(tmp_path, fresh.model_copy(update={"mult_adds": 1}))
    cost.ensure_costs(tmp_path, (paper,))
    assert store.read(path) == fresh
    before = path.stat().st_mtime_ns
    cost.ensure_costs(tmp_path, (paper,))
    assert path.stat().st_mtime_ns == before
    path.write_text(path.read_text().replace('"mult_adds"', '"flops"'))  # as a version with other names wrote it
    cost.ensure_costs(tmp_path, (paper,))
    assert store.read(path) == fresh


@pytest.mark.parametrize(
    ("paper", "experiment"),
    [("tseng2020", "conv"), ("tseng2020", "da-dsc"), ("islam2022", "small"), ("yu2021", "cifar10-dw")],
)
def test_committed_counts_are_fresh(paper, experiment):
    fresh = cost.count(paper, paper_of(paper).experiment(experiment))
    assert store.read(store.path_of(ROOT / "results", fresh.key)) == fresh


def test_every_experiment_is_counted():
    expected = {(p.key, e.name) for p in all_papers() for e in p.experiments}
    assert {(c.paper, c.experiment) for c in store.read_all(ROOT / "results").costs} == expected
