"""The Network Module: a U-Net trained from scratch on the graph's masks, and maps that other networks give as cues.

The paper's Sec. 5 (`unet`, `losses` with Eqs. 2 and 3, `train`) and Sec. 7.3 (`cues`, `pretrained`). Knows frames and masks,
never the graph.
"""

from ikebook.networks.cues import read_cue
from ikebook.networks.training import Training, TrainOptions, train
from ikebook.networks.unet import NetworkOptions, UNet, new_network, predict

__all__ = ["NetworkOptions", "TrainOptions", "Training", "UNet", "new_network", "predict", "read_cue", "train"]
