"""Blind A/B: a new queue of pairs from two runs or steps, and what came of one.

The result is shown to who has nothing left to review in the queue: earlier it would tell how others see the two.
"""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.review.forms import QueueForm
from rpt_web.pages.rights import team_to_change
from rpt_web.review import pairs, progress
from rpt_web.review.models import ItemKind, Review, ReviewQueue
from rpt_web.review.pairs import Source
from rpt_web.review.queues import QueuePlan
from rpt_web.review.reviews import note_seen
from rpt_web.review.sides import QUESTION
from rpt_web.runs.models import Run
from rpt_web.teams.models import Team, User
from rpt_web.traces.models import ResponseGroup
from rpt_web.traces.queries import KIND_LABELS

MOST_RUNS = 300
"""Newest ones to choose from."""
KIND_ORDER = ("greedy", "sampled", "train")
SIDES = ("a", "b")


class PairForm(QueueForm):
    """How pairs are drawn and who is asked. What is asked is always which is better."""

    def __init__(self, user: User, team: Team, data: Any = None) -> None:
        super().__init__(user, team, data)
        del self.fields["label_set"]
        del self.fields["is_blind"]
        self.fields["hides_truth"] = forms.BooleanField(
            label="Hide how the text continues until an item is submitted",
            required=False,
            initial=True,
            help_text="Beside the predictions it tells who is right.",
            widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
        )

    def plan(self) -> QueuePlan:
        """What was chosen, once it is valid."""
        self.cleaned_data |= {"label_set": "", "is_blind": True}
        return super().plan()

    def _version(self, chosen: str) -> Any:
        return pairs.label_set_of(self._team, self._user)


@require_http_methods(["GET", "HEAD", "POST"])
def pairs_new(request: HttpRequest) -> HttpResponse:
    """A new blind A/B; the address names what is compared: a run and a step for each side, and the kind."""
    team, user = team_to_change(request), cast(User, request.user)
    offered = [_side(request, team, name) for name in SIDES]
    kind, kinds = _kind(request, offered)
    sources = [_source(side, kind) for side in offered]
    first, second = sources
    shared = pairs.shared_positions(first, second) if first and second else None
    form = PairForm(user, team, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if first is None or second is None:
            form.add_error(None, "Choose a run and a step for each side first.")
        else:
            try:
                queue = pairs.create(first, second, form.plan(), user)
            except UserError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"The queue has {queue.items.count():,} pairs.")
                return redirect("review:queue_detail", queue.pk)
    context = {
        "nav": "review",
        "team": team,
        "sides": offered,
        "runs": _runs(request, team),
        "kind": kind,
        "kinds": [(name, KIND_LABELS[name]) for name in kinds],
        "shared": shared,
        "form": form,
    }
    return render(request, "review/pairs_new.html", context, status=422 if form.errors else 200)


@require_safe
def pairs_result(request: HttpRequest, queue_id: int) -> HttpResponse:
    """What came of a blind A/B, as far as it goes."""
    queue = access.get_queue_or_404(request.user, queue_id)
    if queue.kind != ItemKind.PAIR:
        return redirect("review:queue_detail", queue.pk)
    user = cast(User, request.user)
    context: dict[str, Any] = {
        "nav": "review",
        "queue": queue,
        "progress": progress.of_queues([queue], user)[queue.pk],
        "is_hidden": access.is_blind_in(user, queue),
    }
    if not context["is_hidden"]:
        if request.method == "GET":
            note_seen(access.seen_reviews(user, queue), user)
        context |= _result(user, queue)
    return render(request, "review/pairs_result.html", context)


def _result(user: User, queue: ReviewQueue) -> dict[str, Any]:
    reviews = list(access.seen_reviews(user, queue).order_by("item__number", "id"))
    found = pairs.result_of(reviews)
    names = pairs.names_of(queue)
    return {
        "found": found,
        "names": names,
        "sources": [queue.source["first"], queue.source["second"]],
        "words": pairs.in_words(found, names),
        "bias_words": pairs.bias_in_words(found),
        "lines": _lines(reviews, names),
        "reasons": _reasons(reviews),
    }


def _lines(reviews: list[Review], names: tuple[str, str]) -> list[tuple[Any, list[tuple[Review, str]]]]:
    """By item, who chose what."""
    words = {"a": names[0], "b": names[1], "tie": "tie", "both_bad": "both bad"}
    by_item: dict[int, list[tuple[Review, str]]] = {}
    items = {}
    for review in reviews:
        items[review.item_id] = review.item
        by_item.setdefault(review.item_id, []).append((review, words.get(review.answers.get(QUESTION, ""), "–")))
    return [(items[key], said) for key, said in by_item.items()]


def _reasons(reviews: list[Review]) -> list[tuple[str, int, int]]:
    """Each reason with how often it was given for the first and for the second; a set may ask for reasons as a text,
    which is not counted."""
    counts: dict[str, list[int]] = {}
    for review in reviews:
        place = {"a": 0, "b": 1}.get(review.answers.get(QUESTION, ""))
        given = review.answers.get("reasons")
        for reason in given if place is not None and isinstance(given, list) else []:
            counts.setdefault(str(reason), [0, 0])[place or 0] += 1
    rows = [(name.replace("_", " "), pair[0], pair[1]) for name, pair in counts.items()]
    return sorted(rows, key=lambda row: -row[1] - row[2])


def _runs(request: HttpRequest, team: Team) -> list[tuple[int, str]]:
    """Runs of the team that have responses, newest first."""
    runs = access.runs_for(request.user).filter(experiment__team=team, shards__isnull=False).distinct()
    rows = runs.order_by("-id").values_list("pk", "name", "experiment__name")[:MOST_RUNS]
    return [(pk, f"{name} ({experiment}, #{pk})") for pk, name, experiment in rows]


def _side(request: HttpRequest, team: Team, name: str) -> dict[str, Any]:
    """What the address chooses for one side, and what there is to choose from."""
    key, step = number_asked(request, f"run_{name}"), number_asked(request, f"step_{name}")
    run = access.runs_for(request.user).filter(experiment__team=team, pk=key).first() if key is not None else None
    kinds = _steps(run) if run else {}
    return {"name": name, "run": run, "step": step, "by_kind": kinds}


def _steps(run: Run) -> dict[str, list[int]]:
    """Steps with groups of responses, by their kind, newest first (1 query)."""
    found: dict[str, list[int]] = {}
    rows = ResponseGroup.objects.filter(run_id=run.pk).values_list("kind", "step").distinct().order_by("-step")
    for kind, step in rows:
        found.setdefault(kind, []).append(step)
    return found


def _kind(request: HttpRequest, offered: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """The kind that the address asks for, else the first that both have; and all that some have."""
    kinds = [kind for kind in KIND_ORDER if any(kind in side["by_kind"] for side in offered)]
    both = [kind for kind in kinds if all(kind in side["by_kind"] for side in offered)]
    asked = request.GET.get("kind", "")
    kind = asked if asked in kinds else next(iter([*both, *kinds]), KIND_ORDER[0])
    for side in offered:
        side["steps"] = side["by_kind"].get(kind, [])
        if side["step"] not in side["steps"]:
            side["step"] = side["steps"][0] if side["steps"] else None
    return kind, kinds


def _source(side: dict[str, Any], kind: str) -> Source | None:
    return None if side["run"] is None or side["step"] is None else Source(side["run"], side["step"], kind)
