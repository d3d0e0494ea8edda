"""Addresses of comparisons: `/compare/?runs=12,15@40,31` names runs and checkpoints, the baseline first."""

from django.urls import path

from rpt_web.pages.compare import kept, views

app_name = "compare"
urlpatterns = [
    path("compare/", views.basket, name="basket"),
    path("compare/<int:basket_id>/", views.saved, name="saved"),
    path("compare/keep", kept.keep, name="keep"),
    path("compare/<int:basket_id>/change", kept.change, name="change"),
    path("compare/<int:basket_id>/delete", kept.delete, name="delete"),
]
