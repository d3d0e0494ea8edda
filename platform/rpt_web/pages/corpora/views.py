"""Corpora: the list, a new one, what is known of one with its versions."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.corpora import deletion, services
from rpt_web.corpora.models import Corpus, CorpusVersion
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.corpora.forms import CorpusForm, NewCorpusForm
from rpt_web.pages.rights import team_to_change
from rpt_web.teams.models import Team, User
from rpt_web.text import clean_text

PER_PAGE = 50
LARGEST_NUMBER = 2**31 - 1
"""Of a version, in the database."""


@require_safe
def corpus_list(request: HttpRequest) -> HttpResponse:
    """Corpora, newest first; the search stands in the address."""
    search = clean_text(request.GET.get("q", ""))[:200].strip()
    found = access.corpora_for(request.user)
    found = found.filter(name__icontains=search) if search else found
    if (after := number_asked(request, "after")) is not None:
        found = found.filter(pk__lt=after)
    checked = CorpusVersion.objects.filter(corpus=OuterRef("pk")).exclude(checked_at=None).order_by("-number")
    rows = list(
        found.annotate(
            version_count=Count("versions"),
            newest=Subquery(checked.values("number")[:1]),
            train=Subquery(checked.values("train_documents")[:1]),
            validation=Subquery(checked.values("validation_documents")[:1]),
            bad=Subquery(checked.values("bad_count")[:1]),
            size=Subquery(checked.values("bytes")[:1]),
        ).order_by("-pk")[: PER_PAGE + 1]
    )
    context = {
        "nav": "data",
        "search": search,
        "corpora": rows[:PER_PAGE],
        "next": rows[PER_PAGE - 1].pk if len(rows) > PER_PAGE else None,
    }
    return render(request, "corpora/corpus_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def corpus_new(request: HttpRequest) -> HttpResponse:
    """Make a corpus with its first version, whose files come next."""
    team = team_to_change(request)
    form = NewCorpusForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and (version := _made(request, form, team)) is not None:
        return redirect("corpora:version_detail", version.corpus_id, version.number)
    context = {"nav": "data", "form": form, "team": team}
    return render(request, "corpora/corpus_new.html", context, status=422 if form.errors else 200)


@require_safe
def corpus_detail(request: HttpRequest, corpus_id: int) -> HttpResponse:
    """What is known of a corpus, and its versions."""
    corpus = access.get_corpus_or_404(request.user, corpus_id)
    versions = corpus.versions.select_related("job", "created_by").defer("preview", "bad_records", "files")
    if (after := number_asked(request, "after")) is not None:
        versions = versions.filter(number__lt=min(after, LARGEST_NUMBER))
    rows = list(versions[: PER_PAGE + 1])
    context = {
        "nav": "data",
        "corpus": corpus,
        "versions": rows[:PER_PAGE],
        "after": after,
        "next": rows[PER_PAGE - 1].number if len(rows) > PER_PAGE else None,
        "may_edit": access.can_edit_corpus(request.user, corpus),
    }
    return render(request, "corpora/corpus_detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def corpus_edit(request: HttpRequest, corpus_id: int) -> HttpResponse:
    """Change what is known of a corpus."""
    corpus = access.get_corpus_or_404(request.user, corpus_id, to_change=True)
    known = {name: getattr(corpus, name) for name in CorpusForm.base_fields}
    form = CorpusForm(request.POST if request.method == "POST" else None, initial=known)
    if form.is_valid() and _changed(form, corpus):
        messages.success(request, "It was stored.")
        return redirect("corpora:corpus_detail", corpus.pk)
    context = {"nav": "data", "corpus": corpus, "form": form}
    return render(request, "corpora/corpus_edit.html", context, status=422 if form.errors else 200)


@require_POST
def corpus_delete(request: HttpRequest, corpus_id: int) -> HttpResponse:
    """Have a corpus deleted with all its versions; the page of the job shows how that goes."""
    corpus = access.get_corpus_or_404(request.user, corpus_id, to_change=True)
    try:
        return redirect("jobs:job_detail", deletion.ask(corpus, cast(User, request.user)).pk)
    except UserError as error:
        messages.error(request, str(error))
    return redirect("corpora:corpus_detail", corpus.pk)


def _made(request: HttpRequest, form: NewCorpusForm, team: Team) -> CorpusVersion | None:
    user, values = cast(User, request.user), dict[str, Any](form.cleaned_data)
    path = values.pop("path")
    try:
        with transaction.atomic():
            version = services.new_version(services.create_corpus(user=user, team=team, **values), user, path)
            if path:
                services.look(version, user)
    except UserError as error:
        is_of_path = path and any(word in str(error) for word in ("path", "address"))
        form.add_error("path" if is_of_path else None, str(error))
        return None
    return version


def _changed(form: CorpusForm, corpus: Corpus) -> bool:
    try:
        services.describe_corpus(corpus, **form.cleaned_data)
    except UserError as error:
        form.add_error(None, str(error))
        return False
    return True
