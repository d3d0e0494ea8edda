"""Address of the machines."""

from django.urls import path

from rpt_web.pages.nodes import limits, views

app_name = "nodes"
urlpatterns = [
    path("nodes/", views.node_list, name="node_list"),
    path("nodes/<int:node_id>/drain", views.node_drain, name="node_drain"),
    path("nodes/<int:node_id>/undrain", views.node_undrain, name="node_undrain"),
    path("nodes/limits", limits.limit_list, name="limit_list"),
]
