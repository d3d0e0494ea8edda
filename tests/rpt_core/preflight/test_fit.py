"""Pre-flight's memory: vLLM's part, the longest prompt, verl's shares; each preset on the hardware that it states."""

import json

import pytest

from rpt_core.config import STAGES
from rpt_core.plans.preset import load_preset, preset_names
from rpt_core.preflight import check, cost, hardware
from rpt_core.preflight.data import Data
from rpt_core.preflight.fit import is_beyond_all_engines, memory_problems
from rpt_core.preflight.model_shape import shape_of, shape_of_scratch
from rpt_core.preflight.work import work_of
from tests.rpt_core.preflight.preflight_runs import CPU, rpt

H100 = hardware("h100")
PUBLISHED = {
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": {
        "hidden_size": 1536, "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
        "intermediate_size": 8960, "vocab_size": 151936,
    },
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B": {
        "hidden_size": 5120, "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8,
        "intermediate_size": 13824, "vocab_size": 152064,
    },
}  # fmt: skip
"""Sizes that the models' own config files give."""


@pytest.fixture
def shapes(tmp_path):
    """Shape of each published model."""
    found = {}
    for name, sizes in PUBLISHED.items():
        folder = tmp_path / name.rpartition("/")[2]
        folder.mkdir()
        more = {"tie_word_embeddings": False, "max_position_embeddings": 131072, "model_type": "qwen2"}
        (folder / "config.json").write_text(json.dumps(sizes | more))
        found[name] = shape_of(STAGES["evaluate"].model_fields["model"].annotation(path=str(folder)))
    return found


def shape_in(preset, config, shapes):
    """The shape of a run's model, by way of the runs that it comes from."""
    model = getattr(config, "model", None) or getattr(config, "proxy", None)
    if model is None:
        return shape_of_scratch(config.scratch)
    if not model.path.startswith("@"):
        return shapes[model.path]
    source = preset.run(model.path[1:].partition("/")[0])
    return shape_in(preset, source.rehearse(0), shapes)


def memories(preset, shapes, machine):
    """Config, shape and memory of each run that loads a model, at the limits of its config."""
    for run in preset.runs:
        config = run.rehearse(0)
        if config.stage == "analyse":
            continue
        shape = shape_in(preset, config, shapes)
        of = getattr(config, "prompt", None) or config
        longest = getattr(of, "max_prompt_tokens", 0)
        data = Data(prompt_tokens=longest, sequences=1000, corpus_tokens=1e6, other_flops=1e20)
        yield run.name, config, shape, cost.memory_of(config, shape, work_of(config, shape, data, False), data, machine)


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_fits_the_hardware_that_it_states_or_says_which_runs_do_not(shapes, name):
    preset = load_preset(name)
    asked = preset.requires.gpu_memory_gb
    machine = CPU if asked is None else H100.model_copy(update={"memory_gb": asked, "title": "a GPU"})
    beyond = []
    for run, config, shape, memory in memories(preset, shapes, machine):
        if is_beyond_all_engines(config, memory, machine.memory_gb * 1e9):
            beyond.append((run, memory))
        else:
            assert list(memory_problems(config, shape, memory, machine)) == [], run
    words = " ".join(preset.description.split())
    for run, memory in beyond:
        assert f"alone take {memory.fixed / 1e9:.0f} GB there" in words
        assert "no engine can hold it yet" in preset.run(run).title
    named = words.partition("alone take ")[2].partition(" there: ")[2].partition(";")[0]
    assert [run for run, _ in beyond] == ([] if not named else named.split(", "))
    assert sum("no engine can hold it yet" in run.title for run in preset.runs) == len(beyond)


def test_the_paper_s_rpt_run_is_held_by_eight_gpus_and_not_by_four(shapes):
    run = load_preset("paper").run("rpt").rehearse(0)
    assert run.engine == "verl"
    shape = shapes["deepseek-ai/DeepSeek-R1-Distill-Qwen-14B"]
    data = Data(prompt_tokens=4096)
    found = {}
    for gpus in (4, 8, 16):
        config = run.model_copy(update={"verl": run.verl.model_copy(update={"gpus_per_node": gpus})})
        found[gpus] = cost.memory_of(config, shape, work_of(config, shape, data, False), data, H100)
    assert [memory.total < 80e9 for memory in found.values()] == [False, True, True]
    # 16 bytes for each weight on all GPUs together, beside two layers whole in bfloat16.
    by_hand = 16 * shape.parameters / 8 + 2 * 2 * shape.parameters / 48
    assert found[8].weights + found[8].optimiser == pytest.approx(by_hand)
    (problem,) = memory_problems(run, shape, found[4], H100)
    assert "Use more GPUs (`verl.gpus_per_node`" in problem.message


def test_a_stage_that_no_engine_shares_out_says_so(shapes):
    config = load_preset("paper").run("rlvr-base").rehearse(0)
    shape, data = shapes["deepseek-ai/DeepSeek-R1-Distill-Qwen-14B"], Data(prompt_tokens=4096, sequences=256)
    memory = cost.memory_of(config, shape, work_of(config, shape, data, False), data, H100)
    message = next(memory_problems(config, shape, memory, H100)).message
    assert "No engine can hold this run: the stage rlvr trains on one device, and weights, gradients and" in message


def test_vllm_s_part_counts_on_a_gpu_where_it_samples_and_nowhere_else(model, filtered):
    def memory(machine, backend="auto", **more):
        of = {"path": model["path"]} | more
        config = rpt(of, filtered, rollout_backend=backend, vllm={"gpu_memory_share": 0.3})
        return check(config, machine).memory

    assert memory(H100).vllm == memory(H100, "vllm").vllm == pytest.approx(24e9)
    assert memory(H100, "transformers").vllm == memory(CPU).vllm == memory(H100, device="cpu").vllm == 0
    assert memory(H100).cache == 0 < memory(CPU).cache
    assert memory(H100).total > memory(H100, "transformers").total + 23e9
    narrow = memory(H100, "transformers"), memory(H100)
    assert narrow[0].weights == narrow[1].weights  # in float32 there is no second copy
    reports = [memory(H100, backend, dtype="bfloat16") for backend in ("transformers", "vllm")]
    parameters = check(rpt(model, filtered), CPU).model.parameters
    sizes = [found.weights / parameters for found in reports]
    assert sizes == [8, 6], "vLLM's part holds the copy that samples"


def test_a_part_of_the_device_that_does_not_hold_the_model_is_worth_a_warning(model, filtered):
    config = rpt({"path": model["path"]}, filtered, vllm={"gpu_memory_share": 1e-9})
    (problem,) = check(config, H100).problems
    assert (problem.field, problem.level) == ("vllm.gpu_memory_share", "warning")
    assert "its copy of the model takes" in problem.message


def test_activations_are_those_of_the_longest_prompt_and_response(model, filtered):
    report = check(rpt(model, filtered, grpo={"batch_rows": 5}), CPU)
    pending = check(rpt(model, "@filter/positions", grpo={"batch_rows": 5}), CPU)
    per_token = report.model.layers * cost.activation_bytes(report.model, "float32")
    assert pending.memory.activations == 5 * (60 + 20) * per_token
    longest = report.memory.activations / per_token / 5 - 20
    assert longest == int(longest) <= 60
    mean = check(rpt(model, filtered), CPU).most.tokens
    assert longest > (mean - 4 * 6 * 20 * 2) / (4 * (2 + 6)), "longer than the mean prompt"
