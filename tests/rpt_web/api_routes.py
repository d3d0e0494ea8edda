"""What each caller of the API gets from each of its addresses; the pages are in `routes`."""

from tests.rpt_web.routes import by_token

READ = by_token(404, 200, 200, 200, 200)
LISTED = by_token(200, 200, 200, 200, 200)
WRITTEN = by_token(404, 403, 403, 202, 202)
IN_CONFLICT = by_token(404, 403, 403, 409, 409)
OWN_READ = by_token(404, 200, 200, 200, 200) | {"shared": 404}
API = {
    ("get", "/presets"): LISTED,
    ("get", "/teams"): LISTED,
    ("get", "/experiments"): LISTED,
    ("post", "/experiments"): by_token(201, 403, 403, 201, 201),
    ("get", "/experiments/{experiment_id}"): READ,
    ("post", "/experiments/{experiment_id}/suite"): by_token(404, 403, 403, 422, 422),  # the name is taken
    ("post", "/experiments/{experiment_id}/resubmit"): WRITTEN,
    ("post", "/experiments/{experiment_id}/cancel"): WRITTEN,
    ("get", "/runs"): LISTED,
    ("post", "/runs"): by_token(422, 403, 403, 422, 422),  # likewise; what one may not see is no experiment
    ("get", "/corpora"): LISTED,
    ("post", "/corpora"): by_token(201, 403, 403, 201, 201),
    ("delete", "/corpora/{corpus_id}"): WRITTEN,
    ("get", "/corpora/{corpus_id}/versions"): READ,
    ("post", "/corpora/{corpus_id}/versions"): by_token(404, 403, 403, 201, 201),
    ("get", "/versions/{version_id}"): READ,
    ("delete", "/versions/{version_id}"): WRITTEN,
    ("post", "/versions/{version_id}/check"): by_token(404, 403, 403, 409, 409),  # its files are not whole
    ("get", "/models"): LISTED,
    ("post", "/models"): by_token(422, 403, 403, 201, 201),  # what one may not see is no run
    ("get", "/models/{model_id}"): READ,
    ("post", "/models/{model_id}/check"): WRITTEN,
    ("get", "/wordings"): LISTED,
    ("post", "/wordings"): by_token(201, 403, 403, 201, 201),
    ("get", "/wordings/{wording_id}"): READ,
    ("get", "/wordings/{wording_id}/versions"): READ,
    ("post", "/wordings/{wording_id}/versions"): by_token(404, 403, 403, 201, 201),
    ("get", "/position-sets"): LISTED,
    ("post", "/leaderboard/baseline"): by_token(422, 403, 403, 422, 422) | {"shared": 422},  # there is no row
    ("get", "/leaderboard"): by_token(422, 422, 422, 422, 422),  # no set is named
    ("get", "/runs/{run_id}/rollouts/{rollout_id}/prompt"): READ,
    ("post", "/runs/{run_id}/rollouts/{rollout_id}/prompt"): by_token(404, 202, 202, 202, 202),  # it only reads
    ("get", "/positions/{position_id}"): READ,
    ("get", "/positions/{position_id}/groups"): READ,
    ("get", "/positions/{position_id}/reruns"): READ,
    ("post", "/positions/{position_id}/reruns"): by_token(404, 403, 403, 422, 422) | {"shared": 422},
    ("get", "/searches"): LISTED,
    ("post", "/searches"): by_token(422, 202, 202, 202, 202),  # to search is to read; what one may not see is no run
    ("get", "/searches/{search_id}"): by_token(404, 200, 200, 200, 200) | {"shared": 404},
    ("get", "/searches/{search_id}/hits"): by_token(404, 200, 200, 200, 200) | {"shared": 404},
    ("post", "/searches/{search_id}/stop"): by_token(404, 403, 202, 202, 202) | {"shared": 404},  # the member's own
    ("get", "/runs/table"): LISTED,
    ("get", "/runs/table/columns"): LISTED,
    ("post", "/runs/{run_id}/tags"): by_token(404, 403, 403, 200, 200),
    ("get", "/views"): LISTED,
    ("post", "/views"): by_token(201, 403, 403, 201, 201),
    ("get", "/views/{view_id}"): OWN_READ,
    ("post", "/views/{view_id}"): by_token(404, 403, 403, 200, 200) | {"shared": 404},
    ("delete", "/views/{view_id}"): by_token(404, 403, 403, 204, 204) | {"shared": 404},
    ("get", "/compared-settings"): by_token(422, 200, 200, 200, 200),  # what one may not see is no run
    ("post", "/comparisons"): by_token(422, 422, 422, 422, 422),  # to compare is to read; nothing was evaluated
    ("get", "/comparisons/{comparison_id}"): READ,
    ("get", "/comparisons/{comparison_id}/positions"): READ,
    ("get", "/baskets"): LISTED,
    ("post", "/baskets"): by_token(201, 403, 403, 201, 201),
    ("get", "/baskets/{basket_id}"): OWN_READ,
    ("post", "/baskets/{basket_id}"): by_token(404, 403, 403, 200, 200) | {"shared": 404},
    ("delete", "/baskets/{basket_id}"): by_token(404, 403, 403, 204, 204) | {"shared": 404},
    ("get", "/plans"): LISTED,
    ("post", "/plans"): by_token(201, 403, 403, 201, 201),
    ("get", "/plans/{plan_id}"): READ,
    ("post", "/plans/{plan_id}"): by_token(404, 403, 403, 200, 200),
    ("delete", "/plans/{plan_id}"): by_token(404, 403, 403, 204, 204),
    ("get", "/inbox"): LISTED,
    ("post", "/inbox/read"): by_token(200, 200, 403, 200, 200),
    ("post", "/runs/several"): by_token(200, 403, 403, 200, 200),  # each run is looked at by itself
    ("get", "/comments"): LISTED,
    ("post", "/comments"): by_token(422, 403, 403, 201, 201),  # what one may not see is no run
    ("get", "/comments/{comment_id}"): READ,
    ("post", "/comments/{comment_id}"): by_token(404, 403, 403, 200, 403),  # the member's own
    ("delete", "/comments/{comment_id}"): by_token(404, 403, 403, 204, 204),
    ("post", "/comments/{comment_id}/replies"): by_token(404, 403, 403, 201, 201),
    ("post", "/comments/{comment_id}/resolve"): by_token(404, 403, 403, 200, 200),
    ("post", "/comments/{comment_id}/reopen"): by_token(404, 403, 403, 200, 200),
    ("get", "/label-sets"): LISTED,
    ("post", "/label-sets"): by_token(201, 403, 403, 201, 201),
    ("get", "/label-sets/{label_set_id}/versions"): OWN_READ,
    ("post", "/label-sets/{label_set_id}/versions"): by_token(404, 403, 403, 201, 201) | {"shared": 404},
    ("get", "/queues"): LISTED,
    ("post", "/queues"): by_token(422, 403, 403, 201, 201),  # what one may not see is no run
    ("get", "/queues/{queue_id}"): OWN_READ,
    ("delete", "/queues/{queue_id}"): by_token(404, 403, 403, 200, 200) | {"shared": 404},
    ("post", "/queues/{queue_id}/reassign"): by_token(404, 403, 403, 422, 422) | {"shared": 404},
    ("post", "/queues/{queue_id}/close"): by_token(404, 403, 403, 200, 200) | {"shared": 404},
    ("get", "/queues/{queue_id}/items"): OWN_READ,
    ("get", "/queues/{queue_id}/labels"): OWN_READ,
    ("post", "/queues/{queue_id}/labels"): by_token(404, 403, 403, 201, 201) | {"shared": 404},
    ("post", "/queues/{queue_id}/next"): by_token(404, 403, 403, 200, 200) | {"shared": 404},
    ("get", "/items/{item_id}"): OWN_READ,
    ("post", "/pairs"): by_token(422, 403, 403, 422, 422),  # it is the same run twice
    ("get", "/queues/{queue_id}/result"): by_token(404, 409, 409, 409, 409) | {"shared": 404},  # it has no pairs
    ("post", "/items/{item_id}/review"): by_token(404, 403, 403, 200, 200) | {"shared": 404},
    # nobody has submitted it, and whoever could still take it is blind
    ("post", "/items/{item_id}/decision"): by_token(404, 403, 403, 409, 409) | {"shared": 404},
    ("get", "/jobs/{job_id}"): by_token(404, 404, 200, 200, 404),  # the member's own
    ("post", "/preflight"): by_token(200, 403, 403, 200, 200),
    ("get", "/runs/{run_id}"): READ,
    ("post", "/runs/{run_id}/cancel"): WRITTEN,
    ("post", "/runs/{run_id}/retry"): IN_CONFLICT,  # it runs
    ("delete", "/runs/{run_id}"): IN_CONFLICT,
    ("delete", "/runs/{run_id}/checkpoints/{step}"): IN_CONFLICT,
    ("post", "/runs/{run_id}/priority"): IN_CONFLICT,
    ("get", "/nodes"): LISTED,
    ("post", "/nodes/{node_id}/drain"): by_token(403, 403, 403, 403, 403),  # none of a server administrator's
    ("post", "/nodes/{node_id}/undrain"): by_token(403, 403, 403, 403, 403),
    ("get", "/limits"): LISTED,
    ("post", "/limits"): by_token(422, 403, 403, 403, 200) | {"shared": 422},  # what one is not in is no team
    ("post", "/runs/{run_id}/archive"): IN_CONFLICT,
    ("post", "/runs/{run_id}/bring-back"): IN_CONFLICT,
    ("delete", "/experiments/{experiment_id}"): IN_CONFLICT,
    ("post", "/experiments/{experiment_id}/archive"): IN_CONFLICT,
    ("post", "/experiments/{experiment_id}/bring-back"): IN_CONFLICT,
    ("get", "/runs/{run_id}/metrics"): READ,
    ("get", "/runs/{run_id}/events"): READ,
    ("get", "/runs/{run_id}/rollouts"): READ,
    ("get", "/runs/{run_id}/rollouts/{rollout_id}"): READ,
    ("get", "/runs/{run_id}/rollouts.parquet"): READ,
    ("get", "/runs/{run_id}/outcomes.parquet"): READ,
    ("get", "/runs/{run_id}/files"): READ,
    ("get", "/groups"): LISTED,
    ("get", "/groups/counts"): LISTED,
    ("get", "/groups/counts/reviews"): LISTED,
    ("get", "/reports"): LISTED,
    ("post", "/reports"): by_token(201, 403, 403, 201, 201),
    ("get", "/reports/{report_id}"): OWN_READ,
    ("post", "/reports/{report_id}/parts"): by_token(404, 403, 403, 201, 201) | {"shared": 404},
    ("post", "/reports/{report_id}/freeze"): by_token(404, 403, 403, 200, 200) | {"shared": 404},
    ("get", "/reports/{report_id}/links"): OWN_READ,
    ("post", "/reports/{report_id}/links"): by_token(404, 403, 403, 201, 201) | {"shared": 404},
    ("delete", "/reports/{report_id}/links/{link_id}"): by_token(404, 403, 403, 204, 204) | {"shared": 404},
    ("get", "/reports/{report_id}/file"): OWN_READ,
    ("get", "/reports/{report_id}/pdf"): OWN_READ,
    ("post", "/reports/{report_id}/pdf"): WRITTEN | {"shared": 404},
    ("get", "/exhibits"): by_token(422, 200, 200, 200, 200),  # what one may not see is no ref
    ("get", "/exhibits/file"): by_token(422, 200, 200, 200, 200),
    ("get", "/runs/{run_id}/alarms"): READ,
    ("get", "/runs/{run_id}/evaluations"): READ,
    ("get", "/runs/{run_id}/tables"): READ,
    ("get", "/runs/{run_id}/splits"): READ,
    ("get", "/runs/{run_id}/documents"): READ,
}
OUTSIDE_THE_DOCUMENT = {
    "openapi.json": ("get", LISTED),
    "": ("get", by_token(*[404] * 5)),
    "<path:rest>": ("get", by_token(*[404] * 5)),
    "uploads/": ("post", by_token(404, 403, 403, 201, 201)),
    "uploads/<uuid:upload_id>": ("head", by_token(404, 403, 403, 200, 200)),
}
"""Addresses of the API that its document does not name: itself, those where nothing is, and a protocol of its own."""
