"""Priorities, limits, GPUs and drained nodes: which run a claim takes, also when many claim at the same time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from rpt_core.errors import UserError
from rpt_core.machine.gpus import figures_of
from rpt_web.runs import attempts, gpus, limits, nodes, overdue, places, queues, services
from rpt_web.runs.models import GpuLease, Node, Priority, Run, RunLimit, Status
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Team
from tests.factories import make_user
from workers import reaper, runner, tasks

pytestmark = pytest.mark.django_db(transaction=True)
TWO = [
    {"index": index, "name": "NVIDIA H100", "memory_bytes": 8e10, "used_bytes": 1e9, "load": 0.5} for index in (0, 1)
]


@pytest.fixture
def node(db):
    """A node with two GPUs."""
    return Node.objects.create(name="big", version="1", folder_mark="m", gpus=TWO, last_seen=timezone.now())


@pytest.fixture
def queue(submit):
    """queue(*runs) -> queued runs, each with these fields."""

    def queue(*fields):
        runs = [submit() for _ in fields]
        for run, values in zip(runs, fields, strict=True):
            Run.objects.filter(pk=run.pk).update(**values)
            run.refresh_from_db()
        return runs

    return queue


def claimed(run, worker="big:1"):
    return services.claim_next(run.pk, worker)


def at_once(number, work):
    """Call it from so many threads at the same moment."""
    barrier = Barrier(number)

    def alone(index):
        barrier.wait()
        try:
            return work(index)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(alone, range(number)))


def test_the_highest_priority_comes_first_and_places_decide_within_it(queue):
    low, normal, high, late = queue(*({"priority": p} for p in (0, 1, 2, 2)))
    assert [claimed(low).pk for _ in range(4)] == [high.pk, late.pk, normal.pk, low.pk]


def test_only_administrators_give_a_high_priority_and_only_before_a_start(submit, db):
    ada, run = make_user("ada"), submit()
    with pytest.raises(UserError, match="Only administrators of the team give a run a high priority"):
        places.set_priority(run, ada, Priority.HIGH, may_raise=False)
    places.set_priority(run, ada, Priority.HIGH, may_raise=True)
    places.set_priority(run, ada, Priority.LOW, may_raise=False)
    assert Run.objects.get().priority == Priority.LOW
    claimed(run)
    with pytest.raises(UserError, match="has started, or has ended"):
        places.set_priority(run, ada, Priority.NORMAL, may_raise=False)
    assert list(run.deeds.values_list("what", flat=True)) == ["ranked", "ranked"]


@pytest.mark.parametrize("of_team", [True, False])
def test_many_claims_at_once_never_exceed_a_limit(queue, of_team):
    limits.set_limit(first_team() if of_team else None, "", False, 2)
    runs = queue(*[{}] * 6)
    found = at_once(6, lambda index: services.claim_next(runs[index].pk, f"w{index}:1"))
    assert sum(run is not None for run in found) == 2
    assert Run.objects.filter(status=Status.RUNNING).count() == 2
    ended = next(run for run in found if run is not None)
    services.finish(ended, 1, Status.SUCCEEDED)
    found = at_once(4, lambda index: services.claim_next(runs[-1].pk, f"w{index}:1"))
    assert sum(run is not None for run in found) == 1


def test_a_limit_of_each_person_lets_others_pass(queue):
    ada, grace = make_user("ada"), make_user("grace")
    limits.set_limit(None, "default", True, 1)
    first, second, hers, nobodys, elsewhere = queue(
        *({"created_by": who} for who in (ada, ada, grace, None)), {"created_by": ada, "queue": "gpu"}
    )
    assert claimed(first).pk == first.pk
    assert limits.Room.now().why_full(second) == "ada already has 1 running in the queue default, the limit"
    assert [claimed(second).pk, claimed(second).pk, claimed(second)] == [hers.pk, nobodys.pk, None]
    assert claimed(elsewhere).pk == elsewhere.pk
    services.hand_back(Run.objects.get(pk=first.pk))
    assert claimed(second).pk == first.pk
    limits.set_limit(None, "default", True, None)
    assert not RunLimit.objects.exists()
    assert claimed(second).pk == second.pk


def test_a_team_is_not_held_back_by_anothers_limit_and_a_wrong_limit_is_refused(queue):
    (run,) = queue({})
    other = Team.objects.create(name="Others")
    limits.set_limit(other, "", False, 1)
    limits.set_limit(other, "", False, 3)
    assert RunLimit.objects.get().most == 3
    assert limits.Room.now().why_full(run) == ""
    for queue_name, most, words in (("fast", 1, "There is no queue 'fast'"), ("", 0, "Give 1 to 100,000 runs")):
        with pytest.raises(UserError, match=words):
            limits.set_limit(None, queue_name, False, most)


def test_two_small_runs_share_a_node_and_each_gpu_has_one_run(queue, node):
    runs = queue(*[{"gpus": 1}] * 3)
    found = at_once(3, lambda index: services.claim_next(runs[index].pk, f"big:{index}"))
    got = [run for run in found if run is not None]
    assert sorted(attempts.gpus_of(run)[0] for run in got) == [0, 1]
    assert sorted(gpus.leased_by(got).values()) == [[0], [1]]
    (left,) = (run for run in runs if run.pk not in {found.pk for found in got})
    assert claimed(left, "big (gpu):9") is not None, "another environment that has not reported its GPUs"


def test_environments_of_one_machine_share_its_gpus(queue, node):
    first, second, third = queue(*[{"gpus": 1}] * 3)
    Node.objects.create(name="big (gpu)", version="1", folder_mark="m", gpus=TWO, last_seen=timezone.now())
    assert attempts.gpus_of(claimed(first, "big:1")) == [0]
    assert attempts.gpus_of(claimed(second, "big (gpu):1")) == [1]
    assert claimed(third, "big:2") is None


@pytest.mark.parametrize("how", ["finished", "handed back", "lost"])
def test_an_end_frees_the_gpus_however_it_comes(queue, node, how):
    first, second = queue({"gpus": 2}, {"gpus": 2})
    run = claimed(first)
    assert claimed(second) is None
    if how == "finished":
        services.finish(run, 1, Status.SUCCEEDED)
    elif how == "handed back":
        services.hand_back(run)
    else:
        Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        reaper.reap_lapsed()
    assert not gpus.live().exists()
    assert attempts.gpus_of(claimed(second)) == [0, 1]
    assert GpuLease.objects.count() == 2


def test_a_large_run_is_not_passed_by_small_ones_for_ever_but_by_those_without_gpus(queue, node):
    small, large, late, none, huge = queue(*({"gpus": number} for number in (1, 2, 1, 0, 8)))
    assert claimed(small).pk == small.pk
    assert claimed(late).pk == none.pk, "it wants no GPU"
    assert claimed(late) is None, "the large one waits for both GPUs"
    services.finish(Run.objects.get(pk=small.pk), 1, Status.SUCCEEDED)
    assert claimed(late).pk == large.pk
    services.finish(Run.objects.get(pk=large.pk), 1, Status.SUCCEEDED)
    assert claimed(late).pk == late.pk
    assert claimed(huge) is None, "the node has not so many"
    assert claimed(huge, "elsewhere:1").pk == huge.pk, "a node that reports no GPUs takes it, as ever"


def test_the_stage_sees_the_gpus_that_it_has_and_no_others(submit, node):
    runs = [submit("environment", steps=1) for _ in range(3)]
    assert {run.gpus for run in runs} == {1}, "its device is chosen by itself"
    Run.objects.filter(pk=runs[2].pk).update(gpus=0)
    for worker in ("big:1", "big:2", "big:3"):
        GpuLease.objects.all().delete()
        run = services.claim_next(runs[0].pk, worker)
        runner.execute(run)
    told = [json.loads((run.directory / "environment.json").read_text()) for run in runs]
    assert [found["CUDA_VISIBLE_DEVICES"] for found in told] == ["0", "0", ""]
    assert {found["CUDA_DEVICE_ORDER"] for found in told} == {"PCI_BUS_ID"}


def test_a_drained_node_takes_nothing_until_it_is_undrained(submit, node, monkeypatch):
    ada, run = make_user("ada"), submit()
    nodes.drain(node, ada)
    with pytest.raises(UserError, match="is drained already"):
        nodes.drain(node, ada)
    assert claimed(run) is None
    monkeypatch.setattr(tasks, "own_name", lambda: "big")
    Run.objects.update(dispatched_at=timezone.now())
    tasks.execute_run(run.pk)
    assert overdue.take_overdue(3600, "default") == [run.pk], "the reaper sends it to another worker at once"
    assert claimed(run, "small:1").pk == run.pk
    services.hand_back(Run.objects.get())
    nodes.undrain(node)
    assert Run.objects.get().dispatched_at is None
    assert claimed(run).pk == run.pk
    with pytest.raises(UserError, match="is not drained"):
        nodes.undrain(node)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model": {"device": "auto"}}, 1),
        ({"model": {"device": "cuda"}}, 1),
        ({"model": {"device": "cpu"}}, 0),
        ({"tables": []}, 0),
        ({"scratch": {"layers": 3}, "model": None}, 1),
        ({"rollout_backend": "vllm", "vllm": {"tensor_parallel": 2}, "model": {"device": "auto"}}, 2),
        ({"engine": "verl", "verl": {"gpus_per_node": 4}}, 4),
        ({"engine": "verl", "verl": {"gpus_per_node": 4, "nodes": 2}}, 0),
        ({"engine": "verl", "verl": {"gpus_per_node": 4, "ray_address": "http://x"}}, 0),
        ({"engine": "verl", "model": {"device": "cpu"}}, 0),
    ],
)
def test_a_config_says_how_many_gpus_it_wants(config, expected):
    assert queues.gpus_for(config) == expected


def test_the_words_of_nvidia_smi_become_figures():
    text = "0, GPU-aa, NVIDIA H100, 81559, 1024, 37\n1, GPU-bb, NVIDIA H100, 81559, [N/A], [N/A]\nnonsense\n"
    first, second = figures_of(text, None)
    assert first == {
        "index": 0,
        "name": "NVIDIA H100",
        "memory_bytes": 81559 * 2**20,
        "used_bytes": 2**30,
        "load": pytest.approx(0.37),
    }
    assert (second["used_bytes"], second["load"]) == (None, None)
    assert [gpu["index"] for gpu in figures_of(text, "GPU-b")] == [1]
    assert figures_of(text, "") == []
