"""The command line: each verb is one call with one frozen options object.

Bad input (ValueError, OSError) is one line on stderr and exit status 2, Ctrl-C is 130, SIGTERM in a
training run that keeps checkpoints is 143; `--debug` shows the traceback instead. A verb is
imported only when it runs, so `--help` never starts jax.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import re
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from jaxheads.cli.doctor import start_fault, start_remedy
from jaxheads.cli.options.compare import AttentionOptions, CompareOptions
from jaxheads.cli.options.evaluate import EvaluateOptions
from jaxheads.cli.options.other import BenchOptions, DoctorOptions, PruneOptions
from jaxheads.cli.options.score import ScoreOptions
from jaxheads.cli.options.study import ReportOptions, StudyOptions
from jaxheads.cli.options.syntax import ConstituentsOptions, DependenciesOptions
from jaxheads.cli.options.train import TrainOptions
from jaxheads.cli.overrides import closest, parse_value
from jaxheads.cli.programs import keep_memory, keep_programs
from jaxheads.errors import shortened
from jaxheads.storage.remote import localised, named, outputs
from jaxheads.storage.urls import url_of

LONGEST = 599  # characters of a line, less its end


class Command(NamedTuple):
    help: str
    options: type[Any]  # a frozen dataclass whose fields are `cli.options.fields.option`s
    run: str = ""  # "module:function", takes the options and returns an exit status or None
    then: str = ""  # the same, after None: takes `options.folder` and returns what to print


VERBS: dict[str, Command] = {
    "study": Command(
        "run one config, from data to figures",
        StudyOptions,
        "jaxheads.cli.status:run",
        then="jaxheads.report.write:report",
    ),
    "score": Command("score every head on a task", ScoreOptions, "jaxheads.cli.score:run"),
    "prune": Command("write a smaller model", PruneOptions, "jaxheads.cli.prune:run"),
    "train": Command("fine-tune or pre-train a model", TrainOptions, "jaxheads.cli.train:run"),
    "evaluate": Command(
        "measure a model, with all heads and with some",
        EvaluateOptions,
        "jaxheads.cli.evaluate:run",
    ),
    "dependencies": Command(
        "which heads follow dependency relations",
        DependenciesOptions,
        "jaxheads.cli.syntax:run_dependencies",
        then="jaxheads.report.write:report",
    ),
    "constituents": Command(
        "which heads know constituents",
        ConstituentsOptions,
        "jaxheads.cli.syntax:run_constituents",
        then="jaxheads.report.write:report",
    ),
    "compare": Command(
        "compare the heads of two models, or two score files",
        CompareOptions,
        "jaxheads.cli.compare:run",
    ),
    "attention": Command(
        "draw what every head attends to in a text",
        AttentionOptions,
        "jaxheads.cli.compare:run_attention",
    ),
    "bench": Command(
        "measure speed on this machine",
        BenchOptions,
        "jaxheads.cli.bench:run",
        then="jaxheads.report.figures.scaling:report",
    ),
    "report": Command(
        "draw the page of a study's folder", ReportOptions, then="jaxheads.report.write:report"
    ),
    "doctor": Command(
        "say what is installed and missing", DoctorOptions, "jaxheads.cli.doctor:run"
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 2 for bad input, 130 or 143 if interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    try:
        keep_memory(os.environ)
        keep_programs(os.environ, keep="--no-cache" not in words)
        status = _dispatch([word for word in words if word not in ("--debug", "--no-cache")])
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `jaxheads ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError, KeyboardInterrupt) as error:
        if debug:
            raise
        print(shortened(f"jaxheads: {_one_line(error)}", LONGEST), file=sys.stderr)
        return getattr(error, "status", 130) if isinstance(error, KeyboardInterrupt) else 2
    except (RuntimeError, AssertionError) as error:
        said = start_fault(error)
        if debug or not said:
            raise
        line = f"jaxheads: error: jax does not start: {said}; {start_remedy(said)}"
        print(shortened(line, LONGEST), file=sys.stderr)
        return 2


def _dispatch(words: list[str]) -> int:
    if not words:
        print(_overview(), file=sys.stderr)
        return 2
    name, *rest = words
    if name in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if name == "--version":
        print(f"jaxheads {metadata.version('jaxheads')}")
        return 0
    if name not in VERBS:
        kind = "option" if name.startswith("-") else "verb"
        raise ValueError(f"unknown {kind} {name!r}{closest(name, VERBS)}")
    return _run_verb(name, rest)


def _run_verb(name: str, words: list[str]) -> int:
    parser = _parser(name)
    if "-h" in words or "--help" in words:
        print(parser.format_help(), end="")
        return 0
    options = _parse(parser, name, words)
    joins = hasattr(options, "coordinator") and not any(
        getattr(options, name, None) for name in ("status", "ray")
    )
    try:
        with localised(options) as local:
            status = _load(name)(local) or 0
    except Exception as error:
        if joins:
            where = (options.coordinator, options.num_processes, options.process_id)
            _function(name, "jaxheads.parallel.processes:cannot_begin")(error, *where)
        raise
    if joins:
        _function(name, "jaxheads.parallel.processes:part_hosts")()
    for url in outputs(options):
        print(f"put at {url}")
    return status


def _load(name: str) -> Callable[[Any], int | None]:
    verb = VERBS[name]
    run = _function(name, verb.run) if verb.run else None
    if run is not None and not verb.then:
        return run

    def run_and_tell(options: Any) -> int | None:
        status = run(options) if run is not None else None
        if status is not None:
            return status
        with localised(ReportOptions(folder=options.folder)) as local:
            told = _function(name, verb.then)(local.folder)
        print(told.replace(str(local.folder), named(local.folder)))
        return None

    return run_and_tell


def _function(name: str, where: str) -> Callable[..., Any]:
    module, _, function = where.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise ValueError(f"{name} is not built yet: there is no {module}") from error
        if (error.name or "").partition(".")[0] == "jaxheads":
            raise
        raise ValueError(
            f"{name} needs the package {error.name}; `jaxheads doctor` says how to install it"
        ) from error


# -- options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see `{self.prog} --help`")


def _parser(name: str) -> argparse.ArgumentParser:
    options = VERBS[name].options
    parser = _Parser(
        prog=f"jaxheads {name}",
        usage=_usage(name),
        description=(options.__doc__ or "").partition(": ")[2],
        argument_default=argparse.SUPPRESS,  # the dataclass has the defaults
        allow_abbrev=False,
        add_help=False,
    )
    required = parser.add_argument_group("required")
    optional = parser.add_argument_group("options")
    hints = typing.get_type_hints(options)
    for field in _fields(options):
        _add_option(required if _is_required(field) else optional, field, hints[field.name])
    optional.add_argument("--debug", action="store_true", help="show the traceback of an error")
    optional.add_argument(
        "--no-cache", action="store_true", help="keep no compiled programs for the next command"
    )
    optional.add_argument("-h", "--help", action="store_true", help="show this and stop")
    return parser


def _add_option(group: argparse._ArgumentGroup, field: dataclasses.Field, annotation: Any) -> None:
    """Enter one dataclass field as an option of the type that its annotation names."""
    what = field.metadata
    text = (what["help"] + _default_text(field)).replace("%", "%%")  # which argparse formats
    if annotation is bool:
        group.add_argument(_flag(field), action="store_true", dest=field.name, help=text)
        return
    repeated = annotation == tuple[str, ...]
    settings: dict[str, Any] = {
        "help": text,
        "metavar": what["metavar"] or _metavar(field, annotation),
        "type": _converter(what, str if repeated else annotation),
        "action": "append" if repeated else "store",
    }
    if what["more"]:
        settings |= {"action": "extend", "nargs": "+"}
    if what["positional"]:
        group.add_argument(field.name, nargs="?", default=None, **settings)
    else:
        group.add_argument(_flag(field), dest=field.name, **settings)


def _parse(parser: argparse.ArgumentParser, name: str, words: list[str]) -> Any:
    """The verb's options from the words; whatever is wrong is a ValueError."""
    found, extra = parser.parse_known_args(words)
    fields = _fields(VERBS[name].options)
    if extra:
        flags = [_flag(field) for field in fields if not field.metadata["positional"]]
        unknown = extra[0].partition("=")[0]
        hint = closest(unknown, flags) if unknown.startswith("-") else ""
        raise ValueError(f"{name}: unknown argument {unknown!r}{hint}")
    given = {key: value for key, value in vars(found).items() if value is not None}
    missing = [_flag(field) for field in fields if _is_required(field) and field.name not in given]
    if missing:
        raise ValueError(f"{name}: expected {', '.join(missing)}; see `{parser.prog} --help`")
    for field in fields:
        if field.metadata["more"] and field.name in given:
            given[field.name], *given[field.metadata["more"]] = given[field.name]
    return VERBS[name].options(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    )


def _converter(what: Mapping[str, Any], annotation: Any) -> Callable[[str], Any]:
    """The parser of an option, its own or that of its type; without a role no path is remote."""

    def convert(text: str) -> Any:
        try:
            text = re.sub("^file://(?=/)", "", text) if what["role"] else text
            value = what["parse"](text) if what["parse"] else parse_value(text, annotation)
            if isinstance(value, Path) and not what["role"] and url_of(value):
                raise ValueError(f"expected a local path, got {text!r}")
            return value
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def _fields(options: type) -> list[dataclasses.Field]:
    """The fields that are options."""
    return [field for field in dataclasses.fields(options) if not field.metadata.get("hidden")]


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING


def _flag(field: dataclasses.Field) -> str:
    if field.metadata["positional"]:
        return field.metadata["metavar"]
    return "--" + field.name.replace("_", "-")


def _metavar(field: dataclasses.Field, annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return "{" + ",".join(typing.get_args(annotation)) + "}"
    return field.name.upper()


# -- texts


def _overview() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:{width}}  {verb.help}" for name, verb in VERBS.items())
    return (
        "usage: jaxheads VERB [options]     (jaxheads VERB --help lists them)\n\n"
        f"{verbs}\n\n"
        "  --version  say which version this is\n"
        "  --debug    show the traceback of an error\n"
        "  --no-cache keep no compiled programs for the next command"
    )


def _usage(name: str) -> str:
    hints = typing.get_type_hints(VERBS[name].options)
    words = [f"jaxheads {name}"]
    for field in filter(_is_required, _fields(VERBS[name].options)):
        metavar = field.metadata["metavar"] or _metavar(field, hints[field.name])
        words += [metavar] if field.metadata["positional"] else [_flag(field), metavar]
    return " ".join([*words, "[options]"])


def _default_text(field: dataclasses.Field) -> str:
    plain = isinstance(field.default, str | int | float) and not isinstance(field.default, bool)
    return f" (default {field.default})" if plain else ""


def _one_line(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"error: {error.filename}: {error.strerror}"
    lines = [line.strip() for line in str(error).splitlines()]
    return "error: " + ("; ".join(filter(None, lines)) or type(error).__name__)
