"""Addresses of sharing."""

from django.urls import path

from rpt_web.pages.sharing import views

app_name = "sharing"
urlpatterns = [
    path("share/<slug:kind>/<int:pk>", views.share, name="share"),
    path("shares/<int:share_id>/withdraw", views.withdraw, name="withdraw"),
]
