"""The markup of pages for tests, without the white space that a browser does not show."""

from __future__ import annotations

import re

from django.http import HttpResponse

_BLOCKS = "button|dd|div|dl|dt|h[1-4]|label|legend|li|ol|option|p|section|select|summary|table|tbody|td|th|tr|ul"
_AS_IT_IS = re.compile(r"(<(?:pre|textarea)\b.*?</(?:pre|textarea)>)", re.DOTALL)
_CLASSES = re.compile(r'(?<=\bclass=")[^"]*')
_TAG = re.compile(r"<[^>]*>")


def flat(response: HttpResponse) -> str:
    """The markup with runs of white space as one space and none at the edges of blocks; <pre> and <textarea> stay."""
    html = _TAG.sub(lambda tag: _one_line(tag[0]), response.content.decode())
    return "".join(part if number % 2 else _flat(part) for number, part in enumerate(_AS_IT_IS.split(html)))


def _one_line(tag: str) -> str:
    tag = _CLASSES.sub(lambda classes: " ".join(classes[0].split()), tag)
    return re.sub(r"\s+", " ", tag).replace(" >", ">")


def _flat(html: str) -> str:
    return re.sub(rf" ?(</?(?:{_BLOCKS})\b[^>]*>) ?", r"\1", re.sub(r"\s+", " ", html))
