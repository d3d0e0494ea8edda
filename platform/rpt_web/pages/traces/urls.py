"""Addresses of traces across runs, and of a run's rollouts."""

from django.urls import path

from rpt_web.pages.traces import detail, groups, prompt_tokens, views

app_name = "traces"
urlpatterns = [
    path("traces/", groups.group_list, name="group_list"),
    path("traces/counts/", groups.group_counts, name="group_counts"),
    path("traces/counts/reviews/", groups.review_counts, name="review_counts"),
    path("traces/reviewers/", groups.reviewers, name="reviewers"),
    path("traces/beside/<int:run_id>/<int:rollout_id>/", groups.group_walk, name="group_walk"),
    path("runs/<int:run_id>/rollouts/", views.rollout_list, name="rollout_list"),
    path("runs/<int:run_id>/rollouts/<int:rollout_id>/", detail.rollout_detail, name="rollout_detail"),
    path("runs/<int:run_id>/rollouts/<int:rollout_id>/prompt/", prompt_tokens.prompt_tokens, name="prompt_tokens"),
]
