"""The folder that holds a data set's results: who may write to it, what counts as finished, what is made of it::

    OUT/masks/<sequence>/<frame>.png    masks, 0 and 255; with --refine also OUT/refined/<sequence>/<frame>.png
    OUT/sequences/<sequence>.json       what is known of a finished sequence, written when its masks are on the disk
    OUT/results.json                    all of them together, and what failed
    OUT/results.csv, OUT/cycles.csv     the scores as tables
    OUT/.lock, OUT/.owner.json          who writes here now; OUT/.locks: who is at a sequence

`sequences/*.json` are the truth: a sequence that has none is not finished, whatever else there is of it, and the other
files are made anew from them. Each file appears whole or not at all. The lock is the operating system's, so a run that
was killed leaves none behind.

results.json is one object::

    mean          score -> mean over the sequences that have one; {} if none is finished
    mean_refined  the same for refined masks, if all sequences have them
    sequences     name -> entry, in the data set's order
    failed        name -> {"reason": one line, "kind": "input" | "system" | "memory" | "lost" | "bug", "where": ...}, and
                  "traceback" of a bug; the next run tries these again
    options       what all of it was made with; other options need another folder
    versions      of ikebook and what it stands on, on the machine that wrote the file

An entry has `frames`; the scores of the data set's protocol (`ikebook.datasets.protocol.is_score` says which keys they are: `J_mean`,
`J_recall`, `J_decay`, `F_mean`, `F_recall`, `F_decay`, and for DAVSOD `MAE`, `Fbeta_...`), in [0, 1] or null where no frame
is scored; for DAVSOD `Fbeta_curve`, F-beta at 256 thresholds; and, unless the masks came from elsewhere, `eigenvalues`, `eigenvalue_ratio`, `residual`,
`threshold`, `cycles` (one object for each half of a cycle, with scores and seconds), `seconds` (stage -> seconds),
`peak_memory_bytes`, `warnings`, and `refined` (scores). `where` says on which host, processor and device it was made,
and with how many threads. All but `seconds`, `peak_memory_bytes` and `where` is the same in every run with as much memory:
where a clip does not fit into it, `residual` is null, and `warnings` say what was exceeded.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ikebook.base.check import InputError, require
from ikebook.base.files import plain, settle, write_csv, write_json
from ikebook.base.machine import versions
from ikebook.datasets.protocol import CURVE, LEVELS, is_score

Results = dict[str, Any]
"""What `results.json` holds, or an entry of it."""

SEQUENCES, LOCK, OWNER, LOCKS = "sequences", ".lock", ".owner.json", ".locks"
"""Names within the folder."""

LARGEST = 1 << 28
"""Bytes that a results file may have: 100,000 sequences take about as much."""

MERGE_SECONDS = 5.0
"""Seconds between two writings of results.json, at least: with thousands of sequences it is long."""


class DamagedError(InputError):
    """An entry that can't be read."""


class Failed(dict[str, Any]):
    """What went wrong with a sequence, in place of its entry."""


def key_of(options: Results) -> str:
    """A text that differs wherever the options do."""
    return hashlib.blake2b(json.dumps(plain(options), sort_keys=True).encode(), digest_size=16).hexdigest()


@contextmanager
def held(out: Path) -> Iterator[str]:
    """Be the only one who writes results to `out`; gives a text that tells this run from all others.

    Raises
    ------
    InputError
        If another run does.
    """
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        owner = _read(out / OWNER) or {}
        who = (
            f", {owner['host']}'s process {owner['pid']} since {owner['since']}"
            if {"host", "pid"} <= set(owner)
            else ""
        )
        raise InputError(f"another run is writing to {out}{who}; wait for it, or choose another --out.") from None
    try:
        token = uuid.uuid4().hex
        since = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(out / OWNER, {"host": platform.node(), "pid": os.getpid(), "since": since, "token": token})
        yield token
    finally:
        with suppress(OSError):
            (out / OWNER).unlink()
        for file in (out / LOCKS).glob("*.lock"):
            with suppress(OSError, Timeout), FileLock(file, timeout=0):  # not those of workers that are still at it
                file.unlink()
        with suppress(OSError):
            (out / LOCKS).rmdir()
        lock.release()


def is_held(out: Path, token: str, patience: float = 30.0) -> bool:
    """Whether the run with this `token` holds `out`, as seen from here: a shared disk may show it some seconds later."""
    until = time.monotonic() + patience
    while (_read(out / OWNER) or {}).get("token") != token:
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


@contextmanager
def alone(out: Path, sequence: str) -> Iterator[None]:
    """Be the only one who works on a sequence: a cluster may run a task twice, when it takes a slow worker for a dead one."""
    (out / LOCKS).mkdir(parents=True, exist_ok=True)
    name = hashlib.blake2b(sequence.encode(), digest_size=8).hexdigest()
    with FileLock(out / LOCKS / f"{name}.lock", poll_interval=0.5):
        yield


def entry_file(out: Path, sequence: str) -> Path:
    """Where the entry of a sequence lies."""
    return out / SEQUENCES / f"{sequence}.json"


def finish(out: Path, sequence: str, key: str, entry: Results, folders: Sequence[Path] = ()) -> Results:
    """Write a sequence's entry, once what lies in `folders` is on the disk and not just on its way; the entry as read back."""
    for folder in folders:
        settle(folder)
    path = entry_file(out, sequence)
    write_json(path, {"key": key, "sequence": sequence, "entry": entry})
    settle(path.parent, path)
    return dict(plain(entry))


def finished(out: Path, sequence: str, key: str) -> Results | None:
    """The entry of a sequence, or None if it has none.

    Raises
    ------
    DamagedError
        If it can't be read.
    InputError
        If it was made with other options.
    """
    path = entry_file(out, sequence)
    if not path.exists():
        return None
    content = _read(path) or {}
    entry = content.get("entry")
    if not isinstance(content.get("key"), str) or content.get("sequence") != sequence or not _sound(entry):
        raise DamagedError(f"{path} is no file of ikebook, or damaged; remove it, and {sequence} is done again.")
    require(content["key"] == key, f"{path} was made with other options; choose another --out, or remove it.")
    return dict(content["entry"])


def read_results(out: Path) -> Results:
    """What `out/results.json` holds, in the shape that this module's head describes.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    path = out / "results.json"
    content = _read(path) or {}
    sound = all(isinstance(content.get(key), dict) for key in ("mean", "sequences", "failed", "options", "versions"))
    sound = sound and all(map(_sound, content["sequences"].values())) and all(map(_told, content["failed"].values()))
    sound = sound and _scored(content["mean"]) and _scored(content.get("mean_refined", {}))
    require(sound, f"{path} is no results file of ikebook; choose another --out, or remove it.")
    return content


def earlier_failures(out: Path, options: Results) -> dict[str, Failed]:
    """What failed in an earlier run with the same options.

    Raises
    ------
    InputError
        If `results.json` is damaged, or was made with other options.
    """
    path = out / "results.json"
    if not path.exists():
        return {}
    content = read_results(out)
    require(
        content["options"] == plain(options), f"{path} was made with other options; choose another --out, or remove it."
    )
    return {name: Failed(one) for name, one in content["failed"].items()}


class Merged:
    """What is made of the entries: results.json and the tables, written now and then, and at the end.

    Parameters
    ----------
    out : folder of results
    options : of the run
    order : names of all sequences, as the files list them
    mean : of each score over entries, by the data set's protocol
    """

    def __init__(
        self,
        out: Path,
        options: Results,
        order: Sequence[str],
        mean: Callable[[Mapping[str, Results]], dict[str, float | None]],
    ) -> None:
        self.out, self.options, self.order, self.mean = out, plain(options), list(order), mean
        self.entries: dict[str, Results] = {}
        self.failed: dict[str, Failed] = {}
        self._due = 0.0

    def add(self, sequence: str, entry: Results) -> None:
        """One more entry, or failure."""
        if isinstance(entry, Failed):
            self.failed[sequence] = entry
        else:
            self.entries[sequence] = entry
            self.failed.pop(sequence, None)

    def results(self) -> Results:
        """What `results.json` holds."""
        entries = {name: self.entries[name] for name in self.order if name in self.entries}
        results: Results = {"mean": self.mean(entries)}
        if entries and all("refined" in one for one in entries.values()):
            results["mean_refined"] = self.mean({name: one["refined"] for name, one in entries.items()})
        failed = {name: dict(self.failed[name]) for name in self.order if name in self.failed}
        return results | {"sequences": entries, "failed": failed, "options": self.options, "versions": versions()}

    def write(self) -> Results:
        """Write the files; what results.json holds."""
        results = self.results()
        write_json(self.out / "results.json", results)
        entries = results["sequences"]
        if entries:
            write_csv(self.out / "results.csv", [{"sequence": name} | scores(one) for name, one in entries.items()])
        halves = [{"sequence": name} | _half(half) for name, one in entries.items() for half in one.get("cycles", [])]
        if halves:
            write_csv(self.out / "cycles.csv", halves)
        return results

    def try_to_write(self) -> None:
        """The same, where a disk that is full or away is no error: the entries are safe, and the next time may do."""
        begin = time.monotonic()
        with suppress(OSError, InputError):
            if self.entries or self.failed:
                self.write()
        self._due = time.monotonic() + max(MERGE_SECONDS, 20 * (time.monotonic() - begin))

    def write_now_and_then(self) -> None:
        """The same, unless the last time was a moment ago."""
        if time.monotonic() >= self._due:
            self.try_to_write()


def scores(entry: Results) -> dict[str, float | None]:
    """The scores of an entry."""
    return {key: value for key, value in entry.items() if is_score(key)}


HALF = {"cycle", "module", "J_mean", "F_mean", "change", "object_share", "seconds"}
"""What each half of a cycle has, at least."""


def _half(half: Results) -> dict[str, Any]:
    return {key: half[key] for key in half if key in HALF} | {"seconds": sum(half["seconds"].values())}


def _sound(entry: Any) -> bool:
    """Whether an entry, and all that is scored and timed within it, has numbers, or nothing, where numbers belong."""
    if not isinstance(entry, dict) or not isinstance(entry.get("frames"), int):
        return False
    halves = entry.get("cycles", [])
    if not isinstance(halves, list) or not all(isinstance(half, dict) and set(half) >= HALF for half in halves):
        return False
    if not all(isinstance(half["cycle"], int) and half["module"] in ("graph", "network") for half in halves):
        return False
    if not _is_number(entry.get("peak_memory_bytes")) or not isinstance(entry.get("where", {}), dict):
        return False
    timed = [half["seconds"] for half in halves] + [entry.get("seconds", {})]
    if not all(isinstance(one, dict) and all(_is_number(value, none=False) for value in one.values()) for one in timed):
        return False
    curve = entry.get(CURVE)
    if curve is not None and not (isinstance(curve, list) and len(curve) == LEVELS):
        return False
    if curve is not None and not all(_is_number(value, none=False) for value in curve):
        return False
    return all(map(_scored, [entry, *halves, *([entry["refined"]] if "refined" in entry else [])]))


def _scored(entry: Any) -> bool:
    return isinstance(entry, dict) and all(map(_is_number, scores(entry).values()))


def _is_number(value: Any, none: bool = True) -> bool:
    return (none and value is None) or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _told(failure: Any) -> bool:
    return isinstance(failure, dict) and all(isinstance(failure.get(key), str) for key in ("reason", "kind"))


def _read(path: Path) -> Results | None:
    """A JSON object, or None where there is none that can be read."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
