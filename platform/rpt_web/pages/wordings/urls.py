"""Addresses of prompt templates and pattern lists."""

from django.urls import path

from rpt_web.pages.wordings import views

app_name = "wordings"
urlpatterns = [
    path("wordings/", views.wording_list, name="wording_list"),
    path("wordings/new/", views.wording_new, name="wording_new"),
    path("wordings/preview", views.wording_preview, name="wording_preview"),
    path("wordings/<int:wording_id>/", views.wording_detail, name="wording_detail"),
]
