"""The only way for pages and the API to reach an object, so that there is one place to say who may see and change what.

What belongs to a team is seen by those who are in it, and by those of a team that it is shared with; they, as viewers,
change nothing. A member submits there, and cancels, retries and deletes what they have submitted themselves; an
administrator of the team, all. A server administrator (a superuser) is an administrator of every team.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar, cast
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404

from rpt_web.corpora.models import Corpus, CorpusVersion, RegisteredModel, Upload, Wording
from rpt_web.jobs.models import Job
from rpt_web.notices.models import Notice
from rpt_web.runs.models import Experiment, OwnPlan, Run
from rpt_web.teams import sharing
from rpt_web.teams.models import (
    CHANGING,
    ApiToken,
    Browser,
    Identity,
    Invitation,
    Membership,
    Role,
    Scope,
    Share,
    Team,
    User,
)
from rpt_web.traces.models import Rollout

Actor = User | AnonymousUser
Row = TypeVar("Row", bound=Model)
Shareable = Experiment | Corpus | RegisteredModel | Wording
VIEWER = "Viewers cannot change anything. Ask an administrator to make you a member."
OF_JOBS = "Only who has started a job sees it, and it is forgotten some weeks after its end."
SHARED = "It belongs to another team, which shares it read-only. Ask that team to change it."
LIMITED = "This token has the scope {}, which is not enough. Make one with a wider scope on the page of your account."


def roles_of(user: Actor) -> dict[Team, Role]:
    """The teams that the user may see things of, by name, each with the role in it."""
    return user.roles if isinstance(user, User) and user.is_active else {}


def role_in(user: Actor, team_id: int) -> Role | None:
    """The user's role in a team; None for a team that they are not in."""
    return user.role_in(team_id) if isinstance(user, User) and user.is_active else None


def teams_to_change(user: Actor) -> list[Team]:
    """The teams in which the user may submit, by name."""
    return [team for team, role in roles_of(user).items() if role in CHANGING]


def can_change(user: Actor, team_id: int) -> bool:
    """Whether the user may submit in this team, and cancel and retry what is theirs."""
    return role_in(user, team_id) in CHANGING


def require_change(user: Actor, team_id: int) -> None:
    """Raises PermissionDenied unless the user may change things of this team."""
    if not can_change(user, team_id):
        raise _refusal(user, SHARED if role_in(user, team_id) is None else VIEWER)


def require_change_somewhere(user: Actor) -> None:
    """Raises PermissionDenied for somebody who is no more than a viewer in any team."""
    if not teams_to_change(user):
        raise _refusal(user, VIEWER)


def can_administer(user: Actor, team_id: int) -> bool:
    """Whether the user decides who is in this team."""
    return role_in(user, team_id) == Role.ADMINISTRATOR


def can_steer(user: Actor, thing: Run | Experiment) -> bool:
    """Whether the user may cancel, retry, archive and delete this run, or archive this experiment."""
    role = role_in(user, thing.experiment.team_id if isinstance(thing, Run) else thing.team_id)
    return role == Role.ADMINISTRATOR or (role == Role.MEMBER and thing.created_by_id == user.pk)


def runs_to_steer(user: Actor) -> QuerySet[Run]:
    """The runs that the user may cancel, retry, archive, delete and move in the queue."""
    if isinstance(user, User) and user.is_superuser and user.is_active:
        return Run.objects.all()
    roles = roles_of(user)
    headed = [team for team, role in roles.items() if role == Role.ADMINISTRATOR]
    own = Q(experiment__team__in=[team for team, role in roles.items() if role == Role.MEMBER], created_by=user.pk)
    return Run.objects.filter(Q(experiment__team__in=headed) | own)


def steered_by(user: User, experiment: Experiment) -> User | None:
    """Whose runs of the experiment the user may cancel and retry; None for everybody's."""
    return None if can_administer(user, experiment.team_id) else user


def experiments_for(user: Actor) -> QuerySet[Experiment]:
    """Experiments the user may see."""
    if isinstance(user, User) and user.is_superuser and user.is_active:
        return Experiment.objects.select_related("team")
    return Experiment.objects.select_related("team").filter(_seen(user, "experiment"))


def experiments_to_change(user: Actor) -> QuerySet[Experiment]:
    """Experiments the user may submit to."""
    return experiments_for(user).filter(team__in=teams_to_change(user), archived_at=None)


def runs_for(user: Actor) -> QuerySet[Run]:
    """Runs the user may see, each with its experiment."""
    return Run.objects.filter(experiment__in=experiments_for(user)).select_related("experiment", "created_by")


def those_who_see(run_id: int, user_ids: Collection[int]) -> set[int]:
    """Those of the users, by their ids, who may see a run (1 query)."""
    of_team = Q(memberships__team__experiments__runs=run_id)
    of_share = Q(memberships__team__received__experiment__runs=run_id)
    people = User.objects.filter(of_team | of_share | Q(is_superuser=True), is_active=True, pk__in=user_ids)
    return set(people.values_list("pk", flat=True))


def rollouts_for(user: Actor, run: Run) -> QuerySet[Rollout]:
    """Rollouts of one run; always of one run, so that only its partition is read."""
    rows = Rollout.objects.filter(run_id=run.pk)
    return rows if runs_for(user).filter(pk=run.pk).exists() else rows.none()


def jobs_for(user: Actor) -> QuerySet[Job]:
    """Jobs of the quick lane that the user may see and cancel: their own; an administrator, all."""
    if not isinstance(user, User) or not user.is_active:
        return Job.objects.none()
    return Job.objects.all() if user.is_superuser else Job.objects.filter(created_by=user)


def get_job_or_404(user: Actor, job_id: int) -> Job:
    """A job that the user may see and cancel. Raises Http404."""
    return _found(jobs_for(user).filter(pk=job_id), "job", job_id, OF_JOBS)


def notices_for(user: Actor) -> QuerySet[Notice]:
    """The user's inbox, newest first: what is about something that they may still see."""
    seen = experiments_for(user)
    about = Q(run=None, experiment=None) | Q(run__experiment__in=seen) | Q(experiment__in=seen)
    return Notice.objects.filter(about, user=user.pk or 0).order_by("-id")


def get_notice_or_404(user: Actor, notice_id: int) -> Notice:
    """A notice in the user's inbox. Raises Http404."""
    return _found(notices_for(user).filter(pk=notice_id), "notice", notice_id, "The inbox shows them.")


def models_for(user: Actor) -> QuerySet[RegisteredModel]:
    """Registered models of the teams that the user is in, newest first."""
    found = RegisteredModel.objects.select_related("created_by", "job", "team").order_by("-id")
    return found.filter(_seen(user, "model"))


def get_model_or_404(user: Actor, model_id: int, *, to_change: bool = False) -> RegisteredModel:
    """A registered model that the user may see. Raises Http404, or PermissionDenied when it is to be changed."""
    model = _found(models_for(user).filter(pk=model_id), "model", model_id)
    if to_change:
        require_change(user, model.team_id)
    return model


def wordings_for(user: Actor) -> QuerySet[Wording]:
    """Prompt templates and pattern lists of the teams that the user is in, by name."""
    found = Wording.objects.select_related("created_by", "team").order_by("name", "id")
    return found.filter(_seen(user, "wording"))


def get_wording_or_404(user: Actor, wording_id: int, *, to_change: bool = False) -> Wording:
    """One that the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    wording = _found(wordings_for(user).filter(pk=wording_id), "wording", wording_id)
    if to_change:
        require_change(user, wording.team_id)
    return wording


def plans_for(user: Actor) -> QuerySet[OwnPlan]:
    """Plans that the teams that the user is in have saved, by name."""
    teams = list(roles_of(user))
    return OwnPlan.objects.filter(team__in=teams).select_related("created_by", "team").order_by("name", "id")


def get_plan_or_404(user: Actor, plan_id: int, *, to_change: bool = False) -> OwnPlan:
    """One that the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    plan = _found(plans_for(user).filter(pk=plan_id), "plan", plan_id)
    if to_change:
        require_change(user, plan.team_id)
    return plan


def get_team_or_404(user: Actor, team_id: int, *, to_change: bool = False, to_administer: bool = False) -> Team:
    """A team the user is in. Raises Http404, or PermissionDenied when the role there is not enough."""
    team = next((team for team in roles_of(user) if team.pk == team_id), None)
    if team is None:
        raise _missing("team", team_id, "The list of teams shows them.")
    if to_change:
        require_change(user, team.pk)
    if to_administer and not can_administer(user, team.pk):
        raise _refusal(user, "Only an administrator of the team decides who is in it. Ask one of them.")
    return team


def corpora_for(user: Actor) -> QuerySet[Corpus]:
    """Corpora the user may see."""
    corpora = Corpus.objects.select_related("created_by", "team")
    if isinstance(user, User) and user.is_superuser and user.is_active:
        return corpora
    return corpora.filter(_seen(user, "corpus"))


def can_edit_corpus(user: Actor, corpus: Corpus) -> bool:
    """Whether the user may give this corpus versions and files, and describe it."""
    role = role_in(user, corpus.team_id)
    return role == Role.ADMINISTRATOR or (role == Role.MEMBER and corpus.created_by_id == user.pk)


def get_corpus_or_404(user: Actor, corpus_id: int, *, to_change: bool = False) -> Corpus:
    """A corpus the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    corpus = _found(corpora_for(user).filter(pk=corpus_id), "corpus", corpus_id)
    if to_change:
        _require_corpus(user, corpus)
    return corpus


def get_version_or_404(user: Actor, corpus_id: int, number: int, *, to_change: bool = False) -> CorpusVersion:
    """A version of a corpus by its number. Raises as `get_corpus_or_404`."""
    versions = CorpusVersion.objects.filter(corpus__in=corpora_for(user), corpus_id=corpus_id, number=number)
    return _version(user, versions, number, to_change)


def get_version_by_id_or_404(user: Actor, version_id: int, *, to_change: bool = False) -> CorpusVersion:
    """A version by its own id. Raises as `get_corpus_or_404`."""
    versions = CorpusVersion.objects.filter(corpus__in=corpora_for(user), pk=version_id)
    return _version(user, versions, version_id, to_change)


def get_upload_or_404(user: Actor, upload_id: UUID) -> Upload:
    """An upload that the user may continue: whoever may change its corpus. Raises as `get_corpus_or_404`."""
    uploads = Upload.objects.filter(pk=upload_id, version__corpus__in=corpora_for(user))
    upload = uploads.select_related("version__corpus", "version__job").first()
    if upload is None:
        raise Http404("There is no such upload: it has ended long ago, or was removed. Start it over.")
    _require_corpus(user, upload.version.corpus)
    return upload


def get_person_or_404(user: Actor, team: Team, person_id: int, *, to_manage: bool = False) -> Membership:
    """Somebody of a team that the user administers. Raises Http404, or PermissionDenied.

    `to_manage` asks for their account, which is more than their place in this team.
    """
    rows = team.memberships.select_related("user").filter(user=person_id)
    found = _found(rows, "person", person_id, "The team's page shows who is in it.")
    if to_manage and not can_manage(user, found.user):
        raise PermissionDenied(
            f"{found.user} is in a team that you do not administer, or administers the server. Ask a server "
            "administrator."
        )
    return found


def get_invitation_or_404(team: Team, invitation_id: int) -> Invitation:
    """An open invitation to a team that the user administers. Raises Http404."""
    return _found(Invitation.open_ones().filter(team=team, pk=invitation_id), "invitation", invitation_id)


def get_token_or_404(user: Actor, token_id: int) -> ApiToken:
    """One of the user's own tokens. Raises Http404."""
    return _found(ApiToken.objects.filter(user=user.pk or 0, pk=token_id), "token", token_id)


def get_identity_or_404(user: Actor, identity_id: int) -> Identity:
    """One of the user's own identities elsewhere. Raises Http404."""
    found: Identity = _found(Identity.objects.filter(user=user.pk or 0, pk=identity_id), "identity", identity_id)
    return found


def get_browser_or_404(user: Actor, browser_id: int) -> Browser:
    """One of the browsers in which the user has logged in. Raises Http404."""
    return _found(Browser.objects.filter(user=user.pk or 0, pk=browser_id), "browser", browser_id)


def is_server_administrator(user: Actor) -> bool:
    """Whether the user makes teams and decides about the machines."""
    return isinstance(user, User) and user.is_active and user.is_superuser and user.scope == Scope.ADMIN


def require_server_administrator(user: Actor) -> None:
    """Raises PermissionDenied for everybody else."""
    if not is_server_administrator(user):
        raise PermissionDenied("Only a server administrator does this.")


def can_manage(user: Actor, person: User) -> bool:
    """Whether the user decides about somebody's account: who administers every team that the person is in."""
    if not isinstance(user, User) or not user.is_active or user.pk == person.pk:
        return False
    if is_server_administrator(user):
        return True
    teams = set(person.memberships.values_list("team", flat=True))
    return not person.is_superuser and bool(teams) and all(can_administer(user, team) for team in teams)


def get_experiment_or_404(user: Actor, pk: int, *, to_change: bool = False, to_steer: bool = False) -> Experiment:
    """An experiment the user may see. Raises Http404, or PermissionDenied for who may not change it, or steer it."""
    experiment = _found(experiments_for(user).filter(pk=pk), "experiment", pk)
    if to_change or to_steer:
        require_change(user, experiment.team_id)
    if to_steer:
        _require_own(user, experiment, "Members archive and delete only their own experiments, and {} was made by {}.")
    return experiment


def get_run_or_404(user: Actor, run_id: int, *, to_change: bool = False) -> Run:
    """A run the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    run = _found(runs_for(user).filter(pk=run_id), "run", run_id)
    if to_change:
        require_change(user, run.experiment.team_id)
        _require_own(user, run, "Members can cancel, retry and delete only their own runs, and {} was submitted by {}.")
    return run


def shared_by(user: Actor, thing: Shareable) -> Team | None:
    """The team that shares something with the user; None for what is of a team that they are in."""
    return thing.team if role_in(user, thing.team_id) is None else None


def get_to_share_or_404(user: Actor, kind: str, pk: int) -> Shareable:
    """Something that the user may share with other teams. Raises Http404, or PermissionDenied."""
    if kind not in sharing.KINDS:
        raise Http404(f"A {kind!r} cannot be shared. What can be: {', '.join(sharing.KINDS)}.")
    thing = cast(Shareable, get_thing_or_404(user, "registeredmodel" if kind == "model" else kind, pk))
    if not can_administer(user, thing.team_id):
        raise _refusal(user, "Only an administrator of the team that it belongs to shares it. Ask one of them.")
    return thing


def get_share_or_404(user: Actor, share_id: int) -> Share:
    """A share that the user may withdraw: of a team that they administer. Raises Http404."""
    teams = [team for team in roles_of(user) if can_administer(user, team.pk)]
    return _found(Share.objects.select_related("shared_with").filter(team__in=teams, pk=share_id), "share", share_id)


def get_thing_or_404(user: Actor, kind: str, pk: int) -> Model:
    """Something that has an audit trail of its own, by the name of its model. Raises Http404."""
    found: dict[str, QuerySet[Any]] = {
        "corpus": corpora_for(user),
        "experiment": experiments_for(user),
        "registeredmodel": models_for(user),
        "run": runs_for(user),
        "wording": wordings_for(user),
    }
    if kind not in found:
        raise Http404(f"There is no trail of a {kind!r}. There are those of: {', '.join(found)}.")
    rows = found[kind].filter(pk=pk)
    return cast(Model, _found(rows, str(rows.model._meta.verbose_name), pk))


def get_rollouts_or_404(user: Actor, run_id: int) -> tuple[Run, QuerySet[Rollout]]:
    """A run that the user may see and its rollouts, by one look at who may. Raises Http404."""
    run = get_run_or_404(user, run_id)
    return run, Rollout.objects.filter(run_id=run.pk)


def get_rollout_or_404(user: Actor, run_id: int, rollout_id: int) -> tuple[Run, Rollout]:
    """One rollout with its run. Raises Http404."""
    run = get_run_or_404(user, run_id)
    return run, _found(Rollout.objects.filter(run_id=run.pk, id=rollout_id), "rollout", rollout_id)


def _seen(user: Actor, kind: str) -> Q:
    """Of a kind: what is the user's teams', or shared with them."""
    teams = list(roles_of(user))
    return Q(team__in=teams) | Q(pk__in=sharing.received(teams, kind))


def _version(user: Actor, rows: QuerySet[CorpusVersion], key: int, to_change: bool) -> CorpusVersion:
    version = _found(rows.select_related("corpus__created_by", "job"), "version", key)
    if to_change:
        _require_corpus(user, version.corpus)
    return version


def _require_corpus(user: Actor, corpus: Corpus) -> None:
    require_change(user, corpus.team_id)
    if not can_edit_corpus(user, corpus):
        raise _refusal(
            user,
            f"Members change only their own corpora, and {corpus.name!r} belongs to "
            f"{corpus.created_by or 'a program'}. Ask them or an administrator of the team.",
        )


def _require_own(user: Actor, thing: Run | Experiment, words: str) -> None:
    if not can_steer(user, thing):
        told = words.format(repr(thing.name), thing.created_by or "a program")
        raise _refusal(user, f"{told} Ask them or an administrator.")


def _refusal(user: Actor, words: str) -> PermissionDenied:
    """The words; of a token that may do less than its user, that it is to blame."""
    if isinstance(user, User) and user.roles != user.own_roles:
        words = LIMITED.format(user.scope)
    return PermissionDenied(words)


def _found(rows: QuerySet[Row], noun: str, key: int, where: str = "") -> Row:
    found = rows.first()
    if found is None:
        raise _missing(noun, key, where or f"The list of {rows.model._meta.verbose_name_plural} shows them.")
    return found


def _missing(noun: str, key: int, where: str) -> Http404:
    return Http404(f"There is no {noun} {key} among those that you may see. {where}")
