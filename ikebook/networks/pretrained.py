"""Cues that networks compute from single frames: FCN and DeepLabv3 (Sec. 7.3), and DINO's features, without human labels.

`fcn` and `deeplab` are torchvision's, with a ResNet101, trained on human labels of COCO. "The actual features are the
soft-values collected from the vanilla backbones' last output layer" (Sec. 7.3): of their softmax over 21 classes, what
does not go to the background.

`dino` and `dino8` are vision transformers with patches of 16 and of 8 pixels, trained on pictures alone (Caron et al.,
ICCV 2021, doi:10.1109/ICCV48922.2021.00951), through timm. The features of a clip's patches are reduced to their first
principal components.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.arrays import Array, Memory
from ikebook.base.cache import ArrayCache
from ikebook.base.check import InputError, require
from ikebook.base.compute import Compute
from ikebook.base.places import user_path
from ikebook.base.provenance import LABELS, SELF_SUPERVISED, Source, read_note
from ikebook.base.weights import Published, find, fingerprint, load, origin, torchvision_models
from ikebook.matrix.features import Cue
from ikebook.networks.cues import read_cue
from ikebook.video.clip import Clip, resize_area

VOC = "COCO_WITH_VOC_LABELS_V1"

SEGMENTERS = {
    "fcn": ("fcn_resnet101", "7ecb50ca"),
    "deeplab": ("deeplabv3_resnet101", "586e9e4e"),
}
"""torchvision's networks, by our names: theirs, and the beginning of their weights' SHA-256."""

TRANSFORMERS = {"dino": "vit_small_patch16_224.dino", "dino8": "vit_small_patch8_224.dino"}
"""timm's names of DINO's transformers, by ours."""

NETWORKS = (*SEGMENTERS, *TRANSFORMERS)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, that the inputs of all these networks are scaled with."""


@dataclass(frozen=True, kw_only=True)
class CueOptions:
    """Which network gives cues, and how.

    Parameters
    ----------
    network : str, default "fcn"
        One of `NETWORKS`.
    weights : str, default ""
        A file; empty: the published ones.
    side : int, default 520
        Rows or columns, whichever are fewer, that FCN and DeepLab see at most.
    channels : int, default 3
        Principal components of DINO's features.
    half : bool, default False
        Half precision where it does little harm: float16 on a GPU, bfloat16 on a CPU.
    batch : int, default 0
        Frames at a time; 0: one on a CPU, eight on a GPU.
    """

    network: str = "fcn"
    weights: str = ""
    side: int = 520
    channels: int = 3
    half: bool = False
    batch: int = 0

    def __post_init__(self) -> None:
        check.one_of("CueOptions.network", self.network, NETWORKS)
        check.whole("CueOptions.side", self.side, at_least=32, at_most=4096)
        check.whole("CueOptions.channels", self.channels, at_least=1, at_most=64)
        check.flag("CueOptions.half", self.half)
        check.whole("CueOptions.batch", self.batch)


def is_network(name: str) -> bool:
    """Whether `name` says which network computes a cue, and not where maps lie."""
    return name.partition(":")[0] in NETWORKS


def options_of(name: str, *, half: bool = False) -> CueOptions:
    """The options that a text such as "fcn" or "dino:weights.pth" stands for."""
    network, _, weights = name.partition(":")
    return CueOptions(network=network, weights=weights, half=half)


def cue_source(name: str) -> Source:
    """Who made the cue that `name` stands for, and what taught them; for a folder, what its `source.json` says."""
    if not is_network(name):
        return read_note(user_path(name), "cue", name)
    o = options_of(name)
    if o.network in SEGMENTERS:
        return origin(o.weights or VOC, _catalogue(o.network), "cue", o.network)
    if not o.weights:
        return Source(role="cue", name=f"{o.network} {TRANSFORMERS[o.network]}", supervision=SELF_SUPERVISED)
    return origin(o.weights, {}, "cue", o.network)


def find_cues(
    name: str,
    clip: Clip,
    *,
    half: bool = False,
    cache: bool = True,
    compute: Compute | None = None,
    progress: Iterable[None] | None = None,
) -> list[Cue]:
    """The cues that `name` stands for: maps in a folder, or those that a network computes.

    Parameters
    ----------
    name : one of `NETWORKS`, with `:FILE` for weights of one's own; or a folder, as `ikebook.networks.cues.read_cue` takes it
    clip : whose frames they are for
    half : networks in half precision
    cache : whether computed maps are kept between runs
    compute : where networks compute, and what memory the maps may take; on disk if they do not fit
    progress : an iterator that is advanced once for each frame that a network sees

    Raises
    ------
    InputError
        If weights can't be had, an extra is not installed, or a folder can't be read.
    """
    if not is_network(name):
        names = ", ".join(NETWORKS)
        require(
            user_path(name).is_dir(),
            f"cue {name} is no folder; expected one map for each frame in it, or one of {names}.",
        )
        return [read_cue(name, clip, memory=None if compute is None else compute.memory)]
    return compute_cues(options_of(name, half=half), clip, cache=cache, compute=compute, progress=progress)


def compute_cues(
    options: CueOptions,
    clip: Clip,
    *,
    cache: bool = True,
    compute: Compute | None = None,
    progress: Iterable[None] | None = None,
) -> list[Cue]:
    """What a network sees in each of the clip's frames, at the clip's working size.

    Returns
    -------
    list of Cue
        FCN and DeepLab: one, the probability that a pixel is no background, in [0, 1]. DINO: `channels` components, of
        zero mean over the clip and in units of the first one's standard deviation; they say which patches are alike, not
        which are the object.
    """
    compute = check.or_default("compute", compute, Compute)
    memory, device = compute.memory, compute.device
    transformer = options.network in TRANSFORMERS
    names = [f"component{index}" for index in range(options.channels)] if transformer else ["probability"]
    stored, key = (ArrayCache("cues"), "") if cache else (None, "")
    if stored is not None:
        key = stored.key(clip.fingerprint(), _describe(options, device), clip.size)
    maps = None if stored is None else stored.load_arrays(key, names, memory)
    if maps is None:
        steps = iter(()) if progress is None else iter(progress)
        frames = _counted(clip.originals(), steps)
        maps = _components(options, clip, frames, device, memory) if transformer else []
        maps = maps or [memory.array(_probabilities(options, clip, frames, device), len(clip))]
        if stored is not None:
            stored.save_arrays(key, dict(zip(names, maps, strict=True)))
    titles = [f"{options.network} {index}" for index in range(1, len(maps) + 1)] if transformer else [options.network]
    return [Cue(name=title, maps=one, on_object=not transformer) for title, one in zip(titles, maps, strict=True)]


def _probabilities(
    options: CueOptions, clip: Clip, frames: Iterable[np.ndarray], device: torch.device
) -> Iterator[np.ndarray]:
    """The probability of anything but background, (h, w) float32, of each frame."""
    catalogue = _catalogue(options.network)
    file = find(options.weights or VOC, catalogue, f"--cue {options.network}")
    make = getattr(torchvision_models().segmentation, SEGMENTERS[options.network][0])
    network = make(weights=None, weights_backbone=None, num_classes=21, aux_loss=True)
    load(network, file)
    network = network.to(device).eval()

    def foreground(images: Tensor) -> Tensor:  # (b, 3, h, w) -> (b, h, w)
        return 1 - torch.softmax(network(images)["out"].float(), dim=1)[:, 0]

    for part in _parts(frames, _batch(options, device)):
        w, h = _fitting(part[0], options.side)
        images = _pictures([resize_area(frame, (w, h)) for frame in part], device)
        for one in _predict(foreground, images, options, device).cpu().numpy():
            yield resize_area(one, clip.size)


def _components(
    options: CueOptions, clip: Clip, frames: Iterable[np.ndarray], device: torch.device, memory: Memory
) -> list[Array]:
    """The first principal components of the patches' features, each (m, h, w) float32."""
    network = _transformer(options).to(device).eval()
    patch = int(network.patch_embed.patch_size[0])
    w, h = (max(patch, round(side / patch) * patch) for side in clip.size)

    def tokens_of(images: Tensor) -> Tensor:  # (b, 3, h, w) -> (b, patches, c)
        return network.forward_features(images)[:, network.num_prefix_tokens :].float()

    def tokens() -> Iterator[np.ndarray]:
        for part in _parts(frames, _batch(options, device)):
            images = _pictures([resize_area(frame, (w, h)) for frame in part], device)
            yield from _predict(tokens_of, images, options, device).half().cpu().numpy()

    seen = memory.array(tokens(), len(clip))  # (m, patches, c) float16
    mean, axes = principal_axes(seen, options.channels)
    maps = []
    for axis in axes.T:
        values = ((frame.astype(np.float64) - mean) @ axis for frame in seen)
        planes = (resize_area(one.astype(np.float32).reshape(h // patch, w // patch), clip.size) for one in values)
        maps.append(memory.array(planes, len(clip)))
    return maps


def principal_axes(rows: Iterable[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (c,) and first principal axes (c, count) of vectors that come in parts (n_i, c), from one sweep over them.

    Axes are divided by the standard deviation along the first one. The sign of each is such that its largest entry is
    positive: it has no meaning, but is the same in every run.
    """
    total = 0
    first: Any = 0.0
    second: Any = 0.0
    for part in rows:
        values = part.astype(np.float64)
        total += len(values)
        first = first + values.sum(0)
        second = second + values.T @ values
    mean = first / total
    variances, axes = np.linalg.eigh(second / total - np.outer(mean, mean))
    axes = axes[:, ::-1][:, :count]
    largest = axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])]
    scale = np.sqrt(max(float(variances[-1]), np.finfo(float).tiny))
    return mean, axes * np.where(largest < 0, -1, 1) / scale


def _transformer(options: CueOptions) -> Any:
    try:
        import timm
    except ImportError as error:
        raise InputError(f"DINO needs timm, which can't be imported ({error}): pip install 'ikebook[cues]'.") from None
    except RuntimeError as error:  # timm imports torchvision, whose operators may be compiled for another PyTorch
        raise InputError(
            f"timm needs a torchvision that fits this PyTorch ({error}); install both from one place, with the command that "
            "pytorch.org/get-started shows."
        ) from None
    name = TRANSFORMERS[options.network]
    network = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True)
    load(network, user_path(options.weights) if options.weights else _hub(name, options.network))
    return network


def _hub(name: str, option: str) -> Path:
    """Timm's weights of a network, from where timm keeps them: the Hugging Face hub, which compares their hash."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(f"timm/{name}", "model.safetensors"))
    except Exception as error:  # noqa: BLE001  # network, permission, disk: the hub has a class for each
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"the weights of timm/{name} could not be fetched ({reason}). Is there a network? Fetch model.safetensors from "
            f"https://huggingface.co/timm/{name} elsewhere, and name the file, as in --cue {option}:model.safetensors."
        ) from None


def _catalogue(network: str) -> dict[str, Published]:
    model, digits = SEGMENTERS[network]
    file = f"{model}_coco-{digits}.pth"
    return {VOC: Published(name=VOC, url=f"https://download.pytorch.org/models/{file}", supervision=LABELS)}


def _describe(options: CueOptions, device: torch.device) -> str:
    """What the maps depend on, beside the frames and their size."""
    precision = f"half on {device.type}" if options.half else "float32"
    if options.network in SEGMENTERS:
        weights = fingerprint(options.weights or VOC, _catalogue(options.network))
        return f"{options.network} side {options.side} {precision} weights {weights}"
    weights = fingerprint(options.weights, {}) if options.weights else TRANSFORMERS[options.network]
    return f"{options.network} channels {options.channels} {precision} weights {weights}"


def _predict(network: Any, images: Tensor, options: CueOptions, device: torch.device) -> Tensor:
    """What `network` says of images (b, 3, h, w), in half precision where that is asked for and can be done."""
    kind = torch.float16 if device.type == "cuda" else torch.bfloat16
    with torch.inference_mode(), torch.autocast(device.type, kind, enabled=options.half):
        found: Tensor = network(images)
    if options.half and not bool(found.isfinite().all()):  # it has run over: once more, in full
        with torch.inference_mode():
            found = network(images)
    if not bool(found.isfinite().all()):
        raise InputError(f"{options.network} gave values that are NaN or infinite; its weights are not for it.")
    return found


def _pictures(frames: list[np.ndarray], device: torch.device) -> Tensor:
    """Frames (h, w, 3) uint8 as a batch (b, 3, h, w) of ImageNet's mean and deviation."""
    images = torch.from_numpy(np.stack(frames)).to(device).movedim(-1, 1).float() / 255
    mean, std = (torch.tensor(values, device=device).view(3, 1, 1) for values in (MEAN, STD))
    return (images - mean) / std


def _fitting(frame: np.ndarray, side: int) -> tuple[int, int]:
    """Width and height of a frame whose shorter side is reduced to `side`."""
    h, w = frame.shape[:2]
    factor = min(1.0, side / min(h, w))
    return round(w * factor), round(h * factor)


def _batch(options: CueOptions, device: torch.device) -> int:
    return options.batch or (1 if device.type == "cpu" else 8)


def _parts(frames: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Frames, some at a time."""
    one_by_one = iter(frames)
    while part := list(islice(one_by_one, size)):
        yield part


def _counted(frames: Iterable[np.ndarray], steps: Iterator[None]) -> Iterator[np.ndarray]:
    for frame in frames:
        yield frame
        next(steps, None)
