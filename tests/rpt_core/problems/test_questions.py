"""Questions: formats, mapping, the two sides, prompts, and the questions about the built-in corpus."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rpt_core.config import SKYWORK_OR1, CorpusConfig, QuestionMapping, QuestionsConfig
from rpt_core.errors import UserError
from rpt_core.plans.preset import load_preset, preset_names
from rpt_core.problems.questions import Question, emit_questions, load_questions, pose
from rpt_core.run.events import EventLog, read_events
from rpt_core.seeds import derive_seed
from rpt_core.text.corpus import load_corpus, side_of, split_of
from rpt_core.text.tokens import encode, prefix_ids
from rpt_core.tiny.corpus import part_of
from rpt_core.train.tiny_traces import read_question
from tests.rpt_core import stages
from tests.rpt_core.conftest import metaspace_tokenizer


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def plain(count, first=0):
    return [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(first, first + count)]


def skywork(text, truth, source="train-math-deepscaler"):
    """A record with the public fields of Skywork-OR1-RL-Data."""
    return {
        "data_source": source,
        "prompt": [{"content": text, "role": "user"}],
        "ability": "math",
        "reward_model": {"ground_truth": truth, "style": "rule"},
        "extra_info": {"index": 3, "model_difficulty": {"DeepSeek-R1-Distill-Qwen-7B": 5}},
    }


def config(path, **changes):
    return QuestionsConfig(**{"paths": [str(path)], "train_questions": 3, "test_questions": 2, **changes})


def every(path, **changes):
    """All usable questions of a file, by drawing as many as there are."""
    found = {}
    for seed in range(40):
        drawn = load_questions(config(path, seed=seed, train_questions=1, test_questions=1, **changes))
        found |= {question.text: question for question in [*drawn.train, *drawn.test]}
    return found


def is_test_question(text):
    """Whether a question is on the test side when three are trained on for every two tested on."""
    return derive_seed("side of a question", side_of(text)) / 2**63 < 0.4


def test_questions_are_read_from_jsonl(tmp_path):
    path = write(tmp_path / "q.jsonl", [{"question": "What is 2+2?", "answer": 4}, *plain(20)])
    found = every(path)["What is 2+2?"]
    assert found.answers == ("4",)
    assert len(found.id) == 32


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_the_fields_of_skywork_or1_are_a_built_in_mapping(tmp_path, ending):
    records = [skywork(f"Find {n}.", json.dumps([f"\\frac{{{n}}}{{2}}", f"{n}/2"])) for n in range(20)]
    path = tmp_path / f"math.{ending}"
    if ending == "jsonl":
        write(path, records)
    else:
        pq.write_table(pa.Table.from_pylist(records), path)
    found = every(path, mapping="skywork_or1")["Find 7."]
    assert found.answers == ("\\frac{7}{2}", "7/2")
    assert found.domain == "train-math-deepscaler"


def test_names_of_fields_can_be_ones_own(tmp_path):
    records = [{"id": n, "task": {"text": f"Q{n}"}, "solutions": ["a", "b"], "area": "algebra"} for n in range(20)]
    mapping = QuestionMapping(question="task.text", answer="solutions", id="id", domain="area")
    found = every(write(tmp_path / "q.jsonl", records), mapping=mapping)["Q4"]
    assert (found.id, found.answers, found.domain) == ("4", ("a", "b"), "algebra")


@pytest.mark.parametrize(
    ("truth", "answers"),
    [
        ('["5"]', ("5",)),
        ('["5", " 5 ", "five"]', ("5", "five")),
        ("[0, 1]", ("[0, 1]",)),
        ("(0, 1]", ("(0, 1]",)),
        ("{}", ("{}",)),
        ("  12 ", ("12",)),
        (0.5, ("0.5",)),
        (0, ("0",)),
    ],
)
def test_an_answer_is_a_text_or_a_list_of_texts_in_one(tmp_path, truth, answers):
    path = write(tmp_path / "q.jsonl", [{"question": "This one.", "answer": truth}, *plain(20)])
    assert every(path)["This one."].answers == answers


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"answer": "1"}, "no field `question`"),
        ({"question": "  ", "answer": "1"}, "field `question` is empty"),
        ({"question": ["hello"], "answer": "1"}, "no chat message"),
        ({"question": [], "answer": "1"}, "no chat message"),
        ({"question": {"a": 1}, "answer": "1"}, "field `question` is not text"),
        ({"question": "Q"}, "no field `answer`"),
        ({"question": "Q", "answer": None}, "no field `answer`"),
        ({"question": "Q", "answer": ""}, "field `answer` is empty"),
        ({"question": "Q", "answer": "[]"}, "field `answer` is not an answer"),
        ({"question": "Q", "answer": []}, "field `answer` is not an answer"),
        ({"question": "Q", "answer": True}, "field `answer` is not an answer"),
        ({"question": "Q", "answer": [["1"]]}, "field `answer` is not an answer"),
        ({"question": "Q", "answer": '{"inputs": ["1"], "outputs": ["2"]}'}, "programming task"),
        ({"question": "Q\ud800", "answer": "1"}, "surrogate"),
        (["Q", "1"], "not a JSON object"),
    ],
)
def test_a_record_without_question_or_answer_is_counted_and_named(tmp_path, record, why):
    path = write(tmp_path / "q.jsonl", [*plain(20), record])
    found = load_questions(config(path, max_bad_share=0.05))
    assert found.bad == 1
    (bad,) = found.bad_records
    assert (bad.file, bad.line) == (str(path), 21)
    assert why in bad.problem


def test_too_many_bad_records_stop_the_run(tmp_path):
    path = write(tmp_path / "q.jsonl", [*plain(20), {"question": "Q"}])
    with pytest.raises(UserError, match=r"1 of 21 records.*q\.jsonl:21: no field `answer`"):
        load_questions(config(path))


def test_too_few_questions_are_refused_with_the_counts(tmp_path):
    path = write(tmp_path / "q.jsonl", plain(4))
    with pytest.raises(UserError, match=r"3 questions to train on and 2 to test on.*there are \d and \d"):
        load_questions(config(path))


def test_a_file_of_text_is_no_file_of_questions(tmp_path):
    (tmp_path / "q.txt").write_text("What is 2+2?")
    with pytest.raises(UserError, match=r"none of \.jsonl, .*\.parquet"):
        load_questions(config(tmp_path / "q.txt"))


def test_the_draw_follows_from_the_seed_and_the_sides_do_not(tmp_path):
    path = write(tmp_path / "q.jsonl", plain(100))
    draws = {seed: load_questions(config(path, train_questions=30, test_questions=20, seed=seed)) for seed in range(3)}
    again = load_questions(config(path, train_questions=30, test_questions=20, seed=1))
    assert (again.train, again.test) == (draws[1].train, draws[1].test)
    assert draws[0].test != draws[1].test
    trained, tested = (
        {question.id for drawn in draws.values() for question in getattr(drawn, side)} for side in ("train", "test")
    )
    assert [len(draws[0].train), len(draws[0].test)] == [30, 20]
    assert not trained & tested


def test_the_order_of_the_file_does_not_matter(tmp_path):
    forth = load_questions(config(write(tmp_path / "a.jsonl", plain(50))))
    back = load_questions(config(write(tmp_path / "b.jsonl", plain(50)[::-1])))
    assert (forth.train, forth.test) == (back.train, back.test)


def test_the_side_of_a_question_follows_from_its_words_and_not_from_its_id(tmp_path):
    one = [{"id": f"a{n}", **record} for n, record in enumerate(plain(60))]
    other = [{"id": f"b{n}", **record, "question": record["question"].upper()} for n, record in enumerate(plain(60))]
    counts = {"train_questions": 30, "test_questions": 20}
    sides = [
        {
            question.text.lower()
            for question in load_questions(config(path, mapping=QuestionMapping(id="id"), **counts)).test
        }
        for path in (write(tmp_path / "a.jsonl", one), write(tmp_path / "b.jsonl", other))
    ]
    assert all(is_test_question(text) for side in sides for text in side)


def test_a_training_question_that_nearly_equals_a_test_question_is_passed_over(tmp_path):
    def words(n):
        return " ".join(random.Random(n).choices([f"word{m}" for m in range(300)], k=60))

    texts = [f"{words(n)}{ending}" for n in range(60) for ending in ("?", " exactly?")]
    path = write(tmp_path / "q.jsonl", [{"question": text, "answer": "1"} for text in texts])
    options = {"train_questions": 30, "test_questions": 30}
    whole = load_questions(config(path, near_duplicate_share=None, **options))
    found = load_questions(config(path, **options))
    assert found.test == whole.test
    asked = {question.text[:200] for question in found.test}
    assert any(question.text[:200] in asked for question in whole.train)
    assert not any(question.text[:200] in asked for question in found.train)
    assert (len(found.train), len({question.id for question in found.train})) == (30, 30)
    with EventLog(tmp_path / "events.jsonl") as log:
        emit_questions(found, log)
    _, note = read_events(tmp_path / "events.jsonl")
    assert note.data["message"].startswith(f"{found.near_duplicates} training questions skipped as nearly equal")
    with pytest.raises(UserError, match="not near-duplicates of the test questions"):
        load_questions(config(path, train_questions=50, test_questions=50))


def test_the_sides_of_an_earlier_run_are_kept_on_request(tmp_path):
    path = write(tmp_path / "q.jsonl", [{"id": str(n), **record} for n, record in enumerate(plain(60))])
    options = {"mapping": QuestionMapping(id="id"), "train_questions": 30, "test_questions": 20}
    drawn = load_questions(config(path, split_by="id", **options))
    assert all(derive_seed("side of a question", question.id) / 2**63 < 0.4 for question in drawn.test)
    assert all(derive_seed("side of a question", question.id) / 2**63 >= 0.4 for question in drawn.train)


def test_of_a_chat_the_user_asks_and_the_assistant_answers(tmp_path):
    def chat(n):
        return [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": f"What is {n}+1?"},
            {"role": "assistant", "content": f"It is \\boxed{{{n + 1}}}."},
        ]

    def sharegpt(n):
        return [{"from": "human", "value": f"What is {n}+2?"}, {"from": "gpt", "value": f"{n + 2}"}]

    def parts(n):
        return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": f"What is {n}+3?"}]},
                {"role": "assistant", "content": f"{n + 3}"}]  # fmt: skip

    records = [{"messages": made(n)} for made in (chat, sharegpt, parts) for n in range(20)]
    mapping = QuestionMapping(question="messages", answer="messages")
    found = every(write(tmp_path / "q.jsonl", records), mapping=mapping)
    assert found["What is 4+1?"].answers == ("5",)
    assert found["What is 4+2?"].answers == ("6",)
    assert found["What is 4+3?"].answers == ("7",)


def test_a_chat_in_which_nobody_asks_is_a_bad_record(tmp_path):
    record = {"question": [{"role": "assistant", "content": "It is 3."}], "answer": "3"}
    found = load_questions(config(write(tmp_path / "q.jsonl", [*plain(20), record]), max_bad_share=0.05))
    assert found.bad_records[0].problem == "field `question` holds no message of the user"


def test_a_question_whose_words_were_read_before_is_left_out(tmp_path):
    records = [{"id": str(n), **record} for n, record in enumerate(plain(40))]
    path = write(tmp_path / "q.jsonl", [*records, {**records[3], "id": "x", "question": "what  is 3 + 3?"}])
    assert load_questions(config(path, mapping=QuestionMapping(id="id"))).duplicates == 1


def test_ids_that_start_again_in_each_file_lose_no_question(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for shard in range(2):
        records = [{"id": n, "question": f"Shard {shard}: {n} + 1?", "answer": n + 1} for n in range(5)]
        write(folder / f"train-{shard}.jsonl", records)
    found = load_questions(config(folder, mapping=QuestionMapping(id="id"), train_questions=1, test_questions=1))
    assert found.duplicates == 0
    (note,) = found.notes
    assert "5 records had an id that another text already had" in note
    by_id = {question.id: question.text for question in every(folder, mapping=QuestionMapping(id="id")).values()}
    assert by_id["4"] == "Shard 0: 4 + 1?"
    assert by_id["train-1.jsonl:3"] == "Shard 1: 3 + 1?"


def test_what_was_read_is_announced(tmp_path):
    path = write(tmp_path / "q.jsonl", [*plain(30), *plain(1), {"question": "Q"}])
    with EventLog(tmp_path / "events.jsonl") as log:
        emit_questions(load_questions(config(path, max_bad_share=0.1)), log)
    corpus, duplicates = read_events(tmp_path / "events.jsonl")
    assert corpus.data["name"] == "q.jsonl"
    assert corpus.data["documents"] == {"train": 3, "validation": 2}
    assert corpus.data["bad_records"] == [{"file": str(path), "line": 32, "problem": "no field `answer`"}]
    assert duplicates.data["message"] == "1 question left out: the same words were read before."


def test_the_mapping_of_skywork_or1_names_its_public_fields():
    assert SKYWORK_OR1.question == "prompt"
    assert SKYWORK_OR1.answer == "reward_model.ground_truth"


def test_a_question_is_posed_in_its_template(byte_level):
    (posed,), too_long = pose([Question("q", "2 + 2 =", ("4", "four"))], "question_plain", byte_level, 100)
    assert posed.prompt == "2 + 2 =<think>"
    assert posed.prompt_ids == [*encode(byte_level, "2 + 2 ="), *encode(byte_level, "<think>")]
    assert (posed.document, posed.position, posed.entropy_nats) == ("q", 0, None)
    assert (posed.completion, posed.boundaries) == (b"4", [1])
    assert too_long == 0


def test_a_question_for_a_chat_model_is_a_message_with_instructions(byte_level):
    (posed,), _ = pose([Question("q", "2 + 2 =", ("4",))], "question", byte_level, 1000)
    assert posed.prompt.endswith("2 + 2 =")
    assert "step by step" in posed.prompt
    assert "\\boxed{}" in posed.prompt


def test_a_question_that_is_too_long_is_left_out_and_counted(byte_level):
    short, long = Question("s", "2 + 2 =", ("4",)), Question("l", "2 + 2 = " * 20, ("4",))
    size = len(encode(byte_level, "2 + 2 =<think>"))
    posed, too_long = pose([short, long], "question_plain", byte_level, size)
    assert [one.document for one in posed] == ["s"]
    assert too_long == 1
    assert pose([short], "question_plain", byte_level, size - 1) == ([], 1)


def test_a_question_cannot_forge_the_end_of_a_message(byte_level):
    (posed,), _ = pose([Question("q", "2 <|end|> 2", ("4",))], "question_plain", byte_level, 100)
    assert byte_level.eos_token_id not in posed.prompt_ids


def test_a_prompt_begins_as_the_tokenizer_begins_a_text():
    tokenizer = metaspace_tokenizer("legacy")
    (posed,), _ = pose([Question("q", "We add 12", ("12",))], "question_plain", tokenizer, 100)
    assert posed.prompt_ids[: len(prefix_ids(tokenizer))] == prefix_ids(tokenizer)


@pytest.fixture(scope="module")
def tiny():
    return load_questions(QuestionsConfig(source="tiny", train_questions=256, test_questions=200, seed=3))


def test_questions_about_the_built_in_corpus_end_where_a_terse_result_must_follow(tiny):
    assert (len(tiny.train), len(tiny.test)) == (256, 200)
    for question in [*tiny.train, *tiny.test]:
        kind, digits = read_question(question.text)
        state = 0
        for digit in digits:
            state = kind.step(state, digit)
        assert question.answers == (str(state),)
        assert question.domain == kind.domain


def test_no_question_of_the_built_in_corpus_is_pretrained_on(tiny):
    assert {part_of(question.id) for question in [*tiny.train, *tiny.test]} == {"problems"}


@pytest.mark.parametrize("name", [name for name in preset_names() if name.startswith(("tiny", "smoke"))])
def test_presets_hold_the_test_questions_out_and_train_where_the_training_questions_are(tiny, name):
    planned = [run.config.get("corpus", {}) for run in load_preset(name).runs if run.stage in ("filter", "ntp")]
    shares = {corpus["validation_share"] for corpus in planned if corpus.get("tiny_part") == "problems"}
    assert shares
    for share in shares:
        assert {split_of(question.id, share) for question in tiny.test} == {"validation"}
        assert {split_of(question.id, share) for question in tiny.train} == {"train"}


def test_no_test_question_is_a_document_that_rpt_trains_on(tiny):
    corpus = {"source": "tiny", "tiny_part": "problems", "tiny_documents": 3600, "validation_share": 0.38}
    trained = {document.id for document in load_corpus(CorpusConfig(**corpus, tiny_seed=3)).train}
    assert trained
    assert not trained & {question.id for question in tiny.test}
    assert not {question.id for question in tiny.train} & {question.id for question in tiny.test}


def test_a_question_about_the_built_in_corpus_is_read_as_in_a_document(tiny):
    _, tokenizer = stages.taught()
    question = tiny.test[0]
    (posed,), _ = pose([question], "question_plain", tokenizer, 500)
    document = encode(tokenizer, f"{question.text}{question.answers[0]}. So", parse_special=False)
    context = posed.prompt_ids[: -len(encode(tokenizer, "<think>"))]
    assert document[: len(context)] == context
