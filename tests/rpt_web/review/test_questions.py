"""Questions of label sets: what is read, and what is refused in words."""

from __future__ import annotations

import pytest

from rpt_core.errors import UserError
from rpt_web.review import label_sets
from rpt_web.review.label_sets import BUILT_IN_TEXT
from rpt_web.review.questions import as_stored, checked_answers, from_stored, read_questions
from rpt_web.teams.membership import first_team

TEXT = """
questions:
- {name: why, kind: several, labels: [loops, {value: hack, colour: red, key: h}]}
- {name: sure, title: How sure, kind: scale, lowest: 0, highest: 3, required: false}
- {name: more, kind: text}
"""


def test_the_built_in_set_has_the_labels_of_its_method_with_keys():
    [thought, _] = read_questions(BUILT_IN_TEXT)
    assert [label.value for label in thought.labels] == [
        *("sound", "lucky_guess", "copied", "broken_arithmetic", "loops", "gives_up", "wrong_format", "hack"),
        "wrong_guess",
    ]
    assert "".join(label.key for label in thought.labels) == "123456789"


@pytest.mark.django_db
def test_the_built_in_set_gets_a_new_version_where_the_team_has_an_earlier_one_and_its_own_stays(ada):
    team = first_team()
    (earlier,) = label_sets.EARLIER_TEXTS
    assert "wrong_guess" not in earlier
    first = label_sets.create(team, label_sets.BUILT_IN, earlier, ada)
    newer = label_sets.built_in(team, ada)
    assert (newer.label_set_id, newer.number, newer.text) == (first.label_set_id, 2, BUILT_IN_TEXT)
    assert label_sets.built_in(team, ada) == newer
    old, new = ([label.value for label in from_stored(version.questions)[0].labels] for version in (first, newer))
    assert new == [*old, "wrong_guess"]
    own = label_sets.save(newer.label_set, TEXT, ada)
    assert label_sets.built_in(team, ada) == own


def test_questions_come_back_from_the_database_as_they_were_read():
    questions = read_questions(TEXT)
    assert from_stored(as_stored(questions)) == questions
    assert [label.key for label in questions[0].labels] == ["1", "h"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("questions: [", "This is no YAML"),
        ("- a", "Give `questions:`"),
        ("questions: []", "a list of 1 to 10"),
        ("questions: [a]", "Question 1: give an object"),
        ("questions: [{name: A, kind: one}]", "Question 1: give a `name` of small letters"),
        ("questions: [{name: a, kind: two}]", "`kind` is one of `one`, `several`, `scale` or `text`"),
        ("questions: [{name: a, kind: one, labels: [x]}]", "give 2 to 30 `labels`"),
        ("questions: [{name: a, kind: one, labels: [x, x]}]", "Two labels of question 1 have the value `x`"),
        ("questions: [{name: a, kind: one, labels: [x, {value: y, key: u}]}]", "not u, c or f"),
        ("questions: [{name: a, kind: one, labels: [x, {value: y, colour: pink}]}]", "`colour` is one of"),
        ("questions: [{name: a, kind: text, labels: [x, y]}]", "only the kinds `one` and `several`"),
        ("questions: [{name: a, kind: scale, lowest: 3, highest: 3}]", "whole numbers"),
        ("questions: [{name: a, kind: text, colour: red}]", "there is no `colour`"),
        ("questions: [{name: a, kind: text}, {name: a, kind: text}]", "Two questions have the name `a`"),
        ('questions: [{name: a, kind: text, title: "\\u202e"}]', "which nobody sees"),
    ],
)
def test_a_set_that_is_none_is_refused_in_words(text, words):
    with pytest.raises(UserError) as raised:
        read_questions(text)
    assert words in str(raised.value)


def test_answers_are_stored_as_they_fit():
    questions = read_questions(TEXT)
    given = {"why": ["hack", "loops"], "sure": "0", "more": "  a \x00 "}
    assert checked_answers(questions, given, whole=True) == {"why": ["loops", "hack"], "sure": 0, "more": "a \ufffd"}
    assert checked_answers(questions, {"why": [], "sure": "", "more": " "}, whole=False) == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"why": ["nothing"]}, "Choose some of `loops` or `hack`"),
        ({"why": "hack"}, "does not have this answer"),
        ({"sure": True}, "whole number from 0 to 3"),
        ({"sure": 4}, "whole number from 0 to 3"),
        ({"more": 3}, "Write a text"),
        ({"who": 3}, "There is no question `who`. The questions are: `why`, `sure` and `more`."),
        ([], "Answers are an object"),
        ({}, "“why” needs an answer"),
    ],
)
def test_answers_that_do_not_fit_are_refused_in_words(given, words):
    with pytest.raises(UserError) as raised:
        checked_answers(read_questions(TEXT), given, whole=True)
    assert words in str(raised.value)
