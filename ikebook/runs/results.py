"""What results are written as: `summary.json` of one clip, and `results.json` of a data set, as types::

    OUT/results.json                    `Results`: all sequences together, and what failed
    OUT/sequences/<sequence>.json       `SequenceFile`: what is known of a finished sequence
    OUT/summary.json                    `Summary`, of one clip; `PartsSummary`, of one that was segmented in parts

All but `seconds`, `peak_memory_bytes` and `where` is the same in every run with as much memory: where a clip does not fit
into it, `residual` is null, and `warnings` say what was exceeded.
"""

# Without `from __future__ import annotations`: a TypedDict would not know then which of its keys are NotRequired.

from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, final

from ikebook.base.check import InputError
from ikebook.base.places import user_path
from ikebook.datasets.protocol import Scores, SequenceScores
from ikebook.runs.inputs import Inputs
from ikebook.runs.json_types import read_json


class HalfCycle(SequenceScores):
    """Half a cycle: a graph, or a network. Its scores stand beside the rest, where it was scored.

    Parameters
    ----------
    cycle : int
        From 1.
    module : "graph" or "network"
    change : float or None
        |x - before| / |x| against the same module's a cycle before; None in the first.
    object_share : float
        Share of all pixels that are object.
    seconds : dict
        Time spent in each stage.
    warnings : list of str
    threshold : float
        Of a graph: above it in its soft masks is object.
    eigenvalues : list of float or None
        Of a graph, decreasing; None where the solver finds none.
    eigenvalue_ratio : float or None
        Of a graph: the next eigenvalue's share of the object's.
    losses : list of float or None
        Of a network: the mean of each epoch.
    stopped : str
        Of a network: why its training ended.
    """

    cycle: int
    module: Literal["graph", "network"]
    change: float | None
    object_share: float
    seconds: dict[str, float]
    threshold: NotRequired[float]
    eigenvalues: NotRequired[list[float | None]]
    eigenvalue_ratio: NotRequired[float | None]
    losses: NotRequired[list[float | None]]
    stopped: NotRequired[str]
    warnings: NotRequired[list[str]]


class Place(TypedDict, total=False):
    """Where a sequence was segmented: host, processor and device, and with how many threads."""

    host: str
    cpu: str
    threads: int
    device: str


@final
class Entry(SequenceScores):
    """A finished sequence of a data set. Its scores, those of its last graph, stand beside the rest.

    Of masks that were made elsewhere there are `frames`, scores and `where`.

    Parameters
    ----------
    frames : int
    eigenvalues : list of float or None
        Of the last graph, decreasing.
    eigenvalue_ratio : float or None
        The next eigenvalue's share of the object's.
    residual : float or None
        |A x - lambda x| / |lambda|, where it was measured; see `Summary`.
    confidence : float
        In [0, 1], how clear the object is by its motion.
    threshold : float
        Above it in the soft masks is object.
    cycles : list of HalfCycle
    seconds : dict
        Time spent in each stage.
    peak_memory_bytes : int or None
        Of the process.
    warnings : list of str
    refined : Scores
        Of refined masks.
    where : Place
    """

    frames: int
    eigenvalues: NotRequired[list[float | None]]
    eigenvalue_ratio: NotRequired[float | None]
    residual: NotRequired[float | None]
    confidence: NotRequired[float]
    threshold: NotRequired[float]
    cycles: NotRequired[list[HalfCycle]]
    seconds: NotRequired[dict[str, float]]
    peak_memory_bytes: NotRequired[float | None]
    warnings: NotRequired[list[str]]
    refined: NotRequired[Scores]
    where: NotRequired[Place]


@final
class Failure(TypedDict):
    """Why a sequence has no entry. The next run tries it again.

    Parameters
    ----------
    kind : str
        "input", "system" (a full disk, say), "memory", "lost" (no worker lived through it) or "bug".
    reason : str
        One sentence.
    where : str
        The host.
    traceback : str
        Of a bug.
    """

    kind: Literal["input", "system", "memory", "lost", "bug"]
    reason: str
    where: NotRequired[str]
    traceback: NotRequired[str]


class Results(TypedDict):
    """What `results.json` holds.

    Parameters
    ----------
    mean : Scores
        Means over the sequences that have a score; empty if none is finished.
    mean_refined : Scores
        Of refined masks, if all sequences have them.
    sequences : dict of Entry
        By name, in the data set's order.
    failed : dict of Failure
        By name.
    options : dict
        What all of it was made with: those of `RunOptions.as_dict`, and `dataset`, `root` and `ikebook`, its version. Other
        options need another folder.
    versions : dict of str
        Of ikebook and what it stands on, on the machine that wrote the file.
    """

    mean: Scores
    mean_refined: NotRequired[Scores]
    sequences: dict[str, Entry]
    failed: dict[str, Failure]
    options: dict[str, Any]
    versions: dict[str, str]


class SequenceFile(TypedDict):
    """What `sequences/<sequence>.json` holds: an entry, whose it is, a text that differs wherever options do, and its input."""

    key: str
    sequence: str
    entry: Entry
    inputs: NotRequired[Inputs]


class Input(TypedDict):
    """What video was segmented.

    Parameters
    ----------
    path : str
        Of the video file, or of the folder of frames.
    fps : float
        Frames per second of what was segmented.
    """

    path: str
    fps: float


class AnySummary(TypedDict):
    """What the two kinds of `summary.json` have in common."""

    clip: str
    input: NotRequired[Input]
    frames: int
    original_size: str
    working_size: str
    eigenvalues: list[float | None]
    eigenvector: int
    solver_residual: float | None
    threshold: float
    object_share: float
    label_trained: bool | None
    options: dict[str, Any]
    versions: dict[str, str]


class Summary(AnySummary):
    """What `summary.json` holds of a clip.

    Parameters
    ----------
    clip : str
    input : Input
        Where the clip was read from files.
    frames : int
    original_size, working_size : str
        Such as "854x480".
    solver : str
    eigenvalues : list of float or None
        Decreasing.
    eigenvector : int
        Which of them is the object, from 1.
    eigengap, eigenvalue_ratio : float or None
        The object's eigenvalue less the next one; the next one's share of it.
    residual : float or None
        |A x - lambda x| / |lambda|, by a product with A; None where none was made: of large clips the exact solver makes none, unless
        `RunOptions.measure` asks for it, and of clips that did not fit into memory nobody does.
    solver_residual : float or None
        What the solver says of itself.
    converged : bool
    products : int
        With M.
    threshold : float
        Above it in the soft masks is object.
    object_share : float
        Share of all pixels that are object.
    confidence : float
        In [0, 1], how clear the object is by its motion; below 0.1 `warnings` say so.
    confidence_measures : dict
        What it is made of, and the relative eigengap; see `ikebook.graph.Confidence`.
    flow : dict
        By role ("flow", "feature flow"), how far it may be believed.
    label_trained : bool or None
        Whether human labels taught flow or cues; None where nobody has said.
    warnings : list of str
    cycles : list of HalfCycle
    seconds : dict
        Time spent in each stage.
    peak_memory_bytes : int or None
        Of the process.
    on_disk : bool
        Whether the clip did not fit into memory.
    device : str
    options : dict
        See `RunOptions`.
    versions : dict of str
    """

    solver: str
    eigengap: float | None
    eigenvalue_ratio: float | None
    residual: float | None
    converged: bool
    products: int
    confidence: float
    confidence_measures: dict[str, float | None]
    flow: dict[str, dict[str, Any]]
    warnings: list[str]
    cycles: list[HalfCycle]
    seconds: dict[str, float]
    peak_memory_bytes: int | None
    on_disk: bool
    device: str


class PartsSummary(AnySummary):
    """What `summary.json` holds of a video that was segmented in parts.

    As `Summary`, but with the number of `parts` and `saliency_scale`, the motion that counts as large, pixels.
    """

    parts: int
    saliency_scale: float
    warnings: list[str]


def read_results(out: str | Path) -> Results:
    """What a data set's `results.json` holds.

    Parameters
    ----------
    out : str or Path
        The folder that `evaluate` has written.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        If there is none, or it is damaged.

    Examples
    --------
    >>> read_results("results")["mean"]["J_mean"]  # doctest: +SKIP
    0.771
    """
    path = user_path(out) / "results.json"
    content = read_json(path, Results)
    if content is None:
        raise InputError(f"{path} is no results file of ikebook; choose another --out, or remove it.")
    return content
