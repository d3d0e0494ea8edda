"""Addresses of runs."""

from django.urls import path

from rpt_web.pages.runs import bulk, evaluated, files, log, removal, run_list, saved_views, table, tabs, tags, views

app_name = "runs"
urlpatterns = [
    path("runs/", run_list.run_list, name="run_list"),
    path("runs/change", bulk.run_bulk, name="run_bulk"),
    path("runs/table/", table.run_table, name="run_table"),
    path("runs/table/columns/", table.table_columns, name="table_columns"),
    path("runs/table/file", table.run_table_file, name="run_table_file"),
    path("runs/views/new", saved_views.view_new, name="view_new"),
    path("runs/views/<int:view_id>", saved_views.view_change, name="view_change"),
    path("runs/<int:run_id>/tags", tags.run_tags, name="run_tags"),
    path("runs/<int:run_id>/move", run_list.run_move, name="run_move"),
    path("runs/<int:run_id>/priority", run_list.run_priority, name="run_priority"),
    path("runs/<int:run_id>/", tabs.run_detail, name="run_detail"),
    path("runs/<int:run_id>/curves/", tabs.run_curves, name="run_curves"),
    path("runs/<int:run_id>/monitors/", tabs.run_monitors, name="run_monitors"),
    path("runs/<int:run_id>/groups/", tabs.run_groups, name="run_groups"),
    path("runs/<int:run_id>/evaluations/", tabs.run_evaluations, name="run_evaluations"),
    path("runs/<int:run_id>/evaluations/<int:step>/", evaluated.evaluated_positions, name="evaluated_positions"),
    path("runs/<int:run_id>/log/", log.run_log, name="run_log"),
    path("runs/<int:run_id>/config/", tabs.run_settings, name="run_settings"),
    path("runs/<int:run_id>/files/", files.run_files, name="run_files"),
    path("runs/<int:run_id>/checkpoints/<int:step>/start", files.checkpoint_start, name="checkpoint_start"),
    path("runs/<int:run_id>/checkpoints/<int:step>/files.tar", files.checkpoint_files, name="checkpoint_files"),
    path("runs/<int:run_id>/checkpoints/<int:step>/delete", files.checkpoint_delete, name="checkpoint_delete"),
    path("runs/<int:run_id>/stream", views.run_stream, name="run_stream"),
    path("runs/<int:run_id>/metrics.json", views.run_metrics, name="run_metrics"),
    path("runs/<int:run_id>/config.json", views.run_config, name="run_config"),
    path("runs/<int:run_id>/log.txt", log.run_log_file, name="run_log_file"),
    path("runs/<int:run_id>/cancel", views.run_cancel, name="run_cancel"),
    path("runs/<int:run_id>/archive", removal.run_archive, name="run_archive"),
    path("runs/<int:run_id>/bring-back", removal.run_bring_back, name="run_bring_back"),
    path("runs/<int:run_id>/delete", removal.run_delete, name="run_delete"),
    path("runs/<int:run_id>/retry", views.run_retry, name="run_retry"),
]
