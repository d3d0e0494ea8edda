"""Many evaluations at the same positions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rpt_core.analysis.aligned import ALL, Positions, align, token_length, token_type
from rpt_core.analysis.seed_pairs import SeedGroup, seed_groups_compared
from rpt_core.analysis.side_by_side import accuracy, corrected, difference, match, matrix, slices
from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.statistics.intervals import wilson_interval
from rpt_core.statistics.multiple import holm
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes


@pytest.fixture
def made(tmp_path):
    """made({(document, byte): right}, ...) -> positions and evaluations on them."""

    def made(*answers, positions=None, texts=None, **columns):
        positions = Positions() if positions is None else positions
        found = []
        for rights in answers:
            rows = [
                row(document, byte, greedy=right, greedy_tokens=10, text_hash=(texts or {}).get(document), **columns)
                for (document, byte), right in rights.items()
            ]
            path = write_outcomes(tmp_path / f"{len(positions)}-{len(found)}.parquet", rows)
            found.append(align(positions, read_outcomes(path), "greedy"))
        return positions, found

    return made


A = {("d", 1): True, ("d", 2): False, ("e", 1): False, ("e", 2): True}
B = {("e", 2): True, ("e", 1): True, ("d", 2): True, ("d", 1): False}
C = {("d", 1): True, ("f", 9): True}
TEXTS = {"d": bytes(range(16)), "e": bytes(range(16, 32))}


def test_each_position_stands_once_whatever_the_order_of_the_files(made):
    positions, (a, b, c) = made(A, B, C)
    assert list(zip(positions.document, positions.byte_offset, strict=True)) == [*A, ("f", 9)]
    assert a.place.tolist() == b.place.tolist() == [0, 1, 2, 3]
    assert b.right.tolist() == [False, True, True, True]
    assert match(a, c).left_out == 4
    assert match(a, c).places() == [0]


def test_another_text_at_the_same_place_is_another_position_but_another_tokenizer_is_not(made):
    positions, _ = made(A, next_token=b"word")
    made(A, positions=positions, next_token=b"wo")
    assert len(positions) == 4
    _, (other,) = made(A, positions=positions, next_token=b"else")
    assert len(positions) == 8
    assert other.place.tolist() == [4, 5, 6, 7]


def test_another_text_under_the_same_name_is_another_position(made):
    positions, (a,) = made(A, texts=TEXTS)
    _, (other,) = made(A, texts={name: text[::-1] for name, text in TEXTS.items()}, positions=positions)
    pair = match(a, other)
    assert (len(positions), pair.left_out, pair.other_texts(positions)) == (8, 8, 4)
    assert not a.is_by_name


def test_the_same_text_under_another_name_is_the_same_position(made):
    positions, (a,) = made(A, texts=TEXTS)
    renamed = {(f"corpus/{document}", byte): right for (document, byte), right in A.items()}
    texts = {f"corpus/{document}": text for document, text in TEXTS.items()}
    _, (other,) = made(renamed, texts=texts, positions=positions)
    assert (len(positions), match(a, other).left_out, match(a, other).other_texts(positions)) == (4, 0, 0)


def test_evaluations_of_earlier_versions_are_matched_by_name_wherever_they_stand(made):
    for order in (("old", "new"), ("new", "old")):
        positions, found = Positions(), {}
        for name in order:
            _, (found[name],) = made(A, texts=TEXTS if name == "new" else {}, positions=positions)
        assert match(found["new"], found["old"]).left_out == 0
        assert [found[name].is_by_name for name in ("new", "old")] == [False, True]
        assert positions.text_hash == [TEXTS[document] for document in positions.document]
        _, (third,) = made(A, texts=dict.fromkeys(TEXTS, bytes(16)), positions=positions)
        assert match(found["old"], third).left_out == 8  # their texts differ


def test_a_text_that_stands_twice_in_a_corpus_makes_two_positions_each_matched_once(made):
    twice = {("d", 1): True, ("e", 1): False}
    positions, (a, b) = made(twice, dict(reversed(twice.items())), texts=dict.fromkeys("de", bytes(16)))
    assert a.place.tolist() == b.place.tolist() == [0, 1]
    assert a.right.tolist() == b.right.tolist() == [True, False]
    assert len(positions) == 2


def test_a_difference_is_that_of_the_common_positions(made):
    positions, (a, b) = made(A, B)
    found = difference(match(a, b).levels()["hard"], positions, seed=0, resamples=200)
    assert (found.n, found.documents, found.a, found.b, found.value) == (4, 2, 0.5, 0.75, 0.25)
    assert (found.both, found.gained, found.forgotten, found.neither) == (1, 2, 1, 0)
    assert (found.p, found.test) == (1.0, "McNemar")
    assert found.low < 0.25 < found.high


def test_an_accuracy_has_wilsons_interval_and_one_by_document(made):
    alike = {(f"d{document}", byte): document < 10 for document in range(20) for byte in range(5)}
    positions, (one,) = made(alike)
    found = accuracy(one, "hard", positions)
    assert (found.value, found.n, found.documents, found.tokens) == (0.5, 100, 20, 10)
    assert (found.low, found.high) == wilson_interval(50, 100)
    # m/(m-1) of the clusters' variance by that of independent values: all positions of a document are alike
    assert found.effect == pytest.approx(20 / 19 * (20 * 2.5**2) / 100**2 / (25 / 99 / 100))
    expected = wilson_interval(50 / found.effect, 100 / found.effect)
    assert (found.document_low, found.document_high) == pytest.approx(expected)


def test_questions_have_no_difficulty_and_stand_together(made):
    positions, (one,) = made(A, easy=False, medium=False, hard=False)
    assert one.levels() == [ALL]
    assert accuracy(one, ALL, positions).n == 4


def test_parts_of_the_positions_add_up(made):
    positions, (a, b) = made(A, B, next_token=b"42", domain="sums")
    found = slices(match(a, b).levels()["hard"], positions, seed=0, resamples=100)
    assert [(part.name, part.n, part.value) for part in found["type"]] == [("number", 4, 0.25)]
    assert [(part.name, part.gained, part.forgotten) for part in found["domain"]] == [("sums", 2, 1)]
    assert [part.name for part in found["length"]] == ["2 to 3 bytes"]


def test_every_two_are_corrected_together(made):
    _, found = made(A, B, dict.fromkeys(A, True), {("z", 1): True})
    cells = matrix(found, "hard", seed=0, resamples=100)
    assert set(cells) == {(0, 1), (0, 2), (1, 2)}  # nothing is common with the last
    assert cells[0, 2].value == 0.5
    assert [cell.holm for cell in cells.values()] == holm([cell.p for cell in cells.values()])


def test_holms_correction_leaves_out_what_was_not_compared(made):
    positions, (a, b) = made(A, B)
    one = difference(match(a, b), positions, 0, 50)
    assert [found and found.holm for found in corrected([one, None, one])] == [1.0, None, 1.0]


def test_a_mode_that_was_not_evaluated_is_named(tmp_path):
    path = write_outcomes(tmp_path / "a.parquet", [row("d", 1, greedy=True, greedy_tokens=1)])
    with pytest.raises(UserError, match="no outcomes of the mode 'standard'"):
        align(Positions(), read_outcomes(path), "standard")


def test_seeds_are_paired_and_their_spread_is_that_of_training(made):
    def rights(share):
        return {(f"d{document}", 0): document < 100 * share for document in range(100)}

    positions, found = made(*map(rights, (0.2, 0.3, 0.4, 0.5, 0.5, 0.7)))
    groups = [SeedGroup("base", (0, 1, 2), (0, 1, 2)), SeedGroup("rpt", (3, 4, 5), (0, 1, 2))]
    base, other = seed_groups_compared(groups, found, "hard", positions, seed=0, resamples=500)
    assert (base.value, base.seeds, base.difference) == (pytest.approx(0.3), 3, None)
    assert other.difference.each == pytest.approx((0.3, 0.2, 0.3))
    half = 4.302653 * np.std([0.3, 0.2, 0.3], ddof=1) / np.sqrt(3)
    assert other.difference.low == pytest.approx(0.8 / 3 - half, abs=1e-6)
    assert other.difference.bootstrap_low < 0.8 / 3 < other.difference.bootstrap_high


def test_seeds_that_the_baseline_has_not_are_not_compared(made):
    _, found = made(A, B, A, B)
    groups = [SeedGroup("base", (0, 1), (0, 1)), SeedGroup("rpt", (2, 3), (1, 5))]
    assert seed_groups_compared(groups, found, "hard", Positions(), 0, 10)[1].difference is None


@pytest.mark.parametrize(
    ("token", "kind", "length"),
    [
        (b" word", "word", "4 to 7 bytes"),
        ("ß".encode(), "word", "2 to 3 bytes"),
        (b"42", "number", "2 to 3 bytes"),
        (b".", "punctuation", "1 byte"),
        (b"\n\n", "white space", "2 to 3 bytes"),
        (b"x=42 or more", "mixed", "8 bytes and more"),
    ],
)  # fmt: skip
def test_tokens_are_told_apart_by_type_and_length(token, kind, length):
    assert (token_type(token), token_length(token)) == (kind, length)
