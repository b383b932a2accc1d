"""What evaluations found, as one report: the paper's tables with our numbers among them, and where the time went.

`composition` puts it together, of the runs that `read_runs` has read (`run_folders`); `rows` are those of its tables, `pictures`
its pictures, `pages` how it is written; `published` are the numbers that are quoted.
"""

from ikebook.base.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "EvaluatedRun": "run_folders",
        "compose": "composition",
        "read_runs": "run_folders",
        "write_report": "composition",
    },
)
