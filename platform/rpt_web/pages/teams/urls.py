"""Addresses of logging in and out, and of what somebody is in."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from rpt_web.pages.teams import views

app_name = "teams"
urlpatterns = [
    path("login/", views.LoginPage.as_view(), name="login"),
    path("login/link/<str:secret>/", views.login_link, name="login_link"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("team/choose", views.choose_team, name="choose_team"),
]
