"""How clear an object is: known answers, empty masks, what is written and what is printed."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

import ikebook
from ikebook.base.arrays import Memory
from ikebook.base.compute import Compute
from ikebook.cli.terminal import show_summary
from ikebook.flow import Flow, noisy
from ikebook.graph.confidence import LEAST_CONFIDENCE, confidence_of
from ikebook.runs.json_types import read_json
from ikebook.runs.options import RunOptions
from ikebook.runs.outputs import write_results
from ikebook.runs.results import Summary
from ikebook.runs.single import run
from ikebook.video.clip import Clip

SEEDS = (0, 1, 2)


def shifted(mask: np.ndarray, motion: tuple[float, float]) -> Flow:
    """A flow that is `motion` on a mask (h, w), and 0 elsewhere, in 6 frames."""
    field = mask[..., None] * np.array(motion)
    return Flow(forward=np.stack([field] * 5), backward=np.stack([-field] * 5))


def square(h: int = 24, w: int = 32) -> np.ndarray:
    mask = np.zeros((h, w), bool)
    mask[8:14, 10:18] = True
    return mask


PAIRS = ikebook.segment(ikebook.toy("disc").clip, ikebook.toy("disc").flow).pairs


def told(soft: np.ndarray, flow: Flow, threshold: float = 0.5):
    return confidence_of(soft.astype(np.float32), threshold, PAIRS, 0, flow)


class TestMeasures:
    def test_known_answers(self) -> None:
        mask = square()
        found = told(np.stack([mask] * 6), shifted(mask, (3.0, -4.0)))
        assert found.inside == pytest.approx(5.0, abs=0.05)
        assert found.outside == pytest.approx(0.0, abs=0.01)
        assert found.agreement == pytest.approx(1.0, abs=1e-6)
        assert found.stability == 1.0
        assert found.confidence == pytest.approx(4.98 / 5.05, abs=0.02)
        assert found.eigengap == pytest.approx(PAIRS.gap(0) / float(PAIRS.values[0]))
        assert found.sentence is None

    def test_two_frames(self) -> None:
        mask = square()
        flow = shifted(mask, (2.0, 0.0))
        short = Flow(forward=flow.forward[:1], backward=flow.backward[:1])
        found = told(np.stack([mask] * 2), short)
        assert found.agreement == pytest.approx(1.0, abs=1e-6)
        assert found.confidence > 0.9

    def test_stability_is_a_ratio_of_areas(self) -> None:
        soft = np.zeros((6, 24, 32))
        soft[:, 8:14, 10:18], soft[:, 8:14, 18:22] = 1.0, 0.5
        assert told(soft, shifted(square(), (3.0, 0.0))).stability == pytest.approx(8 / 12)

    def test_motion_that_turns_back(self) -> None:
        mask = square()
        flow = shifted(mask, (3.0, 0.0))
        found = told(np.stack([mask] * 6), Flow(forward=flow.forward, backward=-flow.backward))
        assert found.agreement == pytest.approx(-1.0, abs=1e-6)
        assert found.confidence == 0
        assert found.sentence is not None

    @pytest.mark.parametrize("full", [False, True])
    def test_masks_that_are_empty_or_fill_the_frame(self, full) -> None:
        found = told(np.full((6, 24, 32), float(full)), shifted(square(), (3.0, 0.0)))
        assert 0 <= found.confidence <= 1
        assert all(np.isfinite([found.stability, found.agreement, found.inside, found.outside]))
        assert found.confidence == 0
        assert found.sentence is not None
        if full:
            assert found.inside == found.outside > 0
        else:
            assert found.inside == found.stability == found.agreement == 0

    @pytest.mark.parametrize("threshold", [0.0, 0.5, 0.95, 1.0, 3.0])
    def test_any_threshold(self, threshold) -> None:
        rng = np.random.default_rng(0)
        found = told(rng.random((6, 24, 32)), shifted(square(), (3.0, 0.0)), threshold)
        assert 0 <= found.stability <= 1
        assert 0 <= found.confidence <= 1


class TestToys:
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("name", ["disc", "two_objects", "deforming", "tracked", "pause"])
    def test_an_object_is_clear(self, name, seed) -> None:
        made = ikebook.toy(name, (48, 32), frames=6, seed=seed)
        result = ikebook.segment(made.clip, made.flow)
        assert result.confidence.confidence > 0.5
        assert result.confidence.sentence is None
        assert result.warnings == []

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("sigma", [0.02, 0.1, 1.0, 5.0])
    def test_noise_is_no_object(self, sigma, seed) -> None:
        made = ikebook.toy("still", (48, 32), frames=6)
        result = ikebook.segment(made.clip, noisy(made.flow, sigma, seed))
        assert result.confidence.confidence < LEAST_CONFIDENCE
        assert result.warnings[-1] == result.confidence.sentence
        assert result.warnings[-1].startswith("By its motion the clip has no clear object (confidence 0.0")

    @pytest.mark.parametrize("seed", SEEDS)
    def test_smooth_noise_is_no_object(self, seed) -> None:
        rng = np.random.default_rng(seed)
        fields = [cv2.GaussianBlur(rng.normal(size=(32, 48, 2)), (0, 0), 3) * 20 for _ in range(10)]
        flow = Flow(forward=np.stack(fields[:5]), backward=np.stack(fields[5:]))
        found = ikebook.segment(ikebook.toy("still", (48, 32), frames=6).clip, flow)
        assert found.confidence.confidence < LEAST_CONFIDENCE

    def test_a_pan_is_no_object(self) -> None:
        """A textured scene before a moving camera, its flow by DIS."""
        rng = np.random.default_rng(0)
        scene = cv2.GaussianBlur(rng.integers(0, 256, (60, 90, 3), dtype=np.uint8), (0, 0), 1.5)
        clip = Clip(frames=np.stack([scene[t : t + 40, 2 * t : 2 * t + 60] for t in range(8)]), name="pan")
        result = ikebook.segment(clip)
        assert result.confidence.confidence < LEAST_CONFIDENCE

    def test_nothing_moves_and_it_is_said_once(self) -> None:
        made = ikebook.toy("still")
        result = ikebook.segment(made.clip, made.flow)
        assert result.confidence.confidence == 0
        assert result.confidence.sentence == "The clip has no clear object: there is no eigenvector."
        assert len(result.warnings) == 1

    def test_on_disk_it_is_the_same(self) -> None:
        made = ikebook.toy("disc", (48, 32), frames=6)
        known = ikebook.segment(made.clip, made.flow).confidence
        stored = ikebook.segment(made.clip, made.flow, compute=Compute(memory=Memory(0))).confidence
        assert stored.confidence == pytest.approx(known.confidence, rel=1e-3)


class TestWritten:
    def test_summary_and_its_line(self, tmp_path, capsys) -> None:
        clip, options = ikebook.toy("disc", (48, 32), 5).clip, RunOptions(size=(48, 32), device="cpu", cache=False)
        outcome = run(clip, options=options)
        written = write_results(tmp_path, clip, outcome, options)
        read = read_json(tmp_path / "summary.json", Summary)
        assert read is not None
        found = outcome.result.confidence
        assert read["confidence"] == found.confidence
        assert read["confidence_measures"] == found.as_dict()
        assert set(read["confidence_measures"]) == {"stability", "agreement", "inside", "outside", "eigengap"}
        show_summary(written)
        printed = capsys.readouterr().out.splitlines()
        line = (
            f"confidence: {found.confidence:.2f} of 1 (pixels a frame against the scene: {found.inside:.2f} in the masks, "
            f"{found.outside:.2f} elsewhere)"
        )
        assert printed.count(line) == 1

    def test_the_sentence_is_among_the_notes(self, tmp_path, capsys) -> None:
        frames = np.random.default_rng(0).integers(0, 256, (5, 32, 48, 3), dtype=np.uint8)
        clip, options = Clip(frames=frames, name="noise"), RunOptions(size=(48, 32), device="cpu", cache=False)
        summary = write_results(tmp_path, clip, run(clip, options=options), options)
        assert any("no clear object" in one for one in json.loads((tmp_path / "summary.json").read_text())["warnings"])
        show_summary(summary)
        assert "ikebook: note: By its motion the clip has no clear object" in capsys.readouterr().err

    def test_an_unknown_gap_is_null(self) -> None:
        mask = square()
        pairs = replace(PAIRS, values=PAIRS.values[:1], spectrum=None, complete=False)
        found = confidence_of(np.stack([mask] * 6).astype(np.float32), 0.5, pairs, 0, shifted(mask, (3.0, 0.0)))
        assert found.as_dict()["eigengap"] is None
