"""What a network costs: parameters, mult-adds, bytes of a training step. Counted, not measured.

Conventions:

- ``mult_adds``: one multiplication with its addition is one. Convolutions and dense layers only, biases left out,
  products with padded zeros included, as is usual.
- ``activation_bytes``: the tensors that the backward pass of one training step reads, each once even where several
  layers read it: inputs of convolutions, dense layers, norms and max pooling; the input of a GELU, whose derivative
  needs it; the output of a ReLU and of dropout, whose zeros are all that matters; the logits. A norm's own statistics
  are left out. A compiler may keep less (it can compute a tensor again) and allocators need more.
"""

from math import prod
from pathlib import Path

import keras
from keras import KerasTensor, layers

from sepconv.networks import build
from sepconv.results import store
from sepconv.results.records import CONVOLUTIONS, NORMS, CostResult, Layer, ResultError
from sepconv.spec import BYTES_PER_VALUE, FLOAT32_BYTES, Experiment, Paper, Recipe, to_json

_CONVOLUTIONS = tuple(getattr(layers, name) for name in CONVOLUTIONS)
_WEIGHTED = (*_CONVOLUTIONS, layers.Dense)
_NORMS = tuple(getattr(layers, name) for name in NORMS)
_CONSTANT_DERIVATIVE = (
    layers.InputLayer,
    layers.Add,
    layers.Flatten,
    layers.ZeroPadding2D,
    layers.Cropping2D,
    layers.GlobalAveragePooling2D,
)
_POOLS = (layers.MaxPooling2D, layers.GlobalAveragePooling2D)


class CostError(Exception):
    """A network has a layer that is not counted: one line names it."""


def count(paper_key: str, experiment: Experiment) -> CostResult:
    """Build the network of ``experiment`` and count it.

    The bytes of a training step are for the recipe's batch size, precision and optimizer. Without a recipe they are for
    one image and an optimizer without slots.

    Raises:
        CostError: the network has a layer of a kind that is not counted.
    """
    model = build(experiment.network, experiment.image_shape, experiment.classes)
    recipe = experiment.recipe
    trainable = sum(_values(variable.shape) for variable in model.trainable_variables)
    weight_bytes = FLOAT32_BYTES * (model.count_params() + _slots(recipe) * trainable)
    activation_bytes = _activation_bytes(model, recipe)
    return CostResult(
        paper=paper_key,
        experiment=experiment.name,
        network=to_json(experiment.network),
        batch_size=recipe.batch_size if recipe else None,
        num_params=model.count_params(),
        trainable_params=trainable,
        mult_adds=sum(_mult_adds(layer) for layer in model.layers),
        weighted_layers=sum(isinstance(layer, _WEIGHTED) for layer in model.layers),
        weight_bytes=weight_bytes,
        activation_bytes=activation_bytes,
        training_step_bytes=weight_bytes + FLOAT32_BYTES * trainable + activation_bytes,
        layers=tuple(_row(layer) for layer in model.layers if layer.weights or isinstance(layer, _POOLS)),
    )


def ensure_costs(folder: Path, papers: tuple[Paper, ...]) -> None:
    """Write the counts of every experiment of ``papers`` below ``folder``.

    What is there and says anything else, or cannot be read, is replaced: counts follow from the code alone.

    Raises:
        ResultError: the folder cannot be written.
    """
    for paper in papers:
        for experiment in paper.experiments:
            result = count(paper.key, experiment)
            path = store.path_of(folder, result.key)
            if not _holds(path, result):
                path.unlink(missing_ok=True)
            store.write(folder, result)


def _holds(path: Path, result: CostResult) -> bool:
    try:
        return store.read(path) == result
    except ResultError:
        return False


def _mult_adds(layer: layers.Layer) -> int:
    """For one image. Each kernel value is used once at every position that the kernel takes."""
    if isinstance(layer, layers.Dense):
        return _values(layer.kernel.shape)
    if isinstance(layer, layers.Conv2DTranspose):
        return _values(layer.kernel.shape) * _values(layer.input.shape[1:3])
    if isinstance(layer, _CONVOLUTIONS):
        return _values(layer.kernel.shape) * _values(layer.output.shape[1:3])
    if layer.weights and not isinstance(layer, _NORMS):
        raise CostError(f"{layer.name}: cannot count the mult-adds of a {type(layer).__name__}; add it to cost.py")
    return 0


def _activation_bytes(model: keras.Model, recipe: Recipe | None) -> int:
    kept = {id(tensor): tensor for layer in model.layers for tensor in _kept(layer)}
    kept[id(model.output)] = model.output
    values = sum(_values(tensor.shape[1:]) for tensor in kept.values())
    if recipe is None:
        return FLOAT32_BYTES * values
    # Weights, gradients and slots are float32 in either precision.
    return BYTES_PER_VALUE[recipe.precision] * recipe.batch_size * values


def _kept(layer: layers.Layer) -> list[KerasTensor]:
    """The tensors that the backward pass of a layer reads."""
    activation = getattr(layer, "activation", None)
    kept = []
    if isinstance(layer, (*_WEIGHTED, *_NORMS, layers.MaxPooling2D)) or activation is keras.activations.gelu:
        kept.append(layer.input)
    if isinstance(layer, layers.Dropout) or activation is keras.activations.relu:
        kept.append(layer.output)
    if not kept and not isinstance(layer, _CONSTANT_DERIVATIVE):
        raise CostError(f"{layer.name}: cannot tell what a {type(layer).__name__} keeps; add it to cost.py")
    return kept


def _slots(recipe: Recipe | None) -> int:
    """Values that the optimizer keeps for each trainable parameter: Adam's two moments, or SGD's momentum."""
    if recipe is None:
        return 0
    return 2 if recipe.optimizer.name in ("adam", "adamw") else int(recipe.optimizer.momentum > 0)


def _row(layer: layers.Layer) -> Layer:
    strides = getattr(layer, "strides", None)
    return Layer(
        name=layer.name,
        type=type(layer).__name__,
        stride=strides[0] if strides else None,
        filter_shape=_filter_shape(layer),
        input_shape=layer.input.shape[1:],
        output_shape=layer.output.shape[1:],
        params=layer.count_params(),
        mult_adds=_mult_adds(layer),
    )


def _filter_shape(layer: layers.Layer) -> tuple[int, ...]:
    """A kernel's or a pooling window's shape; empty for a norm."""
    if isinstance(layer, _WEIGHTED):
        return tuple(layer.kernel.shape)
    if isinstance(layer, layers.GlobalAveragePooling2D):
        return tuple(layer.input.shape[1:3])
    return tuple(getattr(layer, "pool_size", ()))


def _values(shape: tuple[int, ...]) -> int:
    return prod(shape)
