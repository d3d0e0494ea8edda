"""Addresses of positions: the hash of the text, and the byte where the completion begins."""

from django.urls import path

from rpt_web.pages.positions import views

app_name = "positions"
urlpatterns = [
    path("positions/<str:text_hash>/<int:byte_offset>/", views.position, name="position"),
    path("positions/<str:text_hash>/question/", views.question, name="question"),
]
