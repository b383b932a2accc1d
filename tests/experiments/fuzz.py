"""Look for input that breaks a reader, guided by the code that it reaches (https://github.com/google/atheris).

    python tests/experiments/fuzz.py [--seconds 60] [--only flo npy ...]

Each target runs in a process of its own, which begins with a whole file and changes it wherever that reaches code that was not
reached before. Allowed are a result and `InputError`; anything else, a signal, or more than 2 GB of memory is a find: the
input is kept in `fuzz-finds/`, and the exit code is 1. `tests/test_fuzz.py` tries less, but at random, on every machine.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

FINDS = Path("fuzz-finds")
MEGABYTES = 2048


def main() -> int:
    """Run the targets, one after the other, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--only", nargs="+", choices=sorted(SEEDS), default=sorted(SEEDS))
    parser.add_argument("--target", choices=sorted(SEEDS), help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.target:
        return campaign(options.target, options.rest)
    failed = 0
    print(f"{'target':10}{'inputs':>10}{'new paths':>11}  found")
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            corpus = Path(folder) / "corpus"
            corpus.mkdir()
            (corpus / "whole").write_bytes(SEEDS[name]())
            FINDS.mkdir(exist_ok=True)
            flags = [f"-max_total_time={options.seconds}", f"-rss_limit_mb={MEGABYTES}", "-max_len=4096", "-seed=1"]
            flags += [f"-artifact_prefix={FINDS}/{name}-", "-print_final_stats=1", str(corpus)]
            command = [sys.executable, __file__, "--target", name, "--", *flags]
            ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
            tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", ran.stderr)
            found = "nothing" if ran.returncode == 0 else f"exit code {ran.returncode}, see {FINDS}/{name}-*"
            print(f"{name:10}{tried[1] if tried else '-':>10}{len(list(corpus.iterdir())) - 1:11}  {found}", flush=True)
            if ran.returncode != 0:
                failed = 1
                print("\n".join(ran.stderr.splitlines()[-30:]), file=sys.stderr)
    if not any(FINDS.iterdir()):
        FINDS.rmdir()
    return failed


def campaign(name: str, flags: list[str]) -> int:
    """Try inputs on one target, until the time is over or something is found."""
    import atheris

    with atheris.instrument_imports(include=["ikebook"]):
        from ikebook.base.check import InputError
        from ikebook.datasets.download import unpack
        from ikebook.flow import read_flo
        from ikebook.networks.cues import read_cue
        from ikebook.runs.report.composition import compose
        from ikebook.runs.report.run_folders import read_runs
        from ikebook.runs.result_folder import read_entry
    import numpy as np

    from ikebook.video.clip import Clip
    from ikebook.video.images import read_image

    folder = Path(tempfile.mkdtemp())
    clip = Clip(frames=np.zeros((1, 7, 9, 3), np.uint8))

    def cue(suffix: str) -> Callable[[bytes], object]:
        (folder / "cue").mkdir()
        return lambda data: (put("cue/00000" + suffix, data), read_cue(folder / "cue", clip))

    def put(name: str, data: bytes) -> Path:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    def archive(data: bytes) -> None:
        inner = folder / "archive"
        inner.mkdir(exist_ok=True)
        try:
            unpack(put("a.zip", data), inner, "tag")
        finally:
            assert sorted(path.name for path in folder.iterdir()) == ["a.zip", "archive"], "a file outside the target"
            for path in sorted(inner.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    def results(data: bytes) -> None:
        put("results.json", data)
        list(compose(read_runs([folder]), "2026-11-23", frames=False))

    read = {
        "flo": lambda data: read_flo(put("a.flo", data)),
        "png": lambda data: read_image(put("a.png", data), 0),
        "npy": cue(".npy") if name == "npy" else None,
        "pt": cue(".pt") if name == "pt" else None,
        "results": results,
        "entry": lambda data: (put("sequences/a.json", data), read_entry(folder, "a", "k")),
        "zip": archive,
    }[name]

    def once(data: bytes) -> None:
        said = ""
        try:
            read(data)
        except InputError as error:
            said = str(error)
        assert len(said.splitlines()) <= 1, "an error of several lines"

    atheris.Setup([sys.argv[0], *flags], once)
    atheris.Fuzz()
    return 0


def _flo() -> bytes:
    import numpy as np

    return b"PIEH" + np.array([5, 4], "<i4").tobytes() + np.zeros((4, 5, 2), "<f4").tobytes()


def _png() -> bytes:
    import cv2
    import numpy as np

    return cv2.imencode(".png", np.arange(63, dtype=np.uint8).reshape(7, 9))[1].tobytes()


def _npy() -> bytes:
    import numpy as np

    stream = io.BytesIO()
    np.save(stream, np.zeros((7, 9), np.float32))
    return stream.getvalue()


def _pt() -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save(torch.zeros(7, 9), stream)
    return stream.getvalue()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a/b.txt", b"x" * 20)
    return stream.getvalue()


HALF = {
    "cycle": 1, "module": "graph", "J_mean": 0.5, "F_mean": None, "change": None, "object_share": 0.1, "seconds": {"a": 1.0}
}  # fmt: skip
ENTRY = {
    "frames": 5,
    "J_mean": 0.5,
    "F_mean": 0.5,
    "cycles": [HALF, HALF | {"module": "network"}],
    "seconds": {"a": 1.0},
}
RESULTS = {
    "mean": {"J_mean": 0.5, "F_mean": 0.5},
    "sequences": {"a": ENTRY},
    "failed": {"b": {"reason": "r", "kind": "input", "where": ""}},
    "options": {
        "dataset": "davis2016",
        "flow": "dis",
        "cues": [],
        "cycle": {"cycles": 2, "network": None},
        "sources": [{"role": "flow", "name": "dis", "supervision": "none"}],
    },
    "versions": {},
}

SEEDS: dict[str, Callable[[], bytes]] = {
    "flo": _flo,
    "png": _png,
    "npy": _npy,
    "pt": _pt,
    "zip": _zip,
    "results": lambda: json.dumps(RESULTS).encode(),
    "entry": lambda: json.dumps({"key": "k", "sequence": "a", "entry": ENTRY}).encode(),
}
"""A whole file for each target."""


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
