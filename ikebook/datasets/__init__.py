"""Data sets: named sequences of frames with annotations, behind one interface, and toys whose flow and masks are exact.

The paper's Sec. 6: a reader for each data set, how it is scored (`protocol`), how to come by it (`download`).
"""

from ikebook.base.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "DATASETS": "registry",
        "Dataset": "registry",
        "Davis2016": "davis2016",
        "Davis2017": "davis2017",
        "Davsod": "davsod",
        "Fbms59": "fbms59",
        "Protocol": "protocol",
        "SegTrackV2": "segtrackv2",
        "Toy": "toys",
        "YouTubeObjects": "youtube_objects",
        "demo": "toys",
        "fetch": "download",
        "open_dataset": "registry",
        "toy": "toys",
    },
)
