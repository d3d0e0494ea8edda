"""Forms about people, in the style of the pages: logging in, inviting and joining, passwords, tokens."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.contrib.auth.forms import AuthenticationForm

from rpt_core.errors import UserError
from rpt_web.characters import unfit_for_a_name
from rpt_web.teams import membership, throttle
from rpt_web.teams.adapters import SWITCHED_OFF
from rpt_web.teams.models import Role, Scope, Team, User

LONGEST_DAYS = 365
"""Of a token and of an invitation."""


class LoginForm(AuthenticationForm):
    """User name and password; one message for a wrong pair, which does not tell which of the two was wrong."""

    error_messages = {
        "invalid_login": "User name and password do not match. Both are case-sensitive.",
        "too_many": "There have been too many attempts. Wait a quarter of an hour, or ask an administrator for a link.",
        "inactive": SWITCHED_OFF,
    }
    username = forms.CharField(
        label="User name",
        widget=forms.TextInput(
            attrs={"class": "form-control", "autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        ),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "form-control", "autocomplete": "current-password"}),
    )

    def clean(self) -> dict[str, Any]:
        """The password is looked at only while there have not been too many attempts."""
        username, address = self.cleaned_data.get("username", ""), self._address()
        if not throttle.may_try(username, address):
            raise forms.ValidationError(self.error_messages["too_many"], code="too_many")
        cleaned = super().clean()
        throttle.forget(username, address)
        return cleaned

    def _address(self) -> str:
        return str(self.request.META.get("REMOTE_ADDR", ""))[:64] if self.request else ""


def _text(**more: str) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"} | more)


def _password(autocomplete: str) -> forms.PasswordInput:
    return forms.PasswordInput(attrs={"class": "form-control", "autocomplete": autocomplete})


def _select() -> forms.Select:
    return forms.Select(attrs={"class": "form-select"})


class _Days(forms.IntegerField):
    """Days until something expires."""

    def __init__(self, most: int, **more: Any) -> None:
        widget = forms.NumberInput(attrs={"class": "form-control", "min": 1, "max": most})
        words = f"Give a whole number from 1 to {most}."
        super().__init__(
            label="Days until it expires",
            min_value=1,
            max_value=most,
            widget=widget,
            error_messages=dict.fromkeys(("invalid", "min_value", "max_value", "required"), words),
            **more,
        )


class TeamNameForm(forms.Form):
    """What a team is called."""

    name = forms.CharField(label="Name of the team", max_length=100, widget=_text())

    def clean_name(self) -> str:
        """Printable."""
        try:
            return membership.checked_name(self.cleaned_data["name"])
        except UserError as error:
            raise forms.ValidationError(str(error)) from None


class QuotaForm(forms.Form):
    """What a team may take on the disk."""

    gigabytes = forms.FloatField(
        label="Quota in GB",
        required=False,
        help_text="Uploads and new runs beyond it are refused. Empty for no limit.",
        widget=_text(inputmode="decimal"),
    )


class RuleForm(forms.Form):
    """How long a team keeps old checkpoints."""

    days = forms.IntegerField(
        label="Days after a run has ended",
        required=False,
        help_text="Empty for no rule: everything is kept.",
        widget=_text(inputmode="numeric"),
    )


class InvitationForm(forms.Form):
    """Whom to let in, as what."""

    role = forms.ChoiceField(label="Role", choices=Role.choices, initial=Role.MEMBER, widget=_select())
    note = forms.CharField(
        label="For whom",
        max_length=100,
        required=False,
        widget=_text(),
        help_text="Only so that you know it again in the list below.",
    )
    days = _Days(30, initial=7)

    def clean_note(self) -> str:
        """Printable, too."""
        return printable(self.cleaned_data["note"])


class RoleForm(forms.Form):
    """What somebody may do in the team."""

    role = forms.ChoiceField(label="Role", choices=Role.choices, widget=_select())


class TransferForm(forms.Form):
    """Who gets what somebody owned."""

    to = forms.ModelChoiceField(User.objects.none(), label="Give it to", empty_label=None, widget=_select())

    def __init__(self, team: Team, giver: User, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        may_own = User.objects.filter(
            memberships__team=team, memberships__role__in=(Role.MEMBER, Role.ADMINISTRATOR), is_active=True
        )
        people = self.fields["to"]
        assert isinstance(people, forms.ModelChoiceField)
        people.queryset = may_own.exclude(pk=giver.pk).order_by("username")


class NewPasswordForm(forms.Form):
    """A password, twice."""

    new_password = forms.CharField(
        label="New password",
        strip=False,
        widget=_password("new-password"),
        help_text="At least 8 characters; not a common one, and not only digits.",
    )
    again = forms.CharField(label="The same again", strip=False, widget=_password("new-password"))

    def __init__(self, user: User, *args: Any, **more: Any) -> None:
        self.user = user
        super().__init__(*args, **more)

    def clean(self) -> dict[str, Any]:
        """Both are the same, and good enough."""
        cleaned = super().clean() or {}
        first, second = cleaned.get("new_password"), cleaned.get("again")
        if first and second and first != second:
            self.add_error("again", "The two passwords are not the same.")
        elif first:
            try:
                password_validation.validate_password(first, self.user)
            except forms.ValidationError as error:
                self.add_error("new_password", error)
        return cleaned


class ChangePasswordForm(NewPasswordForm):
    """The same for somebody who knows the one they have."""

    old_password = forms.CharField(label="Password now", strip=False, widget=_password("current-password"))
    field_order = ("old_password", "new_password", "again")

    def clean_old_password(self) -> str:
        """It is the one; tries are limited as those to log in are."""
        address = ""
        if not throttle.may_try(self.user.username, address):
            raise forms.ValidationError(LoginForm.error_messages["too_many"])
        if not self.user.check_password(self.cleaned_data["old_password"]):
            raise forms.ValidationError("This is not your password.")
        throttle.forget(self.user.username, address)
        return str(self.cleaned_data["old_password"])


class NewUserForm(forms.Form):
    """Who somebody new is, apart from a password."""

    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=_text(autocomplete="username", autocapitalize="none"),
        help_text="Letters, digits and `@.+-_`. Others see it beside what you do.",
    )
    email = forms.EmailField(
        label="E-mail address",
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"class": "form-control", "autocomplete": "email"}),
        help_text="Not needed. If you forget your password, a link to set another one can be sent there.",
    )

    def clean_username(self) -> str:
        """Free, and of the characters that a user name may have, once it is in the form in which it is stored."""
        name = str(User.normalize_username(self.cleaned_data["username"]))
        field = User._meta.get_field("username")
        field.run_validators(name)
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError("Somebody has this user name already. Choose another one.")
        return name


class JoinForm(NewUserForm, NewPasswordForm):
    """An account for somebody who was invited."""

    field_order = ("username", "email", "new_password", "again")


class AddressForm(forms.Form):
    """Where e-mail goes to."""

    email = forms.EmailField(
        label="E-mail address",
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"class": "form-control", "autocomplete": "email"}),
        help_text="Alarms go there, and a link to set another password. You confirm a change with your password.",
    )


class TokenForm(forms.Form):
    """A token for the API."""

    name = forms.CharField(label="What it is for", max_length=100, widget=_text())
    scope = forms.ChoiceField(label="Scope", choices=Scope.choices, initial=Scope.WRITE, widget=_select())
    days = _Days(LONGEST_DAYS, initial=90)

    def clean_name(self) -> str:
        """Printable."""
        return printable(self.cleaned_data["name"])


def printable(text: str) -> str:
    """The text without blanks around it. A ValidationError for what cannot be shown."""
    text = text.strip()
    if (character := unfit_for_a_name(text)) is not None:
        raise forms.ValidationError(f"It holds {character}. Remove that.")
    return text
