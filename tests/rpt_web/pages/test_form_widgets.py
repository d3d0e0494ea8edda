"""Selects and check boxes of forms: written by templates of ours, and the same as Django's own."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates

CHOICES = [("x", "X < Y & “Z”"), ('"y"', "<b>Y</b>"), (3, "three"), ("", "none"), ("a group", [("g", "inner")])]
FLAT = [choice for choice in CHOICES if not isinstance(choice[1], list)]


class Tags(HTMLParser):
    """Tags with their attributes, and what stands between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[object] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if words := re.sub(r"\s+", " ", data).strip():
            self.found.append(words)


class Example(forms.Form):
    """A field of each kind."""

    one = forms.ChoiceField(choices=CHOICES, widget=forms.Select(attrs={"class": "form-select", "data-kept": True}))
    several = forms.MultipleChoiceField(choices=CHOICES, widget=forms.SelectMultiple(attrs={"size": 4}))
    boxes = forms.MultipleChoiceField(choices=FLAT, widget=forms.CheckboxSelectMultiple(attrs={"class": "box"}))
    radio = forms.ChoiceField(choices=FLAT, widget=forms.RadioSelect)
    text = forms.CharField(required=False, widget=forms.TextInput(attrs={"class": "a", "placeholder": '"<>&'}))
    long = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3, "hidden": False}))


@pytest.mark.parametrize("name", Example().fields)
@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"one": "3", "several": ["x", "g"], "boxes": ["", '"y"'], "radio": "x", "text": '"><script>', "long": "<"},
    ],
    ids=["new", "wrong", "filled"],
)
def test_a_widget_says_what_djangos_own_does(name: str, data: dict[str, object] | None) -> None:
    ours, theirs = Example(data), Example(data, renderer=DjangoTemplates())
    assert Tags(str(ours[name])).found == Tags(str(theirs[name])).found


def test_what_people_typed_stays_text() -> None:
    form = Example(dict.fromkeys(("text", "long"), '"><script>'))
    page = "".join(str(form[name]) for name in form.fields)
    assert "<b>" not in page
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 2
