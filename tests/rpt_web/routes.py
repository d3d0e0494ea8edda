"""What everybody gets from every route of the pages and of the API, and the world in which they ask.

The walk itself is `test_every_route`.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from types import SimpleNamespace

from django.test import Client
from django.utils import timezone

from rpt_core.config import RptConfig
from rpt_core.problems.prompts import template_names, template_text
from rpt_core.text.document_files import written_documents
from rpt_web import access
from rpt_web.corpora import services as corpora
from rpt_web.corpora import uploads, wordings
from rpt_web.corpora.models import CorpusVersion, ModelSource, RegisteredModel, WordingKind
from rpt_web.jobs import services as jobs
from rpt_web.notices import services as notices
from rpt_web.notices.models import NoticeKind
from rpt_web.runs import own_plans, services
from rpt_web.runs.models import Checkpoint, Node
from rpt_web.serving.outside import Oidc
from rpt_web.teams import sharing
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import ApiToken, Browser, Identity, Invitation, LoginLink, Role, Scope, Team, User
from rpt_web.traces.models import Rollout
from tests.factories import PASSWORD, hostile_rows, make_user, start_run, write_shard
from tests.factories import record as recorded
from tests.rpt_web.api_client import CONFIG, RUNNABLE
from tests.scored_files import make_filter_run
from tests.suite_graphs import ALONE

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
    "healthz": ("get post put", everybody(200)),
    "home:home": ("get", LOGGED_IN),
    "home:inbox": ("get", LOGGED_IN),
    "home:inbox_read": ("post", by_role(302, 302, 302, 302)),
    "home:notice": ("get", of_team(404, 302, 404)),  # the member's own
    "find:find": ("get", LOGGED_IN),
    "help:help": ("get", LOGGED_IN),
    "help:document": ("get", LOGGED_IN),
    "experiments:experiment_list": ("get", LOGGED_IN),
    "experiments:experiment_detail": ("get", SEEN),
    "experiments:experiment_resubmit": ("post", CHANGED),
    "experiments:experiment_cancel": ("post", CHANGED),
    "experiments:experiment_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "experiments:experiment_archive": ("post", CHANGED),
    "experiments:experiment_bring_back": ("post", CHANGED),
    "experiments:experiment_delete": (OF_ALL, by_role(404, 403, 200, 200)),
    "results:experiment_results": ("get", SEEN),
    "runs:run_list": ("get", LOGGED_IN),
    "runs:run_move": ("post", CHANGED),
    "runs:run_priority": ("post", CHANGED),
    "runs:run_bulk": ("post", by_role(302, 302, 302, 302)),  # each run is looked at by itself
    "runs:run_detail": ("get", SEEN),
    "runs:run_curves": ("get", SEEN),
    "runs:run_monitors": ("get", SEEN),
    "runs:run_groups": ("get", SEEN),
    "runs:run_evaluations": ("get", SEEN),
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
    "traces:rollout_list": ("get", SEEN),
    "traces:rollout_detail": ("get", SEEN),
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
    "sharing:share": ("post", by_role(404, 403, 403, 302)),
    "sharing:withdraw": ("post", by_role(404, 404, 404, 302)),
    "configure:run_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "configure:run_from_file": (OF_ALL, by_role(200, 403, 200, 200)),
    "configure:suite_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "plans:plan_list": ("get", LOGGED_IN),
    "plans:plan_new": (OF_ALL, by_role(200, 403, 200, 200)),
    "plans:plan_detail": (OF_ALL, of_team(200, 200, 200)),
    "plans:plan_file": ("get", of_team(200, 200, 200)),
    "plans:plan_delete": ("post", of_team(403, 302, 302)),
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
    "teams:team_new": ("post", by_role(403, 403, 403, 403) | {"server": 302}),
    "teams:team": ("get", of_team(200, 200, 200)),
    "teams:team_trail": ("get", of_team(200, 200, 200)),
    "teams:thing_trail": ("get", SEEN),
    "teams:team_disk": ("get", of_team(200, 200, 200)),
    "teams:team_quota": ("post", of_team(403, 403, 403) | {"server": 302}),
    "teams:team_rule": ("post", ADMINISTERED),
    "teams:team_remove": ("post", ADMINISTERED),
    "teams:team_rename": ("post", ADMINISTERED),
    "teams:team_alarms": ("get", of_team(200, 200, 200)),
    "teams:hook_store": ("post", of_team(403, 403, 200)),
    "teams:hook_secret": ("post", ADMINISTERED),
    "teams:hook_test": ("post", ADMINISTERED),
    "teams:hook_remove": ("post", ADMINISTERED),
    "teams:mail_choice": ("post", by_role(302, 302, 302, 302)),
    "teams:mail_address": ("post", by_role(403, 403, 403, 403)),  # nobody here has a password to confirm it with
    "teams:invite": ("post", of_team(403, 403, 200)),
    "teams:withdraw": ("post", ADMINISTERED),
    "teams:person": ("get", of_team(403, 403, 200)),
    "teams:person_role": ("post", ADMINISTERED),
    "teams:person_remove": ("post", ADMINISTERED),
    "teams:person_transfer": ("post", ADMINISTERED),
    "teams:person_activate": ("post", ADMINISTERED),
    "teams:person_factor": ("post", ADMINISTERED),
    "teams:person_link": ("post", of_team(403, 403, 200)),
    "teams:account": ("get", LOGGED_IN),
    "teams:password": ("post", by_role(302, 302, 302, 302)),
    "teams:token_new": ("post", LOGGED_IN),
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

READ = by_token(404, 200, 200, 200, 200)
LISTED = by_token(200, 200, 200, 200, 200)
WRITTEN = by_token(404, 403, 403, 202, 202)
IN_CONFLICT = by_token(404, 403, 403, 409, 409)
API = {
    ("get", "/presets"): LISTED,
    ("get", "/teams"): LISTED,
    ("get", "/experiments"): LISTED,
    ("post", "/experiments"): by_token(201, 403, 403, 201, 201),
    ("get", "/experiments/{experiment_id}"): READ,
    ("post", "/experiments/{experiment_id}/suite"): by_token(404, 403, 403, 422, 422),  # the name is taken
    ("post", "/experiments/{experiment_id}/resubmit"): WRITTEN,
    ("post", "/experiments/{experiment_id}/cancel"): WRITTEN,
    ("get", "/runs"): LISTED,
    ("post", "/runs"): by_token(422, 403, 403, 422, 422),  # likewise; what one may not see is no experiment
    ("get", "/corpora"): LISTED,
    ("post", "/corpora"): by_token(201, 403, 403, 201, 201),
    ("delete", "/corpora/{corpus_id}"): WRITTEN,
    ("get", "/corpora/{corpus_id}/versions"): READ,
    ("post", "/corpora/{corpus_id}/versions"): by_token(404, 403, 403, 201, 201),
    ("get", "/versions/{version_id}"): READ,
    ("delete", "/versions/{version_id}"): WRITTEN,
    ("post", "/versions/{version_id}/check"): by_token(404, 403, 403, 409, 409),  # its files are not whole
    ("get", "/models"): LISTED,
    ("post", "/models"): by_token(422, 403, 403, 201, 201),  # what one may not see is no run
    ("get", "/models/{model_id}"): READ,
    ("post", "/models/{model_id}/check"): WRITTEN,
    ("get", "/wordings"): LISTED,
    ("post", "/wordings"): by_token(201, 403, 403, 201, 201),
    ("get", "/wordings/{wording_id}"): READ,
    ("get", "/wordings/{wording_id}/versions"): READ,
    ("post", "/wordings/{wording_id}/versions"): by_token(404, 403, 403, 201, 201),
    ("get", "/plans"): LISTED,
    ("post", "/plans"): by_token(201, 403, 403, 201, 201),
    ("get", "/plans/{plan_id}"): by_token(404, 200, 200, 200, 200) | {"shared": 404},
    ("get", "/jobs/{job_id}"): by_token(404, 404, 200, 200, 404),  # the member's own
    ("post", "/preflight"): by_token(200, 403, 403, 200, 200),
    ("get", "/runs/{run_id}"): READ,
    ("post", "/runs/{run_id}/cancel"): WRITTEN,
    ("post", "/runs/{run_id}/retry"): IN_CONFLICT,  # it runs
    ("delete", "/runs/{run_id}"): IN_CONFLICT,
    ("delete", "/runs/{run_id}/checkpoints/{step}"): IN_CONFLICT,
    ("post", "/runs/{run_id}/priority"): IN_CONFLICT,
    ("get", "/nodes"): LISTED,
    ("post", "/nodes/{node_id}/drain"): by_token(403, 403, 403, 403, 403),  # none of a server administrator's
    ("post", "/nodes/{node_id}/undrain"): by_token(403, 403, 403, 403, 403),
    ("get", "/limits"): LISTED,
    ("post", "/limits"): by_token(422, 403, 403, 403, 200) | {"shared": 422},  # what one is not in is no team
    ("post", "/runs/{run_id}/archive"): IN_CONFLICT,
    ("post", "/runs/{run_id}/bring-back"): IN_CONFLICT,
    ("delete", "/experiments/{experiment_id}"): IN_CONFLICT,
    ("post", "/experiments/{experiment_id}/archive"): IN_CONFLICT,
    ("post", "/experiments/{experiment_id}/bring-back"): IN_CONFLICT,
    ("get", "/runs/{run_id}/metrics"): READ,
    ("get", "/runs/{run_id}/events"): READ,
    ("get", "/runs/{run_id}/rollouts"): READ,
    ("get", "/runs/{run_id}/alarms"): READ,
    ("get", "/runs/{run_id}/evaluations"): READ,
    ("get", "/runs/{run_id}/tables"): READ,
    ("get", "/runs/{run_id}/splits"): READ,
    ("get", "/runs/{run_id}/documents"): READ,
}
OUTSIDE_THE_DOCUMENT = {
    "openapi.json": ("get", LISTED),
    "": ("get", by_token(*[404] * 5)),
    "<path:rest>": ("get", by_token(*[404] * 5)),
    "uploads/": ("post", by_token(404, 403, 403, 201, 201)),
    "uploads/<uuid:upload_id>": ("head", by_token(404, 403, 403, 200, 200)),
}
"""Addresses of the API that its document does not name: itself, those where nothing is, and a protocol of its own."""


class World:
    """A team with somebody of each role and one of everything that an address can name; another team with somebody."""

    def __init__(self, folder):
        team, other = first_team(), Team.objects.create(name="Other")
        self.users = {
            "other": make_user("other", Role.MEMBER, team=other),
            "shared": make_user("shared", Role.MEMBER, team=Team.objects.create(name="Guests")),
            "viewer": make_user("viewer", Role.VIEWER),
            "member": make_user("member"),
            "administrator": make_user("administrator", Role.ADMINISTRATOR),
            "server": User.objects.create_superuser("server"),
        }
        colleague, member = make_user("colleague"), self.users["member"]
        self.experiment = services.create_experiment("Theirs", member)
        config = RptConfig.model_validate(CONFIG)
        run = services.submit(self.experiment, "a", config, member)
        services.submit(self.experiment, "failed", config, member)
        self.experiment.runs.filter(name="failed").update(status="failed")
        claimed, events = start_run(run)
        write_shard(claimed, events, "train", 1, hostile_rows(1, 0))
        recorded(claimed)
        self.filter_run, _ = make_filter_run(self.experiment, member, [("one", "One text of a few words.")])
        self.clients = {"nobody": Client()} | {name: self._browser(user) for name, user in self.users.items()}
        ApiToken.issue(member, "its", timedelta(days=1))
        self.arguments = {
            "experiment_id": self.experiment.pk,
            "run_id": run.pk,
            "rollout_id": Rollout.objects.filter(run_id=run.pk).earliest("id").id,
            "team_id": team.pk,
            "user_id": colleague.pk,
            "token_id": ApiToken.objects.get().pk,
            "identity_id": Identity.objects.create(user=member, provider=PROVIDER.url, uid="its").pk,
            "session_id": Browser.objects.get(user=member).pk,
            "name": "glossary",
            "kind": "run",
            "pk": run.pk,
            "rest": "runs/abc",
            "split": "train",
            "row": 0,
            "token": 1,
            "job_id": jobs.submit("check", {}, member).pk,
            "notice_id": notices.tell([member.pk], NoticeKind.SUCCEEDED, "It ended.", run_id=run.pk)[0].pk,
        }
        self.arguments["node_id"] = Node.objects.create(name="n", version="1", last_seen=timezone.now()).pk
        secret = Invitation.issue(team, Role.MEMBER, self.users["administrator"], note="x")
        self.arguments["invitation_id"] = Invitation.objects.get().pk
        self.secrets = {"teams:join": secret, "teams:login_link": LoginLink.issue(colleague)}
        self.arguments["signed"] = "of-the-first-account"
        self.arguments |= {"uidb36": "1", "key": "set-password"}
        self.callers = self._programs()
        self._make_corpus(member)
        self._make_model(team, member, run, folder)
        text = template_text(template_names()[0])
        self.arguments["wording_id"] = wordings.create(team, WordingKind.TEMPLATE, "mine", text, member).wording_id
        self.arguments["plan_id"] = own_plans.create(team, "mine", PLAN, member).pk
        self._share()
        self.posted = {
            "sharing:share": {"team": "Other"},
            "teams:choose_team": {"team": team.pk},
            "teams:team_new": {"name": "New"},
            "teams:team_rename": {"name": "Renamed"},
            "teams:hook_store": {"url": "https://hooks.example.org/rpt"},
            "teams:invite": {"role": "member", "days": 3},
            "teams:person_role": {"role": "viewer"},
            "teams:person_transfer": {"to": member.pk},
            "teams:person_activate": {"active": "no"},
            "teams:password": {"new_password": PASSWORD, "again": PASSWORD},
            "teams:token_new": {"name": "n", "scope": "read", "days": 3},
        }
        self.bodies = {
            "/experiments": {"name": "New"},
            "/experiments/{experiment_id}/suite": {"runs": [ALONE_TAKEN]},
            "/runs": {"experiment": self.experiment.pk, "name": "a", "config": RUNNABLE},
            "/preflight": {"config": RUNNABLE},
            "/runs/{run_id}/priority": {"priority": "low"},
            "/limits": {"team": self.arguments["team_id"], "most": 3},
            "/corpora": {"name": "New"},
            "/models": {"run": run.pk, "step": 7},
            "/plans": {"name": "new", "text": PLAN},
            "/wordings": {"kind": "template", "name": "new", "text": text},
            "/wordings/{wording_id}/versions": {"text": f"{text}!"},
            "/versions/{version_id}/check": {"mapping": {"text": "text"}},
        }

    def _make_corpus(self, member):
        """A corpus with a version that is being uploaded to, and one that was checked."""
        corpus = corpora.create_corpus("Texts", member)
        version, checked = corpora.new_version(corpus, member), corpora.new_version(corpus, member)
        upload = uploads.begin(version, "a.jsonl", 9, member)
        CorpusVersion.objects.filter(pk=checked.pk).update(checked_at=timezone.now(), train_documents=1)
        checked.documents_file.parent.mkdir(parents=True, exist_ok=True)
        with written_documents(checked.documents_file) as writer:
            more = dict.fromkeys(("domain", "difficulty", "answer"), "")
            writer.add(SimpleNamespace(id="one", text="A text.", solution_start=0, **more), "train", "a.jsonl")
        self.checked = checked.number
        self.arguments |= {"corpus_id": corpus.pk, "number": version.number, "version_id": version.pk}
        self.arguments["upload_id"] = upload.pk
        told = (f"version {_coded(str(version.pk))}", f"filename {_coded('b.jsonl')}")
        self.headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": ",".join(told)}

    def _make_model(self, team, member, run, folder):
        """A registered model in a folder, and a checkpoint that may become another one."""
        (folder / "config.json").write_text("{}")
        model = RegisteredModel.objects.create(
            team=team, name="one", source=ModelSource.FOLDER, path=str(folder), created_by=member
        )
        (run.directory / "c").mkdir(parents=True, exist_ok=True)
        (run.directory / "c" / "config.json").write_text("{}")
        Checkpoint.objects.create(run=run, attempt=1, step=7, path="c", bytes=1, created_at=timezone.now())
        self.arguments |= {"model_id": model.pk, "step": 7}

    def _share(self):
        """Everything that can be shared is, with a team of guests."""
        for kind in sharing.KINDS:
            thing = access.get_to_share_or_404(self.users["administrator"], kind, self.arguments[f"{kind}_id"])
            made = sharing.share(kind, thing, "Guests", self.users["administrator"])
        self.arguments["share_id"] = made.pk

    def _browser(self, user):
        client = Client()
        client.force_login(user)
        return client

    def _programs(self):
        """The clients of programs, by what they show."""
        lasting, gone = timedelta(days=1), timedelta(seconds=-1)
        member = self.users["member"]
        secrets = {
            "expired": ApiToken.issue(member, "expired", gone, Scope.ADMIN),
            "revoked": ApiToken.issue(member, "revoked", lasting, Scope.ADMIN),
            "reader": ApiToken.issue(member, "reader", lasting, Scope.READ),
        }
        ApiToken.objects.get(name="revoked").delete()
        for name in ("other", "shared", "viewer", "member", "administrator"):
            secrets[name] = ApiToken.issue(self.users[name], name, lasting, Scope.ADMIN)
        clients = {name: Client(headers={"Authorization": f"Bearer {secret}"}) for name, secret in secrets.items()}
        return clients | {"none": Client()}

    def path(self, name, pattern):
        text = "/" + str(pattern.pattern)
        for argument, converter in pattern.pattern.converters.items():
            value = self.secrets[name] if argument == "secret" else self.arguments[argument]
            if argument == "run_id" and name.startswith("token_maps:"):
                value = self.filter_run.pk
            if name == "sharing:share":
                value = {"kind": "experiment", "pk": self.experiment.pk}[argument]
            if argument == "number" and name.startswith("corpora:document_"):
                value = self.checked
            kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
            text = text.replace(f"<{kind}:{argument}>", str(value))
        return text


PLAN = """
description: one run
runs:
- {name: a, stage: ntp, title: A, config: {corpus: {source: tiny}, scratch: {}, budget: {steps: 1}}}
"""
ALONE_TAKEN = ALONE.model_dump(mode="json") | {"name": "a"}


def _coded(text):
    return base64.b64encode(text.encode()).decode()
