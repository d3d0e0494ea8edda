"""The only way for pages and the API to reach an object, so that there is one place to say who may see and change what.

What belongs to a team is seen by those who are in it; viewers change nothing. A member submits there, and cancels and
retries what they have submitted themselves; an administrator of the team cancels and retries all. A server
administrator (a superuser) is an administrator of every team.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404

from rpt_web.corpora.models import Corpus, CorpusVersion, RegisteredModel, Upload, Wording
from rpt_web.jobs.models import Job
from rpt_web.runs.models import Experiment, Run
from rpt_web.teams.models import CHANGING, Role, Team, User
from rpt_web.traces.models import Rollout

Actor = User | AnonymousUser
Row = TypeVar("Row", bound=Model)
VIEWER = "Viewers cannot change anything. Ask an administrator to make you a member."


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
        raise PermissionDenied(VIEWER)


def require_change_somewhere(user: Actor) -> None:
    """Raises PermissionDenied for somebody who is no more than a viewer in any team."""
    if not teams_to_change(user):
        raise PermissionDenied(VIEWER)


def can_administer(user: Actor, team_id: int) -> bool:
    """Whether the user decides who is in this team."""
    return role_in(user, team_id) == Role.ADMINISTRATOR


def can_steer(user: Actor, run: Run) -> bool:
    """Whether the user may cancel and retry this run."""
    role = role_in(user, run.experiment.team_id)
    return role == Role.ADMINISTRATOR or (role == Role.MEMBER and run.created_by_id == user.pk)


def steered_by(user: User, experiment: Experiment) -> User | None:
    """Whose runs of the experiment the user may cancel and retry; None for everybody's."""
    return None if can_administer(user, experiment.team_id) else user


def experiments_for(user: Actor) -> QuerySet[Experiment]:
    """Experiments the user may see."""
    if isinstance(user, User) and user.is_superuser and user.is_active:
        return Experiment.objects.all()
    return Experiment.objects.filter(team__in=list(roles_of(user)))


def experiments_to_change(user: Actor) -> QuerySet[Experiment]:
    """Experiments the user may submit to."""
    return experiments_for(user).filter(team__in=teams_to_change(user))


def runs_for(user: Actor) -> QuerySet[Run]:
    """Runs the user may see, each with its experiment."""
    return Run.objects.filter(experiment__in=experiments_for(user)).select_related("experiment", "created_by")


def those_who_see(run_id: int, user_ids: Collection[int]) -> set[int]:
    """Those of the users, by their ids, who may see a run (1 query)."""
    of_team = Q(memberships__team__experiments__runs=run_id)
    people = User.objects.filter(of_team | Q(is_superuser=True), is_active=True, pk__in=user_ids)
    return set(people.values_list("pk", flat=True))


def rollouts_for(user: Actor, run: Run) -> QuerySet[Rollout]:
    """Rollouts of one run; always of one run, so that only its partition is read."""
    return (
        Rollout.objects.filter(run_id=run.pk) if runs_for(user).filter(pk=run.pk).exists() else Rollout.objects.none()
    )


def jobs_for(user: Actor) -> QuerySet[Job]:
    """Jobs of the quick lane that the user may see and cancel: their own; an administrator, all."""
    if not isinstance(user, User) or not user.is_active:
        return Job.objects.none()
    return Job.objects.all() if user.is_superuser else Job.objects.filter(created_by=user)


def get_job_or_404(user: Actor, job_id: int) -> Job:
    """A job that the user may see and cancel. Raises Http404."""
    return _found(jobs_for(user).filter(pk=job_id), "job", job_id)


def models_for(user: Actor) -> QuerySet[RegisteredModel]:
    """Registered models of the teams that the user is in, newest first."""
    found = RegisteredModel.objects.select_related("created_by", "job").order_by("-id")
    return found.filter(team__in=list(roles_of(user)))


def get_model_or_404(user: Actor, model_id: int, *, to_change: bool = False) -> RegisteredModel:
    """A registered model that the user may see. Raises Http404, or PermissionDenied when it is to be changed."""
    model = _found(models_for(user).filter(pk=model_id), "model", model_id)
    if to_change:
        require_change(user, model.team_id)
    return model


def wordings_for(user: Actor) -> QuerySet[Wording]:
    """Prompt templates and pattern lists of the teams that the user is in, by name."""
    found = Wording.objects.select_related("created_by", "team").prefetch_related("versions").order_by("name", "id")
    return found.filter(team__in=list(roles_of(user)))


def get_wording_or_404(user: Actor, wording_id: int, *, to_change: bool = False) -> Wording:
    """One that the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    wording = _found(wordings_for(user).filter(pk=wording_id), "wording", wording_id)
    if to_change:
        require_change(user, wording.team_id)
    return wording


def get_team_or_404(user: Actor, team_id: int, *, to_change: bool = False, to_administer: bool = False) -> Team:
    """A team the user is in. Raises Http404, or PermissionDenied when the role there is not enough."""
    team = next((team for team in roles_of(user) if team.pk == team_id), None)
    if team is None:
        raise _missing("team", team_id)
    if to_change:
        require_change(user, team.pk)
    if to_administer and not can_administer(user, team.pk):
        raise PermissionDenied("Only an administrator of the team decides who is in it. Ask one of them.")
    return team


def corpora_for(user: Actor) -> QuerySet[Corpus]:
    """Corpora the user may see."""
    corpora = Corpus.objects.select_related("created_by", "team")
    if isinstance(user, User) and user.is_superuser and user.is_active:
        return corpora
    return corpora.filter(team__in=list(roles_of(user)))


def can_edit_corpus(user: Actor, corpus: Corpus) -> bool:
    """Whether the user may give this corpus versions and files, and describe it."""
    role = role_in(user, corpus.team_id)
    return role == Role.ADMINISTRATOR or (role == Role.MEMBER and corpus.created_by_id == user.pk)


def get_corpus_or_404(user: Actor, corpus_id: int, *, to_change: bool = False) -> Corpus:
    """A corpus the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    corpus = _found(corpora_for(user).filter(pk=corpus_id), "corpus", corpus_id, "corpora")
    if to_change:
        _require_corpus(user, corpus)
    return corpus


def get_version_or_404(user: Actor, corpus_id: int, number: int, *, to_change: bool = False) -> CorpusVersion:
    """A version of a corpus by its number. Raises as `get_corpus_or_404`."""
    versions = CorpusVersion.objects.filter(corpus__in=corpora_for(user), corpus_id=corpus_id, number=number)
    return _version(user, versions, number, to_change)


def get_version_by_id_or_404(user: Actor, version_id: int, *, to_change: bool = False) -> CorpusVersion:
    """A version by its own id. Raises as `get_corpus_or_404`."""
    return _version(
        user, CorpusVersion.objects.filter(corpus__in=corpora_for(user), pk=version_id), version_id, to_change
    )


def get_upload_or_404(user: Actor, upload_id: UUID) -> Upload:
    """An upload that the user may continue: whoever may change its corpus. Raises as `get_corpus_or_404`."""
    uploads = Upload.objects.filter(pk=upload_id, version__corpus__in=corpora_for(user))
    upload = uploads.select_related("version__corpus", "version__job").first()
    if upload is None:
        raise Http404("There is no such upload: it has ended long ago, or was removed. Start it over.")
    _require_corpus(user, upload.version.corpus)
    return upload


def get_experiment_or_404(user: Actor, experiment_id: int, *, to_change: bool = False) -> Experiment:
    """An experiment the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    experiment = _found(experiments_for(user).filter(pk=experiment_id), "experiment", experiment_id)
    if to_change:
        require_change(user, experiment.team_id)
    return experiment


def get_run_or_404(user: Actor, run_id: int, *, to_change: bool = False) -> Run:
    """A run the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    run = _found(runs_for(user).filter(pk=run_id), "run", run_id)
    if to_change:
        require_change(user, run.experiment.team_id)
        if not can_steer(user, run):
            raise PermissionDenied(
                f"Members can cancel and retry only their own runs, and {run.name!r} was submitted by "
                f"{run.created_by or 'a program'}. Ask them or an administrator."
            )
    return run


def get_rollouts_or_404(user: Actor, run_id: int) -> tuple[Run, QuerySet[Rollout]]:
    """A run that the user may see and its rollouts, by one look at who may. Raises Http404."""
    run = get_run_or_404(user, run_id)
    return run, Rollout.objects.filter(run_id=run.pk)


def get_rollout_or_404(user: Actor, run_id: int, rollout_id: int) -> tuple[Run, Rollout]:
    """One rollout with its run. Raises Http404."""
    run = get_run_or_404(user, run_id)
    return run, _found(Rollout.objects.filter(run_id=run.pk, id=rollout_id), "rollout", rollout_id)


def _version(user: Actor, rows: QuerySet[CorpusVersion], key: int, to_change: bool) -> CorpusVersion:
    version = _found(rows.select_related("corpus__created_by", "job"), "version", key)
    if to_change:
        _require_corpus(user, version.corpus)
    return version


def _require_corpus(user: Actor, corpus: Corpus) -> None:
    require_change(user, corpus.team_id)
    if not can_edit_corpus(user, corpus):
        raise PermissionDenied(
            f"Members change only their own corpora, and {corpus.name!r} belongs to "
            f"{corpus.created_by or 'a program'}. Ask them or an administrator of the team."
        )


def _found(rows: QuerySet[Row], noun: str, key: int, nouns: str = "") -> Row:
    found = rows.first()
    if found is None:
        raise _missing(noun, key, nouns)
    return found


def _missing(noun: str, key: int, nouns: str = "") -> Http404:
    words = f"There is no {noun} {key} among those that you may see. The list of {nouns or f'{noun}s'} shows them."
    return Http404(words)
