"""Addresses of help."""

from django.urls import path

from rpt_web.pages.help import views

app_name = "help"
urlpatterns = [
    path("help/", views.help_index, name="help"),
    path("help/<slug:name>/", views.document, name="document"),
]
