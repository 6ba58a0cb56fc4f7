"""What islam2022 states of itself: ablations that change one thing, and FLOPs as its Table 1 counts them."""

import pytest

from sepconv.measuring import cost
from sepconv.papers import islam2022, paper
from sepconv.spec import Experiment, Network, to_json

LARGE = {"dim": 256, "kernel": 7, "depth": 16}


def test_ablations_of_small_change_one_thing():
    reference, *ablations = [e for e in paper("islam2022").experiments if e.name.startswith("small")]
    for experiment in ablations:
        ours, theirs = to_json(experiment), to_json(reference)
        differing = [key for key in ("network", "recipe", "dataset") if ours[key] != theirs[key]]
        assert len(differing) == 1, experiment.name


@pytest.mark.parametrize(
    ("options", "giga"),
    [
        ({}, 0.0325),  # Table 1, Small
        ({"dim": 256}, 0.1238),  # Medium
        (LARGE | {"patch": 1}, 1.0092),  # Large
        (LARGE, 0.2529),  # Large at the patch size that its parameters say
    ],
)
def test_flops_as_table_1_counts_them(options, giga):
    counted = cost.count("test", Experiment("x", Network("islam.patch_network", options), "cifar10"))
    assert int(islam2022.FLOPS.read(counted) / 1e5) == round(giga * 1e4)
