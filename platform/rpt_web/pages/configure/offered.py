"""Form fields that offer what the team has: a list of names, and a path where none of them is meant.

In: a setting that names something to be read, and the team. Out: a form field whose value is what the config holds. The
path stands in a field of its own beside the list, which is seen when the list's last line is chosen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from rpt_core.config.reads import Reads
from rpt_web.corpora import offers
from rpt_web.corpora.offers import ANY, Offer, SoughtOffers
from rpt_web.teams.models import Team

OTHER = "@other"
"""The value of the list's last line."""
CHOSEN = "Chosen"
"""What a list heads a chosen value with that is none of its newest."""
PATH = ":path"
"""What the name of the field with the path ends in."""
FOLLOWERS = {"model": "model", "proxy": "model", "corpus": "corpus", "replay": "corpus"}
"""Part of a config -> what other fields follow when it is chosen: remarks on positions, the mapping of a corpus."""


def chosen_value(data: Mapping[str, Any], name: str) -> str | None:
    """What was chosen in a list, or the path that was typed; None for a field that was not sent."""
    chosen: str | None = data.get(name)
    return data.get(name + PATH, "") if chosen == OTHER else chosen


@dataclass(frozen=True)
class OfferList:
    """What a list offers."""

    key: str
    """Of the list, for a search in it."""
    offers: list[Offer]
    is_cut: bool
    """Whether there may be more than those."""


class Shelf:
    """What a team can name, looked up once for each kind and only when a field asks for it."""

    def __init__(self, team: Team, model_path: str = "", tokenizer: str | None = None) -> None:
        self.team, self.model_path, self._tokenizer = team, model_path, tokenizer
        self._found: dict[str, list[Offer]] = {}

    def offers(self, name: str, kind: Reads | None, value: str = "") -> OfferList | None:
        """What the field of this dotted name can hold, its value among it; None for a field that has no list."""
        key = _list_for(name, kind)
        if key is None:
            return None
        if key not in self._found:
            self._found[key] = self._lists[key](ANY)
        found = self._found[key]
        is_cut = len(found) >= offers.MOST
        return OfferList(key, self.with_value(key, found, value) if is_cut else found, is_cut)

    def search(self, key: str, words: Sequence[str], value: str) -> list[Offer]:
        """Offers of a list that have each of the words, with the value that stays chosen. Raises KeyError."""
        return self.with_value(key, self._lists[key](SoughtOffers(words=words)), value)

    def with_value(self, key: str, found: list[Offer], value: str) -> list[Offer]:
        """The offers, and before them the value when the team has it and it is none of them."""
        if not value or value.startswith("@") or any(offer.value == value for offer in found):
            return found
        there = self._lists[key](SoughtOffers(value=value))
        return [replace(offer, group=CHOSEN) for offer in there if offer.value == value] + found

    @cached_property
    def tokenizer(self) -> str:
        """That of the chosen model; empty where it is not known."""
        return offers.tokenizer_of_model(self.team, self.model_path) if self._tokenizer is None else self._tokenizer

    @property
    def _lists(self) -> Mapping[str, Callable[[SoughtOffers], list[Offer]]]:
        return {
            "models": partial(offers.models, self.team),
            "positions": lambda sought: offers.positions(self.team, self.tokenizer, sought),
            "lists": partial(offers.position_lists, self.team),
            "corpora": partial(offers.corpora, self.team),
            "templates": partial(offers.templates, self.team),
            "patterns": partial(offers.pattern_lists, self.team),
            "runs": partial(offers.trained_runs, self.team),
        }


_BY_KIND = {Reads.MODEL: "models", Reads.TEMPLATE: "templates", Reads.KEYWORDS: "patterns"}
_BY_NAME = {
    "positions": "positions",
    "position_list": "lists",
    "flops_of": "runs",
    "corpus.paths": "corpora",
    "replay.paths": "corpora",
}


def _list_for(name: str, kind: Reads | None) -> str | None:
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    return None if kind is None else _BY_NAME.get(name) or _BY_NAME.get(name.rpartition(".")[2])


class OfferedWidget(forms.Widget):
    """A list of offers, then the path of something else."""

    template_name = "configure/offered.html"

    def __init__(
        self, found: Sequence[Offer], value: str, is_optional: bool, label: str = "", follows: str = ""
    ) -> None:
        super().__init__({"class": "form-select"})
        self.offers, self.is_optional, self.label, self.follows = found, is_optional, label, follows
        self.search: dict[str, Any] = {}
        """What a search in the list sends; empty where the list has everything."""
        self.planned = value if value.startswith("@") else ""
        """A reference to another run of the experiment, which the plan has."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """By the project's templates, whatever renders the form."""
        return render_to_string(self.template_name, self.get_context(name, value, attrs))

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """For the template."""
        text = "" if value is None else str(value)
        search = self.search | {"field": name, "optional": int(self.is_optional)}
        more = self.lines(text) | {
            "path_name": name + PATH,
            "label": self.label,
            "follows": self.follows,
            "misfit": self.misfit(text),
            "search": json.dumps(search) if self.search else "",
        }
        context = super().get_context(name, value, attrs)
        return context | more | {"attributes": flatatt(context["widget"]["attrs"])}

    def lines(self, value: str) -> dict[str, Any]:
        """For the template of the list's lines alone."""
        groups = [(title, list(found)) for title, found in groupby(self.offers, lambda offer: offer.group)]
        is_known = value in self.known or (not value and self.is_optional)
        return {
            "groups": groups,
            "value": value,
            "is_other": not is_known,
            "other": OTHER,
            "planned": self.planned,
            "is_optional": self.is_optional,
        }

    def misfit(self, value: str) -> str:
        """Why this value does not fit; empty where it does, or nobody knows."""
        return next((_sentence(offer.misfit) for offer in self.offers if offer.value == value and offer.misfit), "")

    @property
    def known(self) -> dict[str, str]:
        """Each value of the list -> its name."""
        return {offer.value: offer.label for offer in self.offers} | (
            {self.planned: self.planned} if self.planned else {}
        )

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        """What was chosen, or the path that was typed."""
        return chosen_value(data, name)


class OfferedBoxes(OfferedWidget):
    """Boxes to tick, and others with commas; the value is a text with commas."""

    template_name = "configure/offered_boxes.html"
    use_fieldset = True

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """For the template."""
        asked = [part.strip() for part in str(value or "").split(",") if part.strip()]
        others = ", ".join(part for part in asked if part not in self.known)
        return super().get_context(name, value, attrs) | {"asked": asked, "others": others}

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """The ticked ones in the order of the list, then the others."""
        ticked = data.getlist(name) if hasattr(data, "getlist") else data.get(name) or []
        if isinstance(ticked, str):  # as other programs may send it
            ticked = [ticked]
        return ", ".join(filter(None, [*ticked, str(data.get(name + PATH, "")).strip()]))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def offered_field(
    name: str,
    shelf: Shelf,
    found: OfferList,
    value: str,
    *,
    is_optional: bool,
    is_several: bool,
    shared: dict[str, Any],
) -> forms.Field:
    """The form field of a setting with these offers. Paths of a corpus are several files, but one version of it."""
    follows = FOLLOWERS.get(name.partition(".")[0], "")
    boxes = is_several and not name.endswith(".paths")
    kind = OfferedBoxes if boxes else OfferedWidget
    widget = kind(found.offers, value, is_optional or name.endswith(".paths"), shared["label"], follows)
    if found.is_cut and not boxes:
        widget.search = {"team": shelf.team.pk, "list": found.key, "planned": widget.planned}
        widget.search |= {"tokenizer": shelf.tokenizer} if found.key == "positions" else {}
    return forms.CharField(initial=value, widget=widget, **shared)
