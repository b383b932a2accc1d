"""The Graph Module: a clip and its flow in, the main object's soft masks out, with no label and no training.

The paper's Sec. 4 as a whole (`graph_module`), its options (`presets`), and what is ours and not the paper's: the motion
saliency among the features (`saliency`), how labels become masks (`masks`), how clear the object is (`confidence`), and refinement (`refine`).
"""

from ikebook.graph.confidence import Confidence
from ikebook.graph.graph_module import build, segment
from ikebook.graph.presets import PRESETS, GraphOptions, override, preset
from ikebook.graph.result import GraphResult

__all__ = ["PRESETS", "Confidence", "GraphOptions", "GraphResult", "build", "override", "preset", "segment"]
