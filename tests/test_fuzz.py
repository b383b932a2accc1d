"""Files of unknown origin, damaged at random: no error but our own, no file outside the target, no unbounded memory.

The last test prints a table of what was tried.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import tree

from ikebook.base.check import InputError
from ikebook.base.files import write_json
from ikebook.base.machine import peak_memory, resident_memory
from ikebook.datasets.download import move_unpacked, unpack
from ikebook.flow import Flow, FlowCache, read_flo, write_flo
from ikebook.networks.cues import read_cue
from ikebook.runs.report.composition import compose
from ikebook.runs.report.run_folders import read_runs
from ikebook.runs.result_folder import entry_path, has_lock, read_entry, read_failures, write_entry
from ikebook.video.clip import Clip
from ikebook.video.images import read_image

EXAMPLES = 150
MOST = 600e6
"""Bytes that the process may grow by while all of this is tried: libraries are loaded, too."""

TRIED: dict[str, Counter[str]] = defaultdict(Counter)


@pytest.fixture(scope="module")
def place():
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module", autouse=True)
def _memory():
    """How much more memory the process held at its worst."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forgets the peak of what ran before
    before = resident_memory()
    yield
    peak = peak_memory()
    assert peak is None or peak - before < MOST, f"it took {(peak - before) / 1e6:.0f} MB more"


def attempt(kind, action) -> object:
    """Do it, and count what came of it: the result, or None where it was refused with our own error, in one line."""
    result = message = None
    try:
        result = action()
    except InputError as error:
        message = str(error)
    assert message is None or len(message.splitlines()) == 1
    TRIED[kind]["accepted" if message is None else "refused"] += 1
    return result


def damaged(whole: bytes):
    """Bytes like `whole`, but changed, cut, or lengthened somewhere."""
    edits = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=8)
    early = st.lists(st.tuples(st.integers(0, min(len(whole) - 1, 80)), st.integers(0, 255)), max_size=4)

    def apply(parts):
        some, first, cut, tail = parts
        content = bytearray(whole)
        for index, value in [*some, *first]:
            content[index] = value
        return bytes(content[:cut]) + tail

    cuts = st.one_of(st.just(len(whole)), st.integers(0, len(whole)))
    return st.tuples(edits, early, cuts, st.binary(max_size=20)).map(apply)


def encoded(suffix, image) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def npy(array, **options) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def header(text) -> bytes:
    """A .npy file whose head is any text, and that holds little."""
    body = text.encode()
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body + bytes(64)


def saved(content) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


class Shell:
    """What a pickle would run."""

    def __reduce__(self):
        return (Path.touch, (Path("/tmp/ikebook-fuzz-was-here"),))


PICTURE = np.random.default_rng(0).integers(0, 255, (7, 9), dtype=np.uint8)
FIELD = np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)
FLO = b"PIEH" + np.array([5, 4], "<i4").tobytes() + FIELD.tobytes()
HOSTILE_SHAPES = [
    "(1000000, 1000000)",
    "(-1, 5)",
    "(4,)",
    "(2**62,)",
    "(4, 4, 4)",
    "('a', 1)",
    "()",
    "[3, 3]",
    "(True, 2)",
]
HOSTILE_TYPES = ["'|O'", "'<f8'", "'<c16'", "'|V8'", "'<U9'", "'>i4'", "'<M8[s]'", "'zz'", "[('a', '<f4')]", "None"]
CLIP = Clip(frames=np.zeros((1, 7, 9, 3), np.uint8))


@settings(max_examples=EXAMPLES)
@given(content=st.one_of(damaged(FLO), st.binary(max_size=40), st.binary(max_size=20).map(lambda tail: b"PIEH" + tail)))
def test_flow_files(place, content) -> None:
    (place / "field.flo").write_bytes(content)
    field = attempt(".flo", lambda: read_flo(place / "field.flo"))
    if field is not None:
        assert 12 + field.nbytes == len(content)
        assert np.isfinite(field).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm", ".pgm"])
@settings(max_examples=40)
@given(data=st.data(), flags=st.sampled_from([cv2.IMREAD_COLOR_RGB, cv2.IMREAD_GRAYSCALE, cv2.IMREAD_UNCHANGED]))
def test_images(place, suffix, data, flags) -> None:
    whole = encoded(suffix, PICTURE if suffix == ".pgm" else np.stack([PICTURE] * 3, axis=2))
    file = place / f"image{suffix}"
    file.write_bytes(data.draw(st.one_of(damaged(whole), st.binary(max_size=40))))
    image = attempt(f"image {suffix}", lambda: read_image(file, flags))
    if image is not None:
        assert image.size > 0


def read_map(place, name, content):
    folder = place / "cue"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / name).write_bytes(content)
    cue = attempt(f"cue {Path(name).suffix}", lambda: read_cue(folder, CLIP))
    if cue is not None:
        assert cue.maps.shape == (1, 7, 9)
        assert np.isfinite(cue.maps).all()


@settings(max_examples=EXAMPLES)
@given(
    content=st.one_of(
        damaged(npy(PICTURE.astype(np.float32))),
        st.builds(
            lambda shape, kind, order: header(f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}}}\n"),
            st.sampled_from(HOSTILE_SHAPES),
            st.sampled_from(HOSTILE_TYPES),
            st.sampled_from(["True", "False", "0", "__import__('os')"]),
        ),
        st.sampled_from([npy(np.array([Shell()]), allow_pickle=True), npy(np.full((7, 9), np.nan)), npy(PICTURE > 9)]),
        st.text(max_size=60).map(header),
    )
)
def test_cues_of_numpy(place, content) -> None:
    read_map(place, "00000.npy", content)
    assert not Path("/tmp/ikebook-fuzz-was-here").exists()


@settings(max_examples=EXAMPLES)
@given(
    content=st.one_of(
        damaged(saved(torch.rand(7, 9))),
        st.sampled_from(
            [
                saved(Shell()),
                pickle.dumps(Shell()),
                saved([torch.rand(7, 9)]),
                saved(torch.rand(7, 9).to_sparse()),
                saved(torch.rand(7, 9, dtype=torch.complex64)),
                saved(torch.zeros(1, 1).expand(1 << 20, 1 << 20)),
                saved({"a": 1}),
            ]
        ),
        st.binary(max_size=40).map(lambda tail: b"PK\x03\x04" + tail),
    )
)
def test_cues_of_torch(place, content) -> None:
    read_map(place, "00000.pt", content)
    assert not Path("/tmp/ikebook-fuzz-was-here").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
OPTIONS = {
    "dataset": "davis2016",
    "flow": "dis",
    "cues": ["a"],
    "cycle": {"cycles": 3, "network": None},
    "sources": [{"role": "flow", "name": "dis", "supervision": "none"}],
}
ENTRY = {
    "frames": 5,
    "J_mean": 0.5,
    "cycles": [{"cycle": 1, "module": "graph", "J_mean": 0.5, "F_mean": None, "change": None, "object_share": 0.1, "seconds": {"a": 1.0}}],
    "refined": {"J_mean": 0.6},
    "seconds": {"flow": 1.5},
    "peak_memory_bytes": 1 << 20,
    "Fbeta_curve": [0.5] * 256,
}  # fmt: skip
RESULTS = {
    "mean": {},
    "sequences": {"a": ENTRY},
    "failed": {"b": {"reason": "r", "kind": "input", "where": ""}},
    "options": OPTIONS,
    "versions": {},
}


def replaced(content, depth=5):
    """`content` with something else in one place of it."""
    if isinstance(content, list) and content and depth:
        return st.one_of(JSON, replaced(content[0], depth - 1).map(lambda value: [value, *content[1:]]))
    if depth == 0 or not isinstance(content, dict) or not content:
        return JSON

    def within(key):
        return replaced(content[key], depth - 1).map(lambda value: content | {key: value})

    gone = st.sampled_from(sorted(content)).map(lambda key: {one: content[one] for one in content if one != key})
    return st.one_of(JSON, gone, st.sampled_from(sorted(content)).flatmap(within))


DEEP = "[" * 100_000


@settings(max_examples=EXAMPLES)
@given(
    content=st.one_of(
        replaced(RESULTS).map(json.dumps).map(str.encode),
        damaged(json.dumps(RESULTS).encode()),
        st.sampled_from(
            [DEEP.encode(), b'{"sequences": ' + DEEP.encode(), b"\xff\xfe{}", b"1e999", b'{"a": 1' + b"0" * 5000 + b"}"]
        ),
    )
)
def test_results(place, content) -> None:
    (place / "results.json").write_bytes(content)
    found = attempt("results.json", lambda: read_failures(place, OPTIONS))
    assert found is None or all(isinstance(one["reason"], str) for one in found.values())
    (place / ".owner.json").write_bytes(content)
    assert not has_lock(place, "token", patience=0)
    blocks = attempt("results.json, report", lambda: list(compose(read_runs([place]), "2026-11-22", frames=False)))
    assert blocks is None or len(blocks) > 5


WHOLE_ENTRY = {"key": "k", "sequence": "a", "entry": ENTRY}


@settings(max_examples=EXAMPLES)
@given(
    content=st.one_of(replaced(WHOLE_ENTRY).map(json.dumps).map(str.encode), damaged(json.dumps(WHOLE_ENTRY).encode()))
)
def test_entries(place, content) -> None:
    entry_path(place, "a").parent.mkdir(exist_ok=True)
    entry_path(place, "a").write_bytes(content)
    found = attempt("sequences/*.json", lambda: read_entry(place, "a", "k"))
    if found is not None:  # then it can be merged
        from ikebook.runs.result_folder import ResultsWriter

        writer = ResultsWriter(place / "merged", OPTIONS, ["a"], lambda entries: {})
        writer.add("a", found)
        (place / "merged").mkdir(exist_ok=True)
        assert writer.write()["sequences"] == {"a": found}


def test_what_is_written_is_read(place) -> None:
    assert write_entry(place, "a", "k", ENTRY) == ENTRY
    assert read_entry(place, "a", "k") == ENTRY
    write_json(place / "results.json", RESULTS)
    assert list(read_failures(place, OPTIONS)) == ["b"]


NAMES = st.one_of(
    st.sampled_from(
        [
            "../out", "a/../../out", "/etc/out", "//out", "\\out", "..\\out", "C:\\out", "C:out", "a/./b", "./a", ".", "..", "a//b",
            "a/", "~/out", "~root", "$HOME/a", "con", "nul.txt", "a\nb", "a" * 300, "b/" * 200 + "c", ".hidden", " ", "a/..", "-rf", "é",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12),
)  # fmt: skip
KINDS = [
    0,
    stat.S_IFREG | 0o644,
    stat.S_IFLNK | 0o777,
    stat.S_IFDIR | 0o755,
    stat.S_IFIFO | 0o644,
    stat.S_IFREG | 0o4777,
    0xFFFF,
]


@settings(max_examples=EXAMPLES)
@given(members=st.lists(st.tuples(NAMES, st.sampled_from(KINDS), st.binary(max_size=20)), max_size=4), data=st.data())
def test_archives(place, members, data) -> None:
    memory = place / "memory"
    shutil.rmtree(memory, ignore_errors=True)
    (memory / "target").mkdir(parents=True)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, kind, content in {name: (name, kind, content) for name, kind, content in members}.values():
            info = zipfile.ZipInfo(name)
            info.external_attr = kind << 16
            archive.writestr(info, content)
    content = data.draw(st.one_of(st.just(stream.getvalue()), damaged(stream.getvalue())))
    (memory / "a.zip").write_bytes(content)
    done = attempt(
        "archive", lambda: unpack(memory / "a.zip", memory / "target", "tag") or move_unpacked(memory / "target", "tag")
    )
    outside = {path for path in tree(memory) if not path.startswith("target/")}
    assert outside == {"a.zip"}
    assert not any(path.is_symlink() for path in memory.rglob("*"))
    if done is None:
        assert tree(memory / "target") == set()
    assert not Path("/etc/out").exists()


@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_flow_caches(place, data) -> None:
    cache = FlowCache(place / "cache")
    cache.save("whole", Flow(forward=FIELD[None], backward=FIELD[None]))
    whole = (place / "cache" / "flow" / "whole.npz").read_bytes()
    (place / "cache" / "flow" / "key.npz").write_bytes(data.draw(damaged(whole)))
    flow = cache.load("key")
    TRIED["flow cache"]["refused" if flow is None else "accepted"] += 1
    assert flow is None or len(flow) == 2


def test_flow_files_that_are_whole_are_read(place) -> None:
    write_flo(place / "whole.flo", FIELD)
    assert (read_flo(place / "whole.flo") == FIELD).all()
    assert (place / "whole.flo").read_bytes() == FLO


def test_guided_by_the_code_that_is_reached(tmp_path) -> None:
    """Two seconds of what tests/experiments/fuzz.py does for as long as it is told to."""
    pytest.importorskip("atheris", reason="atheris is not installed: it has no wheel for this Python or system")
    script = Path(__file__).parent / "experiments" / "fuzz.py"
    command = [sys.executable, script, "--seconds", "2", "--only", "results", "zip"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = [line.split() for line in ran.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == ["results", "zip"]
    for _, tried, new, found in rows:
        assert int(tried) > 20
        assert int(new) > 0
        assert found == "nothing"


def test_a_table_of_what_was_tried(capsys) -> None:
    """Every kind was both taken and refused: what can't fail was no test."""
    if not TRIED:
        pytest.skip("nothing was tried in this run")
    with capsys.disabled():
        print(f"\n{'damaged files':20}{'tried':>8}{'refused':>9}{'accepted':>10}")
        for kind, counts in sorted(TRIED.items()):
            print(f"{kind:20}{counts.total():8}{counts['refused']:9}{counts['accepted']:10}")
    images = Counter[str]()
    for kind in [kind for kind in TRIED if kind.startswith("image ")]:
        images += TRIED[kind]
    for counts in [*(TRIED[kind] for kind in TRIED if not kind.startswith("image ")), images]:
        assert counts["refused"] > 0
        assert counts["accepted"] > 0
