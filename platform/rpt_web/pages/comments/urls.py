"""Addresses of comments."""

from django.urls import path

from rpt_web.pages.comments import views

app_name = "comments"
urlpatterns = [
    path("experiments/<int:experiment_id>/comments", views.on_experiment, name="on_experiment"),
    path("experiments/<int:experiment_id>/comments.<str:ending>", views.export, name="export"),
    path("runs/<int:run_id>/comments", views.on_run, name="on_run"),
    path("runs/<int:run_id>/rollouts/<int:rollout_id>/comments", views.on_response, name="on_response"),
    path("positions/<int:position_id>/comments", views.on_position, name="on_position"),
    path("reports/<int:report_id>/comments", views.on_report, name="on_report"),
    path("comments/<int:comment_id>/", views.comment, name="comment"),
    path("comments/<int:comment_id>/reply", views.reply, name="reply"),
    path("comments/<int:comment_id>/edit", views.edit, name="edit"),
    path("comments/<int:comment_id>/delete", views.delete, name="delete"),
    path("comments/<int:comment_id>/resolve", views.resolve, name="resolve"),
    path("comments/<int:comment_id>/reopen", views.reopen, name="reopen"),
]
