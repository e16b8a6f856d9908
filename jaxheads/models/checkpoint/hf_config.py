"""`config.json` to our configs and back: every attribute that its family reads is understood.

Attributes that no code of the family reads, as other programs leave them, change no number.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jaxheads.config import LABELLED, EncoderConfig, ReadoutConfig, ReadoutKind
from jaxheads.errors import listed, refuse
from jaxheads.models.checkpoint.families import MODEL_TYPES
from jaxheads.models.checkpoint.family import ACTIVATION_NAMES, LABELS, Attribute, FamilyTable
from jaxheads.storage.files import read_json

MAX_SIZE, MAX_LAYERS, MAX_LABELS = 2**31 - 1, 1024, 2**16  # beyond these it is a typing error
ONE_NUMBER = ("classification", "pair")  # readouts of which one label means regression
PROBLEM = {  # what transformers calls the problem of a readout
    "classification": "single_label_classification",
    "pair": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regression": "regression",
    "tagging": None,
}
LOG = logging.getLogger("jaxheads")
DEFAULT_LABELS = 2  # what Hugging Face assumes where a config says nothing
TYPE_NAMES = {int: "an integer", float: "a number", str: "a name"}
# What encoders of other types compute that nothing here does.
_RELATIVE = "adds a bias by relative position to attention, as no encoder here does"
_DISENTANGLED = "attends to contents and relative positions apart, as no encoder here does"
DIFFERENT = {
    "mpnet": _RELATIVE,
    "t5": _RELATIVE,
    "deberta": _DISENTANGLED,
    "deberta-v2": _DISENTANGLED,
    "xlm-roberta-xl": "has norms before its sublayers, as no RoBERTa here does",
    "roberta-prelayernorm": "has norms before its sublayers, as no RoBERTa here does",
    "gpt2": "is a decoder",
}


class Described(NamedTuple):
    """What a `config.json` says: sizes, and the readout of its architecture where it names one."""

    table: FamilyTable
    config: EncoderConfig
    kind: ReadoutKind | None  # None: no architecture is named, or one that has no readout here
    architecture: str | None
    tied: bool
    raw: dict[str, Any]
    foreign: tuple[str, ...] = ()  # attributes that no code of the family reads


def read_config(path: Path) -> Described:
    """Read a `config.json`.

    Raises:
      ValueError: lists the attributes that are read and not understood.
    """
    raw = read_json(path)
    table = MODEL_TYPES.get(str(raw.get("model_type")))
    if table is None:
        raise ValueError(f"{path}: model_type: {_unknown_type(raw.get('model_type'))}")
    kind = _kind(table, raw)
    problems = [*_unfixed(table, raw), *_architecture_problems(raw)]
    fields, bad = _fields(table, raw)
    problems += bad
    if not isinstance(raw.get("tie_word_embeddings", True), bool):
        problems.append(f"tie_word_embeddings: expected a bool, got {raw['tie_word_embeddings']!r}")
    if kind in LABELLED:
        problems += _label_problems(kind, raw)
    config = None
    if not bad:
        fields["num_layers"] *= fields.get("inner_groups", 1)
        fields["num_layers"] += 2 * fields.get("decoder_layers", 0)
        try:
            config = EncoderConfig(family=table.family, **{**table.constants, **fields})
        except ValueError as error:
            problems.append(str(error))
    refuse(str(path), problems)
    assert config is not None, "there is a problem where there is no config"
    tied = raw.get("tie_word_embeddings", True)
    foreign = tuple(sorted(raw.keys() - _read(table) - table.ignored))
    return Described(table, config, kind, architecture_of(raw), tied, raw, foreign)


def _kind(table: FamilyTable, raw: dict[str, Any]) -> ReadoutKind | None:
    """The readout of the architecture that a config names."""
    kind = table.architectures.get(str(architecture_of(raw)))
    return classifier_of(raw) if kind == "classification" else kind


def classifier_of(raw: dict[str, Any]) -> ReadoutKind:
    """The readout that a sentence classifier is: of one label, or of several at once."""
    several = raw.get("problem_type") == PROBLEM["multilabel"]
    return "multilabel" if several else "classification"


def _unknown_type(name: Any) -> str:
    reason = "; the oldest configs lack it, and need it added" if name is None else ""
    if isinstance(name, str) and name in DIFFERENT:
        reason = f", which {DIFFERENT[name]}"
    return f"expected one of {', '.join(MODEL_TYPES)}, got {name!r}{reason}"


def architecture_of(raw: dict[str, Any]) -> str | None:
    """The first name in `architectures`, if there is any."""
    names = raw.get("architectures")
    return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None


def _architecture_problems(raw: dict[str, Any]) -> Iterator[str]:
    names = raw.get("architectures")
    if names and not (isinstance(names, list) and len(names) == 1 and isinstance(names[0], str)):
        yield f"architectures: expected one name, got {names!r}"


def _read(table: FamilyTable) -> set[str]:
    """The attributes that the family's code reads, here and in transformers."""
    described = {*table.attributes, table.dropout, *LABELS, *table.fixed, *table.special.names}
    return described | {"tie_word_embeddings", "pruned_heads"}


def _unfixed(table: FamilyTable, raw: dict[str, Any]) -> Iterator[str]:
    for name in sorted(raw.keys() & table.fixed.keys()):
        if raw[name] not in table.fixed[name]:
            expected = " or ".join(repr(value) for value in table.fixed[name])
            yield f"{name}: expected {expected}, got {raw[name]!r}"


def _fields(table: FamilyTable, raw: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    fields, problems = {}, []
    for name, attribute in table.attributes.items():
        value = raw.get(name, attribute.default)
        expected = _expected(attribute, value)
        if expected:
            problems.append(f"{name}: expected {expected}, got {value!r}")
        elif attribute.kind is str:
            fields[attribute.field] = ACTIVATION_NAMES[value]
        else:
            fields[attribute.field] = attribute.kind(value)
    try:
        fields |= table.special.read(raw)
    except ValueError as error:
        problems.append(str(error))
    value = raw.get(table.dropout)
    if value is not None and not (_is_number(value) and 0 <= value < 1):
        problems.append(f"{table.dropout}: expected null or a rate in [0, 1), got {value!r}")
    return fields, problems


def _expected(attribute: Attribute, value: Any) -> str | None:
    """What an attribute should have been, or None where it is right."""
    if attribute.kind is str:
        right = isinstance(value, str) and value in ACTIVATION_NAMES
        return None if right else "one of " + ", ".join(ACTIVATION_NAMES)
    if attribute.kind is float:
        return None if _is_number(value) else TYPE_NAMES[float]
    most = MAX_LAYERS if attribute.field == "num_layers" else MAX_SIZE
    right = type(value) is int and attribute.least <= value <= most
    return None if right else f"an integer of {attribute.least} to {most}"


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def readout_of(described: Described, kind: ReadoutKind) -> ReadoutConfig:
    """The readout of this kind as the config describes it.

    Raises:
      ValueError: for labels that contradict each other.
    """
    if kind not in LABELLED:
        return ReadoutConfig(kind, tied=described.tied if kind == "masked_lm" else True)
    problems = list(_label_problems(kind, described.raw))
    if problems:
        raise ValueError(f"config.json: {listed(problems)}")
    table, raw, labels = described.table, described.raw, _labels(described.raw)
    numbers = {label: number for number, label in enumerate(labels)}
    if raw.get("id2label") and raw.get("label2id") not in (None, numbers):
        LOG.warning("config.json: label2id is not the inverse of id2label, which has the names")
    dropout = raw.get(table.dropout, table.dropout_default)
    if kind == "tagging" and table.tagging_dropout is not None:
        dropout = raw.get(table.tagging_dropout)
    if dropout is None:
        dropout = described.config.hidden_dropout
    return ReadoutConfig(kind, labels=labels, dropout=float(dropout))


def _labels(raw: dict[str, Any]) -> tuple[str, ...]:
    names = raw.get("id2label")
    if names is not None:
        return tuple(str(names[str(number)]) for number in range(len(names)))
    counts = [raw[name] for name in ("num_labels", "_num_labels") if raw.get(name) is not None]
    return tuple(f"LABEL_{number}" for number in range(counts[0] if counts else DEFAULT_LABELS))


def _label_problems(kind: ReadoutKind, raw: dict[str, Any]) -> Iterator[str]:
    names = raw.get("id2label")
    wrong = [
        f"{name}: expected an integer of 1 to {MAX_LABELS}, got {raw[name]!r}"
        for name in ("num_labels", "_num_labels")
        if raw.get(name) is not None
        and not (type(raw[name]) is int and 1 <= raw[name] <= MAX_LABELS)
    ]
    if names is not None and not _is_numbering(names):
        wrong.append(f'id2label: expected names for "0", "1", and so on, got {names!r}')
    yield from wrong
    if wrong:
        return
    labels = _labels(raw)
    if len(set(labels)) < len(labels):
        yield f"id2label: expected different names, got {', '.join(labels)}"
    for name in ("num_labels", "_num_labels"):
        if raw.get(name, len(labels)) not in (None, len(labels)):
            yield f"{name}: expected {len(labels)} as in id2label, got {raw[name]}"
    problem = _problem(kind, labels)
    if kind != "tagging" and raw.get("problem_type") not in (None, problem):
        got = f"{raw['problem_type']!r} for {len(labels)} labels"
        yield f"problem_type: expected null or {problem!r}, got {got}"


def _problem(kind: ReadoutKind, labels: tuple[str, ...]) -> str | None:
    return PROBLEM["regression" if kind in ONE_NUMBER and len(labels) == 1 else kind]


def _is_numbering(names: Any) -> bool:
    return (
        isinstance(names, dict)
        and set(names) == {str(number) for number in range(len(names))}
        and all(type(label) in (str, int) for label in names.values())
        and bool(names)
    )


def write_config(
    table: FamilyTable,
    config: EncoderConfig,
    readout: ReadoutConfig,
    carried: dict[str, Any],
) -> dict[str, Any]:
    """A `config.json` for these configs; of `carried` only attributes that change no number.

    Raises:
      ValueError: lists the fields that Hugging Face's config of the family cannot express.
    """
    problems = list(table.misfits(config))
    for name, attribute in table.attributes.items():
        value = getattr(config, attribute.field)
        if attribute.kind is int and value < attribute.least:
            problems.append(f"{name}: expected at least {attribute.least}, got {value}")
    if problems:
        raise ValueError(f"config.json cannot hold {listed(problems)}")
    sizes = {name: getattr(config, item.field) for name, item in table.attributes.items()}
    depth = next(name for name, item in table.attributes.items() if item.field == "num_layers")
    sizes[depth] = config.encoder_layers // config.inner_groups
    return {
        "architectures": [table.written(readout.kind)],
        **{name: value for name, value in carried.items() if name not in _read(table)},
        "model_type": table.model_type,
        **sizes,
        **table.special.write(config),
        "tie_word_embeddings": readout.tied,
        **_written_labels(table, readout),
    }


def _written_labels(table: FamilyTable, readout: ReadoutConfig) -> dict[str, Any]:
    if readout.kind not in LABELLED:
        return {}
    return {
        table.dropout: readout.dropout,
        "id2label": {str(number): label for number, label in enumerate(readout.labels)},
        "label2id": {label: number for number, label in enumerate(readout.labels)},
        "problem_type": _problem(readout.kind, readout.labels),
    }
