"""Weights of others: fetched once, compared with their hash, known by it, and read without running anything."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import ikebook.base.weights
from ikebook.base.check import InputError
from ikebook.base.provenance import LABELS, SELF_SUPERVISED, SYNTHETIC, UNKNOWN, Source, label_trained, marks, read_note
from ikebook.base.torch_files import load_tensors
from ikebook.base.weights import Published, fetch, find, fingerprint, load, origin
from ikebook.runs.options import RunOptions


def small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def saved(path, content=None, **how):
    torch.save(small(1).state_dict() if content is None else content, path, **how)
    return path


def published(path, digits: str | None = None, supervision: str = SYNTHETIC) -> Published:
    digits = digits or hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    path = path.rename(path.with_name(f"{path.stem}-{digits}.pth"))
    return Published(name="ONE", url=path.as_uri(), supervision=supervision)


class TestLoad:
    @pytest.mark.parametrize("old", [False, True])
    @pytest.mark.parametrize("within", [None, "state_dict", "model"])
    def test_the_network_gets_all_of_them(self, tmp_path, old, within) -> None:
        state = small(1).state_dict()
        file = saved(tmp_path / "w.pth", {within: state} if within else state, _use_new_zipfile_serialization=not old)
        network = small(2)
        load(network, file)
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())

    def test_safetensors(self, tmp_path) -> None:
        from safetensors.torch import save_file

        save_file(small(1).state_dict(), tmp_path / "w.safetensors")
        network = small(2)
        load(network, tmp_path / "w.safetensors")
        assert torch.equal(network[0].weight, small(1)[0].weight)
        (tmp_path / "w.safetensors").write_bytes(b"\xff" * 100)
        with pytest.raises(InputError, match="is no safetensors file, or damaged"):
            load(network, tmp_path / "w.safetensors")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda s: s.pop("0.bias"), "1 tensors are missing, 0 too many, 0 of another shape; '0.bias' is the first"),
            (lambda s: s.update(extra=torch.ones(1)), "0 tensors are missing, 1 too many"),
            (lambda s: s.update({"0.bias": torch.ones(3)}), "1 of another shape; '0.bias'"),
            (lambda s: s["0.bias"].fill_(torch.nan), "0.bias has NaN or infinite"),
            (lambda s: s.update({"0.bias": "text"}), "holds no weights"),
        ],
    )
    def test_what_does_not_fit_is_named(self, tmp_path, change, message) -> None:
        state = small(1).state_dict()
        change(state)
        network = small(2)
        with pytest.raises(InputError, match=message):
            load(network, saved(tmp_path / "w.pth", state))
        assert torch.equal(network[0].weight, small(2)[0].weight)

    @pytest.mark.parametrize("old", [False, True])
    def test_no_code_is_run(self, tmp_path, old) -> None:
        class Hostile:
            def __reduce__(self):
                return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

        file = saved(tmp_path / "w.pth", {"a": Hostile()}, _use_new_zipfile_serialization=not old)
        with pytest.raises(InputError, match="more than plain tensors, or damaged"):
            load(small(), file)
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("content", [b"", b"text", pickle.dumps({"a": 1})])
    def test_other_files_are_refused(self, tmp_path, content) -> None:
        (tmp_path / "w.pth").write_bytes(content)
        with pytest.raises(InputError, match=r"no file of torch.save, or damaged"):
            load(small(), tmp_path / "w.pth")

    def test_a_file_cut_short(self, tmp_path) -> None:
        for old in (False, True):
            file = saved(tmp_path / "w.pth", _use_new_zipfile_serialization=not old)
            file.write_bytes(file.read_bytes()[:-40])
            with pytest.raises(InputError, match="damaged"):
                load(small(), file)

    @pytest.mark.parametrize("old", [False, True])
    def test_large_ones_are_refused_before_they_are_read(self, tmp_path, monkeypatch, old) -> None:
        monkeypatch.setattr(ikebook.base.weights, "LARGEST", 100)
        with pytest.raises(InputError, match="more than the"):
            load(small(), saved(tmp_path / "w.pth", _use_new_zipfile_serialization=not old))

    def test_old_files_are_for_weights_alone(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"no file of torch.save"):
            load_tensors(saved(tmp_path / "w.pth", _use_new_zipfile_serialization=False), 1 << 20)

    def test_a_file_that_is_not_there(self, tmp_path) -> None:
        with pytest.raises(InputError, match="can't be read"):
            load(small(), tmp_path / "none.pth")


class TestFetch:
    def test_they_are_fetched_once(self, tmp_path) -> None:
        one = published(saved(tmp_path / "net.pth"))
        file = fetch(one, "--flow net")
        assert file == tmp_path / "cache" / "weights" / one.file_name
        load(small(2), file)
        before = file.stat().st_mtime_ns
        (tmp_path / one.file_name).unlink()  # the address no longer answers
        assert find("ONE", {"ONE": one}, "--flow net").stat().st_mtime_ns == before

    def test_another_hash_leaves_nothing(self, tmp_path) -> None:
        one = published(saved(tmp_path / "net.pth"), "00000000")
        with pytest.raises(InputError, match=r"sha256 begins with .*, not 00000000; it was removed"):
            fetch(one, "--flow net")
        assert not [file for file in (tmp_path / "cache" / "weights").iterdir() if file.suffix != ".lock"]

    def test_of_several_at_once_one_fetches_them(self, tmp_path, monkeypatch) -> None:
        one = published(saved(tmp_path / "net.pth"))
        fetched, actual = [], ikebook.base.weights.download

        def slow(url, part, *rest):
            fetched.append(part)
            part.write_bytes(b"begun")
            time.sleep(0.3)
            part.unlink()
            actual(url, part, *rest)

        monkeypatch.setattr(ikebook.base.weights, "download", slow)
        with ThreadPoolExecutor(4) as pool:
            files = list(pool.map(lambda _: fetch(one, "--flow net"), range(4)))
        assert len(set(files)) == len(fetched) == 1
        load(small(2), files[0])

    def test_a_damaged_copy_is_fetched_anew(self, tmp_path) -> None:
        one = published(saved(tmp_path / "net.pth"))
        file = fetch(one, "--flow net")
        whole = file.read_bytes()
        file.write_bytes(b"damaged")
        assert fetch(one, "--flow net").read_bytes() == whole

    def test_no_network_is_said_with_the_way_out(self, tmp_path) -> None:
        one = Published(name="ONE", url=(tmp_path / "none-12345678.pth").as_uri(), supervision=SYNTHETIC)
        with pytest.raises(InputError) as caught:
            fetch(one, "--flow raft")
        assert "could not be fetched" in str(caught.value)
        assert "name the file, as in --flow raft:none-12345678.pth" in str(caught.value)

    def test_neither_a_name_nor_a_file(self) -> None:
        one = Published(name="ONE", url="https://x/net-12345678.pth", supervision=SYNTHETIC)
        with pytest.raises(
            InputError, match="weights are 'nope'; expected one of ONE, or a file that you have fetched"
        ):
            find("nope", {"ONE": one}, "--flow net")


class TestOrigin:
    @pytest.mark.parametrize("supervision", [SYNTHETIC, LABELS])
    def test_a_file_is_known_by_its_hash(self, tmp_path, supervision) -> None:
        one = published(saved(tmp_path / "net.pth"), supervision=supervision)
        copy = tmp_path / "renamed.pth"
        copy.write_bytes((tmp_path / one.file_name).read_bytes())
        assert origin(str(copy), {"ONE": one}, "flow", "net") == origin("ONE", {"ONE": one}, "flow", "net")
        assert origin("ONE", {"ONE": one}, "flow", "net").supervision == supervision
        assert fingerprint(str(copy), {"ONE": one}).startswith(one.digits)

    def test_of_others_nothing_is_known(self, tmp_path) -> None:
        file = saved(tmp_path / "mine.pth")
        name = f"net mine.pth {hashlib.sha256(file.read_bytes()).hexdigest()[:8]}"
        assert origin(str(file), {}, "flow", "net") == Source(role="flow", name=name, supervision=UNKNOWN)
        before = RunOptions(cues=[f"dino:{file}"], device="cpu").as_dict()
        saved(file, small(3).state_dict())
        assert RunOptions(cues=[f"dino:{file}"], device="cpu").as_dict() != before  # not the same run

    def test_unless_somebody_says_it(self, tmp_path) -> None:
        (tmp_path / "source.json").write_text(json.dumps({"name": "DINO", "supervision": SELF_SUPERVISED}))
        found = origin(str(saved(tmp_path / "mine.pth")), {}, "cue", "dino")
        assert re.fullmatch(r"dino mine\.pth [0-9a-f]{8} \(DINO\)", found.name)
        assert found.supervision == SELF_SUPERVISED


class TestNotes:
    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "1", '{"name": "x"}', '{"name": 1, "supervision": "labels"}',
                 '{"name": "x", "supervision": "lots"}', '{"name": "x", "supervision": ["labels"]}', "[" * 30_000,
                 '{"name": "' + "x" * 70_000 + '", "supervision": "none"}'],
    )  # fmt: skip
    def test_what_says_nothing_sound_says_nothing(self, tmp_path, text) -> None:
        (tmp_path / "source.json").write_text(text)
        assert read_note(tmp_path, "cue", "maps") == Source(role="cue", name="maps", supervision=UNKNOWN)

    @pytest.mark.parametrize(
        ("notes", "name", "supervision"),
        [
            ((SYNTHETIC, SYNTHETIC), "flow (net)", SYNTHETIC),
            ((SYNTHETIC, LABELS), "flow (net)", LABELS),
            ((SYNTHETIC, None), "flow (net)", UNKNOWN),
            ((None, LABELS), "flow (net)", LABELS),
            ((SELF_SUPERVISED, SYNTHETIC), "flow (net)", SELF_SUPERVISED),
            ((None, None), "flow", UNKNOWN),
            ((), "flow", UNKNOWN),
        ],
    )
    def test_a_data_set_s_folders_have_one_each(self, tmp_path, notes, name, supervision) -> None:
        """As the script for ptlflow writes them."""
        for index, note in enumerate(notes):
            (tmp_path / str(index)).mkdir()
            if note is not None:
                (tmp_path / str(index) / "source.json").write_text(json.dumps({"name": "net", "supervision": note}))
        assert read_note(tmp_path, "flow", "flow") == Source(role="flow", name=name, supervision=supervision)

    def test_labels_and_what_nobody_knows_are_marked(self) -> None:
        known = [Source(role="flow", name=one, supervision=one) for one in ("none", SYNTHETIC, SELF_SUPERVISED)]
        taught = Source(role="cue", name="fcn", supervision=LABELS)
        unknown = Source(role="cue", name="maps", supervision=UNKNOWN)
        assert marks(one.as_dict() for one in known) == []
        assert marks(one.as_dict() for one in [*known, taught, unknown]) == [
            "label-trained: cue fcn", "training unknown: cue maps"
        ]  # fmt: skip
        assert [label_trained(s) for s in (known, [*known, unknown], [*known, unknown, taught])] == [False, None, True]
