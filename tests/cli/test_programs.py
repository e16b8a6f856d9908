"""The cache of compiled programs that a command sets up before jax starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jaxheads.cli import programs
from jaxheads.cli.programs import FOLDER, LIMITS, SWITCH, keep_programs


@pytest.fixture
def _before_jax(monkeypatch):
    monkeypatch.delitem(sys.modules, "jax")


@pytest.mark.usefixtures("_before_jax")
def test_programs_are_kept_in_the_users_cache_folder_up_to_a_size(tmp_path):
    told = {"XDG_CACHE_HOME": str(tmp_path)}
    keep_programs(told)
    folder = Path(told[FOLDER])
    assert folder.is_dir() and folder.parent == tmp_path / "jaxheads" / "programs"
    assert LIMITS.items() <= told.items() and SWITCH not in told


@pytest.mark.usefixtures("_before_jax")
def test_a_named_folder_stays_and_none_is_used_where_none_is_wanted(tmp_path):
    named = {FOLDER: "gs://bucket/programs"}
    keep_programs(named)
    assert named == {FOLDER: "gs://bucket/programs"}
    none = {"XDG_CACHE_HOME": str(tmp_path)}
    keep_programs(none, keep=False)
    assert none == {"XDG_CACHE_HOME": str(tmp_path), SWITCH: "false"}
    (tmp_path / "file").write_text("")
    no_folder = {"XDG_CACHE_HOME": str(tmp_path / "file")}
    keep_programs(no_folder)
    assert FOLDER not in no_folder


def test_nothing_is_told_to_a_jax_that_has_started(tmp_path):
    told = {"XDG_CACHE_HOME": str(tmp_path)}
    keep_programs(told)
    assert told == {"XDG_CACHE_HOME": str(tmp_path)}


@pytest.mark.usefixtures("_before_jax")
def test_what_a_killed_command_left_half_written_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "programs_folder", lambda _: tmp_path)
    for name in ("half-cache", "whole-cache", "whole-atime"):
        (tmp_path / name).write_text("")
    keep_programs({})
    assert sorted(path.name for path in tmp_path.glob("*-*")) == ["whole-atime", "whole-cache"]


def test_another_processor_has_another_folder(monkeypatch):
    here = programs.programs_folder({})
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "flags : other\n")
    assert programs.programs_folder({}) != here
