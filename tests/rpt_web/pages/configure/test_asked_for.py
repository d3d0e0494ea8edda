"""What the address of a new run asks for: found where it is old, and named where it is not there."""

from __future__ import annotations

from rpt_web.runs import services
from rpt_web.runs.models import Run
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.configure.test_new_run import NEW, typed


def test_what_the_address_asks_for_and_is_not_there_is_said_and_nothing_is_submitted_elsewhere(page, client, ada):
    near = services.create_experiment("Near", ada, preset="tiny")
    gone = services.create_experiment("Gone", ada, preset="tiny")
    address = f"{NEW}?preset=tiny&run=base&experiment={gone.pk}"
    data = typed(page(address))
    key = gone.pk
    gone.delete()
    text = page(address)
    assert f"There is no experiment “{key}” among those that you may submit to." in text
    assert "in “Near”" in text
    refused = client.post(address, data | {"budget.steps": "77"})
    assert refused.status_code == 422
    assert "The experiment that this form was for is gone" in flat(refused)
    assert typed(flat(refused))["budget.steps"] == "77", "what was typed stays"
    assert not Run.objects.filter(experiment=near).exists()
    assert "There is no preset “tiniest”." in page(f"{NEW}?preset=tiniest")
    assert "The preset has no run “none”." in page(f"{NEW}?preset=tiny&run=none")
    assert "There is no" not in page(f"{NEW}?preset=tiny&run=base&experiment={near.pk}")
    assert "The experiment has no place “s7-”." in page(f"{NEW}?preset=tiny&run=base&experiment={near.pk}:s7-")


def test_an_experiment_that_is_older_than_those_offered_is_found_by_its_number(page, ada, monkeypatch):
    monkeypatch.setattr("rpt_web.pages.configure.choice.PLACES_OFFERED", 1)
    old = services.create_experiment("Old", ada, preset="tiny")
    services.create_experiment("New", ada, preset="tiny")
    text = page(f"{NEW}?preset=tiny&run=base&experiment={old.pk}")
    assert f'<option value="{old.pk}" selected>' in text
    assert "A run of stage ntp in “Old”." in text
