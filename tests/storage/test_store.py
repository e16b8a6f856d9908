"""Where results lie: in a folder and at a URL alike, whole or not there."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tests.cluster.shelf  # noqa: F401 so that shelf:// is known
from jaxheads.storage import store as storing
from jaxheads.storage import urls
from jaxheads.storage.files import write_atomically
from jaxheads.storage.store import Store, carried

PLACES = pytest.mark.parametrize("place", ["folder", "shelf"])


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SHELF", str(tmp_path / "shelf"))
    for module in (storing, urls):
        monkeypatch.setattr(module, "PAUSE", 0.01)
    (tmp_path / "shelf").mkdir()
    return tmp_path / "shelf"


def at(place: str, shelf: Path) -> Store:
    return Store(shelf / "runs" if place == "folder" else "shelf://runs")


def a_model(path: Path) -> None:
    with write_atomically(path) as draft:
        (draft / "deep").mkdir(parents=True)
        (draft / "config.json").write_text("{}")
        (draft / "deep" / "weights").write_bytes(b"w" * 99)


@PLACES
def test_what_is_written_is_read_listed_and_removed_by_its_name(place, shelf):
    store = at(place, shelf)
    assert store.names("scores") == [] and not store.exists("scores/a.npz")
    store.write_arrays("scores/a.npz", {"score": np.eye(2)})
    store.write_json("times/b.json", {"seconds": 1})
    store.write("models/m", a_model)
    (shelf / "runs" / "times" / ".c.12-ab.draft.json").write_text("{")
    np.testing.assert_array_equal(store.read_arrays("scores/a.npz")["score"], np.eye(2))
    assert store.texts("times") == {"b.json": '{\n "seconds": 1\n}\n'}
    assert store.names("times") == ["b.json"] and store.exists("models/m")
    read = store.read("models/m", lambda path: (path / "deep" / "weights").read_bytes())
    assert read == b"w" * 99
    store.remove("models/m")
    store.remove("scores/a.npz")
    assert not store.exists("models/m") and not store.exists("scores/a.npz")
    assert str(store) in {"shelf://runs", str(shelf / "runs")}


@PLACES
def test_an_error_names_the_place_and_leaves_nothing(place, shelf):
    store = at(place, shelf)
    with pytest.raises(ZeroDivisionError), store.writing("logs/a.jsonl", "logs/b.jsonl"):
        raise ZeroDivisionError
    assert store.names("logs") == []
    store.write_json("scores/a.npz", "no arrays")
    with pytest.raises(ValueError, match=f"^{store}/scores/a.npz: expected an npz file of scores"):
        store.read_arrays("scores/a.npz", "scores")


def test_what_is_not_there_is_waited_for_at_a_url_alone(shelf, monkeypatch):
    monkeypatch.setattr(storing, "LATE", 0.2)
    for place in ("folder", "shelf"):
        with pytest.raises(FileNotFoundError, match=r"scores/none\.npz"):
            at(place, shelf).read_arrays("scores/none.npz")


def test_a_directory_is_there_when_its_list_of_files_is_and_all_are_read(shelf):
    store = at("shelf", shelf)
    store.write("models/m", a_model)
    contents = shelf / "runs" / "models" / "m" / storing.CONTENTS
    text = contents.read_text()
    contents.unlink()
    assert not store.exists("models/m")
    contents.write_text(text)
    weights = shelf / "runs" / "models" / "m" / "deep" / "weights"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:9])  # as a file system may show it for a while
    threading.Timer(0.3, lambda: weights.write_bytes(whole)).start()
    read = store.read("models/m", lambda path: (path / "deep" / "weights").read_bytes())
    assert read == whole


def test_files_that_come_late_and_puts_that_fail_are_waited_for_and_tried_again(shelf):
    (shelf / "faults").write_text("0.3 0.3")
    store = at("shelf", shelf)
    for number in range(8):
        store.write_arrays(f"scores/{number}.npz", {"score": np.full((2, 3), number)})
        store.write(f"models/{number}", a_model)
        score_LH = store.read_arrays(f"scores/{number}.npz")["score"]
        assert (score_LH == number).all() and store.exists(f"models/{number}")
        assert store.read(f"models/{number}", lambda path: len(list(path.rglob("*")))) >= 3
    assert store.names("scores") == [f"{number}.npz" for number in range(8)]


def test_a_put_that_fails_every_time_is_named_and_half_of_it_is_never_seen(shelf):
    store = at("shelf", shelf)
    (shelf / "faults").write_text("0 1")
    with pytest.raises(
        OSError, match=r"shelf://runs/models/m/config.json: not put after 5 tries: .*was cut"
    ):
        store.write("models/m", a_model)
    (shelf / "faults").unlink()
    assert not store.exists("models/m") and store.names("models/m") == []


def test_a_file_that_is_put_and_never_seen_is_an_error(shelf, monkeypatch):
    monkeypatch.setattr(storing, "LATE", 0.2)
    (shelf / "faults").write_text("60 0")
    with pytest.raises(OSError, match=r"a.json: was put, and is not seen after 0\.2 s"):
        at("shelf", shelf).write_json("a.json", {})


def test_checkpoints_are_carried_to_a_url_as_they_are_complete_and_back(shelf, caplog):
    with carried("shelf://kept") as (folder, put):
        (folder / "2").mkdir(parents=True)
        (folder / "2" / "state").write_text("two")
        (folder / "3.orbax-checkpoint-tmp-1").mkdir()
        put()
        assert (shelf / "kept" / "2" / "state").read_text() == "two"
        (folder / "2" / "state").unlink()
        (folder / "2").rmdir()
        (folder / "4").mkdir()
        (folder / "4" / "state").write_text("four")
        (shelf / "closed").touch()
        put()
        assert "shelf://kept/4/state: not put after 5 tries: " in caplog.text
        (shelf / "closed").unlink()
    assert [path.name for path in (shelf / "kept").iterdir() if list(path.iterdir())] == ["4"]
    with carried("shelf://kept") as (folder, _):
        assert (folder / "4" / "state").read_text() == "four"
        assert not (folder / "2").exists()
    with carried(shelf / "here") as (folder, put):
        assert folder == shelf / "here" and put() is None


def test_a_study_in_a_folder_is_seen_while_it_grows(tmp_path):
    store = Store(tmp_path)
    with store.writing("logs/a.jsonl") as (log,):
        log.parent.mkdir()
        log.write_text("line\n")
        assert (tmp_path / "logs" / "a.jsonl").read_text() == "line\n"
    begin = time.monotonic()
    assert not store.exists("logs/b.jsonl") and time.monotonic() - begin < 0.1
