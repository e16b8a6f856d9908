"""What is wrong with a text, by the kind of its task."""

from __future__ import annotations

from typing import Any


def problem_of(kind: str, value: Any) -> str:
    """What a value lacks of a text of this kind of task; nothing where it is one."""
    return PROBLEMS.get(kind, _text_problem)(value)


def shown(value: Any) -> str:
    """A value in a message, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _text_problem(value: Any) -> str:
    if not isinstance(value, str):
        return f"expected text, got {shown(value)}"
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        return f"expected text, got the lone surrogate of {shown(value)}"
    return ""


def _words_problem(value: Any) -> str:
    if not isinstance(value, list | tuple) or not value:
        return f"expected a list of words, got {shown(value)}"
    if len(value) > 1 and all(word == "_" for word in value):
        return "expected words, got _ for each: they are withheld, as the text may not be shared"
    return next((problem for word in value if (problem := _text_problem(word))), "")


def _sentence_problem(value: Any) -> str:
    if isinstance(value, str) and not value.strip():
        return "expected a sentence, got an empty one"
    return _text_problem(value)


PROBLEMS = {"tag": _words_problem, "translate": _sentence_problem}
