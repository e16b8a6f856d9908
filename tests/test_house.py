"""The plan of the house, enforced: who may import whom, how large things are, what starts jax."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxheads.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[1]

PAPERS = ("chiang2021", "htut2019", "li2021", "luo2021", "michel2019", "peyrard2021", "zhang2020")

# The floors, lowest first: a room imports rooms of lower floors, and its own modules.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("config", "parallel"),
    ("storage",),
    ("records", "data", "models"),
    ("objectives", "pruning", "analysis"),
    ("inference",),
    ("importance",),
    ("training",),
    ("bench",),
    ("studies.runner",),
    ("studies.workbench",),
    tuple(f"studies.{paper}" for paper in PAPERS),
    ("studies.settings",),
    ("studies.costs",),
    ("studies.registry",),
    ("cli",),
    ("__init__", "__main__"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# A figure is a function of files; sections of papers use what all pages share.
REPORT = {"report", "records", "storage"}
MODULES_AT_TOP, FILES_IN_A_FOLDER, LINES = 5, 16, 44_868

# Run by `jaxheads bench` as a program of its own where torch is installed; nothing may import it.
TORCH_PROGRAMS = {"jaxheads.bench.torch_side"}
IMPORTS_BY_NAME = {"jaxheads.cli.main", "jaxheads.cli.doctor", "jaxheads.__init__"}

# Who may know that a folder stands for a URL, or that several processes share it.
TRANSPORT = {f"jaxheads.storage.{name}" for name in ("remote", "urls")}
CARRIERS = ("storage", "studies.runner", "studies.registry", "cli")

# Imported where they are used: a second or more that most commands need late, or not at all.
LATER = {"transformers", "datasets", "pandas", "pyarrow", "orbax", "sklearn", "ray"}
LATER |= {f"scipy.{name}" for name in ("stats", "special", "optimize", "sparse", "linalg")}
LATER |= {"huggingface_hub", "sentencepiece", "sacrebleu", "torch", "tensorboardX", "wandb"}
DRAWING = {"matplotlib", "PIL"}

DRAWERS = {"util", "utils", "common", "helper", "helpers", "misc"}
FILE_LINES, FUNCTION_LINES = 350, 60


def module_of(path: Path, root: Path = ROOT) -> str:
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    return name.removesuffix(".__init__") if name != "jaxheads.__init__" else name


def room_of(module: str) -> str:
    """The room of a module: jaxheads.data.tokens -> data, jaxheads.studies.runner.cells ->
    studies.runner."""
    parts = [*module.split("."), ""][1:3]
    return ".".join(parts) if parts[0] == "studies" and parts[1] else parts[0]


def may_import(room: str, other: str) -> bool:
    if room == other:
        return True
    if "report" in (room, other):
        return room in ("cli", "__init__") or (room == "report" and other in REPORT)
    return FLOOR.get(other, len(FLOORS)) < FLOOR[room]


def imports_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every imported name with its line, inside functions too; a relative one starts with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def dynamic_imports_of(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        if name in ("import_module", "__import__"):
            yield node.lineno


def import_faults(module: str, tree: ast.AST) -> Iterator[str]:
    room = room_of(module)
    if room not in FLOOR and room not in ("report", "studies"):
        yield f"{module}: {room} is no room of the house"
        return
    for line, name in imports_of(tree):
        first = name.split(".")[0]
        if name.startswith("."):
            yield f"{module}:{line}: relative import of {name}"
        elif first == "torch" and module not in TORCH_PROGRAMS:
            yield f"{module}:{line}: the package never imports torch"
        elif first == "jaxheads" and not may_import(room, room_of(name)):
            yield f"{module}:{line}: {room} may not import {name}"
    if module not in IMPORTS_BY_NAME:
        yield from (f"{module}:{n}: imports by string" for n in dynamic_imports_of(tree))


def size_faults(module: str, text: str, tree: ast.AST) -> Iterator[str]:
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{module}: {lines} lines, at most {FILE_LINES} are allowed"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > FUNCTION_LINES:
                yield f"{module}:{node.lineno}: {node.name} has {size} lines"


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """One cycle of the graph as a path that ends where it starts, or nothing."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for below in sorted(graph.get(node, ())):
            if cycle := visit(below, [*path, node]):
                return cycle
        done.add(node)
        return []

    return next(filter(None, (visit(node, []) for node in sorted(graph))), [])


def modules_under(*folders: str) -> dict[str, str]:
    """Module name -> source text."""
    paths = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return {module_of(path): path.read_text() for path in paths}


def imported_modules(name: str, tree: ast.AST, known: set[str]) -> set[str]:
    """The known modules that this one imports; `from x import y` is `x.y` where that is one."""
    found = set()
    for _, target in imports_of(tree):
        parts = target.split(".")
        prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
        found |= {next((prefix for prefix in prefixes if prefix in known), "")} - {"", name}
    return found


PACKAGE_TREES = {name: ast.parse(text) for name, text in modules_under("jaxheads").items()}


def test_rooms_import_only_what_the_house_allows():
    assert not [fault for item in PACKAGE_TREES.items() for fault in import_faults(*item)]


def test_every_folder_and_module_has_a_floor():
    rooms = {room_of(name) for name in PACKAGE_TREES} - {"report", "studies"}
    assert rooms == FLOOR.keys()


def test_folders_are_small():
    package = ROOT / "jaxheads"
    assert len(list(package.glob("*.py"))) <= MODULES_AT_TOP
    sizes = {
        str(folder.relative_to(ROOT)): len([each for each in folder.iterdir() if each.is_file()])
        for top in (package, ROOT / "tests")
        for folder in (top, *top.rglob("*"))
        if folder.is_dir() and folder.name != "__pycache__"
    }
    assert not {name: size for name, size in sizes.items() if size > FILES_IN_A_FOLDER}


def test_the_package_does_not_grow():
    lines = sum(text.count("\n") for text in modules_under("jaxheads").values())
    assert lines <= LINES


def test_modules_import_each_other_in_one_direction():
    known = set(PACKAGE_TREES)
    assert not find_cycle(
        {name: imported_modules(name, tree, known) for name, tree in PACKAGE_TREES.items()}
    )


def test_science_knows_no_transport():
    assert not [
        name
        for name, tree in PACKAGE_TREES.items()
        if room_of(name) not in CARRIERS and imported_modules(name, tree, TRANSPORT)
    ]


def test_the_programs_that_use_torch_are_imported_by_nothing():
    imported = {
        module
        for name, tree in PACKAGE_TREES.items()
        for module in imported_modules(name, tree, TORCH_PROGRAMS)
    }
    assert not imported


def test_files_and_functions_are_short():
    texts = modules_under("jaxheads", "tests", "configs")
    assert not [
        fault for name, text in texts.items() for fault in size_faults(name, text, ast.parse(text))
    ]


def raises(node: ast.AST) -> bool:
    """Whether a function refuses what it is given, by itself: not in a function inside it."""
    for each in ast.iter_child_nodes(node):
        called = each.exc if isinstance(each, ast.Raise) else each
        name = getattr(called.func, "id", "") if isinstance(called, ast.Call) else ""
        if name == "refuse" or (name == "ValueError" and isinstance(each, ast.Raise)):
            return True
        if not isinstance(each, ast.FunctionDef | ast.Lambda) and raises(each):
            return True
    return False


def silent(name: str, tree: ast.AST, said: str = "") -> Iterator[str]:
    """Public functions, methods and classes that raise ValueError and do not say so."""
    for node in ast.iter_child_nodes(tree):
        public = not getattr(node, "name", "_").startswith("_")
        if isinstance(node, ast.ClassDef) and public:
            yield from silent(f"{name}.{node.name}", node, ast.get_docstring(node) or "")
        elif isinstance(node, ast.FunctionDef) and (public or node.name == "__post_init__"):
            told = said if node.name.startswith("__") else ""
            if raises(node) and "Raises" not in told + (ast.get_docstring(node) or ""):
                yield f"{name}.{node.name}"


def test_public_functions_say_what_they_raise():
    assert not [fault for item in PACKAGE_TREES.items() for fault in silent(*item)]


def test_a_function_that_does_not_say_what_it_raises_is_seen():
    text = "def f():\n    raise ValueError('x')\nclass A:\n    def __post_init__(self):\n"
    assert list(silent("m", ast.parse(text + "        refuse('a', [])"))) == [
        "m.f",
        "m.A.__post_init__",
    ]


def test_no_module_is_a_drawer():
    assert not [name for name in PACKAGE_TREES if DRAWERS & set(name.split("."))]


@pytest.mark.parametrize("where", [w for v in VERBS.values() for w in (v.run, v.then) if w])
def test_verbs_run_only_what_the_command_line_may_import(where):
    module, _, function = where.partition(":")
    assert may_import("cli", room_of(module))
    if module in PACKAGE_TREES:
        functions = (node for node in PACKAGE_TREES[module].body if hasattr(node, "name"))
        assert function in {node.name for node in functions}


def imported_by(code: str) -> set[str]:
    """The names of the modules that a program has imported at its end."""
    code += "\nimport sys\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)]
)
def test_help_starts_neither_jax_nor_numpy(words):
    found = imported_by(f"from jaxheads.cli.main import main; main({words})")
    assert not found & (LATER | DRAWING | {"jax", "numpy", "flax", "tokenizers", "tqdm", "fsspec"})


@pytest.mark.parametrize(
    ("module", "more"),
    [
        ("jaxheads", DRAWING | {"jax", "numpy", "flax"}),
        ("jaxheads.cli.doctor", DRAWING | {"jax", "numpy", "flax"}),
        ("jaxheads.report.write", {"jax", "flax"}),
        ("jaxheads.cli.status", DRAWING | {"jax", "flax"}),
        *((f"jaxheads.cli.{verb}", DRAWING) for verb in ("score", "study", "train", "evaluate")),
    ],
)
def test_what_a_verb_does_not_need_to_begin_is_not_imported(module, more):
    code = "from jaxheads.cli.options.other import DoctorOptions; "
    code += "from jaxheads.storage.remote import outputs; outputs(DoctorOptions()); "
    assert not imported_by(f"{code}import {module}") & (LATER | more)


# -- the checks can fail


@pytest.mark.parametrize(
    ("module", "text", "fault"),
    [
        ("jaxheads.models.x", "from jaxheads.data.batch import Batch", "models may not import"),
        ("jaxheads.models.x", "def f():\n    import jaxheads.data", ":2: models may not import"),
        ("jaxheads.data.x", "from jaxheads import models", "data may not import jaxheads.models"),
        ("jaxheads.config", "from jaxheads.records.rows import Row", "config may not import"),
        ("jaxheads.data.x", "import jaxheads", "data may not import jaxheads"),
        ("jaxheads.data.x", "from . import batch", "relative import"),
        ("jaxheads.data.x", "from ..models import y", "relative import"),
        ("jaxheads.cli.main", "import torch.nn", "never imports torch"),
        ("jaxheads.cli.main", "from torch import nn", "never imports torch"),
        ("jaxheads.data.x", "importlib.import_module('torch')", "imports by string"),
        (
            "jaxheads.data.x",
            "from importlib import import_module\nimport_module('a')",
            ":2: imports",
        ),
        ("jaxheads.tools.x", "", "tools is no room"),
    ],
)
def test_a_forbidden_import_is_seen(module, text, fault):
    faults = list(import_faults(module, ast.parse(text)))
    assert len(faults) == 1
    assert fault in faults[0]


def test_an_allowed_import_is_allowed():
    text = "import jax\nfrom jaxheads.config import A\nfrom jaxheads import storage\n"
    text += "import jaxheads.data.x"
    assert not list(import_faults("jaxheads.data.y", ast.parse(text)))


def test_large_things_are_seen():
    text = "def f():\n" + "    a = 1\n" * 60 + "b = 2\n" * 300
    faults = list(size_faults("m", text, ast.parse(text)))
    assert faults == ["m: 361 lines, at most 350 are allowed", "m:1: f has 61 lines"]


def test_cycles_are_seen():
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert imported_modules("x.a", ast.parse("from x.b import c, d"), {"x.b", "x.b.c"}) == {
        "x.b",
        "x.b.c",
    }
