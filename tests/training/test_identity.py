"""Settings of one run against another's, as a folder or a checkpoint holds them."""

from __future__ import annotations

from jaxheads.training.identity import differences


def test_a_setting_that_is_missing_is_as_good_as_none_or_an_empty_list():
    assert list(differences({"a": 1}, {"a": 1, "b": None, "c": []})) == []
    assert list(differences({"a": 1, "c": []}, {"a": 1})) == []
    assert list(differences({}, {"c": ["x"]})) == [("c", "none and here ['x']")]
    assert list(differences({"d": False, "e": 0}, {})) == [
        ("d", "False and here none"), ("e", "0 and here none")
    ]  # fmt: skip


def test_groups_are_compared_by_their_names():
    one = {"models": [{"name": "a", "steps": 1}, {"name": "b", "steps": 2}]}
    two = {"models": [{"name": "b", "steps": 3}, {"name": "a", "steps": 1}]}
    assert list(differences(one, two)) == [("models.b.steps", "2 and here 3")]
