"""Comments in Chromium: a passage chosen by keys, commented on, marked, and found from its mark."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.end_to_end.chromium import committed
from tests.end_to_end.in_chromium.steps import pictures
from tests.end_to_end.pages import PAGES, rollout_address

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
FOCUS = "document.querySelector('[data-passages]').focus()"
MARKED = "return [...document.querySelectorAll('.comment-mark')].map((mark) => mark.textContent).join('')"


def test_a_passage_is_chosen_and_commented_on_by_keys_alone(visit, rows):
    from rpt_web.comments.models import Comment
    from rpt_web.comments.texts import response_text

    address = rollout_address(rows, "match")
    key = int(address.rstrip("/").rpartition("/")[2])
    text = response_text(rows["rpt"], key)
    with visit(address) as browser:
        browser.execute_script(FOCUS)
        keys = ActionChains(browser)
        keys.send_keys("www").key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
        words = browser.execute_script("return getSelection().toString()")
        assert len(words.split()) == 2
        ActionChains(browser).send_keys("c").perform()
        assert browser.execute_script("return document.activeElement.id") == "new-comment-body"
        ActionChains(browser).send_keys("Why @grace?").key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(
            Keys.CONTROL
        ).perform()
        visit.wait("return location.hash.startsWith('#comment-')")
        visit.wait("return document.querySelector('.comment-mark')")
        assert browser.execute_script(MARKED) == words
        comment = committed(Comment.objects.get)
        assert (comment.quote, text[comment.start : comment.end]) == (words, words)
        browser.execute_script("document.querySelector('a.comment-mark').focus()")
        ActionChains(browser).send_keys(Keys.ENTER).perform()
        assert browser.execute_script("return location.hash") == f"#comment-{comment.pk}"
        pictures(visit, browser, "rollout-commented")
    committed(lambda: Comment.objects.all().delete())


def test_a_passage_among_signs_and_across_the_box_is_marked_where_it_stands(visit, rows):
    from rpt_web.comments import services
    from rpt_web.comments.models import Comment
    from rpt_web.comments.spans import span_at
    from rpt_web.comments.subjects import Subject
    from rpt_web.comments.texts import response_text
    from rpt_web.traces.inspector import readable

    run, hostile = rows["rpt"], rows["hostile"]

    def write():
        found = []
        for sample in range(3):
            text = response_text(run, hostile + sample)
            start, end = (0, 9) if sample == 1 else (text.rindex("</think>") + 8, text.rindex("}") + 1)
            services.write(
                Subject(run.experiment, run, hostile + sample), "Look.", rows["user"], span_at(text, start, end)
            )
            found.append(text[start:end])
        return found

    for sample, words in enumerate(committed(write)):
        with visit(PAGES["rollout-hostile"]({**rows, "hostile": hostile + sample})) as browser:
            shown = browser.execute_script(MARKED)
            assert shown.replace("·", " ").replace("↵", "\n").replace("⇥", "\t") == readable(words)
    committed(lambda: Comment.objects.all().delete())
