"""Help about the API: every call with what it takes and gives, and every object that is named leads somewhere."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils.html import escape

from rpt_web.api.operations import api
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db


def test_every_call_is_on_the_page_and_every_object_has_one(page, client):
    text = page(reverse("calls"))
    document = api.get_openapi_schema()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert escape(operation["description"].split(". ")[0].replace("\n", " ").split("  ")[0][:60]) in text, path
        assert escape(path) in text
    linked = set(re.findall(r'href="(/help/calls/\w+/)"', text))
    assert len(linked) > 30
    for address in linked:
        linked_further = flat(client.get(address))
        assert "What it is" in linked_further or "One of:" in linked_further, address


def test_an_object_says_its_fields_and_what_they_default_to(page):
    text = page(reverse("call_object", args=["RptConfig"]))
    assert "Optimiser steps." in text
    assert "by default" in text
    assert page(reverse("call_object", args=["Nothing"]), status=404)
