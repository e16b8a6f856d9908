from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from jaxheads.importance import kept
from jaxheads.importance.kept import join_kept, keep_rows, open_kept, part_of, token_file


def test_rows_filled_in_any_order_are_read_back(tmp_path):
    effect_NLH = np.random.default_rng(0).normal(size=(7, 2, 3)).astype(np.float32)
    with keep_rows(tmp_path / "g.npy", (7, 2, 3)) as rows:
        for index_b in ([5, 1, 0], [2, 3], [], [4, 6]):
            rows.fill(np.array(index_b, int), effect_NLH[np.array(index_b, int)])
    np.testing.assert_array_equal(open_kept(tmp_path / "g.npy"), effect_NLH)
    assert isinstance(open_kept(tmp_path / "g.npy"), np.memmap)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0, 2], "numbers below 2, got 2"),
        ([-1], "numbers below 2, got -1"),
        ([0, 1, 1], "got example 1 twice"),
        ([0], "expected 2 examples, got 1"),
    ],
)
def test_wrong_repeated_and_missing_examples_are_rejected_and_leave_no_file(
    tmp_path, index, message
):
    with pytest.raises(ValueError, match=message):
        with keep_rows(tmp_path / "g.npy", (2, 1, 1)) as rows:
            rows.fill(np.array(index), np.zeros((len(index), 1, 1), np.float32))
    assert not list(tmp_path.iterdir())


def test_an_example_that_came_in_an_earlier_batch_is_rejected(tmp_path):
    with pytest.raises(ValueError, match="got example 1 twice"):
        with keep_rows(tmp_path / "g.npy", (2, 1, 1)) as rows:
            rows.fill(np.array([1]), np.zeros((1, 1, 1), np.float32))
            rows.fill(np.array([0, 1]), np.zeros((2, 1, 1), np.float32))


def test_the_parts_of_several_processes_join(tmp_path, monkeypatch):
    effect_NLH = np.arange(10, dtype=np.float32).reshape(5, 1, 2)
    for process in (0, 1):
        with monkeypatch.context() as patch:
            patch.setattr(kept.jax, "process_count", lambda: 2)
            patch.setattr(kept.jax, "process_index", lambda process=process: process)
            with keep_rows(tmp_path / "g.npy", (5, 1, 2)) as rows:
                own = np.arange(process, 5, 2)
                rows.fill(own, effect_NLH[own])
    assert np.isnan(open_kept(part_of(tmp_path / "g.npy", 0))[1]).all()
    parts = np.stack([open_kept(part_of(tmp_path / "g.npy", process)) for process in (0, 1)])
    join_kept(tmp_path / "g.npy", (5, 1, 2), [parts[:, :2], parts[:, 2:]])
    np.testing.assert_array_equal(open_kept(tmp_path / "g.npy"), effect_NLH)
    with pytest.raises(ValueError, match="expected 5 examples, got 3"):
        join_kept(tmp_path / "g.npy", (5, 1, 2), [parts[:1]])


def test_names_of_files():
    assert part_of("runs/g.npy", 3).name == "g.3.npy"
    assert token_file("runs/g.npy").as_posix() == "runs/g.token.npy"
    with pytest.raises(ValueError, match=r"ends in \.npy, got g\.bin"):
        with keep_rows("g.bin", (1, 1, 1)):
            pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((2, 3), np.float32), r"got float32 \[2, 3\]"),
        (np.zeros((2, 3, 1)), r"got float64 \[2, 3, 1\]"),
        (b"", "expected an npy file of effects"),
        (b"not numpy", "expected an npy file of effects"),
    ],
)
def test_other_files_are_rejected(tmp_path, content, message):
    path = tmp_path / "g.npy"
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)
    with pytest.raises(ValueError, match=message):
        open_kept(path)


def test_room_is_taken_before_anything_is_computed(tmp_path, monkeypatch):
    """Else a disk that fills up later kills the process: a mapped write cannot fail otherwise."""
    with keep_rows(tmp_path / "a.npy", (1000, 4, 4)) as rows:
        (draft,) = tmp_path.iterdir()
        assert draft.stat().st_blocks * 512 >= 1000 * 4 * 4 * 4
        rows.fill(np.arange(1000), np.zeros((1000, 4, 4), np.float32))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device: .*/b.npy"):
        with keep_rows(tmp_path / "b.npy", (2, 1, 1)):
            raise AssertionError("nothing is computed")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
