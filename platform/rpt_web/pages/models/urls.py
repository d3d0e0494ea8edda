"""Addresses of registered models."""

from django.urls import path

from rpt_web.pages.models import download, views

app_name = "models"
urlpatterns = [
    path("models/", views.model_list, name="model_list"),
    path("models/<int:model_id>/", views.model_detail, name="model_detail"),
    path("models/<int:model_id>/check", views.model_check, name="model_check"),
    path("models/<int:model_id>/files.tar", download.model_files, name="model_files"),
    path("runs/<int:run_id>/checkpoints/<int:step>/register", views.checkpoint_register, name="checkpoint_register"),
]
