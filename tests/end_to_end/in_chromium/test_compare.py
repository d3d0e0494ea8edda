"""Runs of two experiments compared in Chromium: from one run to a basket, the paired table, and its positions."""

from __future__ import annotations

import pytest
from django.urls import reverse
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.end_to_end.chromium import committed, press
from tests.end_to_end.in_chromium.steps import done_by_the_quick_worker, pictures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
CURRENT = "return document.querySelector('.tabs [aria-current]')?.textContent === arguments[0]"


@pytest.fixture
def runs(rows):
    """Seeds of two models in two experiments, evaluated at the same positions, with curves."""
    return committed(lambda: made(rows))


def made(rows):
    from rpt_web.runs.services import create_experiment
    from rpt_web.traces.models import CorpusPosition, ResponseGroup
    from tests.evaluated_runs import evaluate, made_run, random_rights, text_of
    from tests.rpt_web.compare.test_curves import measure

    found = []
    for place, (name, share) in enumerate((("cold", 0.35), ("rpt", 0.65))):
        experiment = create_experiment(f"Compared, {name}", rows["user"], team=rows["finished"].team)
        for seed in range(2):
            run = made_run(experiment, f"s{seed}-{name}", seed, copy_seed=seed, created_by=rows["user"])
            run.config |= {"steps": 80, "sampling": {"temperature": 1.0 - 0.2 * place}}
            run.save()
            measure(
                run, range(1, 81), reward_mean=lambda step, seed=seed, place=place: 0.2 + place * step / 160 + seed / 20
            )
            found.append(evaluate(run, random_rights(share, seed=seed), step=80, flops=1e12))
    positions = [
        CorpusPosition.objects.get_or_create(text_hash=text_of(f"doc{number}"), byte_offset=0)[0]
        for number in range(60)
    ]
    ResponseGroup.objects.bulk_create(
        ResponseGroup(
            run=found[2], experiment=found[2].experiment, step=80, kind="greedy", group=number, first_rollout=0,
            position=position, document=f"doc{number}", token_position=1, samples=1, rewarded=1, pass_rate=1,
            predictions=1, majority_rewarded=True, disagreement=0, tokens_mean=1, tokens_min=1, tokens_max=1,
        )
        for number, position in enumerate(positions)
    )  # fmt: skip
    return found


@pytest.fixture
def in_modes(runs):
    """The runs, one of which also answered without thinking."""
    from tests.evaluated_runs import evaluate_in_two_modes, random_rights

    cold, _, rpt, _ = runs
    for run, share, standard in ((cold, 0.35, 0.2), (rpt, 0.65, 0.4)):
        committed(
            lambda run=run, share=share, standard=standard: evaluate_in_two_modes(
                run, random_rights(share, seed=run.seed), random_rights(standard, seed=run.seed), step=80
            )
        )
    return cold, rpt


def test_the_mode_of_each_run_is_chosen_by_a_link_and_stays_in_the_address(visit, in_modes):
    cold, rpt = in_modes
    address = f"{reverse('compare:basket')}?runs={cold.pk},{rpt.pk}@80&view=positions&mode=greedy"
    with visit(address) as browser:
        visit.wait("return document.querySelector('#compared form button') !== null")
        entry, _ = browser.find_elements(By.CSS_SELECTOR, ".entry-modes")
        assert entry.find_element(By.CSS_SELECTOR, "[aria-current]").text == "as all: reasoning, greedy"
        press(browser, f"a[href*='runs={cold.pk}:standard,{rpt.pk}@80']")
        visit.wait("return location.search.includes(arguments[0])", f"runs={cold.pk}:standard,{rpt.pk}@80")
        chosen = [part.text for part in browser.find_elements(By.CSS_SELECTOR, ".entry-modes [aria-current]")]
        assert chosen == ["standard", "as all: reasoning, greedy"]
        press(browser, "#compared form button")
        visit.wait("return document.querySelector('#compared [role=status]') !== null")
        done_by_the_quick_worker()
        visit.wait("return document.querySelector('.two-by-two') !== null")
        heading = browser.find_element(By.ID, "pair-heading").text
        assert heading == "s0-rpt, Compared, rpt, step 80, reasoning, greedy against s0-cold, Compared, cold, standard"
        said = browser.find_element(By.CSS_SELECTOR, ".table-words").text
        assert "No noise floor, standard: an answer without thinking is not sampled" in said
        pictures(visit, browser, "compare-modes")
        gained = browser.find_element(By.CSS_SELECTOR, ".two-by-two .won a")
        count = gained.text
        gained.click()
        visit.wait("return document.querySelector('.position-table') !== null")
        chosen = browser.find_element(By.CSS_SELECTOR, ".state-filter[aria-current]:nth-last-of-type(4) .figures")
        assert chosen.text == count
        assert "reasoning, greedy against s0-cold, standard" in browser.find_element(By.TAG_NAME, "h1").text
        browser.find_element(By.LINK_TEXT, "The comparison").click()
        visit.wait("return location.search.includes(arguments[0])", f"{cold.pk}@80:standard,{rpt.pk}@80:greedy")
        browser.find_element(By.PARTIAL_LINK_TEXT, "all in one mode").click()
        visit.wait("return new URLSearchParams(location.search).get('runs') === arguments[0]",
                   f"{cold.pk}@80,{rpt.pk}@80")  # fmt: skip


def test_a_basket_leads_across_experiments_to_the_paired_table_and_its_positions(visit, runs):
    cold, other_cold, rpt, other_rpt = runs
    with visit(reverse("runs:run_detail", args=[cold.pk])) as browser:
        browser.find_element(By.PARTIAL_LINK_TEXT, "Compare").send_keys("")  # it can have the focus
        press(browser, f"a[href='{reverse('compare:basket')}?runs={cold.pk}']")
        for added in (rpt, other_cold, other_rpt):
            name = added.name
            visit.wait("return document.querySelector('#q') !== null")
            field = browser.find_element(By.ID, "q")
            field.clear()
            field.send_keys(name, Keys.ENTER)
            visit.wait("return new URLSearchParams(location.search).get('q') === arguments[0]", name)
            visit.wait("return document.readyState === 'complete'")
            press(browser, f"[aria-label='Add {name}, run {added.pk}']")
            visit.wait(
                "return [...document.querySelectorAll('.entry-name a')].some((a) => a.textContent === arguments[0])",
                name,
            )
        names = [element.text for element in browser.find_elements(By.CSS_SELECTOR, ".entry-name .main-link")]
        assert names == ["s0-cold", "s0-rpt", "s1-cold", "s1-rpt"]
        rows = [element.text for element in browser.find_elements(By.CSS_SELECTOR, ".compared tbody th")]
        assert rows == ["sampling.temperature", "seed"] or set(rows) == {"sampling.temperature", "seed"}
        pictures(visit, browser, "compare-basket")
        browser.find_element(By.LINK_TEXT, "Curves").click()
        visit.wait(CURRENT, "Curves")
        visit.wait("return document.querySelector('[data-figure] .plot[data-drawn]') !== null")
        visit.axe()
        browser.find_element(By.LINK_TEXT, "Same positions").click()
        visit.wait(CURRENT, "Same positions")
        press(browser, "#compared form button")
        visit.wait("return document.querySelector('#compared [role=status]') !== null")
        done_by_the_quick_worker()
        visit.wait("return document.querySelector('.two-by-two') !== null")
        pictures(visit, browser, "compare-positions")
        gained = browser.find_element(By.CSS_SELECTOR, ".two-by-two .won a")
        count = gained.text
        gained.click()
        visit.wait("return document.querySelector('.position-table') !== null")
        chosen = browser.find_element(By.CSS_SELECTOR, ".state-filter[aria-current]:nth-last-of-type(4) .figures")
        assert chosen.text == count
        pictures(visit, browser, "compare-position-set")
        browser.find_element(By.CSS_SELECTOR, ".position-table .main-link").click()
        visit.wait("return location.pathname.startsWith('/positions/')")
    assert rpt.pk
