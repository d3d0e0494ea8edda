"""Addresses of comparisons: `/compare/?runs=12,15@40,31` names runs and checkpoints, the baseline first."""

from django.urls import path

from rpt_web.pages.compare import files, kept, position_set, positions_view, views

app_name = "compare"
urlpatterns = [
    path("compare/", views.basket, name="basket"),
    path("compare/<int:basket_id>/", views.saved, name="saved"),
    path("compare/start", positions_view.start, name="start"),
    path("compare/made/<int:comparison_id>/positions/", position_set.positions, name="positions"),
    path("compare/made/<int:comparison_id>/file", files.table_file, name="table_file"),
    path("compare/keep", kept.keep, name="keep"),
    path("compare/<int:basket_id>/change", kept.change, name="change"),
    path("compare/<int:basket_id>/delete", kept.delete, name="delete"),
]
