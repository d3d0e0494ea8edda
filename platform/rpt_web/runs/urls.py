"""Addresses of experiments and runs."""

from django.urls import path

from rpt_web.runs import node_views, submit_views, views

app_name = "runs"
urlpatterns = [
    # experiments
    path("", views.experiment_list, name="experiment_list"),
    path("experiments/<int:experiment_id>/", views.experiment_detail, name="experiment_detail"),
    path("experiments/<int:experiment_id>/resubmit", views.experiment_resubmit, name="experiment_resubmit"),
    path("experiments/<int:experiment_id>/cancel", views.experiment_cancel, name="experiment_cancel"),
    path("experiments/new/", submit_views.suite_new, name="suite_new"),
    # runs
    path("runs/new/", submit_views.run_new, name="run_new"),
    path("runs/<int:run_id>/", views.run_detail, name="run_detail"),
    path("runs/<int:run_id>/stream", views.run_stream, name="run_stream"),
    path("runs/<int:run_id>/metrics.json", views.run_metrics, name="run_metrics"),
    path("runs/<int:run_id>/config.json", views.run_config, name="run_config"),
    path("runs/<int:run_id>/cancel", views.run_cancel, name="run_cancel"),
    path("runs/<int:run_id>/retry", views.run_retry, name="run_retry"),
    # machines
    path("nodes/", node_views.node_list, name="node_list"),
]
