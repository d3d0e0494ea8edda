"""Address of an experiment's results."""

from django.urls import path

from rpt_web.pages.results import views

app_name = "results"
urlpatterns = [
    path("experiments/<int:experiment_id>/results/", views.experiment_results, name="experiment_results"),
]
