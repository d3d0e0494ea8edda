"""Help: each document has its page with links that lead somewhere, and each term on a page is in the glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.urls import resolve, reverse
from django.utils.text import slugify

from rpt_web.pages.help import documents

ROOT = Path(__file__).parents[4]
TERM = re.compile(r'\{% term "([^"]+)"')


def test_help_lists_every_document(page):
    text = page(reverse("help:help"))
    names = documents.names()
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} - {*names} == {"results_reading"}, "a part of another"
    assert all(reverse("help:document", args=[name]) in text for name in names)
    assert "There is no document" in page("/help/stated/", 404)


def test_help_finds_documents_and_their_sections_by_all_words(page):
    text = page(reverse("help:help") + "?q=Kish%27s+DESIGN")
    found = re.findall(r'<h2><a href="/help/([^/]+)/"', text)
    assert found == ["method"]
    assert re.search(r'href="/help/method/#[^"]+"', text)
    assert f"1 of {len(documents.names())} documents" in text
    assert 'value="Kish&#x27;s DESIGN"' in text
    first = re.findall(r'<h2><a href="/help/([^/]+)/"', page(reverse("help:help") + "?q=glossary"))[0]
    assert first == "glossary"
    assert "No document has all of “nowhere xyzzy”" in page(reverse("help:help") + "?q=nowhere+xyzzy")


@pytest.mark.parametrize("name", documents.names())
def test_a_document_is_a_page_whose_links_lead_somewhere(name):
    found = documents.document(name)
    assert found.title
    assert found.summary
    for place in re.findall(r'href="(/[^"#]*)(?:#([^"]*))?"', found.html):
        match = resolve(place[0])
        target = documents.document(match.kwargs["name"])
        assert not place[1] or f'id="{place[1]}"' in target.html, place
    for anchor in re.findall(r'href="#([^"]*)"', found.html):
        assert f'id="{anchor}"' in found.html, anchor


def test_html_in_a_document_stays_words(tmp_path, settings):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "odd.md").write_text(
        "# Odd\n\n<script>alert(1)</script> [a](javascript:alert(1)) [b](../rpt_core/x.py) [c](https://example.org/)\n"
    )
    settings.ROOT = tmp_path
    html = documents.document("odd").html
    assert "<script>" not in html
    assert "javascript:" not in html.replace("[a](javascript:alert(1))", "")
    assert "x.py" not in html
    assert 'href="https://example.org/"' in html
    documents.document.cache_clear()


def test_each_term_of_a_page_stands_in_the_glossary():
    anchors = set(re.findall(r'<h3 id="([^"]+)"', documents.document("glossary").html))
    used = {term for path in (ROOT / "templates").rglob("*.html") for term in TERM.findall(path.read_text())}
    assert len(used) >= 10
    assert {term for term in used if slugify(term) not in anchors} == set()


def test_the_terms_of_a_page_are_linked_once_and_nothing_else_is_touched(page, rf):
    from django.template import Context, Template

    inside = (
        "The reward of a group; Rewards &amp; <a href='/x'>entropy</a> <code>entropy</code> position_set @cold/rollout "
        "{{ hostile }} KL divergences"
    )
    part = Template("{% load terms %}{% terms %}" + inside + "{% endterms %}{% terms %}a reward{% endterms %}")
    html = part.render(Context({"request": rf.get("/"), "hostile": "<b title='entropy'>verdict"}))
    anchors = re.findall(r'<a class="term" href="/help/glossary/#([^"]+)">([^<]+)</a>', html)
    assert anchors == [
        ("reward", "reward"),
        ("group", "group"),
        ("entropy", "entropy"),
        ("verdict", "verdict"),
        ("kl-divergence", "KL divergences"),
    ]
    assert "&lt;b title" in html
    assert "<code>entropy</code> position_set @cold/rollout" in html
    assert html.endswith("a reward")
    run_form = page("/runs/new/?preset=tiny&run=base")
    assert run_form.count('#next-token-reasoning"') <= 1
