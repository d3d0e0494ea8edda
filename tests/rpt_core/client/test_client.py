"""The client against the real web server: tables with all pages, submits, refusals, and a server that is away."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from datetime import timedelta
from unittest.mock import ANY

import pytest

from rpt_core.client import Client, ClientError, NoAnswer, Refusal
from rpt_core.client.command import main
from rpt_core.client.connection import root_of
from rpt_core.config import RptConfig
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import write_table
from tests.factories import (
    end_run,
    evaluation_results,
    hostile_rows,
    make_experiment,
    make_user,
    start_run,
    write_shard,
)
from tests.rpt_web.api_client import CONFIG, RUNNABLE
from tests.web_server import web_server

METRICS = 620
"""More than a page of the API holds."""


@pytest.fixture(scope="module")
def platform(django_db_setup, django_db_blocker, redis_server):
    """An experiment with an evaluated run, served; the address, a token, the run's and the experiment's numbers."""
    from rpt_web.runs import services
    from rpt_web.teams.models import ApiToken, User

    with django_db_blocker.unblock():
        ada = make_user("client-ada")
        experiment = make_experiment(ada, "Served")
        run = services.submit(experiment, "first", RptConfig.model_validate(CONFIG), ada)
        claimed, events = start_run(run)
        for step in range(1, METRICS + 1):
            values = {"loss": 1.0 / step, "flops": 1e6} | ({"kl": 0.5} if step % 2 else {})
            events.emit("metrics", step=step, values=values, flops=step * 1e6)
        results = evaluation_results({"greedy": {"hard": 0.5}, "sampled": {"hard": 0.25}})
        events.emit("evaluation", step=METRICS, flops=1e9, results=results, outcomes="evaluations/step-000620.parquet")
        write_shard(claimed, events, "train", 1, hostile_rows(1, 0))
        import pyarrow as pa

        write_table(RunDir(run.directory).evaluation(METRICS), pa.table({"position": [3, 5], "greedy": [True, False]}))
        end_run(claimed, events)
        token = ApiToken.issue(ada, "client", timedelta(days=1))
        with web_server() as port:
            yield {"url": f"http://127.0.0.1:{port}", "token": token, "run": run.pk, "experiment": experiment.pk}
        experiment.delete()
        User.objects.filter(pk=ada.pk).delete()


@pytest.fixture
def client(platform):
    return Client(platform["url"], platform["token"])


@pytest.fixture
def rpt(platform, monkeypatch, tmp_path, capsys):
    """rpt("list") -> (exit code, output, errors), with a login folder of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("RPT_URL", platform["url"])
    monkeypatch.setenv("RPT_TOKEN", platform["token"])
    monkeypatch.setenv("COLUMNS", "40")  # what is no terminal gets whole lines all the same

    def rpt(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return rpt


def test_metrics_come_as_one_table_over_all_pages(client, platform):
    found = client.metrics(platform["run"])
    assert found.column_names == ["step", "attempt", "time", "flops", "metric.flops", "kl", "loss"]
    assert found["flops"].to_pylist() == [step * 1e6 for step in range(1, METRICS + 1)], "all compute so far"
    assert set(found["metric.flops"].to_pylist()) == {1e6}, "that of the step alone"
    assert found["step"].to_pylist() == list(range(1, METRICS + 1))
    assert found["kl"].null_count == METRICS // 2
    assert str(found.schema.field("time").type) == "timestamp[us, tz=UTC]"


def test_what_a_run_wrote(client, platform):
    run = platform["run"]
    assert client.evaluations(run)["value"].to_pylist() == [0.5, 0.25]
    assert client.outcomes(run).to_pydict() == {"position": [3, 5], "greedy": [True, False]}
    listed = client.rollouts(run)
    assert listed.num_rows == client.shard(run, "train", 1).num_rows == len(hostile_rows(1, 0))
    whole = client.rollout(run, listed["id"][0].as_py())
    assert whole["response"] == hostile_rows(1, 0)[0].response
    assert client.run(run)["status"] == "succeeded"
    assert client.runs(experiment=platform["experiment"], limit=1).num_rows == 1
    assert client.events(run)["type"].to_pylist() == ["evaluation"]
    with pytest.raises(Refusal, match="step 7"):
        client.outcomes(run, 7)


def test_what_people_say_of_a_run(client, platform):
    rollout = client.rollouts(platform["run"], limit=1).column("id").to_pylist()[0]
    made = client.comment("Why this?", run=platform["run"], rollout=rollout, quote="alert")
    assert client.comments(run=platform["run"]).column("quote").to_pylist() == ["alert"]
    assert made["rollout_id"] == rollout
    with pytest.raises(Refusal) as refused:
        client.blind_result(10**9)
    assert refused.value.status == 404


def test_a_run_is_submitted_once_and_cancelled(client, platform):
    run = client.submit(platform["experiment"], "second", RUNNABLE)
    assert client.run(run["id"])["name"] == "second"
    with pytest.raises(Refusal) as refused:
        client.submit(platform["experiment"], "second", RUNNABLE)
    assert refused.value.status == 422
    assert "name" in refused.value.errors
    assert client.cancel(run["id"])["status"] == "cancelled"
    assert client.wait(run["id"])["status"] == "cancelled"


def test_the_leaderboard_of_a_position_set_is_a_table(client, platform):
    (known,) = [one for one in client.position_sets().to_pylist() if one["set"]]
    (row,) = client.leaderboard(known["set"], mode="greedy").to_pylist()
    assert (row["rank"], row["experiment_id"]) == (1, platform["experiment"])
    assert json.loads(row["cells"])["hard"]["value"] == 0.5
    assert [flag["key"] for flag in json.loads(row["flags"])] == ["one-seed"]
    assert json.loads(row["members"])[0]["measured_by"] == platform["run"]


def test_labels_go_in_and_come_out(client, platform):
    queue = client.call(
        "POST", "/queues", {"run": platform["run"], "filter": "kind=train", "name": "Read", "reviewers": []}
    )["id"]
    assert queue in client.queues()["id"].to_pylist()
    answers = {"thought": "sound"}
    assert client.import_labels(queue, [{"item": 1, "reviewer": "client-ada", "answers": answers}]) == {"labels": 1}
    (label,) = client.labels(queue).to_pylist()
    assert (label["reviewer"], json.loads(label["answers"])["thought"]) == ("client-ada", "sound")
    rollouts = client.rollouts(platform["run"])["id"].to_pylist()
    assert label["rollout"] in rollouts
    with pytest.raises(Refusal, match="labels"):
        client.import_labels(queue, [{"item": 1, "reviewer": "nobody", "answers": answers}])
    groups = client.groups(run=platform["run"], kind="train")
    assert sum(groups["samples"].to_pylist()) == len(rollouts)


def test_refusals_say_what_is_wrong(client, platform):
    with pytest.raises(Refusal, match=r"config\.steps: Give a number above 0") as refused:
        client.submit(platform["experiment"], "wrong", CONFIG | {"steps": -1})
    assert refused.value.errors == {"config.steps": "Give a number above 0."}
    with pytest.raises(Refusal, match="There is no run 1000000000") as missing:
        client.run(10**9)
    assert missing.value.status == 404
    with pytest.raises(Refusal, match="token"):
        Client(platform["url"], "rpt_wrong").teams()


def answering(*answers):
    """A server that answers these, each to one call, and says on which port it is and what it was sent."""
    listener, got = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        for answer in answers:
            with contextlib.closing(listener.accept()[0]) as caller:
                got.append(caller.recv(65536).decode())
                caller.sendall(answer.encode())
        listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1], got


def http(status, body="", **headers):
    told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{told}\r\n{body}"


def test_a_busy_platform_and_a_lost_answer_are_asked_again_with_the_same_key():
    made = json.dumps({"id": 1})
    port, got = answering(
        http("503 Busy", Retry_After=0), "", http("201 Created", made, Content_Type="application/json")
    )
    assert Client(f"http://127.0.0.1:{port}", "rpt_x").create_experiment("Once") == {"id": 1}
    keys = {line for call in got for line in call.splitlines() if line.startswith("Idempotency-Key: ")}
    assert (len(got), len(keys)) == (3, 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http("200 OK", "<html>", Content_Type="text/html"), "not the platform's API: status 200 with text/html"),
        (http("502 Bad Gateway", "<html>", Content_Type="text/html"), "not the platform's API: status 502"),
        (http("301 Moved", Location="https://elsewhere.example/"), "on to https://elsewhere.example/"),
    ],
)
def test_what_is_no_platform_is_told(answer, words):
    port, _ = answering(answer)
    with pytest.raises(ClientError, match=words):
        Client(f"http://127.0.0.1:{port}", "rpt_x").teams()


def test_nobody_there(monkeypatch):
    monkeypatch.setattr("rpt_core.client.connection.TRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NoAnswer, match=f"127.0.0.1:{port} does not answer: Connection refused"):
        Client(f"http://127.0.0.1:{port}", "rpt_x").teams()


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://a", "http://ada:secret@host", "http://"])
def test_an_address_that_is_none(url):
    with pytest.raises(ClientError, match="no address of a platform"):
        root_of(url)


def test_an_address_as_people_paste_it():
    assert root_of(" http://host:8000/api/v1/ ") == root_of("http://host:8000/") == "http://host:8000"
    assert root_of("https://lab.example/rpt/") == "https://lab.example/rpt"
    with pytest.raises(ClientError, match="no API token"):
        Client("http://host", "two words")


def test_login_is_stored_for_its_owner_and_its_address(rpt, platform, monkeypatch, tmp_path):
    monkeypatch.delenv("RPT_URL")
    monkeypatch.delenv("RPT_TOKEN")
    assert rpt("list") == (
        2,
        "",
        "error: " + "No platform is known. Run `rpt login http://HOST:PORT`, set RPT_URL and "
        "RPT_TOKEN, or give address and token.\n",
    )
    (tmp_path / "token").write_text("\n")
    refused = rpt("login", platform["url"], "--token-file", tmp_path / "token")
    assert refused[0] == 2
    assert refused[2].startswith("error: The token is empty")
    (tmp_path / "token").write_text(platform["token"] + "\n")
    code, out, _ = rpt("login", platform["url"] + "/", "--token-file", tmp_path / "token")
    assert code == 0
    assert f"Logged in at {platform['url']}" in out
    stored = tmp_path / "config" / "rpt" / "login.json"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert rpt("list")[0] == 0
    monkeypatch.setenv("RPT_URL", "http://other.example")
    assert "The stored token is for" in rpt("list")[2]
    monkeypatch.delenv("RPT_URL")
    stored.write_text("{")
    assert "Delete it" in rpt("list")[2]


def test_lists_and_comparisons(rpt, platform, client):
    code, out, _ = rpt("list", "--experiment", platform["experiment"], "--limit", 1)
    assert (code, len(out.splitlines())) == (0, 2)
    assert "Served" in rpt("list", "experiments")[1]
    other = client.submit(platform["experiment"], "third", RUNNABLE)["id"]
    code, out, _ = rpt("compare", platform["run"], other)
    assert code == 0
    assert any(line.split()[:2] == ["budget.steps", "(not"] for line in out.splitlines())
    told = out.partition("Not compared at the same positions: ")[2]
    assert told.count("Two evaluated runs at least") == 1
    assert f"Run {other}, “third”: It has not ended (queued), so an evaluation may still come." in told
    assert rpt("cancel", other)[1] == f"Run {other} is cancelled.\n"
    assert rpt("compare", other)[0] == 2
    with pytest.raises(SystemExit):
        rpt("compare", platform["run"], "12@x")


def test_submit_and_watch_a_run_that_ends_badly(rpt, platform, client, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "stage: ntp\nscratch: {}\ncorpus: {source: tiny, tiny_documents: 50}\nbudget: {steps: 7}\n"
    )
    code, out, _ = rpt("submit", platform["experiment"], tmp_path / "mine.yaml")
    assert code == 0
    number = int(out.split()[1])
    assert client.run(number)["name"] == "mine"
    client.cancel(number)
    code, out, _ = rpt("watch", number)
    assert (code, "cancelled" in out) == (1, True)
    (tmp_path / "bad.yaml").write_text("a: [")
    assert "is not YAML" in rpt("submit", platform["experiment"], tmp_path / "bad.yaml")[2]
    (tmp_path / "none.json").write_text("[]")
    assert "holds no config" in rpt("submit", platform["experiment"], tmp_path / "none.json")[2]


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_exports_hold_the_same_rows(rpt, platform, tmp_path, ending):
    import pyarrow.csv as pc
    import pyarrow.json as pj
    import pyarrow.parquet as pq

    read = {"parquet": pq.read_table, "csv": pc.read_csv, "jsonl": pj.read_json}[ending]
    path = tmp_path / f"metrics.{ending}"
    assert rpt("export", platform["run"], "metrics", path)[1] == f"{path}: {METRICS} rows\n"
    assert read(path)["loss"].to_pylist() == [1.0 / step for step in range(1, METRICS + 1)]
    shard = tmp_path / f"shard.{ending}"
    assert rpt("export", platform["run"], "shard", shard, "--kind", "train", "--step", 1)[0] == 0
    hashes = [row.text_hash for row in hostile_rows(1, 0)]
    assert read(shard)["text_hash"].to_pylist() == (hashes if ending == "parquet" else [one.hex() for one in hashes])
    assert "give --kind and --step" in rpt("export", platform["run"], "shard", shard)[2]
    assert "has to end in" in rpt("export", platform["run"], "metrics", tmp_path / "a.xlsx")[2]


def test_the_table_of_runs_has_the_columns_that_are_asked_for(client, platform, rpt, tmp_path):
    asked = ["metric.loss.best", "accuracy.hard.greedy", "config.steps"]
    found = client.table(asked, where=["metric.loss.last<1", "stage=rpt"], sort="-flops")
    assert found.column_names[:4] == ["id", "name", "metric.loss.best", "accuracy.hard.greedy"]
    (row,) = found.to_pylist()
    assert (row["id"], row["metric.loss.best"], row["config.steps"]) == (platform["run"], 1 / METRICS, 7)
    assert row["accuracy.hard.greedy"] == 0.5
    (grouped,) = client.table(["metric.loss.last"], where=["metric.loss.last<1"], group=["stage"]).to_pylist()
    assert (grouped["stage"], grouped["runs"], grouped["metric.loss.last_n"]) == ("rpt", 1, 1)
    empty = client.table(asked, where=["seed=77"])
    assert (empty.num_rows, empty.column_names[:2]) == (0, ["id", "name"])
    with pytest.raises(Refusal, match="There is no column 'sede'"):
        client.table(["sede"])
    code, out, _ = rpt("table", "--columns", "seed,metric.loss.last", "--where", "stage=rpt")
    assert code == 0
    assert out.splitlines()[0].split() == ["id", "name", "seed", "metric.loss.last"]
    file = tmp_path / "runs.csv"
    assert rpt("table", file, "--columns", "seed")[0] == 0
    assert file.read_text().splitlines()[0] == '"id","name","seed"'


def test_runs_are_compared_at_the_same_positions_once_a_worker_has_done_so(client, rpt, platform):
    from rpt_web.compare.models import PositionComparison
    from rpt_web.runs.models import Experiment
    from tests.evaluated_runs import evaluate, made_run

    own = Experiment.objects.get(pk=platform["experiment"])
    experiment = make_experiment(own.created_by, "Compared")
    rights = {("doc1", 0): False, ("doc1", 10): True}
    runs = [made_run(experiment, name, seed) for seed, name in enumerate(("base", "more"))]
    evaluate(runs[0], rights)
    evaluate(runs[1], dict.fromkeys(rights, True))
    worker = threading.Thread(target=_compare_when_asked)
    worker.start()
    try:
        found = client.compare([runs[0].pk, f"{runs[1].pk}@1"], every_seconds=0.1)
    finally:
        worker.join()
    hard = found["numbers"]["with_baseline"][0]["levels"]["hard"]
    assert (hard["n"], hard["value"], hard["gained"]) == (2, 0.5, 1)
    positions = client.compared_positions(found["id"], cell="gained")
    assert positions["document"].to_pylist() == ["doc1"]
    assert client.settings([run.pk for run in runs])["name"].to_pylist() == ["seed"]
    bare = made_run(experiment, "bare")
    code, out, _ = rpt("compare", runs[0].pk, f"{runs[1].pk}@1", bare.pk)
    assert code == 0
    assert "seed" in out.partition("At the same positions, greedy")[0]
    [line] = [line for line in out.splitlines() if "more, step 1" in line and " hard " in line]
    assert re.split(r"  +", line)[2:] == ["100.0 [34.2, 100.0]", "2", "+50.0", ANY, "1.0000", "1.0000", "1", "0"]
    assert re.search(r"p: .*McNemar.*Holm for 1 comparison with the first", out)
    assert f"Left out, without such an evaluation: {bare.pk} bare." in out
    assert "*" not in out.partition("At the same positions")[2]
    runs[1].evaluations.filter(difficulty="hard").update(no_box=0.9)
    code, out, _ = rpt("compare", runs[0].pk, f"{runs[1].pk}@1")
    assert any(line.startswith(f"{runs[1].pk} more, step 1*") and " hard " in line for line in out.splitlines())
    assert f"\n* {runs[1].pk} more, step 1, hard: Most responses have no box (90.0" in out
    assert out.count("*") == 2
    code, out, _ = rpt("compare", f"{runs[0].pk}:greedy", f"{runs[1].pk}@1:standard")
    assert code == 0
    assert "Not compared at the same positions: " in out
    assert "It was not evaluated in the mode standard" in out
    assert client.settings([run.pk for run in runs], of="planned").num_rows == 0
    assert client.baskets().num_rows == 0
    with pytest.raises(Refusal, match="There is no run 987654"):
        client.compare([runs[0].pk, 987654])
    PositionComparison.objects.all().delete()
    experiment.delete()  # other tests count what there is


def _compare_when_asked():
    """As the quick worker would."""
    import time

    from django.db import connection

    from rpt_web.jobs import services as jobs
    from rpt_web.jobs.models import Job
    from workers.jobs import execute

    deadline = time.monotonic() + 60
    while (job := Job.objects.filter(kind="compare").first()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    execute(jobs.claim(job.pk, "a:1"))
    connection.close()
