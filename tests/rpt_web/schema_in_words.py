"""A database's schema as Postgres describes it, with every name: later migrations drop things by their names.

In: a cursor. Out: lines of text for each kind of thing. Partitions of a partitioned table are left out: each run has
one. So are the names of NOT NULL, which only newer servers have: it is dropped by its column's name.
"""

from __future__ import annotations

TABLES = """
SELECT c.oid FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
"""
QUERIES = {
    "tables": f"""
        SELECT relname, relkind, relpersistence, relreplident, relrowsecurity, reloptions, pg_get_partkeydef(oid),
               CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END
        FROM pg_class WHERE oid IN ({TABLES})
    """,
    "columns": f"""
        SELECT attrelid::regclass, rank() OVER (PARTITION BY attrelid ORDER BY attnum), attname,
               format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid), attidentity, attgenerated,
               attstorage, attcompression, attstattarget, attoptions, collname
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        LEFT JOIN pg_collation ON pg_collation.oid = attcollation
        WHERE attrelid IN ({TABLES}) AND attnum > 0 AND NOT attisdropped
    """,
    "constraints": f"""
        SELECT conrelid::regclass, conname, contype, condeferrable, condeferred, convalidated, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE conrelid IN ({TABLES}) AND contype <> 'n'
    """,
    "indexes": f"""
        SELECT pg_get_indexdef(indexrelid), indisprimary, indisvalid, indisclustered, reloptions
        FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid IN ({TABLES})
    """,
    "triggers": f"""
        SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE tgrelid IN ({TABLES}) AND NOT tgisinternal
    """,
    "rules and policies": f"""
        SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class IN ({TABLES})
        UNION ALL SELECT polname FROM pg_policy WHERE polrelid IN ({TABLES})
    """,
    "functions": """
        SELECT CASE prokind WHEN 'a' THEN proname ELSE pg_get_functiondef(oid) END
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """,
    "types": """
        SELECT typname, typtype FROM pg_type
        WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd', 'r')
    """,
    "sequences": """
        SELECT sequencename, data_type, start_value, min_value, max_value, increment_by, cycle, cache_size,
               (SELECT array_agg(concat(refobjid::regclass, '.', refobjsubid, deptype))
                FROM pg_depend WHERE objid = sequencename::regclass AND refobjsubid > 0)
        FROM pg_sequences WHERE schemaname = 'public'
    """,
    "statistics": "SELECT pg_get_statisticsobjdef(oid), stxstattarget FROM pg_statistic_ext",
    "extensions": "SELECT extname, extversion FROM pg_extension",
    "comments": """
        SELECT classoid::regclass, objoid::regclass, objsubid, description FROM pg_description
        WHERE classoid = 'pg_class'::regclass AND objoid::regclass::text !~ '^(pg_|information_schema)'
    """,
    "event triggers": "SELECT evtname FROM pg_event_trigger",
    "permissions": """
        SELECT app_label, model, codename, name
        FROM auth_permission JOIN django_content_type AS type ON type.id = content_type_id
    """,
    "migrations": "SELECT app, name FROM django_migrations",
}


def schema_in_words(cursor) -> dict[str, list[str]]:
    """All that there is, by its kind."""
    return {kind: _lines(cursor, query) for kind, query in QUERIES.items()}


def _lines(cursor, query: str) -> list[str]:
    cursor.execute(query)
    return sorted(" | ".join(map(str, row)) for row in cursor.fetchall())
