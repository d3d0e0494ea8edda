"""What people say of an experiment: findings as safe HTML, tags that filter, a state; two writers lose nothing."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.urls import reverse

from rpt_web import prose
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db
FINDINGS = "# Shown\n\n| size | hard |\n|---|---|\n| small | 93 % |\n\n- **better** at [hard](https://example.org) ones"


def form_of(experiment, **more):
    stored = {"name": experiment.name, "description": "Why?", "outlook": "open", "tags": "", "findings": ""}
    return stored | {"seen": experiment.findings} | more


def test_findings_tags_and_state_are_stored_and_shown(client, ada, experiment):
    client.force_login(ada)
    address = reverse("experiments:experiment_edit", args=[experiment.pk])
    assert "Findings" in flat(client.get(address))
    sent = form_of(experiment, outlook="concluded", tags="Cards, cards , seed  0", findings=FINDINGS)
    text = flat(client.post(address, sent, follow=True))
    for part in (
        "<h2>Shown</h2>",
        "<td>93 %</td>",
        "<strong>better</strong>",
        'href="https://example.org"',
        "Concluded",
    ):
        assert part in text
    experiment.refresh_from_db()
    assert experiment.tags == ["cards", "seed 0"]
    listing = reverse("experiments:experiment_list")
    assert "First" in flat(client.get(listing + "?tag=seed+0"))
    assert "First" not in flat(client.get(listing + "?tag=other")).partition("<main")[2]
    assert "First" in flat(client.get(listing + "?q=better"))


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(client, ada, experiment):
    client.force_login(ada)
    address = reverse("experiments:experiment_edit", args=[experiment.pk])
    mine = form_of(experiment, findings="Mine")
    client.post(address, form_of(experiment, findings="Theirs"))
    answer = client.post(address, mine)
    assert answer.status_code == 422
    assert "Mine" in flat(answer)
    assert "Theirs" in flat(answer)
    experiment.refresh_from_db()
    assert experiment.findings == "Theirs"
    client.post(address, mine | {"findings": "Theirs and mine", "seen": "Theirs"})
    experiment.refresh_from_db()
    assert experiment.findings == "Theirs and mine"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("tags", "x" * 41, "longer than 40 characters"),
        ("tags", ",".join(map(str, range(13))), "12 at most"),
        ("findings", "x" * 50_001, "Keep them below 50,000"),
        ("name", "", "required"),
    ],
)
def test_what_does_not_fit_is_told(client, ada, experiment, field, value, words):
    client.force_login(ada)
    answer = client.post(
        reverse("experiments:experiment_edit", args=[experiment.pk]), form_of(experiment, **{field: value})
    )
    assert answer.status_code == 422
    assert words in flat(answer)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](https://example.org/x.png)",
        "<img src=x onerror=alert(1)>",
        "[x](data:text/html,hi)",
        '<a href="https://example.org" onclick="x">',
        "<svg/onload=alert(1)>",
    ],
)
def test_hostile_markdown_is_harmless(hostile):
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append((tag, dict(attributes)))

    Reader().feed(prose.rendered(hostile))
    assert {tag for tag, _ in found} <= {"p", "a"}
    assert all(attributes.keys() <= {"href", "rel"} for _, attributes in found)
    assert all(attributes.get("href", "https:").startswith("https:") for _, attributes in found)


def test_links_tell_nobody_where_they_come_from_and_wide_things_scroll():
    html = prose.rendered("[a](https://example.org)\n\n    code\n\n|a|\n|---|\n|b|")
    assert 'rel="noopener noreferrer"' in html
    assert '<pre tabindex="0">' in html
    assert '<div class="table-wrap" tabindex="0"' in html
    assert prose.rendered("") == ""
