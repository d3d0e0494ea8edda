"""A blind A/B of two checkpoints in Chromium, by keys, from the choice of what is compared to the result."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import requests
from django.urls import reverse
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.end_to_end.chromium import committed, press
from tests.end_to_end.in_chromium.steps import pictures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
PAIRS = 3
MAIN = "return document.querySelector('main').outerHTML"
GIVES_AWAY = re.compile(r"\brpt\b|reward|/runs/|/rollouts|step 0|step 80|cards-greedy", re.IGNORECASE)
OF_THE_API = ("run", "rollout", "step", "reward", "other_run", "other_rollout", "response")


def test_two_checkpoints_are_compared_blind_from_start_to_result(visit, site, rows):
    from rpt_web.review.models import ReviewQueue
    from rpt_web.teams.models import ApiToken

    run = rows["rpt"].pk
    token = committed(lambda: ApiToken.issue(rows["user"], "blind", timedelta(hours=1)))
    asked = f"?run_a={run}&step_a=0&run_b={run}&step_b=80&kind=greedy"
    with visit(reverse("review:pairs_new") + asked) as browser:
        assert browser.find_element(By.CSS_SELECTOR, ".card-head .chip").text == "12 shared positions"
        pictures(visit, browser, "pairs-new")
        browser.find_element(By.ID, "id_name").send_keys("Which writes better")
        sample = browser.find_element(By.ID, "id_sample")
        sample.clear()
        sample.send_keys(str(PAIRS))
        press(browser, f"input[name=reviewers][value='{rows['user'].pk}']")
        for_each = browser.find_element(By.ID, "id_reviewers_per_item")
        for_each.clear()
        for_each.send_keys("1", Keys.ENTER)
        visit.wait("return location.pathname.includes('/review/queues/')")
        queue = browser.execute_script("return location.pathname")
        assert not GIVES_AWAY.search(browser.execute_script(MAIN).replace("others’ labels, reward, run", ""))
        press(browser, ".page-actions form .btn-primary")
        visit.wait("return location.pathname.includes('/review/items/')")
        pictures(visit, browser, "pairs-item")
        for key in "abt":
            item = browser.execute_script("return location.pathname")
            assert not GIVES_AWAY.search(browser.execute_script(MAIN))
            told = requests.get(
                f"{site}/api/v1/items/{item.split('/')[-2]}", headers={"Authorization": f"Bearer {token}"}, timeout=60
            ).json()
            assert {told[name] for name in OF_THE_API} == {None}
            assert not GIVES_AWAY.search(str(told["sides"]))
            ActionChains(browser).send_keys(key).perform()
            ActionChains(browser).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
            visit.until(lambda here=item: browser.execute_script("return location.pathname") != here)
        assert browser.execute_script("return location.pathname") == queue
    with visit(f"{queue}result/") as browser:
        text = browser.find_element(By.TAG_NAME, "main").text
        assert "rpt, step 80" in text
        assert "2 positions with 2 decided votes" in text
        assert "Left side chosen\n1 of 2" in text
        pictures(visit, browser, "pairs-result")
    committed(lambda: ReviewQueue.objects.filter(name="Which writes better").delete())
    committed(lambda: ApiToken.objects.filter(name="blind").delete())
