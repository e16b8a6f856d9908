from __future__ import annotations

import numpy as np
import pytest

from jaxheads.importance.scores import Scores, load_scores, normalize_layers, save_scores

SCORES = Scores(np.array([[0.5, -1.0], [2.0, 0.0]]), "gradient", "example", 12, "some/model")


def test_scores_come_back_from_their_file(tmp_path):
    path = tmp_path / "scores.npz"
    save_scores(path, SCORES)
    found = load_scores(path)
    np.testing.assert_array_equal(found.score_LH, SCORES.score_LH)
    assert found[1:] == SCORES[1:] and found.score_LH.dtype == np.float64
    with np.load(path, allow_pickle=False) as file:  # the keys that others read
        assert sorted(file.files) == ["examples", "method", "model", "score", "unit"]
        assert str(file["method"]) == "gradient" and int(file["examples"]) == 12


def test_the_same_scores_are_the_same_file(tmp_path):
    save_scores(tmp_path / "a.npz", SCORES)
    save_scores(tmp_path / "b.npz", SCORES)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_another_suffix_is_rejected_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.npz, got .*scores\.npy"):
        save_scores(tmp_path / "scores.npy", SCORES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"score": np.zeros(3)}, r"score: expected floats \[L, H\], got float64 \[3\]"),
        ({"score": np.array([[np.nan, 1.0]])}, "score: expected finite numbers, got 1 others"),
        ({"score": np.array([[1, 2]])}, "got int64"),
        ({"method": np.array(["a", "b"])}, "method: expected one string"),
        ({"examples": np.array(1.5)}, "examples: expected one whole number, got float64"),
    ],
)
def test_a_file_that_holds_no_scores_is_rejected(tmp_path, changed, message):
    arrays = {"score": np.zeros((1, 2)), "method": "m", "unit": "u", "examples": 1, "model": ""}
    np.savez(tmp_path / "bad.npz", **{**arrays, **changed})
    with pytest.raises(ValueError, match=message):
        load_scores(tmp_path / "bad.npz")


def test_all_missing_keys_are_named(tmp_path):
    np.savez(tmp_path / "bad.npz", score=np.zeros((1, 2)), method="m")
    with pytest.raises(ValueError, match="got no unit, examples, model"):
        load_scores(tmp_path / "bad.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x80\x04cos\nsystem\n", b"x"])
def test_a_file_that_is_no_archive_is_rejected(tmp_path, content):
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.npz: expected an npz file of scores"):
        load_scores(tmp_path / "bad.npz")


def test_an_array_file_and_an_object_array_are_rejected(tmp_path):
    with (tmp_path / "bad.npz").open("wb") as file:
        np.save(file, np.zeros((1, 2)))
    with pytest.raises(ValueError, match="expected an npz file of scores"):
        load_scores(tmp_path / "bad.npz")
    np.savez(tmp_path / "pickled.npz", score=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="expected an npz file of scores"):
        load_scores(tmp_path / "pickled.npz")


def test_layers_have_length_one_after_l2_and_absent_heads_enter_no_length():
    score_LH = np.array([[3.0, 4.0, 9.0], [0.0, 0.0, 5.0], [-1.0, 1.0, 1.0]])
    present_LH = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 1]], bool)
    found = normalize_layers(score_LH, "l2", present_LH)
    np.testing.assert_allclose(found[:2], [[0.6, 0.8, 0], [0, 0, 0]])
    np.testing.assert_allclose(found[2], score_LH[2] / np.sqrt(3))
    plain = normalize_layers(score_LH, "none", present_LH)
    np.testing.assert_array_equal(plain[:2], [[3, 4, 0], [0, 0, 0]])


def test_a_file_of_another_kind_is_named_without_advice_to_load_it_unsafely(tmp_path):
    path = tmp_path / "scores.npz"
    path.write_text("# no scores\n")
    with pytest.raises(ValueError, match=r"scores\.npz: .* got another kind of file$"):
        load_scores(path)


def test_scores_are_shown_in_one_line_and_as_a_heat_map():
    scores = Scores(np.array([[0.5, -1.0], [2.0, 0.0]]), "gradient", "example", 1200, "a<b")
    assert repr(scores) == (
        "Scores(gradient, unit example on 1,200 examples, a<b, 2 layers x 2 heads, "
        "highest layer 1 head 0 (2), lowest layer 0 head 1 (-1))"
    )
    page = scores._repr_html_()
    assert page.count("<tr>") == 3
    assert 'style="background:rgb(0,84,148);color:white">2</td>' in page
    assert 'style="background:rgb(255,255,255);color:black">-1</td>' in page
    assert "a&lt;b" in page
    even = Scores(np.zeros((1, 2)), "gradient", "example", 1)
    assert even._repr_html_().count("rgb(255,255,255)") == 2
