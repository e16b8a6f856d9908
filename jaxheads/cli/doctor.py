"""`jaxheads doctor`: what this machine has, what is wrong, and the command that fixes it."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from jaxheads.cli.options.other import DoctorOptions

NEEDED = (
    "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "fsspec", "transformers", "tokenizers",
    "huggingface_hub", "datasets", "pyarrow", "sentencepiece", "protobuf", "safetensors", "numpy",
    "scipy", "matplotlib", "jaxtyping", "tqdm", "etils", "filelock",
)  # fmt: skip
OPTIONAL = {"torch": "compares with PyTorch in tests and `jaxheads bench`"}
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
PROBE_SECONDS = 120  # the first start of a GPU or TPU is slow; a hanging one must not hang us


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something wrong, and the command or setting that fixes it."""

    what: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Devices:
    """What jax finds. `cudnn_attention` says "yes" or why not; `error` why jax did not start."""

    backend: str = ""
    devices: tuple[str, ...] = ()
    cudnn_attention: str = ""
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Report:
    """All findings; `versions` has "" for what is not installed."""

    python: str
    machine: str
    versions: dict[str, str]
    devices: Devices
    hub: str
    compilation_cache: str
    problems: tuple[Problem, ...]


def run(options: DoctorOptions) -> int:
    """Print the report; 1 where something is wrong, else 0."""
    report = examine()
    if options.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
    else:
        print("\n".join(_lines(report)))
    return 1 if report.problems else 0


def examine() -> Report:
    """Look at this machine; what may hang or crash, as jax does, is in a process of its own."""
    versions = {name: installed_version(name) for name in (*NEEDED, *OPTIONAL)}
    devices = probe_devices()
    accelerator = "" if os.environ.get("JAX_PLATFORMS") else accelerator_present()
    return Report(
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        versions=versions,
        devices=devices,
        hub=hub_state(os.environ),
        compilation_cache=cache_state(os.environ),
        problems=tuple(find_problems(versions, devices, accelerator, sys.version_info[:2])),
    )


# -- what is wrong


def find_problems(
    versions: Mapping[str, str], devices: Devices, accelerator: str, python: tuple[int, int]
) -> Iterator[Problem]:
    """Every problem in these findings; `accelerator` is "gpu" or "tpu" where jax should use one."""
    missing = [name for name in NEEDED if not versions[name]]
    if missing:
        yield Problem(f"not installed: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    yield from _flax_problems(versions["flax"], versions["jax"], python)
    if versions["transformers"] and _numbers(versions["transformers"]) < (5,):
        what = f"transformers {versions['transformers']} is older than 5"
        yield Problem(what, "pip install -U 'transformers>=5'")
    if devices.error:
        yield Problem(f"jax does not start: {devices.error}", start_remedy(devices.error))
    elif accelerator and devices.backend != accelerator:
        extra = {"gpu": "cuda13", "tpu": "tpu"}[accelerator]
        what = f"this machine has a {accelerator.upper()} that jax does not use"
        yield Problem(what, f"pip install -U 'jax[{extra}]'")


def start_fault(error: BaseException) -> str:
    """Why jax's backend did not start, on one line; "" for an error that is of something else."""
    said = " ".join(str(error).split())
    if isinstance(error, RuntimeError) and "nable to initialize backend" in said:
        return said
    if isinstance(error, AssertionError) and not said and not _starts():
        return "jax finds no device of the kinds that it may use"  # it asserts that there is one
    return ""


def _starts() -> bool:
    import jax

    try:
        return bool(jax.devices())
    except (RuntimeError, AssertionError):
        return False


def start_remedy(said: str) -> str:
    """What to do where jax's backend did not start."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    other = f"unset JAX_PLATFORMS, which is {platforms!r}" if platforms else "JAX_PLATFORMS=cpu"
    holder = re.search(r"in use by process with pid (\d+)", said)
    if holder:
        return f"end process {holder[1]}, which holds the TPU, or {other}"
    if "already in use" in said or "lockfile" in said:
        return f"end the process that holds the TPU (lsof /dev/accel* /dev/vfio/*), or {other}"
    if "tpu" in said or "tpu" in platforms:
        return f"pip install -U 'jax[tpu]' on a TPU VM; elsewhere {other}"
    if "cuda" in said.lower() or "cuda" in platforms or "gpu" in platforms:
        return f"pip install -U 'jax[cuda13]' where nvidia-smi shows a GPU; elsewhere {other}"
    return other if platforms else "pip install -U jax jaxlib"


def _flax_problems(flax: str, jax: str, python: tuple[int, int]) -> Iterator[Problem]:
    """flax through 0.12.8 subclasses a class that jax 0.11.1 removed; its import fails."""
    if flax and jax and _numbers(flax) <= (0, 12, 8) and _numbers(jax) >= (0, 11, 1):
        new_enough = python >= (3, 12)
        remedy = "pip install -U 'flax>=0.12.9'" if new_enough else "pip install 'jax<0.11.1'"
        yield Problem(f"flax {flax} cannot be imported with jax {jax}", remedy)


def _numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in release.group().split(".")) if release else ()


# -- what there is


def installed_version(package: str) -> str:
    """The version of an installed package, "" if there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def accelerator_present() -> str:
    """ "gpu", "tpu" or "": what the operating system shows, whether or not jax can use it."""
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return "gpu"
    return "tpu" if any(Path("/dev").glob("accel[0-9]*")) or "TPU_NAME" in os.environ else ""


def hub_state(environment: Mapping[str, str]) -> str:
    """Whether Hugging Face libraries may use the network, and where they keep what they fetched."""
    switched = [
        name for name in OFFLINE if environment.get(name, "").upper() in ("1", "ON", "YES", "TRUE")
    ]
    home = environment.get("HF_HOME", "~/.cache/huggingface")
    allowed = f"offline by {', '.join(switched)}" if switched else "network allowed"
    return f"{allowed}; cache in {home}"


def cache_state(environment: Mapping[str, str]) -> str:
    """Where compiled programs are kept between runs."""
    folder = environment.get("JAX_COMPILATION_CACHE_DIR", "")
    if not folder:
        return (
            "off: the cache folder cannot be written; JAX_COMPILATION_CACHE_DIR=DIR names another"
        )
    if "://" not in folder:
        return f"{folder} ({count_programs(Path(folder))})"
    try:
        return f"{folder} ({_probe('count_elsewhere', folder)})"
    except OSError as error:
        return f"{folder} (not reached: {error})"


def count_programs(folder: Any) -> str:
    """How many programs are kept in a folder, a `pathlib.Path` or one of `etils.epath`."""
    if not folder.is_dir():
        return "made at first use"
    return f"{sum(path.name.endswith('-cache') for path in folder.iterdir())} programs"


def count_elsewhere(url: str) -> str:
    """The same at a URL, by the file systems that jax has.

    Raises:
      ValueError: for a protocol that jax has no file system for.
    """
    from etils import epath

    try:
        return count_programs(epath.Path(url))
    except KeyError as error:
        raise ValueError(f"jax has no file system for {error}") from error


def probe_devices() -> Devices:
    """Start jax in another process and read what it found."""
    try:
        found = _probe("find_devices")
    except TimeoutError as error:
        return Devices(error=f"{error}; on a TPU pod run it on every host")
    except OSError as error:
        return Devices(error=str(error))
    return Devices(**{**found, "devices": tuple(found["devices"])})


def _probe(function: str, *words: str) -> Any:
    """What a function of this module returns in a process of its own. OSError if it fails."""
    code = (
        "import dataclasses, json, sys; from jaxheads.cli import doctor; "
        f"found = doctor.{function}(*sys.argv[1:]); "
        "print(json.dumps(found, default=dataclasses.asdict))"
    )
    command = [sys.executable, "-c", code, *words]
    modest = {
        **os.environ,
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }  # another run may hold the GPU
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, env=modest
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no answer in {PROBE_SECONDS} s") from error
    if ran.returncode != 0:
        said = ran.stderr.strip().splitlines() or [f"exit status {ran.returncode}"]
        raise OSError(said[-1])
    return json.loads(ran.stdout.splitlines()[-1])


def find_devices() -> Devices:
    """jax's devices by kind, and whether cuDNN's fused attention runs on them; starts jax."""
    import jax

    try:
        kinds = [device.device_kind for device in jax.devices()]
    except (RuntimeError, AssertionError) as error:
        return Devices(error=start_fault(error) or repr(error))
    return Devices(
        backend=jax.default_backend(),
        devices=tuple(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds)),
        cudnn_attention=_try_cudnn_attention(),
    )


def _try_cudnn_attention() -> str:
    """ "yes", or why not: the fused kernel is compiled and run once in bfloat16."""
    import jax
    import jax.numpy as jnp

    if jax.default_backend() != "gpu":
        return "no: needs an NVIDIA GPU"
    heads_BTHK = jnp.ones((1, 128, 2, 64), jnp.bfloat16)
    try:
        jax.nn.dot_product_attention(
            heads_BTHK, heads_BTHK, heads_BTHK, implementation="cudnn"
        ).block_until_ready()
    except Exception as error:  # noqa: BLE001 jax, XLA and cuDNN raise what they like here
        return f"no: {(str(error).splitlines() or [type(error).__name__])[0]}"
    return "yes"


# -- how it is told


def _lines(report: Report) -> Iterator[str]:
    yield f"python             {report.python} on {report.machine}"
    for name, version in report.versions.items():
        absent = f"not installed ({OPTIONAL[name]})" if name in OPTIONAL else "MISSING"
        yield f"{name:18} {version or absent}"
    yield f"devices            {', '.join(report.devices.devices) or 'none'}"
    yield f"backend            {report.devices.backend or 'none'}"
    yield f"cuDNN attention    {report.devices.cudnn_attention or 'unknown'}"
    yield f"hub                {report.hub}"
    yield f"compilation cache  {report.compilation_cache}"
    yield ""
    for problem in report.problems:
        yield f"PROBLEM  {problem.what}"
        yield f"   fix   {problem.remedy}"
    if not report.problems:
        yield "nothing is missing"
