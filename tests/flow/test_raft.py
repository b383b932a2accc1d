"""RAFT, with random weights from a file: whose flow it is, of which size, and in which direction."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ikebook.base.check import InputError
from ikebook.base.provenance import LABELS, SYNTHETIC, UNKNOWN
from ikebook.flow import compute_flow, flow_source, provider
from ikebook.flow.raft import WEIGHTS, Raft, RaftOptions
from ikebook.video.clip import Clip

pytestmark = pytest.mark.usefixtures("torchvision_operators")


def pictures(count: int, w: int = 128, h: int = 128, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, h, w, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def weights(torchvision_operators, tmp_path_factory) -> str:
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(raft_small(weights=None).state_dict(), file)
    return str(file)


def raft(weights: str, **options) -> Raft:
    return Raft(RaftOptions(model="raft_small", weights=weights, **({"updates": 2} | options)))


class Shifted(torch.nn.Module):
    """Answers with what tells images apart: at each pixel, how much brighter the second is, and the first's red."""

    def __init__(self, spoil: bool = False) -> None:
        super().__init__()
        self.spoil = spoil
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, first, second, num_flow_updates):
        self.sizes.append(tuple(first.shape))
        assert torch.is_floating_point(first)
        assert (first.abs() <= 1).all()
        flow = torch.stack([(second - first).mean(1), first[:, 0]], dim=1)
        if self.spoil and torch.is_autocast_enabled("cpu"):
            flow[0] = torch.nan
        return [torch.zeros_like(flow), flow]


def with_stub(monkeypatch, stub: Shifted, **options) -> Raft:
    made = Raft(RaftOptions(weights="C_T_V2", **options))
    monkeypatch.setattr(made, "_network", stub)
    return made


class TestFlow:
    def test_it_is_torchvision_s_own_answer(self, weights) -> None:
        from torchvision.models.optical_flow import raft_small

        network = raft_small(weights=None).eval()
        network.load_state_dict(torch.load(weights, weights_only=True))
        one, two = pictures(2, 136, 128)
        ((forward, backward),) = raft(weights).pairs([one, two])
        images = [torch.from_numpy(f).movedim(-1, 0)[None].float() / 127.5 - 1 for f in (one, two)]
        with torch.inference_mode():
            for found, (start, end) in ((forward, images), (backward, images[::-1])):
                expected = network(start, end, num_flow_updates=2)[-1][0].movedim(0, -1).numpy()
                assert found.shape == (128, 136, 2)
                assert np.allclose(found, expected, atol=1e-3 * max(1, np.abs(expected).max()))

    @pytest.mark.parametrize("batch", [1, 2, 3])
    def test_batches_change_nothing(self, monkeypatch, batch) -> None:
        frames = pictures(5)
        alone = list(with_stub(monkeypatch, Shifted(), batch=1).pairs(frames))
        stub = Shifted()
        found = list(with_stub(monkeypatch, stub, batch=batch).pairs(frames))
        assert [size[0] for size in stub.sizes] == {1: [2] * 4, 2: [4, 4], 3: [6, 2]}[batch]
        assert len(found) == 4
        assert all(
            np.array_equal(a, b) for one, two in zip(alone, found, strict=True) for a, b in zip(one, two, strict=True)
        )

    @pytest.mark.parametrize(("w", "h"), [(128, 128), (129, 135), (131, 200), (854, 480)])
    def test_frames_are_padded_to_multiples_of_8_and_cut_back(self, monkeypatch, w, h) -> None:
        one, two = pictures(2, w, h)
        stub = Shifted()
        ((forward, backward),) = with_stub(monkeypatch, stub).pairs([one, two])
        assert stub.sizes == [(2, 3, -(-h // 8) * 8, -(-w // 8) * 8)]
        brighter = (two.astype(float) - one).mean(-1) / 127.5
        assert forward.shape == (h, w, 2)
        assert np.allclose(forward[..., 0], brighter, atol=1e-5)
        assert np.allclose(backward[..., 0], -brighter, atol=1e-5)
        assert np.allclose(forward[..., 1], one[..., 0] / 127.5 - 1, atol=1e-5)  # red, and not blue
        assert np.allclose(backward[..., 1], two[..., 0] / 127.5 - 1, atol=1e-5)

    @pytest.mark.parametrize(("w", "h", "size"), [(16, 16, (128, 128)), (64, 40, (205, 128)), (1280, 960, (640, 480))])
    def test_frames_come_to_a_size_that_it_can_see(self, monkeypatch, w, h, size) -> None:
        ((forward, _),) = with_stub(monkeypatch, Shifted()).pairs(pictures(2, w, h))
        assert forward.shape[1::-1] == size

    @pytest.mark.parametrize(
        ("w", "h", "size"),
        [(854, 480, (640, 360)), (480, 854, (272, 480)), (640, 352, (640, 352)), (641, 100, (640, 128)),
         (131, 200, (131, 200)), (32000, 1, (640, 128))],
    )  # fmt: skip
    def test_the_small_network_gets_frames_that_a_cpu_can_do(self, monkeypatch, w, h, size) -> None:
        stub = Shifted()
        ((forward, _),) = with_stub(monkeypatch, stub, model="raft_small").pairs(pictures(2, w, h))
        assert forward.shape[1::-1] == size
        assert stub.sizes == [(2, 3, -(-size[1] // 8) * 8, -(-size[0] // 8) * 8)]

    @pytest.mark.parametrize(("max_side", "size"), [(0, (854, 480)), (320, (320, 176))])
    def test_or_of_the_size_that_is_asked_for(self, monkeypatch, max_side, size) -> None:
        made = with_stub(monkeypatch, Shifted(), model="raft_small", max_side=max_side)
        ((forward, _),) = made.pairs(pictures(2, 854, 480))
        assert forward.shape[1::-1] == size

    def test_a_toy_goes_through_whole(self, weights) -> None:
        clip = Clip(frames=np.stack(pictures(2, 24, 16)))
        flow = compute_flow(clip, raft(weights, updates=1))
        assert (len(flow), flow.size) == (2, (24, 16))

    def test_half_precision_is_near_the_full_one(self, weights) -> None:
        frames = pictures(2)
        ((full, _),), ((half, _),) = (list(raft(weights, updates=1, half=h).pairs(frames)) for h in (False, True))
        assert half.dtype == np.float32
        assert 0 < np.abs(half - full).max() < 0.1 * np.abs(full).max()

    def test_what_half_precision_loses_is_computed_in_full(self, monkeypatch) -> None:
        frames = pictures(3)
        full = list(with_stub(monkeypatch, Shifted(), batch=2).pairs(frames))
        stub = Shifted(spoil=True)
        found = list(with_stub(monkeypatch, stub, batch=2, half=True).pairs(frames))
        assert [size[0] for size in stub.sizes] == [4, 1]
        assert all(
            np.allclose(a, b, atol=0.02)
            for one, two in zip(full, found, strict=True)
            for a, b in zip(one, two, strict=True)
        )

    def test_what_stays_nan_is_refused_with_its_frames(self, monkeypatch) -> None:
        stub = Shifted()
        monkeypatch.setattr(stub, "forward", lambda first, second, num_flow_updates: [first[:, :2] * torch.nan])
        clip = Clip(frames=np.stack(pictures(3)), frame_names=("a", "b", "c"))
        with pytest.raises(InputError, match="flow between frames a and b has 32768 values that are NaN"):
            compute_flow(clip, with_stub(monkeypatch, stub))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this PyTorch finds no CUDA device")
@pytest.mark.parametrize("half", [False, True])
def test_a_gpu_finds_the_same_flow(weights, half) -> None:
    frames = pictures(6)
    expected = list(raft(weights, updates=1).pairs(frames))
    options = RaftOptions(model="raft_small", weights=weights, updates=1, half=half)
    found = list(Raft(options, "cuda").pairs(frames))
    for one, two in zip(expected, found, strict=True):
        for a, b in zip(one, two, strict=True):
            assert np.abs(a - b).max() < (0.05 if half else 0.01) * np.abs(a).max()


class TestWeights:
    def test_the_table_is_torchvision_s(self) -> None:
        from torchvision.models.optical_flow import Raft_Large_Weights, Raft_Small_Weights

        for model, theirs in (("raft_large", Raft_Large_Weights), ("raft_small", Raft_Small_Weights)):
            assert {name: one.url for name, one in WEIGHTS[model].items()} == {one.name: one.url for one in theirs}

    @pytest.mark.parametrize(
        ("name", "supervision"),
        [("raft", SYNTHETIC), ("raft-small", SYNTHETIC), ("raft:C_T_V1", SYNTHETIC), ("raft:C_T_SKHT_V2", LABELS),
         ("raft:C_T_SKHT_K_V1", LABELS), ("dis", "none"), ("farneback", "none")],
    )  # fmt: skip
    def test_default_weights_saw_no_label_and_others_are_marked(self, name, supervision) -> None:
        assert flow_source(name).supervision == supervision

    def test_the_default_is_not_torchvision_s(self) -> None:
        from torchvision.models.optical_flow import Raft_Large_Weights

        assert provider("raft").options.weights == "C_T_V2" != Raft_Large_Weights.DEFAULT.name

    def test_a_file_of_one_s_own(self, weights) -> None:
        found = provider(f"raft-small:{weights}")
        assert flow_source(f"raft-small:{weights}").supervision == UNKNOWN
        assert len(list(found.pairs(pictures(2)))) == 1

    def test_the_file_of_the_other_model(self, weights) -> None:
        with pytest.raises(InputError, match=r"weights of another network than RAFT: .* tensors are missing"):
            list(provider(f"raft:{weights}").pairs(pictures(2)))

    @pytest.mark.parametrize("name", ["raft:nope", "raft-small:C_T_SKHT_V2", "raft:"])
    def test_weights_that_there_are_not(self, name) -> None:
        with pytest.raises(InputError, match=r"weights are .*; expected one of C_T_V1, C_T_V2"):
            provider(name)

    def test_the_cache_s_key_knows_what_changes_the_flow(self, weights, tmp_path) -> None:
        other = tmp_path / "other.pth"
        other.write_bytes(Path(weights).read_bytes() + b"x")
        keys = [raft(weights).describe(), raft(weights, half=True).describe(), raft(weights, updates=3).describe(),
                raft(weights, max_side=320).describe(), raft(weights, max_height=300).describe(),
                raft(str(other)).describe(), raft("C_T_V2").describe()]  # fmt: skip
        assert len(set(keys)) == len(keys)
        assert raft(weights, max_side=640).describe() == keys[0]
        assert raft(weights, batch=7).describe() == keys[0]

    def test_without_torchvision_it_says_what_to_install(self, weights, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "torchvision.models", None)
        monkeypatch.setitem(sys.modules, "torchvision", None)
        with pytest.raises(InputError, match=r"need torchvision, .*pip install 'ikebook\[raft\]'.*raft-small"):
            list(provider(f"raft:{weights}").pairs(pictures(2)))
        assert len(list(raft(weights).pairs(pictures(2)))) == 1  # the small one needs none

    @pytest.mark.parametrize("option", [{"max_side": 127}, {"max_side": -1}, {"max_side": 1.5}, {"max_side": "640"}])
    def test_sizes_that_are_none(self, option) -> None:
        with pytest.raises(InputError, match=r"RaftOptions.max_side is .*; expected"):
            RaftOptions(model="raft_small", **option)
