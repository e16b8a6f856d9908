"""Maps over heads on disk, as the report reads them."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.records.head_maps import load_maps, load_weights, map_path, save_maps
from jaxheads.records.rows import Row, write_rows
from jaxheads.report.folder import read_study

WEIGHTS = [7, 2**32 - 1]


def test_the_report_reads_the_maps_that_a_study_wrote(tmp_path):
    maps = {"UUAS, MST": np.array([[0.5, np.nan]]), "acl/relcl": np.array([[0.25, 1]])}
    save_maps(tmp_path, "roberta", "arcs.sst2", 3, maps, weights=WEIGHTS)
    found = load_maps(tmp_path, "roberta", "arcs.sst2", 3)
    assert list(found) == list(maps)
    assert load_weights(map_path(tmp_path, "roberta", "arcs.sst2", 3)) == WEIGHTS
    write_rows(tmp_path / "rows.jsonl", [Row("s", "roberta", "", "UUAS", 0.5)])
    np.savez(tmp_path / "maps" / "roberta-arcs.npz", a=np.ones((1, 2)))
    study = read_study(tmp_path)
    assert [one[:4] for one in study.maps] == [
        ("roberta", "arcs.sst2", 3, "UUAS, MST"), ("roberta", "arcs.sst2", 3, "acl/relcl"),
    ]  # fmt: skip
    for one in study.maps:
        np.testing.assert_array_equal(one.value_LH, maps[one.name])
    assert study.notes == ("maps/roberta-arcs.npz is not named MODEL-WHAT-SEED and is not shown.",)


def test_maps_that_are_none_are_rejected(tmp_path):
    with pytest.raises(ValueError, match=r"what: expected small letters.*got 'a-b'; expected maps"):
        save_maps(
            tmp_path, "roberta", "a-b", 0, {"x": np.ones((1, 2)), "y": np.ones((2, 2))}, weights=[]
        )
    with pytest.raises(ValueError, match=r"expected maps .* got shapes \[\]"):
        save_maps(tmp_path, "roberta", "arcs", 0, {}, weights=[])
    assert not list(tmp_path.iterdir())
    path = save_maps(tmp_path, "roberta", "arcs", 0, {"x": np.ones((1, 2))}, weights=[])
    write_rows(tmp_path / "rows.jsonl", [Row("s", "roberta", "", "UUAS", 0.5)])
    path.write_bytes(b"not an npz")
    with pytest.raises(ValueError, match=r"roberta-arcs-0.npz: expected an npz file of maps"):
        read_study(tmp_path)
