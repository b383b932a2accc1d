"""Flow: who computes it finds a known motion, files come back as they went, and a cache never gives what is not there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.arrays import DiskArray, Memory
from ikebook.base.check import InputError
from ikebook.datasets.toys import TOYS, demo, toy
from ikebook.flow import (
    Dis,
    DisOptions,
    Farneback,
    FarnebackOptions,
    Flow,
    FlowCache,
    FlowFiles,
    KnownFlow,
    compute_flow,
    is_provider,
    noisy,
    provider,
    read_flo,
    resize_flow,
    write_flo,
)
from ikebook.runs.options import RunOptions
from ikebook.video.clip import Clip

SHIFT = (3, -2)


def texture(h: int, w: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(0, 255, (h, w, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(values, (0, 0), 2)
    return np.rint(cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)).astype(np.uint8)


def shifted(h: int = 80, w: int = 120, m: int = 2, step: tuple[int, int] = SHIFT) -> np.ndarray:
    """Frames in which the point at (x, y) lies at (x + dx, y + dy) one frame later."""
    margin = m * max(map(abs, step))
    big = texture(h + 2 * margin, w + 2 * margin)
    corners = [(margin - t * step[0], margin - t * step[1]) for t in range(m)]
    return np.stack([big[y : y + h, x : x + w] for x, y in corners])


def random_flow(m: int = 3, h: int = 6, w: int = 8, seed: int = 0) -> Flow:
    forward, backward = np.random.default_rng(seed).normal(0, 3, (2, m - 1, h, w, 2)).astype(np.float32)
    return Flow(forward=forward, backward=backward)


def header(w: int, h: int, magic: bytes = b"PIEH") -> bytes:
    return magic + w.to_bytes(4, "little", signed=True) + h.to_bytes(4, "little", signed=True)


def save_fields(folder, flow: Flow) -> None:
    """The fields of a flow as files whose numbers are not padded."""
    for i in range(len(flow) - 1):
        write_flo(folder / "forward" / f"{i + 8}.flo", flow.forward[i])
        write_flo(folder / "backward" / f"{i + 8}.flo", flow.backward[i])


class Counting:
    """A provider that gives the fields of a flow, and counts how often it was asked."""

    def __init__(self, flow: Flow, options: str = "a") -> None:
        self.flow, self.options, self.asked = flow, options, 0

    def describe(self) -> str:
        return f"counting {self.options}"

    def pairs(self, frames):
        self.asked += 1
        yield from zip(self.flow.forward, self.flow.backward, strict=True)


class TestProviders:
    @pytest.mark.parametrize(("name", "error"), [("dis", 0.02), ("farneback", 0.1)])
    def test_a_known_shift_is_found_both_ways(self, name, error) -> None:
        ((forward, backward),) = provider(name).pairs(shifted())
        assert forward.shape == backward.shape == (80, 120, 2)
        inside = np.s_[12:-12, 12:-12]
        assert np.abs(forward[inside] - SHIFT).max() < error
        assert np.abs(backward[inside] + SHIFT).max() < error

    @pytest.mark.parametrize("name", ["dis", "farneback"])
    def test_flow_is_computed_at_the_clips_own_size_and_counted_in_working_pixels(self, name) -> None:
        clip = Clip(frames=shifted(m=3)).resize("60x20")
        flow = compute_flow(clip, provider(name))
        assert flow.forward.shape == (2, 20, 60, 2)
        assert flow.forward.dtype == np.float32
        expected = np.array(SHIFT) * (60 / 120, 20 / 80)
        assert np.abs(flow.forward[:, 4:-4, 7:-7] - expected).max() < 0.05
        assert np.abs(flow.backward[:, 4:-4, 7:-7] + expected).max() < 0.05

    @pytest.mark.parametrize("name", TOYS)
    @pytest.mark.parametrize(("by", "error"), [("dis", 0.1), ("farneback", 0.25)])
    def test_the_smallest_toys_are_large_enough(self, by, error, name) -> None:
        made = toy(name, (16, 16), 5)
        flow = compute_flow(made.clip, provider(by))
        for found, exact in ((flow.forward, made.flow.forward), (flow.backward, made.flow.backward)):
            assert found.shape == (4, 16, 16, 2)
            assert np.median(np.linalg.norm(found - exact, axis=-1)) < error

    @pytest.mark.parametrize("name", ["dis", "farneback"])
    def test_black_frames_do_not_move(self, name) -> None:
        flow = compute_flow(Clip(frames=np.zeros((3, 20, 24, 3), np.uint8)), provider(name))
        assert np.abs(flow.forward).max() == np.abs(flow.backward).max() == 0

    @pytest.mark.parametrize("kind", [Dis, Farneback])
    @given(st.integers(4, 90), st.integers(4, 90), st.sampled_from([16, 40, 480]))
    def test_frames_of_any_size_have_finite_flow(self, kind, w, h, most) -> None:
        options = DisOptions(max_height=most) if kind is Dis else FarnebackOptions(max_height=most)
        clip = Clip(frames=np.stack([texture(h, w, seed) for seed in range(2)]))
        assert compute_flow(clip, kind(options)).size == (w, h)

    @pytest.mark.parametrize("name", ["dis", "farneback"])
    @pytest.mark.parametrize("size", [(16384, 4), (4, 16384)])
    def test_the_longest_strips_have_finite_flow(self, name, size) -> None:
        frames = np.zeros((2, size[1], size[0], 3), np.uint8)
        assert compute_flow(Clip(frames=frames), provider(name)).size == size

    @pytest.mark.parametrize(("kind", "options"), [(Dis, DisOptions), (Farneback, FarnebackOptions)])
    def test_tall_frames_are_reduced_before_the_search(self, kind, options) -> None:
        ((forward, _),) = kind(options(max_height=64)).pairs(shifted(128, 192, step=(4, -4)))
        assert forward.shape == (64, 96, 2)
        assert np.abs(np.median(forward, (0, 1)) - (2, -2)).max() < 0.1

    @pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
    def test_every_preset_of_dis_finds_the_shift(self, preset) -> None:
        ((forward, _),) = Dis(DisOptions(preset=preset, finest_scale=1)).pairs(shifted())
        assert np.abs(np.median(forward, (0, 1)) - SHIFT).max() < 0.1

    def test_refinement_smooths_the_field(self) -> None:
        frames = demo(2, (128, 72)).clip.frames

        def roughness(refinement: int | None) -> float:
            ((forward, _),) = Dis(DisOptions(refinement=refinement)).pairs(frames)
            return float(np.abs(np.diff(forward, axis=1)).mean())

        found = [roughness(refinement) for refinement in (0, 1, 5)]
        assert found[0] > found[1] > found[2] > 0
        assert roughness(None) == found[2]  # the preset's own

    def test_what_they_say_of_themselves_changes_with_any_option(self) -> None:
        providers = [
            Dis(),
            Dis(DisOptions(preset="fast")),
            Dis(DisOptions(finest_scale=1)),
            Dis(DisOptions(max_height=240)),
            Dis(DisOptions(refinement=2)),
            Dis(DisOptions(refinement=0)),
            Farneback(),
            Farneback(FarnebackOptions(levels=3)),
            Farneback(FarnebackOptions(window=9)),
            Farneback(FarnebackOptions(iterations=5)),
            Farneback(FarnebackOptions(max_height=240)),
        ]
        assert len({each.describe() for each in providers}) == len(providers)
        assert Dis().describe() == Dis(DisOptions()).describe()

    @pytest.mark.parametrize(
        ("options", "values", "message"),
        [
            (DisOptions, {"preset": "slow"}, "preset is 'slow'; expected one of 'ultrafast', 'fast', 'medium'"),
            (DisOptions, {"finest_scale": -1}, "finest_scale is -1; expected a whole number, 0 or more"),
            (DisOptions, {"refinement": -1}, "refinement is -1; expected a whole number, 0 or more"),
            (DisOptions, {"max_height": 8}, "max_height is 8; expected a whole number, 16 or more"),
            (FarnebackOptions, {"levels": 0}, "levels is 0; expected a whole number, 1 or more"),
            (FarnebackOptions, {"window": 2}, "window is 2; expected a whole number, 3 or more"),
            (FarnebackOptions, {"iterations": 1.5}, "iterations is 1.5; expected a whole number, 1 or more"),
            (FarnebackOptions, {"max_height": True}, "max_height is True; expected a whole number, 16 or more"),
        ],
    )
    def test_bad_options(self, options, values, message) -> None:
        with pytest.raises(InputError, match=f"{options.__name__}.{message}"):
            options(**values)

    def test_presets_of_dis_by_name(self) -> None:
        assert provider("dis").describe() == provider("dis:medium").describe() == Dis().describe()
        assert provider("dis:ultrafast").options == DisOptions(preset="ultrafast")
        assert is_provider("dis:fast")
        assert RunOptions(flow="dis:fast").sources()[0].supervision == RunOptions().sources()[0].supervision
        with pytest.raises(
            InputError, match="flow after 'dis:' is 'slow'; expected one of 'ultrafast', 'fast', 'medium'"
        ):
            provider("dis:slow")

    def test_an_unknown_provider_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(
            InputError, match=r"flow is 'none'; expected dis, farneback, raft, raft-small or a folder with forward/\*"
        ):
            provider("none")


class TestComputeFlow:
    def test_each_pair_advances_the_progress(self) -> None:
        steps = iter([None] * 10)
        compute_flow(Clip(frames=shifted(20, 24, 4)), Dis(), progress=steps)
        assert len(list(steps)) == 7

    def test_progress_may_end_early(self) -> None:
        assert len(compute_flow(Clip(frames=shifted(20, 24, 4)), Dis(), progress=[])) == 4

    def test_one_frame_has_no_flow(self) -> None:
        with pytest.raises(
            InputError, match=r"clip 'walk' has 1 frame; motion needs two or more\. Give a longer video"
        ):
            compute_flow(Clip(frames=shifted()[:1], name="walk"), Dis())

    @pytest.mark.parametrize(
        ("m", "message"),
        [
            (2, "flow has more than 1 fields, but the clip has 2 frames"),
            (5, r"flow has 2 fields, but the clip has 5 frames: m frames need m-1 fields \(4\)"),
        ],
    )
    def test_the_number_of_fields_must_fit(self, m, message) -> None:
        with pytest.raises(InputError, match=message):
            compute_flow(Clip(frames=np.zeros((m, 6, 8, 3), np.uint8)), Counting(random_flow(3)))


class TestKnownFlow:
    def test_a_toy_s_flow_is_given_as_it_is(self) -> None:
        made = toy("disc", (40, 32), 4)
        flow = compute_flow(made.clip, KnownFlow(made.flow))
        assert np.array_equal(flow.forward, made.flow.forward.astype(np.float32))
        assert np.array_equal(flow.backward, made.flow.backward.astype(np.float32))

    def test_displacements_shrink_with_the_clip(self) -> None:
        forward = np.full((2, 32, 40, 2), (4.0, -6.0))
        clip = Clip(frames=np.zeros((3, 32, 40, 3), np.uint8)).resize((20, 16))
        flow = compute_flow(clip, KnownFlow(Flow(forward=forward, backward=-forward)))
        assert np.array_equal(flow.forward, np.full((2, 16, 20, 2), (2.0, -3.0), np.float32))

    def test_it_has_to_fit_the_clip(self) -> None:
        short = toy("disc", (40, 32), 3)
        with pytest.raises(InputError, match="flow has 2 fields, but the clip has 4 frames"):
            compute_flow(toy("disc", (40, 32), 4).clip, KnownFlow(short.flow))

    def test_its_description_tells_flows_apart(self) -> None:
        assert len({KnownFlow(toy(name, (40, 32), 3).flow).describe() for name in TOYS}) == len(TOYS)


class TestFields:
    def test_they_know_their_clip(self) -> None:
        flow = random_flow(4, 6, 8)
        assert len(flow) == 4
        assert flow.size == (8, 6)

    @pytest.mark.parametrize(
        ("forward", "backward", "message"),
        [
            (np.zeros((2, 6, 8)), np.zeros((2, 6, 8)), r"forward has shape \(2, 6, 8\); expected \(m-1, h, w, 2\)"),
            (np.zeros((2, 6, 8, 2)), np.zeros((2, 6, 8, 3)), r"backward has shape \(2, 6, 8, 3\); expected"),
            (np.zeros((2, 6, 8, 2), int), np.zeros((2, 6, 8, 2)), "forward is int64; expected floating point pixels"),
            (np.zeros((0, 6, 8, 2)), np.zeros((0, 6, 8, 2)), "forward holds no field; expected one for each pair"),
            (np.zeros((2, 6, 8, 2)), np.full((2, 6, 8, 2), np.nan), "backward has 192 values that are NaN or infinite"),
            (np.full((1, 2, 2, 2), np.inf), np.zeros((1, 2, 2, 2)), "forward has 8 values .* compute it again or fill"),
            (
                np.zeros((2, 6, 8, 2)),
                np.zeros((1, 6, 8, 2)),
                r"forward is \(2, .*\) but flow.backward \(1, .*one shape",
            ),
        ],
    )
    def test_bad_fields(self, forward, backward, message) -> None:
        with pytest.raises(InputError, match=rf"flow\.{message}"):
            Flow(forward=forward, backward=backward)

    @given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
    def test_resizing_rescales_displacements(self, h, w, new_h, new_w) -> None:
        field = np.full((h, w, 2), (4.0, -6.0), np.float32)
        found = resize_flow(field, (new_w, new_h))
        assert found.shape == (new_h, new_w, 2)
        assert found.dtype == np.float32
        assert np.allclose(found, (4 * new_w / w, -6 * new_h / h), rtol=1e-5)

    def test_resizing_to_its_size_changes_nothing(self) -> None:
        field = random_flow().forward[0]
        assert resize_flow(field, (8, 6)) is field
        assert resize_flow(field.astype(float), (8, 6)).dtype == np.float32


class TestFlo:
    def test_a_file_written_by_hand(self, tmp_path) -> None:
        values = np.array([[[1, 2], [3, 4], [5, 6]], [[-1, -2], [-3, -4], [0.5, 1e8]]], "<f4")
        (tmp_path / "a.flo").write_bytes(header(3, 2) + values.tobytes())
        field = read_flo(tmp_path / "a.flo")
        assert field.dtype == np.float32
        assert np.array_equal(field, values)
        write_flo(tmp_path / "b.flo", values)
        assert (tmp_path / "b.flo").read_bytes() == (tmp_path / "a.flo").read_bytes()

    def test_the_magic_is_the_number_that_the_format_names(self, tmp_path) -> None:
        write_flo(tmp_path / "a.flo", np.zeros((2, 3, 2)))
        assert np.frombuffer((tmp_path / "a.flo").read_bytes()[:4], "<f4")[0] == np.float32(202021.25)

    @given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 1000), st.sampled_from(["f4", "f8", ">f4", "i4"]))
    def test_what_is_written_is_read(self, tmp_path_factory, h, w, seed, dtype) -> None:
        path = tmp_path_factory.mktemp("flo") / "a.flo"
        field = np.random.default_rng(seed).normal(0, 20, (w, h, 2)).astype(dtype).transpose(1, 0, 2)
        write_flo(path, field)
        assert np.array_equal(read_flo(path), field.astype(np.float32))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", r"begins with b''; a \.flo file begins with b'PIEH'. Is it a flow file"),
            (b"PI", "begins with b'PI'"),
            (header(3, 2, b"HEIP") + bytes(48), "begins with b'HEIP'"),
            (b"\x89PNG\r\n\x1a\n", r"begins with b'\\x89PNG'"),
            (b"PIEH", "says that it is 0x0 pixels; expected sides of 1 to 16384. The file is damaged"),
            (header(3, 0), "says that it is 3x0 pixels"),
            (header(-3, 2) + bytes(48), "says that it is -3x2 pixels"),
            (header(2**31 - 1, 2**31 - 1) + bytes(48), "says that it is 2147483647x2147483647 pixels"),
            (header(16385, 1) + bytes(8 * 16385), "says that it is 16385x1 pixels"),
            (header(16384, 16384) + bytes(48), "has 60 bytes; a 16384x16384 field takes 2147483660. Copy it again"),
            (header(3, 2) + bytes(47), "has 59 bytes; a 3x2 field takes 60. Copy it again"),
            (header(3, 2) + bytes(49), "has 61 bytes; a 3x2 field takes 60"),
            (header(3, 2)[:-1], "has 11 bytes; a 3x2 field takes 60"),
        ],
    )
    def test_files_that_are_no_field_or_lie_about_it(self, tmp_path, content, message) -> None:
        (tmp_path / "bad.flo").write_bytes(content)
        with pytest.raises(InputError, match=rf"bad\.flo {message}"):
            read_flo(tmp_path / "bad.flo")

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.7e9, -1e10])
    def test_unknown_displacements_are_counted(self, tmp_path, value) -> None:
        field = np.zeros((4, 5, 2), np.float32)
        field[1, 2], field[3, 0, 1] = value, value
        write_flo(tmp_path / "bad.flo", field)
        with pytest.raises(
            InputError, match=r"bad\.flo has 2 pixels whose flow is unknown, NaN or infinite; fill them"
        ):
            read_flo(tmp_path / "bad.flo")

    @given(st.integers(-3, 6), st.integers(-3, 6), st.binary(max_size=100))
    def test_any_bytes_are_a_field_or_refused(self, tmp_path_factory, w, h, content) -> None:
        path = tmp_path_factory.mktemp("flo") / "a.flo"
        path.write_bytes(header(w, h) + content)
        if min(w, h) > 0 and len(content) == 8 * w * h and (np.abs(np.frombuffer(content, "<f4")) < 1e9).all():
            assert np.array_equal(read_flo(path).ravel(), np.frombuffer(content, "<f4"))
            return
        with pytest.raises(InputError, match=r"a\.flo (says|has)"):
            read_flo(path)

    def test_a_file_that_is_not_there(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"gone\.flo can't be read \(No such file or directory\)"):
            read_flo(tmp_path / "gone.flo")

    def test_only_fields_are_written(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"field has shape \(4, 5, 3\); expected \(h, w, 2\)"):
            write_flo(tmp_path / "a.flo", np.zeros((4, 5, 3)))
        assert list(tmp_path.iterdir()) == []


class TestFlowFiles:
    def test_fields_come_in_natural_order(self, tmp_path) -> None:
        flow = random_flow(5)
        save_fields(tmp_path, flow)
        found = compute_flow(Clip(frames=np.zeros((5, 6, 8, 3), np.uint8)), provider(tmp_path))
        assert np.array_equal(found.forward, flow.forward)
        assert np.array_equal(found.backward, flow.backward)

    def test_fields_of_another_size_are_resized_and_rescaled(self, tmp_path) -> None:
        forward = np.full((2, 18, 24, 2), (3.0, 9.0))
        save_fields(tmp_path, Flow(forward=forward, backward=-forward))
        found = compute_flow(Clip(frames=np.zeros((3, 6, 8, 3), np.uint8)), provider(str(tmp_path)))
        assert found.forward.shape == (2, 6, 8, 2)
        assert np.allclose(found.forward, (1.0, 3.0))
        assert np.allclose(found.backward, (-1.0, -3.0))

    def test_other_files_are_passed_over(self, tmp_path) -> None:
        save_fields(tmp_path, random_flow())
        (tmp_path / "forward" / ".9.flo").write_bytes(b"hidden")
        (tmp_path / "forward" / "notes.txt").write_bytes(b"text")
        assert len(FlowFiles(tmp_path).forward) == 2

    def test_what_they_say_of_themselves_changes_with_any_file(self, tmp_path) -> None:
        save_fields(tmp_path, random_flow())
        before = FlowFiles(tmp_path).describe()
        assert FlowFiles(tmp_path).describe() == before
        write_flo(tmp_path / "backward" / "9.flo", random_flow(seed=1).backward[0])
        assert FlowFiles(tmp_path).describe() != before

    def test_a_folder_is_missing(self, tmp_path) -> None:
        save_fields(tmp_path, random_flow())
        (tmp_path / "backward").rename(tmp_path / "back")
        with pytest.raises(
            InputError, match=r"backward is missing; expected \.flo files in .*/forward and .*/backward"
        ):
            provider(tmp_path)

    def test_a_folder_is_empty(self, tmp_path) -> None:
        (tmp_path / "forward").mkdir()
        with pytest.raises(InputError, match=r"forward holds no \.flo file"):
            provider(tmp_path)

    def test_one_direction_has_fewer(self, tmp_path) -> None:
        save_fields(tmp_path, random_flow(4))
        (tmp_path / "backward" / "9.flo").unlink()
        with pytest.raises(InputError, match="has 3 forward and 2 backward fields; expected as many"):
            provider(tmp_path)

    def test_a_bad_file_is_named(self, tmp_path) -> None:
        save_fields(tmp_path, random_flow())
        (tmp_path / "backward" / "9.flo").write_bytes(b"nothing")
        with pytest.raises(InputError, match=r"backward/9\.flo begins with b'noth'"):
            compute_flow(Clip(frames=np.zeros((3, 6, 8, 3), np.uint8)), provider(tmp_path))

    def test_a_folder_called_like_a_field_is_named(self, tmp_path) -> None:
        save_fields(tmp_path, random_flow())
        (tmp_path / "forward" / "9.flo").unlink()
        (tmp_path / "forward" / "9.flo").mkdir()
        clip = Clip(frames=np.zeros((3, 6, 8, 3), np.uint8))
        for cache in (None, FlowCache()):
            with pytest.raises(InputError, match=r"forward/9\.flo can't be read"):
                compute_flow(clip, provider(tmp_path), cache=cache)


def test_forward_and_backward_share_what_room_there_is(tmp_path) -> None:
    clip, counting = Clip(frames=shifted(6, 8, 3)), Counting(random_flow())
    one = 2 * 6 * 8 * 2 * 4  # bytes of one direction
    for limit, on_disk in ((2 * one, 0), (one + 10, 1), (10, 2)):
        memory = Memory(limit, tmp_path)
        flow = compute_flow(clip, counting, memory=memory)
        assert sum(isinstance(fields, DiskArray) for fields in (flow.forward, flow.backward)) == on_disk
        assert memory.used == (2 - on_disk) * one
        assert np.array_equal(np.asarray(flow.backward), counting.flow.backward)


class TestCache:
    def test_flow_is_computed_once(self, tmp_path) -> None:
        clip, counting, cache = Clip(frames=shifted(6, 8, 3)), Counting(random_flow()), FlowCache(tmp_path)
        first = compute_flow(clip, counting, cache=cache)
        second = compute_flow(clip, counting, cache=cache)
        assert counting.asked == 1
        assert np.array_equal(first.forward, second.forward)
        assert np.array_equal(first.backward, second.backward)

    def test_without_a_cache_nothing_is_kept(self, tmp_path) -> None:
        clip, counting = Clip(frames=shifted(6, 8, 3)), Counting(random_flow())
        compute_flow(clip, counting)
        compute_flow(clip, counting)
        assert counting.asked == 2
        assert not (tmp_path / "cache").exists()

    def test_other_frames_options_and_sizes_are_other_flow(self, tmp_path) -> None:
        frames = shifted(12, 16, 3)
        clip, cache, flow = Clip(frames=frames), FlowCache(tmp_path), random_flow()
        changed = frames.copy()
        changed[2, 3, 4, 1] ^= 1
        runs = [
            (clip, Counting(flow)),
            (Clip(frames=changed), Counting(flow)),
            (clip.resize("8x6"), Counting(flow)),
            (clip.resize("8x4"), Counting(flow)),
            (clip, Counting(flow, "b")),
        ]
        for made, counting in runs:
            compute_flow(made, counting, cache=cache)
            assert counting.asked == 1
        assert len(list(cache.folder.iterdir())) == len(runs)
        for made, counting in runs:
            assert compute_flow(made, counting, cache=cache).size == made.size
            assert counting.asked == 1

    def test_the_name_of_a_clip_does_not_matter(self, tmp_path) -> None:
        counting, cache = Counting(random_flow()), FlowCache(tmp_path)
        for name in ("one", "two"):
            compute_flow(Clip(frames=shifted(6, 8, 3), name=name), counting, cache=cache)
        assert counting.asked == 1

    def test_what_is_not_there_is_none(self, tmp_path) -> None:
        assert FlowCache(tmp_path).load("nothing") is None

    def test_a_damaged_byte_never_gives_other_flow(self, tmp_path) -> None:
        flow, cache = random_flow(2, 4, 5), FlowCache(tmp_path)
        cache.save("key", flow)
        (file,) = cache.folder.iterdir()
        whole = file.read_bytes()
        for place in range(0, len(whole), 2):
            file.write_bytes(
                whole[:place] + bytes([whole[place] ^ (1, 8, 128, 255)[place // 2 % 4]]) + whole[place + 1 :]
            )
            found = cache.load("key")
            assert found is None or np.array_equal(found.forward, flow.forward)
            assert found is None or np.array_equal(found.backward, flow.backward)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"cos\nsystem\n(S'false'\ntR.", bytes(999)])
    def test_a_damaged_file_counts_as_absent_and_is_made_anew(self, tmp_path, content) -> None:
        clip, counting, cache = Clip(frames=shifted(6, 8, 3)), Counting(random_flow()), FlowCache(tmp_path)
        compute_flow(clip, counting, cache=cache)
        (file,) = cache.folder.iterdir()
        file.write_bytes(content)
        compute_flow(clip, counting, cache=cache)
        assert counting.asked == 2
        compute_flow(clip, counting, cache=cache)
        assert counting.asked == 2

    def test_a_file_cut_short_counts_as_absent(self, tmp_path) -> None:
        cache = FlowCache(tmp_path)
        cache.save("key", random_flow())
        (file,) = cache.folder.iterdir()
        whole = file.read_bytes()
        for end in range(0, len(whole), 37):
            file.write_bytes(whole[:end])
            assert cache.load("key") is None

    @pytest.mark.parametrize("names", [("forward",), ("forward", "other")])
    def test_an_archive_of_something_else_counts_as_absent(self, tmp_path, names) -> None:
        cache = FlowCache(tmp_path)
        cache.folder.mkdir()
        np.savez(cache.folder / "key.npz", **dict.fromkeys(names, random_flow().forward))
        assert cache.load("key") is None

    def test_a_place_that_cannot_be_written_to_is_no_error(self, tmp_path) -> None:
        (tmp_path / "flow").write_text("a file where the cache's folder should be")
        counting = Counting(random_flow())
        for _ in range(2):
            found = compute_flow(Clip(frames=shifted(6, 8, 3)), counting, cache=FlowCache(tmp_path))
            assert np.array_equal(found.forward, counting.flow.forward)
        assert counting.asked == 2

    def test_its_place_is_the_environments(self, tmp_path) -> None:
        assert FlowCache().folder == tmp_path / "cache" / "flow"


class TestNoise:
    @pytest.mark.parametrize("seed", [0, 1])
    def test_it_has_the_deviation_asked_for_and_a_seed(self, seed) -> None:
        flow = toy("disc", (64, 48), 5).flow
        changed = noisy(flow, 0.5, seed)
        for before, after in ((flow.forward, changed.forward), (flow.backward, changed.backward)):
            assert (after - before).std() == pytest.approx(0.5, rel=0.02)
            assert abs((after - before).mean()) < 0.02
        assert np.array_equal(changed.forward, noisy(flow, 0.5, seed).forward)
        assert not np.array_equal(changed.forward, noisy(flow, 0.5, seed + 1).forward)
        assert np.allclose(noisy(flow, 1.0, seed).forward - flow.forward, 2 * (changed.forward - flow.forward))
        assert np.array_equal(noisy(flow, 0.0, seed).backward, flow.backward)

    def test_bad_noise(self) -> None:
        with pytest.raises(InputError, match="noise is -1; expected a finite number, 0 or more"):
            noisy(toy("disc").flow, -1)


@pytest.mark.parametrize(
    ("field", "frames", "message"),
    [
        ((160, 120), (120, 160), r"the flow is 160x120, but the frames are 120x160: it is turned"),
        ((160, 90), (160, 120), r"the flow is 160x90, but the frames are 160x120: another shape"),
        ((96, 96), (160, 120), r"the flow is 96x96, but the frames are 160x120: another shape"),
        ((80, 60), (160, 120), None),  # half of the size
        ((164, 124), (160, 120), None),  # padded to what a network likes
        ((416, 224), (160, 120), None),  # of frames at the working size
    ],
)
def test_flow_in_files_has_the_frames_shape(tmp_path, field, frames, message) -> None:
    flow = np.zeros((1, field[1], field[0], 2))
    save_fields(tmp_path, Flow(forward=flow, backward=flow))
    clip = Clip(frames=np.zeros((2, frames[1], frames[0], 3), np.uint8)).resize((416, 224))
    if message is None:
        assert compute_flow(clip, FlowFiles(tmp_path)).size == (416, 224)
    else:
        with pytest.raises(InputError, match=message):
            compute_flow(clip, FlowFiles(tmp_path))
