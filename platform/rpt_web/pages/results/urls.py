"""Addresses of results: the leaderboard, and what one experiment found."""

from django.urls import path

from rpt_web.pages.results import files, leaderboard, paper, views

app_name = "results"
urlpatterns = [
    path("results/", leaderboard.leaderboard, name="leaderboard"),
    path("results/board.<slug:ending>", files.board_file, name="board_file"),
    path("results/paper/", paper.paper_index, name="paper_index"),
    path("results/paper/<slug:page_name>/", paper.paper_page, name="paper_page"),
    path("results/baseline/", leaderboard.baseline, name="baseline"),
    path("experiments/<int:experiment_id>/results/", views.experiment_results, name="experiment_results"),
]
