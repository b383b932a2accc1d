"""Algorithm 1 on toys: what comes back, when it ends, and that the exchange is worth it."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest

from ikebook import cycle as module
from ikebook.base.arrays import DiskArray, Memory
from ikebook.base.check import InputError
from ikebook.base.compute import Compute
from ikebook.cycle import CycleOptions, difference, exchange, threshold_to_half
from ikebook.datasets.toys import toy
from ikebook.graph.graph_module import segment
from ikebook.graph.presets import GraphOptions, override, preset
from ikebook.graph.saliency import Evidence
from ikebook.matrix.features import Cue
from ikebook.networks.training import TrainOptions
from ikebook.networks.unet import NetworkOptions
from ikebook.video.edges import EdgeOptions, logistic, snap
from ikebook.video.metrics import region_similarity

TINY = NetworkOptions(widths=(8, 16), dilations=(1, 2), stem=1)
QUICK = CycleOptions(network=TINY, training=TrainOptions(epochs=2, rate=1e-2, batch=2), tolerance=0.0)


@pytest.fixture(scope="module")
def made():
    return toy("disc", (32, 24), 6)


@pytest.mark.parametrize("cycles", [1, 2, 3])
def test_graph_and_network_take_turns_and_the_graph_has_the_last_word(made, cycles) -> None:
    states = list(exchange(made.clip, made.flow, options=replace(QUICK, cycles=cycles)))
    assert [state.module for state in states] == (["graph", "network"] * cycles)[:-1]
    assert [state.cycle for state in states] == [1 + index // 2 for index in range(2 * cycles - 1)]
    assert [state.last for state in states] == [False] * (2 * cycles - 2) + [True]
    assert states[-1].reason == "cycles"
    for state in states:
        assert np.asarray(state.soft).shape == (6, 24, 32)
        assert 0 <= np.asarray(state.soft).min() <= np.asarray(state.soft).max() <= 1
        assert all(spent >= 0 for spent in state.seconds.values())
        assert state.score == pytest.approx(
            np.mean(
                [region_similarity(s > state.threshold, m) for s, m in zip(state.soft, made.clip.masks, strict=True)]
            )
        )
        assert (state.training is None) == (state.module == "graph")


def test_the_first_half_is_the_graph_module_alone(made) -> None:
    state = next(exchange(made.clip, made.flow, options=QUICK))
    alone = segment(made.clip, made.flow)
    assert np.array_equal(state.soft, alone.soft)
    assert state.threshold == alone.threshold
    assert state.change is None


def drawn(clip, soft, threshold) -> np.ndarray:
    """Soft masks as knowledge: probabilities, drawn to the edges of their frames."""
    edges = EdgeOptions()
    pairs = zip(clip.frames, np.asarray(soft), strict=True)
    return np.stack([snap(frame, logistic(one, threshold, edges), edges) for frame, one in pairs])


@pytest.mark.parametrize("network", [TINY, None])
def test_what_is_known_is_the_mean_of_all_that_was_found_and_a_quarter_is_the_networks(made, network) -> None:
    states = list(exchange(made.clip, made.flow, options=replace(QUICK, network=network)))
    known = None
    for state in states[:-1]:
        if state.module == "graph":
            share, found = 1 / state.cycle, drawn(made.clip, state.soft, state.threshold)
        else:
            share, found = 0.25, state.soft
        known = found if known is None else known + share * (found - known)
        assert np.abs(np.asarray(state.known) - known).max() < 1e-6
    assert states[-1].known is None


@pytest.mark.parametrize("network", [TINY, None])
def test_what_is_known_goes_into_the_evidence_of_the_next_graph(made, network) -> None:
    outside = Cue(name="outside", maps=made.clip.masks.astype(np.float32))
    states = list(exchange(made.clip, made.flow, options=replace(QUICK, network=network), cues=[outside]))
    evidence = Evidence(made.clip.frames, made.flow)
    known = None
    for state in states:
        if state.graph is not None:
            maps = evidence.saliency(known)
            cues = [outside] if known is None else []  # from then on it is what was learned from it
            alone = segment(made.clip, made.flow, saliency=maps, reference=known, cues=cues)
            assert np.array_equal(state.soft, alone.soft)
            assert state.graph.matrix.features.columns == alone.matrix.features.columns
        known = state.known


@pytest.mark.parametrize("name", ["paper", "released"])
def test_without_a_saliency_masks_and_predictions_come_back_as_features(made, name) -> None:
    states = list(exchange(made.clip, made.flow, options=replace(QUICK, graph=preset(name))))
    assert all(state.known is None for state in states)
    x, s = states[0].soft, states[1].soft
    cues = [Cue(name="network", maps=s), Cue(name="graph", maps=x)]
    again = segment(made.clip, made.flow, options=preset(name), cues=cues, reference=s)
    assert np.array_equal(states[2].soft, again.soft)


@pytest.mark.parametrize("seed", [0, 1])
def test_predictions_are_drawn_to_the_frame_s_edges(made, seed, monkeypatch) -> None:
    blurred = np.stack([cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 2) for mask in made.clip.masks])
    noisy = (blurred + np.random.default_rng(seed).normal(0, 0.05, blurred.shape)).clip(0, 1).astype(np.float32)
    monkeypatch.setattr(module, "predict", lambda *_: iter(noisy))

    def error(**options) -> float:
        states = list(exchange(made.clip, made.flow, options=replace(QUICK, cycles=2, **options)))
        return float(np.abs(states[1].soft - made.clip.masks).mean())

    assert error(edges=None) == pytest.approx(np.abs(noisy - made.clip.masks).mean())
    assert error(edges=EdgeOptions(spatial=0.1)) < 0.5 * error(edges=None)


def test_without_a_network_the_graph_s_own_masks_come_back(made) -> None:
    states = list(exchange(made.clip, made.flow, options=replace(QUICK, network=None)))
    assert [state.module for state in states] == ["graph"] * 3
    assert states[1].change == pytest.approx(difference(states[0].soft, states[1].soft))


def test_masks_are_never_looked_at(made) -> None:
    blind = replace(made.clip, masks=None)
    wrong = replace(made.clip, masks=~made.clip.masks)
    for clip in (blind, wrong):
        pairs = zip(
            exchange(made.clip, made.flow, options=QUICK), exchange(clip, made.flow, options=QUICK), strict=True
        )
        for one, other in pairs:
            assert np.array_equal(one.soft, other.soft)
            assert one.threshold == other.threshold
            assert one.change == other.change
            assert (other.score is None) == (clip is blind)


@pytest.mark.parametrize("seed", [0, 3])
def test_equal_seeds_give_equal_masks(made, seed) -> None:
    options = replace(QUICK, training=replace(QUICK.training, seed=seed))
    first, second = (list(exchange(made.clip, made.flow, options=options))[-1] for _ in range(2))
    assert np.array_equal(first.soft, second.soft)
    assert first.threshold == second.threshold


def test_it_ends_when_hardly_anything_changes_any_more(made) -> None:
    states = list(exchange(made.clip, made.flow, options=replace(QUICK, cycles=9, network=None, tolerance=0.3)))
    assert len(states) < 9
    assert states[-1].last
    assert states[-1].reason == "change"
    assert states[-1].change < 0.3
    assert all(state.change is None or state.change >= 0.3 for state in states[:-1])


def test_an_agreement_of_networks_ends_it_too_with_a_graph(made, monkeypatch) -> None:
    """Predictions that stay the same are taken by one more graph, which is the result."""
    steady = np.random.default_rng(0).random((6, 24, 32), np.float32)
    monkeypatch.setattr(module, "predict", lambda *_: iter(steady))
    states = list(exchange(made.clip, made.flow, options=replace(QUICK, cycles=9, tolerance=1e-9)))
    assert [state.module for state in states] == ["graph", "network", "graph", "network", "graph"]
    assert states[-1].reason == "change"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_network_repairs_what_the_graph_cannot_see(seed) -> None:
    """A disc moves for two fifths of the clip, then rests on the scene: only its looks tell it apart from there on."""
    made = toy("pause", (64, 48), 20, seed)
    options = CycleOptions(
        cycles=2,
        graph=override(GraphOptions(), "motion.radius=5"),
        network=TINY,
        training=TrainOptions(epochs=12, rate=1e-2),
        tolerance=0.0,
    )
    first, network, second = exchange(made.clip, made.flow, options=options)
    late = slice(16, None)  # out of the chains' reach from where it moves

    def similarity(state) -> float:
        masks = np.asarray(state.soft)[late] > state.threshold
        return float(np.mean([region_similarity(a, b) for a, b in zip(masks, made.clip.masks[late], strict=True)]))

    assert similarity(first) < 0.1
    assert similarity(network) > 0.5
    assert similarity(second) > 0.5
    assert second.score > first.score + 0.1


def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(made, tmp_path) -> None:
    def interrupted(stage, steps):
        yield from [None] * (steps - 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(exchange(made.clip, made.flow, options=QUICK, checkpoints=tmp_path, progress=interrupted))
    assert len(list(tmp_path.glob("*.pt"))) == 1
    whole = list(exchange(made.clip, made.flow, options=QUICK))
    seen: dict[str, int] = {}

    def counted(stage, steps):
        for _ in range(steps):
            seen[stage] = seen.get(stage, 0) + 1
            yield None

    resumed = list(exchange(made.clip, made.flow, options=QUICK, checkpoints=tmp_path, progress=counted))
    assert np.array_equal(resumed[-1].soft, whole[-1].soft)
    assert seen == {"network 1": 3, "network 2": 6}  # of the first, the first of two epochs was there


def test_a_clip_without_room_has_the_same_cycles(made, tmp_path) -> None:
    known = list(exchange(made.clip, made.flow, options=QUICK))
    for found, expected in zip(
        exchange(made.clip, made.flow, options=QUICK, compute=Compute(memory=Memory(0, tmp_path))), known, strict=True
    ):
        assert isinstance(found.soft, DiskArray)
        assert np.array_equal(np.asarray(found.soft), expected.soft)
        assert found.change == pytest.approx(expected.change)


@pytest.mark.parametrize("network", [TINY, None])
@pytest.mark.parametrize("name", ["default", "paper", "released"])
def test_where_nothing_moves_no_network_makes_up_an_object(name, network) -> None:
    still = toy("still", (32, 24), 4)
    options = replace(QUICK, network=network)
    states = list(exchange(still.clip, still.flow, options=replace(options, graph=preset(name))))
    assert [(state.module, state.last, state.reason) for state in states] == [("graph", True, "nothing")]
    assert not (np.asarray(states[0].soft) > states[0].threshold).any()


def test_without_smoothness_predictions_stay_as_they_are(made, monkeypatch) -> None:
    given = np.random.default_rng(0).random((6, 24, 32), np.float32)
    monkeypatch.setattr(module, "predict", lambda *_: iter(given))
    states = list(exchange(made.clip, made.flow, options=replace(QUICK, cycles=2, edges=EdgeOptions(smoothness=0))))
    assert np.array_equal(states[1].soft, given)


@pytest.mark.parametrize("threshold", [0.2, 0.465, 0.5, 0.85])
def test_a_threshold_comes_to_lie_at_one_half(threshold) -> None:
    soft = np.array([0, threshold / 2, threshold, (1 + threshold) / 2, 1], np.float32)
    found = threshold_to_half(soft, threshold)
    assert found == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=1e-6)
    assert np.array_equal(found >= 0.5, soft > np.float32(threshold))  # at the threshold, it is not object


def test_change_is_relative(made) -> None:
    a = np.ones((2, 3, 4), np.float32)
    assert difference(None, a) is None
    assert difference(a, a) == 0
    assert difference(a, 2 * a) == pytest.approx(0.5)
    assert difference(0 * a, 0 * a) == 0
    assert difference(a, 0 * a) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cycles": 0}, "cycles is 0"),
        ({"tolerance": -1}, "tolerance is -1"),
        ({"edges": 1}, "CycleOptions.edges is 1"),
    ],
)
def test_options_that_make_no_cycle(options, message) -> None:
    with pytest.raises(InputError) as error:
        CycleOptions(**options)
    assert message in str(error.value)


def test_one_frame_has_no_motion(made) -> None:
    single = replace(made.clip, frames=made.clip.frames[:1], masks=None, frame_names=())
    with pytest.raises(InputError, match="1 frame"):
        list(exchange(single, None))


def test_whoever_watches_is_told_the_losses_of_each_training(made) -> None:
    seen: list[tuple[int, tuple[float, ...]]] = []
    states = list(
        exchange(
            made.clip, made.flow, options=QUICK, on_epoch=lambda cycle, losses: seen.append((cycle, tuple(losses)))
        )
    )
    trainings = {state.cycle: state.training.losses for state in states if state.training is not None}
    assert seen == [
        (cycle, tuple(losses[: count + 1])) for cycle, losses in trainings.items() for count in range(len(losses))
    ]
    assert len(seen) == 4


@pytest.mark.parametrize("network", [TINY, None])
def test_earlier_graphs_take_no_memory(made, network) -> None:
    gc.collect()
    gc.disable()  # what stands in a circle of references would stay until it runs
    try:
        held: list[weakref.ref] = []
        memory, used = Memory(), []
        for state in exchange(
            made.clip, made.flow, options=replace(QUICK, cycles=4, network=network), compute=Compute(memory=memory)
        ):
            if state.graph is not None:
                used.append(memory.used)
                features = state.graph.matrix.projection.features
                assert [one() for one in held] == [None] * len(held)
                held += [weakref.ref(one) for one in (state.graph, features, features.chains, state.graph.labels)]
                del features
            del state
        assert len(held) == 16
        assert used[1] == used[2] > used[3] > 0  # the last graph is not followed by another that asks for evidence
    finally:
        gc.enable()
