"""What a search in a list of the form finds: models, positions, corpora and the like; and runs that may be cloned.

In: words, the list, and what stays chosen. Out: the list's lines as a part of the page. Only what the team of the form
may name is found, and only somebody who may submit in that team asks.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web import access
from rpt_web.corpora import offers
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.configure.offered import CHOSEN, OTHER, OfferedWidget, Shelf
from rpt_web.teams.models import Team
from rpt_web.text import clean_text

LONGEST_WORDS = 100
MOST_WORDS = 8
RUNS_OFFERED = 20


@require_safe
def choices(request: HttpRequest) -> HttpResponse:
    """The lines of a list that have the words, with the line that is chosen."""
    asked, team = request.GET, _team(request)
    name = clean_text(asked.get("field", ""))
    value = clean_text(asked.get(name, ""))
    shelf = Shelf(team, tokenizer=asked.get("tokenizer", ""))
    try:
        found = shelf.search(asked.get("list", ""), words_asked(request), "" if value == OTHER else value)
    except KeyError:
        raise Http404("There is no such list.") from None
    widget = OfferedWidget(found, clean_text(asked.get("planned", "")), asked.get("optional") == "1")
    count = sum(offer.group != CHOSEN for offer in found)
    context = widget.lines(value) | {"name": name, "count": count, "is_cut": count >= offers.MOST}
    return render(request, "configure/_choices.html", context)


@require_safe
def runs_to_clone(request: HttpRequest) -> HttpResponse:
    """Runs whose settings a form can begin with, the newest first."""
    access.require_change_somewhere(request.user)
    rows = access.runs_for(request.user).filter(experiment__in=access.experiments_to_change(request.user))
    rows = offers.SoughtOffers(words=words_asked(request)).of_runs(rows.exclude(config={}))
    found = list(rows.defer("plan", "config", "result", "log_tail", "error").order_by("-id")[: RUNS_OFFERED + 1])
    context = {"runs": found[:RUNS_OFFERED], "more": len(found) > RUNS_OFFERED}
    return render(request, "configure/_runs_to_clone.html", context)


def words_asked(request: HttpRequest) -> list[str]:
    """The words that are looked for."""
    return clean_text(request.GET.get("q", ""))[:LONGEST_WORDS].split()[:MOST_WORDS]


def _team(request: HttpRequest) -> Team:
    """The team whose form asks. Raises Http404 for one in which the user may not submit."""
    access.require_change_somewhere(request.user)
    key = number_asked(request, "team")
    found = next((team for team in access.teams_to_change(request.user) if team.pk == key), None)
    if found is None:
        raise Http404("There is no team of this number in which you may submit.")
    return found
