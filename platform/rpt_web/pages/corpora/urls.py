"""Addresses of corpora."""

from django.urls import path

from rpt_web.pages.corpora import documents, uploads, versions, views

app_name = "corpora"
VERSION = "corpora/<int:corpus_id>/versions/<int:number>/"
urlpatterns = [
    path("corpora/", views.corpus_list, name="corpus_list"),
    path("corpora/new/", views.corpus_new, name="corpus_new"),
    path("corpora/uploads/", uploads.begin, name="upload_begin"),
    path("corpora/uploads/<uuid:upload_id>", uploads.go_on, name="upload"),
    path("corpora/<int:corpus_id>/", views.corpus_detail, name="corpus_detail"),
    path("corpora/<int:corpus_id>/edit/", views.corpus_edit, name="corpus_edit"),
    path("corpora/<int:corpus_id>/delete", views.corpus_delete, name="corpus_delete"),
    path("corpora/<int:corpus_id>/versions/new", versions.version_new, name="version_new"),
    path(VERSION, versions.version_detail, name="version_detail"),
    path(f"{VERSION}files", versions.version_files, name="version_files"),
    path(f"{VERSION}files/<uuid:upload_id>/remove", versions.file_remove, name="file_remove"),
    path(f"{VERSION}look", versions.version_look, name="version_look"),
    path(f"{VERSION}check", versions.version_check, name="version_check"),
    path(f"{VERSION}delete", versions.version_delete, name="version_delete"),
    path(f"{VERSION}documents/", documents.document_list, name="document_list"),
    path(f"{VERSION}documents/<int:row>/", documents.document_detail, name="document_detail"),
]
