"""Whole runs: a video, or a data set, from files to files; stopped and started again at will, on one machine or many.

The paper's Sec. 6. One clip (`single`, `outputs`), several (`videos`), a data set (`evaluation`, `sequence`), one very long video (`parts`,
`part`), where they run (`runners`, `cluster`), what is written (`results`, `result_folder`), and reports on it (`report`).
"""

from ikebook.base.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ClusterRunner": "cluster",
        "Entry": "results",
        "Failure": "results",
        "HalfCycle": "results",
        "Outcome": "single",
        "Results": "results",
        "RunOptions": "options",
        "SerialRunner": "runners",
        "Summary": "results",
        "evaluate": "evaluation",
        "evaluate_masks": "evaluation",
        "local_workers": "cluster",
        "read_results": "results",
        "run": "single",
        "segment_parts": "parts",
        "segment_videos": "videos",
        "write_report": "report.composition",
        "write_results": "outputs",
    },
)
