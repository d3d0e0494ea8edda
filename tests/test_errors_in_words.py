"""People never read the name of an exception's class: an error that is not ours gets into a sentence by `said`."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from rpt_core.errors import LONGEST_REASON, said

ROOT = Path(__file__).parents[1]
OURS = {
    "UserError",
    "Unusable",
    "NotFiniteError",
    "RunFailed",
    "Fenced",
    "UnreadableShard",
    "TooManyChecks",
    "OverQuota",
    "ClientError",
    "PlanHasChanged",
    "DescribedMeanwhile",
}
"""Their words are sentences of ours."""
TRANSLATED = {"ValidationError", "Http404"}
"""pydantic's and Django's, whose words are ours or are made into sentences elsewhere (`config.messages`)."""
LOGS = {"debug", "info", "warning", "error", "exception", "critical", "log", "print_exception", "is_away"}


def is_foreign(handler):
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {kind.attr if isinstance(kind, ast.Attribute) else getattr(kind, "id", "") for kind in kinds}
    return not names <= OURS | TRANSLATED


def called(node):
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def told(node, name):
    """Lines where the error of that name becomes a text, outside of logs and `said`."""
    if isinstance(node, ast.Call) and called(node) in LOGS | {"said"}:
        return
    is_it = isinstance(node, ast.FormattedValue) and getattr(node.value, "id", "") == name
    if isinstance(node, ast.Call) and called(node) in ("str", "repr", "type"):
        is_it = any(getattr(argument, "id", "") == name for argument in node.args)
    if is_it:
        yield node.lineno
    if isinstance(node, ast.Compare):  # a look for a word in it
        return
    for child in ast.iter_child_nodes(node):
        yield from told(child, name)


def offences(source):
    for handler in ast.walk(ast.parse(source)):
        if isinstance(handler, ast.ExceptHandler) and handler.name and handler.type and is_foreign(handler):
            for statement in handler.body:
                yield from told(statement, handler.name)


def sources():
    return [path for folder in ("rpt_core", "platform", "workers") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_foreign_error_is_told_but_through_said():
    assert len(sources()) > 150
    found = [f"{path.relative_to(ROOT)}:{line}" for path in sources() for line in offences(path.read_text())]
    assert found == []


@pytest.mark.parametrize("words", ["f'{error}'", "str(error)", "f'{type(error).__name__}'", "repr(error)"])
def test_the_search_finds_what_it_looks_for(words):
    assert list(offences(f"try:\n    x()\nexcept OSError as error:\n    y({words})\n")) == [4]
    assert list(offences(f"try:\n    x()\nexcept OSError as error:\n    logger.warning({words})\n")) == []
    assert list(offences(f"try:\n    x()\nexcept UserError as error:\n    y({words})\n")) == []


def failing(act):
    with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever it is
        act()
    return caught.value


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (failing(lambda: Path("/no/such").read_text()), "No such file or directory: '/no/such'"),
        (failing(lambda: {}["text"]), "there is no 'text'"),
        (failing(lambda: json.loads("[1,")), "Expecting value: line 1 column 4 (char 3)"),
        (RuntimeError("requests.exceptions.ConnectionError: it is away."), "it is away"),
        (ValueError(), "no reason is given"),
        (ValueError("  two\n lines. "), "two lines"),
        (OSError("ValueError"), "no reason is given"),
    ],
)  # fmt: skip
def test_an_error_is_told_by_its_own_words(error, words):
    assert said(error) == words


def test_long_words_are_cut():
    assert len(said(ValueError("x" * 10_000))) == LONGEST_REASON + 1
