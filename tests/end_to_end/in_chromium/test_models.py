"""A model by the browser: registered by its folder, looked at by a worker, and refused in words that name the fault."""

from __future__ import annotations

import shutil

import pytest
from django.urls import reverse
from safetensors.torch import load_file, save_file

from tests.end_to_end.chromium import press
from tests.end_to_end.in_chromium.steps import HEADING, done_by_the_quick_worker, pictures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
MISSING = "model.layers.0.mlp.up_proj.weight"


@pytest.fixture
def torn(rows, tmp_path):
    """The folder of a good model without one of its tensors."""
    folder = shutil.copytree(rows["models"][0].path, tmp_path / "torn")
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor for name, tensor in weights.items() if name != MISSING}, folder / "model.safetensors")
    assert MISSING in weights
    return folder


def test_a_model_that_does_not_fit_is_registered_and_its_page_says_why(visit, rows, torn):
    from selenium.webdriver.common.by import By

    with visit(reverse("models:model_list")) as browser:
        browser.find_element(By.NAME, "path").send_keys("/etc")
        press(browser, "main form[method=post] button[type=submit]")
        visit.wait("return document.querySelector('#model-wrong') !== null")
        field = browser.switch_to.active_element
        assert field.get_attribute("aria-describedby") == "model-wrong"
        browser.get_log("browser")  # Chromium tells of the status 422
        field.clear()
        field.send_keys(str(torn))
        browser.find_element(By.NAME, "name").send_keys("Torn")
        press(browser, "main form[method=post] button[type=submit]")
        visit.wait(HEADING, "Torn")
        visit.wait("return document.querySelector('.job [role=status]')?.textContent.includes('Queued')")
        assert browser.find_element(By.CSS_SELECTOR, "#card .chip").text == "not checked"
        pictures(visit, browser, "model-registered")
        assert done_by_the_quick_worker().error == ""
        visit.wait("return document.querySelector('#card .chip.red')?.textContent.includes('cannot be used')")
        faults = [note.text for note in browser.find_elements(By.CSS_SELECTOR, "#card .note.red")]
        assert any(MISSING in fault for fault in faults), faults
        assert "Qwen2ForCausalLM" in browser.find_element(By.CSS_SELECTOR, "#card .pairs").text
        pictures(visit, browser, "model-torn")
        press(browser, ".crumbs a")
        visit.wait(HEADING, "Models")
        row = browser.find_element(By.CSS_SELECTOR, "tbody tr")
        assert row.text.startswith("Torn")
        assert "cannot be used" in row.text
