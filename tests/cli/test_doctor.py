"""The doctor finds what is wrong and names the command that fixes it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest

from jaxheads.cli import doctor
from jaxheads.cli.doctor import Devices, Problem, cache_state, find_problems, hub_state
from jaxheads.cli.main import main
from tests.support.paths import ROOT

GOOD = {**dict.fromkeys(doctor.NEEDED, "9.9"), "jax": "0.12.0.1", "flax": "0.12.12", "torch": ""}
CPU = Devices(backend="cpu", devices=("1 x cpu",))


def problems(versions, devices=CPU, accelerator="", python=(3, 12)):
    return list(find_problems({**GOOD, **versions}, devices, accelerator, python))


def test_nothing_is_wrong_with_a_good_machine():
    assert problems({}) == []


@pytest.mark.parametrize(
    ("flax", "jax", "broken"),
    [
        ("0.12.8", "0.11.1", True),
        ("0.12.8", "0.12.0.1", True),
        ("0.11.2", "0.11.1rc1", True),
        ("0.12.8", "0.11.0", False),
        ("0.12.8", "0.10.2", False),
        ("0.12.9", "0.11.1", False),
        ("0.12.12", "0.12.0.1", False),
    ],
)
def test_flax_and_jax_must_fit(flax, jax, broken):
    found = problems({"flax": flax, "jax": jax})
    assert [problem.what for problem in found] == (
        [f"flax {flax} cannot be imported with jax {jax}"] if broken else []
    )


def test_flax_is_fixed_as_the_python_allows():
    versions = {"flax": "0.12.8", "jax": "0.12.0"}
    assert problems(versions, python=(3, 11))[0].remedy == "pip install 'jax<0.11.1'"
    assert problems(versions, python=(3, 12))[0].remedy == "pip install -U 'flax>=0.12.9'"


def test_missing_packages_are_named_with_their_command():
    found = problems({"sentencepiece": "", "protobuf": ""})
    assert found == [
        Problem("not installed: sentencepiece, protobuf", "pip install sentencepiece protobuf")
    ]
    assert problems({"torch": ""}) == []  # optional


@pytest.mark.parametrize(("accelerator", "extra"), [("gpu", "jax[cuda13]"), ("tpu", "jax[tpu]")])
def test_an_idle_accelerator_is_a_problem(accelerator, extra):
    assert extra in problems({}, accelerator=accelerator)[0].remedy
    assert problems({}, Devices(backend=accelerator), accelerator) == []


def test_old_transformers_and_a_broken_jax_are_problems():
    assert "older than 5" in problems({"transformers": "4.57.6"})[0].what
    assert problems({}, Devices(error="no libtpu"))[0].what == "jax does not start: no libtpu"


LIBTPU = "Unable to initialize backend 'tpu': INTERNAL: Failed to open libtpu.so"
HELD = (
    "Unable to initialize backend 'tpu': ABORTED: The TPU is already in use by process with pid 71"
)


@pytest.mark.parametrize(
    ("platforms", "said", "remedy"),
    [
        ("tpu", LIBTPU, "'jax[tpu]' on a TPU VM; elsewhere unset JAX_PLATFORMS, which is 'tpu'"),
        ("", LIBTPU, "'jax[tpu]' on a TPU VM; elsewhere JAX_PLATFORMS=cpu"),
        ("tpu", HELD, "end process 71, which holds the TPU"),
        ("", "the libtpu lockfile is held", "end the process that holds the TPU"),
        ("cuda", "no device", "'jax[cuda13]' where nvidia-smi shows a GPU; elsewhere unset JAX_"),
        ("metal", "Backend 'metal' is not in the list", "unset JAX_PLATFORMS, which is 'metal'"),
        ("", "no idea", "pip install -U jax jaxlib"),
    ],
)
def test_a_backend_that_does_not_start_has_its_remedy(platforms, said, remedy, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    (problem,) = problems({}, Devices(error=said))
    assert problem.what == f"jax does not start: {said}"
    assert remedy in problem.remedy


@pytest.mark.parametrize("platforms", ["tpu", "cuda"])
def test_a_verb_on_a_backend_that_does_not_start_is_one_line(platforms, tmp_path):
    code = "import sys; from jaxheads.cli import main; import jax.numpy as jnp; "
    code += "main._dispatch = lambda _: jnp.ones(3); sys.exit(main.main(['score']))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "JAX_PLATFORMS": platforms, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.startswith("jaxheads: error: jax does not start: ")
    assert ran.stderr.count("\n") == 1
    assert "JAX_PLATFORMS" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_another_error_of_the_same_class_is_no_backends(capsys, monkeypatch):
    assert doctor.start_fault(RuntimeError("resource exhausted")) == ""
    monkeypatch.setattr("jaxheads.cli.main._dispatch", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["doctor"])


def test_every_dependency_is_looked_for():
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    names = {re.match(r"[\w-]+", need).group() for need in project["dependencies"]}
    assert names <= set(doctor.NEEDED)


def test_the_hub_and_the_cache_are_told_from_the_environment(tmp_path):
    assert hub_state({}).startswith("network allowed; cache in ~/")
    assert hub_state({"HF_HUB_OFFLINE": "1", "HF_HOME": "/h"}) == (
        "offline by HF_HUB_OFFLINE; cache in /h"
    )
    (tmp_path / "jit_f-0123-cache").touch()
    assert cache_state({"JAX_COMPILATION_CACHE_DIR": str(tmp_path)}).endswith("(1 programs)")
    assert "made at first use" in cache_state({"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "x")})
    assert cache_state({}).startswith("off")


def test_the_doctor_reports_this_machine(capsys):
    status = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert status == (1 if report["problems"] else 0)
    assert report["versions"]["jax"] == metadata.version("jax")
    assert report["devices"]["devices"] == ["8 x cpu"]
    assert report["devices"]["cudnn_attention"] == "no: needs an NVIDIA GPU"
    assert report["hub"].startswith("offline by HF_HUB_OFFLINE")


def test_the_doctor_speaks_to_people(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "probe_devices", lambda: Devices(error="no\nlibtpu"))
    assert main(["doctor"]) == 1
    assert "PROBLEM  jax does not start: no" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (subprocess.CompletedProcess([], 1, "", "Traceback\nRuntimeError: no chip\n"), "no chip"),
        (subprocess.CompletedProcess([], -11, "", ""), "exit status -11"),
        (subprocess.TimeoutExpired([], 1), "no answer"),
    ],
)
def test_a_jax_that_crashes_or_hangs_is_reported(monkeypatch, outcome, error):
    def broken(*args, **kwargs):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(subprocess, "run", broken)
    assert error in doctor.probe_devices().error


@pytest.mark.accelerator
def test_the_doctor_sees_the_accelerator():
    found = doctor.probe_devices()
    assert found.backend in ("gpu", "tpu")
    assert found.cudnn_attention
