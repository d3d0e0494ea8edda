"""Pre-flight by its command: what it takes, prints and returns, and that it needs no torch."""

import json
import os
import subprocess
import sys

from rpt_core.preflight.__main__ import main
from rpt_core.run.folder import RunDir
from tests.rpt_core.preflight.preflight_runs import rpt


def test_the_command_says_which_hardware_it_knows(tmp_path, capsys):
    file = tmp_path / "config.json"
    file.write_text('{"stage": "analyse"}')
    assert main(["analyse", str(file), "--hardware", "abacus"]) == 2
    assert capsys.readouterr().err == (
        "error: There is no hardware 'abacus' in the list. "
        "Known: cpu-2, rtx-4090, a100-80, h100, h200, 8xh100, 8xh200.\n"
    )


def test_the_command_prints_json_and_fails_on_errors(tmp_path, model, filtered, capsys):
    file = tmp_path / "config.json"
    file.write_text(rpt(model, filtered).model_dump_json())
    assert main(["rpt", str(file), "--json", "--hardware", "h100"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["first_prompt"]["tokens"] >= 2
    assert report["memory"]["total"] > 0
    file.write_text(rpt(model, str(tmp_path / "nowhere")).model_dump_json())
    assert main(["rpt", str(file)]) == 2
    assert "error: positions: " in capsys.readouterr().out


def test_the_command_says_what_the_time_assumes(tmp_path, model, filtered, capsys):
    file = tmp_path / "config.json"
    file.write_text(rpt(model, filtered).model_dump_json())
    assert main(["rpt", str(file)]) == 0
    assert "The times are for a machine that does nothing else.\nfirst prompt" in capsys.readouterr().out
    assert main(["rpt", str(file), "--json", "--hardware", "h100"]) == 0
    assert len(json.loads(capsys.readouterr().out)["notes"]) == 2, "nobody has measured an H100"


def test_a_config_of_another_stage_is_said_to_be_one(tmp_path, model, filtered, capsys):
    file = tmp_path / "config.json"
    file.write_text(rpt(model, filtered).model_dump_json())
    assert main(["ntp", str(file)]) == 2
    assert capsys.readouterr().err == (
        f"error: {file} looks like a config of stage rpt, not of ntp. Name that stage, or another file.\n"
    )


def test_the_command_needs_no_torch(tmp_path, model, filtered):
    file = tmp_path / "config.json"
    file.write_text(rpt({"path": "@cold/checkpoint"}, "@filter/positions").model_dump_json())
    code = f"""import sys
from rpt_core.preflight import work
from rpt_core.preflight.__main__ import main
from rpt_core.preflight.checks import refuse_if_failing
from rpt_core.preflight.data import Data
main(["rpt", {str(file)!r}])
print("torch" in sys.modules)"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"


def test_a_process_of_the_command_leaves_torch_out_and_finds_the_same(tmp_path, model, filtered, capsys):
    file = tmp_path / "config.json"
    file.write_text(rpt(model, filtered).model_dump_json())
    words = ["rpt", str(file), "--json", "--folder", "/"]
    command = [sys.executable, "-X", "importtime", "-m", "rpt_core", "preflight", *words]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = [line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import time")]
    assert "transformers" in loaded
    assert not [name for name in loaded if name == "torch" or name.startswith("torch.")]
    assert "PyTorch" not in result.stderr
    assert main(words) == 0
    assert json.loads(result.stdout) == json.loads(capsys.readouterr().out)


def test_a_run_in_a_folder_can_be_checked_by_its_own_config(tmp_path, model, filtered):
    run = RunDir(tmp_path / "run")
    run.create(rpt(model, filtered))
    assert main(["rpt", str(run.config)]) == 0
    assert main(["rpt", str(run.path)]) == 0


def test_a_folder_without_a_config_is_said_to_be_a_folder(tmp_path, capsys):
    assert main(["rpt", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path} is a folder, and holds no config.json. Name the file with the config, or a run's folder.\n"
    )


TINY = {"stage": "ntp", "scratch": {}, "corpus": {"source": "tiny", "tiny_documents": 50}, "budget": {"steps": 2}}


def test_several_configs_are_looked_at_by_one_command(tmp_path, capsys):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(TINY))
    bad.write_text(json.dumps(TINY | {"corpus": {"paths": [str(tmp_path / "nothing.txt")]}}))
    assert main(["ntp", str(good), "--also", "ntp", str(bad), "--also", "ntp", str(good), "--json"]) == 2
    reports = json.loads(capsys.readouterr().out)
    assert [[problem["field"] for problem in report["problems"]] for report in reports] == [[], ["corpus.paths"], []]
    assert main(["ntp", str(good), "--also", "ntp", str(good)]) == 0
    assert capsys.readouterr().out.count("typically: ") == 2
    assert main(["ntp", str(good), "--also", "dream", str(good)]) == 2
    assert "There is no stage 'dream'" in capsys.readouterr().err


def test_a_hub_that_cannot_be_reached_is_named_in_a_sentence(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(TINY | {"scratch": None, "model": {"path": "org/model"}}))
    command = [sys.executable, "-m", "rpt_core", "preflight", "ntp", str(file), "--json"]
    alone = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    [problem] = json.loads(result.stdout)["problems"]
    assert (problem["field"], problem["level"]) == ("model.path", "error")
    assert problem["message"] == (
        "The model 'org/model' is not a folder here, and the hub cannot be reached from this machine. Download the "
        "model "
        "where there is a network and name its folder, or correct the name."
    )
