"""From scored documents to prompts and completions."""

import copy

import numpy as np
import pytest
from tokenizers import AddedToken

from rpt_core.config import PromptConfig
from rpt_core.errors import UserError
from rpt_core.positions.scored import ScoredDocument, positions_writer, to_table
from rpt_core.problems.problem import ProblemSet
from rpt_core.rewards.first_token import first_token
from rpt_core.text.corpus import Document
from rpt_core.text.tokens import encode, token_bytes, tokenise, tokenizer_hash

TEXT = "The cat sat on the mat 😀 and the dog."
PLAIN = PromptConfig(template="plain")


def write_positions(folder, tokenizer, texts, kept=(), first=1):
    """A filter run's folder; the entropy of token i is i / 10."""
    scored = []
    for number, text in enumerate(texts):
        tokenised = tokenise(tokenizer, text)
        entropies = np.arange(len(tokenised.token_ids), dtype=np.float32) / 10
        entropies[:1] = np.nan
        document = Document(f"d{number}", tokenised.text, domain="prose")
        scored.append(
            ScoredDocument(document, tokenised.token_ids, tokenised.byte_offsets, entropies, first, list(kept))
        )
    with positions_writer(folder / "train.parquet", tokenizer_hash(tokenizer)) as writer:
        writer.write_table(to_table(scored))
    return folder


def load(folder, tokenizer, prompt=PLAIN):
    return ProblemSet.load(folder, "train", tokenizer, prompt)


def test_every_scored_token_but_the_first_is_a_position(tmp_path, byte_level):
    problems = load(write_positions(tmp_path, byte_level, [TEXT, "The cat"], kept=[1]), byte_level)
    lengths = [len(encode(byte_level, text)) for text in (TEXT, "The cat")]
    assert len(problems) == sum(lengths) - 2
    assert problems.token_index.tolist() == [*range(1, lengths[0]), *range(1, lengths[1])]
    assert problems.document_index.tolist() == [0] * (lengths[0] - 1) + [1] * (lengths[1] - 1)
    assert problems.entropies[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert problems.kept().tolist() == [0, lengths[0] - 1]
    assert problems.document_id(len(problems) - 1) == "d1"


def test_a_problem_is_the_text_before_and_the_bytes_after(tmp_path, byte_level):
    problems = load(write_positions(tmp_path, byte_level, [TEXT]), byte_level)
    ids, pieces = encode(byte_level, TEXT), token_bytes(byte_level, encode(byte_level, TEXT))
    for index in range(len(problems)):
        problem = problems.problem(index)
        position = index + 1
        assert problem.id == f"d0:{position}"
        assert problem.prompt[slice(*problem.context_span)] == b"".join(pieces[:position]).decode(errors="replace")
        assert problem.context_ids == ids[:position]
        assert problem.prompt_ids == [*ids[:position], *encode(byte_level, "<think>")]
        assert problem.completion == b"".join(pieces[position:])[: problem.boundaries[-1]]
        assert problem.boundaries == np.cumsum([len(piece) for piece in pieces[position:]]).tolist()
        assert problem.next_token_id == ids[position]
        assert problem.domain == "prose"
        assert problem.entropy_nats == pytest.approx(position / 10)


def test_the_completion_is_cut_after_so_many_tokens(tmp_path, byte_level):
    prompt = PromptConfig(template="plain", completion_tokens=2)
    problem = load(write_positions(tmp_path, byte_level, ["The cat sat on the mat"]), byte_level, prompt).problem(0)
    pieces = token_bytes(byte_level, encode(byte_level, "The cat sat on the mat"))
    assert problem.completion == pieces[1] + pieces[2]
    assert problem.boundaries == [len(pieces[1]), len(pieces[1] + pieces[2])]


def test_a_long_context_is_cut_from_the_left_on_a_token_boundary(tmp_path, byte_level):
    think = encode(byte_level, "<think>")
    prompt = PromptConfig(template="plain", max_prompt_tokens=len(think) + 3)
    problems = load(write_positions(tmp_path, byte_level, [TEXT]), byte_level, prompt)
    ids = encode(byte_level, TEXT)
    problem = problems.problem(9)
    assert problem.context_ids == ids[7:10]
    assert len(problem.prompt_ids) == prompt.max_prompt_tokens
    context = b"".join(token_bytes(byte_level, ids[7:10]))
    assert problem.prompt == context.decode(errors="replace") + "<think>"
    assert problem.completion.startswith(token_bytes(byte_level, ids[10:11])[0])


def test_a_context_may_end_within_a_character(tmp_path, byte_level):
    text = "a 👨 b"
    problems = load(write_positions(tmp_path, byte_level, [text]), byte_level)
    pieces = token_bytes(byte_level, encode(byte_level, text))
    inside = next(n for n, piece in enumerate(pieces) if piece[0] & 0xC0 == 0x80)  # continues with a character
    problem = problems.problem(inside - 1)
    assert problem.prompt == "a �<think>"
    assert problem.completion == b"".join(pieces[inside:])


def test_a_template_that_leaves_no_room_is_refused(tmp_path, byte_level):
    folder = write_positions(tmp_path, byte_level, [TEXT])
    with pytest.raises(UserError, match=r"'v0' alone takes \d+ of 20 tokens"):
        load(folder, byte_level, PromptConfig(template="v0", max_prompt_tokens=20))


def test_a_chat_template_goes_around_the_prompt_but_leaves_the_context_alone(tmp_path, byte_level):
    tokenizer = copy.deepcopy(byte_level)
    tokenizer.chat_template = (
        "{% for m in messages %}<|end|>{{ m['role'] }}: {{ m['content'] | trim }}\n{% endfor %}"
        "{% if add_generation_prompt %}<|end|>assistant:<think>{% endif %}"
    )
    problems = load(write_positions(tmp_path, tokenizer, ["The cat \n"]), tokenizer, PromptConfig(template="v0"))
    problem = problems.problem(len(problems) - 1)
    # The context ends in a space, which `trim` would have eaten.
    assert problem.prompt.startswith("<|end|>user: Continue the text")
    assert problem.prompt.endswith("### Context\nThe cat \n<|end|>assistant:<think>")
    assert problem.prompt_ids.count(tokenizer.eos_token_id) == 2
    assert b"".join(token_bytes(tokenizer, problem.prompt_ids)).decode() == problem.prompt


def test_a_chat_template_that_drops_the_message_is_refused(tmp_path, byte_level):
    tokenizer = copy.deepcopy(byte_level)
    tokenizer.chat_template = "hello"
    with pytest.raises(UserError, match="does not pass a user's message on"):
        load(write_positions(tmp_path, tokenizer, [TEXT]), tokenizer, PromptConfig(template="v0"))


def test_special_tokens_in_a_document_stay_plain_text_in_the_prompt(tmp_path, byte_level):
    problems = load(write_positions(tmp_path, byte_level, ["a<|end|>b c"]), byte_level)
    problem = problems.problem(len(problems) - 1)
    assert byte_level.eos_token_id not in problem.prompt_ids


def test_stored_tokens_that_hold_a_control_token_are_made_anew(tmp_path, byte_level):
    text = "a</think>b c"
    old = encode(byte_level, text)
    assert byte_level.convert_tokens_to_ids("</think>") in old
    offsets = [0, *np.cumsum([len(piece) for piece in token_bytes(byte_level, old)]).tolist()]
    entropies = np.arange(len(old), dtype=np.float32)
    with positions_writer(tmp_path / "train.parquet", tokenizer_hash(byte_level)) as writer:
        writer.write_table(to_table([ScoredDocument(Document("d", text), old, offsets, entropies, 1, [2])]))
    problems = load(tmp_path, byte_level)
    assert problems.lost_positions == 0
    found = [problems.problem(index) for index in range(len(problems))]
    assert [problem.byte_offset for problem in found] == offsets[1:-1]
    assert [found[index].byte_offset for index in problems.kept()] == [offsets[2]]
    new = tokenise(byte_level, text)
    assert all(problem.context_ids == new.token_ids[: problem.position] for problem in found)


def test_the_completion_of_a_control_token_s_text_ends_at_the_pieces_of_that_text(tmp_path, byte_level):
    problems = load(write_positions(tmp_path, byte_level, ["So </think> it"]), byte_level)
    at = next(i for i in range(len(problems)) if problems.problem(i).completion.startswith(b" </think>"))
    problem = problems.problem(at)
    sampled = token_bytes(byte_level, encode(byte_level, " </think>"), at_start=False)
    assert len(" </think>") in problem.boundaries  # whatever tokens wrote it, the bytes are right
    assert len(problem.boundaries) > len(sampled)
    assert first_token(byte_level, b" </", problem) == problem.next_token_id


def test_llama_2_prompts_begin_with_its_start_token_and_no_second_space(tmp_path, llama_2):
    problems = load(write_positions(tmp_path, llama_2, ["The cat sat"]), llama_2)
    problem = problems.problem(len(problems) - 1)
    assert problem.prompt_ids[0] == llama_2.bos_token_id
    assert b"".join(token_bytes(llama_2, problem.prompt_ids)) == b"<s>" + problem.prompt.encode()


def test_a_token_without_bytes_is_no_position(tmp_path, llama_2):
    # Llama 2 puts a space of its own before "a" and, after the added word, before "b".
    tokenizer = copy.deepcopy(llama_2)
    tokenizer.add_tokens([AddedToken("TAG", normalized=False)])
    problems = load(write_positions(tmp_path, tokenizer, ["aTAGb"]), tokenizer)
    assert tokenizer.convert_ids_to_tokens(tokenise(tokenizer, "aTAGb").token_ids) == ["▁", "a", "TAG", "▁", "b"]
    assert problems.token_index.tolist() == [1, 2, 4]
    assert [problems.problem(index).completion for index in range(3)] == [b"aTAGb", b"TAGb", b"b"]


def test_another_policy_tokenizer_keeps_the_positions_that_begin_its_tokens(tmp_path, byte_level, llama_2):
    text = "The cat sat on the mat."
    filtered = tokenise(byte_level, text)
    kept = [3, 5]
    problems = load(write_positions(tmp_path, byte_level, [text], kept=kept), llama_2)
    policy = tokenise(llama_2, text)
    common = sorted(set(filtered.byte_offsets[1:-1]) & set(policy.byte_offsets[1:-1]))
    assert common
    assert problems.lost_positions == len(filtered.token_ids) - 1 - len(common)
    assert [policy.byte_offsets[i] for i in problems.token_index] == common
    for index in range(len(problems)):
        problem = problems.problem(index)
        at = policy.byte_offsets[problem.position]
        assert problem.completion == text.encode()[at:]
        assert problem.boundaries == [end - at for end in policy.byte_offsets[problem.position + 1 :]]
        assert problem.entropy_nats == pytest.approx(filtered.byte_offsets.index(at) / 10)
    kept_bytes = {filtered.byte_offsets[i] for i in kept} & set(common)
    assert {policy.byte_offsets[problems.token_index[i]] for i in problems.kept()} == kept_bytes


def test_documents_that_the_policy_would_spell_differently_are_left_out(tmp_path, byte_level, byte_level_nfc):
    folder = write_positions(tmp_path, byte_level, ["cafe\u0301 noir"])
    problems = load(folder, byte_level_nfc)
    assert len(problems) == 0
    assert problems.lost_positions > 0


def test_missing_positions_are_explained(tmp_path, byte_level):
    with pytest.raises(UserError, match="finished filter run"):
        load(tmp_path, byte_level)
