"""Files are whole or not there at all."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from jaxheads.storage.files import write_atomically


def test_a_file_appears_only_at_the_end(tmp_path):
    target = tmp_path / "scores.npz"
    with write_atomically(target) as draft:
        np.savez(draft, score=np.arange(6.0))
        assert draft.exists() and not target.exists()
    assert np.load(target)["score"].sum() == 15
    assert os.listdir(tmp_path) == ["scores.npz"]


def test_a_file_that_was_there_is_replaced_whole(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with write_atomically(target) as draft:
        draft.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("failure", [ValueError("bad"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there(tmp_path, failure):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(type(failure)), write_atomically(target) as draft:
        draft.write_text("half")
        raise failure
    assert os.listdir(tmp_path) == ["a.txt"]
    assert target.read_text() == "old"


def test_a_failure_removes_the_parents_it_made(tmp_path):
    target = tmp_path / "runs" / "one" / "a.txt"
    with pytest.raises(ZeroDivisionError), write_atomically(target) as draft:
        draft.write_text("half")
        raise ZeroDivisionError
    assert not os.listdir(tmp_path)


def test_a_directory_appears_only_at_the_end(tmp_path):
    target = tmp_path / "models" / "cut"
    with write_atomically(target) as draft:
        (draft / "deep").mkdir(parents=True)
        (draft / "deep" / "config.json").write_text("{}")
        assert not target.exists()
    assert (target / "deep" / "config.json").read_text() == "{}"
    assert os.listdir(tmp_path / "models") == ["cut"]


def test_a_failure_removes_a_half_written_directory(tmp_path):
    with pytest.raises(ZeroDivisionError), write_atomically(tmp_path / "cut") as draft:
        draft.mkdir()
        (draft / "config.json").write_text("{}")
        raise ZeroDivisionError
    assert not os.listdir(tmp_path)


def test_a_full_directory_is_never_replaced(tmp_path):
    target = tmp_path / "cut"
    target.mkdir()
    (target / "precious").write_text("x")
    with pytest.raises(FileExistsError, match="a directory with files in it"):
        with write_atomically(target):
            pytest.fail("the block must not start")
    assert (target / "precious").read_text() == "x"


def test_an_empty_directory_may_be_filled(tmp_path):
    target = tmp_path / "cut"
    target.mkdir()
    with write_atomically(target) as draft:
        draft.mkdir()
        (draft / "a").write_text("x")
    assert (target / "a").exists()


def test_an_unwritable_place_is_rejected_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError), write_atomically(tmp_path / "file" / "scores.npz"):
        pytest.fail("the block must not start")


def test_a_full_disk_is_told_with_the_file_that_found_no_room(tmp_path):
    target = tmp_path / "scores.npz"
    with pytest.raises(OSError, match="No space left on device") as error:
        with write_atomically(target):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.filename == str(target)
    assert error.value.errno == errno.ENOSPC


def test_what_is_said_of_a_draft_is_said_of_its_target(tmp_path):
    target = tmp_path / "model"
    with pytest.raises(OSError, match="No space left") as error:
        with write_atomically(target) as draft:
            raise OSError(errno.ENOSPC, "No space left on device", str(draft / "config.json"))
    assert error.value.filename == str(target / "config.json")
    with pytest.raises(OSError, match="not written") as error:
        with write_atomically(target) as draft:
            raise OSError(f"{draft}/model.safetensors: not written: no space left")
    assert str(error.value) == f"{target}/model.safetensors: not written: no space left"


def test_a_missing_file_is_told_as_the_one_that_was_read(tmp_path):
    with pytest.raises(FileNotFoundError) as error, write_atomically(tmp_path / "a.txt"):
        (tmp_path / "other.txt").read_text()
    assert error.value.filename == str(tmp_path / "other.txt")
