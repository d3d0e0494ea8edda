"""Addresses of a full platform: how each of its pages and lists is asked for, and what is not measured, and why.

In: the ids of what has the most (`_known`). Out: addresses, by the names that the URL conf gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from _known import Known
from _not_measured import NOT_MEASURED

if TYPE_CHECKING:
    from django.urls import URLPattern, URLResolver

API = "api/v1/"
TABS = ("curves", "monitors", "groups", "evaluations", "log", "config", "files")
"""Of a run's page, beside the first."""


TRACES = (
    "",
    "mark=forgotten_now",
    "mark=first_solved",
    "difficulty=hard&solved=none&samples_from=2&order=-entropy",
    "mark=greedy_alone",
    "order=-disagreement",
    "order=pass_rate",
    "order=-length&kind=sampled",
    "order=-step&document=card-00007",
    "reason=empty",
    "pattern=reflection",
    "order=-disputed",
    "label=thought:lucky_guess&order=-entropy",
    "reason=no_box&finish=length&domain=algebra",
    "entropy_from=1.5&entropy_to=1.6&pass_to=0.3",
    "step_from=20&step_to=30&solved=some",
    "alarm=1",
)
"""Queries of lists of groups; no response has an empty box."""


def addresses(known: Known) -> dict[str, list[str]]:
    """Each measured address as the URL conf has it -> how it is asked for."""
    run, busiest, experiment = f"runs/{known.run}", f"runs/{known.busiest}", f"experiments/{known.experiment}"
    filters = ("reason=match", "reason=empty", "reward=1", "reward=0&finish=length", "kind=all&reason=empty&reward=1")
    rollouts = f"{run}/rollouts/"
    middle = f"after={known.rollout // 2}"
    documents = f"runs/{known.filtered}/documents"
    long, middle_token = f"{documents}/train/0", known.tokens // 2
    corpus, team = f"corpora/{known.corpus}", f"teams/{known.team}"
    stored, late = f"{corpus}/versions/1/documents/", known.documents * 4 // 5
    trail = f"{team}/trail/"
    evaluated = f"runs/{known.learnt}/evaluations/80/"
    compared = _compared_traces(known)
    return {
        "healthz": ["healthz"],
        "": [""],
        "find/": ["find/", "find/?q=trial+1", "find/?q=nothing+has+this", "find/?q=nobody:12", f"find/?q={known.run}"],
        "help/": ["help/"],
        "help/{name}/": ["help/glossary/", "help/method/"],
        "help/calls/": ["help/calls/"],
        "help/calls/{schema}/": ["help/calls/RptConfig/"],
        "inbox/": ["inbox/", "inbox/?show=unread"],
        "experiments/": [
            "experiments/",
            "experiments/?q=trial+1",
            "experiments/?q=nothing+has+this",
            f"experiments/?before={known.experiment + 40}",
        ],
        "experiments/{experiment_id}/": [f"{experiment}/"],
        "experiments/{experiment_id}/edit/": [f"{experiment}/edit/"],
        "experiments/{experiment_id}/delete": [f"{experiment}/delete"],
        "experiments/{experiment_id}/results/": [f"{experiment}/results/"],
        "exhibits/{ref}/": [
            f"exhibits/run/{known.busiest}/metric/loss/",
            f"exhibits/experiment/{known.experiment}/accuracy/",
        ],
        "exhibits/{ref}/as/{ending}": [f"exhibits/run/{known.busiest}/metric/loss/as/csv"],
        "exhibits/{ref}/came-from/": [f"exhibits/run/{known.busiest}/metric/loss/came-from/"],
        "results/": [
            "results/",
            "results/?mode=sampled&difficulty=easy",
            f"results/?set={known.set}",
            f"results/?set={known.set}&stage=rpt",
            f"results/?experiment={known.experiment}",
        ],
        "results/board.{ending}": [f"results/board.csv?set={known.set}"],
        "results/paper/": ["results/paper/"],
        "results/paper/{page_name}/": [
            f"results/paper/{name}/?experiment={known.experiment}"
            for name in ("table-1", "figure-4", "figure-5", "table-6", "table-7", "other-questions")
        ],
        "api/v1/position-sets": ["api/v1/position-sets"],
        "api/v1/positions/{position_id}": [f"api/v1/positions/{known.position}"],
        "api/v1/positions/{position_id}/groups": [f"api/v1/positions/{known.position}/groups"],
        "api/v1/leaderboard": [f"{API}leaderboard?set={known.set}", f"{API}leaderboard?set={known.set}&mode=greedy"],
        "runs/": [
            "runs/",
            "runs/?q=trial+1",
            "runs/?status=succeeded",
            "runs/?status=queued",
            "runs/?archived=1",
            f"runs/?before={known.run + 40}",
        ],
        "runs/table/": [
            "runs/table/",
            "runs/table/?columns=stage,config.steps,metric.loss.best&sort=-metric.loss.last&where=metric.loss.last<9",
            "runs/table/?columns=seed,metric.loss.last,accuracy.hard.greedy&group=stage",
        ],
        "runs/table/columns/": ["runs/table/columns/?q=loss"],
        "runs/{run_id}/": [f"{run}/", f"{busiest}/"],
        "runs/{run_id}/delete": [f"{run}/delete"],
        **{f"runs/{{run_id}}/{tab}/": [f"{run}/{tab}/", f"{busiest}/{tab}/"] for tab in TABS},
        "runs/{run_id}/evaluations/{step}/": [
            f"{evaluated}?{query}" for query in ("", "mode=standard&right=1", "difficulty=easy&tau=0.5&thinks=1")
        ],
        "runs/{run_id}/rollouts/{rollout_id}/prompt/": [f"{rollouts}{known.rollout}/prompt/"],
        "api/v1/runs/{run_id}/rollouts/{rollout_id}/prompt": [f"{API}{rollouts}{known.rollout}/prompt"],
        "runs/{run_id}/metrics.json": [f"{busiest}/metrics.json"],
        "runs/{run_id}/config.json": [f"{run}/config.json"],
        "runs/{run_id}/rollouts/": [
            rollouts,
            f"{rollouts}?step={known.step}",
            f"{rollouts}?{middle}",
            *(f"{rollouts}?{query}" for query in filters),
        ],
        "runs/{run_id}/rollouts/{rollout_id}/": [
            f"{rollouts}{known.rollout}/",
            f"{rollouts}{known.rollout}/?kind=train&reason=empty",
        ],
        "traces/": [f"traces/?{query}" for query in (*TRACES, *compared)],
        "traces/counts/": [f"traces/counts/?{query}" for query in (*TRACES, *compared)],
        "traces/reviewers/": ["traces/reviewers/"],
        "traces/counts/reviews/": [f"traces/counts/reviews/?{query}" for query in (*TRACES, *compared)],
        "traces/beside/{run_id}/{rollout_id}/": [
            f"traces/beside/{known.run}/{known.rollout}/",
            f"traces/beside/{known.run}/{known.rollout}/?difficulty=hard&order=-entropy",
        ],
        "runs/{run_id}/documents/": [f"{documents}/", f"{documents}/?from={late}", f"{documents}/?document=nobody"],
        "runs/{run_id}/documents/{split}/{row}/": [f"{documents}/train/{late}/", f"{long}/?keep=threshold&at=1.00"],
        "runs/{run_id}/documents/{split}/{row}/tokens.json": [
            f"{long}/tokens.json?start={middle_token}&keep={rule}"
            for rule in ("run", "threshold", "top_share", "random")
        ],
        "runs/{run_id}/documents/{split}/{row}/counts.json": [f"{long}/counts.json?keep=random&at=0.30"],
        "positions/{text_hash}/{byte_offset}/": [f"positions/{known.place}/"],
        "positions/{text_hash}/{byte_offset}/film/": [f"positions/{known.place}/film/"],
        "positions/{text_hash}/{byte_offset}/run-again/form/": [f"positions/{known.place}/run-again/form/"],
        "runs/{run_id}/documents/{split}/{row}/positions/{token}/": [f"{long}/positions/{middle_token}/"],
        "experiments/new/": ["experiments/new/"],
        "runs/new/": ["runs/new/", f"runs/new/?experiment={known.experiment}"],
        "plans/": ["plans/"],
        "plans/new/": ["plans/new/?preset=tiny", f"plans/new/?experiment={known.experiment}"],
        "runs/new/file/": ["runs/new/file/"],
        "runs/new/choices/": [f"runs/new/choices/?team={known.team}&list=models&q=trial"],
        "runs/new/former/": ["runs/new/former/", "runs/new/former/?q=trial"],
        "nodes/": ["nodes/"],
        "nodes/limits": ["nodes/limits"],
        "corpora/": ["corpora/", "corpora/?q=part+1", f"corpora/?after={known.corpus + 1}"],
        "experiments/empty/": ["experiments/empty/"],
        "corpora/new/": ["corpora/new/"],
        "corpora/{corpus_id}/": [f"{corpus}/"],
        "corpora/{corpus_id}/edit/": [f"{corpus}/edit/"],
        "corpora/{corpus_id}/versions/new": [f"{corpus}/versions/new"],
        "corpora/{corpus_id}/versions/{number}/": [f"{corpus}/versions/1/", f"{corpus}/versions/{known.open}/"],
        "corpora/{corpus_id}/versions/{number}/files": [f"{corpus}/versions/{known.open}/files"],
        "corpora/{corpus_id}/versions/{number}/documents/": [
            stored,
            f"{stored}?after={late}",
            f"{stored}?side=validation",
            f"{stored}?q=cards+are",
            f"{stored}?q=nothing+has+this",
        ],
        "corpora/{corpus_id}/versions/{number}/documents/{row}/": [f"{stored}{late}/"],
        "models/": ["models/", f"models/?before={known.model}"],
        "models/{model_id}/": [f"models/{known.model}/"],
        "jobs/{job_id}/": [f"jobs/{known.job}/"],
        **_of_comparisons(known),
        "searches/": ["searches/", f"searches/?runs={known.run}"],
        "searches/{search_id}/": [f"searches/{known.search}/"],
        "wordings/": ["wordings/"],
        "wordings/{wording_id}/": [f"wordings/{known.wording}/", f"wordings/{known.wording}/?version=1"],
        "wordings/new/": ["wordings/new/", "wordings/new/?kind=patterns"],
        "review/": ["review/", "review/?show=closed"],
        "review/label-sets/": ["review/label-sets/"],
        "review/label-sets/new/": ["review/label-sets/new/"],
        "review/label-sets/{label_set_id}/": [f"review/label-sets/{known.label_set}/"],
        "review/queues/new/": [f"review/queues/new/?run={known.run}&kind=train&reward=0"],
        "review/queues/new/groups/": ["review/queues/new/groups/?difficulty=hard&solved=none"],
        "review/queues/{queue_id}/": [f"review/queues/{known.queue}/", f"review/queues/{known.places}/"],
        "review/pairs/new/": [
            "review/pairs/new/",
            f"review/pairs/new/?run_a={known.run}&run_b={known.run}&kind=greedy",
        ],
        "review/queues/{queue_id}/agreement/": [
            f"review/queues/{queue}/agreement/" for queue in (known.queue, known.places)
        ],
        "review/items/{item_id}/settle/": [f"review/items/{known.disputed}/settle/"],
        **_of_reports(known),
        "api/v1/exhibits": [f"{API}exhibits?ref=run/{known.busiest}/metric/loss"],
        "api/v1/exhibits/file": [f"{API}exhibits/file?ref=run/{known.busiest}/metric/loss&ending=parquet"],
        "api/v1/label-sets": ["api/v1/label-sets"],
        "api/v1/label-sets/{label_set_id}/versions": [f"{API}label-sets/{known.label_set}/versions"],
        "api/v1/queues": ["api/v1/queues"],
        "api/v1/queues/{queue_id}": [f"{API}queues/{known.queue}"],
        "api/v1/queues/{queue_id}/items": [f"{API}queues/{known.queue}/items"],
        "api/v1/queues/{queue_id}/labels": [f"{API}queues/{known.queue}/labels"],
        "api/v1/items/{item_id}": [f"{API}items/{known.item}"],
        "review/responses/{run_id}/{rollout_id}/": [f"review/responses/{known.run}/{known.rollout}/"],
        "review/positions/{position_id}/": [f"review/positions/{known.labelled}/"],
        "review/items/{item_id}/": [f"review/items/{known.item}/", f"review/items/{known.place_item}/"],
        "account/": ["account/"],
        "teams/": ["teams/"],
        "teams/{team_id}/": [f"{team}/"],
        "teams/{team_id}/people/{user_id}/": [f"{team}/people/{known.user}/"],
        "teams/{team_id}/alarms/": [f"{team}/alarms/"],
        "teams/{team_id}/disk/": [f"{team}/disk/"],
        "teams/{team_id}/trail/": [
            trail,
            f"{trail}?routine=on",
            f"{trail}?who=filled-{known.user}",
            f"{trail}?who=nobody",
            f"{trail}?kind=run&routine=on",
        ],
        "trail/{kind}/{pk}/": [f"trail/experiment/{known.experiment}/"],
        "login/": ["login/"],
        "login/link/{secret}/": ["login/link/nobody/"],
        "api/v1/openapi.json": ["api/v1/openapi.json"],
        "api/v1/presets": ["api/v1/presets"],
        "api/v1/teams": ["api/v1/teams"],
        "api/v1/corpora": ["api/v1/corpora"],
        "api/v1/corpora/{corpus_id}/versions": [f"{API}{corpus}/versions"],
        "api/v1/versions/{version_id}": [f"{API}versions/{known.version}"],
        "api/v1/searches": ["api/v1/searches"],
        "api/v1/searches/{search_id}": [f"{API}searches/{known.search}"],
        "api/v1/searches/{search_id}/hits": [f"{API}searches/{known.search}/hits?limit=500"],
        "api/v1/models": ["api/v1/models"],
        "api/v1/models/{model_id}": [f"{API}models/{known.model}"],
        "api/v1/comments": [
            f"{API}comments",
            f"{API}comments?experiment={known.experiment}",
            f"{API}comments?run={known.run}",
        ],
        "api/v1/plans": [f"{API}plans"],
        "api/v1/runs/table": [f"{API}runs/table?columns=stage,metric.loss.last&sort=-metric.loss.last"],
        "api/v1/runs/table/columns": [f"{API}runs/table/columns?q=loss"],
        "api/v1/views": [f"{API}views"],
        "api/v1/wordings": ["api/v1/wordings", "api/v1/wordings?kind=template"],
        "api/v1/wordings/{wording_id}": [f"{API}wordings/{known.wording}"],
        "api/v1/nodes": ["api/v1/nodes"],
        "api/v1/limits": ["api/v1/limits"],
        "api/v1/inbox": ["api/v1/inbox", "api/v1/inbox?unread=1"],
        "api/v1/wordings/{wording_id}/versions": [f"{API}wordings/{known.wording}/versions"],
        "api/v1/jobs/{job_id}": [f"{API}jobs/{known.job}"],
        "api/v1/experiments": ["api/v1/experiments?limit=500"],
        "api/v1/experiments/{experiment_id}": [f"{API}{experiment}"],
        "api/v1/runs": [
            "api/v1/runs?limit=50",
            "api/v1/runs?status=queued",
            "api/v1/runs?status=failed",
            f"api/v1/runs?experiment={known.experiment}",
        ],
        "api/v1/runs/{run_id}": [f"{API}{run}"],
        "api/v1/runs/{run_id}/metrics": [f"{API}{busiest}/metrics", f"{API}{busiest}/metrics?after={known.metric}"],
        "api/v1/runs/{run_id}/events": [f"{API}{busiest}/events"],
        "api/v1/runs/{run_id}/rollouts": [
            f"{API}{run}/rollouts",
            f"{API}{run}/rollouts?step={known.step}",
            f"{API}{run}/rollouts?step={known.step}&kind=greedy",
            f"{API}{run}/rollouts?kind=greedy",
            f"{API}{run}/rollouts?reason=empty",
            f"{API}{run}/rollouts?reason=match&{middle}",
        ],
        "api/v1/runs/{run_id}/rollouts/{rollout_id}": [f"{API}{run}/rollouts/{known.rollout}"],
        "api/v1/runs/{run_id}/files": [f"{API}{run}/files"],
        "api/v1/groups": [f"{API}groups?{query}" for query in (*TRACES[:4], *compared)],
        "api/v1/groups/counts": [f"{API}groups/counts?{query}" for query in (*TRACES[:4], *compared)],
        "api/v1/groups/counts/reviews": [f"{API}groups/counts/reviews?{query}" for query in (*TRACES[:4], *compared)],
        "api/v1/runs/{run_id}/alarms": [f"{API}{run}/alarms"],
        "api/v1/runs/{run_id}/evaluations": [f"{API}{run}/evaluations"],
        "api/v1/runs/{run_id}/tables": [f"{API}{run}/tables"],
        "api/v1/runs/{run_id}/splits": [f"{API}runs/{known.filtered}/splits"],
        "api/v1/runs/{run_id}/documents": [f"{API}{documents}?after={late}"],
    }


def _compared_traces(known: Known) -> list[str]:
    """Queries of lists of groups at the positions of a comparison, and of runs at steps."""
    steps = f"{known.learnt}@60,{known.learnt}@80"
    gained = f"compared={known.compared}%3Aa%3D0%26b%3D5%26difficulty%3Dhard%26cell%3D"
    return [f"{gained}gained", f"at={steps}&{gained}forgotten&order=-entropy", f"at={steps}&kind=sampled&solved=none"]


def _of_comparisons(known: Known) -> dict[str, list[str]]:
    """Baskets, and evaluations at the same positions."""
    made, export, both = f"compare/made/{known.compared}", "file?table=", "a=0&b=5&difficulty=hard&cell=gained"
    widest, modes = f"compare/made/{known.widest}", f"compare/made/{known.of_modes}"
    in_api = f"{API}comparisons/"
    kept, views = f"compare/{known.kept}/", ("settings", "curves", "positions")
    return {
        "compare/": [
            f"compare/?runs={known.basket}",
            f"compare/?runs={known.basket}&view=curves",
            f"compare/?runs={known.basket}&view=positions",
            f"compare/?runs={known.steps}&view=positions&mode=sampled",
            f"compare/?runs={known.learnt}@80:standard,{known.learnt}@80:sampled&view=positions",
            "compare/",
        ],
        "compare/{basket_id}/": [f"{kept}?view={view}" for view in views],
        "compare/made/{comparison_id}/positions/": [
            f"{made}/positions/",
            f"{made}/positions/?{both}",
            f"{widest}/positions/?b={known.last}&difficulty=easy",
            f"{modes}/positions/",
            f"{made}/positions/?{both}&file=csv",
        ],
        "compare/made/{comparison_id}/file": [
            f"{made}/{export}matrix",
            f"{widest}/{export}baseline&file=parquet",
        ],
        "api/v1/baskets": [f"{API}baskets"],
        "api/v1/baskets/{basket_id}": [f"{API}baskets/{known.kept}"],
        "api/v1/compared-settings": [f"{API}compared-settings?runs={known.basket}"],
        "api/v1/comparisons/{comparison_id}": [f"{in_api}{known.compared}", f"{in_api}{known.widest}"],
        "api/v1/comparisons/{comparison_id}/positions": [f"{in_api}{known.compared}/positions?cell=gained"],
    }


def _of_reports(known: Known) -> dict[str, list[str]]:
    """Reports, one live and one frozen, by their own pages and by a link."""
    live, frozen, shared = f"reports/{known.report}", f"reports/{known.frozen}", f"shared/{known.secret}"
    return {
        "reports/": ["reports/"],
        "reports/{report_id}/": [f"{live}/", f"{frozen}/"],
        "reports/{report_id}/anonymous/": [f"{frozen}/anonymous/"],
        "reports/{report_id}/file/{ending}": [f"{frozen}/file/html", f"{frozen}/file/zip"],
        "reports/{report_id}/pdf": [f"{live}/pdf"],
        "shared/{secret}/": [f"{shared}/"],
        "shared/{secret}/report.{ending}": [f"{shared}/report.html"],
        "api/v1/reports": [f"{API}reports"],
        "api/v1/reports/{report_id}": [f"{API}{live}"],
        "api/v1/reports/{report_id}/file": [f"{API}{frozen}/file?ending=html"],
        "api/v1/reports/{report_id}/pdf": [f"{API}{live}/pdf"],
    }


def all_addresses(patterns: Sequence[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """What the URL conf has, with each parameter as {name}."""
    from django.urls import URLPattern

    for found in patterns:
        path = prefix + _written(found)
        if isinstance(found, URLPattern):
            yield path
        else:
            yield from all_addresses(found.url_patterns, path)


def _written(found: URLPattern | URLResolver) -> str:
    text = str(found.pattern)
    for name in found.pattern.converters:
        start, end = text.index("<"), text.index(">")
        text = f"{text[:start]}{{{name}}}{text[end + 1 :]}"
    return text


def forgotten(known: Known) -> set[str]:
    """Addresses of the platform of which this script does not know whether to measure them."""
    from django.urls import get_resolver

    return {*all_addresses(get_resolver().url_patterns)} - {*addresses(known), *NOT_MEASURED}
