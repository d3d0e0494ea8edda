"""What stands at the two ends of a text, for the layouts of released families."""

import json

import pytest

from rpt_core.problems.problem import prompt_frame
from rpt_core.problems.prompts import load_template, parse_template
from rpt_core.text.tokens import begun, encode, ended, load_tokenizer, prefix_ids, tokenise
from rpt_core.train.sft import read_traces
from tests.rpt_core.text.families import BOS_BEFORE, CHATS, ENDS, edit, save_family

CONTEXT = "The cat sat on the mat"


@pytest.fixture(params=list(CHATS))
def family(request, tmp_path):
    """A family's name, and its tokenizer as it is loaded from files."""
    return request.param, load_tokenizer(save_family(tmp_path / "model", request.param))


def traces(tmp_path, tokenizer, *pairs, **more):
    path = tmp_path / "traces.jsonl"
    path.write_text("".join(json.dumps({"prompt": p, "response": r}) + "\n" for p, r in pairs))
    return read_traces(path, tokenizer, **more)


def test_a_text_begins_as_the_family_begins_it(family):
    name, tokenizer = family
    assert prefix_ids(tokenizer) == ([tokenizer.bos_token_id] if name in BOS_BEFORE else [])


def test_a_prompt_has_the_tokens_of_transformers_own_rendering(family):
    _, tokenizer = family
    template = parse_template("mine", "Go on:\n{context}\nand box it.")
    frame = prompt_frame(template, tokenizer, 4096)
    message = [{"role": "user", "content": template.render(CONTEXT)}]
    expected = tokenizer.apply_chat_template(message, tokenize=True, add_generation_prompt=True)["input_ids"]
    length = len(frame.before_ids)
    assert frame.before_ids == expected[:length]
    assert frame.after_ids == expected[-len(frame.after_ids) :]
    begin = tokenizer.bos_token_id
    if begin is not None:
        assert frame.before_ids.count(begin) == expected.count(begin) == 1


def test_a_trace_whose_prompt_is_a_rendered_chat_begins_as_rpt_s_prompts_do(family, tmp_path):
    _, tokenizer = family
    frame = prompt_frame(load_template("v0"), tokenizer, 4096)
    ((prompt, _),) = traces(tmp_path, tokenizer, (f"{frame.before}{CONTEXT}{frame.after}", "so</think>\\boxed{ }"))
    assert prompt[: len(frame.before_ids) - 2] == frame.before_ids[:-2]  # the last may join with the context


def test_a_trace_of_plain_text_begins_as_a_text_does(family, tmp_path):
    _, tokenizer = family
    ((prompt, _),) = traces(tmp_path, tokenizer, (CONTEXT, "x"))
    assert prompt == [*prefix_ids(tokenizer), *encode(tokenizer, CONTEXT)]


def test_a_response_ends_with_one_end_token_whether_or_not_it_is_written_out(family, tmp_path):
    _, tokenizer = family
    end = tokenizer.eos_token
    found = traces(tmp_path, tokenizer, *((CONTEXT, f"so it is{tail}") for tail in ("", end, end + end, end + "\n")))
    responses = [response for _, response in found]
    assert all(response == responses[0] for response in responses)
    assert responses[0][-1] == tokenizer.eos_token_id
    assert responses[0].count(tokenizer.eos_token_id) == 1


def test_a_response_that_ends_with_another_end_token_of_the_model_keeps_that_one(tmp_path):
    tokenizer = load_tokenizer(save_family(tmp_path / "model", "llama 3"))
    turn = tokenizer.convert_tokens_to_ids("<|eot_id|>")
    ids = encode(tokenizer, "so<|eot_id|>")
    assert ended(tokenizer, ids, [turn]) == ids
    assert ended(tokenizer, ids) == [*ids, tokenizer.eos_token_id]


def test_a_blank_at_the_end_of_a_response_without_an_end_token_stays(tmp_path):
    tokenizer = load_tokenizer(save_family(tmp_path / "model", "qwen"))
    ids = encode(tokenizer, "so \n\n")
    assert ended(tokenizer, ids) == [*ids, tokenizer.eos_token_id]


def test_a_chat_template_without_a_begin_token_gets_none_in_traces_either(tmp_path):
    folder = save_family(tmp_path / "model", "llama 3")
    tokenizer = load_tokenizer(folder)
    tokenizer.chat_template = CHATS["llama 3"].removeprefix("{{ bos_token }}")
    frame = prompt_frame(load_template("v0"), tokenizer, 4096)
    ((prompt, _),) = traces(tmp_path, tokenizer, (f"{frame.before}{CONTEXT}{frame.after}", "x"))
    assert tokenizer.bos_token_id not in frame.before_ids
    assert tokenizer.bos_token_id not in prompt


def test_a_plain_template_that_writes_the_begin_token_out_has_it_once(family):
    name, tokenizer = family
    begin = ENDS[name][0] or ""
    frame = prompt_frame(parse_template("mine", begin + "{context}<think>"), tokenizer, 4096)
    assert frame.before_ids == prefix_ids(tokenizer)


def test_what_stands_before_a_text_stands_there_once(family):
    _, tokenizer = family
    ids = tokenise(tokenizer, CONTEXT).token_ids
    assert begun(tokenizer, ids) == begun(tokenizer, begun(tokenizer, ids)) == [*prefix_ids(tokenizer), *ids]


@pytest.mark.parametrize(("family_name", "asked"), [("llama 3", False), ("gemma", False), ("qwen", True)])
def test_the_config_decides_where_it_speaks_of_the_begin_token(tmp_path, family_name, asked):
    folder = save_family(tmp_path / "model", family_name)
    edit(folder / "tokenizer_config.json", add_bos_token=asked, bos_token=ENDS[family_name][0] or "<|endoftext|>")
    tokenizer = load_tokenizer(folder)
    assert prefix_ids(tokenizer) == ([tokenizer.bos_token_id] if asked else [])


def test_a_config_that_asks_for_a_begin_token_without_one_gets_none(tmp_path):
    folder = save_family(tmp_path / "model", "qwen")
    edit(folder / "tokenizer_config.json", add_bos_token=True)
    assert prefix_ids(load_tokenizer(folder)) == []


def test_a_saved_copy_begins_texts_as_the_original_does(tmp_path):
    tokenizer = load_tokenizer(save_family(tmp_path / "model", "deepseek"))
    tokenizer.save_pretrained(tmp_path / "copy")
    assert prefix_ids(load_tokenizer(tmp_path / "copy")) == [tokenizer.bos_token_id]
