"""Several runs of the list are changed at once; what could not be done says why."""

from __future__ import annotations

import pytest

from rpt_core.config import RptConfig
from rpt_web.jobs.models import Job
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from rpt_web.teams.models import Team
from tests.factories import make_experiment, make_user
from tests.rpt_web.api_client import CONFIG
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db
CHANGE = "/runs/change"


@pytest.fixture
def submit(experiment, ada):
    def submit(name, user=ada, into=experiment, **fields):
        run = services.submit(into, name, RptConfig.model_validate(CONFIG), user)
        Run.objects.filter(pk=run.pk).update(**fields)
        return run

    return submit


def states():
    return dict(Run.objects.values_list("name", "status"))


def test_each_is_done_for_itself_and_what_was_not_done_says_why(client, ada, submit):
    client.force_login(ada)
    queued, failed = submit("queued"), submit("failed", status=Status.FAILED)
    hers = submit("hers", make_user("grace"))
    zoe = make_user("zoe", team=Team.objects.create(name="Others"))
    theirs = submit("theirs", zoe, make_experiment(zoe, "Theirs"))
    keys = [queued.pk, failed.pk, hers.pk, theirs.pk, "x", 10**30]
    answer = client.post(CHANGE, {"do": "cancel", "run": keys, "query": "q=a&mine=1"}, follow=True)
    assert answer.redirect_chain == [("/runs/?q=a&mine=1", 302)]
    text = flat(answer)
    assert "Asked to stop 1 run: “queued”." in text
    assert "“failed” was left as it is: The run &#x27;failed&#x27; has ended (failed)" in text
    assert "“hers” was left as it is: somebody else has submitted it" in text
    assert "theirs" not in text, "of what one may not see nothing is said"
    assert states() == {"queued": "cancelled", "failed": "failed", "hers": "queued", "theirs": "queued"}
    client.post(CHANGE, {"do": "retry", "run": [queued.pk, failed.pk]})
    assert states()["queued"] == states()["failed"] == "queued"


def test_several_are_archived_and_brought_back(client, ada, submit):
    client.force_login(ada)
    keys = [submit(name, status=Status.FAILED).pk for name in "ab"]
    client.post(CHANGE, {"do": "archive", "run": keys})
    assert Run.objects.exclude(archived_at=None).count() == 2
    client.post(CHANGE, {"do": "bring-back", "run": keys})
    assert Run.objects.exclude(archived_at=None).count() == 0


def test_deleting_asks_first_and_leaves_what_must_stay(client, ada, submit):
    client.force_login(ada)
    keys = [submit("a", status=Status.FAILED).pk, submit("b", status=Status.FAILED).pk, submit("c").pk]
    asked = client.post(CHANGE, {"do": "delete", "run": keys})
    assert "Delete 3 runs" in flat(asked)
    assert not Job.objects.exists()
    answer = client.post(CHANGE, {"do": "delete", "confirmed": "yes", "run": keys})
    job = Job.objects.get()
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"
    assert job.arguments == {"runs": keys[:2], "experiment": None}
    assert "“c” was left as it is: It cannot be deleted" in flat(client.get(answer.headers["Location"]))


@pytest.mark.parametrize("posted", [{"do": "cancel"}, {"do": "delete"}, {"do": "sing", "run": "1"}, {}])
def test_what_asks_for_nothing_does_nothing(client, ada, submit, posted):
    client.force_login(ada)
    submit("a")
    assert client.post(CHANGE, posted, follow=True).status_code == 200
    assert states() == {"a": "queued"}


def test_a_box_is_there_for_what_one_may_steer(page, submit):
    own, hers = submit("own"), submit("hers", make_user("grace"))
    text = page("/runs/")
    assert f'value="{own.pk}" aria-label="Choose own"' in text
    assert f'value="{hers.pk}"' not in text
