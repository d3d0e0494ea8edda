"""Chat templates: programs that come with a model, whose faults and whose clock are not the run's."""

import copy
import datetime

import pytest

from rpt_core.config import PROMPT_DATE, PromptConfig
from rpt_core.errors import UserError
from rpt_core.problems.chat import MARK, chat_frame
from rpt_core.problems.problem import prompt_frame
from rpt_core.problems.prompts import load_template

DATED = "{{ strftime_now('%d %b %Y') }}|{{ messages[0]['content'] }}|"
RECURSIVE = "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}"


def with_chat(tokenizer, template):
    """A copy of the tokenizer with a chat template."""
    copied = copy.deepcopy(tokenizer)
    copied.chat_template = template
    return copied


def test_a_chat_template_gets_the_date_of_the_config_and_not_today_s(byte_level):
    tokenizer = with_chat(byte_level, DATED)
    before, after = chat_frame(tokenizer, f"a{MARK}", "2024-02-29")
    assert (before, after) == ("29 Feb 2024|a", "|")


def test_prompts_have_one_date_for_all_unless_the_config_gives_another(byte_level):
    tokenizer = with_chat(byte_level, DATED)
    frame = prompt_frame(load_template("v0"), tokenizer, 4096)
    assert frame.before.startswith(datetime.date.fromisoformat(PROMPT_DATE).strftime("%d %b %Y"))
    assert PromptConfig().date == PROMPT_DATE


def test_a_template_that_draws_at_random_is_refused(byte_level):
    tokenizer = with_chat(byte_level, "{{ range(1000) | random }}" + "{{ messages[0]['content'] }}")
    with pytest.raises(UserError, match=r"it draws at random, .*`plain`"):
        chat_frame(tokenizer, MARK, PROMPT_DATE)


def test_a_template_that_asks_whether_there_is_a_clock_finds_one(byte_level):
    tokenizer = with_chat(byte_level, "{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% endif %}" + MARK)
    assert chat_frame(tokenizer, MARK, "1999-12-31")[0] == "1999"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('A system message must come first') }}", "A system message must come first"),
        ("{% for m in messages %}{{ m.content }", "unexpected"),
        ("{{ messages[0]['content'] + 1 }}", "can only concatenate"),
        ("{{ messages[1]['content']['text'] }}", "no element 1"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages.append(1) }}", "unsafe"),
        (RECURSIVE, "recursion"),
        ({"tool_use": "{{ messages }}"}, "no default"),
        (7, "compile"),
        ("hello", "does not pass a user's message on"),
        ("{{ messages[0]['content'] }}{{ messages[0]['content'] }}", "does not pass a user's message on"),
    ],
)
def test_a_chat_template_that_fails_is_named_with_what_to_do(byte_level, template, reason):
    tokenizer = with_chat(byte_level, template)
    tokenizer.name_or_path = "models/mine"
    with pytest.raises(UserError, match=r"chat template of the model 'models/mine' fails.*`plain`.*fix it") as told:
        prompt_frame(load_template("v0"), tokenizer, 4096)
    assert reason in str(told.value)


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{% broken"])
def test_a_template_that_opens_the_thought_itself_does_without_the_chat_template(byte_level, template):
    frame = prompt_frame(load_template("plain"), with_chat(byte_level, template), 4096)
    assert (frame.before, frame.after) == ("", "<think>")
