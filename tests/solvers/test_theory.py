"""The paper's claims as numbers: which hold as printed, which do not, and where."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from covering import covering
from windows import SIZE, window

from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.datasets.toys import TOYS, Toy
from ikebook.flow import Flow
from ikebook.graph.graph_module import build
from ikebook.graph.presets import override, preset
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.feature_motion import FeatureMotion, explicit
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions
from ikebook.matrix.motion import MotionMatrix, MotionOptions
from ikebook.matrix.projection import Projection, ProjectionOptions
from ikebook.solvers.power import start_labels
from ikebook.solvers.theory import (
    bipartite_defect,
    convergence,
    motion_extremes,
    perturbation,
    proposition_1,
    proposition_2,
    shrinkage,
    signs,
    starts,
)

FRAMES = 5


def graph(
    made: Toy,
    *,
    noise: float = 0.0,
    seed: int = 0,
    ridge: float = 0.0,
    scope: str = "video",
    tolerance: float | None = None,
    **motion: object,
) -> FeatureMotion:
    """A toy's graph in float64, with noise added to its flow."""
    rng = np.random.default_rng(seed)
    forward, backward = (
        field + noise * rng.normal(size=field.shape) for field in (made.flow.forward, made.flow.backward)
    )
    chains = MotionChains(Flow(forward=forward, backward=backward), compute=Compute(dtype=torch.float64))
    assert made.clip.masks is not None
    rough = torch.from_numpy(made.clip.masks) + 0.3 * torch.rand(
        made.clip.masks.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    features = FeatureMatrix(
        chains, FeatureOptions(displacements="steps", half_window=2, cue_window=1), [Cue(name="rough", maps=rough)]
    )
    projection = Projection(features, ProjectionOptions(ridge=ridge, scope=scope, tolerance=tolerance))
    return FeatureMotion(MotionMatrix(chains, MotionOptions(**motion)), projection)


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("edges", ["count", "union"])
def test_m_is_indefinite_on_every_toy(name, edges) -> None:
    motion = graph(window(name, 4), edges=edges).motion
    found = motion_extremes(motion)
    values = torch.linalg.eigvalsh(motion.dense())
    assert found.trace == 0
    assert found.least < -0.9
    assert found.least == pytest.approx(float(values[0]), rel=1e-5)
    assert found.greatest == pytest.approx(float(values[-1]), rel=1e-5)


def test_a_self_loop_shifts_the_spectrum_of_m() -> None:
    made = window("disc", FRAMES)
    without, shifted = (motion_extremes(graph(made, self_loop=loop).motion) for loop in (0.0, 3.0))
    assert shifted.least == pytest.approx(without.least + 3, rel=1e-4)
    assert shifted.trace == 3 * SIZE[0] * SIZE[1] * FRAMES


@pytest.mark.parametrize("name", ["disc", "two_objects", "deforming", "tracked"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_has_negative_entries(name, seed) -> None:
    found = signs(graph(window(name, FRAMES, seed)))
    assert found.projection > 0.1
    assert found.feature_motion > 0.1
    assert found.vector > 0.1  # columns are centred: so is the principal eigenvector, frame by frame


def test_a_is_non_negative_where_the_only_feature_is() -> None:
    """With one non-negative column P = ff'/f'f has no negative entry, and the claim holds."""
    made = window("disc", FRAMES)
    chains = MotionChains(made.flow, compute=Compute(dtype=torch.float64))
    assert made.clip.masks is not None
    cue = Cue(name="mask", maps=torch.from_numpy(made.clip.masks).double())
    options = FeatureOptions(displacements="none", cue_window=0, center="none")
    found = signs(FeatureMotion(MotionMatrix(chains), Projection(FeatureMatrix(chains, options, [cue]))))
    assert (found.projection, found.feature_motion, found.vector) == (0, 0, 0)


@pytest.mark.parametrize("name", TOYS)
def test_with_radius_one_the_spectrum_of_m_is_symmetric(name) -> None:
    made = window(name, FRAMES)
    assert bipartite_defect(graph(made, radius=1).motion) < 1e-12
    assert bipartite_defect(graph(made, radius=2).motion) > 0.03
    assert bipartite_defect(graph(made, radius=1, self_loop=1.0).motion) > 0.03


@pytest.mark.parametrize("ridge", [0.0, 0.5, 10.0])
@pytest.mark.parametrize("scope", ["video", "frame"])
def test_a_ridge_makes_p_no_projector(ridge, scope) -> None:
    projection = graph(window("deforming", FRAMES), ridge=ridge, scope=scope).projection
    shrunk = shrinkage(projection)
    p = projection.dense()
    values = torch.linalg.eigvalsh(p).flip(0).numpy()[: len(shrunk)]
    assert np.abs(values - shrunk).max() < 1e-8
    defect = float(torch.linalg.matrix_norm(p @ p - p, 2))
    assert defect == pytest.approx(float((shrunk * (1 - shrunk)).max()), abs=1e-8)
    assert defect <= 0.25 + 1e-12
    assert (defect > 1e-3) == (ridge > 0)


@pytest.mark.parametrize("name", ["disc", "two_objects", "deforming"])
@pytest.mark.parametrize("seed", [0, 1])
def test_proposition_1_holds(name, seed) -> None:
    found = proposition_1(graph(window(name, FRAMES, seed), seed=seed))
    assert found.constrained == pytest.approx(found.leading, rel=1e-10)
    assert found.cosine > 1 - 1e-8


@pytest.mark.parametrize("name", ["disc", "two_objects", "deforming"])
def test_proposition_2_holds_on_the_span_of_f_and_its_printed_argument_nowhere_else(name) -> None:
    found = proposition_2(graph(window(name, FRAMES)))
    assert found.asymmetry > 0.1
    assert found.largest > 1.01 * found.leading
    assert found.on_span == pytest.approx(found.leading, rel=1e-10)
    assert found.same_product < 1e-10


def test_the_propositions_are_about_projectors() -> None:
    matrix = graph(window("disc", FRAMES), ridge=1.0)
    for proposition in (proposition_1, proposition_2):
        with pytest.raises(InputError, match="set ridge to 0"):
            proposition(matrix)


@pytest.mark.parametrize(
    ("name", "noise", "seed"),
    [
        tuple(case.values())
        for case in covering(2, name=["disc", "deforming", "tracked"], noise=[0.02, 0.2, 1.0], seed=[0, 1])
    ],
)
def test_noise_on_the_flow_stays_within_davis_and_kahan(name, noise, seed) -> None:
    made = window(name, FRAMES, seed)
    found = perturbation(graph(made), graph(made, noise=noise, seed=seed), frobenius=True)
    assert 0 < found.sine <= min(1.0, found.davis_kahan)
    assert found.spectral <= found.frobenius * (1 + 1e-6)
    assert found.gap > 0


def test_the_printed_bound_knows_no_gap_and_can_fail() -> None:
    """Two equal objects: the gap nearly closes, and a change that 8 |E|_F / |A|_F calls harmless swaps the vectors."""
    maps = torch.zeros(2, 4, 16, 24, dtype=torch.float64)
    maps[0, :, 4:12, 3:9] = 1
    maps[1, :, 4:12, 15:21] = 1
    options = FeatureOptions(displacements="none", cue_window=0, center="none")

    def losing_a_pixel_at(column: int) -> FeatureMotion:
        forward = np.zeros((3, 16, 24, 2))
        forward[1, 8, column] = 100  # one step of one chain leaves the frame
        chains = MotionChains(
            Flow(forward=forward, backward=np.zeros_like(forward)), compute=Compute(dtype=torch.float64)
        )
        cues = [Cue(name="one", maps=maps[0]), Cue(name="other", maps=maps[1])]
        return FeatureMotion(MotionMatrix(chains), Projection(FeatureMatrix(chains, options, cues)))

    found = perturbation(losing_a_pixel_at(5), losing_a_pixel_at(17), frobenius=True)
    assert found.sine > 0.99
    assert found.printed < 0.1
    assert found.davis_kahan > 1


@pytest.mark.parametrize(
    ("name", "dropped", "seed"),
    [
        tuple(case.values())
        for case in covering(2, name=["disc", "deforming", "tracked"], dropped=[[2], [2, 4]], seed=[0, 1])
    ],
)
def test_dropped_frames_turn_the_vector_less_than_the_bound(name, dropped, seed) -> None:
    """A frame is dropped by repeating the one before it: its flow becomes 0, the next one's the sum of two."""
    made = window(name, 6, seed)
    forward, backward = made.flow.forward.copy(), made.flow.backward.copy()
    for frame in dropped:
        if frame < len(forward):
            forward[frame] += forward[frame - 1]
            backward[frame] += backward[frame - 1]
        forward[frame - 1] = backward[frame - 1] = 0
    changed = Toy(made.clip, Flow(forward=forward, backward=backward))
    found = perturbation(graph(made), graph(changed))
    assert 0 < found.sine <= found.davis_kahan
    assert found.spectral <= found.frobenius  # from small matrices, without being asked for


@pytest.mark.parametrize("name", ["disc", "deforming"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_bound_is_not_empty_where_the_change_is_small_against_the_gap(name, seed) -> None:
    """Chains snap to pixels, so small noise changes few of them; a cue that changes a little changes A a little.

    Columns that depend on each other are another matter: the least noise makes of them directions of their own, which count as
    much as any other in P. The tolerance leaves them out.
    """
    made = window(name, FRAMES, seed)
    found = perturbation(graph(made, tolerance=1e-4), graph(made, noise=1e-6, tolerance=1e-4), frobenius=True)
    assert found.davis_kahan == pytest.approx(2 * found.spectral / found.gap)
    assert found.sine <= found.davis_kahan < 1


def test_a_perturbation_is_of_one_set_of_nodes() -> None:
    with pytest.raises(InputError, match="expected graphs of the same nodes"):
        perturbation(graph(window("disc", 4)), graph(window("disc", 5)))


@pytest.mark.parametrize("name", ["disc", "two_objects", "tracked"])
@pytest.mark.parametrize("seed", [0, 1])
def test_power_iteration_converges_at_the_ratio_of_the_eigenvalues(name, seed) -> None:
    matrix = graph(window(name, FRAMES, seed), seed=seed, self_loop=1.0)
    start = start_labels("uniform", FRAMES, SIZE, seed=seed, dtype=torch.float64)
    found = convergence(matrix, start, iterations=80)
    assert 0.05 < found.expected < 1
    assert found.rate == pytest.approx(found.expected, rel=0.03)


@pytest.mark.parametrize("loop", [0.5, 2.0, 8.0])
def test_under_a_ridge_too_the_rate_is_the_ratio_and_a_self_loop_changes_it(loop) -> None:
    matrix = graph(window("disc", FRAMES), self_loop=loop, ridge=0.5)
    start = start_labels("uniform", FRAMES, SIZE, dtype=torch.float64)
    found = convergence(matrix, start, iterations=80)
    values = np.linalg.eigvalsh(matrix.dense().numpy())
    sizes = np.sort(np.abs(values))[::-1]
    assert found.expected == pytest.approx(sizes[1] / sizes[0], rel=1e-8)
    assert found.rate == pytest.approx(found.expected, rel=0.03)


@pytest.mark.parametrize("name", ["disc", "deforming", "tracked"])
def test_starts_lead_to_one_vector(name) -> None:
    made = window(name, FRAMES)
    assert made.clip.masks is not None
    matrix = explicit(graph(made, self_loop=1.0))  # of the deforming toy the second eigenvalue is near: it takes long
    begin = {kind: start_labels(kind, FRAMES, SIZE, dtype=torch.float64) for kind in ("uniform", "same", "gaussian")}
    begin |= {
        f"gaussian {width}": start_labels("gaussian", FRAMES, SIZE, width=width, dtype=torch.float64)
        for width in (0.1, 0.5)
    }
    rough = torch.rand(made.clip.masks.shape, generator=torch.Generator().manual_seed(5)) < 0.1
    begin["constant"] = start_labels("constant", FRAMES, SIZE, dtype=torch.float64)
    begin["good mask"] = (torch.from_numpy(made.clip.masks) ^ rough).double().flatten()  # a tenth of it is wrong
    begin["truth"] = torch.from_numpy(made.clip.masks).double().flatten()
    begin["nothing"] = torch.zeros(FRAMES * SIZE[0] * SIZE[1], dtype=torch.float64)
    found = starts(matrix, begin, tolerance=1e-9)
    nothing = found.pop("nothing")
    # Columns are centred: a constant has nothing in common with them, and what is left of it is rounding.
    found.pop("constant")
    assert len(found) == 7
    assert all(cosine > 1 - 1e-8 for _, cosine in found.values())
    # A good start saves few iterations, if any: their number hangs on the eigenvalues, and on its part in the second.
    assert max(found["truth"][0], found["good mask"][0]) <= 1.1 * found["uniform"][0]
    assert nothing[1] == 0


def test_a_constant_start_does_as_well_where_columns_are_not_centred() -> None:
    made = window("disc", FRAMES)
    matrix = build(
        made.clip,
        made.flow,
        options=override(preset("paper"), "motion.self_loop=1"),
        compute=Compute(dtype=torch.float64),
    )
    begin = {kind: start_labels(kind, FRAMES, SIZE, dtype=torch.float64) for kind in ("uniform", "constant")}
    found = starts(matrix, begin, tolerance=1e-9, iterations=5000)
    assert all(cosine > 1 - 1e-8 for _, cosine in found.values())


def test_starts_need_an_eigenvector() -> None:
    still = window("still", FRAMES)
    matrix = build(still.clip, still.flow, compute=Compute(dtype=torch.float64))
    with pytest.raises(InputError, match="no positive eigenvalue"):
        starts(matrix, {})
