"""The world every test runs in: eight CPU devices, no network, checked types, kept programs.

What is set in the environment here is set before anything imports jax or a Hugging Face library,
and is inherited by the processes that tests start.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
from importlib import metadata
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # `JAX_PLATFORMS= pytest -m accelerator` frees it
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")
os.environ.setdefault("MPLBACKEND", "Agg")

# A tiny encoder is built and differentiated in 10 s when compiled, in 1 s with programs kept.
# The limit also makes jax lock the folder, which workers and subprocesses share.
CACHE = Path(__file__).resolve().parents[1] / ".pytest_cache" / "d" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(2**30))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
for _program in CACHE.glob("*-cache"):  # one half-written by a killed run stops all later writes
    if not _program.with_name(_program.name.removesuffix("-cache") + "-atime").exists():
        _program.unlink(missing_ok=True)

# Tiny programs compile for longer than they run: half of the suite's time is saved.
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
if metadata.version("jaxlib").startswith("0.10."):  # later ones do not know it
    QUICK += " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
os.environ["XLA_FLAGS"] = f"{QUICK} {os.environ.get('XLA_FLAGS', '')}".strip()

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
for _offline in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
    os.environ[_offline] = "1"

import fsspec  # noqa: E402
import hypothesis  # noqa: E402
import jaxtyping  # noqa: E402
import pytest  # noqa: E402

# Types are checked everywhere but in the built-in language and the reader of trees, which have no
# arrays and make tens of thousands of short calls for a text: checked, a study takes minutes.
_UNCHECKED = (
    "jaxheads.data.draws",
    "jaxheads.data.language",
    "jaxheads.data.treebanks.constituency",
    "jaxheads.data.treebanks.sentences",
)
_ROOT = Path(__file__).resolve().parents[1]
_MODULES = (
    ".".join(path.relative_to(_ROOT).with_suffix("").parts)
    for path in sorted((_ROOT / "jaxheads").rglob("*.py"))
    if path.stem not in {"__init__", "__main__"}
)
jaxtyping.install_import_hook(
    [name for name in _MODULES if not name.startswith(_UNCHECKED)], "beartype.beartype"
)

hypothesis.settings.register_profile(
    "jaxheads",
    deadline=None,  # the first example of a shape compiles
    max_examples=50,
    derandomize=bool(os.environ.get("CI")),
)
hypothesis.settings.load_profile("jaxheads")

pytest_plugins = ["tests.support.reviews", "tests.support.cases"]  # fixtures of several rooms

FOUND_BY_NAME = ("slow", "torch", "tpu_compile", "chromium")  # in files of tests, by .ci/run
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; the test is skipped where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the data folder {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def memory():
    """fsspec's file system in memory (`memory://`), empty again afterwards."""
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("data")
        for name in FOUND_BY_NAME:
            if item.get_closest_marker(name) and f"mark.{name}" not in _text(item.path):
                raise pytest.UsageError(f"{item.path}: expected mark.{name} in its text")


_text = functools.cache(Path.read_text)


_connect, _connect_ex, _getaddrinfo = (
    socket.socket.connect,
    socket.socket.connect_ex,
    socket.getaddrinfo,
)


def _stays_here(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name in (None, "", "localhost", "::1", "0.0.0.0", "::") or str(name).startswith("127.")


def _refuse_outside(connection: socket.socket, address: object) -> None:
    inside = connection.family not in (socket.AF_INET, socket.AF_INET6)
    if not inside and not (isinstance(address, tuple) and _stays_here(address[0])):
        raise OSError(errno.ENETUNREACH, f"the network is off in tests, got {address!r}")


def _guarded_connect(self: socket.socket, address):
    _refuse_outside(self, address)
    return _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address):
    _refuse_outside(self, address)
    return _connect_ex(self, address)


def _guarded_getaddrinfo(host, *args, **kwargs):
    if not _stays_here(host):
        raise socket.gaierror(socket.EAI_NONAME, f"the network is off in tests, got {host!r}")
    return _getaddrinfo(host, *args, **kwargs)


socket.socket.connect = _guarded_connect
socket.socket.connect_ex = _guarded_connect_ex
socket.getaddrinfo = _guarded_getaddrinfo
