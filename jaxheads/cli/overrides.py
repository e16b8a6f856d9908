"""Text -> typed settings: `a.b=value` overrides, option values, and config files. A leaf."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import math
import runpy
import sys
import traceback
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeGuard, TypeVar, Union

T = TypeVar("T")
PACKAGE = Path(__file__).resolve().parents[1]  # in a wheel configs lie in it, else beside it


def override(config: T, settings: Iterable[str]) -> T:
    """A copy of a frozen dataclass with each `a.b=value` applied, all at once; strict in every way.

    `a` may be a tuple of dataclasses, whose `name`s then follow: `models.roberta.pretrain.steps=9`.
    Each dataclass checks itself after its fields were replaced together.

    Raises:
      ValueError: lists every name that is no field or given twice, and every wrong value; or what
        the dataclasses find wrong with them together.
    """
    changes: dict[str, Any] = {}
    problems: list[str] = []
    for setting in settings:
        try:
            _plan(config, setting, changes)
        except ValueError as error:
            problems.append(f"{setting!r}: {error}")
    if problems:
        raise ValueError("; ".join(problems))
    return _replace(config, changes)


def parse_value(text: str, annotation: Any) -> Any:
    """`text` as the type that `annotation` names.

    int, float, bool (true, false), str, Path; `X | None` ("none"); Literal; tuples, "a,b" when flat
    and Python notation "((0, 1), (2,))" when nested.

    Raises:
      ValueError: with what was expected and got.
    """
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _parse_union(text, typing.get_args(annotation))
    if origin is Literal:
        return _choose(text, typing.get_args(annotation))
    if origin is tuple:
        return _parse_tuple(text, annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation](text)
    raise ValueError(f"cannot be set from text: its type is {_name(annotation)}")


def load_config(path: str | Path) -> Any:
    """Run a Python config file and return the dataclass that it names `RUN`.

    The file may import what lies beside it. A name alone is that of a config that comes with the
    package.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: with file:line for whatever fails while it runs, and for no `RUN`.
    """
    path = shipped(Path(path))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such config file")
    try:
        with _neighbours_of(path):
            names = runpy.run_path(str(path), run_name="jaxheads_config")
    except Exception as error:  # a config is a program and may raise anything
        raise ValueError(
            f"{path}{_line_in(path, error)}: {type(error).__name__}: {error}"
        ) from error
    if not _is_settings(names.get("RUN")):
        got = type(names["RUN"]).__name__ if "RUN" in names else "no such name"
        raise ValueError(f"{path}: expected RUN, a dataclass, got {got}")
    return names["RUN"]


def shipped(path: Path) -> Path:
    """The config that comes with the package under a name alone, else the path as it is."""
    if path.suffix or len(path.parts) != 1:
        return path
    places = (folder / "configs" / f"{path}.py" for folder in (PACKAGE, PACKAGE.parent))
    return next((place for place in places if place.is_file()), path)


def closest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean ...?" for a misspelt name, or the names that there are."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; expected one of {', '.join(known)}"


# -- override


def _plan(config: Any, setting: str, changes: dict[str, Any]) -> None:
    """Enter one setting into `changes`, a tree of dicts with parsed values as leaves."""
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise ValueError("expected name=value")
    *groups, last = path.split(".")
    for depth, group in enumerate(groups):
        config = _part(config, group)
        if not _is_settings(config) and not _is_named(config):
            raise ValueError(f"{'.'.join(groups[: depth + 1])} has no settings, it is {config!r}")
        changes = changes.setdefault(group, {})
        if not isinstance(changes, dict):
            raise ValueError(f"{group} is set as a whole too")
    if last in changes:
        raise ValueError(f"{path} is set twice")
    changes[last] = _parse_field(config, last, text)


def _part(config: Any, group: str) -> Any:
    """The settings in the field `group`, or those so named in a tuple of settings."""
    if not _is_named(config):
        _field_type(config, group)
        return getattr(config, group)
    by_name = {part.name: part for part in config}
    if group not in by_name:
        raise ValueError(f"nothing is named {group!r}{closest(group, by_name)}")
    return by_name[group]


def _parse_field(config: Any, name: str, text: str) -> Any:
    part = _part(config, name)
    inner = [each.name for each in part] if _is_named(part) else []
    if dataclasses.is_dataclass(part):
        inner = [field.name for field in dataclasses.fields(part)]
    if inner and (_is_named(config) or _is_named(part) or text.lower() != "none"):
        raise ValueError(f"{name} is a group; set one of {', '.join(inner)} in it")
    return parse_value(text, _field_type(config, name))


def _field_type(config: Any, name: str) -> Any:
    hints = typing.get_type_hints(type(config))
    if name not in {field.name for field in dataclasses.fields(config)}:
        names = (field.name for field in dataclasses.fields(config))
        raise ValueError(f"{type(config).__name__} has no field {name!r}{closest(name, names)}")
    return hints[name]


def _is_settings(value: object) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _is_named(value: object) -> TypeGuard[tuple[Any, ...]]:
    """Whether a value is a tuple of settings that have names."""
    if not isinstance(value, tuple) or not value:
        return False
    return all(_is_settings(each) and hasattr(each, "name") for each in value)


def _replace(config: Any, changes: Mapping[str, Any]) -> Any:
    if _is_named(config):
        return tuple(_replace(part, changes.get(part.name, {})) for part in config)
    inner = {
        name: _replace(getattr(config, name), change) if isinstance(change, dict) else change
        for name, change in changes.items()
    }
    return dataclasses.replace(config, **inner)


# -- values


def _parse_union(text: str, options: tuple[Any, ...]) -> Any:
    if type(None) in options and text.lower() == "none":
        return None
    problems = []
    for option in options:
        if option is type(None):
            continue
        try:
            return parse_value(text, option)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(" or ".join(problems))


def _choose(text: str, choices: tuple[Any, ...]) -> Any:
    by_text = {str(choice): choice for choice in choices}
    if text not in by_text:
        near = difflib.get_close_matches(text, by_text, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"expected one of {', '.join(by_text)}, got {text!r}{hint}")
    return by_text[text]


def _parse_tuple(text: str, annotation: Any) -> tuple[Any, ...]:
    if not text.strip():
        parts = []
    elif _is_bracketed(text):
        parts = _literal_parts(text, annotation)
    else:
        parts = [part.strip() for part in text.removesuffix(",").split(",")]
    kinds = typing.get_args(annotation)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = kinds[:1] * len(parts)
    if len(parts) != len(kinds):
        raise ValueError(f"expected {len(kinds)} values, got {len(parts)}")
    for part, kind in zip(parts, kinds, strict=True):
        if typing.get_origin(kind) is tuple and not _is_bracketed(part):
            raise ValueError(f"expected {_name(kind)} in brackets, got {part!r}")
    return tuple(parse_value(part, kind) for part, kind in zip(parts, kinds, strict=True))


def _is_bracketed(text: str) -> bool:
    return text.lstrip().startswith(("(", "["))


def _literal_parts(text: str, annotation: Any) -> list[str]:
    """The members of a tuple in Python notation, each as text again."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"expected {_name(annotation)}, got {text!r}") from error
    if not isinstance(value, tuple | list):
        raise ValueError(f"expected {_name(annotation)}, got {text!r}")
    return [part if isinstance(part, str) else repr(part) for part in value]


def _parse_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"expected true or false, got {text!r}")
    return text.lower() == "true"


def _parse_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"expected an integer, got {text!r}") from None


def _parse_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"expected a number, got {text!r}") from None
    if math.isnan(value):
        raise ValueError(f"expected a number, got {text!r}")
    return value


def _parse_path(text: str) -> Path:
    if not text:
        raise ValueError("expected a path, got an empty one")
    return Path(text)


_SCALARS = {bool: _parse_bool, int: _parse_int, float: _parse_float, str: str, Path: _parse_path}


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


# -- config files


@contextlib.contextmanager
def _neighbours_of(path: Path) -> Iterator[None]:
    """Let a config import the files beside it, which other folders' configs then do not see."""
    folder, before = str(path.resolve().parent), set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if Path(getattr(sys.modules[name], "__file__", None) or "").parent == Path(folder):
                del sys.modules[name]


def _line_in(path: Path, error: Exception) -> str:
    """ ":LINE" where the error left the config file."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    return f":{lines[-1]}" if lines else ""
