"""Compiled programs on `gs://`, as jax keeps them there; a folder here stands for the buckets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxheads.cli.doctor import cache_state
from tests.support.paths import ROOT

BUCKETS = """
import os
from fsspec.implementations.local import LocalFileSystem


class Buckets(LocalFileSystem):
    protocol = ("gs", "gcs")

    @classmethod
    def _strip_protocol(cls, path):
        scheme, _, place = os.fspath(path).partition("://")
        return super()._strip_protocol(os.environ["BUCKETS"] + "/" + place if place else path)
"""
PROGRAM = """
import jax
import jax.numpy as jnp
from jax import monitoring

found = []
monitoring.register_event_listener(lambda event, **_: found.append(event.split("/")[-1]))
answer = jax.jit(lambda x: (jnp.sin(x) @ x).sum())(jnp.ones((8, 8)))
print(f"{answer:.3f}", found.count("cache_hits"), found.count("cache_misses"))
"""


@pytest.fixture
def buckets(tmp_path, monkeypatch) -> Path:
    """The folder of buckets, which processes started from here open as `gs://`."""
    plug = tmp_path / "plug"
    (plug / "buckets-0.dist-info").mkdir(parents=True)
    (plug / "buckets.py").write_text(BUCKETS)
    (plug / "buckets-0.dist-info" / "METADATA").write_text("Name: buckets\nVersion: 0\n")
    points = "[fsspec.specs]\ngs = buckets:Buckets\ngcs = buckets:Buckets\n"
    (plug / "buckets-0.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.setenv("PYTHONPATH", f"{plug}{os.pathsep}{ROOT}")
    monkeypatch.setenv("BUCKETS", str(tmp_path / "buckets"))
    return tmp_path / "buckets"


def run_program(monkeypatch) -> tuple[str, int, int]:
    """Its answer, and how many programs came from the cache and how many did not."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "gs://mine/programs")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_MAX_SIZE", raising=False)
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    answer, hits, misses = ran.stdout.split()
    return answer, int(hits), int(misses)


def test_a_second_process_takes_programs_from_the_bucket(buckets, monkeypatch):
    answer, hits, misses = run_program(monkeypatch)
    assert hits == 0 and misses > 0
    kept = list((buckets / "mine" / "programs").glob("*-cache"))
    assert len(kept) == misses
    assert run_program(monkeypatch) == (answer, misses, 0)
    where = {"JAX_COMPILATION_CACHE_DIR": "gs://mine/programs"}
    assert cache_state(where) == f"gs://mine/programs ({misses} programs)"


def test_the_doctor_says_what_is_not_there_yet_and_what_cannot_be_reached(buckets):
    there = {"JAX_COMPILATION_CACHE_DIR": "gs://mine/later"}
    assert cache_state(there) == "gs://mine/later (made at first use)"
    nowhere = cache_state({"JAX_COMPILATION_CACHE_DIR": "shelf://mine/programs"})
    assert nowhere == (
        "shelf://mine/programs (not reached: ValueError: jax has no file system for 'shelf://')"
    )


def test_the_doctor_names_the_package_that_a_url_needs(buckets, monkeypatch):
    hidden = buckets.with_name("hidden") / "s3fs.py"
    hidden.parent.mkdir()
    hidden.write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", f"{hidden.parent}{os.pathsep}{ROOT}")
    found = cache_state({"JAX_COMPILATION_CACHE_DIR": "s3://mine/programs"})
    assert found == "s3://mine/programs (not reached: ImportError: Install s3fs to access S3)"
