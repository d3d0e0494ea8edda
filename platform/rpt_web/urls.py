"""All addresses, grouped by app. Everything but login and /healthz asks for a login."""

from django.urls import include, path

from rpt_web import api
from rpt_web.health import healthz

urlpatterns = [
    path("healthz", healthz),
    path("api/v1/", api.nothing_here),
    path("api/v1/", api.urls),
    path("api/v1/<path:rest>", api.nothing_here),
    path("", include("rpt_web.runs.urls")),
    path("", include("rpt_web.teams.urls")),
    path("", include("rpt_web.traces.urls")),
    path("", include("rpt_web.results.urls")),
]
