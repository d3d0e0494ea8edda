"""Addresses of home and the inbox."""

from django.urls import path

from rpt_web.pages.home import inbox, views

app_name = "home"
urlpatterns = [
    path("", views.home, name="home"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/read", inbox.inbox_read, name="inbox_read"),
    path("inbox/<int:notice_id>/", inbox.notice, name="notice"),
]
