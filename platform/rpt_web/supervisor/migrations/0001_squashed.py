"""All tables of a new database at once, in place of the migrations by which older ones came to them.

One step for all apps, since their migrations depend on each other in circles. So there are two ways only: a database
that has none of the replaced migrations takes this one; one that has some of them goes on through the others. The users'
table is made before, by `teams.0001_initial`: packages that this step needs refer to it.
"""

from django.db import migrations
from django.db.migrations.operations.base import Operation

from rpt_web.comments.migrations import _squashed as comments
from rpt_web.compare.migrations import _squashed as compare
from rpt_web.corpora.migrations import _squashed as corpora
from rpt_web.jobs.migrations import _squashed as jobs
from rpt_web.notices.migrations import _squashed as notices
from rpt_web.reports.migrations import _squashed as reports
from rpt_web.results.migrations import _squashed as results
from rpt_web.review.migrations import _squashed as review
from rpt_web.run_table.migrations import _squashed as run_table
from rpt_web.runs.migrations import _squashed as runs
from rpt_web.searches.migrations import _squashed as searches
from rpt_web.teams.migrations import _squashed as teams
from rpt_web.traces.migrations import _squashed as traces

OPERATIONS = {
    app: module.OPERATIONS
    for app, module in {
        "teams": teams,
        "jobs": jobs,
        "notices": notices,
        "runs": runs,
        "corpora": corpora,
        "traces": traces,
        "results": results,
        "compare": compare,
        "searches": searches,
        "run_table": run_table,
        "review": review,
        "comments": comments,
        "reports": reports,
    }.items()
}
REPLACED = {
    "teams": [
        "0002_login_attempts",
        "0003_teams",
        "0004_role_is_the_memberships",
        "0005_people",
        "0006_audit",
        "0007_api_token_in_words",
        "0008_identity",
        "0009_factor",
        "0010_disk_use",
        "0011_shares",
        "0012_login_link_trail",
        "0013_repeatable_calls",
        "0014_shared_plans",
        "0015_words_of_scopes",
        "0016_sealed_answers",
    ],
    "jobs": [
        "0001_initial",
    ],
    "notices": [
        "0001_initial",
        "0002_alarms",
        "0003_comments",
        "0004_queue",
        "0005_monitor_limits",
    ],
    "runs": [
        "0001_initial",
        "0002_suites",
        "0003_nodes",
        "0004_time_spent",
        "0005_data_folder_and_quiet",
        "0006_who_did_it",
        "0007_attempts_and_their_code",
        "0008_parents",
        "0009_versions_of_results",
        "0010_team",
        "0011_team_required",
        "0012_audit",
        "0013_origin",
        "0014_disk_use",
        "0015_place",
        "0016_archive_and_delete",
        "0017_sharing_machines",
        "0018_own_plans",
        "0019_gpus_of_older_runs",
        "0020_findings_of_experiments",
        "0021_metric_summaries",
        "0022_tags_of_runs",
    ],
    "corpora": [
        "0001_initial",
        "0002_scored_splits",
        "0003_run_corpus",
        "0004_corpora",
        "0005_models",
        "0006_wordings",
        "0007_audit",
        "0008_deleted_versions",
        "0009_more_audit",
        "0010_disk_use",
        "0011_addresses",
    ],
    "traces": [
        "0001_initial",
        "0002_rollout_entropy_may_be_missing",
        "0003_reading_order",
        "0004_reason_by_itself",
        "0005_kind_by_itself",
        "0006_groups",
        "0007_completion_of_a_group",
        "0008_rare_groups",
        "0009_patterns_of_a_group",
        "0010_reruns_and_prompts",
        "0011_positions_in_indexes",
    ],
    "results": [
        "0001_initial",
        "0002_result_tables",
        "0003_no_box",
        "0004_above_nats",
        "0005_intervals",
        "0006_scaling_fits",
        "0007_position_sets",
        "0008_standings",
        "0009_leads_by_mode",
    ],
    "compare": [
        "0001_initial",
        "0002_comparisons",
        "0003_engine_config",
        "0004_modes_of_entries",
    ],
    "searches": [
        "0001_initial",
        "0002_within_reviews",
    ],
    "run_table": [
        "0001_initial",
    ],
    "review": [
        "0001_initial",
        "0002_figures",
        "0003_disputes",
        "0004_positions_and_reassignments",
        "0005_labels_index",
    ],
    "comments": [
        "0001_initial",
        "0002_position",
        "0003_report",
    ],
    "reports": [
        "0001_initial",
        "0002_pdfs",
    ],
}


class AtOnce(Operation):
    """Operations of several apps as one.

    Django renders the models again after each operation, which takes most of the time of a migration; here it does so
    once. What is deferred to the end of the migration is done at the end of the operation: only then does Django write
    down in the same transaction that it is done, and one that is interrupted leaves nothing.
    """

    reversible = False  # it would leave the users and nothing else

    def __init__(self, operations):
        self.operations = operations

    def _each(self):
        return [(app, operation) for app, operations in self.operations.items() for operation in operations]

    def state_forwards(self, app_label, state):
        vars(state).pop("apps", None)
        for app, operation in self._each():
            operation.state_forwards(app, state)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        for app, operation in self._each():
            operation.database_forwards(app, schema_editor, from_state, to_state)
        for statement in schema_editor.deferred_sql:
            schema_editor.execute(statement, None)
        schema_editor.deferred_sql.clear()

    def describe(self):
        return "All tables at once"


class Migration(migrations.Migration):
    replaces = [(app, name) for app, names in REPLACED.items() for name in names]
    dependencies = [
        ("teams", "0001_initial"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]
    operations = [AtOnce(OPERATIONS), migrations.RunSQL(corpora.RENAMED, migrations.RunSQL.noop)]
