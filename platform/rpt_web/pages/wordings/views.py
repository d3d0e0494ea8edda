"""Prompt templates and pattern lists: the list of all, and an editor that looks over and previews what is typed."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rpt_core.analysis.patterns import keyword_list_names, keyword_list_text
from rpt_core.errors import UserError
from rpt_core.problems.prompts import template_names, template_text
from rpt_web import access
from rpt_web.corpora import wordings
from rpt_web.corpora.models import Wording, WordingKind, WordingVersion
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.rights import team_to_change
from rpt_web.pages.wordings.preview import LONGEST_SAMPLE, SAMPLE, context_at, matching_groups, prompt_parts
from rpt_web.results.published import reference_for
from rpt_web.teams.models import User

PER_PAGE, RUNS_SHOWN, MODELS_OFFERED = 50, 20, 50


@require_safe
def wording_list(request: HttpRequest) -> HttpResponse:
    """What is built in, with what the paper published of it, and what the user's teams have written."""
    asked, last = request.GET.get("kind", ""), number_asked(request, "after")
    sections = [(kind, _some(request, kind, last)) for kind in WordingKind if asked in ("", kind)]
    context = {
        "nav": "wordings",
        "built_in": [("template", template_names()), ("patterns", keyword_list_names())],
        "own": [(kind, rows[:PER_PAGE], rows[PER_PAGE - 1].pk if rows[PER_PAGE:] else None) for kind, rows in sections],
        "is_later": last is not None,
        "reference": reference_for("templates"),
    }
    return render(request, "wordings/wording_list.html", context)


def _some(request: HttpRequest, kind: str, last: int | None) -> list[Wording]:
    """Wordings by name, those after one of them, one more than fits; each with the number of its versions."""
    own = access.wordings_for(request.user).filter(kind=kind)
    after = own.filter(pk=last).first() if last is not None else None
    if after is not None:
        own = own.filter(Q(name__gt=after.name) | Q(name=after.name, pk__gt=after.pk))
    return list(own.annotate(version_count=Count("versions"))[: PER_PAGE + 1])


@require_http_methods(["GET", "HEAD", "POST"])
def wording_new(request: HttpRequest) -> HttpResponse:
    """A new one, beginning with the text of one that is built in."""
    team = team_to_change(request)
    kind = WordingKind.PATTERNS if request.GET.get("kind") == WordingKind.PATTERNS else WordingKind.TEMPLATE
    text, name = request.POST.get("text", ""), request.POST.get("name", "").strip()
    if request.method == "POST":
        try:
            version = wordings.create(team, kind, name, text, cast(User, request.user))
        except UserError as error:
            return _editor(request, kind, name, text, wrong=str(error))
        messages.success(request, f"“{name}” was saved as version {version.number}.")
        return redirect("wordings:wording_detail", version.wording_id)
    return _editor(request, kind, "", _built_in(kind, request.GET.get("from", "")))


@require_http_methods(["GET", "HEAD", "POST"])
def wording_detail(request: HttpRequest, wording_id: int) -> HttpResponse:
    """One in a version, with its editor; a POST saves the next version."""
    is_change = request.method == "POST"
    wording = access.get_wording_or_404(request.user, wording_id, to_change=is_change)
    versions, asked = wording.versions.select_related("created_by"), number_asked(request, "version")
    version = (versions.filter(number=asked).first() if asked else None) or versions[0]
    if not is_change:
        return _editor(request, wording.kind, wording.name, version.text, wording=wording, version=version)
    text = request.POST.get("text", "")
    try:
        made = wordings.save(wording, text, cast(User, request.user))
    except UserError as error:
        return _editor(request, wording.kind, wording.name, text, str(error), wording, version)
    messages.success(request, f"Version {made.number} was saved. Runs that name an older one keep it.")
    return redirect("wordings:wording_detail", wording.pk)


@require_POST
def wording_preview(request: HttpRequest) -> HttpResponse:
    """Remarks on what is typed, and how it would work; nothing is stored."""
    kind = WordingKind.PATTERNS if request.POST.get("kind") == WordingKind.PATTERNS else WordingKind.TEMPLATE
    text = request.POST.get("text", "").replace("\r\n", "\n")
    return render(request, "wordings/_preview.html", _looked_over(request, kind, text, request.POST))


def _editor(
    request: HttpRequest,
    kind: str,
    name: str,
    text: str,
    wrong: str = "",
    wording: Wording | None = None,
    version: WordingVersion | None = None,
) -> HttpResponse:
    visible = access.runs_for(request.user).select_related(None).only("name")
    models = access.models_for(request.user).filter(loads=True).select_related(None).only("name")
    context = _looked_over(request, kind, text, request.GET) | {
        "nav": "wordings",
        "wording": wording,
        "version": version,
        "versions": list(wording.versions.select_related("created_by").defer("text")) if wording else [],
        "runs": list(wordings.runs_that_use(version, visible)[:RUNS_SHOWN]) if version else [],
        "name": name,
        "wrong": wrong,
        "kind_label": WordingKind(kind).label,
        "may_save": access.can_change(request.user, wording.team_id) if wording else True,
        "models": list(models[:MODELS_OFFERED]),
    }
    return render(request, "wordings/wording_detail.html", context, status=422 if wrong else 200)


def _looked_over(request: HttpRequest, kind: str, text: str, query: QueryDict) -> dict[str, Any]:
    context, where = context_at(request.user, query) if kind == WordingKind.TEMPLATE else ("", "")
    key = query.get("model", "")
    model = access.models_for(request.user).filter(pk=int(key)).first() if key.isdecimal() and len(key) < 19 else None
    sample = (query.get("sample") or SAMPLE)[:LONGEST_SAMPLE]
    is_list, is_short = kind == WordingKind.PATTERNS, len(text) <= wordings.LONGEST_TEXT
    return {
        "kind": kind,
        "text": text,
        "remarks": wordings.remarks_on(kind, "this", text),
        "parts": None if is_list else prompt_parts(text, context, model),
        "where": where,
        "model": model,
        "place": {name: query.get(name, "") for name in ("run", "split", "row", "token")},
        "sample": sample,
        "longest_sample": LONGEST_SAMPLE,
        "groups": matching_groups(text, sample) if is_list and is_short else [],
    }


def _built_in(kind: str, name: str) -> str:
    if kind == WordingKind.TEMPLATE:
        return template_text(name if name in template_names() else "v0")
    return keyword_list_text(name if name in keyword_list_names() else "paper")
