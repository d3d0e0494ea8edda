"""Addresses of reviewing. An item is named by a number of its own, so that its address gives nothing away."""

from django.urls import path

from rpt_web.pages.review import agreement, files, items, label_sets, managing, pairs, queues, said

app_name = "review"
urlpatterns = [
    path("review/", queues.inbox, name="inbox"),
    path("review/label-sets/", label_sets.label_set_list, name="label_set_list"),
    path("review/label-sets/new/", label_sets.label_set_new, name="label_set_new"),
    path("review/label-sets/<int:label_set_id>/", label_sets.label_set_detail, name="label_set_detail"),
    path("review/queues/new/", queues.queue_new, name="queue_new"),
    path("review/queues/new/groups/", queues.queue_of_groups, name="queue_of_groups"),
    path("review/queues/<int:queue_id>/", queues.queue_detail, name="queue_detail"),
    path("review/queues/<int:queue_id>/next", queues.queue_next, name="queue_next"),
    path("review/pairs/new/", pairs.pairs_new, name="pairs_new"),
    path("review/queues/<int:queue_id>/result/", pairs.pairs_result, name="pairs_result"),
    path("review/queues/<int:queue_id>/close", queues.queue_close, name="queue_close"),
    path("review/queues/<int:queue_id>/reassign/", managing.queue_reassign, name="queue_reassign"),
    path("review/queues/<int:queue_id>/delete/", managing.queue_delete, name="queue_delete"),
    path("review/queues/<int:queue_id>/agreement/", agreement.queue_agreement, name="queue_agreement"),
    path("review/queues/<int:queue_id>/labels.<str:ending>", files.queue_export, name="queue_export"),
    path("review/queues/<int:queue_id>/import/", files.queue_import, name="queue_import"),
    path("review/items/<int:item_id>/settle/", agreement.item_settle, name="item_settle"),
    path("review/responses/<int:run_id>/<int:rollout_id>/", said.response_labels, name="response_labels"),
    path("review/positions/<int:position_id>/", said.position_labels, name="position_labels"),
    path("review/items/<int:item_id>/", items.item_detail, name="item_detail"),
    path("review/items/<int:item_id>/draft", items.item_draft, name="item_draft"),
    path("review/items/<int:item_id>/take", items.item_take, name="item_take"),
    path("review/items/<int:item_id>/take-back", items.item_take_back, name="item_take_back"),
]
