"""Addresses of the forms that submit."""

from django.urls import path

from rpt_web.pages.configure import choices, views

app_name = "configure"
urlpatterns = [
    path("experiments/new/", views.suite_new, name="suite_new"),
    path("runs/new/", views.run_new, name="run_new"),
    path("runs/new/choices/", choices.choices, name="choices"),
    path("runs/new/former/", choices.runs_to_clone, name="runs_to_clone"),
    path("runs/new/file/", views.run_from_file, name="run_from_file"),
]
