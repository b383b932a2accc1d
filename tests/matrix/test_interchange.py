"""M and A for other libraries: what they get is what `dense()` says."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse.linalg
import torch

import ikebook
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.graph.presets import override, preset

OPTIONS = {
    "default": override(preset("default"), "motion.radius=4"),
    "union": override(preset("default"), "motion.edges=union", "motion.radius=4", "motion.self_loop=0.5"),
    "corners": override(preset("default"), "chains.links=corners", "motion.radius=3"),
}


@pytest.fixture(params=OPTIONS)
def matrix(request):
    made = ikebook.toy("tracked", (17, 16), 5)
    return ikebook.build(made.clip, made.flow, options=OPTIONS[request.param], compute=Compute(dtype=torch.float64))


def test_scipy_gets_products_both_ways_and_of_several_vectors(matrix) -> None:
    n, rng = matrix.shape[0], np.random.default_rng(0)
    for operator in (matrix, matrix.motion, matrix.projection, matrix.features):
        linear, dense = operator.as_linear_operator(), operator.dense().numpy()
        assert linear.dtype == np.float64
        x, y = rng.standard_normal((operator.shape[1], 3)), rng.standard_normal((n, 2))
        assert np.allclose(linear @ x, dense @ x, atol=1e-11)
        assert np.allclose(linear @ x[:, 0], dense @ x[:, 0], atol=1e-11)
        assert np.allclose(linear.H @ y, dense.T @ y, atol=1e-11)


def test_scipy_s_eigsh_finds_the_exact_pairs(matrix) -> None:
    values = scipy.sparse.linalg.eigsh(matrix.as_linear_operator(), k=2, which="LA", return_eigenvectors=False)
    known = [*ikebook.solvers.solve(matrix).values.tolist(), 0.0, 0.0][:2]  # beyond its positive ones are A's zeros
    assert sorted(values, reverse=True) == pytest.approx(known, rel=1e-8, abs=1e-10)


def test_torch_gets_a_function_and_a_tensor_that_answers(matrix) -> None:
    x = torch.randn(matrix.shape[0], 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    dense = matrix.dense()
    assert torch.allclose(matrix(x), dense @ x, atol=1e-11)
    assert torch.allclose(matrix @ x[:, 0], dense @ x[:, 0], atol=1e-11)
    assert matrix(x[:, :0]).shape == (matrix.shape[0], 0)
    answers = matrix.as_tensor()
    assert torch.allclose(answers @ x, dense @ x, atol=1e-11)
    assert repr(answers) == f"ProductTensor({matrix.shape[0]} x {matrix.shape[0]})"
    values, _ = torch.lobpcg(answers, X=x[:, :1].clone(), largest=True)
    assert float(values[0]) == pytest.approx(float(torch.linalg.eigvalsh(dense)[-1]), rel=1e-4)
    with pytest.raises(TypeError):
        answers + answers


def test_a_matrix_of_another_height_is_refused(matrix) -> None:
    with pytest.raises(InputError, match=r"x has shape \(3, 2\); expected \(1360, k\) for a 1360 x 1360 FeatureMotion"):
        matrix(torch.zeros(3, 2))


def test_m_with_its_entries(matrix) -> None:
    motion, dense = matrix.motion, matrix.motion.dense()
    assert np.allclose(motion.to_scipy().toarray(), dense.numpy())
    sparse = motion.to_torch_sparse()
    assert sparse.layout == torch.sparse_coo
    assert torch.allclose(sparse.to_dense(), dense)
    index, weights = motion.edge_list()
    assert index.dtype == torch.int64
    rebuilt = torch.zeros_like(dense).index_put_((index[0], index[1]), weights, accumulate=True)
    assert torch.allclose(rebuilt, dense)


def test_networkx_gets_nodes_that_know_where_they_are(matrix) -> None:
    networkx = pytest.importorskip("networkx")
    graph, dense = matrix.motion.to_networkx(), matrix.motion.dense()
    assert np.allclose(networkx.to_numpy_array(graph, nodelist=range(len(dense))), dense.numpy())
    assert graph.nodes[2 * 272 + 3 * 17 + 5] == {"frame": 2, "x": 5, "y": 3}


def test_dense_is_refused_by_entries_and_not_by_nodes() -> None:
    made = ikebook.toy("disc", (64, 64), 5)
    matrix = ikebook.build(made.clip, made.flow)
    assert matrix.features.dense().shape == (20480, 2)
    with pytest.raises(InputError, match=r"A dense FeatureMotion of 20480 x 20480 entries would take 1\.68 GB"):
        matrix.dense()
