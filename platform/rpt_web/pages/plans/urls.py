"""Addresses of plans."""

from django.urls import path

from rpt_web.pages.plans import views

app_name = "plans"
urlpatterns = [
    path("plans/", views.plan_list, name="plan_list"),
    path("plans/new/", views.plan_new, name="plan_new"),
    path("plans/<int:plan_id>/", views.plan_detail, name="plan_detail"),
    path("plans/<int:plan_id>/plan.yaml", views.plan_file, name="plan_file"),
    path("plans/<int:plan_id>/delete", views.plan_delete, name="plan_delete"),
]
