"""The names in a study's folder are written in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.paths import ROOT

NAMED = ("stage", "metric")
ASKING = ("at", "spread", "main", "one")  # of a study of the report, whose first argument is one


def is_name(node: ast.AST | None) -> bool:
    """Whether it is a text; a heading of a table may be that of the field."""
    text = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value
    return bool(text) and text not in NAMED


def literals(tree: ast.AST) -> Iterator[int]:
    """The lines in which a stage or a metric is typed as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in NAMED and is_name(node.value):
            yield node.value.lineno
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in NAMED and is_name(value):
                    yield value.lineno
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            first = node.args[0] if node.args else None
            yield from [node.lineno] * (node.func.attr in ASKING and is_name(first))


def test_stages_and_metrics_of_rows_are_typed_nowhere_else():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for room in ("studies", "report")
        for path in sorted((ROOT / "jaxheads" / room).rglob("*.py"))
        for line in literals(ast.parse(path.read_text()))
    ]
    assert not found


@pytest.mark.parametrize(
    "text", ['f(stage="cut")', '{"metric": "loss"}', 'study.at("cut")', 'study.spread("cut", a=1)']
)
def test_a_name_that_is_typed_is_seen(text):
    assert list(literals(ast.parse(text))) == [1]
    assert not list(literals(ast.parse(text.replace('"cut"', "CUT").replace('"loss"', "LOSS"))))
