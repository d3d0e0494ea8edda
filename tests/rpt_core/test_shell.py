"""`python -m rpt_core`: what it says of its commands, and of a stage that it runs."""

import re
import signal
import subprocess
import sys

import pytest

from rpt_core.__main__ import _COMMANDS, main
from rpt_core.config import STAGES, NtpConfig
from rpt_core.files import read_json
from rpt_core.run.folder import RunDir
from tests.rpt_core import stages

pytestmark = pytest.mark.slow  # processes of their own


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
        "error: There is no command 'trian'. Allowed: filter, ntp, sft, rpt, expert_iteration, rlvr, evaluate, "
        "templates, benchmark, analyse, preset, preflight, model, prompt, results, doctor.\n"
    )


def made(folder, **changes):
    """A run's folder with the config of a short training from scratch."""
    values = {"corpus": {"source": "tiny", "tiny_documents": 30}, "scratch": stages.SCRATCH, "budget": {"steps": 3}}
    RunDir(folder).create(STAGES["ntp"].model_validate(values | changes))
    return ["ntp", str(folder)]


def in_a_process(arguments):
    return subprocess.run([sys.executable, "-m", "rpt_core", *arguments], capture_output=True, text=True)


@pytest.fixture
def shell(capsys):
    """shell(*arguments) -> exit code, output, errors of the command in this process, which has torch loaded."""
    signals = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}

    def shell(*arguments):
        capsys.readouterr()
        code = main([*arguments])
        return (code, *capsys.readouterr())

    yield shell
    for signum, handler in signals.items():
        signal.signal(signum, handler)


def test_a_stage_says_how_it_ended_and_where_its_results_are(tmp_path):
    done = in_a_process(made(tmp_path / "run"))
    assert done.returncode == 0
    assert done.stderr == "", "progress is for terminals"
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"ntp: finished in \d+ s: steps 3, flops \d\.\d+e\+\d\d, .*", first)
    assert second == f"In {tmp_path / 'run'}: checkpoints/step-000003"


def test_a_stage_that_was_finished_says_so_and_goes_on_when_asked_for_more(tmp_path, shell):
    said = [shell(*made(tmp_path / "run"))[1] for _ in range(3)]
    assert "had already finished" not in said[0]
    for again in said[1:]:
        assert again.startswith("ntp: had already finished, nothing to do: steps 3, flops ")
    more = made(tmp_path / "run", budget={"steps": 5})
    assert shell(*more)[1].startswith("ntp: finished in ")
    assert RunDir(tmp_path / "run").checkpoint_steps()[-1] == 5


def test_a_changed_config_goes_on_only_where_it_is_allowed_by_name(tmp_path, shell):
    def said(*arguments, **changes):
        code, output, errors = shell(*made(tmp_path / "run", **changes), *arguments)
        return code, output + errors

    usual = NtpConfig.model_fields["optimiser"].get_default(call_default_factory=True).model_dump()
    faster = {"budget": {"steps": 4}, "optimiser": usual | {"learning_rate": 0.002}}
    change = f"was {usual['learning_rate']}, is 0.002"
    assert said()[0] == 0
    code, text = said(**faster)
    assert code == 2
    assert f"- `optimiser.learning_rate` {change}\n" in text
    assert text.endswith("with --allow-changed optimiser.learning_rate.\n")
    code, text = said("--allow-changed", "learning_rat", **faster)
    assert code == 2
    assert (
        "error: There is no field 'learning_rat' whose change could be allowed. Did you mean optimiser.learning_rate?"
        in text
    )
    code, text = said("--allow-changed", "learning_rate", "--allow-changed", "seed", **faster)
    assert (code, text[:16]) == (0, "ntp: finished in")
    run = RunDir(tmp_path / "run")
    assert run.checkpoint_steps()[-1] == 4
    assert read_json(run.checkpoint(4) / "metadata.json")["changed"] == [
        {"step": 3, "fields": {"optimiser.learning_rate": change}}
    ]
    code, text = said(**{**faster, "budget": {"steps": 2}})
    assert code == 2
    assert "has done step 4, but `budget.steps` ends training earlier, at step 2." in text
    assert "Traceback" not in text


def test_a_stage_that_does_its_work_again_says_that_it_finished(tmp_path, shell):
    model = stages.save_taught(tmp_path / "model")
    corpus = stages.write_corpus(tmp_path / "corpus.jsonl")
    config = {"corpus": corpus, "proxy": model, "min_entropy_nats": 0.3}
    RunDir(tmp_path / "run").create(STAGES["filter"].model_validate(config))
    for _ in range(2):
        assert shell("filter", str(tmp_path / "run"))[1].startswith("filter: finished in ")


def test_a_stage_that_fails_says_why_once(tmp_path):
    done = in_a_process(made(tmp_path / "run", corpus={"paths": [str(tmp_path / "nothing.jsonl")]}))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: `corpus.paths`: {tmp_path / 'nothing.jsonl'} does not exist. Correct the path.\n"
