"""Maps over heads on disk, as the report reads them."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.records.head_maps import load_maps, map_files, map_name, save_maps
from jaxheads.records.rows import Row, write_rows
from jaxheads.report.folder import read_study
from jaxheads.storage.store import Store

WEIGHTS = [7, 2**32 - 1]


def test_the_report_reads_the_maps_that_a_study_wrote(tmp_path):
    maps = {"UUAS, MST": np.array([[0.5, np.nan]]), "acl/relcl": np.array([[0.25, 1]])}
    save_maps(Store(tmp_path), "roberta", "arcs", 3, maps, task="sst2", weights=WEIGHTS)
    found = load_maps(Store(tmp_path), "roberta", "arcs.sst2", 3)
    assert list(found) == list(maps)
    (file,) = map_files(Store(tmp_path), "roberta")
    name = map_name("roberta", "arcs.sst2", 3)
    assert file == (name, "roberta", "arcs", "sst2", 3, tuple(WEIGHTS), "")
    assert not list(map_files(Store(tmp_path), "albert"))
    write_rows(tmp_path / "rows.jsonl", [Row("s", "roberta", "", "UUAS", 0.5)])
    study = read_study(tmp_path)
    assert [one[:5] for one in study.maps] == [
        ("roberta", "arcs", "sst2", 3, "UUAS, MST"), ("roberta", "arcs", "sst2", 3, "acl/relcl"),
    ]  # fmt: skip
    for one in study.maps:
        np.testing.assert_array_equal(one.value_LH, maps[one.name])
    (tmp_path / "maps" / "of" / "roberta-arcs.sst2-3.json").write_text('{"model": "roberta"}')
    with pytest.raises(ValueError, match=r"roberta-arcs.sst2-3.json: expected what maps are of"):
        read_study(tmp_path)


def test_maps_that_are_none_are_rejected(tmp_path):
    with pytest.raises(ValueError, match=r"what: expected small letters.*got 'a-b'; expected maps"):
        save_maps(
            Store(tmp_path),
            "roberta",
            "a-b",
            0,
            {"x": np.ones((1, 2)), "y": np.ones((2, 2))},
            weights=[],
        )
    with pytest.raises(ValueError, match=r"expected maps .* got shapes \[\]"):
        save_maps(Store(tmp_path), "roberta", "arcs", 0, {}, weights=[])
    assert not list(tmp_path.iterdir())
    save_maps(Store(tmp_path), "roberta", "arcs", 0, {"x": np.ones((1, 2))}, weights=[])
    write_rows(tmp_path / "rows.jsonl", [Row("s", "roberta", "", "UUAS", 0.5)])
    (tmp_path / map_name("roberta", "arcs", 0)).write_bytes(b"not an npz")
    with pytest.raises(ValueError, match=r"roberta-arcs-0.npz: expected an npz file of maps"):
        read_study(tmp_path)
