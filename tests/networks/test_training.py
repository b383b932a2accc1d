"""Training: that it learns, repeats itself, goes on where it stopped, and ends as it should."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from ikebook.base.check import InputError
from ikebook.datasets.toys import toy
from ikebook.networks import training as module
from ikebook.networks.training import DivergedError, TrainOptions, augment, planned_steps, schedule, train
from ikebook.networks.unet import NetworkOptions, predict

TINY = NetworkOptions(widths=(8, 16), dilations=(1, 2), stem=1)
SHORT = TrainOptions(epochs=4, batch=2, rate=1e-2)


@pytest.fixture(scope="module")
def lesson():
    """Frames, and exact masks as pseudo ground truth."""
    made = toy("disc", (32, 24), 6)
    return made.clip.frames, made.clip.masks.astype(np.float32)


def weights(training) -> list[torch.Tensor]:
    return list(training.network.state_dict().values())


def same(first, second) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_learns_what_it_is_taught(lesson, seed) -> None:
    frames, masks = lesson
    training = train(frames, masks, TINY, replace(SHORT, epochs=12, seed=seed))
    found = np.stack(list(predict(training.network, frames))) > 0.5
    assert (found & (masks > 0)).sum() / (found | (masks > 0)).sum() > 0.9
    assert training.losses[-1] < 0.3 * training.losses[0]
    assert training.stopped == "steps"
    assert training.seconds > 0


def test_equal_seeds_give_equal_networks(lesson) -> None:
    options = replace(SHORT, scale=1.3, colour=0.1)
    first, second = train(*lesson, TINY, options), train(*lesson, TINY, options)
    assert same(first, second)
    assert first.losses == second.losses
    assert not same(first, train(*lesson, TINY, replace(options, seed=1)))


def test_pytorch_s_own_random_state_is_left_alone(lesson) -> None:
    before = torch.random.get_rng_state()
    train(*lesson, TINY, replace(SHORT, epochs=1))
    assert torch.equal(torch.random.get_rng_state(), before)


class Stop(Exception):  # noqa: N818
    """What ends a training from outside, at a step."""


def ticks(last: int, error: BaseException):
    yield from [None] * last
    raise error


@pytest.mark.parametrize("at", [3, 5, 9])
def test_a_stopped_training_goes_on_from_its_checkpoint(lesson, tmp_path, at) -> None:
    file = tmp_path / "new" / "one.pt"
    whole = train(*lesson, TINY, SHORT)
    with pytest.raises(Stop):
        train(*lesson, TINY, SHORT, checkpoint=file, progress=ticks(at, Stop()))
    seen: list[int] = []
    resumed = train(*lesson, TINY, SHORT, checkpoint=file, progress=(seen.append(1) for _ in range(99)))
    assert same(whole, resumed)
    assert resumed.losses == whole.losses
    assert len(seen) == 12 - 3 * (at // 3)  # from the end of the last whole epoch, of three steps
    seen.clear()
    again = train(*lesson, TINY, SHORT, checkpoint=file, progress=(seen.append(1) for _ in range(99)))
    assert same(whole, again)
    assert seen == []  # it was finished: no step was made


def test_the_checkpoint_is_a_file_of_plain_tensors(lesson, tmp_path) -> None:
    file = tmp_path / "one.pt"
    train(*lesson, TINY, replace(SHORT, epochs=1), checkpoint=file)
    assert set(torch.load(file, weights_only=True)) > {"model", "best", "optimizer", "losses"}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("change", [{"seed": 1}, {"rate": 2e-2}, {"epochs": 5}])
def test_another_training_s_checkpoint_is_refused(lesson, tmp_path, change) -> None:
    file = tmp_path / "one.pt"
    train(*lesson, TINY, replace(SHORT, epochs=1), checkpoint=file)
    before = file.read_bytes()
    with pytest.raises(InputError, match="checkpoint of another training; remove it"):
        train(*lesson, TINY, replace(SHORT, **change), checkpoint=file)
    frames, masks = lesson
    with pytest.raises(InputError, match="checkpoint of another training"):
        train(frames, 1 - masks, TINY, replace(SHORT, epochs=1), checkpoint=file)
    assert file.read_bytes() == before


class Evil:
    def __reduce__(self):
        return (print, ("code was run",))


def damage(state, kind: str) -> None:
    """Change one entry of a checkpoint to what can't be."""
    moments = state["optimizer"]["state"][0]
    {
        "best is a list": lambda: state.update(best=[1]),
        "best is empty": lambda: state.update(best={}),
        "no best": lambda: state.update(best=None),
        "no losses": lambda: state.update(losses=[]),
        "NaN": lambda: state.update(losses=[float("nan")]),
        "another reason": lambda: state.update(reason="why"),
        "steps": lambda: state.update(steps=-5),
        "shapes": lambda: moments.update(exp_avg=torch.zeros(2)),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    ["best is a list", "best is empty", "no best", "no losses", "NaN", "another reason", "steps", "shapes"],
)
def test_a_checkpoint_with_wrong_entries_is_refused(lesson, tmp_path, kind) -> None:
    file = tmp_path / "one.pt"
    train(*lesson, TINY, replace(SHORT, epochs=1), checkpoint=file)
    state = torch.load(file, weights_only=True)
    state["reason"] = None
    damage(state, kind)
    torch.save(state, file)
    with pytest.raises(InputError, match=r"one\.pt is damaged; remove it"):
        train(*lesson, TINY, replace(SHORT, epochs=1), checkpoint=file)


def test_a_bit_that_has_changed_is_noticed(lesson, tmp_path) -> None:
    file = tmp_path / "one.pt"
    training = train(*lesson, TINY, replace(SHORT, epochs=1), checkpoint=file)
    content = file.read_bytes()
    weights = training.network.head.weight.detach().numpy().tobytes()
    place = content.index(weights)
    file.write_bytes(content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
    with pytest.raises(InputError, match="or damaged"):
        train(*lesson, TINY, replace(SHORT, epochs=1), checkpoint=file)


@pytest.mark.parametrize("kind", ["text", "empty", "code", "list", "cut", "lacks"])
def test_a_file_that_is_no_checkpoint_is_refused(lesson, tmp_path, capsys, kind) -> None:
    file = tmp_path / "one.pt"
    train(*lesson, TINY, replace(SHORT, epochs=1), checkpoint=file)
    state = torch.load(file, weights_only=True)
    if kind == "text":
        file.write_text("hello")
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "code":
        torch.save(Evil(), file)
    elif kind == "list":
        torch.save([1, 2], file)
    elif kind == "cut":
        file.write_bytes(file.read_bytes()[:-200])
    else:
        torch.save({"key": state["key"], "model": {}}, file)
    with pytest.raises(InputError) as error:
        train(*lesson, TINY, replace(SHORT, epochs=1), checkpoint=file)
    assert str(file) in str(error.value)
    assert "code was run" not in capsys.readouterr().out


def test_ctrl_c_keeps_the_best_state(lesson, tmp_path) -> None:
    file = tmp_path / "one.pt"
    stopped = train(*lesson, TINY, SHORT, checkpoint=file, progress=ticks(7, KeyboardInterrupt()))  # in the third epoch
    assert stopped.stopped == "interrupt"
    assert len(stopped.losses) == 2
    best = torch.load(file, weights_only=True)["best"]
    assert all(torch.equal(value, best[name]) for name, value in stopped.network.state_dict().items())
    assert same(train(*lesson, TINY, SHORT, checkpoint=file), train(*lesson, TINY, SHORT))


def fake_loss(monkeypatch, values) -> None:
    """The loss takes these values, step by step, whatever the network says."""
    given = iter(values)
    monkeypatch.setattr(module, "knowledge_loss", lambda logits, *_: 0 * logits.sum() + next(given))


def test_a_loss_that_is_no_number_ends_it(lesson, monkeypatch) -> None:
    fake_loss(monkeypatch, [1.0, 1, 1, 0.5, 0.5, 0.5, 0.4, float("nan"), 0.4])
    training = train(*lesson, TINY, replace(SHORT, epochs=9))
    assert training.stopped == "nan"
    assert training.losses == [1.0, 0.5]
    assert all(bool(value.isfinite().all()) for value in weights(training))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_never_was_a_number_is_reported(lesson, monkeypatch, bad) -> None:
    fake_loss(monkeypatch, [bad] * 3)
    with pytest.raises(DivergedError, match=r"in the first epoch. Lower training.rate \(it is 0.01\)"):
        train(*lesson, TINY, SHORT)


def test_weights_that_the_last_step_made_nan_are_not_kept(lesson, monkeypatch) -> None:
    """A loss is of the weights before its step; the step itself can be the one too far."""
    steps = iter([1.0] * 5 + [float("nan")])  # the gradient of the sixth step, at the end of the second epoch
    monkeypatch.setattr(module, "knowledge_loss", lambda logits, *_: (logits * next(steps)).mean().nan_to_num(0.1))
    training = train(*lesson, TINY, replace(SHORT, epochs=9))
    assert training.stopped == "nan"
    assert len(training.losses) == 1
    assert all(bool(value.isfinite().all()) for value in weights(training))


def test_it_ends_when_the_loss_falls_no_more(lesson, monkeypatch) -> None:
    losses = [1.0, 0.5, 0.6, 0.7, 0.8, 0.1]
    fake_loss(monkeypatch, np.repeat(losses, 3))
    training = train(*lesson, TINY, replace(SHORT, epochs=6, patience=3))
    assert training.stopped == "loss"
    assert training.losses == pytest.approx(losses[:5])


def test_a_budget_ends_it_in_time(lesson, monkeypatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(clock)))  # each look takes a second
    training = train(*lesson, TINY, replace(SHORT, epochs=1000, budget=10.0))
    assert training.stopped == "budget"
    assert 1 <= len(training.losses) <= 4
    assert all(bool(value.isfinite().all()) for value in weights(training))


def test_steps_are_counted_as_they_come(lesson) -> None:
    seen = []
    train(*lesson, TINY, replace(SHORT, batch=4, epochs=2), progress=(seen.append(1) for _ in range(99)))
    assert len(seen) == planned_steps(6, replace(SHORT, batch=4, epochs=2)) == 4


@pytest.mark.parametrize(("limit", "epochs"), [(1, 1), (3, 1), (7, 3)])
def test_steps_are_limited_whatever_the_video_s_length(lesson, limit, epochs) -> None:
    seen = []
    options = replace(SHORT, steps=limit)
    training = train(*lesson, TINY, options, progress=(seen.append(1) for _ in range(99)))
    assert len(seen) == limit == planned_steps(6, options) == planned_steps(600, options)
    assert len(training.losses) == epochs
    assert training.stopped == "steps"


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [schedule(done) for done in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1.0, abs=1e-3)
    assert np.argmax(rates) == 5
    assert rates[0] == 0.1
    assert rates[-1] == 1e-3
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[6:]))


class TestAugmentation:
    def changed(self, seed: int = 0, **options):
        made = toy("disc", (32, 24), 8)
        frames, masks = torch.from_numpy(made.clip.frames), torch.from_numpy(made.clip.masks.astype(np.float32))
        chance = np.random.default_rng(seed)
        return frames, masks, *augment(frames, masks, TrainOptions(**({"flip": False} | options)), chance)

    def test_none_changes_nothing(self) -> None:
        frames, masks, pictures, targets = self.changed()
        assert torch.equal(pictures, frames)
        assert torch.equal(targets, masks)

    @pytest.mark.parametrize("seed", range(3))
    def test_frames_and_masks_are_mirrored_together(self, seed) -> None:
        frames, masks, pictures, targets = self.changed(seed, flip=True)
        turned = [not torch.equal(a, b) for a, b in zip(frames, pictures, strict=True)]
        assert 0 < sum(turned) < 8
        for i, was in enumerate(turned):
            assert torch.equal(pictures[i], frames[i].flip(1) if was else frames[i])
            assert torch.equal(targets[i], masks[i].flip(1) if was else masks[i])

    @pytest.mark.parametrize("seed", range(3))
    def test_what_is_enlarged_is_the_same_part_of_both(self, seed) -> None:
        ramp = torch.arange(32).expand(2, 24, 32)
        pictures, targets = augment(
            (4 * ramp)[..., None].expand(-1, -1, -1, 3).to(torch.uint8),
            4 * ramp.float(),
            TrainOptions(flip=False, scale=2.0),
            np.random.default_rng(seed),
        )
        assert torch.allclose(pictures[..., 0].float(), targets, atol=0.51)
        slope = targets[:, :, 20] - targets[:, :, 10]
        assert bool(((slope > 19.9) & (slope < 40.1)).all())  # 40 without; enlarged up to twofold

    @pytest.mark.parametrize("seed", range(3))
    def test_colours_change_by_no_more_than_told(self, seed) -> None:
        frames, masks, pictures, targets = self.changed(seed, colour=0.2)
        assert torch.equal(targets, masks)
        assert not torch.equal(pictures, frames)
        assert float((pictures.float() - frames.float()).abs().max()) <= 0.2 * 255 + 0.1 * 255 + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"seed": 2**70}, "expected 9223372036854775807 or less"),
        ({"rate": 0}, "rate is 0"),
        ({"scale": 0.5}, "scale is 0.5"),
        ({"colour": 1}, "colour is 1; expected less than 1"),
        ({"cross_weight": 0, "dice_weight": 0}, "both 0"),
        ({"budget": 0}, "budget is 0"),
        ({"flip": 1}, "flip is 1"),
        ({"patience": 0}, "patience is 0"),
    ],
)
def test_options_that_train_nothing(options, message) -> None:
    with pytest.raises(InputError) as error:
        TrainOptions(**options)
    assert message in str(error.value)


def test_shapes_must_agree(lesson) -> None:
    frames, masks = lesson
    with pytest.raises(InputError, match="pseudo has shape"):
        train(frames, masks[:, :, :-1], TINY, SHORT)


def test_a_network_with_too_many_levels_for_its_frames_is_refused(lesson) -> None:
    with pytest.raises(InputError, match="frames of 32x24 are one cell at the network's coarsest level"):
        train(*lesson, NetworkOptions(widths=(8, 8, 8, 8, 8), stem=2), SHORT)
    enough = train(*lesson, NetworkOptions(widths=(8, 8, 8, 8, 16), stem=2), replace(SHORT, steps=2))
    assert len(enough.losses) == 1


def test_whoever_watches_is_told_the_losses_after_each_epoch(lesson, tmp_path) -> None:
    seen: list[tuple[float, ...]] = []
    training = train(*lesson, TINY, SHORT, on_epoch=lambda losses: seen.append(tuple(losses)))
    assert seen == [tuple(training.losses[: count + 1]) for count in range(SHORT.epochs)]


def test_a_pause_counts_neither_as_time_nor_for_the_budget(lesson) -> None:
    def waiting():
        while True:
            time.sleep(0.2)
            yield

    begin = time.perf_counter()
    options = replace(SHORT, epochs=1, budget=1000.0)
    training = train(*lesson, TINY, options, progress=waiting())
    steps = planned_steps(6, options)
    whole = time.perf_counter() - begin
    assert whole > 0.2 * steps
    assert training.seconds < whole - 0.19 * steps
    short = train(*lesson, TINY, replace(SHORT, epochs=2, budget=10.0), progress=waiting())
    assert short.stopped == "steps"
