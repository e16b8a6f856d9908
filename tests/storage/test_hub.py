"""Names to directories, against a Hub that is absent, silent, or a small server of our own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants, utils

from jaxheads.storage import hub
from tests.storage.fake_hub import reaching, serve
from tests.support.paths import ROOT

FETCH = """
import sys, time
import huggingface_hub
from huggingface_hub import snapshot_download
from huggingface_hub.utils import get_session
from jaxheads.storage import hub
start = time.perf_counter()
try:
    print(hub.fetch_model_dir(sys.argv[1], ["config.json", "*.txt"]))
except ValueError as error:
    print("ValueError:", error)
print(time.perf_counter() - start)
"""


def fetch_elsewhere(name: str, home: Path, **environment: str) -> tuple[str, float]:
    """Fetch in a fresh process, which may use the network; return what it said and its seconds."""
    done = subprocess.run(
        [sys.executable, "-c", FETCH, name],
        env=reaching(home) | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    *said, seconds = done.stdout.splitlines()
    return "\n".join(said), float(seconds)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never answers, as a network that swallows packets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def hub_port() -> Iterator[int]:
    with serve({"config.json": b"{}", "a.txt": b"wanted", "weights.bin": b"unwanted"}) as port:
        yield port


def test_a_local_directory_is_itself(tmp_path: Path):
    assert hub.fetch_model_dir(tmp_path, ["config.json"]) == tmp_path
    assert hub.fetch_model_dir(str(tmp_path), []) == tmp_path


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "empty string"),
        ("./nowhere", "no such directory"),
        ("/nowhere/model", "no such directory"),
        ("runs/sst2/", "no such directory"),
        ("a/b/c", "no such directory"),
        (Path("nowhere"), "no such directory"),
        (__file__, "got a file"),
        ("two words", "nor a valid name on the Hub"),
        ("someone/something", "neither a local directory nor in the cache .*HF_HUB_OFFLINE is set"),
    ],
)
def test_what_is_no_directory_is_one_line_at_once(source: str | Path, said: str):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=said) as caught:
        hub.fetch_model_dir(source, ["config.json"])
    assert time.perf_counter() - start < 2
    assert "\n" not in str(caught.value)


def test_an_unknown_name_fails_at_the_clients_time_out_when_the_network_swallows_everything(
    tmp_path: Path, silent_port: int
):
    said, seconds = fetch_elsewhere(
        "someone/something",
        tmp_path,
        HF_ENDPOINT=f"http://127.0.0.1:{silent_port}",
        HF_HUB_ETAG_TIMEOUT="1",
    )
    assert said.startswith("ValueError: 'someone/something' is neither a local directory nor in")
    assert said.endswith("which cannot be reached")
    assert "\n" not in said
    assert 1 <= seconds < 2


def test_an_unknown_name_fails_within_two_seconds_when_nothing_listens(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    said, seconds = fetch_elsewhere(
        "bert-something", tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{port}"
    )
    assert said.endswith("which cannot be reached")
    assert seconds < 2


def test_a_name_look_up_that_hangs_counts_as_no_answer(monkeypatch):
    stop = threading.Event()
    session = types.SimpleNamespace(head=lambda *_, **__: stop.wait(20))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(utils, "get_session", lambda: session)
    start = time.perf_counter()
    assert not hub.hub_answers(0.2)
    assert time.perf_counter() - start < 2
    stop.set()


def test_a_hub_that_takes_its_time_is_reached(monkeypatch):
    allowed = []

    def head(_, timeout):
        allowed.append(timeout)
        time.sleep(1.6)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(utils, "get_session", lambda: types.SimpleNamespace(head=head))
    assert hub.hub_answers()
    assert allowed == [constants.HF_HUB_ETAG_TIMEOUT]


def test_a_model_of_the_hub_is_downloaded_once_and_then_found_without_it(
    tmp_path: Path, hub_port: int, silent_port: int
):
    said, _ = fetch_elsewhere("team/model", tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{hub_port}")
    directory = Path(said)
    assert sorted(path.name for path in directory.iterdir()) == ["a.txt", "config.json"]
    assert (directory / "a.txt").read_bytes() == b"wanted"
    silent = f"http://127.0.0.1:{silent_port}"
    again, seconds = fetch_elsewhere(
        "team/model", tmp_path, HF_ENDPOINT=silent, HF_HUB_ETAG_TIMEOUT="1"
    )
    assert Path(again) == directory
    assert seconds < 2


def test_a_name_that_the_hub_does_not_know_is_one_line(tmp_path: Path, hub_port: int):
    said, _ = fetch_elsewhere("team/other", tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{hub_port}")
    assert said == (
        "ValueError: 'team/other' is neither a local directory nor "
        f"a public model on http://127.0.0.1:{hub_port}"
    )
