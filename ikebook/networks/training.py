"""Training of the Network Module, from scratch on one video, against the graph's masks (Sec. 5, Eq. 3).

The recipe is short, because it runs anew in each cycle: AdamW, a learning rate that rises for a moment and then falls to
zero, an early end where the loss no longer falls. On one machine's CPU equal seeds give equal networks, also where a training was stopped and goes on from its checkpoint. A budget in seconds gives that up: how far it comes is chance.
"""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn
from torch import Tensor

import ikebook
from ikebook.base import check
from ikebook.base.arrays import Array, DiskArray
from ikebook.base.check import InputError, require
from ikebook.base.files import atomic
from ikebook.base.tensors import extent, pictures, tensor
from ikebook.base.torch_files import load_tensors
from ikebook.networks.losses import knowledge_loss
from ikebook.networks.unet import GROUPS, NetworkOptions, UNet, new_network

LARGEST_CHECKPOINT = 4 << 30
"""Most bytes that a checkpoint may have: the `paper` network's, with its optimiser's state, has about one GiB."""

RESIDENT = 2 << 30
"""Most bytes of frames, and of masks, that stay on a GPU while it trains."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How the network is trained (Sec. 5, Eqs. 2 and 3).

    Parameters
    ----------
    epochs : int, default 40
        Sweeps over the video, at most.
    steps : int or None, default 500
        Steps, at most: a long video takes no longer than a short one; None: no such limit.
    batch : int, default 1
        Frames in one step.
    rate : float, default 3e-3
        Learning rate at its greatest.
    decay : float, default 1e-2
        Weight decay, as AdamW takes it.
    flip : bool, default True
        Augmentation: mirror frames, every second one.
    scale : float, default 1.0
        Augmentation: enlarge frames by up to this factor, and cut out their size; 1: none.
    colour : float, default 0.0
        Augmentation: change brightness, contrast and the channels' gains by up to this part; 0: none.
    cross_weight : float, default 0.5
        lambda1 of Eq. 2, the weight of the cross-entropy.
    dice_weight : float, default 0.5
        lambda2 of Eq. 2, the weight of the soft Dice loss.
    patience : int, default 3
        Epochs without a better loss, after which training ends.
    budget : float or None, default None
        Seconds after which training ends; None: no such limit.
    seed : int, default 0
        Seed of the first weights, the order of frames, and the augmentation.
    """

    epochs: int = 40
    steps: int | None = 500
    batch: int = 1
    rate: float = 3e-3
    decay: float = 1e-2
    flip: bool = True
    scale: float = 1.0
    colour: float = 0.0
    cross_weight: float = 0.5
    dice_weight: float = 0.5
    patience: int = 3
    budget: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check.whole("TrainOptions.epochs", self.epochs, at_least=1)
        if self.steps is not None:
            check.whole("TrainOptions.steps", self.steps, at_least=1)
        check.whole("TrainOptions.batch", self.batch, at_least=1)
        check.number("TrainOptions.rate", self.rate, above=0)
        check.number("TrainOptions.decay", self.decay, at_least=0)
        check.flag("TrainOptions.flip", self.flip)
        check.number("TrainOptions.scale", self.scale, at_least=1)
        check.number("TrainOptions.colour", self.colour, at_least=0)
        require(self.colour < 1, f"TrainOptions.colour is {self.colour}; expected less than 1.")
        check.number("TrainOptions.cross_weight", self.cross_weight, at_least=0)
        check.number("TrainOptions.dice_weight", self.dice_weight, at_least=0)
        require(
            self.cross_weight + self.dice_weight > 0,
            "TrainOptions.cross_weight and TrainOptions.dice_weight are both 0; the loss needs one of them.",
        )
        check.whole("TrainOptions.patience", self.patience, at_least=1)
        if self.budget is not None:
            check.number("TrainOptions.budget", self.budget, above=0)
        check.whole("TrainOptions.seed", self.seed, at_most=2**63 - 1)


@dataclass(eq=False, kw_only=True)
class Training:
    """How a training went.

    Parameters
    ----------
    network : UNet
        With the weights of the epoch with the least loss.
    losses : list of float
        Mean loss of each epoch.
    seconds : float
        That it took.
    stopped : str
        Why it ended: "steps" (all were done), "loss" (it fell no more), "budget", "interrupt" (Ctrl-C), or "nan" (the loss was
        no number any more).
    """

    network: UNet
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    stopped: str = "steps"

    def __repr__(self) -> str:
        loss = f", loss {min(self.losses):.3f}" if self.losses else ""
        return f"Training({len(self.losses)} epochs{loss}, {self.seconds:.1f} s, ended by {self.stopped!r})"


class DivergedError(InputError):
    """The loss was no number before one epoch was done: there are no weights worth keeping."""


def train(
    frames: Array | Tensor,
    pseudo: Array | Tensor,
    network: NetworkOptions | None = None,
    options: TrainOptions | None = None,
    *,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    progress: Iterable[None] = (),
    on_epoch: Callable[[Sequence[float]], None] = lambda losses: None,
    on_network: Callable[[UNet], None] = lambda network: None,
) -> Training:
    """Train a network from scratch on a video and its pseudo ground truth (Eq. 3).

    Parameters
    ----------
    frames : (m, h, w, 3) uint8 RGB
        In memory or on disk.
    pseudo : (m, h, w)
        Soft masks in [0, 1], in which 0.5 is the threshold between object and background.
    network : NetworkOptions, optional
        Its size.
    options : TrainOptions, optional
        How long, how fast, with what loss.
    device : torch.device or str, default "cpu"
        Where to train; on CUDA in mixed precision (bfloat16).
    checkpoint : Path, optional
        File to save to after each epoch, and to go on from if it is there.
    progress : iterable, optional
        Advanced at each step; see `planned_steps`. It may wait, which the budget does not count, or raise, which ends the
        training at once.
    on_epoch : callable, optional
        Is told the mean losses of all epochs so far, after each.
    on_network : callable, optional
        Is given the network as it is after each epoch, to look at what it says by then.

    Returns
    -------
    Training

    Raises
    ------
    InputError
        If shapes or kinds differ, or the checkpoint is damaged or of another training.
    DivergedError
        If the loss becomes NaN or infinite in the first epoch.
    """
    o = check.or_default("options", options, TrainOptions)
    network = check.or_default("network", network, NetworkOptions)
    check.shape("frames", frames, ("m", "h", "w", 3))
    check.shape("pseudo", pseudo, tuple(frames.shape[:3]))
    least, greatest = extent(pseudo)
    require(
        least >= 0 and greatest <= 1,  # false for NaN
        f"pseudo has values from {least:g} to {greatest:g}; expected soft masks in [0, 1], without NaN.",
    )
    begin = time.perf_counter()
    model = new_network(network, o.seed).to(device)
    h, w = frames.shape[1:3]
    require(
        max(h, w) > model.multiple or network.widths[-1] > GROUPS,
        f"frames of {w}x{h} are one cell at the network's coarsest level, which then has nothing to normalise over; give "
        "network.widths fewer levels, or a smaller network.stem.",
    )
    run = _Run(model, o, planned_steps(len(frames), o), device)
    if checkpoint is not None:
        run.resume(checkpoint, fingerprint(frames, pseudo, network, o))
    frames, pseudo = _resident(frames, pictures, run.device), _resident(pseudo, tensor, run.device)
    ticks = iter(progress)
    spent = run.seconds
    try:
        while run.reason is None:
            run.epoch(_batches(frames, pseudo, o, run.epochs_done), ticks, begin - spent)
            run.seconds = spent + time.perf_counter() - begin - run.waited
            if checkpoint is not None:
                run.save(checkpoint)
            on_epoch(tuple(run.losses))
            on_network(run.model)
    except KeyboardInterrupt:
        run.reason = "interrupt"
    return run.finish()


def planned_steps(frames: int, options: TrainOptions) -> int:
    """Steps of a whole training: how often its progress advances, if it does not end early."""
    steps = options.epochs * math.ceil(frames / options.batch)
    return steps if options.steps is None else min(steps, options.steps)


class _Run:
    """A training's state, between epochs all of it in plain tensors and numbers."""

    def __init__(self, model: UNet, options: TrainOptions, total: int, device: torch.device | str) -> None:
        self.model, self.options, self.total = model, options, total
        self.device = torch.device(device)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=options.decay, fused=True)
        self.losses: list[float] = []
        self.best: dict[str, Tensor] | None = None
        self.steps_done = 0
        self.seconds = 0.0
        self.waited = 0.0  # by whoever shows the progress, seconds
        self.reason: str | None = None
        self.key = ""

    @property
    def epochs_done(self) -> int:
        return len(self.losses)

    def epoch(self, batches: Iterator[tuple[Tensor, Tensor]], ticks: Iterator[None], begin: float) -> None:
        """One sweep over the video. `begin` is when the clock of the budget started."""
        o = self.options
        self.model.train()
        total, seen = torch.zeros((), device=self.device), 0
        for images, targets in batches:
            elapsed = time.perf_counter() - begin - self.waited
            if o.budget is not None and elapsed > o.budget and self.steps_done > 0:
                self.reason = "budget"
                break
            if self.steps_done >= self.total:
                break
            done = self.steps_done / self.total
            for group in self.optimizer.param_groups:
                group["lr"] = o.rate * schedule(done if o.budget is None else max(done, elapsed / o.budget))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                logits = self.model(images.to(self.device))
            loss = knowledge_loss(logits.float(), targets.to(self.device), o.cross_weight, o.dice_weight)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(images)
            seen += len(images)
            self.steps_done += 1
            before = time.perf_counter()
            next(ticks, None)
            self.waited += time.perf_counter() - before
        mean = float(total) / seen if seen else math.inf
        if seen and not math.isfinite(mean):
            self._diverged(mean)
        else:
            self._record(mean)

    def _diverged(self, mean: float) -> None:
        if self.best is None:
            raise DivergedError(
                f"the network's weights are lost, with a loss of {mean:.3g} in the first epoch. "
                f"Lower training.rate (it is {self.options.rate:g})."
            )
        self.reason = "nan"

    def _record(self, mean: float) -> None:
        o = self.options
        if math.isfinite(mean) and (self.best is None or mean < min(self.losses)):
            weights = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
            if not bool(torch.stack([value.isfinite().all() for value in weights.values()]).all()):
                # The last step was one too far.
                self._diverged(mean)
                return
            self.best = weights
        if math.isfinite(mean):
            self.losses.append(mean)
        since = len(self.losses) - 1 - int(np.argmin(self.losses)) if self.losses else 0
        if self.reason is None and self.steps_done >= self.total:
            self.reason = "steps"
        elif self.reason is None and since >= o.patience:
            self.reason = "loss"

    def finish(self) -> Training:
        """The best weights, in the network."""
        if self.best is not None:
            self.model.load_state_dict(self.best)
        self.model.eval()
        return Training(network=self.model, losses=self.losses, seconds=self.seconds, stopped=self.reason or "steps")

    def save(self, path: Path) -> None:
        """Write the state to a file that is either whole or not there."""
        state = {
            "key": self.key,
            "model": self.model.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
            "steps": self.steps_done,
            "seconds": self.seconds,
            "reason": self.reason,
        }
        content = io.BytesIO()
        torch.save(state, content)
        with atomic(
            path
        ) as file:  # by Python, which says when the disk is full; PyTorch's own writer ends in a RuntimeError
            file.write_bytes(content.getbuffer())

    def resume(self, path: Path, key: str) -> None:
        """Take over the state in a file, if there is one."""
        self.key = key
        if not path.exists():
            return
        mend = "remove it, or choose another file."
        state = load_tensors(path, LARGEST_CHECKPOINT, f"{mend[0].upper()}{mend[1:]}")
        require(isinstance(state, dict) and "key" in state, f"{path} is no checkpoint of a training; {mend}")
        require(state["key"] == key, f"{path} is the checkpoint of another training; {mend}")
        try:
            self.model.load_state_dict(state["best"])  # whether it can be loaded
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.best = state["best"]
            self.losses = [float(loss) for loss in state["losses"]]
            self.steps_done, self.seconds, self.reason = int(state["steps"]), float(state["seconds"]), state["reason"]
            sound = (
                self.reason in (None, "steps", "loss", "budget", "nan")
                and self.steps_done >= len(self.losses) >= 1
                and all(map(math.isfinite, self.losses))
                and all(  # the fused optimiser would read past the end of what is too small
                    own[name].shape == parameter.shape
                    for parameter, own in self.optimizer.state.items()
                    for name in ("exp_avg", "exp_avg_sq")
                )
            )
            require(sound, "")
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, IndexError):
            raise InputError(f"{path} is damaged; {mend}") from None


def schedule(done: float) -> float:
    """Part of the greatest learning rate, when `done` of the training is done: up within a twentieth, then a half cosine."""
    rise = 0.05
    if done < rise:
        return max(done / rise, 0.1)
    return max(0.5 * (1 + math.cos(math.pi * min((done - rise) / (1 - rise), 1.0))), 1e-3)


def _batches(
    frames: Array | Tensor, pseudo: Array | Tensor, options: TrainOptions, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Frames (b, h, w, 3) uint8 and masks (b, h, w) of one epoch, in an order that the seed and its number fix."""
    chance = np.random.default_rng((options.seed, epoch))
    order = chance.permutation(len(frames))
    for start in range(0, len(order), options.batch):
        chosen = order[start : start + options.batch]
        images = torch.stack([pictures(frames[int(index)]) for index in chosen])
        targets = torch.stack([tensor(pseudo[int(index)]).float() for index in chosen])
        yield augment(images, targets, options, chance)


def _resident(
    array: Array | Tensor, as_tensor: Callable[[np.ndarray | Tensor], Tensor], device: torch.device
) -> Array | Tensor:
    """An array on the GPU that trains, if it is not too large: one that gets its frames step by step waits for each."""
    if device.type == "cpu" or isinstance(array, DiskArray) or array.nbytes > RESIDENT:
        return array
    return as_tensor(array).to(device)


def augment(
    images: Tensor, targets: Tensor, options: TrainOptions, chance: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Frames (b, h, w, 3) uint8 and their masks (b, h, w), changed alike at random: mirrored, enlarged, other colours."""
    b, h, w = targets.shape
    if options.flip:
        turned = (chance.random(b) < 0.5).tolist()
        images, targets = (
            torch.stack([one.flip(1) if turn else one for one, turn in zip(both, turned, strict=True)])
            for both in (images, targets)
        )
    if options.scale > 1:
        both = torch.cat([images.movedim(-1, 1).float(), targets[:, None]], dim=1)  # (b, 4, h, w)
        factor = chance.uniform(1, options.scale, b)
        side = 1 / torch.tensor(factor, dtype=torch.float32)  # of the part that is cut out, to the frame's
        shift = (1 - side)[:, None] * torch.tensor(chance.uniform(-1, 1, (b, 2)), dtype=torch.float32)
        affine = torch.zeros(b, 2, 3)
        affine[:, 0, 0] = affine[:, 1, 1] = side
        affine[:, :, 2] = shift
        grid = nn.affine_grid(affine, [b, 4, h, w], align_corners=False).to(both.device)
        both = nn.grid_sample(both, grid, padding_mode="border", align_corners=False)
        images, targets = both[:, :3].movedim(1, -1), both[:, 3]
    if options.colour > 0:
        gain = 1 + options.colour * torch.tensor(chance.uniform(-1, 1, (b, 1, 1, 3)), dtype=torch.float32)
        light = 255 * options.colour * torch.tensor(chance.uniform(-0.5, 0.5, (b, 1, 1, 1)), dtype=torch.float32)
        images = images.float() * gain.to(images.device) + light.to(images.device)
    if images.dtype != torch.uint8:
        images = images.round().clamp(0, 255).to(torch.uint8)
    return images, targets


def fingerprint(frames: Array | Tensor, pseudo: Array | Tensor, network: NetworkOptions, options: TrainOptions) -> str:
    """A text that changes with anything that a training depends on: whose checkpoint a file is."""
    digest = hashlib.sha256(repr((asdict(network), asdict(options), ikebook.__version__)).encode())
    for array in (frames, pseudo):
        digest.update(repr(tuple(array.shape)).encode())
        for index in range(len(array)):
            digest.update(np.ascontiguousarray(array[index]).tobytes())
    return digest.hexdigest()
