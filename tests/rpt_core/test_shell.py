"""`python -m rpt_core`: what it says of its commands."""

import pytest

from rpt_core.__main__ import _COMMANDS, main
from rpt_core.config import STAGES


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["help"], 0), (["--help"], 0), (["rpt", "-h"], 0)])
def test_every_way_to_ask_lists_all_commands(arguments, code, capsys):
    try:
        found = main(arguments)
    except SystemExit as end:
        found = end.code
    said = capsys.readouterr()
    text = said.err if code else said.out
    assert found == code
    assert all(f"python -m rpt_core {command} " in text for command in (*_COMMANDS, "STAGE"))
    assert all(stage in text.replace("\n", " ") for stage in STAGES)


def test_a_command_that_does_not_exist_is_told_what_does(capsys):
    assert main(["trian", "folder"]) == 2
    assert capsys.readouterr().err == (
        "error: There is no command 'trian'. Allowed: filter, ntp, sft, rpt, rlvr, evaluate, templates, benchmark, "
        "analyse, preset, preflight, results, doctor.\n"
    )
