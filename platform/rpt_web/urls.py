"""All addresses, grouped by area. Everything but login and /healthz asks for a login."""

from django.urls import include, path

from rpt_web.api import operations as api
from rpt_web.api import page, prometheus
from rpt_web.api.corpora import upload_urls
from rpt_web.health import healthz

urlpatterns = [
    path("healthz", healthz),
    path("metrics", prometheus.metrics, name="metrics"),
    path("help/calls/", page.calls, name="calls"),
    path("help/calls/<slug:schema>/", page.call_object, name="call_object"),
    path("api/v1/", api.nothing_here),
    path("api/v1/uploads/", include(upload_urls)),
    path("api/v1/", api.urls),
    path("api/v1/<path:rest>", api.nothing_here),
    path("", include("rpt_web.pages.home.urls")),
    path("", include("rpt_web.pages.find.urls")),
    path("", include("rpt_web.pages.help.urls")),
    path("", include("rpt_web.pages.experiments.urls")),
    path("", include("rpt_web.pages.runs.urls")),
    path("", include("rpt_web.pages.configure.urls")),
    path("", include("rpt_web.pages.plans.urls")),
    path("", include("rpt_web.pages.corpora.urls")),
    path("", include("rpt_web.pages.nodes.urls")),
    path("", include("rpt_web.pages.jobs.urls")),
    path("", include("rpt_web.pages.teams.urls")),
    path("", include("rpt_web.pages.teams.account_urls")),
    path("", include("rpt_web.pages.traces.urls")),
    path("", include("rpt_web.pages.comments.urls")),
    path("", include("rpt_web.pages.searches.urls")),
    path("", include("rpt_web.pages.positions.urls")),
    path("", include("rpt_web.pages.review.urls")),
    path("", include("rpt_web.pages.token_maps.urls")),
    path("", include("rpt_web.pages.models.urls")),
    path("", include("rpt_web.pages.wordings.urls")),
    path("", include("rpt_web.pages.results.urls")),
    path("", include("rpt_web.pages.compare.urls")),
    path("", include("rpt_web.pages.sharing.urls")),
    path("", include("rpt_web.pages.exhibits.urls")),
    path("", include("rpt_web.pages.reports.urls")),
]

handler400 = "rpt_web.serving.errors.bad_request"
handler403 = "rpt_web.serving.errors.permission_denied"
handler404 = "rpt_web.serving.errors.page_not_found"
handler429 = "rpt_web.serving.errors.too_many_attempts"
handler500 = "rpt_web.serving.errors.server_error"
