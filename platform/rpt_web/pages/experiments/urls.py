"""Addresses of experiments."""

from django.urls import path

from rpt_web.pages.experiments import views

app_name = "experiments"
urlpatterns = [
    path("experiments/", views.experiment_list, name="experiment_list"),
    path("experiments/<int:experiment_id>/", views.experiment_detail, name="experiment_detail"),
    path("experiments/<int:experiment_id>/resubmit", views.experiment_resubmit, name="experiment_resubmit"),
    path("experiments/<int:experiment_id>/cancel", views.experiment_cancel, name="experiment_cancel"),
]
