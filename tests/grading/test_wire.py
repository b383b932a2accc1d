"""Answers go through bytes and come out as they were; bytes that are no message are refused, and nothing else happens."""

from __future__ import annotations

import io
import json
import struct
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ikebook.grading.wire import MOST_BYTES, Malformed, Missing, decode, encode, receive, send

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(PLAIN)
def test_plain_answers_come_out_as_they_were(value) -> None:
    came = decode(encode(value))
    assert came == value
    assert type(came) is type(value)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "float64"])
def test_arrays_and_tensors_keep_kind_type_and_shape(dtype) -> None:
    array = np.arange(6).reshape(3, 2).T.astype(dtype)
    came = decode(encode(array))
    assert came.dtype == array.dtype
    assert (came == array).all()
    came[0, 0] = 1  # a copy of one's own
    tensor = torch.from_numpy(array.copy())
    back = decode(encode([tensor, array[0, 1]]))
    assert back[0].dtype == tensor.dtype
    assert torch.equal(back[0], tensor)
    assert type(back[1]) is type(array[0, 1])


def test_what_stands_for_a_number_is_one_and_other_things_keep_their_names() -> None:
    sparse = torch.eye(3).to_sparse()
    gradient = torch.ones(2, requires_grad=True) * 2
    solved = torch.linalg.lstsq(torch.eye(2), torch.ones(2, 1))
    came = decode(
        encode((Fraction(1, 4), range(3), sparse, gradient, solved, ..., NotImplemented, Missing, object(), 1j))
    )
    assert came[0] == 0.25
    assert came[1] == [0, 1, 2]
    assert torch.equal(came[2], torch.eye(3))
    assert came[3].tolist() == [2, 2]
    assert came[4].shape == (2, 1)
    assert came[5:8] == (..., NotImplemented, Missing)
    assert [type(one).__name__ for one in came[8:]] == ["object", "complex"]


def test_long_tables_of_numbers_become_arrays_and_what_is_too_deep_is_cut() -> None:
    assert decode(encode([[float(i)] * 200 for i in range(3)])).shape == (3, 200)
    deep: list = []
    for _ in range(100):
        deep = [deep]
    assert len(encode(deep)) < 500


def test_functions_stay_and_are_known_by_number() -> None:
    functions: list = []
    message = encode({"f": len, "g": [abs]}, functions)
    assert functions == [len, abs]
    assert decode(message, remote=lambda number: ("call", number)) == {"f": ("call", 0), "g": [("call", 1)]}
    with pytest.raises(Malformed):
        decode(message)


@given(st.binary(max_size=200))
def test_rubbish_is_refused(message) -> None:
    with pytest.raises(Malformed):
        decode(message)


@pytest.mark.parametrize(
    "tree",
    [
        {"array": 0, "dtype": "O", "shape": [1]},
        {"array": 0, "dtype": "f8", "shape": [10**12]},
        {"array": 0, "dtype": "V8", "shape": [1]},
        {"array": 7, "dtype": "f8", "shape": [1]},
        {"dict": [[{"list": []}, 1]]},
        {"function": "0"},
        {"anything": 1},
        {},
        [1],
    ],
)
def test_trees_of_no_known_kind_are_refused(tree) -> None:
    head = json.dumps({"tree": tree, "sizes": [8]}).encode()
    with pytest.raises(Malformed):
        decode(struct.pack(">I", len(head)) + head + bytes(8), remote=lambda number: number)


def test_messages_follow_each_other_and_long_ones_are_refused_unread() -> None:
    stream = io.BytesIO()
    send(stream, b"one")
    send(stream, b"")
    stream.write(struct.pack(">Q", MOST_BYTES + 1))
    stream.seek(0)
    assert [receive(stream), receive(stream)] == [b"one", b""]
    with pytest.raises(Malformed):
        receive(stream)
    with pytest.raises(EOFError):
        receive(stream)
