"""Results in the formats of other tools: pictures with alpha, COCO, DAVIS, MOTS, CVAT and YOLO.

Ours, not the paper's. A file for each format; `export` writes as many of them as are asked for, from a folder of results.
"""

from ikebook.base.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {"Exported": "formats", "SavedResult": "saved", "export": "formats", "read_saved": "saved"},
)
