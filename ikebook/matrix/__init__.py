"""The matrices of the space-time graph, each known by what it does to a vector: M, F, P and A = PMP.

The paper's Secs. 4.1 and 4.2, one file for each: motion chains (`chains`), the motion matrix M (`motion`), node features F
(`features`), the projection P (`projection`) and the Feature-Motion matrix A (`feature_motion`).
"""

from ikebook.matrix.chains import ChainOptions, MotionChains
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import Cue, FeatureMatrix, FeatureOptions
from ikebook.matrix.motion import MotionMatrix, MotionOptions
from ikebook.matrix.operator import LinearOperator
from ikebook.matrix.projection import Projection, ProjectionOptions

__all__ = [
    "ChainOptions",
    "Cue",
    "FeatureMatrix",
    "FeatureMotion",
    "FeatureOptions",
    "LinearOperator",
    "MotionChains",
    "MotionMatrix",
    "MotionOptions",
    "Projection",
    "ProjectionOptions",
]
