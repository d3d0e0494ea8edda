"""A comparison at the same positions: made once by its job, shown, stale when an evaluation changes."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from django.urls import reverse

from rpt_core.run.folder import RunDir
from rpt_web.compare import comparisons
from rpt_web.compare.entries import BasketEntry
from rpt_web.compare.models import ComparedOutcomes, PositionComparison
from rpt_web.compare.noise import noise_floor
from rpt_web.exhibits.comparison_tables import BASELINE, MATRIX, SLICES, TABLES
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job, JobState
from rpt_web.review.models import ReviewQueue
from rpt_web.runs.models import ParentRole, Run, RunParent
from rpt_web.teams.models import Role, Team
from rpt_web.traces.models import CorpusPosition, ResponseGroup
from tests.evaluated_runs import evaluate, made_run, random_rights
from tests.evaluated_runs import text_of as hash_of
from tests.factories import HOSTILE, make_experiment, make_user
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from workers import comparisons as execution_of_comparisons
from workers import jobs as execution

pytestmark = pytest.mark.django_db(transaction=True)  # the job renews its lease on a connection of its own
COMPARE = reverse("compare:basket")
A = {("doc1", 0): True, ("doc1", 10): False, ("doc2", 0): False, ("doc2", 10): True}
B = {("doc1", 0): True, ("doc1", 10): True, ("doc2", 0): True, ("doc2", 10): False}


@pytest.fixture
def ada(db):
    return make_user("ada")


@pytest.fixture
def two(ada):
    """Evaluated runs of two experiments."""
    first, second = make_experiment(ada, "First"), make_experiment(ada, "Second")
    return evaluate(made_run(first, "a"), A), evaluate(made_run(second, "b"), B, flops=2e12)


@pytest.fixture
def client(client, ada):
    client.force_login(ada)
    return client


def text_of(client, *runs, **query):
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return flat(client.get(f"{COMPARE}?runs={','.join(str(run.pk) for run in runs)}&view=positions{more}"))


def start(client, *runs, mode="greedy"):
    client.post(reverse("compare:start"), {"runs": ",".join(str(run.pk) for run in runs), "mode": mode})


def work():
    """Carry out all jobs that wait."""
    for job in Job.objects.filter(state=JobState.QUEUED):
        execution.execute(jobs.claim(job.pk, "a:1"))


def made(client, *runs):
    start(client, *runs)
    work()
    return PositionComparison.objects.latest("id")


def cells(text):
    return dict(re.findall(r'href="[^"]*cell=(\w+)"[^>]*>([\d,]+)</a>', text))


def test_it_is_made_by_a_job_and_then_shown(client, two):
    assert "Compare at the same positions" in text_of(client, *two)
    start(client, *two)
    assert "Queued" in text_of(client, *two)
    work()
    text = text_of(client, *two)
    assert "+25.0" in text
    assert cells(text) == {"both": "1", "gained": "2", "forgotten": "1", "neither": "0"}
    assert "2 × the baseline's" in text
    assert "Each row is one trained model" in text


def test_it_is_made_once_and_again_when_an_evaluation_changes(client, two):
    made(client, *two)
    start(client, *two)
    assert Job.objects.count() == 1
    evaluate(two[1], {**B, ("doc2", 10): True})
    assert "Compare at the same positions" in text_of(client, *two)
    made(client, *two)
    assert cells(text_of(client, *two))["forgotten"] == "0"
    assert PositionComparison.objects.count() == 2


def test_positions_of_one_alone_are_left_out(client, two, ada):
    other = evaluate(made_run(two[0].experiment, "c"), {("doc1", 0): False, ("doc9", 0): True})
    row = made(client, two[0], other)
    assert row.data["with_baseline"][0]["left_out"] == 4
    assert row.data["with_baseline"][0]["levels"]["hard"]["n"] == 1


def test_other_texts_under_the_same_names_are_not_compared_and_the_page_says_so(client, two):
    other = evaluate(made_run(two[0].experiment, "c"), B, hashes={"doc1": bytes(16)})
    row = made(client, two[0], other)
    assert row.data["with_baseline"][0]["levels"]["hard"]["n"] == 2
    text = text_of(client, two[0], other)
    assert "left out, of one alone: 4 positions" in text
    assert "of the same name with other texts: 2" in text
    assert "Evaluations of earlier versions" not in text


def test_evaluations_of_earlier_versions_are_matched_by_name_and_the_page_says_so(client, two):
    old = evaluate(made_run(two[0].experiment, "older"), B, is_old=True)
    row = made(client, two[0], old)
    assert (row.data["matched_by_name"], row.data["with_baseline"][0]["left_out"]) == ([1], 0)
    text = text_of(client, two[0], old)
    assert "hold no hash of their texts: the positions of older" in text
    assert cells(text) == {"both": "1", "gained": "2", "forgotten": "1", "neither": "0"}


def test_old_evaluations_alone_lead_to_responses_by_the_documents_name(client, two):
    for run, rights in zip(two, (A, B), strict=True):
        evaluate(run, rights, is_old=True)
    row = made(client, *two)
    position = CorpusPosition.objects.create(text_hash=bytes(16), byte_offset=10)
    for document in ("doc1", "another"):
        ResponseGroup.objects.create(
            run=two[1], experiment=two[1].experiment, step=1, kind="greedy", group=len(document), first_rollout=0,
            position=position, document=document, token_position=1, samples=1, rewarded=1, pass_rate=1, predictions=1,
            majority_rewarded=True, disagreement=0, tokens_mean=1, tokens_min=1, tokens_max=1,
        )  # fmt: skip
    page = flat(client.get(f"{reverse('compare:positions', args=[row.pk])}?a=0&b=1&difficulty=hard&cell=gained"))
    assert f"/positions/{'0' * 32}/10/?run={two[1].pk}&amp;step=1&amp;kind=greedy&amp;group=4#group" in page


def test_what_is_left_out_of_a_large_basket_is_said_with_what_to_do(client, ada, monkeypatch):
    experiment = make_experiment(ada)
    runs = [evaluate(made_run(experiment, f"r{number}"), A) for number in range(3)]
    for module in (execution_of_comparisons, comparisons):
        monkeypatch.setattr(module, "MOST_SLICED", 2)
        monkeypatch.setattr(module, "MOST_IN_MATRIX", 2)
    row = made(client, *runs)
    text = text_of(client, *runs)
    assert "3 evaluations are compared here. What differs by part of the positions" in text
    assert f'href="{COMPARE}?runs={runs[0].pk},{runs[1].pk}&amp;view=positions">compare these two alone' in text
    assert "All pairs of them stand in a table for up to 2: remove runs above" in text
    for table in (SLICES, MATRIX):
        caption = TABLES[table](row, {run.pk: run for run in runs}).caption
        assert "Left empty for 3 evaluations: it is computed for up to 2. Compare fewer." in caption
    assert "Left empty" not in TABLES[BASELINE](row, {run.pk: run for run in runs}).caption


def test_runs_without_an_evaluation_are_told_and_the_rest_is_compared(client, two):
    bare = made_run(two[0].experiment, "bare")
    at_another_step = f"{two[0].pk},{two[1].pk}@7"
    text = text_of(client, *two, bare)
    assert "It was not evaluated position by position." in text
    assert "Compare at the same positions" in text
    text = flat(client.get(f"{COMPARE}?runs={at_another_step}&view=positions"))
    assert "It was not evaluated at step 7. Steps with an evaluation: 1." in text


def test_a_missing_file_fails_the_job_in_words(client, two):
    RunDir(two[1].directory).evaluation(1).unlink()
    start(client, *two)
    work()
    text = text_of(client, *two)
    assert f"Run {two[1].pk}, step 1:" in text
    assert "does not exist" in text
    assert "Compare at the same positions" in text


def test_many_runs_make_a_matrix_whose_caption_names_the_correction(client, two):
    runs = [
        evaluate(made_run(two[0].experiment, f"r{number}"), random_rights(share, seed=number))
        for number, share in enumerate((0.4, 0.4, 0.6))
    ]
    made(client, *runs)
    text = text_of(client, *runs, difficulty="hard")
    assert "Holm's correction for the 3 pairs of this table" in text
    assert "corrected by Holm for the 2 comparisons with the baseline" in text
    assert text.count('class="data matrix"') == 1


def test_seeds_are_shown_together_beside_the_noise_of_positions(client, ada):
    experiment = make_experiment(ada)
    runs = [
        evaluate(made_run(experiment, f"s{seed}-{name}", seed, copy_seed=seed), random_rights(share, seed=seed))
        for name, share in (("base", 0.4), ("rpt", 0.6))
        for seed in range(3)
    ]
    made(client, *runs)
    text = text_of(client, *runs)
    assert "Seeds together" in text
    assert "The table of seeds below does that." in text
    groups = PositionComparison.objects.get().data["groups"]["hard"]
    assert [group["title"] for group in groups] == ["base", "rpt"]
    assert groups[1]["difference"]["seeds"] == [0, 1, 2]
    assert groups[1]["difference"]["low"] is not None


def test_evaluations_with_other_sampling_seeds_give_a_noise_floor(two, ada):
    policy = two[0]
    for seed, right in ((1, True), (2, False)):
        again = made_run(policy.experiment, f"again-{seed}", seed, stage="evaluate")
        RunParent.objects.create(run=again, role=ParentRole.START, parent=policy, step=1)
        evaluate(again, {**A, ("doc1", 10): right})
    wanted = comparisons.to_compare([(BasketEntry(run.pk), run) for run in two], "greedy")
    found = noise_floor(wanted.entries, Run.objects.all(), "greedy", "hard")
    assert (found.models, found.repeats) == (1, 2)
    assert found.deviation == pytest.approx(0.25 / 2**0.5)
    assert found.floor == pytest.approx(1.959964 * 0.25)
    assert noise_floor(wanted.entries[1:], Run.objects.all(), "greedy", "hard") is None


def test_a_cell_opens_its_positions_and_each_its_page(client, two):
    row = made(client, *two)
    position = CorpusPosition.objects.create(text_hash=hash_of("doc1"), byte_offset=10)
    ResponseGroup.objects.create(
        run=two[1], experiment=two[1].experiment, step=1, kind="greedy", group=3, first_rollout=0, position=position,
        document="as called elsewhere", token_position=1, samples=1, rewarded=1, pass_rate=1, predictions=1,
        majority_rewarded=True, disagreement=0, tokens_mean=1, tokens_min=1, tokens_max=1,
    )  # fmt: skip
    address = reverse("compare:positions", args=[row.pk])
    text = flat(client.get(f"{address}?a=0&b=1&difficulty=hard&cell=gained"))
    assert re.findall(r"(doc\d)</", text) == ["doc1", "doc2"]
    assert (
        f"/positions/{position.text_hash.hex()}/10/?run={two[1].pk}&amp;step=1&amp;kind=greedy&amp;group=3#group"
        in text
    )
    assert "doc2</span>" in text  # nobody keeps responses there
    alone = flat(client.get(f"{address}?a=0&b=1&difficulty=hard&cell=gained&domain=sums"))
    assert re.findall(r"(doc\d)</", alone) == ["doc1"]
    swapped = flat(client.get(f"{address}?a=1&b=0&difficulty=hard&cell=gained"))
    assert re.findall(r"(doc\d)</", swapped) == ["doc2"]
    assert client.get(f"{address}?a=0&b=5").status_code == 404


def test_tables_and_positions_are_files(client, two):
    row = made(client, *two)
    for table in ("baseline", "matrix", "parts"):
        for ending in ("csv", "parquet", "tex"):
            answer = client.get(f"{reverse('compare:table_file', args=[row.pk])}?table={table}&file={ending}")
            assert answer["Content-Disposition"].endswith(f'{table}.{ending}"')
    lines = (
        client.get(f"{reverse('compare:positions', args=[row.pk])}?cell=gained&file=csv").content.decode().splitlines()
    )
    assert len(lines) == 3
    assert lines[0].startswith("document,domain,byte_offset")


def test_a_run_that_one_may_not_see_hides_the_comparison(client, two):
    row = made(client, *two)
    address = reverse("compare:positions", args=[row.pk])
    client.force_login(make_user("eve", Role.VIEWER))
    assert client.get(address).status_code == 200
    client.force_login(make_user("stranger", team=Team.objects.create(name="Elsewhere")))
    assert client.get(address).status_code == 404


def test_outcomes_go_with_their_run_and_old_comparisons_are_forgotten(client, two):
    row = made(client, *two)
    two[1].delete()
    assert ComparedOutcomes.objects.filter(comparison=row).count() == 1
    assert client.get(reverse("compare:positions", args=[row.pk])).status_code == 404
    assert comparisons.forget_old() == 0
    assert comparisons.forget_old(days=0) == 1


def test_text_of_corpora_and_models_is_escaped(client, two):
    texts = {place: HOSTILE.encode() for place in A}
    for run, rights in zip(two, (A, B), strict=True):
        evaluate(run, rights, texts=texts, domains={"doc1": HOSTILE, "doc2": "x"})
    row = made(client, *two)
    for text in (text_of(client, *two), flat(client.get(reverse("compare:positions", args=[row.pk])))):
        assert "<script>alert" not in text


@pytest.fixture
def won(client, two):
    """The address of a queue of the positions that the second run has won, and its group at one of the two."""
    row = made(client, *two)
    position, other = (
        CorpusPosition.objects.create(text_hash=hash_of(document), byte_offset=10) for document in ("doc1", "doc9")
    )
    for document, run, place in (("doc1", two[1], position), ("doc9", two[0], other)):
        group = ResponseGroup.objects.create(
            run=run, experiment=run.experiment, step=1, kind="greedy", group=3, first_rollout=0, position=place,
            document=document, token_position=1, samples=1, rewarded=1, pass_rate=1, predictions=1,
            majority_rewarded=True, disagreement=0, tokens_mean=1, tokens_min=1, tokens_max=1,
        )  # fmt: skip
    text = flat(client.get(f"{reverse('compare:positions', args=[row.pk])}?cell=gained&domain=sums"))
    [address] = re.findall(r'href="([^"]*queues/new[^"]*)"', text)
    return SimpleNamespace(row=row, address=address.replace("&amp;", "&"), group=group, position=position)


QUEUE = {"name": "Won", "label_set": "built-in", "seed": 1, "reviewers_per_item": 1, "overlap_percent": 100}


def test_the_positions_that_were_won_are_put_into_a_queue(client, two, won):
    text = flat(client.get(won.address))
    assert "1 position</a> of a comparison" in text
    assert "all that b, step 1, wrote there" in text
    assert client.post(won.address, QUEUE | {"unit": "position"}).status_code == 302
    queue = ReviewQueue.objects.get()
    assert [(item.kind, item.place) for item in queue.items.all()] == [("position", won.position)]
    page = flat(client.get(reverse("review:queue_detail", args=[queue.pk])))
    assert f"/compare/made/{won.row.pk}/positions/?a=0&amp;b=1&amp;difficulty=hard&amp;cell=gained" in page


def test_what_one_of_the_two_wrote_there_is_put_into_a_queue(client, two, won, ada):
    client.post(won.address, QUEUE | {"unit": "group-b"})
    item = ReviewQueue.objects.get().items.get()
    assert (item.kind, item.run, item.step, item.group) == ("group", two[1], 1, 3)
    refused = client.post(won.address, QUEUE | {"unit": "group-a"})
    assert "keeps responses at these positions" in flat(refused)
    body = {"name": "Won", "comparison": won.row.pk, "positions": "cell=gained", "unit": "group"}
    caller = client_of(ada)
    answer = caller.post(f"{ROOT}/queues", body, content_type="application/json")
    assert (answer.status_code, answer.json()["items"]) == (201, 1), answer.content
    for wrong, words in (({"side": "a"}, "keeps responses"), ({"positions": "a=7"}, "no such two"),
                         ({"comparison": 10**9}, "kept for some weeks")):  # fmt: skip
        answer = caller.post(f"{ROOT}/queues", body | wrong, content_type="application/json")
        assert answer.status_code == 422 or answer.status_code == 400, answer.content
        assert words in answer.content.decode()
    client.force_login(make_user("eve", Role.VIEWER))
    page = flat(client.get(f"{reverse('compare:positions', args=[won.row.pk])}?cell=gained"))
    assert "Put these into a queue" not in page


def test_the_api_flags_a_model_that_lost_the_response_format(client, two, ada):
    row, caller = made(client, *two), client_of(ada)
    found = caller.get(f"{ROOT}/comparisons/{row.pk}").json()
    assert [one["lost_format"] for one in found["entries"]] == [{}, {}]
    two[1].evaluations.filter(difficulty="hard").update(no_box=0.978)
    base, lost = caller.get(f"{ROOT}/comparisons/{row.pk}").json()["entries"]
    assert base["lost_format"] == {}
    assert list(lost["lost_format"]) == ["hard"]
    assert lost["lost_format"]["hard"].startswith("Most responses have no box (97.8")


def test_a_comparison_of_more_than_it_takes_is_refused_on_the_page_and_by_the_api(client, ada, monkeypatch):
    experiment = make_experiment(ada)
    runs = [evaluate(made_run(experiment, f"r{number}"), A) for number in range(3)]
    monkeypatch.setattr(comparisons, "MOST", 2)
    assert "3 evaluations are too many: a comparison at the same positions takes 2." in text_of(client, *runs)
    start(client, *runs)
    assert not PositionComparison.objects.exists()
    body = {"entries": [str(run.pk) for run in runs]}
    refused = client_of(ada).post(f"{ROOT}/comparisons", body, content_type="application/json")
    assert "a comparison takes 2" in refused.json()["errors"]["entries"]
    assert "Compare at the same positions" in text_of(client, *runs[:2])
