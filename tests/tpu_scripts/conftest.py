"""A `gcloud` that is none: it records its arguments, keeps the state of a VM, and its workers are
folders of this machine in which the commands for them really run."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SCRIPTS = ROOT / "tpu_scripts"

GCLOUD = r"""
import json, os, pathlib, shutil, subprocess, sys

root, words = pathlib.Path(os.environ["FAKE_CLOUD"]), sys.argv[1:]
with open(root / "calls", "a") as calls:
    calls.write(json.dumps(words) + "\n")
kind, verb = words[2:4]
count = sum(json.loads(line)[2:4] == [kind, verb] for line in open(root / "calls"))
for rule in (root / "failures").read_text().splitlines():  # "tpu-vm create 1 STATUS MESSAGE"
    what, which, number, status, message = rule.split(" ", 4)
    if [what, which] == [kind, verb] and number in ("*", str(count)):
        print(message, file=sys.stderr)
        sys.exit(int(status))
states = root / f"{kind}.states"  # one answer a line; the last one stays

def options(name):
    return [b for a, b in zip(words, words[1:]) if a == name]

if verb == "describe":
    lines = states.read_text().split() if states.exists() else []
    if not lines:
        print("ERROR: NOT_FOUND: no such thing", file=sys.stderr)
        sys.exit(1)
    states.write_text("\n".join(lines[1:] or lines))
    print(lines[0])
elif verb == "create":
    if not states.exists():
        states.write_text("READY" if kind == "tpu-vm" else "ACTIVE")
    if kind == "queued-resources":
        (root / "tpu-vm.states").write_text("READY")
elif verb == "delete":
    states.unlink(missing_ok=True)
elif verb in ("ssh", "scp"):
    workers = sorted(root.glob("worker-*"))
    which = options("--worker")[0]
    chosen = workers if which == "all" else [root / f"worker-{which}"]
    if verb == "scp":
        source, target = (word for word in words[4:] if "/" in word or ":" in word)
        for worker in chosen:
            copy = lambda name: worker / name.split(":", 1)[1] if ":" in name else name
            subprocess.run(["cp", "-R", copy(source), copy(target)], check=True)
    else:
        running = [
            subprocess.Popen(
                ["bash", "-c", options("--command")[0]], env={**os.environ, "HOME": str(worker)},
                cwd=worker,
            )
            for worker in chosen
        ]
        sys.exit(max(one.wait() for one in running))
"""

# Stands for jaxheads on a worker: what it was told, and how it is to end.
JAXHEADS = """#!/bin/bash
if [[ $1 == --version ]]; then echo jaxheads 0; exit; fi
echo run >>"$HOME/runs"
printf '%s\\0' "$@" >"$HOME/told"
env >"$HOME/environment"
echo "scores of $(basename "$HOME")"
if [[ -e $HOME/slow ]]; then sleep "$(<"$HOME/slow")" & wait; fi
exit "$(cat "$HOME/exits" 2>/dev/null || echo 0)"
"""

# Stands for Ray on a worker: what it was told, and whether it has joined.
RAY = """#!/bin/bash
printf '%s\\n' "$*" >>"$HOME/ray.calls"
case $1 in
  status) [[ -e $HOME/ray.runs ]] ;;
  start) touch "$HOME/ray.runs" ;;
  stop) rm -f "$HOME/ray.runs" ;;
esac
"""


# Stands for uv: installs the two above.
UV = """#!/bin/bash
echo "$@" >>"$HOME/uv"
if [[ $1 == venv ]]; then mkdir -p venv/bin && touch venv/bin/python && chmod +x venv/bin/python; fi
if [[ $1 == pip ]]; then printf '%s' "$FAKE_JAXHEADS" >venv/bin/jaxheads; fi
if [[ $1 == pip ]]; then printf '%s' "$FAKE_RAY" >venv/bin/ray; chmod +x venv/bin/*; fi
"""


class Cloud:
    """The fake cloud in `root`; `run` calls one of the scripts."""

    def __init__(self, root: Path, workers: int = 2):
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir(parents=True)
        (root / "failures").write_text("")
        (root / "gcloud.py").write_text(GCLOUD)
        self.write(
            self.bin / "gcloud",
            f'#!/bin/bash\nexec {shlex.quote(sys.executable)} -S "$FAKE_CLOUD/gcloud.py" "$@"\n',
        )
        self.write(self.bin / "hostname", '#!/bin/bash\nbasename "$HOME"\n')
        self.workers = [root / f"worker-{number}" for number in range(workers)]
        for worker in self.workers:
            worker.mkdir()

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def install(self) -> None:
        """As setup.sh leaves the workers."""
        for worker in self.workers:
            self.write(worker / "jaxheads" / "venv" / "bin" / "jaxheads", JAXHEADS)

    def states(self, kind: str, *states: str) -> None:
        (self.root / f"{kind}.states").write_text("\n".join(states))

    def fail(self, step: str, number: int | str = "*", status: int = 1, says: str = "boom") -> None:
        with open(self.root / "failures", "a") as file:
            file.write(f"{step} {number} {status} {says}\n")

    def mend(self) -> None:
        (self.root / "failures").write_text("")

    def run(
        self,
        script: str,
        *words: str,
        name: str = "tiny",
        type: str = "v5litepod-16",  # noqa: A002 gcloud's word
        answer: str = "",
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        settings = {
            "TPU_PROJECT": "a project", "TPU_ZONE": "zone-1", "TPU_NAME": name, "TPU_TYPE": type
        }  # fmt: skip
        return subprocess.run(
            [SCRIPTS / script, *words],
            env={
                "PATH": f"{self.bin}:{os.environ['PATH']}",
                "HOME": str(self.root),
                "FAKE_CLOUD": str(self.root),
                "TPU_POLL": "0",
                **settings,
                **environment,
            },
            input=answer,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.root,
        )

    def calls(self, *start: str) -> list[list[str]]:
        """The recorded words of the calls that start so, after `compute tpus`."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        calls = [json.loads(line)[2:] for line in lines]
        return [call for call in calls if call[: len(start)] == list(start)]

    def end_runs(self) -> None:
        for group in self.root.glob("worker-*/jaxheads/logs/*/group"):
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.killpg(int(group.read_text()), signal.SIGKILL)


@pytest.fixture
def cloud(tmp_path):
    made = Cloud(tmp_path / "the cloud")
    yield made
    made.end_runs()


@pytest.fixture
def checkout(cloud):
    """A small checkout with the scripts, things that must not travel, and a fake uv."""
    root = cloud.root / "check out"
    shutil.copytree(SCRIPTS, root / "tpu_scripts")
    kept = ["pyproject.toml", "jaxheads/cli/main.py", "configs/tiny.py"]
    left = [
        *("runs/a/records", ".venv/bin/python", ".venv-312/x", ".git/config", ".ruff_cache/x"),
        *("jaxheads/__pycache__/cli.pyc", "jaxheads.egg-info/x", ".pytest_cache/x", "dist/x"),
    ]
    for name in kept + left:
        cloud.write(root / name, name)
    cloud.write(cloud.bin / "uv", UV)
    return root


def runs(worker) -> int:
    path = worker / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def setup(cloud, checkout, **environment):
    script = checkout / "tpu_scripts" / "setup.sh"
    return cloud.run(str(script), FAKE_JAXHEADS=JAXHEADS, **environment)
