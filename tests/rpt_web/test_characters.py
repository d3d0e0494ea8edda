"""Names: which characters they may hold, and that the others are named."""

import pytest

from rpt_core.errors import UserError
from rpt_web.runs.checks import checked_name, checked_run_name, refuse_unstorable


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "crew \U0001f469\u200d\U0001f680",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "\u2764\ufe0f",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "\u5b66\u7fd2\u3000\u7b2c1\u56de",
        "essai n\u00b0\u00a01",
        "\U0001fae8",
        "Zu\u0308rich",
        "3",
    ],
)
def test_a_name_in_any_script_or_with_an_emoji_of_several_parts_is_taken(name):
    assert checked_run_name(name) == name


@pytest.mark.parametrize(
    ("name", "character"),
    [
        ("evil\u202egnp.exe", r"U\+202E \(RIGHT-TO-LEFT OVERRIDE\)"),
        ("a\u2066b", r"U\+2066 \(LEFT-TO-RIGHT ISOLATE\)"),
        ("a\u200eb", r"U\+200E \(LEFT-TO-RIGHT MARK\)"),
        ("bell\x07", r"U\+0007 \(a control character\)"),
        ("two\nlines", r"U\+000A \(a control character\)"),
        ("nul\x00", r"U\+0000 \(a control character\)"),
        ("a\u2028b", r"U\+2028 \(LINE SEPARATOR\)"),
        ("soft\u00adhyphen", r"U\+00AD \(SOFT HYPHEN\)"),
        ("zero\u200bwidth", r"U\+200B \(ZERO WIDTH SPACE\)"),
        ("\ufeffmark", r"U\+FEFF \(ZERO WIDTH NO-BREAK SPACE\)"),
        ("half\ud83d", r"U\+D83D \(half of a surrogate pair\)"),
        ("tags\U000e0041\U000e0042", r"U\+E0041 \(TAG LATIN CAPITAL LETTER A\)"),
        ("own\ue000", r"U\+E000 \(a character for private use\)"),
        ("none\uffff", r"U\+FFFF \(no character\)"),
    ],
)
def test_a_character_that_cannot_be_seen_is_refused_by_its_name(name, character):
    with pytest.raises(UserError, match=f"cannot be the name of this run. It holds {character}. Remove that"):
        checked_run_name(name)


@pytest.mark.parametrize("name", ["", "  ", "\u3000", "\u200d", "\u200c \u200d", "\u0301"])
def test_a_name_needs_something_to_see(name):
    with pytest.raises(UserError, match="Give 1 to 20 printable characters"):
        checked_name(name, "experiment", 20)


@pytest.mark.parametrize(
    ("text", "character"),
    [("a\x00b", r"U\+0000 \(a control character\)"), ("\ud800", r"U\+D800 \(half of a surrogate pair\)")],
)
def test_what_the_database_cannot_store_is_named(text, character):
    with pytest.raises(UserError, match=rf"NUL or half a character: {character} in "):
        refuse_unstorable({"prompt": [text]})
