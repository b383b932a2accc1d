"""Whether the files that a sequence was made from are still the same: frames, annotations, and folders of flow, cues or masks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from ikebook.datasets.registry import Dataset
from ikebook.flow import is_provider
from ikebook.networks.pretrained import is_network
from ikebook.runs.options import RunOptions
from ikebook.video.images import files_fingerprint


class Inputs(TypedDict):
    """What `sequences/<sequence>.json` says of the files that its entry was made from.

    Parameters
    ----------
    stamps : str
        Of names, sizes and times: as long as they are the same, nothing has to be read.
    contents : str
        Of names and contents.
    """

    stamps: str
    contents: str


def input_files(dataset: Dataset, name: str, options: RunOptions | None, masks: Path | None) -> list[Path]:
    """The files that a sequence's entry is made from; of a data set that does not list its own, only the others."""
    files: list[Path] = list(getattr(dataset, "files", lambda _: ())(name))
    folders = [masks] if masks is not None else []
    if options is not None:
        flows = [one for one in (options.flow, options.feature_flow) if one is not None and not is_provider(one)]
        folders += [Path(one) for one in (*flows, *(cue for cue in options.cues if not is_network(cue)))]
    for folder in folders:
        files += sorted(file for file in (folder / name).rglob("*") if file.is_file())
    return files


def look(files: Sequence[Path]) -> Inputs:
    """What is to be remembered of some files."""
    return Inputs(stamps=stamps(files), contents=_contents(files))


def same(files: Sequence[Path], known: Inputs) -> bool:
    """Whether files are those that were looked at."""
    return stamps(files) == known["stamps"] or _contents(files) == known["contents"]


def stamps(files: Sequence[Path]) -> str:
    """A text that changes with the names, sizes and times of files."""
    stats = [(str(file), file.stat()) for file in files]
    return _hash(*(f"{name} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}" for name, stat in stats))


def _contents(files: Sequence[Path]) -> str:
    return _hash(*(file.name for file in files), files_fingerprint(files))


def _hash(*texts: str) -> str:
    return hashlib.blake2b("\n".join(texts).encode(errors="surrogateescape"), digest_size=16).hexdigest()
