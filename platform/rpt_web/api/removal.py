"""Operations of the API that put runs and experiments out of sight, delete them, or change a run's priority."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja import Status as Answer

from rpt_web import access
from rpt_web.api.bodies import Body, PriorityName
from rpt_web.api.corpora import JobOut
from rpt_web.api.errors import conflicts
from rpt_web.api.paging import user_of
from rpt_web.api.schemas import ExperimentOut, Refused, RunOut
from rpt_web.jobs.models import Job
from rpt_web.runs import archive, checkpoints, deletion, places
from rpt_web.runs.models import Experiment, Priority, Run


class PriorityIn(Body):
    """A run's priority."""

    priority: PriorityName


def add_operations(api: NinjaAPI) -> None:
    """Give the API the operations of this module."""
    of_run, of_experiment = "/runs/{int:run_id}", "/experiments/{int:experiment_id}"
    api.delete(of_run, response={202: JobOut, 409: Refused}, tags=["runs"])(delete_run)
    of_checkpoint = f"{of_run}/checkpoints/{{int:step}}"
    api.delete(of_checkpoint, response={202: JobOut, 409: Refused}, tags=["runs"])(delete_checkpoint)
    api.post(f"{of_run}/archive", response={200: RunOut, 409: Refused}, tags=["runs"])(archive_run)
    api.post(f"{of_run}/bring-back", response={200: RunOut, 409: Refused}, tags=["runs"])(bring_back_run)
    api.post(f"{of_run}/priority", response={200: RunOut, 409: Refused}, tags=["runs"])(set_priority)
    tags = ["experiments"]
    api.delete(of_experiment, response={202: JobOut, 409: Refused}, tags=tags)(delete_experiment)
    api.post(f"{of_experiment}/archive", response={200: ExperimentOut, 409: Refused}, tags=tags)(archive_experiment)
    api.post(f"{of_experiment}/bring-back", response={200: ExperimentOut, 409: Refused}, tags=tags)(
        bring_back_experiment
    )


def delete_run(request: HttpRequest, run_id: int) -> Answer[Job]:
    """Have a run deleted with its files, and the models that were registered from it; look at the job."""
    run = access.get_run_or_404(user_of(request), run_id, to_change=True)
    with conflicts():
        return Answer(202, deletion.ask([run], user_of(request)))


def delete_checkpoint(request: HttpRequest, run_id: int, step: int) -> Answer[Job]:
    """Delete a checkpoint, and the models that were registered from it; the job frees the disk."""
    run = access.get_run_or_404(user_of(request), run_id, to_change=True)
    with conflicts():
        return Answer(202, checkpoints.delete(run, step, user_of(request)))


def archive_run(request: HttpRequest, run_id: int) -> Run:
    """Put a run that has ended out of sight: lists leave it out unless they are asked for what is archived."""
    run = access.get_run_or_404(user_of(request), run_id, to_change=True)
    with conflicts():
        archive.archive(run, user_of(request))
    run.refresh_from_db()
    return run


def bring_back_run(request: HttpRequest, run_id: int) -> Run:
    """Show an archived run in the lists again."""
    run = access.get_run_or_404(user_of(request), run_id, to_change=True)
    with conflicts():
        archive.bring_back(run, user_of(request))
    run.refresh_from_db()
    return run


def set_priority(request: HttpRequest, run_id: int, asked: PriorityIn) -> Run:
    """Give a run that waits another priority. Only administrators of the team give a high one."""
    user = user_of(request)
    run = access.get_run_or_404(user, run_id, to_change=True)
    with conflicts():
        may_raise = access.can_administer(user, run.experiment.team_id)
        places.set_priority(run, user, Priority[asked.priority.upper()], may_raise=may_raise)
    run.refresh_from_db()
    return run


def delete_experiment(request: HttpRequest, experiment_id: int) -> Answer[Job]:
    """Have an experiment deleted with all its runs and their files; look at the job."""
    user = user_of(request)
    experiment = access.get_experiment_or_404(user, experiment_id, to_steer=True)
    with conflicts():
        return Answer(202, deletion.ask_experiment(experiment, user, of=access.steered_by(user, experiment)))


def archive_experiment(request: HttpRequest, experiment_id: int) -> Experiment:
    """Put an experiment whose runs have all ended out of sight, with its runs."""
    experiment = access.get_experiment_or_404(user_of(request), experiment_id, to_steer=True)
    with conflicts():
        archive.archive_experiment(experiment)
    experiment.refresh_from_db()
    return experiment


def bring_back_experiment(request: HttpRequest, experiment_id: int) -> Experiment:
    """Show an archived experiment in the lists again."""
    experiment = access.get_experiment_or_404(user_of(request), experiment_id, to_steer=True)
    with conflicts():
        archive.bring_back_experiment(experiment)
    experiment.refresh_from_db()
    return experiment
