"""Data sets of any form: where their records are, and what is said where there are none."""

from __future__ import annotations

from pathlib import Path

import datasets
import pandas as pd
import pytest

from jaxheads.data.lines import Reading, Record
from jaxheads.data.records import open_records
from jaxheads.storage import hub

ROWS = [{"text": "NA", "topic": 1}, {"text": "b", "topic": 0}, {"text": "c", "topic": 1}]
NAMED = datasets.Features(
    {"text": datasets.Value("string"), "topic": datasets.ClassLabel(names=["sport", "art"])}
)


def refused(data, **how) -> str:
    """The one line of the error that data raise."""
    with pytest.raises(ValueError, match=r".") as caught:
        list(open_records(data, **how).read())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def saved() -> datasets.Dataset:
    return datasets.Dataset.from_list(ROWS, features=NAMED)


def test_columns_are_read_from_files_and_folders(saved, tmp_path: Path):
    saved.to_parquet(tmp_path / "a.parquet")
    saved.save_to_disk(tmp_path / "folder")
    datasets.DatasetDict(train=saved.select([0]), test=saved).save_to_disk(tmp_path / "splits")
    arrow = next((tmp_path / "folder").glob("*.arrow"))
    for place in (tmp_path / "a.parquet", arrow, tmp_path / "folder", tmp_path / "splits"):
        records = open_records(str(place), split="test")
        wanted = [Record(f"{place}, row {n}", row) for n, row in enumerate(ROWS, 1)]
        assert list(records.read()) == list(records.read()) == wanted
        assert records.class_names == {"topic": ("sport", "art")}
    said = refused(tmp_path / "splits", split="validation")
    assert said == f"{tmp_path / 'splits'}: expected a split of train, test, got 'validation'"


def test_objects_are_read_as_they_are(saved):
    for data in (saved, pd.DataFrame(ROWS), ROWS, saved.to_iterable_dataset()):
        wanted = [Record(f"data, row {n}", row) for n, row in enumerate(ROWS, 1)]
        assert list(open_records(data).read()) == wanted
    chosen = saved.filter(lambda row: row["topic"] == 1)
    assert [row.fields["text"] for row in open_records(chosen).read()] == ["NA", "c"]
    frame = pd.DataFrame({"topic": pd.Categorical(["a", "b"]), "text": ["x", None]})
    assert [*open_records(frame).read()][1].fields == {"topic": "b", "text": None}


def test_objects_that_are_no_table_are_rejected():
    assert refused(3).endswith("or a list of dicts, got int")
    assert refused([1]).endswith("or a list of dicts, got list")
    assert refused(pd.DataFrame({"a": ["x", 1]})).startswith("data: not a table: ")


def test_a_name_on_the_hub_is_asked_for(monkeypatch, saved):
    asked = []

    def fetch(*what):
        asked.append(what)
        return saved

    monkeypatch.setattr(hub, "fetch_dataset", fetch)
    reading = Reading(subset="topics")
    (first, *_) = open_records("own/news", split="test", reading=reading).read()
    assert first.place == "own/news (topics, test), row 1"
    assert asked == [("own/news", "topics", "test", None)]


def test_without_a_network_a_name_is_one_line():
    said = refused("own/news")
    assert said.startswith("'own/news' is neither a file nor in the cache ")
    assert said.endswith("HF_HUB_OFFLINE is set")


@pytest.mark.parametrize("name", ["a", "a.xlsx", "a.JSONX", "a.gz"])
def test_unknown_extensions_are_rejected(tmp_path: Path, name: str):
    (tmp_path / name).write_text("x")
    assert ": expected a file ending in .jsonl" in refused(tmp_path / name)


def test_missing_files_and_other_directories_are_rejected(tmp_path: Path):
    for name in ("a.jsonl", "nowhere/a.csv", "nowhere"):
        assert refused(str(tmp_path / name)) == f"{tmp_path / name}: no such file"
    assert refused("./own/news") == "own/news: no such file"
    (tmp_path / "b.jsonl").mkdir()
    assert refused(tmp_path / "b.jsonl").endswith("wrote, got another directory")


def test_damaged_columns_are_one_line(saved, tmp_path: Path):
    saved.to_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    for content in (b"", whole[:50], whole[:-20], b"PAR1" + whole[10:]):
        (tmp_path / "b.parquet").write_bytes(content)
        assert refused(tmp_path / "b.parquet").startswith(f"{tmp_path / 'b.parquet'}")
    saved.save_to_disk(tmp_path / "folder")
    arrow = next((tmp_path / "folder").glob("*.arrow"))
    arrow.write_bytes(arrow.read_bytes()[:100])
    assert refused(tmp_path / "folder").startswith(f"{tmp_path / 'folder'}: not a saved data set: ")
    assert refused(arrow).startswith(f"{arrow}: not Arrow: ")
