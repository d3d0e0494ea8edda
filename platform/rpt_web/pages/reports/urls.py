"""Addresses of reports."""

from django.urls import path

from rpt_web.pages.reports import links, views

app_name = "reports"
one = "reports/<int:report_id>/"
part = f"{one}parts/<int:part_id>/"
urlpatterns = [
    path("reports/", views.report_list, name="report_list"),
    path(one, views.report_detail, name="report_detail"),
    path(f"{one}edit", views.report_edit, name="report_edit"),
    path(f"{one}freeze", views.report_freeze, name="report_freeze"),
    path(f"{one}delete", views.report_delete, name="report_delete"),
    path(f"{one}anonymous/", links.report_preview, name="report_preview"),
    path(f"{one}file/<slug:ending>", links.report_file, name="report_file"),
    path(f"{one}pdf", links.report_pdf, name="report_pdf"),
    path(f"{one}parts/add", views.part_add, name="part_add"),
    path(f"{part}change", views.part_change, name="part_change"),
    path(f"{part}move", views.part_move, name="part_move"),
    path(f"{part}remove", views.part_remove, name="part_remove"),
    path(f"{one}share", links.report_share, name="report_share"),
    path(f"{one}links/<int:link_id>/withdraw", links.link_withdraw, name="link_withdraw"),
    path("shared/<str:secret>/", links.shared, name="shared"),
    path("shared/<str:secret>/report.<slug:ending>", links.shared_file, name="shared_file"),
]
