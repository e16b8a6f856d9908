"""One of several processes that run the command line together.

    python tests/cluster/host_of_many.py COORDINATOR PROCESSES PROCESS SCRIPT

SCRIPT is a JSON list of commands, each a list of words, or ["stop" | "kill", LOG, LINES, PROCESS]:
from there on, as soon as the file LOG has so many lines, PROCESS (-1: each) gets SIGTERM or
SIGKILL. Where $LOST is set, a process is given up after so many seconds without a sign of life.
The exit status is that of the last command, if all before it ended with 0.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import tests.cluster.shelf  # noqa: F401 so that shelf:// is known
from jaxheads.cli.main import main
from jaxheads.parallel import processes as joined

SIGNALS = {"stop": signal.SIGTERM, "kill": signal.SIGKILL}


def watch(log: Path, lines: int, number: signal.Signals) -> None:
    while not log.is_file() or log.read_text().count("\n") < lines:
        time.sleep(0.02)
    os.kill(os.getpid(), number)


def run(coordinator: str, processes: str, process: str, script: str) -> int:
    commands = json.loads(Path(script).read_text())
    saves = any("--checkpoints" in words for words in commands)
    joined.LOST = int(os.environ.get("LOST", joined.LOST))
    joined.start_distributed(coordinator, int(processes), int(process), saves=saves)
    where = ["--coordinator", coordinator, "--num-processes", processes, "--process-id", process]
    status = 0
    for words in commands:
        if words[0] in SIGNALS:
            if words[3] in (-1, int(process)):
                about = (Path(words[1]), words[2], SIGNALS[words[0]])
                threading.Thread(target=watch, args=about, daemon=True).start()
            continue
        assert status == 0, words
        status = main([*words, *where])
        print("status", status, words[0], flush=True)
    return status


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
