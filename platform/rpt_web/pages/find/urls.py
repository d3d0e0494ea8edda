"""The address that Ctrl+K asks."""

from django.urls import path

from rpt_web.pages.find import views

app_name = "find"
urlpatterns = [path("find/", views.find, name="find")]
