"""What a result rests on: who computed flow and cues, and whether human labels taught them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

UNTRAINED = "none"
SYNTHETIC = "synthetic"
SELF_SUPERVISED = "self-supervised"
LABELS = "labels"
UNKNOWN = "unknown"

SUPERVISION = {
    UNTRAINED: "nothing was trained",
    SYNTHETIC: "trained on synthetic data only: no human label",
    SELF_SUPERVISED: "trained on pictures alone: no human label",
    LABELS: "trained on human labels",
    UNKNOWN: "nobody has said what it was trained on",
}
"""What may have taught a source, and what that means."""

NOTE = "source.json"
"""File beside maps or flow that says who made them: {"name": "3DC-Seg", "supervision": "labels"}."""

LARGEST_NOTE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Source:
    role: str  # "flow", "feature flow" or "cue"
    name: str  # who: "dis", "raft C_T_V2", a folder
    supervision: str  # one of `SUPERVISION`

    def as_dict(self) -> dict[str, str]:
        """As plain values, for a summary."""
        return asdict(self)


def read_note(folder: Path, role: str, name: str) -> Source:
    """The source of the files in `folder`, as its `source.json` says, or those of the folders in it, one for each sequence.

    Unknown where there is none, or none to be trusted. Of several, labels count if they taught one of them, and nothing is
    known if it is not known of one.
    """
    found = _note(folder)
    if found is not None:
        notes = {found}
    else:
        try:
            inner = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
        except OSError:
            inner = []
        notes = {_note(one) or ("", UNKNOWN) for one in inner}
    taught = {supervision for _, supervision in notes} or {UNKNOWN}
    who = ", ".join(sorted({one for one, _ in notes if one}))
    worst = next(one for one in (LABELS, UNKNOWN, SELF_SUPERVISED, SYNTHETIC, UNTRAINED) if one in taught)
    return Source(role=role, name=f"{name} ({who[:100]})" if who else name, supervision=worst)


def _note(folder: Path) -> tuple[str, str] | None:
    """Who made the files right in `folder`, and what taught them."""
    try:
        file = folder / NOTE
        entry = (
            json.loads(file.read_text(encoding="utf-8"))
            if file.is_file() and file.stat().st_size <= LARGEST_NOTE
            else {}
        )
        who, supervision = entry["name"], entry["supervision"]
        if isinstance(who, str) and supervision in SUPERVISION:
            return who, supervision
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def label_trained(sources: Iterable[Source]) -> bool | None:
    """Whether human labels taught any of them; None where that is not known of one, and of no other."""
    taught = {source.supervision for source in sources}
    return True if LABELS in taught else None if UNKNOWN in taught else False


def marks(sources: Iterable[Mapping[str, str]]) -> list[str]:
    """What a reader of a result has to know of its sources, a line each: labels that taught them, or that nobody knows.

    >>> marks([{"role": "cue", "name": "fcn COCO_WITH_VOC_LABELS_V1", "supervision": "labels"}])
    ['label-trained: cue fcn COCO_WITH_VOC_LABELS_V1']
    """
    words = {LABELS: "label-trained", UNKNOWN: "training unknown"}
    return [
        f"{words[one['supervision']]}: {one['role']} {one['name']}" for one in sources if one["supervision"] in words
    ]
