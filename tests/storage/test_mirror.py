"""Folders here that stand for one elsewhere, of several workers."""

from __future__ import annotations

import pytest

from jaxheads.storage.mirror import Mirror
from tests.storage.test_remote import names, write


def test_workers_on_one_folder_see_what_the_others_have_put_and_taken_away(memory, tmp_path):
    one, two = (Mirror("memory://runs/one", tmp_path / each) for each in ("one", "two"))
    write(one.folder / "cells/a.jsonl", "a", second=5)
    write(one.folder / "failed/b.json", "b", second=5)
    write(one.folder / "checkpoints/t/3/d", "c", second=5)
    one.put()
    two.fetch({"checkpoints"})
    assert sorted(names(two.folder)) == ["cells/a.jsonl", "failed/b.json"]
    write(two.folder / "cells/b.jsonl", "b", second=6)
    (two.folder / "failed/b.json").unlink()
    two.put()
    got = []
    get = type(memory).get_file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(memory), "get_file", lambda *w, **n: (got.append(w[1]), get(*w, **n))[1])
        one.fetch()
    assert got == ["/runs/one/cells/b.jsonl"]  # and not what it has put itself
    assert sorted(names(one.folder)) == ["cells/a.jsonl", "cells/b.jsonl", "checkpoints/t/3/d"]
    two.fetch()
    assert sorted(names(two.folder)) == sorted(names(one.folder))
    write(one.folder / "cells/a.jsonl", "anew", second=9)
    one.put()
    two.fetch()
    assert (two.folder / "cells/a.jsonl").read_text() == "anew"
    (one.folder / "checkpoints/t/3/d").unlink()
    one.put()
    two.fetch()
    assert not (two.folder / "checkpoints").exists()


def test_what_goes_while_it_is_fetched_is_left_out(memory, monkeypatch, tmp_path):
    memory.pipe({"/runs/one/a": b"a", "/runs/one/b": b"b", "/runs/one/c": b"c"})
    get = type(memory).get_file

    def late(self, path, *words, **named):
        if path.endswith("b"):
            raise FileNotFoundError(path)
        return get(self, path, *words, **named)

    monkeypatch.setattr(type(memory), "get_file", late)
    mirror = Mirror("memory://runs/one", tmp_path / "here")
    mirror.fetch()
    assert sorted(names(mirror.folder)) == ["a", "c"]
    monkeypatch.setattr(type(memory), "get_file", get)
    mirror.fetch()
    assert sorted(names(mirror.folder)) == ["a", "b", "c"]
