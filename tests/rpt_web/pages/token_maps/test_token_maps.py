"""A filter run's documents and token maps: what they show is what the run found, and what a run would choose."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.urls import reverse

from rpt_core.config import PAPER_NATS
from rpt_core.run.folder import RunDir
from rpt_web.corpora.models import ScoredSplit
from rpt_web.pages.token_maps.windows import WINDOW_TOKENS, shown
from rpt_web.runs import services
from rpt_web.runs.models import Run
from tests.factories import make_experiment
from tests.scored_files import TEXTS, make_filter_run, whole_choice
from tests.workers.emitted import emit_rollouts, rollout


def list_address(run, **query):
    return reverse("token_maps:document_list", args=[run.pk], query=query)


def address(run, row, part="document_detail", split="train", token=None, **query):
    return reverse(f"token_maps:{part}", args=[run.pk, split, row, *([] if token is None else [token])], query=query)


RULES = [
    ({"keep": "threshold", "at": "0.75"}, {"keep": "threshold", "min_entropy_nats": 0.75}),
    ({"keep": "top_share", "at": "0.13"}, {"keep": "top_share", "keep_share": 0.13}),
    ({"keep": "random", "at": "0.30"}, {"keep": "random", "keep_share": 0.3}),
    ({"keep": "run"}, {}),
    ({}, {}),
]


def test_the_list_shows_the_documents_of_a_split_page_by_page(page, made):
    run, documents = made
    text = page(list_address(run))
    assert "1 to 50 of 61, in the order of the corpus" in text
    for number in (0, 49):
        assert f">{TEXTS[number][0]}</a>" in text if number < 49 else f">{TEXTS[48][0]}</a>" in text
    first = documents["train"][1]
    row = re.search(r"<tr><th scope=\"row\"><a[^>]*>doc-0</a></th>(.*?)</tr>", text)[1]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
    assert cells[1:4] == [str(len(first.token_ids)), str(len(first.token_ids) - 1), str(len(first.kept))]
    assert cells[4] == f"{np.nanmean(first.entropies):.2f}"
    assert "51 to 61 of 61" in page(list_address(run, **{"from": 50}))
    assert "held-doc-3" in page(list_address(run, split="validation"))
    assert "1 to 10 of 10" in page(list_address(run, split="validation"))


def test_the_list_says_how_the_entropies_lie(page, made):
    run, _documents = made
    text = page(list_address(run, vocabulary=1000))
    split = ScoredSplit.objects.get(run=run, split="train")
    assert f"<dt>Positions</dt><dd>{split.positions:,}</dd>" in text
    figures = {f["id"]: f for f in json.loads(re.search(r'<script id="figures"[^>]*>(.*?)</script>', text)[1])}
    bars = figures["entropy-histogram"]["data"]
    assert sum(sum(trace["y"]) for trace in bars) == split.positions
    over_hard = sum(y for trace in bars for x, y in zip(trace["x"], trace["y"], strict=True) if x > 1.5)
    assert over_hard == split.by_difficulty["hard"]
    curve = figures["entropy-probability"]["data"]
    assert [trace["name"] for trace in curve] == [
        "at most, 1,000 tokens",
        "at most, the top 16",
        "positions of the corpus",
    ]
    assert curve[1]["x"][-1] == pytest.approx(np.log(16), abs=1e-3)
    assert curve[1]["y"][-1] == pytest.approx(1 / 16, abs=1e-3)
    assert curve[0]["y"][0] == 1.0


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"vocab_size": 271}', "at most, 271 tokens"),
        ('{"text_config": {"vocab_size": 151936}, "vocab_size": 7}', "at most, 151,936 tokens"),
        ('{"vocab_size": "many"}', "at most, 150,000 tokens"),
        ("{broken", "at most, 150,000 tokens"),
        ("[]", "at most, 150,000 tokens"),
        (None, "at most, 150,000 tokens"),
    ],
)
def test_the_curve_is_that_of_the_proxy_models_vocabulary_where_it_is_known(page, made, tmp_path, config, words):
    run, _documents = made
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    Run.objects.filter(pk=run.pk).update(config=run.config | {"proxy": {"path": str(tmp_path)}})
    text = page(list_address(run))
    assert words in text
    assert ("is not known here" in text) == ("150,000" in words)


def test_a_document_is_opened_by_its_id(page, client, made):
    run, _ = made
    page(list_address(run))
    answer = client.get(list_address(run, document="doc-7"))
    assert answer.status_code == 302
    assert answer["Location"].startswith(address(run, 8))
    assert "has no document with the id “doc-777”" in page(list_address(run, document="doc-777"))


@pytest.mark.parametrize(("asked", "rule"), RULES)
def test_every_rule_chooses_what_a_run_would(page, client, made, asked, rule):
    run, documents = made
    page(list_address(run))
    for split in ("train", "validation"):
        expected = whole_choice(run, documents[split], **rule)
        assert any(expected)
        for row in (0, 1, 5, 9):
            found = client.get(address(run, row, "tokens", split, **asked)).json()
            assert found["chosen"] == [token for token in expected[row] if token < WINDOW_TOKENS]


@pytest.mark.parametrize(("asked", "rule"), RULES)
def test_counts_are_those_of_the_document_and_of_the_split(page, client, made, asked, rule):
    run, documents = made
    page(list_address(run))
    train = documents["train"]
    chosen = whole_choice(run, train, **rule)
    found = client.get(address(run, 5, "counts", **asked)).json()
    entropies = train[5].entropies[chosen[5]]
    levels = {level: int((entropies > nats).sum()) for level, nats in PAPER_NATS.items()}
    assert found["document"] == {"kept": len(chosen[5]), "by_difficulty": levels, "is_about": False}
    assert found["split"]["kept"] == sum(map(len, chosen))
    flat = np.concatenate([document.entropies[at] for document, at in zip(train, chosen, strict=True)])
    exact = {level: int((flat > nats).sum()) for level, nats in PAPER_NATS.items()}
    told = found["split"]["by_difficulty"]
    if asked.get("keep") == "run":
        assert set(told.values()) == {None}
    elif asked.get("keep") == "random":
        assert found["split"]["is_about"]
        assert all(abs(told[level] - exact[level]) < 4 * np.sqrt(exact[level]) for level in told)
    else:
        assert told == exact


def test_the_address_says_the_rule_and_the_page_counts_by_it(page, made):
    run, documents = made
    text = page(address(run, 1, keep="threshold", at="1.25"))
    entropies = documents["train"][1].entropies
    kept = int((entropies[1:] >= 1.25).sum())
    assert f'<tr data-counts="document"><th scope="row">Document<span class="below">of {len(entropies) - 1}' in text
    assert f'data-level="kept">{kept}</td>' in text
    assert 'value="1.25"' in text
    assert "1.25 nats" in text
    assert '<option value="threshold" selected>' in text
    for wrong in ("nonsense", "-1", "nan", "1e400", "", "9" * 40):
        assert "1.00 nats" in page(address(run, 1, keep="threshold", at=wrong))
    assert "100 %" in page(address(run, 1, keep="random", at="7"))
    assert '<option value="threshold" selected>' in page(address(run, 1, keep="other"))


def test_a_run_that_caps_a_document_begins_with_its_own_choice(page, ada, client):
    run, documents = make_filter_run(make_experiment(ada), ada, TEXTS, max_positions_per_document=2)
    text = page(address(run, 3))
    assert '<option value="run" selected>' in text
    assert "This run keeps at most 2 of a document" in text
    assert client.get(address(run, 3, "tokens")).json()["chosen"] == list(documents["train"][3].kept)
    assert len(documents["train"][3].kept) == 2


def test_tokens_come_in_windows_and_joined_are_the_text(page, client, made):
    run, documents = made
    page(list_address(run))
    written = documents["train"][0]
    starts = range(0, len(written.token_ids), WINDOW_TOKENS)
    windows = [client.get(address(run, 0, "tokens", start=start)).json() for start in starts]
    assert b"".join(bytes.fromhex(b) for w in windows for b in w["bytes"]).decode() == written.document.text
    nats = [value for window in windows for value in window["nats"]]
    assert nats[0] is None
    # The very float32, so that the browser compares with a threshold as a run does.
    assert np.array(nats[1:], np.float32).tolist() == written.entropies[1:].tolist()
    assert len(windows[0]["texts"]) <= WINDOW_TOKENS
    beyond = client.get(address(run, 0, "tokens", start=10**9)).json()
    assert beyond["texts"] == []


def test_hostile_text_stands_in_the_page_as_data_alone(page, client, made):
    run, _ = made
    text = page(address(run, 0))
    assert "<img src=x" not in text
    assert "alert(&quot;" not in text.split("token-map-data")[0]
    assert "hostile &lt;/script&gt;" in text
    texts = "".join(client.get(address(run, 0, "tokens")).json()["texts"])
    assert not [character for character in texts if not character.isprintable() and character != "\n"]
    assert r"\u202E" in texts


@pytest.mark.parametrize(
    ("piece", "text"),
    [
        (b" the", " the"),
        (b"a\nb", "a↵\nb"),
        (b"\t", "⇥"),
        (b"\xe4\xb8", r"\xE4\xB8"),
        ("中é".encode(), "中é"),
        ("\u202e".encode(), r"\u202E"),
        (b"\x00\x1b", r"\x00\x1B"),
        ("\u200b\u2066".encode(), r"\u200B\u2066"),
        (b"", ""),
        (b"<b>", "<b>"),
    ],
)
def test_a_token_is_shown_with_nothing_invisible_in_it(piece, text):
    assert shown(piece) == text


def test_what_is_not_there_is_not_found_and_said(page, made, run):
    filter_run, _ = made
    for nothing in (list_address(run), address(filter_run, 61), address(filter_run, 0, split="test")):
        assert "cannot be read" not in page(nothing, status=404)
    page(address(filter_run, 0, "position", token=10**6), status=404)
    (RunDir(filter_run.directory).positions / "train.parquet").write_bytes(b"PAR1 not at all")
    for part in (list_address(filter_run), address(filter_run, 0)):
        text = page(part, status=404)
        assert "The train documents of filter cannot be read." in text
        assert f'href="{reverse("runs:run_detail", args=[filter_run.pk])}"' in text
    page(address(filter_run, 0, "tokens"), status=404)


def test_a_run_of_an_earlier_version_shows_its_documents(page, client, made):
    run, _ = made
    ScoredSplit.objects.filter(run=run).update(summary={})
    path = RunDir(run.directory).positions / "train.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["highest_probabilities"]), path)
    assert "made before filter runs stored" in page(list_address(run))
    text = page(address(run, 2, keep="top_share", at="0.2") + "&token=3")
    assert '<td class="number" data-level="kept">–</td>' in text
    assert "<dt>Highest probability</dt><dd>–</dd>" in text
    assert client.get(address(run, 2, "tokens", keep="top_share")).json()["highest"] is None
    assert client.get(address(run, 2, "tokens", keep="random")).json()["chosen"]


def test_a_position_tells_its_numbers_and_leads_to_its_responses(page, made, experiment, ada):
    run, documents = made
    written = documents["train"][4]
    token = written.kept[0]
    assert '<th scope="col" class="number">Hard</th>' in page(address(run, 4) + f"?token={token}")
    text = page(address(run, 4, "position", token=token))
    assert "chosen by the run" in text
    assert f"{written.entropies[token]:.3f} nats" in text
    rank = 1 + int((written.entropies[1:] > written.entropies[token]).sum())
    assert f"{rank} of {len(written.token_ids) - 1} in the document" in text
    assert "has a response here" in text
    tried = reverse("wordings:wording_new", query={"run": run.pk, "split": "train", "row": 4, "token": token})
    assert tried.replace("&", "&amp;") in text
    assert f"{run.name}, document {written.document.id}, token {token}." in page(tried)

    rest = written.document.text.encode()[written.byte_offsets[token] :]
    there = {"document": written.document.id, "position": token}
    reader = reading_run(
        run, experiment, ada, "reader", [rollout(1, n, completion=rest[:8], **there) for n in range(4)]
    )
    reading_run(run, experiment, ada, "other-tokens", [rollout(1, 0, completion=b"\x00", **there)])
    text = page(address(run, 4, "position", token=token))
    assert reverse("traces:rollout_detail", args=[reader.pk, rollouts_of(reader)[0].id]) in text
    assert '>reader</a></th><td class="number">4</td><td class="number">4</td>' in text
    assert "other-tokens" not in text


def reading_run(filter_run, experiment, user, name, rows):
    """A running RPT run that reads the filter run's positions, with responses."""
    from rpt_core.config import RptConfig
    from rpt_core.run.events import EventLog
    from tests.factories import record, start_run
    from tests.rpt_web.api_client import CONFIG

    config = RptConfig.model_validate(CONFIG | {"positions": str(RunDir(filter_run.directory).positions)})
    made = services.submit(experiment, name, config, user)
    run, _ = start_run(made)
    with EventLog(RunDir(run.directory).events) as log:
        emit_rollouts(run, log, 1, rows)
    record(run)
    return run


def rollouts_of(run):
    from rpt_web.traces.models import Rollout

    return Rollout.objects.filter(run_id=run.pk).order_by("id")


def test_the_runs_page_leads_to_its_documents(page, made):
    run, _ = made
    assert f'href="{list_address(run)}"' in page(reverse("runs:run_detail", args=[run.pk]))


def test_the_summary_stands_in_a_row_and_not_in_the_list_of_events(made):
    run, _documents = made
    rows = {row.split: row for row in ScoredSplit.objects.filter(run=run)}
    assert rows["train"].documents == 61
    assert sum(rows["train"].summary["counts"]) == rows["train"].positions
    events = run.events.filter(type="positions")
    assert len(events) == 2
    assert all("summary" not in event.data and event.data["kept"] for event in events)


def test_a_new_filter_run_begins_with_what_is_set(page, client, made):
    run, _ = made
    asked = reverse("configure:run_new", query={"like": run.pk, "keep": "top_share", "keep_share": "0.25"})
    text = page(asked)
    assert f'A clone of <a href="{reverse("runs:run_detail", args=[run.pk])}"' in text
    assert '<a href="#id_keep">keep</a>' in text
    assert re.search(r'name="keep_share" value="0.25"', text)
    assert re.search(r'<option value="top_share" selected>', text)
    assert re.search(r'name="seed" value="3"', text)
    assert 'name="run_name" value="filter-2"' in text


def test_viewers_see_the_map_and_are_offered_no_run(viewer_client, made):
    run, _ = made
    answer = viewer_client.get(address(run, 1))
    assert answer.status_code == 200
    assert b"New filter run" not in answer.content


def test_runs_from_before_there_were_rows_get_them_from_their_events(made):
    from importlib import import_module

    from django.apps import apps

    run, _ = made
    told = {row.split: (row.documents, row.positions, row.kept, row.by_difficulty) for row in run.splits.all()}
    run.splits.all().delete()
    events = run.events.filter(type="positions")
    broken = events[0]
    broken.pk, broken.seq, broken.data = None, 99, {"split": "train", "kept": 3}
    broken.save()
    import_module("rpt_web.corpora.migrations.0002_scored_splits").of_events(apps, None)
    rows = {row.split: (row.documents, row.positions, row.kept, row.by_difficulty) for row in run.splits.all()}
    assert rows == told
    assert {str(row.summary) for row in run.splits.all()} == {"{}"}
