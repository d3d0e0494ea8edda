"""Addresses of figures and tables, by their refs."""

from django.urls import path

from rpt_web.pages.exhibits import views

app_name = "exhibits"
urlpatterns = [
    path("exhibits/<path:ref>/as/<slug:ending>", views.exhibit_file, name="exhibit_file"),
    path("exhibits/<path:ref>/came-from/", views.came_from, name="came_from"),
    path("exhibits/<path:ref>/", views.exhibit_detail, name="exhibit_detail"),
]
