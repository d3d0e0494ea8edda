"""Addresses of experiments."""

from django.urls import path

from rpt_web.pages.experiments import creation, editing, removal, views

app_name = "experiments"
urlpatterns = [
    path("experiments/", views.experiment_list, name="experiment_list"),
    path("experiments/empty/", creation.experiment_new, name="experiment_new"),
    path("experiments/<int:experiment_id>/", views.experiment_detail, name="experiment_detail"),
    path("experiments/<int:experiment_id>/edit/", editing.experiment_edit, name="experiment_edit"),
    path("experiments/<int:experiment_id>/resubmit", views.experiment_resubmit, name="experiment_resubmit"),
    path("experiments/<int:experiment_id>/cancel", views.experiment_cancel, name="experiment_cancel"),
    path("experiments/<int:experiment_id>/archive", removal.experiment_archive, name="experiment_archive"),
    path("experiments/<int:experiment_id>/bring-back", removal.experiment_bring_back, name="experiment_bring_back"),
    path("experiments/<int:experiment_id>/delete", removal.experiment_delete, name="experiment_delete"),
]
