"""The cache of compiled programs, and what malloc is told, before jax starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jaxheads.cli import programs
from jaxheads.cli.programs import FOLDER, LIMITS, SETTINGS, SWITCH, keep_memory, keep_programs


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


FAULTS = """
import os, resource, threading
from jaxheads.cli.programs import keep_memory
keep_memory(os.environ)

def buffers(times):
    for _ in range(times):
        b"x" * 2**27 * (times > 0)  # not known when this is compiled

def on_a_thread(times):
    thread = threading.Thread(target=buffers, args=(times,))
    thread.start(); thread.join()

on_a_thread(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
on_a_thread(3)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_a_buffer_that_was_freed_is_used_again_without_new_pages():
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 2**10  # each buffer alone has 2**15 pages


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_processes_that_a_command_starts_are_told_by_the_environment(monkeypatch):
    monkeypatch.delitem(sys.modules, "jax")
    monkeypatch.setattr("ctypes.CDLL", lambda _: None)  # this process stays as it is
    told = {}
    keep_memory(told)
    assert told == {name: str(setting.value) for name, setting in SETTINGS.items()}


def test_what_the_user_has_set_stays_and_a_jax_that_has_started_is_left_alone(monkeypatch):
    own = {"MALLOC_ARENA_MAX": "4"}
    keep_memory(own)
    nothing = {}
    keep_memory(nothing)
    assert own == {"MALLOC_ARENA_MAX": "4"} and nothing == {}
    monkeypatch.delitem(sys.modules, "jax")
    keep_memory(own)
    assert own == {"MALLOC_ARENA_MAX": "4"}
