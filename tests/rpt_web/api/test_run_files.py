"""Files of a run by the API: a whole response, and Parquet as the stage wrote it."""

from __future__ import annotations

import asyncio
import io

import pyarrow.parquet as pq
import pytest

from rpt_core.files import write_whole
from rpt_core.run.folder import RunDir
from rpt_web.traces.models import Rollout
from tests.factories import hostile_rows, record, start_run, write_shard
from tests.rpt_web.api_client import ROOT, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(run):
    claimed, events = start_run(run)
    write_shard(claimed, events, "train", 1, hostile_rows(1, 0))
    record(claimed)
    return claimed


def data_of(answer):
    """What a stream of the platform has, as its server reads it."""

    async def read():
        return b"".join([chunk async for chunk in answer.streaming_content])

    return asyncio.run(read())


def test_a_response_is_read_whole(ada, run):
    rollout = Rollout.objects.filter(run_id=run.pk).earliest("id")
    found = client_of(ada).get(f"{ROOT}/runs/{run.pk}/rollouts/{rollout.id}").json()
    row = hostile_rows(1, 0)[0]
    assert (found["response"], found["prompt"]) == (row.response, row.prompt)
    assert found["id"] == rollout.id


def test_a_shard_comes_as_it_was_written_and_is_listed(ada, run):
    client, folder = client_of(ada), RunDir(run.directory)
    answer = client.get(f"{ROOT}/runs/{run.pk}/rollouts.parquet?kind=train&step=1")
    data = data_of(answer)
    assert answer["Content-Type"] == "application/vnd.apache.parquet"
    assert data == folder.rollout_shard("train", 1).read_bytes()
    assert pq.read_table(io.BytesIO(data)).num_rows == len(hostile_rows(1, 0))
    write_whole(folder.evaluation(2), b"outcomes")
    assert client.get(f"{ROOT}/runs/{run.pk}/files").json() == [
        {"what": "rollouts", "kind": "train", "step": 1, "bytes": len(data)},
        {"what": "outcomes", "kind": "", "step": 2, "bytes": 8},
    ]
    assert data_of(client.get(f"{ROOT}/runs/{run.pk}/outcomes.parquet?step=2")) == b"outcomes"


def test_a_file_that_is_not_there_is_named(ada, run):
    client = client_of(ada)
    assert (
        "train rollouts of step 9"
        in client.get(f"{ROOT}/runs/{run.pk}/rollouts.parquet?kind=train&step=9").json()["detail"]
    )
    assert (
        "outcomes of an evaluation at step 9"
        in client.get(f"{ROOT}/runs/{run.pk}/outcomes.parquet?step=9").json()["detail"]
    )
    for name in ("rollouts.parquet?kind=train&step=", "outcomes.parquet?step="):
        assert client.get(f"{ROOT}/runs/{run.pk}/{name}{'1' * 400}").status_code == 422
    RunDir(run.directory).rollout_shard("train", 1).unlink()
    rollout = Rollout.objects.filter(run_id=run.pk).earliest("id")
    assert "cannot be read" in client.get(f"{ROOT}/runs/{run.pk}/rollouts/{rollout.id}").json()["detail"]
