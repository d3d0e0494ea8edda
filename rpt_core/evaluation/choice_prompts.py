"""The two prompts of a multiple-choice question: one to be continued by an option, one to be thought about.

In: a ChoiceQuestion, the policy's tokenizer. Out: token ids. The standard prompt has MMLU's form, as
lm-evaluation-harness builds it, and every option is scored as its continuation:

    QUESTION
    A. FIRST OPTION          without a chat template: the text on the left, continued by " A", " B", ...
    B. SECOND OPTION         with one: all of it but the last line is a message of the user, after an instruction;
    Answer:                  "Answer:" opens the assistant's turn, after a thought that is closed before it begins

A chat template gets `enable_thinking=False`, which those with an option for it know; one that opens the thought all the
same (R1-Distill) has it closed again at once, as "<think>\n\n</think>\n\n". Options are told apart by the tokens of the
whole text, so whether " A" or "A" is the token is the tokenizer's affair, and a blank that a tokenizer joins to either
side is never counted twice or forgotten.

Answers as texts: options are listed with dashes and " OPTION" goes on after "Answer:". A reasoning template that opens
the thought itself (`question_plain`) is for models that continue a text: then the bare question is the prompt of both
modes, nothing is listed, and the option follows the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from string import ascii_uppercase

from rpt_core.config import BenchmarkConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.choice_questions import ChoiceQuestion
from rpt_core.problems.chat import MARK, chat_frame
from rpt_core.problems.problem import prompt_frame
from rpt_core.problems.prompts import load_template
from rpt_core.text.tokens import Tokenizer, encode, encode_within, prefix_ids

CUE = "Answer:"
INSTRUCTION = {
    "letter": "Answer the following multiple-choice question with the letter of the right option.",
    "text": "Answer the following multiple-choice question with the right option, as it stands in the list.",
}
_OPENED, _CLOSED = "<think>", "\n\n</think>\n\n"


@dataclass(frozen=True)
class AnswerOptions:
    """A prompt in tokens, and each option's tokens after it."""

    prompt_ids: list[int]
    options: list[list[int]]
    option_bytes: list[int]
    """Length of each option's text, by which its log-prob is normalised."""

    @property
    def tokens(self) -> int:
        """Length of the prompt with its longest option."""
        return len(self.prompt_ids) + max(map(len, self.options))


@dataclass(frozen=True)
class ThinkingPrompt:
    """What the policy thinks about."""

    ids: list[int]
    text: str
    context_span: tuple[int, int]
    """Where the question begins and ends in the text, in characters."""


class ChoicePrompts:
    """Makes both prompts for one policy."""

    def __init__(self, config: BenchmarkConfig, tokenizer: Tokenizer) -> None:
        self.template, self.tokenizer = load_template(config.template), tokenizer
        self.by_letter = config.answer_as == "letter"
        self.lists_options = self.by_letter or self.template.chat
        self.frame = prompt_frame(self.template, tokenizer, config.max_prompt_tokens, config.prompt_date)
        has_chat = self.template.chat and tokenizer.chat_template
        self._chat = answer_frame(tokenizer, config.prompt_date) if has_chat else None
        self._instruction = INSTRUCTION[config.answer_as]

    def shown(self, question: ChoiceQuestion) -> str:
        """The question as both modes see it."""
        if not self.lists_options:
            return question.question
        marks = [f"{letter}." for letter in ascii_uppercase] if self.by_letter else ["-"] * len(question.options)
        options = (f"{mark} {option}" for mark, option in zip(marks, question.options, strict=False))
        return "\n".join([question.question.strip(), *options])

    def answer_texts(self, question: ChoiceQuestion) -> list[str]:
        """What stands for each option in an answer."""
        return list(ascii_uppercase[: len(question.options)]) if self.by_letter else list(question.options)

    def thinking(self, question: ChoiceQuestion) -> ThinkingPrompt:
        """The prompt of the reasoning mode. The question is plain text: it cannot forge the end of a message."""
        shown = self.shown(question)
        encode_shown = encode_within if self.frame.before else encode
        inner = encode_shown(self.tokenizer, shown, parse_special=False)
        ids = [*self.frame.before_ids, *inner, *self.frame.after_ids]
        return ThinkingPrompt(ids, self.frame.around(shown), self.frame.span(shown))

    def standard(self, question: ChoiceQuestion) -> AnswerOptions:
        """The prompt of the standard mode, and the tokens of each option as its continuation."""
        shown, texts = self.shown(question), self.answer_texts(question)
        if self._chat is not None:
            before, after = self._chat
            message = encode_within(self.tokenizer, f"{self._instruction}\n\n{shown}", parse_special=False)
            head = [*encode(self.tokenizer, before), *message, *encode_within(self.tokenizer, after)]
            tails = [encode_within(self.tokenizer, f"{CUE}{text}", parse_special=False) for text in ("", *_led(texts))]
        else:
            prompt = f"{shown}\n{CUE}" if self.lists_options else shown
            led = texts if prompt[-1:].isspace() else _led(texts)
            head = prefix_ids(self.tokenizer)
            tails = [encode(self.tokenizer, f"{prompt}{text}", parse_special=False) for text in ("", *led)]
        shared = _shared(tails)
        return AnswerOptions(
            [*head, *tails[0][:shared]], [ids[shared:] for ids in tails[1:]], [len(t.encode()) for t in texts]
        )

    def longest(self, question: ChoiceQuestion) -> int:
        """Tokens of the longer one of both prompts, options included."""
        return max(len(self.thinking(question).ids), self.standard(question).tokens)


def check_template(config: BenchmarkConfig) -> None:
    """Raise UserError when the built-in template asks for another kind of answer than the one that is judged."""
    fitting = {"letter": "multiple_choice", "text": "multiple_choice_text"}
    if config.template in fitting.values() and config.template != fitting[config.answer_as]:
        raise UserError(
            f"The template {config.template!r} does not ask for what `answer_as: {config.answer_as}` judges. Set "
            f"`template: {fitting[config.answer_as]}`, or another `answer_as`."
        )


def _led(texts: Sequence[str]) -> list[str]:
    return [f" {text}" for text in texts]


def _shared(tails: Sequence[list[int]]) -> int:
    """How many of the prompt's own tokens it keeps whichever option follows."""
    prompt, *continued = tails
    return min(
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, ids, strict=False))) for ids in continued
    )


def answer_frame(tokenizer: Tokenizer, date: str) -> tuple[str, str]:
    """The chat template around a user's message, up to where an answer without a thought begins."""
    before, after = chat_frame(tokenizer, MARK, date, enable_thinking=False)
    bare = after.rstrip()
    return before, bare + _CLOSED if bare.endswith(_OPENED) else after
