"""DAVSOD (Fan et al., CVPR 2019, doi:10.1109/CVPR.2019.00875), its easy test split, in its official layout:

ROOT/select_0001/Imgs/0005.png                  frames, named after their numbers in the video they come from
ROOT/select_0001/GT_object_level/0005.png       above 127 is object; some are two-channel PNGs, and some are missing

The paper's Table 4 has F and MAE: F-beta with beta^2 = 0.3, the greatest over all thresholds of the sequences' mean curve,
and the mean absolute error, both of soft masks. As in the program of the data set's authors, a sequence's first and last
annotated frame are not scored; of salient objects that share a frame, all are foreground.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ikebook.base.check import require
from ikebook.base.places import user_path
from ikebook.datasets.folders import FolderDataset, folders
from ikebook.datasets.masks import Masks
from ikebook.datasets.protocol import Protocol
from ikebook.video.images import image_files

SPLIT = "Easy-35"


class Davsod(FolderDataset):
    """DAVSOD's easy test split, 35 sequences, masks of most frames; J, F, MAE and F-measure (the paper's Table 4).

    Parameters
    ----------
    root : str or Path
        The folder that holds the sequences (`select_0001/`, ...), or one above it (`Easy-35/`, `DAVSOD/Easy-35/`).

    Raises
    ------
    InputError
        If the folder holds no DAVSOD.
    """

    name = "davsod"
    protocol = Protocol(ends=False, saliency=True)

    def __init__(self, root: str | Path) -> None:
        root = user_path(root)
        places = (root, root / SPLIT, root / "DAVSOD" / SPLIT, root / SPLIT / SPLIT)
        self.root = next((r for r in places if r.is_dir() and self._found(r)), root)
        self._names = self._found(self.root) if self.root.is_dir() else []
        require(
            len(self._names) > 0,
            f"{root} is no DAVSOD: select_*/Imgs and select_*/GT_object_level are missing. "
            "'ikebook data get davsod' says how to come by it.",
        )

    def sequences(self) -> list[str]:
        """Names of the sequences, in alphabetical order."""
        return list(self._names)

    def frames_folder(self, sequence: str) -> Path:
        """The folder with a sequence's frames."""
        return self.root / sequence / "Imgs"

    def truth_folder(self, sequence: str) -> Path:
        """The folder with a sequence's masks."""
        return self.root / sequence / "GT_object_level"

    def annotations(self, sequence: str) -> Iterator[np.ndarray | None]:
        """The mask (h, w) bool of each frame, at its own size; None where a frame has none."""
        frames = image_files(self.folder(sequence))
        files = {file.stem: file for file in image_files(self.root / sequence / "GT_object_level")}
        masks = Masks(files.values())
        for frame in frames:
            file = files.get(frame.stem)
            yield None if file is None else masks.read(file)

    @staticmethod
    def _found(place: Path) -> list[str]:
        return [
            name
            for name in folders(place)
            if (place / name / "Imgs").is_dir() and (place / name / "GT_object_level").is_dir()
        ]
