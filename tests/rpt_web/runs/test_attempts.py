"""The code of each attempt: kept at its claim, shown on the pages and by the API, and a change of it is said."""

from __future__ import annotations

import html

import pytest
from django.urls import reverse

from rpt_core.config import ModelConfig, RptConfig
from rpt_web.runs import attempts, services
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db
CONFIG = RptConfig(model=ModelConfig(path="m"), positions="p", steps=7, seed=5)
CHANGE = "Continued by other code: {old} (attempts 1 and 2), then {new} (attempt 3)."


@pytest.fixture
def run(ada):
    return services.submit(services.create_experiment("Versions", ada), "first", CONFIG, ada)


def claim_with(run, commit, monkeypatch):
    """Claim a queued run where the code is that of a commit, and queue it again."""
    monkeypatch.setenv("RPT_COMMIT", commit)
    claimed = services.claim(run.pk, f"node-{commit}:1")
    services.interrupt(claimed, "killed")
    return claimed.attempt_code_version


def test_each_attempt_keeps_its_own_code_and_worker_and_a_change_is_said(run, client, ada, monkeypatch):
    versions = [claim_with(run, commit, monkeypatch) for commit in ("aaaaaaa", "aaaaaaa", "bbbbbbb")]
    old, new = versions[0], versions[2]
    assert [version.partition("+")[2] for version in versions] == ["aaaaaaa", "aaaaaaa", "bbbbbbb"]
    kept = list(run.attempts.values_list("number", "code_version", "worker"))
    assert kept == [(1, old, "node-aaaaaaa:1"), (2, old, "node-aaaaaaa:1"), (3, new, "node-bbbbbbb:1")]
    submitted = run.code_version
    run.refresh_from_db()
    assert run.code_version == submitted
    words = CHANGE.format(old=old, new=new)

    client.force_login(ada)
    page = html.unescape(flat(client.get(reverse("runs:run_detail", args=[run.pk]))))
    assert words in page
    assert 'title="Version of the code of attempt 3"' in page
    assert words in html.unescape(flat(client.get(reverse("results:experiment_results", args=[run.experiment_id]))))

    answer = client_of(ada).get(f"{ROOT}/runs/{run.pk}").json()
    assert [attempt["code_version"] for attempt in answer["attempts"]] == versions
    assert (answer["code_version"], answer["submitted_code_version"]) == (new, submitted)
    assert answer["other_code"].startswith(words)


def test_the_same_code_in_all_attempts_is_no_change(run, client, ada, monkeypatch):
    for _ in range(2):
        claim_with(run, "aaaaaaa", monkeypatch)
    assert attempts.other_code(attempts.attempts_of(run)) == ""
    assert attempts.continued_by_other_code(run.experiment) == []
    client.force_login(ada)
    assert "by other code" not in flat(client.get(reverse("runs:run_detail", args=[run.pk])))


def test_a_worker_that_loaded_old_code_keeps_what_the_stage_will_load(run, monkeypatch):
    loaded = services.code_version()
    version = claim_with(run, "ccccccc", monkeypatch)
    assert services.code_version() == loaded
    assert version.endswith("+ccccccc")
