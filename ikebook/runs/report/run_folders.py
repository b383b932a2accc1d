"""The runs that a report is on: folders that `ikebook evaluate` has written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypedDict, cast

from ikebook.base.check import InputError, require
from ikebook.base.provenance import SUPERVISION, Source, label_trained
from ikebook.runs.json_types import has_type
from ikebook.runs.results import Entry, Failure, Results, read_results


class _SourceOptions(TypedDict):
    """A source of flow or cues, as `Source.as_dict` gives it."""

    role: str
    name: str
    supervision: str


class _DatasetOptions(TypedDict):
    dataset: str


class ReportedOptions(_DatasetOptions, total=False):
    """What a report tells of the options of a run; those of masks made elsewhere have hardly any."""

    root: Any
    masks: Any
    flow: Any
    feature_flow: Any
    cues: list[str]
    cycle: dict[str, Any]
    sources: list[_SourceOptions]


@dataclass(frozen=True, kw_only=True)
class EvaluatedRun:
    """What `ikebook evaluate` has left in a folder.

    Parameters
    ----------
    folder : Path
    results : Results
    """

    folder: Path
    results: Results

    @property
    def name(self) -> str:
        """What the report calls it: the folder's name."""
        return self.folder.resolve().name

    @property
    def options(self) -> ReportedOptions:
        """What it was made with."""
        return cast("ReportedOptions", self.results["options"])

    @property
    def sequences(self) -> dict[str, Entry]:
        """Entries by name."""
        return self.results["sequences"]

    @property
    def failed(self) -> dict[str, Failure]:
        """Failures by name."""
        return self.results["failed"]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.options["dataset"]

    @property
    def labels(self) -> str:
        """Whether human labels taught its sources: "yes", "no", or "?" where nobody has said; of masks made elsewhere, "?"."""
        sources = self.options.get("sources")
        known = None if sources is None else label_trained(Source(**one) for one in sources)
        return {True: "yes", False: "no", None: "?"}[known]

    @property
    def measures(self) -> tuple[str, str]:
        """The two scores that the paper's table of this data set has."""
        return ("Fbeta_max", "MAE") if "Fbeta_max" in self.results["mean"] else ("J_mean", "F_mean")

    def impersonal(self, text: str) -> str:
        """What went wrong, without the places on this machine of what went in and of the results."""
        options = self.options
        given = [options.get("root"), options.get("flow"), options.get("feature_flow"), options.get("masks")]
        for place in (*map(str, [*given, *options.get("cues", [])]), str(self.folder.resolve())):
            if _is_place(place) and (name := PureWindowsPath(place).name):
                text = text.replace(place, name)
        return text


def read_runs(folders: Sequence[str | Path]) -> list[EvaluatedRun]:
    """The results in folders that `ikebook evaluate` has written.

    Raises
    ------
    InputError
        If a folder holds no results, they are damaged, or two folders have one name.
    """
    runs: list[EvaluatedRun] = []
    for folder in map(Path, folders):
        problem = f"{folder} holds no results of 'ikebook evaluate'; name the folder that was its --out."
        try:
            results = read_results(folder)
        except InputError:
            raise InputError(problem) from None
        require(_has_reported_options(results), problem)
        require(len(results["sequences"]) > 0, f"{folder} has results of no sequence; run 'ikebook evaluate' first.")
        run = EvaluatedRun(folder=folder, results=results)
        require(
            run.name not in {other.name for other in runs},
            f"two folders are called {run.name!r}; rename one, as the report calls the runs by their folders.",
        )
        runs.append(run)
    return runs


def _has_reported_options(results: Results) -> bool:
    options = results["options"]
    return has_type(options, ReportedOptions) and all(
        set(one) == set(_SourceOptions.__annotations__) and one["supervision"] in SUPERVISION
        for one in options.get("sources", [])
    )


def without_places(value: Any) -> Any:
    """Options as others may read them: of a file or folder of this machine only its name."""
    if isinstance(value, dict):
        return {key: without_places(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_places(one) for one in value]
    if not isinstance(value, str):
        return value
    source, colon, weights = value.partition(":")
    if colon and _is_place(weights) and not _is_place(value):
        return f"{source}:{PureWindowsPath(weights).name}"
    return PureWindowsPath(value).name if _is_place(value) else value  # it takes both kinds of slashes


def _is_place(text: str) -> bool:
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
