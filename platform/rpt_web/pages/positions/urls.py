"""Addresses of positions: the hash of the text, and the byte where the completion begins."""

from django.urls import path

from rpt_web.pages.positions import film, reruns, views

app_name = "positions"
urlpatterns = [
    path("positions/<str:text_hash>/<int:byte_offset>/", views.position, name="position"),
    path("positions/<str:text_hash>/<int:byte_offset>/film/", film.film, name="film"),
    path("positions/<str:text_hash>/<int:byte_offset>/run-again/", reruns.run_again, name="run_again"),
    path("positions/<str:text_hash>/question/", views.question, name="question"),
]
