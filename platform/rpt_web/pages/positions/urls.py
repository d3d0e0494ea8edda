"""Addresses of positions: the hash of the text, and the byte where the completion begins."""

from django.urls import path

from rpt_web.pages.positions import film, reruns, views

app_name = "positions"
QUESTION = {"byte_offset": -1}
urlpatterns = [
    path("positions/<str:text_hash>/<int:byte_offset>/", views.position, name="position"),
    path("positions/<str:text_hash>/<int:byte_offset>/film/", film.film, name="film"),
    path("positions/<str:text_hash>/<int:byte_offset>/run-again/", reruns.run_again, name="run_again"),
    path("positions/<str:text_hash>/<int:byte_offset>/run-again/form/", reruns.again_form, name="again_form"),
    path("positions/<str:text_hash>/question/", views.question, name="question"),
    path("positions/<str:text_hash>/question/film/", film.film, QUESTION, name="question_film"),
    path("positions/<str:text_hash>/question/run-again/", reruns.run_again, QUESTION, name="ask_again"),
    path("positions/<str:text_hash>/question/run-again/form/", reruns.again_form, QUESTION, name="question_form"),
]
