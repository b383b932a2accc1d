"""Entries, orders and facts of a toy's matrices, against matrices that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.datasets.toys import toy
from ikebook.graph.graph_module import segment
from ikebook.matrix.orders import facts, node_at, node_order, node_place
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import SolverOptions


def test_facts_of_matrices_that_are_known() -> None:
    found = facts(np.diag([3.0, 0.0, -1.0, 0.0]))
    assert found.as_dict() == {
        "nodes": 4,
        "sparsity": 14 / 16,
        "asymmetry": 0.0,
        "trace": 2.0,
        "rank": 2,
        "least": -1.0,
        "greatest": 3.0,
    }
    assert facts(np.array([[0.0, 2.0], [1.0, 0.0]])).asymmetry == 0.5
    nothing = facts(np.zeros((3, 3)))
    assert (nothing.sparsity, nothing.rank, nothing.asymmetry) == (1.0, 0, 0.0)
    with pytest.raises(InputError, match=r"expected \(2, 2\)"):
        facts(np.zeros((2, 3)))


def test_facts_of_a_graph() -> None:
    made = toy("disc", (16, 16), 5)
    matrix = segment(made.clip, made.flow, compute=Compute(dtype=torch.float64)).matrix
    motion, feature_motion = (facts(part.dense().numpy()) for part in (matrix.motion, matrix))
    assert motion.trace == 0
    assert motion.sparsity > 0.9
    assert motion.asymmetry == 0
    values = exact(matrix, SolverOptions(pairs=99, which="LM")).values
    assert feature_motion.rank == len(values) <= matrix.features.shape[1]
    assert feature_motion.sparsity < 0.05
    assert motion.least < 0 < motion.greatest


@given(st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(1, 9)), st.data())
def test_nodes_and_places_are_each_other_s_inverse(shape, data) -> None:
    node = data.draw(st.integers(0, shape[0] * shape[1] * shape[2] - 1))
    frame, x, y = node_place(node, shape)
    assert node == np.ravel_multi_index((frame, y, x), shape)
    assert node_at(frame, x, y, shape) == node


@pytest.mark.parametrize("node", [-1, 80, 2.5])
def test_a_node_that_is_not_there(node) -> None:
    with pytest.raises(InputError, match="node is"):
        node_place(node, (2, 5, 8))
    with pytest.raises(InputError, match="x is 8; expected 7 or less"):
        node_at(0, 8, 0, (2, 5, 8))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_orders(seed) -> None:
    rng = np.random.default_rng(seed)
    masks, labels = rng.random((3, 4, 5)) < 0.3, rng.normal(size=(3, 4, 5))
    assert np.array_equal(node_order("pixel", labels=labels), np.arange(60))
    first = node_order("object", masks=masks)
    count = int(masks.sum())
    assert masks.reshape(-1)[first[:count]].all()
    assert not masks.reshape(-1)[first[count:]].any()
    assert (np.diff(first[:count]) > 0).all()
    assert (np.diff(first[count:]) > 0).all()
    assert (np.diff(labels.reshape(-1)[node_order("eigenvector", labels=labels)]) <= 0).all()


def test_orders_that_can_t_be() -> None:
    with pytest.raises(InputError, match="needs the clip's masks"):
        node_order("object")
    with pytest.raises(InputError, match="needs labels"):
        node_order("eigenvector")
    with pytest.raises(InputError, match="expected one of 'pixel', 'object', 'eigenvector'"):
        node_order("name")
