"""Weights of networks that others have trained: fetched once, compared with their hash, and read without running code."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ikebook.base.cache import default_folder
from ikebook.base.check import InputError, require
from ikebook.base.download import download
from ikebook.base.places import user_path
from ikebook.base.provenance import Source, read_note
from ikebook.base.torch_files import load_tensors

LARGEST = 2 << 30
"""Most bytes of weights that are read."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """Weights that can be had from an address.

    Their file's name ends in the first eight digits of its SHA-256, as is the custom of PyTorch's hub.
    """

    name: str
    url: str
    supervision: str  # one of `ikebook.base.provenance.SUPERVISION`

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def digits(self) -> str:
        """The first digits of the file's SHA-256."""
        return Path(self.file_name).stem.rpartition("-")[2]


@dataclass(frozen=True, kw_only=True)
class Known:
    """Weights without an address of their own, known by the SHA-256 of their file."""

    name: str
    sha256: str
    supervision: str  # one of `ikebook.base.provenance.SUPERVISION`


def local(text: str, catalogue: Mapping[str, Published]) -> Path | None:
    """The file that `text` names, or None where it is the name of published weights.

    Raises
    ------
    InputError
        If it is neither.
    """
    if text in catalogue:
        return None
    file = user_path(text)
    names = f"one of {', '.join(catalogue)}, or " if catalogue else ""
    require(file.is_file(), f"weights are {text!r}; expected {names}a file that you have fetched.")
    return file


def origin(
    text: str, catalogue: Mapping[str, Published], role: str, network: str, known: Sequence[Known] = ()
) -> Source:
    """Where weights come from: a file is known by its hash, or else by the `source.json` beside it.

    `known` are weights beyond the catalogue, which can't be fetched by a name.
    The name has a file's first digits of SHA-256: results of other weights of that name are no results of the same run.
    """
    file = local(text, catalogue)
    if file is None:
        return Source(role=role, name=f"{network} {text}", supervision=catalogue[text].supervision)
    digest = sha256(file)
    for one in catalogue.values():
        if digest.startswith(one.digits):
            return Source(role=role, name=f"{network} {one.name}", supervision=one.supervision)
    for other in known:
        if digest == other.sha256:
            return Source(role=role, name=f"{network} {other.name}", supervision=other.supervision)
    return read_note(file.parent, role, f"{network} {file.name} {digest[:8]}")


def fingerprint(text: str, catalogue: Mapping[str, Published]) -> str:
    """A text that changes when the weights do: their name, or a file's hash."""
    file = local(text, catalogue)
    return text if file is None else sha256(file)


def sha256(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{file} can't be read ({error.strerror}).") from None


def find(text: str, catalogue: Mapping[str, Published], option: str) -> Path:
    """The file with the weights that `text` names, fetched if it is not there yet.

    Parameters
    ----------
    text : a name in `catalogue`, or a file
    catalogue : weights that can be fetched, by name
    option : how the file is given on the command line, for messages: "--flow raft"

    Raises
    ------
    InputError
        If they can't be had, or what came has another hash.
    """
    file = local(text, catalogue)
    return fetch(catalogue[text], option) if file is None else file


def fetch(weights: Published, option: str) -> Path:
    """Published weights in the cache's folder `weights`: from there, or from their address, with progress on a terminal."""
    from filelock import FileLock  # only whoever fetches needs it

    file = default_folder() / "weights" / weights.file_name
    mend = f"fetch it elsewhere and name the file, as in {option}:{weights.file_name}"
    if file.is_file() and sha256(file).startswith(weights.digits):
        return file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{file.parent} can't be made ({error.strerror}); set IKEBOOK_CACHE to another folder."
        ) from None
    with FileLock(file.with_name(f".{file.name}.lock")):  # several workers may want them at once
        if not (file.is_file() and sha256(file).startswith(weights.digits)):
            _download(weights, file, mend)
    return file


def _download(weights: Published, file: Path, mend: str) -> None:
    from tqdm import tqdm

    part = file.with_name(f"{file.name}.part")
    unseen = True if sys.stderr is None else None  # None: where it is no terminal
    with tqdm(desc=weights.file_name, unit="B", unit_scale=True, file=sys.stderr, leave=False, disable=unseen) as bar:

        def show(there: int, total: int) -> None:
            bar.total = total or None
            bar.update(there - bar.n)

        download(weights.url, part, show, mend)
    found = sha256(part)
    if not found.startswith(weights.digits):
        part.unlink()
        raise InputError(
            f"{weights.url} gave a file whose sha256 begins with {found[:8]}, not {weights.digits}; it was removed. "
            f"Try again, or {mend}."
        )
    part.replace(file)


def load(network: nn.Module, file: Path, rename: Callable[[str], str] | None = None) -> None:
    """Give a network the weights in a file, all of them, without running anything that the file holds.

    Parameters
    ----------
    network : whose names and shapes they have to fit
    file : of `torch.save`, with tensors by name, or with such a dictionary under "state_dict" or "model"; or `.safetensors`
    rename : gives the network's name of a tensor for the file's, where they may differ

    Raises
    ------
    InputError
        If the file can't be read safely, is too large, or its tensors don't fit.
    """
    state = _read(file)
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    named = isinstance(state, dict) and all(isinstance(name, str) and _plain(value) for name, value in state.items())
    require(
        named, f"{file} holds no weights: expected tensors by name, as torch.save(network.state_dict(), file) writes."
    )
    if rename is not None:
        renamed = {rename(name): value for name, value in state.items()}
        require(len(renamed) == len(state), f"{file} holds the weights of a network more than once, by several names.")
        state = renamed
    own = network.state_dict()
    missing = [name for name in own if name not in state]
    surplus = [name for name in state if name not in own]
    other = [name for name in own if name in state and state[name].shape != own[name].shape]
    first = next(iter([*missing, *surplus, *other]), "")
    require(
        not first,
        f"{file} holds the weights of another network than {type(network).__name__}: {len(missing)} tensors are missing, "
        f"{len(surplus)} too many, {len(other)} of another shape; {first!r} is the first.",
    )
    for name, value in state.items():
        require(
            not value.is_floating_point() or bool(value.isfinite().all()), f"{file}: {name} has NaN or infinite values."
        )
    network.load_state_dict(state)


def _plain(value: Any) -> bool:
    """Whether a value is a tensor of real numbers, with all of them there: neither sparse nor quantized nor a mere shape."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not (value.is_quantized or value.is_complex())
    )


def _read(file: Path) -> Any:
    if file.suffix.lower() != ".safetensors":
        return load_tensors(file, LARGEST, "Fetch it again; expected weights as torch.save writes them.", old=True)
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise InputError(f"{file} needs safetensors, which is not there: pip install 'ikebook[cues]'.") from None
    try:
        size = file.stat().st_size
        require(
            size <= LARGEST, f"{file} has {size / 1e9:.1f} GB, more than the {LARGEST / 1e9:.1f} GB that may be read."
        )
        return load_file(file)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  # a class of its own, written in Rust, beside those of files
        raise InputError(f"{file} is no safetensors file, or damaged ({error}). Fetch it again.") from None


def torchvision_models() -> Any:
    """The module `torchvision.models`, an extra, which has to fit the PyTorch that is there.

    Raises
    ------
    InputError
        If torchvision is not there, or was built for another PyTorch.
    """
    try:
        import torchvision.models
    except ImportError as error:
        raise InputError(
            f"RAFT, FCN and DeepLab need torchvision, which can't be imported ({error}): pip install 'ikebook[raft]'. "
            "RAFT-small (--flow raft-small) needs none."
        ) from None
    except RuntimeError as error:  # its operators were compiled for another PyTorch
        raise InputError(
            f"torchvision does not fit this PyTorch ({error}); install both from one place, with the command that "
            "pytorch.org/get-started shows. RAFT-small (--flow raft-small) needs none."
        ) from None
    return torchvision.models
