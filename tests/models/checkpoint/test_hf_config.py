"""config.json: every attribute is used or rejected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jaxheads.models.checkpoint.families import MODEL_TYPES, encoder_config
from jaxheads.models.checkpoint.family import FIXED, IGNORED, LABELS
from jaxheads.models.checkpoint.hf_config import read_config, readout_of, write_config

CLASSES = {
    "roberta": "RobertaConfig",
    "xlm-roberta": "XLMRobertaConfig",
    "albert": "AlbertConfig",
    "bert": "BertConfig",
    "distilbert": "DistilBertConfig",
    "camembert": "CamembertConfig",
    "electra": "ElectraConfig",
    "modernbert": "ModernBertConfig",
    "marian": "MarianConfig",
}


def written(directory: Path, model_type: str = "bert", **attributes) -> Path:
    path = directory / "config.json"
    path.write_text(json.dumps({"model_type": model_type, **attributes}))
    return path


def labels_of(path: Path) -> tuple[str, ...]:
    return readout_of(read_config(path), "classification").labels


@pytest.mark.parametrize("model_type", sorted(MODEL_TYPES))
def test_what_a_config_omits_is_hugging_faces_default(model_type: str, tmp_path: Path):
    import transformers

    default = getattr(transformers, CLASSES[model_type])().to_dict()
    table = MODEL_TYPES[model_type]
    for name, attribute in table.attributes.items():
        assert attribute.default == default[name], name
        assert type(attribute.default) is attribute.kind, name
    assert table.dropout_default == default.get(table.dropout)
    described = read_config(written(tmp_path, **default))
    assert described.foreign == ()  # nothing that transformers may read is unknown here
    assert read_config(written(tmp_path, model_type)).config == described.config


@pytest.mark.parametrize("model_type", sorted(MODEL_TYPES))
def test_no_attribute_is_in_two_lists(model_type: str):
    table = MODEL_TYPES[model_type]
    lists = [table.attributes, {table.dropout}, set(LABELS), table.fixed, table.ignored]
    lists.append(table.special.names)
    names = [name for group in lists for name in group]
    assert len(names) == len(set(names))
    assert table.ignored | table.attributes.keys() | table.special.names >= IGNORED
    own = {"is_encoder_decoder": (True,)} if model_type == "marian" else {}
    assert table.fixed.items() >= (FIXED | own).items()


# As published with the models (the parts that matter), and what they mean.
ROBERTA_BASE = {
    "architectures": ["RobertaForMaskedLM"],
    "attention_probs_dropout_prob": 0.1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 514,
    "model_type": "roberta",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 1,
    "type_vocab_size": 1,
    "vocab_size": 50265,
}
ALBERT_BASE = {
    "architectures": ["AlbertForMaskedLM"],
    "attention_probs_dropout_prob": 0,
    "bos_token_id": 2,
    "classifier_dropout_prob": 0.1,
    "down_scale_factor": 1,
    "embedding_size": 128,
    "eos_token_id": 3,
    "gap_size": 0,
    "hidden_act": "gelu_new",
    "hidden_dropout_prob": 0,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "inner_group_num": 1,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "albert",
    "net_structure_type": 0,
    "num_attention_heads": 12,
    "num_hidden_groups": 1,
    "num_hidden_layers": 12,
    "num_memory_blocks": 0,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": 30000,
}
DISTILBERT_SST2 = {
    "activation": "gelu",
    "architectures": ["DistilBertForSequenceClassification"],
    "attention_dropout": 0.1,
    "dim": 768,
    "dropout": 0.1,
    "finetuning_task": "sst-2",
    "hidden_dim": 3072,
    "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
    "initializer_range": 0.02,
    "label2id": {"NEGATIVE": 0, "POSITIVE": 1},
    "max_position_embeddings": 512,
    "model_type": "distilbert",
    "n_heads": 12,
    "n_layers": 6,
    "output_past": True,
    "pad_token_id": 0,
    "qa_dropout": 0.1,
    "seq_classif_dropout": 0.2,
    "sinusoidal_pos_embds": False,
    "tie_weights_": True,
    "transformers_version": "4.22.0",
    "vocab_size": 30522,
}


def test_published_configs_mean_what_their_papers_say(tmp_path: Path):
    assert read_config(written(tmp_path, **ROBERTA_BASE)).config == encoder_config(
        "roberta", 50265, 768, 12, 12, 3072, 514, type_vocab_size=1, norm_eps=1e-5, pad_token_id=1
    )
    assert read_config(written(tmp_path, **ALBERT_BASE)).config == encoder_config(
        "albert", 30000, 768, 12, 12, 3072, 512,
        type_vocab_size=2, embedding_size=128, hidden_groups=1,
        activation="gelu_new", hidden_dropout=0.0, attention_dropout=0.0,
    )  # fmt: skip
    described = read_config(written(tmp_path, **DISTILBERT_SST2))
    assert described.config == encoder_config("distilbert", 30522, 768, 6, 12, 3072, 512)
    readout = readout_of(described, "classification")
    assert (readout.labels, readout.dropout) == (("NEGATIVE", "POSITIVE"), 0.2)


def test_alberts_layers_are_counted_by_use(tmp_path: Path):
    config = read_config(written(tmp_path, **{**ALBERT_BASE, "inner_group_num": 2})).config
    assert (config.num_layers, config.inner_groups) == (24, 2)
    back = write_config(MODEL_TYPES["albert"], config, readout_of_none(tmp_path), {})
    assert (back["num_hidden_layers"], back["inner_group_num"]) == (12, 2)


def readout_of_none(directory: Path):
    return readout_of(read_config(written(directory)), "none")


def test_a_classifiers_dropout_falls_back_as_in_hugging_face(tmp_path: Path):
    def dropout(model_type: str, **attributes) -> float:
        described = read_config(written(tmp_path, model_type, **attributes))
        return readout_of(described, "classification").dropout

    assert dropout("bert", hidden_dropout_prob=0.3) == 0.3
    assert dropout("bert", hidden_dropout_prob=0.3, classifier_dropout=None) == 0.3
    assert dropout("roberta", hidden_dropout_prob=0.3, classifier_dropout=0.0) == 0.0
    assert dropout("albert", hidden_dropout_prob=0.3) == 0.1
    assert dropout("distilbert", dropout=0.3) == 0.2


def test_labels_are_named_or_counted(tmp_path: Path):
    assert labels_of(written(tmp_path)) == ("LABEL_0", "LABEL_1")
    assert labels_of(written(tmp_path, num_labels=3))[2] == "LABEL_2"
    assert labels_of(written(tmp_path, id2label={"1": "b", "0": "a"})) == ("a", "b")


REFUSED = {
    "auto_map": ({"AutoModel": "mine.py"}, "auto_map: expected None, got {'AutoModel'"),
    "position_embedding_type": ("relative_key", "expected 'absolute', got 'relative_key'"),
    "is_decoder": (True, "is_decoder: expected False, got True"),
    "add_cross_attention": (True, "expected False"),
    "tie_word_embeddings": ("yes", "expected a bool, got 'yes'"),
    "hidden_act": ("mish", "hidden_act: expected one of gelu.*, got 'mish'"),
    "hidden_size": ("768", "hidden_size: expected an integer of 1 to .*, got '768'"),
    "num_attention_heads": (0, "num_attention_heads: expected an integer of 1"),
    "num_hidden_layers": (10**9, "num_hidden_layers: expected an integer of 1 to 1024"),
    "type_vocab_size": (0, "type_vocab_size: expected an integer of 1"),
    "vocab_size": (True, "vocab_size: expected an integer"),
    "pad_token_id": (None, "pad_token_id: expected an integer of 0"),
    "layer_norm_eps": ("small", "layer_norm_eps: expected a number, got 'small'"),
    "hidden_dropout_prob": (1.5, r"expected a rate in \[0, 1\), got 1.5"),
    "classifier_dropout": (-1, r"classifier_dropout: expected null or a rate in \[0, 1\), got -1"),
    "architectures": (["A", "B"], r"architectures: expected one name, got \['A', 'B'\]"),
    "model_type": ("mpnet", "model_type: expected one of .*'mpnet', which adds a bias"),
}


def test_a_config_without_a_type_is_told_to_have_one(tmp_path: Path):
    path = tmp_path / "config.json"
    path.write_text('{"hidden_size": 16}')
    with pytest.raises(ValueError, match="got None; the oldest configs lack it, and need it added"):
        read_config(path)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_not_understood_is_rejected_with_what_was_expected(name: str, tmp_path: Path):
    value, message = REFUSED[name]
    path = written(tmp_path, **{name: value})
    with pytest.raises(ValueError, match=message) as caught:
        read_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_error_lists_problems_and_counts_those_that_there_is_no_room_for(tmp_path: Path):
    names = ("is_decoder", "hidden_act", "vocab_size", "layer_norm_eps")
    problems = {name: REFUSED[name][0] for name in names}
    with pytest.raises(ValueError, match=r"config.json: ") as caught:
        read_config(written(tmp_path, **problems))
    for name in problems:
        assert name in str(caught.value)
    assert "more" not in str(caught.value)
    problems = {name: value for name, (value, _) in REFUSED.items() if name != "model_type"}
    del problems["hidden_dropout_prob"]  # of the right type: EncoderConfig rejects the rate
    with pytest.raises(ValueError, match=r"; and (\d+) more$") as caught:
        read_config(written(tmp_path, **problems))
    shown, more = str(caught.value).split("; and ")
    assert shown.count("; ") + 1 + int(more.split()[0]) == len(problems)
    assert len(shown) < 410 + len(str(tmp_path))


OF_OTHERS = {
    "eos_token_ids": 0,  # of transformers 2
    "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity",
    "sentence_transformers": {"version": "4.0.1"},
    "n_layers": 6,  # DistilBERT's, beside BERT's own
    "dim": 48,
}


def test_attributes_that_no_code_of_the_family_reads_change_nothing(tmp_path: Path):
    described = read_config(written(tmp_path, **OF_OTHERS))
    assert described.config == read_config(written(tmp_path)).config
    assert described.foreign == tuple(sorted(OF_OTHERS))


CONTRADICTIONS = [
    ({"id2label": {"0": "a", "2": "b"}}, "id2label: expected names for"),
    ({"id2label": {"0": "a", "1": "a"}}, "id2label: expected different names, got a, a"),
    ({"id2label": {"0": "a", "1": "b"}, "num_labels": 3}, "num_labels: expected 2 as in id2label"),
    ({"num_labels": 0}, "num_labels: expected an integer of 1"),
    ({"num_labels": 1, "problem_type": "single_label_classification"}, "null or 'regression'"),
    ({"num_labels": 3, "problem_type": "regression"}, "got 'regression' for 3 labels"),
]


@pytest.mark.parametrize(("attributes", "message"), CONTRADICTIONS)
def test_labels_that_contradict_are_rejected_in_classifiers_alone(attributes, message, tmp_path):
    name = "BertForSequenceClassification"
    with pytest.raises(ValueError, match=r"config.json: ") as caught:
        read_config(written(tmp_path, architectures=[name], **attributes))
    assert message in str(caught.value)
    read_config(written(tmp_path, architectures=["BertForMaskedLM"], **attributes))


def test_id2label_has_the_names_where_label2id_is_another(tmp_path: Path, caplog):
    stale = {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 1, "b": 0}}
    path = written(tmp_path, architectures=["BertForSequenceClassification"], **stale)
    assert labels_of(path) == ("a", "b")
    assert caplog.text.count("label2id is not the inverse of id2label") == 1


def test_a_classifier_of_several_labels_at_once_is_told_by_its_problem(tmp_path: Path):
    several = {"problem_type": "multi_label_classification", "num_labels": 3}
    path = written(tmp_path, architectures=["BertForSequenceClassification"], **several)
    assert read_config(path).kind == "multilabel"


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00", '{"a": ' + "[" * 10**5])
def test_a_file_that_holds_no_json_object_is_rejected_in_one_line(text: str, tmp_path: Path):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"config.json: expected (a )?JSON") as caught:
        read_config(path)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ValueError, match=r"config.json: expected JSON"):
        read_config(path)
    path.unlink()
    with pytest.raises(ValueError, match=r"config.json: no such file"):
        read_config(path)
