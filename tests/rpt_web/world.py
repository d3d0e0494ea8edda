"""The world in which everybody asks for every route: people of each role, and one of everything that can be named."""

from __future__ import annotations

import base64
from datetime import timedelta
from types import SimpleNamespace

from django.test import Client
from django.utils import timezone

from rpt_core.config import RptConfig
from rpt_core.files import write_whole
from rpt_core.problems.prompts import template_names, template_text
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_search import SoughtText
from rpt_core.text.document_files import written_documents
from rpt_web import access
from rpt_web.comments import services as comments
from rpt_web.comments.subjects import Subject
from rpt_web.compare import baskets
from rpt_web.compare.models import PositionComparison
from rpt_web.corpora import services as corpora
from rpt_web.corpora import uploads, wordings
from rpt_web.corpora.models import CorpusVersion, ModelSource, RegisteredModel, WordingKind
from rpt_web.jobs import services as jobs
from rpt_web.notices import services as notices
from rpt_web.notices.models import NoticeKind
from rpt_web.reports import printing
from rpt_web.reports import services as reports
from rpt_web.review import reviews
from rpt_web.review.label_sets import BUILT_IN_TEXT
from rpt_web.run_table import saved
from rpt_web.run_table.rows import AskedTable
from rpt_web.runs import own_plans, services
from rpt_web.runs.models import Checkpoint, Node
from rpt_web.searches import services as searches
from rpt_web.teams import sharing
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import ApiToken, Browser, Identity, Invitation, LoginLink, Role, Scope, Team, User
from rpt_web.traces.models import CorpusPosition, ResponseGroup, Rollout
from tests.factories import PASSWORD, hostile_rows, make_user, start_run, write_shard
from tests.factories import record as recorded
from tests.rpt_core.evaluation.outcome_files import row as outcome_row
from tests.rpt_core.evaluation.outcome_files import write_outcomes
from tests.rpt_web.api_client import CONFIG, RUNNABLE
from tests.rpt_web.review_rows import make_queue
from tests.rpt_web.routes import PROVIDER
from tests.scored_files import make_filter_run
from tests.suite_graphs import ALONE


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
        events.emit("metrics", step=1, values={"loss": 1.5}, flops=1e9)
        recorded(claimed)
        write_whole(RunDir(run.directory).evaluation(1), b"")
        write_outcomes(RunDir(run.directory).evaluation(7), [outcome_row("one", 0, standard=True)])
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
            "schema": "RunOut",
            "page_name": "table-1",
            "kind": "run",
            "pk": run.pk,
            "rest": "runs/abc",
            "ending": "jsonl",
            "ref": f"run/{run.pk}/metric/loss",
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
        self.arguments["basket_id"] = baskets.create(team, "Before and after", str(run.pk), member).pk
        self.arguments["view_id"] = saved.create(team, member, "mine", AskedTable.of(["seed"]), is_shared=True).pk
        self.arguments["comparison_id"] = compared(run).pk
        self.arguments["comment_id"] = comments.write(Subject(self.experiment, run), "A note.", member).comment.pk
        self.arguments["search_id"] = search(team, member, run).pk
        self._make_queue(run, member)
        self._make_positions(run)
        self._make_report(team, run, member)
        self._share()
        self.posted = {
            **{f"comments:{name}": {"body": "Some words."} for name in COMMENTED},
            "compare:keep": {"name": "Another", "runs": str(run.pk)},
            "sharing:share": {"team": "Other"},
            "reports:part_change": {"text": "Some words."},
            "reports:part_add": {"text": "Some words."},
            "reports:report_edit": {"title": "New"},
            "reports:report_share": {"days": 3},
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
        self.queries = {
            "/compared-settings": f"?runs={run.pk}",
            "/runs/{run_id}/rollouts.parquet": "?kind=train&step=1",
            "/runs/{run_id}/outcomes.parquet": "?step=1",
            "/exhibits": f"?ref=run/{run.pk}/metric/loss",
            "/reports/{report_id}/file": "?ending=html",
            "/exhibits/file": f"?ref=run/{run.pk}/metric/loss&ending=csv",
        }
        self.bodies = {
            "/experiments": {"name": "New"},
            "/experiments/{experiment_id}/suite": {"runs": [ALONE_TAKEN]},
            "/runs": {"experiment": self.experiment.pk, "name": "a", "config": RUNNABLE},
            "/preflight": {"config": RUNNABLE},
            "/runs/{run_id}/priority": {"priority": "low"},
            "/inbox/read": {"newest": 2**40},
            "/runs/several": {"do": "cancel", "runs": [run.pk]},
            "/plans/{plan_id}": {"text": PLAN},
            "/leaderboard/baseline": {"row": 1},
            "/views": {"name": "new", "query": "columns=seed"},
            "/views/{view_id}": {"name": "renamed"},
            "/runs/{run_id}/tags": {"tags": ["one"]},
            "/limits": {"team": self.arguments["team_id"], "most": 3},
            "/comparisons": {"entries": [str(run.pk), f"{run.pk}@1"]},
            "/baskets": {"name": "New", "entries": [str(run.pk)]},
            "/baskets/{basket_id}": {"name": "Renamed"},
            "/positions/{position_id}/reruns": {"group": 2**40},
            "/searches": {"text": "the", "runs": [run.pk]},
            "/corpora": {"name": "New"},
            "/models": {"run": run.pk, "step": 7},
            "/comments": {"run": run.pk, "text": "Some words."},
            "/reports": {"title": "New"},
            "/reports/{report_id}/parts": {"text": "Some words."},
            "/reports/{report_id}/freeze": {"frozen": True},
            "/reports/{report_id}/links": {"days": 3},
            "/comments/{comment_id}": {"text": "Other words."},
            "/comments/{comment_id}/replies": {"text": "Some words."},
            "/plans": {"name": "new", "text": PLAN},
            "/label-sets": {"name": "New", "text": BUILT_IN_TEXT},
            "/label-sets/{label_set_id}/versions": {"text": f"{BUILT_IN_TEXT}# more\n"},
            "/queues": {"run": run.pk, "name": "New", "sample": 1},
            "/queues/{queue_id}/reassign": {"leaver": "member", "takers": ["colleague"]},
            "/queues/{queue_id}/labels": {"labels": [{"item": 1, "answers": {"thought": "sound"}}]},
            "/pairs": {"name": "x", "first": {"run": run.pk, "step": 1}, "second": {"run": run.pk, "step": 1}},
            "/items/{item_id}/review": {"version": 0, "answers": {"thought": "sound"}},
            "/items/{item_id}/decision": {"answers": {"thought": "sound"}},
            "/wordings": {"kind": "template", "name": "new", "text": text},
            "/wordings/{wording_id}/versions": {"text": f"{text}!"},
            "/versions/{version_id}/check": {"mapping": {"text": "text"}},
        }

    def _make_report(self, team, run, member):
        """A report with one part and one link."""
        report = reports.create(team, "What we found", member)
        part = reports.add_ref(report, self.arguments["ref"])
        printing.store(report, b"%PDF-1.4", is_anonymous=False)
        link, secret = reports.share(report, member, 3, is_anonymous=False)
        self.arguments |= {"report_id": report.pk, "part_id": part.pk, "link_id": link.pk}
        self.secrets |= {"reports:shared": secret, "reports:shared_file": secret}

    def _make_positions(self, run):
        """The run's group is at a position, and once more a question as a whole."""
        text_hash = bytes(range(16))
        group = ResponseGroup.objects.filter(run=run).earliest("id")
        for place, number in ((7, group.group), (-1, 99)):
            group.position = CorpusPosition.objects.create(text_hash=text_hash, byte_offset=place)
            group.pk, group.group = (group.pk if place > 0 else None), number
            group.save()
            self.arguments.setdefault("position_id", group.position_id)
        self.arguments |= {"text_hash": text_hash.hex(), "byte_offset": 7}

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

    def _make_queue(self, run, member):
        """A queue that is open to all, and an item of it that the member has taken."""
        queue = make_queue(run, member, sample=1, reviewers_per_item=2)
        review = reviews.take_next(queue, member)
        self.arguments |= {"queue_id": queue.pk, "item_id": review.item_id, "label_set_id": queue.version.label_set_id}

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
            if argument == "ending" and name.startswith(("exhibits:", "reports:")):
                value = "csv" if name.startswith("exhibits:") else "zip"
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
COMMENTED = ("on_experiment", "on_position", "on_run", "on_response", "on_report", "reply", "edit")
ALONE_TAKEN = ALONE.model_dump(mode="json") | {"name": "a"}


def search(team, user, run):
    return searches.start(team, user, SoughtText("the"), [run], searches.SearchFilters())


def compared(run):
    """A comparison of a run with itself, as its job stores it."""
    data = {"levels": ["hard"], "accuracies": [], "with_baseline": [{"levels": {}, "slices": {}}], "matrix": {}}
    entries = [[run.pk, 1, "greedy"], [run.pk, 2, "greedy"]]
    return PositionComparison.objects.create(
        key=f"of {run.pk}", entries=entries, runs=[run.pk], data=data, made_at=timezone.now()
    )


def _coded(text):
    return base64.b64encode(text.encode()).decode()
