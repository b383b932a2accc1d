"""The paper's experiments, to run again on DAVIS 2016 (`ikebook experiment`), and what solvers cost (`ikebook bench`).

The paper's Secs. 7 and 8. A module for each figure: `initialisation` (6), `window` (7), `spectrum` (8), `cycles` (9, Table 3);
`bench`, `curves`, `costs`, `methods` and `baselines` measure time and memory.
"""

from ikebook.base.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__, {"EXPERIMENTS": "registry", "Experiment": "registry", "run_experiment": "registry"}
)
