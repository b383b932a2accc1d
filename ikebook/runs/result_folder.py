"""The folder that holds a data set's results: who may write to it, what counts as finished, what is made of it::

    OUT/masks/<sequence>/<frame>.png    masks, 0 and 255; with --refine also OUT/refined/<sequence>/<frame>.png
    OUT/sequences/<sequence>.json       what is known of a finished sequence, written when its masks are on the disk
    OUT/results.json                    all of them together, and what failed
    OUT/results.csv, OUT/cycles.csv     the scores as tables
    OUT/.lock, OUT/.owner.json          who writes here now; OUT/.locks: who is at a sequence
    OUT/.ikebook/files*.jsonl           names and hashes of all that was written: nothing else is replaced or removed

`sequences/*.json` are the truth: a sequence that has none is not finished, whatever else there is of it, and the other
files are made anew from them. Each file appears whole or not at all. The lock is the operating system's, so a run that
was killed leaves none behind. What the files hold, `ikebook.runs.results` says.
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
from typing import Any, TypedDict

from filelock import FileLock, Timeout

from ikebook.base.check import InputError, require
from ikebook.base.files import fsync_folder, plain, write_csv, write_json
from ikebook.base.machine import versions
from ikebook.base.written import WrittenFiles
from ikebook.datasets.protocol import Scores, scores_of
from ikebook.runs.inputs import Inputs, same
from ikebook.runs.json_types import read_json
from ikebook.runs.results import Entry, Failure, Results, SequenceFile, read_results

SEQUENCES, LOCK, OWNER, LOCKS = "sequences", ".lock", ".owner.json", ".locks"
"""Names within the folder."""

WRITE_SECONDS = 5.0
"""Seconds between two writings of results.json, at least: with thousands of sequences it is long."""


class DamagedError(InputError):
    """An entry that can't be read."""


class Owner(TypedDict):
    """What `.owner.json` says of the run that writes to a folder."""

    host: str
    pid: int
    since: str
    token: str


def options_hash(options: Mapping[str, Any]) -> str:
    """A text that differs wherever the options do."""
    return hashlib.blake2b(json.dumps(plain(options), sort_keys=True).encode(), digest_size=16).hexdigest()


@contextmanager
def lock_folder(out: Path) -> Iterator[str]:
    """Be the only run that writes results to `out`; gives a token that tells this run from all others.

    A folder that is made for it goes again, where the run leaves nothing in it.

    Raises
    ------
    InputError
        If another run does, or there can be no such folder.
    """
    new = [place for place in (out, *out.parents) if not place.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} can't be written ({error.strerror}); choose another place.") from None
    lock = FileLock(out / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        owner = read_json(out / OWNER, Owner)
        who = "" if owner is None else f", {owner['host']}'s process {owner['pid']} since {owner['since']}"
        raise InputError(f"another run is writing to {out}{who}; wait for it, or choose another --out.") from None
    try:
        token = uuid.uuid4().hex
        since = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(out / OWNER, Owner(host=platform.node(), pid=os.getpid(), since=since, token=token))
        yield token
    finally:
        try:
            with suppress(OSError):
                (out / OWNER).unlink()
            for file in (out / LOCKS).glob("*.lock"):
                with suppress(OSError, Timeout), FileLock(file, timeout=0):  # not those of workers that are still at it
                    file.unlink()
            with suppress(OSError):
                (out / LOCKS).rmdir()
        finally:  # even if somebody stops this too
            lock.release()
        if new and [file.name for file in out.iterdir()] == [LOCK]:
            with suppress(OSError):
                (out / LOCK).unlink()
                for place in new:
                    place.rmdir()


def has_lock(out: Path, token: str, patience: float = 30.0) -> bool:
    """Whether the run with this token has locked `out`, as seen from here: a shared disk may show it some seconds later."""
    until = time.monotonic() + patience
    while (owner := read_json(out / OWNER, Owner)) is None or owner["token"] != token:
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


@contextmanager
def lock_sequence(out: Path, sequence: str) -> Iterator[None]:
    """Be the only one who works on a sequence: a cluster may run a task twice, when it takes a slow worker for a dead one."""
    (out / LOCKS).mkdir(parents=True, exist_ok=True)
    name = hashlib.blake2b(sequence.encode(errors="surrogatepass"), digest_size=8).hexdigest()
    with FileLock(out / LOCKS / f"{name}.lock").acquire(poll_interval=0.5):
        yield


def entry_path(out: Path, sequence: str) -> Path:
    """Where the entry of a sequence lies."""
    return out / SEQUENCES / f"{sequence}.json"


def write_entry(
    out: Path, sequence: str, key: str, entry: Entry, folders: Sequence[Path] = (), inputs: Inputs | None = None
) -> Entry:
    """Write a sequence's entry, once what lies in `folders` is on the disk and not just on its way; gives it as it is read."""
    for folder in folders:
        fsync_folder(folder)
    path = entry_path(out, sequence)
    content = SequenceFile(key=key, sequence=sequence, entry=entry)
    if inputs is not None:
        content["inputs"] = inputs
    write_json(path, content)
    fsync_folder(path.parent, path)
    written = WrittenFiles(out, sequence).list
    if written.exists():
        fsync_folder(written.parent, written)
    read: Entry = plain(entry)
    return read


def read_entry(out: Path, sequence: str, key: str) -> Entry | None:
    """The entry of a sequence, or None if it has none.

    Raises
    ------
    DamagedError
        If it can't be read.
    InputError
        If it was made with other options.
    """
    path = entry_path(out, sequence)
    if not path.exists():
        return None
    content = read_json(path, SequenceFile)
    if content is None or content["sequence"] != sequence:
        raise DamagedError(f"{path} is no file of ikebook, or damaged; remove it, and {sequence} is done again.")
    require(content["key"] == key, f"{path} was made with other options; choose another --out, or remove it.")
    return content["entry"]


def is_current(out: Path, sequence: str, files: Sequence[Path]) -> bool:
    """Whether a sequence's entry is still right: what it was made from is the same, and what was written then is there."""
    content = read_json(entry_path(out, sequence), SequenceFile)
    if content is None or "inputs" not in content:
        return False
    return same(files, content["inputs"]) and WrittenFiles(out, sequence).intact()


def read_failures(out: Path, options: Mapping[str, Any]) -> dict[str, Failure]:
    """What failed in an earlier run with the same options.

    Raises
    ------
    InputError
        If `results.json` is none of ikebook's, or was made with other options.
    """
    path = out / "results.json"
    if not path.exists() or (read_json(path, Results) is None and WrittenFiles(out).vouches(path)):
        return {}  # of one that was cut short all is in the entries, but for failures, which are tried again anyway
    results = read_results(out)
    require(
        results["options"] == plain(options), f"{path} was made with other options; choose another --out, or remove it."
    )
    return results["failed"]


class ResultsWriter:
    """Makes results.json and its tables of the entries, now and then while they come, and at the end.

    Parameters
    ----------
    out : Path
        Folder of results.
    options : dict
        Of the run.
    order : sequence of str
        Names of all sequences, as the files list them.
    mean : callable
        Means of the scores of entries, by the data set's protocol.
    """

    def __init__(
        self,
        out: Path,
        options: Mapping[str, Any],
        order: Sequence[str],
        mean: Callable[[Mapping[str, Mapping[str, Any]]], Scores],
    ) -> None:
        self.out, self.order, self.mean = out, list(order), mean
        self.options: dict[str, Any] = plain(options)
        self.entries: dict[str, Entry] = {}
        self.failed: dict[str, Failure] = {}
        self._due = 0.0

    def add(self, sequence: str, result: Entry | Failure) -> None:
        """One more entry, or failure."""
        if "reason" in result:
            self.failed[sequence] = result
            self.entries.pop(sequence, None)
        else:
            self.entries[sequence] = result
            self.failed.pop(sequence, None)

    def results(self) -> Results:
        """What `results.json` holds."""
        entries = {name: self.entries[name] for name in self.order if name in self.entries}
        refined = {name: entry["refined"] for name, entry in entries.items() if "refined" in entry}
        results: Results = {
            "mean": self.mean(entries),
            "mean_refined": self.mean(refined),
            "sequences": entries,
            "failed": {name: self.failed[name] for name in self.order if name in self.failed},
            "options": self.options,
            "versions": versions(),
        }
        if not refined or len(refined) < len(entries):
            del results["mean_refined"]
        return results

    def write(self) -> Results:
        """Write the files; gives what results.json holds."""
        results = self.results()
        write_json(self.out / "results.json", results)
        entries = results["sequences"]
        if entries:
            write_csv(
                self.out / "results.csv", [{"sequence": name, **scores_of(entry)} for name, entry in entries.items()]
            )
        halves = [_row(name, half) for name, entry in entries.items() for half in entry.get("cycles", [])]
        if halves:
            write_csv(self.out / "cycles.csv", halves)
        return results

    def write_if_possible(self) -> None:
        """Write the files unless the disk is full or away: the entries are safe, and the next time may do."""
        begin = time.monotonic()
        with suppress(OSError, InputError):
            if self.entries or self.failed:
                self.write()
        self._due = time.monotonic() + max(WRITE_SECONDS, 20 * (time.monotonic() - begin))

    def write_now_and_then(self) -> None:
        """Write the files if that is possible, and the last time was not a moment ago."""
        if time.monotonic() >= self._due:
            self.write_if_possible()


HALF_CYCLE_COLUMNS = ("cycle", "module", "change", "object_share", "seconds", "J_mean", "F_mean")
"""What cycles.csv has of each half of a cycle, beside its sequence; of the seconds their sum."""


def _row(sequence: str, half: Mapping[str, Any]) -> dict[str, Any]:
    row = {column: half.get(column) for column in HALF_CYCLE_COLUMNS}
    return {"sequence": sequence} | row | {"seconds": sum(half["seconds"].values())}
