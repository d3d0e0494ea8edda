"""Forms of corpora: what is known of one, and which fields of its records hold what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from rpt_core.config import FieldMapping

CONTROL = {"class": "form-control", "autocomplete": "off"}
ROLES = {
    "text": ("Text", "The whole text. Leave it out when problem and solution are separate."),
    "problem": ("Problem", "The statement, or chat messages of which the user's last turn counts."),
    "solution": ("Solution", "The worked solution, or the assistant's last turn."),
    "id": ("Name of the document", "Without it, a hash of its text is its name."),
    "answer": ("Answer", ""),
    "domain": ("Domain", ""),
    "difficulty": ("Difficulty", ""),
}
"""What a field of a record can hold, as `FieldMapping` has it."""
assert list(ROLES) == list(FieldMapping.model_fields)


class CorpusForm(forms.Form):
    """What is known of a corpus."""

    name = forms.CharField(label="Name", max_length=200, widget=forms.TextInput(attrs=CONTROL))
    licence = forms.CharField(
        label="Licence",
        required=False,
        max_length=200,
        help_text="Licence of the texts, such as `CC BY 4.0`.",
        widget=forms.TextInput(attrs=CONTROL),
    )
    source = forms.CharField(
        label="Source",
        required=False,
        max_length=200,
        help_text="Where its texts come from.",
        widget=forms.TextInput(attrs=CONTROL),
    )
    notes = forms.CharField(
        label="Notes", required=False, widget=forms.Textarea(attrs={"class": "form-control", "rows": 3})
    )


class PathForm(forms.Form):
    """Where the files of a version are."""

    path = forms.CharField(
        label="Path on the server, or address",
        required=False,
        max_length=1000,
        help_text="A file or folder below one that runs may read, or an address that an administrator allows, such as "
        "`s3://texts/sums`. Leave it empty to upload files from your computer.",
        widget=forms.TextInput(attrs={**CONTROL, "spellcheck": "false"}),
    )


class NewCorpusForm(PathForm, CorpusForm):
    """A corpus with its first version."""

    field_order = ("name", "licence", "source", "notes", "path")


class MappingForm(forms.Form):
    """A list of the records' fields for each role."""

    def __init__(
        self, names: Sequence[str], data: Mapping[str, Any] | None = None, *, initial: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        for role, (label, words) in ROLES.items():
            chosen = [name for name in [(initial or {}).get(role)] if name and name not in names]
            self.fields[role] = forms.ChoiceField(
                label=label,
                required=False,
                help_text=words,
                choices=[("", "–"), *((name, name) for name in (*names, *chosen))],
                widget=forms.Select(attrs={"class": "form-select"}),
            )

    def mapping(self) -> dict[str, str | None]:
        """What was chosen; a role without a field is None."""
        return {role: self.cleaned_data.get(role) or None for role in ROLES}
