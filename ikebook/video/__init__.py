"""Videos: clips and where their frames come from, masks drawn to a picture's edges, and the scores of masks.

The paper's Sec. 6 (resolution, metrics). Knows frames and masks, and neither flow nor graph.
"""

from ikebook.video.clip import Clip, read_clip
from ikebook.video.metrics import boundary_accuracy, region_similarity

__all__ = ["Clip", "boundary_accuracy", "read_clip", "region_similarity"]
