"""Cues that networks compute: random weights through the real loading code; known answers through small stand-ins."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

import ikebook.networks.pretrained
from ikebook.base.check import InputError
from ikebook.base.provenance import LABELS, SELF_SUPERVISED, UNKNOWN
from ikebook.flow import Flow
from ikebook.graph.graph_module import segment
from ikebook.networks.pretrained import (
    CueOptions,
    compute_cues,
    cue_source,
    find_cues,
    is_network,
    principal_axes,
)
from ikebook.video.clip import Clip

pytestmark = pytest.mark.usefixtures("torchvision_operators")


def clip_of(m: int = 2, w: int = 48, h: int = 32, seed: int = 0) -> Clip:
    return Clip(frames=np.random.default_rng(seed).integers(0, 256, (m, h, w, 3), dtype=np.uint8))


class Segmenter(torch.nn.Module):
    """Of 21 classes: background where a frame is dark, by its red; class 5 or 12 where it is bright."""

    def __init__(self, **_) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(8.0))
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, images):
        self.sizes.append(tuple(images.shape))
        red = images[:, 0] * 0.229 + 0.485  # ImageNet's scaling undone
        logits = torch.full((len(images), 21, *images.shape[2:]), -30.0)
        logits[:, 0] = self.gain * (0.5 - red)
        logits[:, 5] = logits[:, 12] = 0
        if torch.is_autocast_enabled("cpu"):
            logits[0] = torch.nan
        return {"out": logits, "aux": None}


@pytest.fixture
def segmenter(monkeypatch, tmp_path):
    """Stands for torchvision's FCN; gives its weights' file, and the networks that were made."""
    made = []

    class Models:
        class segmentation:  # noqa: N801
            @staticmethod
            def fcn_resnet101(**options):
                assert options == {"weights": None, "weights_backbone": None, "num_classes": 21, "aux_loss": True}
                made.append(Segmenter())
                return made[-1]

    monkeypatch.setattr(ikebook.networks.pretrained, "torchvision_models", lambda: Models)
    torch.save(Segmenter().state_dict(), tmp_path / "w.pth")
    return str(tmp_path / "w.pth"), made


class TestSegmenters:
    def test_it_is_the_probability_of_anything_but_background(self, segmenter) -> None:
        clip = clip_of()
        (cue,) = compute_cues(CueOptions(network="fcn", weights=segmenter[0]), clip)
        red = clip.frames[..., 0] / 255
        expected = 2 / (2 + np.exp(8 * (0.5 - red)))  # two classes share what the background does not get
        assert (cue.name, cue.maps.shape, cue.maps.dtype, cue.on_object) == ("fcn", (2, 32, 48), np.float32, True)
        assert np.allclose(cue.maps, expected, atol=1e-4)

    @pytest.mark.parametrize("batch", [1, 2, 3])
    def test_batches_change_nothing(self, segmenter, batch) -> None:
        clip = clip_of(5)
        one, some = (
            compute_cues(CueOptions(weights=segmenter[0], batch=b), clip, cache=False)[0].maps for b in (0, batch)
        )
        assert np.allclose(one, some, atol=1e-6)
        assert [size[0] for size in segmenter[1][1].sizes] == {1: [1] * 5, 2: [2, 2, 1], 3: [3, 2]}[batch]

    def test_large_frames_are_reduced_and_maps_come_at_the_working_size(self, segmenter) -> None:
        clip = clip_of(2, 120, 80).resize("60x40")
        (cue,) = compute_cues(CueOptions(weights=segmenter[0], side=40), clip, cache=False)
        assert segmenter[1][0].sizes[0] == (1, 3, 40, 60)
        assert cue.maps.shape == (2, 40, 60)
        (cue,) = compute_cues(CueOptions(weights=segmenter[0]), clip, cache=False)
        assert segmenter[1][1].sizes[0] == (1, 3, 80, 120)  # small ones are not enlarged

    def test_what_half_precision_loses_is_computed_in_full(self, segmenter) -> None:
        full, half = (
            compute_cues(CueOptions(weights=segmenter[0], half=h), clip_of(), cache=False)[0].maps
            for h in (False, True)
        )
        assert np.allclose(full, half, atol=1e-6)
        assert len(segmenter[1][1].sizes) == 4

    def test_maps_are_kept_between_runs_for_the_same_frames_and_options(self, segmenter) -> None:
        options = CueOptions(weights=segmenter[0])
        first = compute_cues(options, clip_of())[0].maps
        assert np.array_equal(compute_cues(options, clip_of())[0].maps, first)
        assert len(segmenter[1]) == 1
        compute_cues(options, clip_of(seed=1))
        compute_cues(CueOptions(weights=segmenter[0], side=32), clip_of())
        assert len(segmenter[1]) == 3

    def test_progress_counts_frames(self, segmenter) -> None:
        seen = []
        steps = (seen.append(step) for step in range(9))
        find_cues(f"fcn:{segmenter[0]}", clip_of(3), cache=False, progress=steps)
        assert seen == [0, 1, 2]

    @pytest.mark.parametrize(("name", "model"), [("fcn", "fcn_resnet101"), ("deeplab", "deeplabv3_resnet101")])
    def test_the_published_weights_are_torchvision_s(self, name, model) -> None:
        from torchvision.models import get_model_weights

        (theirs,) = get_model_weights(model)
        (ours,) = ikebook.networks.pretrained._catalogue(name).values()
        assert (ours.url, ours.name) == (theirs.url, theirs.name)
        assert tuple(theirs.transforms().mean) == ikebook.networks.pretrained.MEAN
        assert tuple(theirs.transforms().std) == ikebook.networks.pretrained.STD
        assert theirs.transforms().resize_size == [CueOptions().side]
        assert theirs.meta["categories"][0] == "__background__"

    def test_the_real_network_with_random_weights_as_old_pytorch_wrote_them(self, tmp_path) -> None:
        from torchvision.models.segmentation import fcn_resnet101

        with torch.device("meta"):
            empty = fcn_resnet101(weights=None, weights_backbone=None, num_classes=21, aux_loss=True).state_dict()
        torch.manual_seed(0)
        state = {name: _random(name, value) for name, value in empty.items()}
        torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
        (cue,) = compute_cues(CueOptions(weights=str(tmp_path / "w.pth"), side=32), clip_of(1), cache=False)
        assert cue.maps.shape == (1, 32, 48)
        assert 0.5 < cue.maps.mean() < 1
        assert cue.maps.std() > 0


def _random(name: str, like: torch.Tensor) -> torch.Tensor:
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    if like.ndim < 2:
        return torch.ones(like.shape) if name.endswith(("weight", "var")) else torch.zeros(like.shape)
    return torch.randn(like.shape) / like[0].numel() ** 0.5


@pytest.fixture(scope="module")
def weights(torchvision_operators, tmp_path_factory) -> str:
    import timm

    torch.manual_seed(0)
    network = timm.create_model("vit_small_patch16_224.dino", pretrained=False, num_classes=0)
    file = tmp_path_factory.mktemp("dino") / "w.pth"
    torch.save(network.state_dict(), file)
    return str(file)


class TestDino:
    def test_features_of_patches_become_a_few_channels(self, weights) -> None:
        clip = clip_of(3, 70, 45)
        cues = compute_cues(CueOptions(network="dino", weights=weights, channels=2), clip, cache=False)
        assert [cue.name for cue in cues] == ["dino 1", "dino 2"]
        assert all(cue.maps.shape == (3, 45, 70) and cue.maps.dtype == np.float32 for cue in cues)
        assert not any(cue.on_object for cue in cues)
        assert all(np.abs(cue.maps).max() < 20 for cue in cues)
        assert all(cue.maps.std() > 0.01 for cue in cues)

    def test_equal_pictures_have_equal_features(self, weights) -> None:
        frames = clip_of(2, 64, 32).frames
        clip = Clip(frames=frames[[0, 1, 0]])
        for cue in compute_cues(CueOptions(network="dino", weights=weights), clip, cache=False):
            assert np.allclose(cue.maps[0], cue.maps[2], atol=1e-5)
            assert not np.allclose(cue.maps[0], cue.maps[1], atol=1e-2)

    def test_weights_of_another_transformer(self, weights) -> None:
        with pytest.raises(InputError, match="weights of another network than VisionTransformer"):
            compute_cues(CueOptions(network="dino8", weights=weights), clip_of(1), cache=False)

    def test_no_network_is_said_with_the_way_out(self, monkeypatch) -> None:
        def fail(*_, **__):
            raise OSError("no route\nto host")

        monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
        with pytest.raises(InputError, match=r"could not be fetched \(no route\).*--cue dino:model.safetensors"):
            compute_cues(CueOptions(network="dino"), clip_of(1), cache=False)

    def test_without_timm_it_says_what_to_install(self, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "timm", None)
        with pytest.raises(InputError, match=r"pip install 'ikebook\[cues\]'"):
            compute_cues(CueOptions(network="dino"), clip_of(1), cache=False)


@pytest.mark.parametrize("seed", range(3))
def test_principal_axes_are_those_of_the_singular_vectors(seed) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(60, 5)) * [5, 3, 1, 0.5, 0.1] + rng.normal(size=5)
    mean, axes = principal_axes([rows[:20], rows[20:21], rows[21:]], 3)
    centred = rows - rows.mean(0)
    _, values, right = np.linalg.svd(centred, full_matrices=False)
    assert np.allclose(mean, rows.mean(0))
    assert np.allclose(np.abs(axes.T), np.abs(right[:3]) * np.sqrt(60) / values[0], rtol=1e-6, atol=1e-9)
    assert (centred @ axes)[:, 0].std() == pytest.approx(1)
    assert (axes[np.abs(axes).argmax(0), range(3)] > 0).all()


class TestSources:
    def test_what_taught_them_is_said(self, tmp_path) -> None:
        assert [cue_source(name).supervision for name in ("fcn", "deeplab", "dino", "dino8")] == [
            LABELS, LABELS, SELF_SUPERVISED, SELF_SUPERVISED
        ]  # fmt: skip
        assert cue_source(str(tmp_path)).supervision == UNKNOWN
        (tmp_path / "source.json").write_text(json.dumps({"name": "3DC-Seg", "supervision": LABELS}))
        assert cue_source(str(tmp_path)).supervision == LABELS
        assert cue_source(str(tmp_path)).name.endswith("(3DC-Seg)")

    @pytest.mark.parametrize(
        ("name", "yes"), [("fcn", True), ("dino8:w.pth", True), ("./fcn", False), ("maps", False), ("fcnx", False)]
    )
    def test_names_and_folders_are_told_apart(self, name, yes) -> None:
        assert is_network(name) is yes

    def test_a_file_that_is_not_there(self) -> None:
        for name in ("fcn:none.pth", "dino:none.pth"):
            with pytest.raises(InputError, match=r"weights are 'none.pth'; expected .*a file that you have fetched"):
                cue_source(name)


def test_components_do_not_say_what_the_object_is() -> None:
    """Where nothing moves, only a cue that is large on the object may say so."""
    clip = clip_of(4, 24, 16)
    still = np.zeros((3, 16, 24, 2), np.float32)
    ramp = np.broadcast_to(np.linspace(-1, 1, 24, dtype=np.float32), (4, 16, 24)).copy()
    flow = Flow(forward=still, backward=still)
    signs = {}
    for on_object in (True, False):
        cue = ikebook.networks.pretrained.Cue(name="ramp", maps=ramp, on_object=on_object)
        signs[on_object] = segment(clip, flow, cues=[cue]).labels[0, 8].numpy()
    assert np.corrcoef(signs[True], ramp[0, 8])[0, 1] > 0.9
    assert np.isfinite(signs[False]).all()
