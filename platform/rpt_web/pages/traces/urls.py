"""Addresses of a run's rollouts."""

from django.urls import path

from rpt_web.pages.traces import detail, views

app_name = "traces"
urlpatterns = [
    path("runs/<int:run_id>/rollouts/", views.rollout_list, name="rollout_list"),
    path("runs/<int:run_id>/rollouts/<int:rollout_id>/", detail.rollout_detail, name="rollout_detail"),
]
