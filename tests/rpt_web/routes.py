"""What everybody gets from every route of the pages, in the world of `world`; the API's are in `api_routes`.

The walk itself is `test_every_route`.
"""

from __future__ import annotations

from rpt_web.serving.outside import Oidc

LOGIN = "login"
"""The answer leads to the login page."""
PROVIDER = Oidc("http://127.0.0.1:9", "rpt", "secret", "Example SSO")
"""Where people may log in, too; nothing listens there."""
PEOPLE = ("nobody", "other", "shared", "viewer", "member", "administrator", "server")
"""Who calls pages: without a login, of another team, of one that everything is shared with (a member there), the three
roles of the team, a server administrator."""
PROGRAMS = ("none", "expired", "revoked", "other", "shared", "viewer", "reader", "member", "administrator")
"""Who calls the API: without a token, with one that is worth nothing any more, and with the tokens of people; the
reader's is a member's token of the scope `read`."""


def everybody(status):
    return dict.fromkeys(PEOPLE, status)


def by_role(other, viewer, member, administrator, shared=None):
    """For pages: nobody is sent to log in, and a server administrator is one of every team."""
    shared = as_shared(other, viewer) if shared is None else shared
    statuses = (LOGIN, other, shared, viewer, member, administrator, administrator)
    return dict(zip(PEOPLE, statuses, strict=True))


def by_token(other, viewer, reader, member, administrator):
    statuses = (401, 401, 401, other, as_shared(other, viewer), viewer, reader, member, administrator)
    return dict(zip(PROGRAMS, statuses, strict=True))


def as_shared(other, viewer):
    """What is shared is as for a viewer; everything else as for any other team."""
    return viewer if other in (404, 422) else other  # 422: what one may not see is no value of a field


def of_team(viewer, member, administrator):
    """For what concerns the team itself, which nobody shares."""
    return by_role(404, viewer, member, administrator, shared=404)


LOGGED_IN = by_role(200, 200, 200, 200)
SEEN = by_role(404, 200, 200, 200)
CHANGED = by_role(404, 403, 302, 302)
ADMINISTERED = of_team(403, 403, 302)
OF_ALL = "get post"

PAGES = {
    # name of the route: (methods, who gets what); posted data and other arguments stand below
    "metrics": ("get", everybody(401)),  # a token alone lets in
    "healthz": ("get post put", everybody(200)),
    "home:home": ("get", LOGGED_IN),
    "home:inbox": ("get", LOGGED_IN),
    "home:inbox_read": ("post", by_role(302, 302, 302, 302)),
    "home:notice": ("get", of_team(404, 302, 404)),  # the member's own
    "find:find": ("get", LOGGED_IN),
    "help:help": ("get", LOGGED_IN),
    "calls": ("get", LOGGED_IN),
    "call_object": ("get", LOGGED_IN),
    "help:document": ("get", LOGGED_IN),
    "experiments:experiment_edit": (OF_ALL, by_role(404, 403, 200, 200)),
    "experiments:experiment_list": ("get", LOGGED_IN),
    "experiments:experiment_detail": ("get", SEEN),
    "experiments:experiment_resubmit": ("post", CHANGED),
    "experiments:experiment_cancel": ("post", CHANGED),
    "experiments:experiment_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "experiments:experiment_archive": ("post", CHANGED),
    "experiments:experiment_bring_back": ("post", CHANGED),
    "experiments:experiment_delete": (OF_ALL, by_role(404, 403, 200, 200)),
    "results:experiment_results": ("get", SEEN),
    "reports:report_list": (OF_ALL, LOGGED_IN),
    "reports:report_detail": ("get", of_team(200, 200, 200)),
    "reports:report_edit": ("post", of_team(403, 302, 302)),
    "reports:report_freeze": ("post", of_team(403, 302, 302)),
    "reports:report_delete": ("post", of_team(403, 302, 302)),
    "reports:report_preview": ("get", of_team(200, 200, 200)),
    "reports:report_file": ("get", of_team(200, 200, 200)),
    "reports:report_pdf": (OF_ALL, of_team(200, 200, 200)),
    "reports:part_add": ("post", of_team(403, 302, 302)),
    "reports:part_change": ("post", of_team(403, 302, 302)),
    "reports:part_move": ("post", of_team(403, 302, 302)),
    "reports:part_remove": ("post", of_team(403, 302, 302)),
    "reports:report_share": ("post", of_team(403, 302, 302)),
    "reports:link_withdraw": ("post", of_team(403, 302, 302)),
    "reports:shared": ("get", everybody(200)),  # whoever has the link
    "reports:shared_file": ("get", everybody(200)),
    "exhibits:exhibit_detail": ("get", SEEN),
    "exhibits:exhibit_file": ("get", SEEN),
    "exhibits:came_from": ("get", SEEN),
    "results:leaderboard": ("get", LOGGED_IN),
    "results:board_file": ("get", by_role(404, 404, 404, 404)),  # nothing was measured
    "results:paper_index": ("get", LOGGED_IN),
    "results:paper_page": ("get", LOGGED_IN),
    "results:baseline": ("post", by_role(302, 403, 302, 302)),
    "runs:run_list": ("get", LOGGED_IN),
    "runs:run_table": ("get", LOGGED_IN),
    "runs:table_columns": ("get", LOGGED_IN),
    "runs:run_table_file": ("get", LOGGED_IN),
    "runs:view_new": ("post", by_role(302, 403, 302, 302)),
    "runs:view_change": ("post", of_team(403, 302, 302)),  # the member's own, which the team sees
    "runs:run_tags": ("post", CHANGED),
    "runs:run_move": ("post", CHANGED),
    "runs:run_priority": ("post", CHANGED),
    "runs:run_bulk": ("post", by_role(302, 302, 302, 302)),  # each run is looked at by itself
    "runs:run_detail": ("get", SEEN),
    "runs:run_curves": ("get", SEEN),
    "runs:run_monitors": ("get", SEEN),
    "runs:run_groups": ("get", SEEN),
    "runs:run_evaluations": ("get", SEEN),
    "runs:evaluated_positions": ("get", SEEN),
    "runs:run_settings": ("get", SEEN),
    "runs:run_files": ("get", SEEN),
    "runs:checkpoint_start": ("get", by_role(404, 302, 302, 302)),
    "runs:checkpoint_files": ("get", SEEN),
    "runs:checkpoint_delete": (OF_ALL, by_role(404, 403, 200, 200)),
    "runs:run_stream": ("get", SEEN),
    "runs:run_metrics": ("get", SEEN),
    "runs:run_config": ("get", SEEN),
    "runs:run_log": ("get", SEEN),
    "runs:run_log_file": ("get", SEEN),
    "runs:run_cancel": ("post", CHANGED),
    "runs:run_retry": ("post", CHANGED),
    "runs:run_archive": ("post", CHANGED),
    "runs:run_bring_back": ("post", CHANGED),
    "runs:run_delete": (OF_ALL, by_role(404, 403, 200, 200)),
    "traces:group_list": ("get", LOGGED_IN),
    "traces:group_counts": ("get", LOGGED_IN),
    "traces:review_counts": ("get", LOGGED_IN),
    "traces:reviewers": ("get", LOGGED_IN),
    "traces:group_walk": ("get", SEEN),
    "traces:rollout_list": ("get", SEEN),
    "traces:rollout_detail": ("get", SEEN),
    "comments:on_experiment": ("post", CHANGED),
    "comments:on_position": ("post", by_role(404, 403, 302, 302, shared=302)),  # guests write for their own team
    "comments:on_report": ("post", of_team(403, 302, 302)),
    "comments:export": ("get", SEEN),
    "comments:on_run": ("post", CHANGED),
    "comments:on_response": ("post", CHANGED),
    "comments:comment": ("get", by_role(404, 302, 302, 302)),
    "comments:reply": ("post", CHANGED),
    "comments:edit": ("post", by_role(404, 403, 302, 403)),  # the member's own
    "comments:delete": ("post", CHANGED),
    "comments:resolve": ("post", CHANGED),
    "comments:reopen": ("post", CHANGED),
    "positions:position": ("get", SEEN),
    "positions:question": ("get", SEEN),
    "traces:prompt_tokens": (OF_ALL, SEEN),
    "positions:film": ("get", SEEN),
    "positions:question_film": ("get", SEEN),
    "positions:again_form": ("get", by_role(404, 403, 200, 200, shared=200)),
    "positions:question_form": ("get", by_role(404, 403, 200, 200, shared=200)),
    "positions:ask_again": ("post", by_role(404, 403, 422, 422, shared=422)),  # nothing is posted
    "positions:run_again": ("post", by_role(404, 403, 422, 422, shared=422)),  # nothing is posted
    "searches:search_list": (OF_ALL, by_role(200, 200, 200, 200)),
    "searches:search_detail": ("get", of_team(200, 200, 200)),
    "searches:search_stop": ("post", of_team(403, 302, 302)),
    "token_maps:document_list": ("get", SEEN),
    "token_maps:document_detail": ("get", SEEN),
    "token_maps:tokens": ("get", SEEN),
    "token_maps:counts": ("get", SEEN),
    "token_maps:position": ("get", SEEN),
    "corpora:corpus_list": ("get", LOGGED_IN),
    "corpora:corpus_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "corpora:corpus_detail": ("get", SEEN),
    "corpora:corpus_edit": (OF_ALL, by_role(404, 403, 200, 200)),
    "corpora:corpus_delete": ("post", CHANGED),
    "corpora:version_new": (OF_ALL, by_role(404, 403, 200, 200)),
    "corpora:version_detail": ("get", SEEN),
    "corpora:version_files": ("get", SEEN),
    "corpora:version_look": ("post", CHANGED),
    "corpora:version_check": ("post", CHANGED),
    "corpora:version_delete": ("post", CHANGED),
    "corpora:file_remove": ("post", CHANGED),
    "corpora:upload_begin": ("post options", by_role(404, 403, 201, 201)),
    "corpora:upload": ("head patch delete", by_role(404, 403, 200, 200)),
    "corpora:document_list": ("get", SEEN),
    "corpora:document_detail": ("get", SEEN),
    "models:model_list": (OF_ALL, LOGGED_IN),
    "models:model_detail": ("get", SEEN),
    "models:model_check": ("post", CHANGED),
    "models:model_files": ("get", SEEN),
    "models:checkpoint_register": ("post", CHANGED),
    "wordings:wording_list": ("get", LOGGED_IN),
    "wordings:wording_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "wordings:wording_detail": (OF_ALL, SEEN),
    "wordings:wording_preview": ("post", LOGGED_IN),
    "review:inbox": ("get", LOGGED_IN),
    "review:label_set_list": ("get", LOGGED_IN),
    "review:label_set_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "review:label_set_detail": (OF_ALL, of_team(200, 200, 200)),
    "review:queue_new": (OF_ALL, by_role(404, 404, 404, 404)),  # the address names a run
    "review:queue_of_groups": (OF_ALL, by_role(200, 403, 200, 200)),
    "review:queue_detail": ("get", of_team(200, 200, 200)),
    "review:pairs_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "review:pairs_result": ("get", of_team(302, 302, 302)),  # it is no queue of pairs
    "review:queue_next": ("post", of_team(403, 302, 302)),
    "review:queue_close": ("post", of_team(403, 302, 302)),
    "review:queue_reassign": (OF_ALL, of_team(403, 200, 200)),
    "review:queue_delete": (OF_ALL, of_team(403, 200, 200)),
    "review:queue_agreement": ("get", of_team(200, 200, 200)),
    "review:queue_export": ("get", of_team(200, 200, 200)),
    "review:queue_import": (OF_ALL, of_team(403, 200, 200)),
    "review:item_settle": (OF_ALL, of_team(200, 302, 302)),  # who could still take it is led to the item
    "review:response_labels": ("get", SEEN),
    "review:position_labels": ("get", SEEN),
    "review:item_detail": (OF_ALL, of_team(200, 200, 200)),
    "review:item_draft": ("post", of_team(403, 422, 409)),  # the member's own, and the body is no draft
    "review:item_take": ("post", of_team(403, 302, 302)),
    "review:item_take_back": ("post", of_team(403, 302, 302)),
    "sharing:share": ("post", by_role(404, 403, 403, 302)),
    "sharing:withdraw": ("post", by_role(404, 404, 404, 302)),
    "configure:run_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "configure:choices": ("get", by_role(404, 403, 404, 404, shared=404)),  # without a team
    "configure:runs_to_clone": ("get", by_role(200, 403, 200, 200)),
    "configure:run_from_file": (OF_ALL, by_role(200, 403, 200, 200)),
    "configure:suite_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "compare:basket": ("get", LOGGED_IN),
    "compare:saved": ("get", of_team(200, 200, 200)),
    "compare:start": ("post", by_role(302, 302, 302, 302)),
    "compare:positions": ("get", SEEN),
    "compare:table_file": ("get", SEEN),
    "compare:keep": ("post", by_role(302, 403, 302, 302)),
    "compare:change": ("post", of_team(403, 302, 302)),
    "compare:delete": ("post", of_team(403, 302, 302)),
    "plans:plan_list": ("get", LOGGED_IN),
    "plans:plan_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "plans:plan_detail": (OF_ALL, SEEN),
    "plans:plan_file": ("get", SEEN),
    "plans:plan_delete": ("post", CHANGED),
    "nodes:node_list": ("get", LOGGED_IN),
    "nodes:limit_list": (OF_ALL, LOGGED_IN),
    "nodes:node_drain": ("post", by_role(403, 403, 403, 403) | {"server": 302}),
    "nodes:node_undrain": ("post", by_role(403, 403, 403, 403) | {"server": 302}),
    "jobs:job_detail": ("get", by_role(404, 404, 200, 404) | {"server": 200}),  # the member's own
    "jobs:job_cancel": ("post", by_role(404, 404, 302, 404) | {"server": 302}),
    "teams:login": (OF_ALL, dict.fromkeys(PEOPLE, 302) | {"nobody": 200}),
    "teams:login_link": (OF_ALL, everybody(200)),
    "teams:identity_begin": ("post", dict.fromkeys(PEOPLE, 302) | {"nobody": 502}),  # the provider does not answer
    "teams:identity_back": ("get", everybody(400)),  # from a login that nobody has begun
    "teams:logout": ("post", dict.fromkeys(PEOPLE, LOGIN)),
    "teams:first": (OF_ALL, everybody(410)),  # somebody has an account
    "teams:join": (OF_ALL, everybody(200)),
    "teams:my_team": ("get", by_role(302, 302, 302, 302)),
    "teams:choose_team": ("post", of_team(302, 302, 302)),
    "teams:team_list": ("get", LOGGED_IN),
    "teams:team_new": ("post get", by_role(403, 403, 403, 403) | {"server": 302}),
    "teams:team": ("get", of_team(200, 200, 200)),
    "teams:team_trail": ("get", of_team(200, 200, 200)),
    "teams:thing_trail": ("get", SEEN),
    "teams:team_disk": ("get", of_team(200, 200, 200)),
    "teams:team_quota": ("post get", of_team(403, 403, 403) | {"server": 302}),
    "teams:team_rule": ("post get", ADMINISTERED),
    "teams:team_remove": ("post", ADMINISTERED),
    "teams:team_rename": ("post get", ADMINISTERED),
    "teams:team_alarms": ("get", of_team(200, 200, 200)),
    "teams:hook_store": ("post get", of_team(403, 403, 200)),
    "teams:limits_store": ("post get", ADMINISTERED),
    "teams:hook_secret": ("post get", ADMINISTERED),
    "teams:hook_test": ("post", ADMINISTERED),
    "teams:hook_remove": ("post", ADMINISTERED),
    "teams:mail_choice": ("post", by_role(302, 302, 302, 302)),
    "teams:mail_address": ("post get", by_role(403, 403, 403, 403)),  # nobody here has a password to confirm it with
    "teams:invite": ("post get", of_team(403, 403, 200)),
    "teams:withdraw": ("post", ADMINISTERED),
    "teams:person": ("get", of_team(403, 403, 200)),
    "teams:person_role": ("post get", ADMINISTERED),
    "teams:person_remove": ("post", ADMINISTERED),
    "teams:person_transfer": ("post get", ADMINISTERED),
    "teams:person_activate": ("post", ADMINISTERED),
    "teams:person_factor": ("post", ADMINISTERED),
    "teams:person_link": ("post get", of_team(403, 403, 200)),
    "teams:account": ("get", LOGGED_IN),
    "teams:password": ("post get", by_role(302, 302, 302, 302)),
    "teams:token_new": ("post get", LOGGED_IN),
    "teams:token_revoke": ("post", of_team(404, 302, 404)),  # the member's own
    "teams:identity_connect": ("post", by_role(403, 403, 403, 403)),  # nobody here has a password to confirm it with
    "teams:identity_disconnect": ("post", of_team(404, 302, 404)),
    "teams:session_end": ("post", of_team(404, 302, 404)),
    "teams:sessions_end": ("post", by_role(302, 302, 302, 302)),
    # by the names that django-allauth knows; nobody here has a password, a second factor or mail
    "account_login": (OF_ALL, dict.fromkeys(PEOPLE, 302) | {"nobody": 200}),
    "account_logout": ("post", dict.fromkeys(PEOPLE, LOGIN)),
    "account_reauthenticate": (OF_ALL, by_role(403, 403, 403, 403)),
    "account_reset_password": (OF_ALL, everybody(404)),
    "account_reset_password_done": ("get", everybody(404)),
    "account_reset_password_from_key": (OF_ALL, everybody(404)),
    "account_reset_password_from_key_done": ("get", everybody(404)),
    "mfa_index": ("get", LOGGED_IN),
    "mfa_authenticate": (OF_ALL, everybody(302)),
    "mfa_reauthenticate": (OF_ALL, by_role(403, 403, 403, 403)),
    "mfa_login_webauthn": (OF_ALL, everybody(302)),  # passkeys do not work at this address
    "mfa_reauthenticate_webauthn": (OF_ALL, by_role(302, 302, 302, 302)),
    "mfa_list_webauthn": ("get", LOGGED_IN),
    "mfa_add_webauthn": (OF_ALL, by_role(302, 302, 302, 302)),
    "mfa_edit_webauthn": (OF_ALL, by_role(403, 403, 403, 403)),
    "mfa_remove_webauthn": (OF_ALL, by_role(403, 403, 403, 403)),
    "mfa_activate_totp": (OF_ALL, by_role(403, 403, 403, 403)),
    "mfa_deactivate_totp": (OF_ALL, by_role(404, 404, 404, 404)),
    "mfa_view_recovery_codes": ("get", by_role(404, 404, 404, 404)),
    "mfa_generate_recovery_codes": (OF_ALL, by_role(403, 403, 403, 403)),
    "mfa_download_recovery_codes": ("get", by_role(404, 404, 404, 404)),
}
