"""The notebooks run as they stand, in a kernel of their own, and show what they say."""

from __future__ import annotations

import json
import shutil

import nbclient
import nbformat
import pytest

from tests.support.paths import ROOT

FOLDER = ROOT / "configs" / "examples"
SHOWN = {  # beside it: of the outputs of all cells, in any order
    "treebank": ("image/png", "layer ", "text/html"),
    "own_loop": ("on 8 devices", "image/png", "hidden_size=64"),
}


def test_notebooks_are_kept_without_outputs():
    for path in FOLDER.glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == SHOWN.keys()


def test_a_picture_of_a_treebank_takes_five_lines():
    cells = json.loads((FOLDER / "treebank.ipynb").read_text())["cells"]
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    lines = [line for line in "".join(first["source"]).splitlines() if line]
    assert len(lines) <= 5 and "plot_heads" in lines[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_a_notebook_runs(name, tmp_path):
    shutil.copytree(FOLDER, tmp_path / "examples")
    notebook = nbformat.read(tmp_path / "examples" / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path / "examples")}},
    ).execute()  # fmt: skip
    said = json.dumps([cell.get("outputs") for cell in notebook.cells])
    for word in SHOWN[name]:
        assert word in said, said[:2000]
