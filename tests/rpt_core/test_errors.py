"""The guard around reading somebody else's file."""

import errno
import os

import pytest

from rpt_core.errors import UserError, reading


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("gone"), "gone"),
        (ValueError("gone"), "gone"),
        (KeyError("gone"), "there is no 'gone'"),
        (Exception("gone"), "gone"),
    ],
)
def test_any_failure_while_a_file_is_read_names_the_file_and_says_what_to_do(error, words):
    said = rf"^a/file\.json cannot be read: {words}\. Copy it again\.$"
    with pytest.raises(UserError, match=said), reading("a/file.json", "Copy it again."):
        raise error


def test_words_that_a_library_lacks_or_has_too_many_of_are_made_short():
    for error, told in ((EOFError(), "no reason is given"), (ValueError("many\n words" * 99), "many words.{290}…")):
        with pytest.raises(UserError, match=rf"read: {told}\. Copy"), reading("f", "Copy it again."):
            raise error


def test_what_is_told_in_words_already_stays_as_it_is():
    with pytest.raises(UserError, match=r"^mine$"), reading("f", "Copy it again."):
        raise UserError("mine")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()]
)
def test_what_is_not_the_file_s_fault_keeps_its_own_error(error):
    with pytest.raises(type(error)), reading("f", "Copy it again."):
        raise error
