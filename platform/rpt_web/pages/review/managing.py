"""What is done with a queue as a whole: items of somebody are given to others, and a queue is deleted."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from rpt_core.errors import UserError
from rpt_core.words import counted
from rpt_web import access
from rpt_web.review import managing
from rpt_web.review.models import ReviewQueue
from rpt_web.review.queues import reviewers_of
from rpt_web.teams.models import User


class ReassignForm(forms.Form):
    """Whose open items, and who takes them."""

    leaver = forms.ChoiceField(label="Items of", widget=forms.Select(attrs={"class": "form-select"}))
    takers = forms.MultipleChoiceField(
        label="Go to",
        help_text="Several people take them in turn. Whoever has an item already is passed over for it.",
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )

    def __init__(self, queue: ReviewQueue, data: Any = None) -> None:
        super().__init__(data)
        holders = sorted(managing.with_open_items(queue), key=lambda holder: holder[2])  # who left stands first
        self.holders = {str(person.pk): person for person, _, _ in holders}
        self.people = {str(person.pk): person for person in reviewers_of(queue.team)}
        cast(forms.ChoiceField, self.fields["leaver"]).choices = [
            (str(person.pk), _words(person, count, is_able)) for person, count, is_able in holders
        ]
        cast(forms.MultipleChoiceField, self.fields["takers"]).choices = [
            (key, person.username) for key, person in self.people.items()
        ]


def _words(person: User, count: int, is_able: bool) -> str:
    return f"{person.username}: {counted(count, 'open item')}{'' if is_able else ', reviews for the team no more'}"


@require_http_methods(["GET", "HEAD", "POST"])
def queue_reassign(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Give what somebody has yet to submit to others."""
    queue = access.get_queue_or_404(request.user, queue_id, to_manage=True)
    form = ReassignForm(queue, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        leaver = form.holders[form.cleaned_data["leaver"]]
        takers = [form.people[key] for key in form.cleaned_data["takers"]]
        try:
            number = managing.reassign(queue, leaver, takers, cast(User, request.user))
        except UserError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{counted(number, 'item')} of {leaver.username} went to others.")
            return redirect("review:queue_detail", queue.pk)
    context = {"nav": "review", "queue": queue, "form": form}
    return render(request, "review/queue_reassign.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def queue_delete(request: HttpRequest, queue_id: int) -> HttpResponse:
    """What would go with a queue; a POST deletes it."""
    queue, user = access.get_queue_or_404(request.user, queue_id, to_manage=True), cast(User, request.user)
    may_all, error = access.can_administer(user, queue.team_id), ""
    if request.method == "POST":
        try:
            managing.delete(queue, user, is_administrator=may_all)
        except UserError as refused:
            error = str(refused)
        else:
            messages.success(request, f"The queue “{queue.name}” is deleted. The audit trail keeps that it was.")
            return redirect("review:inbox")
    context = {
        "nav": "review",
        "queue": queue,
        "hanging": managing.hanging_on(queue, user),
        "refusal": error or managing.why_not_delete(queue, user, is_administrator=may_all),
    }
    return render(request, "review/queue_delete.html", context, status=409 if error else 200)
