"""Optical flow of a clip, or of all clips of a data set, by any of ptlflow's networks: FlowNet2, SEA-RAFT and many more.

ptlflow needs an older OpenCV than ikebook, so this file runs in an environment of its own, where ikebook is not. It needs
ptlflow, numpy and OpenCV, and nothing else:

    python3 -m venv ptlflow-env
    ptlflow-env/bin/pip install ptlflow
    ptlflow-env/bin/python ikebook/flow/scripts/flow_with_ptlflow.py FRAMES --model flownet2 --checkpoint things --out FLOW
    ikebook segment FRAMES --flow FLOW --out result

FRAMES is a folder of images, or a folder of such folders, as JPEGImages/480p is: then FLOW/<sequence>/ is written for each,
which is what `ikebook evaluate ... --flow FLOW` reads. Of m frames it writes FLOW/forward/00000.flo, from frame 0 to 1, and
FLOW/backward/00000.flo, from frame 1 to 0, up to m-2, in Middlebury's format, and FLOW/source.json: the network, its
checkpoint and what taught it, which ikebook then tells with every result. Stopped and started again, it goes on
where it was; with other options, or other frames, it begins anew.

Checkpoints are ptlflow's names, such as "things" (FlyingChairs and FlyingThings3D: synthetic data only, as in the paper),
or a file. Those fine-tuned on KITTI, Sintel's mixture, Spring and the like count as label-trained; of networks whose
encoders may have learned ImageNet's labels, SEA-RAFT among them, nothing is known unless --supervision says it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}

SYNTHETIC = {"chairs", "things", "chairs_things", "tartan", "autoflow", "synthetic"}
"""Checkpoints whose flow was learned from rendered pictures only."""

FROM_SCRATCH = ("raft", "raft_small", "gma", "flownet", "pwcnet", "liteflownet", "irr_", "csflow", "fastflownet")
"""How the names of networks begin whose encoders begin with random weights, too. Others, such as SEA-RAFT and FlowFormer,
begin with encoders that have learned the labels of ImageNet, or nobody has looked."""


class UsageError(Exception):
    """Something that can't be used as it is; the message says what."""


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that counts, like ikebook's: frame2 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name.lower()) if part]


def images(folder: Path) -> list[Path]:
    """The images in a folder, in the order that ikebook reads them."""
    files = [f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and f.name[0] != "." and f.is_file()]
    return sorted(files, key=lambda file: natural(file.name))


def clips(frames: Path, out: Path, only: list[str] | None) -> list[tuple[list[Path], Path]]:
    """The images of each clip, and where its flow goes."""
    if not frames.is_dir():
        raise UsageError(f"{frames} is no folder; expected images, or folders of images.")
    if files := images(frames):
        if only:
            raise UsageError(f"--sequences: {frames} holds images, and so is one clip.")
        return [(files, out)]
    names = sorted(entry.name for entry in frames.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    for name in only or []:
        if name not in names:
            raise UsageError(f"{frames} has no folder {name!r}; there are {', '.join(names)}.")
    found = [(images(frames / name), out / name) for name in only or names]
    found = [(files, place) for files, place in found if len(files) > 1]
    if not found:
        raise UsageError(f"{frames} holds neither images nor folders with two or more of them.")
    return found


def read(file: Path, max_height: int) -> np.ndarray:
    """A frame (h, w, 3) uint8, blue first, as ptlflow takes it."""
    image = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise UsageError(f"{file} is no image that OpenCV can read.")
    h, w = image.shape[:2]
    if h > max_height:
        image = cv2.resize(image, (round(w * max_height / h), max_height), interpolation=cv2.INTER_AREA)
    return np.asarray(image)


def replace(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def flo(field: np.ndarray) -> bytes:
    """A field (h, w, 2), (dx, dy) in pixels, as Middlebury's `.flo`: PIEH, width, height, and rows of float32."""
    h, w = field.shape[:2]
    return b"PIEH" + np.array([w, h], "<i4").tobytes() + np.ascontiguousarray(field, "<f4").tobytes()


def whole(path: Path, size: tuple[int, int]) -> bool:
    """Whether a `.flo` file of a field of this width and height is there."""
    w, h = size
    return path.is_file() and path.stat().st_size == 12 + 8 * w * h


class Network:
    """One of ptlflow's networks, from pairs of frames to fields."""

    def __init__(self, options: argparse.Namespace) -> None:
        import ptlflow
        import torch
        from ptlflow.utils.io_adapter import IOAdapter

        self.torch, self.adapter, self.half = torch, IOAdapter, options.half
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if options.device != "auto":
            self.device = torch.device(options.device)
        torch.manual_seed(0)  # only random weights depend on it
        self.model = ptlflow.get_model(options.model, ckpt_path=options.checkpoint)
        self.model = self.model.to(self.device).eval()

    def flow(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """From the first frame to the second, (h, w, 2) float32."""
        torch, size = self.torch, first.shape[:2]
        adapter = self.adapter(self.model.output_stride, size, cuda=False)
        inputs = adapter.prepare_inputs([first, second])
        inputs = {
            name: value.to(self.device) if isinstance(value, torch.Tensor) else value for name, value in inputs.items()
        }
        kind = torch.float16 if self.device.type == "cuda" else torch.bfloat16
        half = torch.autocast(self.device.type, kind) if self.half else nullcontext()
        with torch.inference_mode(), half:
            found = self.model(inputs)["flows"]  # (1, 1, 2, h, w)
        field = found[0, 0].float().permute(1, 2, 0).cpu().numpy()
        if field.shape != (*size, 2):
            raise UsageError(f"the network gave a field of shape {field.shape}; expected {(*size, 2)}.")
        if not np.isfinite(field).all():
            raise UsageError(
                "the network gave values that are NaN or infinite; leave --half away, or take another one."
            )
        return np.asarray(field)


def note(options: argparse.Namespace, files: list[Path]) -> dict[str, Any]:
    """What `source.json` says: who made the flow, what taught them, and of which frames, to know whether to go on."""
    checkpoint = options.checkpoint or "random weights"
    trained = "labels"
    if options.checkpoint is None:
        trained = "none"
    elif Path(options.checkpoint).is_file():
        trained, checkpoint = "unknown", Path(options.checkpoint).name
    elif checkpoint in SYNTHETIC:
        alone = options.model in FROM_SCRATCH or options.model.startswith(FROM_SCRATCH[3:])
        trained = "synthetic" if alone else "unknown"
    digest = hashlib.sha256()
    own = [Path(options.checkpoint)] if options.checkpoint and Path(options.checkpoint).is_file() else []
    for file in [*files, *own]:
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return {
        "name": f"ptlflow {options.model} {checkpoint}",
        "supervision": options.supervision or trained,
        "max_height": options.max_height,
        "half": options.half,
        "frames": len(files),
        "fingerprint": digest.hexdigest()[:32],
    }


def known(place: Path) -> Any:
    """What an earlier run has noted there, if anything that can be read."""
    try:
        return json.loads((place / "source.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def write_clip(network: Network, files: list[Path], place: Path, options: argparse.Namespace) -> Iterator[None]:
    """Write the flow of one clip; yields after each pair."""
    described = note(options, files)
    if known(place) != described:  # of other options: nothing of it may stay between ours
        for old in [*place.glob("forward/*.flo"), *place.glob("backward/*.flo")]:
            old.unlink()
        replace(place / "source.json", json.dumps(described, indent=2).encode())
    first: np.ndarray | None = None
    for index, (one, two) in enumerate(zip(files, files[1:])):  # noqa: B905, RUF007  # older Pythons run this file, too
        first = read(one, options.max_height) if first is None else first
        second = read(two, options.max_height)
        if first.shape != second.shape:
            raise UsageError(f"{two} has another size than {one.name}; all frames of a clip must have one.")
        size = (first.shape[1], first.shape[0])
        for direction, pair in (("forward", (first, second)), ("backward", (second, first))):
            path = place / direction / f"{index:05d}.flo"
            if not whole(path, size):
                replace(path, flo(network.flow(*pair)))
        first = second
        yield


def main(arguments: list[str] | None = None) -> int:
    """Run, and return the exit code: 0, 2 for a wrong input, 130 when stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=Path, metavar="FRAMES", help="a folder of images, or of such folders")
    parser.add_argument("--out", type=Path, required=True, metavar="FLOW", help="folder for the fields")
    parser.add_argument("--model", required=True, metavar="NAME", help="such as flownet2, raft or sea_raft_m")
    parser.add_argument("--checkpoint", metavar="NAME|FILE", help="such as things; random weights if not given")
    parser.add_argument("--supervision", choices=["none", "synthetic", "self-supervised", "labels", "unknown"],
                        help="what taught a checkpoint, where its name does not say it")  # fmt: skip
    parser.add_argument("--sequences", metavar="A,B", help="only these folders")
    parser.add_argument("--max-height", type=int, default=480, metavar="N", help="reduce taller frames (default: 480)")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    parser.add_argument("--half", action="store_true", help="half precision")
    options = parser.parse_args(arguments)
    try:
        names = [name.strip() for name in options.sequences.split(",")] if options.sequences else None
        found = clips(options.frames, options.out, names)
        print(f"{options.model}: loading {options.checkpoint or 'random weights'}", file=sys.stderr)
        network = Network(options)
        for files, place in found:
            for done, _ in enumerate(write_clip(network, files, place, options), 1):
                print(f"\r{place}: {done} of {len(files) - 1} pairs", end="", file=sys.stderr)
            print(file=sys.stderr)
    except KeyboardInterrupt:
        print("\nstopped; what was finished is kept.", file=sys.stderr)
        return 130
    except (
        UsageError,
        OSError,
        ValueError,
        ImportError,
        RuntimeError,
    ) as error:  # of ptlflow and PyTorch: no such network,
        # checkpoint, package, device
        print(f"{type(error).__name__.replace('UsageError', 'flow_with_ptlflow')}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
