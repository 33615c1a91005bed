"""What a database is asked of its constraints, triggers, functions, views and partitions, for each vendor."""

import re

RULES = "('CASCADE', 'SET NULL', 'SET DEFAULT')"

# For each vendor, the constraints: the table that is referred to, the one that refers, what becomes of the latter's
# rows after DELETE and UPDATE, and the columns that are referred to.
REFERENCES = {
    "postgresql": """
        SELECT DISTINCT t.relname::text, r.relname::text, c.confdeltype::text, c.confupdtype::text, ARRAY(
            SELECT a.attname::text FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey))
        FROM pg_catalog.pg_constraint c
        JOIN pg_catalog.pg_class t ON t.oid = c.confrelid JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
        WHERE c.contype = 'f' AND (c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd'))""",
    "sqlite": f"""
        SELECT DISTINCT p."table", m.name, p.on_delete, p.on_update, p."to"
        FROM sqlite_master m, pragma_foreign_key_list(m.name) p
        WHERE m.type = 'table' AND (p.on_delete IN {RULES} OR p.on_update IN {RULES})""",
    "mysql": f"""
        SELECT REFERENCED_TABLE_NAME, TABLE_NAME, DELETE_RULE, UPDATE_RULE, NULL
        FROM information_schema.REFERENTIAL_CONSTRAINTS
        WHERE CONSTRAINT_SCHEMA = DATABASE() AND (DELETE_RULE IN {RULES} OR UPDATE_RULE IN {RULES})""",
}
# The triggers: the table, what runs, and what it is given.
TRIGGERS = {
    "postgresql": """
        SELECT DISTINCT c.relname::text, p.prosrc::text, encode(g.tgargs, 'escape')
        FROM pg_catalog.pg_trigger g
        JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
        WHERE NOT g.tgisinternal""",
    "sqlite": "SELECT tbl_name, sql, '' FROM sqlite_master WHERE type = 'trigger'",
    "mysql": """
        SELECT EVENT_OBJECT_TABLE, ACTION_STATEMENT, '' FROM information_schema.TRIGGERS
        WHERE TRIGGER_SCHEMA = DATABASE()""",
}
# Functions and procedures, which triggers and statements may call, and their texts. One with a body in standard SQL has
# no text of its own.
FUNCTIONS = {
    "postgresql": """
        SELECT p.proname::text, CASE WHEN p.prosrc = '' THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE l.lanname NOT IN ('c', 'internal') AND p.prorettype <> 'pg_catalog.trigger'::regtype
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')""",
    "mysql": """
        SELECT ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES
        WHERE ROUTINE_SCHEMA = DATABASE()""",
}
# Views through which tables are changed, with each of these, or with the query that it is; PostgreSQL's rules too.
VIEWS = {
    "postgresql": """
        SELECT DISTINCT v.relname::text, t.relname::text, ''
        FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
        JOIN pg_catalog.pg_depend d ON d.objid = r.oid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
        JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
        WHERE t.oid <> v.oid AND (v.relkind = 'v' OR r.ev_type <> '1')
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')""",
    "mysql": """
        SELECT TABLE_NAME, '', VIEW_DEFINITION FROM information_schema.VIEWS
        WHERE TABLE_SCHEMA = DATABASE() AND IS_UPDATABLE = 'YES'""",
}
# Tables that have the rows of others too: those with partitions, or from which others inherit; and the others.
PARTS = {
    "postgresql": """
        SELECT p.relname::text, c.relname::text FROM pg_catalog.pg_inherits i
        JOIN pg_catalog.pg_class p ON p.oid = i.inhparent JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
        WHERE c.relkind IN ('r', 'p', 'f')""",
}
# After such a statement a connection of PostgreSQL may have another role.
ROLES = re.compile(
    r"\s*(?:(?:RE)?SET\s+(?:(?:LOCAL|SESSION)\s+)?(?:ROLE|SESSION\s+AUTHORIZATION)|DISCARD)\b"
    r"|.*\bset_config\b.*\brole\b",
    re.IGNORECASE | re.DOTALL,
)
