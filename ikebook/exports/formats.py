"""Results in one or more other formats, in a folder where only what ikebook has written is replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.files import remove_temporaries
from ikebook.base.places import user_path
from ikebook.base.progress import Progress, silent
from ikebook.base.replacing import check_changeable, replacing
from ikebook.base.written import WrittenFiles, check_written
from ikebook.exports.coco import write_coco
from ikebook.exports.cvat import write_cvat
from ikebook.exports.pngs import write_mots, write_palette
from ikebook.exports.rgba import write_rgba
from ikebook.exports.saved import SavedResult, read_saved
from ikebook.exports.yolo import write_yolo
from ikebook.runs.result_folder import lock_folder

FORMATS: dict[str, tuple[Callable[[SavedResult, Path], list[str]], tuple[str, ...]]] = {
    "rgba": (write_rgba, ("rgba", "rgba.webm")),
    "coco": (write_coco, ("coco.json",)),
    "palette": (write_palette, ("palette",)),
    "mots": (write_mots, ("mots",)),
    "cvat": (write_cvat, ("cvat.xml",)),
    "yolo": (write_yolo, ("yolo",)),
}
"""By name, who writes a format, and the files and folders that it consists of."""

SUFFIXES = {".png", ".jpg", ".txt", ".yaml", ".json", ".xml", ".webm"}
"""Of all that is written; other files, such as the caches that YOLO keeps beside its labels, are in nobody's way."""

FOLDER = "export"
"""Within that of the results, where exports come to unless another is named."""


@dataclass(frozen=True)
class Exported:
    """What has been written.

    Parameters
    ----------
    files : list of Path
        Files and folders.
    notes : list of str
        What could not be, one sentence each.
    """

    files: list[Path]
    notes: list[str]


def export(
    result: str | Path,
    formats: str | Sequence[str],
    out: str | Path | None = None,
    *,
    frames: str | Path | None = None,
    label: str = "object",
    masks: str = "masks",
    progress: Progress = silent,
) -> Exported:
    """Write a result in other tools' formats.

    Parameters
    ----------
    result : str or Path
        A folder that `ikebook segment` has written.
    formats : str or sequence of str
        One or more of "rgba" (the object cut out, with alpha), "coco" (JSON with RLE), "palette" (DAVIS's PNGs), "mots" (16-bit PNGs),
        "cvat" (CVAT for video 1.1) and "yolo" (segments); in one text, divided by commas, too.
    out : str or Path, optional
        Folder for them; by default `export` in that of the result.
    frames : str or Path, optional
        The video that was segmented, if it is not any more where it was.
    label : str, default "object"
        What the object is called, in formats that have a name for it.
    masks : str, default "masks"
        Which masks: "masks", or "refined".
    progress : Progress, optional
        Shows how far it is.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        If there is no such format, no whole result, or a file in the way that ikebook has not written.

    Examples
    --------
    >>> import ikebook, tempfile
    >>> from ikebook.runs import RunOptions, run, write_results
    >>> clip, options = ikebook.toy("disc").clip, RunOptions(cache=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     summary = write_results(folder, clip, run(clip, options=options), options)
    ...     exported = export(folder, "coco,mots", label="disc")
    >>> [path.name for path in exported.files]
    ['coco.json', 'mots']
    """
    chosen = known_formats(formats)
    saved = read_saved(result, frames=frames, label=label, masks=masks)
    root = saved.folder if out is None else user_path(out)
    with lock_folder(root):
        return export_locked(saved, chosen, root, root / FOLDER if out is None else root, progress)


def export_locked(
    saved: SavedResult, formats: Iterable[str], root: Path, place: Path, progress: Progress = silent
) -> Exported:
    """Write formats to a place in a folder that is locked already, and has the list of what was written."""
    formats = list(formats)
    check_exports(root, place, formats)
    files, notes = [], []
    steps = iter(progress("export", len(formats)))
    for one in formats:
        write, names = FORMATS[one]
        part = f"export {place.relative_to(root).as_posix()} {one}"
        with replacing(root, part, remove=WrittenFiles(root, part).remove) as new:
            notes += write(saved, new / place.relative_to(root))
        files += [place / name for name in names if (place / name).exists()]
        next(steps, None)
    return Exported(files, notes)


def check_exports(root: Path, place: Path, formats: Iterable[str]) -> None:
    """Raise `InputError` if something lies where exports would come that ikebook has not written; clear up after killed runs."""
    for one in formats:
        for name in FORMATS[one][1]:
            path = place / name
            inside = sorted(path.rglob("*")) if path.is_dir() and not path.is_symlink() else [path]
            for folder in (one for one in (path, *inside) if one.is_dir()):
                remove_temporaries(folder)
            check_written(root, [file for file in inside if file.suffix in SUFFIXES or file == path])
            check_changeable(root, [path.relative_to(root).as_posix()])


def known_formats(formats: str | Sequence[str]) -> list[str]:
    """Formats by their names, each once."""
    names = formats.split(",") if isinstance(formats, str) else list(formats)
    names = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    require(bool(names), f"formats is {formats!r}; expected some of {', '.join(FORMATS)}.")
    for name in names:
        check.one_of("format", name, FORMATS)
    return names
