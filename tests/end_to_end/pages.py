"""The pages that are looked at in Chromium: name -> address, from the rows that its test has made."""

from __future__ import annotations

from django.urls import reverse

GPU_NODE = [
    {"area": "machine", "name": "processor", "level": "good", "words": "16 cores, 128 GB of memory"},
    {"area": "machine", "name": "GPU 0", "level": "good", "words": "NVIDIA H100, 80 GB"},
    {"area": "engines", "name": "vLLM", "level": "good", "words": "0.24.0"},
    {"area": "folders", "name": "data", "level": "problem", "words": "cannot be written", "remedy": "chown 1000 /data"},
]

GPU_FIGURES = [
    {"index": 0, "name": "NVIDIA H100", "memory_bytes": 80e9, "used_bytes": 41e9, "load": 0.93},
    {"index": 1, "name": "NVIDIA H100", "memory_bytes": 80e9, "used_bytes": None, "load": None},
]


def rollout_address(rows, reason):
    from rpt_web.traces.models import Rollout

    found = (
        Rollout.objects.filter(run_id=rows["rpt"].pk, kind="train", reason=reason, step__gt=3).order_by("id").first()
    )
    return reverse("traces:rollout_detail", args=[rows["rpt"].pk, found.id])


def answer_address(rows):
    from rpt_web.traces.models import Rollout

    run = rows["paper"].runs.get(name="s0-rlvr-rpt")
    found = Rollout.objects.filter(run_id=run.pk, reason="mismatch").order_by("id").first()
    return reverse("traces:rollout_detail", args=[run.pk, found.id])


def hostile_address(rows):
    """Of a response that the reader may have yet to review, and looks at all the same."""
    return reverse("traces:rollout_detail", args=[rows["rpt"].pk, rows["hostile"]]) + "?anyway=1"


def yet_to_review_address(rows):
    """Of the response of an item that the reader has not submitted."""
    item = rows["reviewed"].items.get(number=8)
    return reverse("traces:rollout_detail", args=[item.run_id, item.rollout_id])


def search_hit_address(rows):
    hit = rows["search"].hits.first()
    return reverse("traces:rollout_detail", args=[hit.run_id, hit.rollout]) + f"?search={rows['search'].pk}"


def compared_runs(rows):
    """The finished experiment's policy, and those of another experiment."""
    others = rows["paper"].runs.filter(name__endswith="-rpt", stage="rpt").order_by("id")
    return ",".join(str(run.pk) for run in (rows["rpt"], *others))


def review_address(rows, name, number):
    return reverse(f"review:{name}", args=[rows["reviewed"].items.get(number=number).pk])


def position_address(rows):
    from rpt_web.pages.position_addresses import place_of
    from rpt_web.traces.models import ResponseGroup

    groups = ResponseGroup.objects.filter(run_id=rows["rpt"].pk, kind="sampled").exclude(position=None)
    return place_of(groups.order_by("id").first().position)


def leaderboard_address(rows):
    standing = rows["paper"].standings.filter(stage="rpt").exclude(group="").first()
    return reverse("results:leaderboard") + f"?set={standing.group if standing else 'unknown'}"


def paper_address(name):
    return lambda rows: reverse("results:paper_page", args=[name]) + f"?experiment={rows['paper'].pk}"


def version_address(rows, number):
    return reverse("corpora:version_detail", args=[rows["corpus"].corpus_id, number])


def run_address(rows, experiment, name, tab="run_detail"):
    return reverse(f"runs:{tab}", args=[rows[experiment].runs.get(name=name).pk])


def form_address(rows, preset, run, place=""):
    query = f"?preset={preset}&run={run}&experiment={rows['paper'].pk}{place}"
    return reverse("configure:run_new") + query


def token_map_address(rows, **query):
    return reverse("token_maps:document_detail", args=[rows["filter"].pk, "train", 2], query=query)


PAGES = {
    "home": lambda rows: reverse("home:home"),
    "team-alarms": lambda rows: reverse("teams:team_alarms", args=[rows["finished"].team_id]),
    "help": lambda rows: reverse("help:help"),
    "help-glossary": lambda rows: reverse("help:document", args=["glossary"]),
    "help-calls": lambda rows: reverse("calls"),
    "help-call-object": lambda rows: reverse("call_object", args=["RptConfig"]),
    "help-method": lambda rows: reverse("help:document", args=["method"]),
    "inbox": lambda rows: reverse("home:inbox"),
    "experiments": lambda rows: reverse("experiments:experiment_list"),
    "experiments-none-found": lambda rows: reverse("experiments:experiment_list") + "?q=nothing-like-it",
    "experiment": lambda rows: reverse("experiments:experiment_detail", args=[rows["finished"].pk]),
    "experiment-edit": lambda rows: reverse("experiments:experiment_edit", args=[rows["finished"].pk]),
    "experiment-empty": lambda rows: reverse("experiments:experiment_detail", args=[rows["empty"].pk]),
    "runs": lambda rows: reverse("runs:run_list"),
    "runs-queued": lambda rows: reverse("runs:run_list") + "?status=queued",
    "runs-table": lambda rows: reverse("runs:run_table"),
    "runs-table-filtered": lambda rows: (
        reverse("runs:run_table") + "?columns=stage,config.steps,metric.reward_mean.best&where=stage%3Drpt"
    ),
    "runs-table-grouped": lambda rows: (
        reverse("runs:run_table") + "?columns=seed,accuracy.hard.sampled,metric.reward_mean.last&group=stage"
    ),
    "runs-none-found": lambda rows: reverse("runs:run_list") + "?q=nothing-like-it",
    "run-rpt": lambda rows: reverse("runs:run_detail", args=[rows["rpt"].pk]),
    "run-rpt-curves": lambda rows: reverse("runs:run_curves", args=[rows["rpt"].pk]),
    "run-rpt-monitors": lambda rows: reverse("runs:run_monitors", args=[rows["rpt"].pk]),
    "run-rpt-groups": lambda rows: reverse("runs:run_groups", args=[rows["rpt"].pk]),
    "run-rpt-evaluations": lambda rows: reverse("runs:run_evaluations", args=[rows["rpt"].pk]),
    "run-rpt-positions": lambda rows: reverse("runs:evaluated_positions", args=[rows["rpt"].pk, 80]) + "?mode=standard",
    "run-rpt-hybrid": lambda rows: (
        reverse("runs:evaluated_positions", args=[rows["rpt"].pk, 80]) + "?mode=greedy&tau=0.9&right=0"
    ),
    "run-rpt-two-by-two": lambda rows: (
        reverse("runs:evaluated_positions", args=[rows["rpt"].pk, 80]) + "?mode=greedy&right=1&standard=0"
    ),
    "run-rpt-held-out": lambda rows: (
        reverse("runs:evaluated_positions", args=[rows["rpt"].pk, 80]) + "?mode=greedy&held_out=0"
    ),
    "run-rpt-log": lambda rows: reverse("runs:run_log", args=[rows["rpt"].pk]),
    "run-rpt-config": lambda rows: reverse("runs:run_settings", args=[rows["rpt"].pk]),
    "run-rpt-files": lambda rows: reverse("runs:run_files", args=[rows["rpt"].pk]),
    "traces": lambda rows: reverse("traces:group_list"),
    "traces-hard": lambda rows: (
        reverse("traces:group_list") + "?difficulty=hard&solved=none&order=-entropy&step_from=1"
    ),
    "traces-none-found": lambda rows: reverse("traces:group_list") + "?document=nothing-like-it",
    "run-base": lambda rows: reverse("runs:run_detail", args=[rows["base"].pk]),
    "run-filter": lambda rows: reverse("runs:run_detail", args=[rows["filter"].pk]),
    "run-failed": lambda rows: reverse("runs:run_detail", args=[rows["failed"].pk]),
    "experiment-stopped": lambda rows: reverse("experiments:experiment_detail", args=[rows["stopped"].pk]),
    "run-delete": lambda rows: reverse("runs:run_delete", args=[rows["base"].pk]),
    "experiment-delete": lambda rows: reverse("experiments:experiment_delete", args=[rows["finished"].pk]),
    "run-waiting": lambda rows: run_address(rows, "stopped", "s0-cold"),
    "run-blocked": lambda rows: run_address(rows, "stopped", "s0-rpt"),
    "run-analyse": lambda rows: run_address(rows, "paper", "s0-analysis"),
    "run-analyse-tables": lambda rows: run_address(rows, "paper", "s0-analysis", "run_evaluations"),
    "run-templates": lambda rows: run_address(rows, "paper", "s0-templates", "run_evaluations"),
    "run-benchmark": lambda rows: run_address(rows, "paper", "s0-choice-rpt", "run_evaluations"),
    "run-rlvr": lambda rows: run_address(rows, "paper", "s0-rlvr-rpt", "run_evaluations"),
    "results-paper": lambda rows: reverse("results:experiment_results", args=[rows["paper"].pk]),
    "suite-new": lambda rows: reverse("configure:suite_new"),
    "suite-new-not-here": lambda rows: reverse("configure:suite_new") + "?preset=paper",
    "run-new-analyse": lambda rows: form_address(rows, "tiny-paper", "analysis", ":s0-"),
    "run-new-filter": lambda rows: form_address(rows, "tiny-paper", "filter"),
    "run-queued": lambda rows: reverse("runs:run_detail", args=[rows["queued"].pk]),
    "run-running": lambda rows: reverse("runs:run_detail", args=[rows["running"].pk]),
    "run-new": lambda rows: reverse("configure:run_new") + f"?preset=tiny&experiment={rows['finished'].pk}",
    "run-new-not-ready": lambda rows: reverse("configure:run_new") + f"?experiment={rows['stopped'].pk}",
    "run-new-none-ready": lambda rows: reverse("configure:run_new") + "?preset=paper",
    "plans": lambda rows: reverse("plans:plan_list"),
    "plan-new": lambda rows: reverse("plans:plan_new") + "?preset=tiny",
    "plan-of-experiment": lambda rows: reverse("plans:plan_new") + f"?experiment={rows['paper'].pk}",
    "run-new-file": lambda rows: reverse("configure:run_from_file"),
    "nodes": lambda rows: reverse("nodes:node_list"),
    "limits": lambda rows: reverse("nodes:limit_list"),
    "rollouts": lambda rows: reverse("traces:rollout_list", args=[rows["rpt"].pk]),
    "rollouts-all": lambda rows: reverse("traces:rollout_list", args=[rows["rpt"].pk]) + "?kind=all",
    "rollouts-filtered": lambda rows: reverse("traces:rollout_list", args=[rows["rpt"].pk]) + "?step=20&reward=0",
    "compare": lambda rows: reverse("compare:basket"),
    "compare-settings": lambda rows: reverse("compare:basket") + f"?runs={compared_runs(rows)}",
    "compare-curves": lambda rows: reverse("compare:basket") + f"?runs={compared_runs(rows)}&view=curves",
    "searches": lambda rows: reverse("searches:search_list") + f"?runs={rows['rpt'].pk}",
    "search": lambda rows: reverse("searches:search_detail", args=[rows["search"].pk]),
    "search-hit": search_hit_address,
    "position": position_address,
    "rollout-match": lambda rows: rollout_address(rows, "match"),
    "rollout-mismatch": lambda rows: rollout_address(rows, "mismatch"),
    "rollout-not-on-boundary": lambda rows: rollout_address(rows, "not_on_boundary"),
    "rollout-hostile": hostile_address,
    "rollout-yet-to-review": yet_to_review_address,
    "rollout-answer": answer_address,
    "review": lambda rows: reverse("review:inbox"),
    "review-label-sets": lambda rows: reverse("review:label_set_list"),
    "review-label-set": lambda rows: reverse("review:label_set_detail", args=[rows["reviewed"].version.label_set_id]),
    "review-queue-new": lambda rows: reverse("review:queue_new") + f"?run={rows['rpt'].pk}&kind=train&reward=0",
    "review-queue": lambda rows: reverse("review:queue_detail", args=[rows["reviewed"].pk]),
    "review-import": lambda rows: reverse("review:queue_import", args=[rows["reviewed"].pk]),
    "review-agreement": lambda rows: reverse("review:queue_agreement", args=[rows["reviewed"].pk]),
    "review-item": lambda rows: review_address(rows, "item_detail", 4),
    "review-item-submitted": lambda rows: review_address(rows, "item_detail", 1),
    "review-settle": lambda rows: review_address(rows, "item_settle", 2),
    "review-reassign": lambda rows: reverse("review:queue_reassign", args=[rows["reviewed"].pk]),
    "review-delete": lambda rows: reverse("review:queue_delete", args=[rows["reviewed"].pk]),
    "review-position": lambda rows: reverse("review:item_detail", args=[rows["placed"].items.get(number=1).pk]),
    "wordings": lambda rows: reverse("wordings:wording_list"),
    "wording-new": lambda rows: reverse("wordings:wording_new") + "?from=v6",
    "pattern-list-new": lambda rows: reverse("wordings:wording_new") + "?kind=patterns",
    "wording": lambda rows: reverse("wordings:wording_detail", args=[rows["wording"].wording_id]),
    "models": lambda rows: reverse("models:model_list"),
    "model": lambda rows: reverse("models:model_detail", args=[rows["models"][0].pk]),
    "model-unfit": lambda rows: reverse("models:model_detail", args=[rows["models"][1].pk]),
    "documents": lambda rows: reverse("token_maps:document_list", args=[rows["filter"].pk]),
    "token-map": lambda rows: token_map_address(rows, token=9),
    "token-map-random": lambda rows: token_map_address(rows, keep="random", at="0.40"),
    "run-new-like": lambda rows: reverse("configure:run_new") + f"?like={rows['filter'].pk}&min_entropy_nats=0.75",
    "corpora": lambda rows: reverse("corpora:corpus_list"),
    "experiment-new": lambda rows: reverse("experiments:experiment_new"),
    "corpus-new": lambda rows: reverse("corpora:corpus_new"),
    "corpus": lambda rows: reverse("corpora:corpus_detail", args=[rows["corpus"].corpus_id]),
    "corpus-version": lambda rows: version_address(rows, 1),
    "corpus-version-open": lambda rows: version_address(rows, 2),
    "corpus-documents": lambda rows: version_address(rows, 1) + "documents/",
    "corpus-documents-found": lambda rows: version_address(rows, 1) + "documents/?q=modulo&side=validation",
    "corpus-document-hostile": lambda rows: version_address(rows, 1) + "documents/7/",
    "job": lambda rows: reverse("jobs:job_detail", args=[rows["models"][0].job.pk]),
    "account": lambda rows: reverse("teams:account"),
    "team": lambda rows: reverse("teams:team", args=[rows["finished"].team_id]),
    "team-trail": lambda rows: reverse("teams:team_trail", args=[rows["finished"].team_id]),
    "team-disk": lambda rows: reverse("teams:team_disk", args=[rows["finished"].team_id]),
    "leaderboard": lambda rows: reverse("results:leaderboard"),
    "leaderboard-of-a-set": lambda rows: leaderboard_address(rows),
    "paper-index": lambda rows: reverse("results:paper_index"),
    **{
        f"paper-{name}": paper_address(name)
        for name in ("table-1", "figure-4", "table-2", "table-6", "other-questions", "figure-5", "hybrid-thinking")
    },
    "results": lambda rows: reverse("results:experiment_results", args=[rows["finished"].pk]),
    "reports": lambda rows: reverse("reports:report_list"),
    "report": lambda rows: reverse("reports:report_detail", args=[rows["report"].pk]),
    "report-anonymous": lambda rows: reverse("reports:report_preview", args=[rows["report"].pk]),
    "exhibit": lambda rows: reverse("exhibits:exhibit_detail", args=[f"run/{rows['rpt'].pk}/metric/reward"]),
    "exhibit-table": lambda rows: reverse(
        "exhibits:exhibit_detail", args=[f"experiment/{rows['finished'].pk}/accuracy"]
    ),
    "results-empty": lambda rows: reverse("results:experiment_results", args=[rows["empty"].pk]),
}
PUBLIC_PAGES = {
    "login": (lambda rows: reverse("teams:login"), 200),
    "login-link": (lambda rows: reverse("teams:login_link", args=[rows["link"]]), 200),
    "login-link-used": (lambda rows: reverse("teams:login_link", args=["used-or-cut-short"]), 410),
    "error-404": (lambda rows: "/no/such/page", 404),
}
