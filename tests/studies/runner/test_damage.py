"""Full disks, read-only folders and damaged files: one line, and what was finished still counts."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jaxheads.storage import files
from tests.support.tiny_study import study, write_study

pytestmark = pytest.mark.slow  # whole studies of tiny models

SEEDS = {"seeds": "0"}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("data"), models=1)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "out"
    assert study(config, out, **SEEDS) == 0
    return out


def rows(out: Path) -> bytes:
    return (out / "rows.jsonl").read_bytes()


def half(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def refusal(config: Path, out: Path, capsys) -> str:
    """The one line on standard error of a study that stops."""
    capsys.readouterr()
    assert study(config, out, **SEEDS) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("jaxheads: error: ")


# damaged file, the cell that reads it, what is said of it
DAMAGED = {
    "scores/roberta-mlm-0.npz": ("roberta-coherence", "expected an npz file of scores"),
    "scores/kept/roberta-sst2-0.npy": ("roberta-reliabilities", "expected an npy file of effects"),
    "answers/roberta-sst2-0.npz": ("roberta-functional", "expected an npz file of answers"),
    "models/roberta-sst2-0/model.safetensors": (
        "roberta-sst2-0-curves", "expected a whole safetensors file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_cut_short_is_named_with_the_cell_that_reads_it(
    config, finished, tmp_path, capsys, name
):
    out = shutil.copytree(finished, tmp_path / "out")
    reader, said = DAMAGED[name]
    half(out / name)
    (out / "cells" / f"{reader}.jsonl").unlink()
    done = len(list((out / "cells").iterdir()))
    line = refusal(config, out, capsys)
    assert line.startswith(f"cell {reader}: {out / name}: {said}")
    assert line.endswith(f"{done} cells in {out / 'cells'} are finished and stay")


def test_what_was_damaged_is_made_again_with_the_cell_that_makes_it(config, finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "out")
    (out / "answers/roberta-sst2-0.npz").unlink()
    for cell in ("roberta-sst2-0-curves", "roberta-functional"):
        (out / "cells" / f"{cell}.jsonl").unlink()
    assert study(config, out, **SEEDS) == 0
    assert rows(out) == rows(finished)


def test_a_cell_cut_short_is_named_and_computed_again_once_removed(
    config, finished, tmp_path, capsys
):
    out = shutil.copytree(finished, tmp_path / "out")
    cell = out / "cells/roberta-loss-before.jsonl"
    cut = cell.read_bytes()[:-9]
    cell.write_bytes(cut)
    place = f"{cell}:{len(cut.splitlines())}"
    assert refusal(config, out, capsys).startswith(f"{place}: expected a whole file")
    cell.unlink()
    assert study(config, out, **SEEDS) == 0
    assert rows(out) == rows(finished)


def test_a_disk_that_fills_up_is_one_line_and_the_study_goes_on_from_there(
    config, finished, tmp_path, monkeypatch, capsys
):
    """After 40 files there is room for none; the file is named, and nothing is half there."""
    out, room = tmp_path / "out", iter(range(40))
    real = files._sync

    def sync(path: Path) -> None:
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path)

    monkeypatch.setattr(files, "_sync", sync)
    line = refusal(config, out, capsys)
    assert line.startswith("cell roberta-")
    assert f"No space left on device: '{out}/" in line
    assert not list(out.rglob(".*draft*"))
    cells = len(list((out / "cells").iterdir()))
    assert cells > 3
    assert f"; {cells} cells in " in line
    monkeypatch.undo()
    assert study(config, out, **SEEDS) == 0
    assert rows(out) == rows(finished)


def test_a_folder_that_becomes_read_only_is_one_line(
    config, finished, tmp_path, monkeypatch, capsys
):
    out = shutil.copytree(finished, tmp_path / "out")
    (out / "cells/roberta-coherence.jsonl").unlink()

    def locked(self: Path, *_, **__) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "touch", locked)
    line = refusal(config, out, capsys)
    assert line.startswith("cell roberta-coherence: ")
    assert "Read-only file system" in line
    monkeypatch.undo()
    assert study(config, out, **SEEDS) == 0
    assert rows(out) == rows(finished)


def test_a_place_that_cannot_be_written_is_one_line_before_anything_runs(config, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert f"{tmp_path / 'file'}" in refusal(config, tmp_path / "file" / "out", capsys)


def test_files_that_may_not_grow_are_one_line(config, tmp_path):
    """As by a full disk, the system itself refuses every write beyond 9 kB.

    -B: Python would leave modules cut short in its cache, for all who import them after it.
    """
    limited = (
        "import resource, sys\n"
        "from jaxheads.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["study", str(config), "--out", str(tmp_path / "out"), "--set", "seeds=0"]
    ran = subprocess.run(
        [sys.executable, "-B", "-c", limited, *words], capture_output=True, text=True, timeout=200
    )
    assert ran.returncode == 2, ran.stderr
    (said,) = [line for line in ran.stderr.splitlines() if line.startswith("jaxheads: ")]
    assert said.startswith("jaxheads: error: cell roberta-pretrained: ")
    assert "File too large" in said
    assert not list((tmp_path / "out").rglob(".*draft*"))
