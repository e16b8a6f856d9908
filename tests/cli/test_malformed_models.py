"""Malformed configs, weights and tokenizers of every family, by a generator: one short line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxheads.cli.main import main
from jaxheads.importance.scores import Scores, save_scores
from jaxheads.models.checkpoint.families import MODEL_TYPES
from tests.support.paths import FIXTURES

CASES = (
    "roberta-classification", "camembert-classification", "bert-classification", "albert-groups",
    "distilbert-regression", "electra-classification", "modernbert-mean",
)  # fmt: skip
LONG = "x" * 5000
WRONG: dict[type, tuple[Any, ...]] = {
    int: ("768", -1, 1.5, None, [], {"a": 1}, 10**30, True, LONG),
    float: ("small", None, [], float("inf"), True, LONG),
    str: ("mish", 3, None, [], LONG),
}
WRONG_ANYWHERE = {
    "model_type": ("mpnet", "deberta-v2", None, 7, [], LONG),
    "architectures": (["A", "B"], LONG, {"a": 1}, [3]),
    "tie_word_embeddings": ("yes", 1, None),
    "id2label": ([], {}, {"1": "a"}, {"0": [3]}, {str(n + 1): LONG for n in range(50)}),
    "is_decoder": (True, LONG),
    "auto_map": ({"AutoModel": LONG}, {"AutoModel": "mine.Model"}),
    "pruned_heads": ({"9": [0]}, [1], {"0": [99]}, {"0": LONG}),
}
WRONG_MODERN = {
    "layer_types": ("all", ["full_attention"], ["a", "b", "c", "d"], [LONG] * 4, [3] * 4),
    "local_attention": (0, "128", None, -4),
    "rope_parameters": ([1], {"full_attention": 3}, {"full_attention": {"rope_type": "yarn"}}),
    "rope_scaling": ({"type": "linear", "factor": 2},),
    "classifier_pooling": ("max", None, 3, []),
    "attention_bias": (True,),
    "norm_bias": (True,),
    "mlp_dropout": (0.1,),
}


class Malformed(NamedTuple):
    """A fixture, and what makes a copy of it wrong."""

    name: str
    case: str
    damage: Callable[[Path], None]


def attribute(name: str, value: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))

    return damage


def weights(change: Callable[[dict], dict[str, np.ndarray]]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "model.safetensors"
        arrays = {n: np.ascontiguousarray(a) for n, a in change(load_file(path)).items()}
        save_file(arrays, path, metadata={"format": "pt"})

    return damage


def content(name: str, data: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        Path(folder, name).write_bytes(data)

    return damage


def wrong_configs(case: str) -> Iterator[Malformed]:
    raw = json.loads((FIXTURES / case / "config.json").read_text())
    table = MODEL_TYPES[raw["model_type"]]
    wrong = {name: WRONG[each.kind] for name, each in table.attributes.items()}
    wrong |= WRONG_ANYWHERE | (WRONG_MODERN if raw["model_type"] == "modernbert" else {})
    wrong[table.dropout] = ("half", -1, 1.5, [], LONG)
    for name, values in wrong.items():
        for number, value in enumerate(values):
            yield Malformed(f"{case} {name} {number}", case, attribute(name, value))


def wrong_weights(case: str) -> Iterator[Malformed]:
    random = np.random.default_rng(len(case))
    names = sorted(load_file(FIXTURES / case / "model.safetensors"))
    some = random.choice(names, 3, replace=False).tolist()
    changes = [
        ("all renamed", lambda old: {f"wrong.{name}.{name}": old[name] for name in names}),
        ("all reshaped", lambda old: {name: np.zeros(7, np.float32) for name in old}),
        *((f"nan {n}", lambda old, n=n: {**old, n: np.full_like(old[n], np.nan)}) for n in some),
        *((f"integer {n}", lambda old, n=n: {**old, n: old[n].astype(np.int32)}) for n in some),
    ]
    for name, change in changes:
        yield Malformed(f"{case} {name}", case, weights(change))


def wrong_files(case: str) -> Iterator[Malformed]:
    whole = (FIXTURES / case / "model.safetensors").read_bytes()
    for size in np.random.default_rng(len(case)).integers(0, len(whole), 3).tolist():
        yield Malformed(f"{case} cut at {size}", case, content("model.safetensors", whole[:size]))
    for data in (b"", b"{", b"[1]", b"\xff\xfe", b"[" * 9999, b'{"format": 2}'):
        for name in ("config.json", "pruning.json"):
            yield Malformed(f"{case} {name} {data[:9]!r}", case, content(name, data))


VOCABULARY = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]).encode()
WRONG_TOKENIZERS: tuple[dict[str, bytes], ...] = (
    {},
    {"tokenizer.json": b"{}"},
    {"tokenizer.json": b"\xff" * 900},
    {"tokenizer.json": b'{"version": "1.0", "model": {"type": "BPE"}}'},
    {"vocab.txt": b""},
    {"vocab.txt": b"\xff\xfe\n"},
    {"vocab.txt": b"a\nb\n"},
    {"vocab.txt": VOCABULARY.replace(b"[CLS]", b"[BOS]")},
    {"vocab.txt": VOCABULARY + b"\n" + "\n".join(f"w{n}" for n in range(90)).encode()},
    {"vocab.txt": VOCABULARY, "tokenizer_config.json": b"{"},
    {"vocab.txt": VOCABULARY, "tokenizer_config.json": b"[1]"},
    {"vocab.txt": VOCABULARY, "tokenizer_config.json": b'{"pad_token": 3}'},
    {"vocab.txt": VOCABULARY, "tokenizer_config.json": b'{"mask_token": "<none>"}'},
    {"vocab.txt": VOCABULARY, "tokenizer_config.json": b'{"tokenizer_class": "AlbertTokenizer"}'},
    {"vocab.txt": VOCABULARY, "tokenizer_config.json": b'{"tokenizer_class": "BertweetTokenizer"}'},
    {"vocab.txt": VOCABULARY, "special_tokens_map.json": b"{"},
    {"vocab.txt": VOCABULARY, "bpe.codes": b"a b 3\n"},
    {"vocab.json": b"{", "merges.txt": b""},
    {"vocab.json": b"{}", "merges.txt": b"a b c d\n"},
    {"vocab.json": b'{"a": 0}', "merges.txt": b"#version: 0.2\n"},
    {"spiece.model": b"damaged"},
    {"sentencepiece.bpe.model": b""},
)


def wrong_tokenizers(case: str) -> Iterator[Malformed]:
    for number, files in enumerate(WRONG_TOKENIZERS):

        def damage(folder: Path, files=files) -> None:
            for name, data in files.items():
                Path(folder, name).write_bytes(data)

        yield Malformed(f"{case} tokenizer {number}", case, damage)


MODELS = [
    each for case in CASES for make in (wrong_configs, wrong_weights, wrong_files)
    for each in make(case)
]  # fmt: skip
TOKENIZERS = [each for case in CASES for each in wrong_tokenizers(case)]


@pytest.fixture(scope="module")
def scores(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scores") / "s.npz"
    save_scores(path, Scores(np.arange(8.0).reshape(2, 4), "gradient", "token", 1, "a model"))
    return path


def refused(words: list[str], capsys) -> str:
    """What is wrong with the command's one line, or nothing."""
    try:
        status = main(words)
    except Exception as error:  # noqa: BLE001 a traceback, whatever its class
        return f"{type(error).__name__}: {str(error)[:200]}"
    out, err = capsys.readouterr()
    if (status, err.count("\n"), out) != (2, 1, ""):
        return f"status {status}, {err.count(chr(10))} lines: {err[:200]!r} {out[:80]!r}"
    return f"{len(err)} characters: {err[:90]!r}" if len(err) > 600 else ""


def problems_of(every: list[Malformed], words: list[str], root: Path, capsys) -> list[str]:
    """Run a verb on each malformed model; tell what is not as it should be."""
    problems = []
    for name, case, damage in every:
        model = Path(shutil.copytree(FIXTURES / case, root / "model"))
        (model / "reference.safetensors").unlink()
        damage(model)
        before = sorted(os.listdir(model))
        if problem := refused([*words, "--model", str(model), "--out", str(root / "out")], capsys):
            problems.append(f"{name}: {problem}")
        if sorted(os.listdir(model)) != before or os.listdir(root) != ["model"]:
            problems.append(f"{name}: something is left behind")
        for path in root.iterdir():
            shutil.rmtree(path)
    return problems


@pytest.mark.parametrize("every", [37, pytest.param(1, marks=pytest.mark.slow)])
def test_a_malformed_model_is_one_short_line_and_nothing_is_left(
    every: int, scores: Path, tmp_path: Path, capsys
):
    assert len(MODELS) > 300
    words = ["prune", "--scores", str(scores), "--budget", "2"]
    assert problems_of(MODELS[::every], words, tmp_path, capsys) == []


@pytest.mark.parametrize("every", [19, pytest.param(1, marks=pytest.mark.slow)])
def test_a_malformed_tokenizer_is_one_short_line_and_nothing_is_left(
    every: int, tmp_path: Path, tmp_path_factory, capsys
):
    data = tmp_path_factory.mktemp("data") / "sst2.jsonl"
    data.write_text('{"sentence": "a", "label": 1}\n')
    words = ["score", "--method", "entropy", "--task", "sst2", "--data", str(data)]
    assert problems_of(TOKENIZERS[::every], words, tmp_path, capsys) == []
