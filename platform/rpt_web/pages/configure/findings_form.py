"""What the forms that submit have in common: a priority, and what pre-flight has against what was typed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS

from rpt_core.errors import UserError
from rpt_core.words import counted
from rpt_web.runs import places
from rpt_web.runs.findings import Finding, HeldBack
from rpt_web.runs.models import Priority
from rpt_web.runs.preflight import TooManyChecks


@contextmanager
def refusals_of_form() -> Iterator[None]:
    """What a check refuses stands on the field that is cleaned."""
    try:
        yield
    except UserError as error:
        raise forms.ValidationError(str(error)) from None


class FindingsForm(forms.Form):
    """A form whose submit pre-flight may keep back."""

    priority = forms.ChoiceField(
        label="Priority",
        choices=Priority.choices,
        initial=Priority.NORMAL.value,
        required=False,
        help_text="Workers take the queued run of the highest priority first.",
        error_messages={"invalid_choice": "A priority is low, normal or high."},
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    def __init__(self, *arguments: Any, may_raise: bool = False, **more: Any) -> None:
        """may_raise: whether who submits may give a high priority."""
        super().__init__(*arguments, **more)
        self.may_raise = may_raise
        if not may_raise:
            shown = [(value, label) for value, label in Priority.choices if value != Priority.HIGH]
            self.fields["priority"].widget.choices = shown
        self.asked: list[Finding] = []
        """What may be submitted all the same."""
        self.is_busy = False
        """Whether too many other checks ran."""

    def clean_priority(self) -> Priority:
        """The priority, if who submits may give it."""
        priority = Priority(int(self.cleaned_data["priority"] or Priority.NORMAL))
        with refusals_of_form():
            places.refuse_high(priority, may_raise=self.may_raise)
        return priority

    def marked(self) -> int:
        """How many fields are wrong."""
        return sum(name != NON_FIELD_ERRORS for name in self.errors)

    def add_findings(self, found: HeldBack) -> None:
        """Put what is red among the form's errors, and keep what asks."""
        for finding in found.findings:
            if finding.level == "warning":
                self.asked.append(finding)
            else:
                self.add_problem(finding.field, finding.message, finding.runs)

    def add_busy(
        self, busy: TooManyChecks, words: str = "It was not submitted, because it could not be checked."
    ) -> None:
        """Say that nothing was looked at; what was typed stays."""
        self.is_busy = True
        self.add_error(None, f"{words} {busy}")

    def add_problem(self, name: str, words: str, runs: Sequence[str] = ()) -> None:
        """Put a message on the form, with the config's field and the runs of a plan that it is about."""
        about = f"{counted(len(runs), 'run')} ({', '.join(runs)}): " if runs else ""
        self.add_error(None, f"{about}{f'`{name}`: ' if name else ''}{words}")
