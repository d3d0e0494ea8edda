"""The tables are what the models say, the hand-made partitioned one too."""

import pytest
from django.core.management import call_command
from django.db import connection, models

from rpt_web.traces.models import Rollout

pytestmark = pytest.mark.django_db


def test_no_model_has_changed_without_a_migration():
    call_command("makemigrations", "--check", "--dry-run", "--skip-checks", verbosity=0)


def test_the_rollout_table_has_exactly_the_columns_of_the_model():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, is_nullable = 'YES', format_type(atttypid, atttypmod) FROM information_schema.columns "
            "JOIN pg_attribute ON attrelid = 'traces_rollout'::regclass AND attname = column_name "
            "WHERE table_name = 'traces_rollout'"
        )
        found = {(name, null, type_.replace("character varying", "varchar")) for name, null, type_ in cursor.fetchall()}
    fields = [field for field in Rollout._meta.local_fields if not isinstance(field, models.CompositePrimaryKey)]
    assert found == {(field.column, field.null, field.db_type(connection)) for field in fields}
