"""Addresses of searches."""

from django.urls import path

from rpt_web.pages.searches import views

app_name = "searches"
urlpatterns = [
    path("searches/", views.search_list, name="search_list"),
    path("searches/<int:search_id>/", views.search_detail, name="search_detail"),
    path("searches/<int:search_id>/stop", views.search_stop, name="search_stop"),
]
