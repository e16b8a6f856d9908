"""Text becomes typed settings, or one clear error."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxheads.cli.overrides import load_config, override, parse_value
from jaxheads.models.checkpoint.families import encoder_config


@dataclasses.dataclass(frozen=True)
class Optimizer:
    rate: float = 1e-3
    warmup: int = 10
    clip: float | None = None

    def __post_init__(self):
        if self.warmup > 100:
            raise ValueError(f"warmup: expected at most 100, got {self.warmup}")


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    optimizer: Optimizer = Optimizer()


@dataclasses.dataclass(frozen=True)
class Run:
    name: str = "a"
    dtype: Literal["float32", "bfloat16"] = "float32"
    seeds: tuple[int, ...] = (0,)
    mesh: tuple[int, int] = (1, 1)
    kept: tuple[tuple[int, ...], ...] | None = None
    shuffle: bool = True
    data: Path | None = None
    optimizer: Optimizer = Optimizer()
    second: Optimizer | None = None
    parts: tuple[Part, ...] = (Part("one"), Part("two"))


SIZES = encoder_config(
    family="bert",
    vocab_size=8,
    hidden_size=8,
    num_layers=1,
    num_heads=2,
    intermediate_size=8,
    max_positions=8,
)


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("name=b=c d", "name", "b=c d"),
        ("name=", "name", ""),
        ("dtype=bfloat16", "dtype", "bfloat16"),
        ("seeds=3", "seeds", (3,)),
        ("seeds=3, 4", "seeds", (3, 4)),
        ("seeds=(3, 4)", "seeds", (3, 4)),
        ("seeds=[3]", "seeds", (3,)),
        ("seeds=", "seeds", ()),
        ("mesh=4,2", "mesh", (4, 2)),
        ("kept=((0, 1), (), (2,))", "kept", ((0, 1), (), (2,))),
        ("kept=none", "kept", None),
        ("shuffle=False", "shuffle", False),
        ("data=/tmp/x", "data", Path("/tmp/x")),
        ("data=gs://bucket/x", "data", Path("gs://bucket/x")),
    ],
)
def test_a_setting_gets_the_type_of_its_field(setting, field, value):
    changed = override(Run(), [setting])
    assert changed == dataclasses.replace(Run(), **{field: value})
    assert type(getattr(changed, field)) is type(value)


def test_nested_settings_are_replaced_together():
    changed = override(Run(), ["optimizer.rate=1e-4", "name=b", "optimizer.clip=1", "seeds=1,2"])
    assert changed == Run(name="b", seeds=(1, 2), optimizer=Optimizer(rate=1e-4, clip=1.0))
    assert Run() == Run(name="a", seeds=(0,))  # the original is as it was


def test_settings_in_a_tuple_are_found_by_their_names():
    changed = override(Run(), ["parts.two.optimizer.rate=1", "parts.two.optimizer.warmup=2"])
    assert changed.parts == (Part("one"), Part("two", Optimizer(rate=1.0, warmup=2)))


def test_fields_that_must_agree_change_together():
    changed = override(SIZES, ["hidden_size=9", "num_heads=3"])  # 9 alone is no multiple of 2
    assert (changed.hidden_size, changed.num_heads) == (9, 3)


def test_nothing_to_override_changes_nothing():
    assert override(SIZES, []) == SIZES


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("optimzer.rate=1", r"Run has no field 'optimzer'; did you mean optimizer\?"),
        ("optimizer.rat=1", r"Optimizer has no field 'rat'; did you mean rate\?"),
        ("optimizer.zzz=1", "expected one of clip, rate, warmup"),
        ("optimizer=3", "optimizer is a group; set one of rate, warmup, clip in it"),
        ("parts.too.name=1", r"nothing is named 'too'; did you mean two\?"),
        ("parts.two=1", "two is a group; set one of name, optimizer in it"),
        ("parts=1", "parts is a group; set one of one, two in it"),
        ("parts.optimizer.rate=1", "nothing is named 'optimizer'; expected one of one, two"),
        ("second.rate=1", "second has no settings, it is None"),
        ("name.x=1", "name has no settings, it is 'a'"),
        ("name", "expected name=value"),
        ("=1", "expected name=value"),
        ("dtype=bfloat61", r"expected one of float32, bfloat16, got 'bfloat61'; did you mean bf"),
        ("seeds=1,x", "expected an integer, got 'x'"),
        ("seeds=1.0", "expected an integer, got '1.0'"),
        ("seeds=(1", r"expected tuple\[int, \.\.\.\], got '\(1'"),
        ("mesh=4", "expected 2 values, got 1"),
        ("kept=((0, 'a'),)", "expected an integer, got 'a'"),
        ("kept=3,4", r"expected tuple\[int, \.\.\.\] in brackets, got '3'"),
        ("kept=((3), (4))", r"in brackets, got '3'"),
        ("shuffle=1", "expected true or false, got '1'"),
        ("shuffle=yes", "expected true or false, got 'yes'"),
        ("optimizer.rate=fast", "expected a number, got 'fast'"),
        ("optimizer.rate=nan", "expected a number, got 'nan'"),
        ("optimizer.warmup=1000", "warmup: expected at most 100, got 1000"),
        ("data=", "expected a path"),
        ("__class__=1", "no field '__class__'"),
    ],
)
def test_a_wrong_setting_is_explained(setting, problem):
    with pytest.raises(ValueError, match=problem):
        override(Run(), [setting])


def test_all_wrong_settings_are_listed():
    with pytest.raises(ValueError, match=r"'nme=1': .*'mesh=4': .*'seeds=2': seeds is set twice"):
        override(Run(), ["nme=1", "seeds=1", "mesh=4", "seeds=2"])


@given(st.integers() | st.floats(allow_nan=False))
def test_numbers_survive_as_text(number):
    assert parse_value(repr(number), type(number)) == number


@given(
    st.text(), st.sampled_from([int, float, bool, Path, tuple[tuple[int, ...], ...], int | None])
)
def test_any_text_is_a_value_or_a_valueerror(text, kind):
    try:
        parse_value(text, kind)
    except ValueError as error:
        assert "expected" in str(error)


def test_a_type_without_a_text_form_is_rejected():
    with pytest.raises(ValueError, match="cannot be set from text: its type is dict"):
        parse_value("{}", dict)


# -- config files

GOOD = '"""Michel et al. 2019, table 1."""\nfrom pathlib import PurePath\nimport dataclasses\n'
SETTINGS = GOOD + "Run = dataclasses.make_dataclass('Run', ['a'], frozen=True)\n"


def test_a_config_file_names_its_run(tmp_path):
    path = tmp_path / "mini.py"
    path.write_text(SETTINGS + "RUN = Run(a=3)")
    assert load_config(path).a == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GOOD, "expected RUN, a dataclass, got no such name"),
        (GOOD + "RUN = 3", "expected RUN, a dataclass, got int"),
        (SETTINGS + "RUN = Run", "expected RUN, a dataclass, got type"),
        (GOOD + "x = 1\nRUN = nonsense", r"mini\.py:5: NameError: name 'nonsense'"),
        (GOOD + "RUN = (", r"mini\.py:4: SyntaxError"),
        (GOOD + "import no_such_module", r"mini\.py:4: ModuleNotFoundError"),
        ("x = '\0'", r"mini\.py.*: "),
    ],
)
def test_a_wrong_config_file_is_explained(tmp_path, text, problem):
    path = tmp_path / "mini.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=problem):
        load_config(path)


def test_a_config_file_imports_the_files_beside_it_and_those_alone(tmp_path):
    text = "from shared import A\nfrom jaxheads.config import OptimizerConfig\n"
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "shared.py").write_text(f"A = {number}e-3\n")
        path = folder / "config.py"
        path.write_text(f'"""Methods."""\n{text}RUN = OptimizerConfig(A)\n')
        assert load_config(path).learning_rate == number * 1e-3
    (tmp_path / "config.py").write_text(f'"""Methods."""\n{text}')
    with pytest.raises(
        ValueError, match=r"config\.py:2: ModuleNotFoundError: No module named 'shar"
    ):
        load_config(tmp_path / "config.py")


def test_a_missing_config_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such config file"):
        load_config(tmp_path / "mini.py")
