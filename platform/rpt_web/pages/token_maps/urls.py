"""Addresses of a filter run's documents and their token maps."""

from django.urls import path

from rpt_web.pages.token_maps import parts, views

app_name = "token_maps"
urlpatterns = [
    path("runs/<int:run_id>/documents/", views.document_list, name="document_list"),
    path("runs/<int:run_id>/documents/<slug:split>/<int:row>/", views.document_detail, name="document_detail"),
    path("runs/<int:run_id>/documents/<slug:split>/<int:row>/tokens.json", parts.tokens, name="tokens"),
    path("runs/<int:run_id>/documents/<slug:split>/<int:row>/counts.json", parts.counts, name="counts"),
    path("runs/<int:run_id>/documents/<slug:split>/<int:row>/positions/<int:token>/", parts.position, name="position"),
]
