"""What is changed under another name purges too: through a view, a function, a part of a table, a trigger of somebody
else's; in bytes; and by a connection whose role changes.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

on_postgres = pytest.mark.skipif("SITE_POSTGRES" not in os.environ, reason="only with a PostgreSQL: test_postgres.py")
on_mysql = pytest.mark.skipif("SITE_MYSQL" not in os.environ, reason="only with a MariaDB: test_mysql.py")
RENAME = "UPDATE shop_tag SET name = 'by another name' WHERE id = (SELECT min(id) FROM shop_tag)"
# What there is, what is run, and the table that is changed.
CASES = {
    "a view": (
        "CREATE VIEW other_tags AS SELECT id, name FROM shop_tag",
        "UPDATE other_tags SET name = 'x' WHERE id = 1",
    ),
    "a view of a view": (
        "CREATE VIEW other_a AS SELECT * FROM shop_tag; CREATE VIEW other_b AS SELECT id, name FROM other_a",
        "UPDATE Other_B SET name = 'x' WHERE id = 1",
    ),
    "a rule": (
        "CREATE TABLE other_t (id INT); CREATE RULE other_r AS ON INSERT TO other_t"
        " DO ALSO UPDATE shop_tag SET name = 'x' WHERE id = NEW.id",
        "INSERT INTO other_t VALUES (1)",
    ),
    "a part": (
        "CREATE TABLE other_part () INHERITS (shop_tag)",
        "INSERT INTO other_part SELECT * FROM shop_tag LIMIT 1",
    ),
    "a function": (
        f"CREATE FUNCTION other_f(n INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN {RENAME}; RETURN n; END $$",
        "SELECT other_f(1)",
    ),
    "one of two functions of one name": (
        f"CREATE FUNCTION other_f(n INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN {RENAME}; RETURN n; END $$;"
        "CREATE FUNCTION other_f(n TEXT) RETURNS INT LANGUAGE sql AS $$ SELECT 1 $$",
        "SELECT other_f(1)",
    ),
    "a function in a query": (
        f"CREATE FUNCTION other_f(n INT) RETURNS INT LANGUAGE plpgsql AS $$ BEGIN {RENAME}; RETURN n; END $$",
        "SELECT other_f(id::int) FROM shop_author LIMIT 1",
    ),
    "a procedure": (
        f"CREATE PROCEDURE other_p() LANGUAGE plpgsql AS $$ BEGIN {RENAME}; END $$",
        "CALL other_p()",
    ),
    "a body in standard SQL": (
        f"CREATE PROCEDURE other_p() BEGIN ATOMIC {RENAME}; END",
        "CALL other_p()",
    ),
    "a block": ("", f"DO $$ BEGIN {RENAME}; END $$"),
}
NAMED = "UPDATE shop_tag SET name = 'by another name'"
ON_MYSQL = {
    "a view": (
        ["CREATE VIEW other_tags AS SELECT id, name FROM shop_tag"],
        "UPDATE other_tags SET name = 'x' WHERE id = 1",
    ),
    "a function": (
        [f"CREATE FUNCTION other_f(n INT) RETURNS INT MODIFIES SQL DATA BEGIN {NAMED}; RETURN n; END"],
        "SELECT other_f(1)",
    ),
    "a procedure": ([f"CREATE PROCEDURE other_p() BEGIN {NAMED}; END"], "CALL other_p"),
    "a trigger": (
        [f"CREATE TRIGGER other_g AFTER UPDATE ON shop_author FOR EACH ROW BEGIN {NAMED}; END"],
        "UPDATE shop_author SET name = 'x'",
    ),
    "what refers": (
        [
            "CREATE TABLE other_t (id BIGINT PRIMARY KEY) ENGINE=InnoDB",
            "INSERT INTO other_t VALUES (1)",
            "ALTER TABLE shop_tag ADD other_id BIGINT DEFAULT 1,"
            " ADD CONSTRAINT other_c FOREIGN KEY (other_id) REFERENCES other_t (id) ON DELETE SET NULL",
        ],
        "DELETE FROM other_t WHERE id = 1",
    ),
    "a table in its place": (
        ["CREATE TABLE other_t AS SELECT id, name FROM shop_tag"],
        "RENAME TABLE shop_tag TO other_old, other_t TO shop_tag",
    ),
}
UNDO_ON_MYSQL = [
    "DROP VIEW IF EXISTS other_tags",
    "DROP FUNCTION IF EXISTS other_f",
    "DROP PROCEDURE IF EXISTS other_p",
    "DROP TRIGGER IF EXISTS other_g",
    "DROP TABLE IF EXISTS other_t",
]
UNDO = (
    "DROP VIEW IF EXISTS other_tags, other_b, other_a; DROP TABLE IF EXISTS other_t, other_part CASCADE;"
    "DROP FUNCTION IF EXISTS other_f(INT); DROP FUNCTION IF EXISTS other_f(TEXT); DROP PROCEDURE IF EXISTS other_p()"
)


@pytest.fixture
def gone(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    from weir_server.django import changes, database

    found: set[str] = set()
    monkeypatch.setattr(changes, "deliver", found.update)
    database.forget()
    yield found
    database.forget()


def tags_of(read: Any) -> set[str]:
    from weir_server.django import capture

    recorder, token = capture.begin()
    read()
    capture.end(token)
    return set(recorder.tags)


def pending() -> set[str]:
    """What the transaction will purge."""
    from django.db import connections

    from weir_server.django import commits

    return {tag for _, tags in commits.pending(connections["default"]) for tag in tags}


@on_postgres
@pytest.mark.parametrize("case", sorted(CASES))
def test_under_another_name(gone: set[str], case: str) -> None:
    from django.db import connection, transaction

    from shop.models import Tag

    made, run = CASES[case]
    page = tags_of(lambda: list(Tag.objects.values_list("name")))
    with transaction.atomic(), connection.cursor() as cursor:
        if made:
            cursor.execute(made)
        # A process that writes has asked what the database does by itself.
        cursor.execute("DELETE FROM shop_comment WHERE id = -1")
    gone.clear()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(run)
            transaction.set_rollback(True)
            noted = pending()
        assert page & noted, (page, noted)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(UNDO)


@on_mysql
@pytest.mark.parametrize("case", sorted(ON_MYSQL))
def test_under_another_name_on_mysql(gone: set[str], case: str) -> None:
    from django.db import connection

    from shop.models import Tag

    made, run = ON_MYSQL[case]
    page = tags_of(lambda: list(Tag.objects.values_list("name")))
    with connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        for statement in made:
            cursor.execute(statement)
        cursor.execute("SET foreign_key_checks = 1")
        gone.clear()
        try:
            cursor.execute(run)
            assert page & gone
        finally:
            if case == "a table in its place":
                cursor.execute("RENAME TABLE shop_tag TO other_t, other_old TO shop_tag")
            if case == "what refers":
                cursor.execute("ALTER TABLE shop_tag DROP CONSTRAINT other_c, DROP other_id")
            for statement in UNDO_ON_MYSQL:
                cursor.execute(statement)


@on_mysql
def test_a_procedure_by_name(gone: set[str]) -> None:
    from django.db import connection

    from shop.models import Tag

    page = tags_of(lambda: list(Tag.objects.values_list("name")))
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE PROCEDURE other_p() BEGIN {NAMED}; END")
        gone.clear()
        try:
            cursor.callproc("other_p")
            assert page & gone
        finally:
            cursor.execute("DROP PROCEDURE other_p")


@on_postgres
def test_a_table_with_parts_is_not_purged_as_a_whole(gone: set[str]) -> None:
    from django.db import connection, transaction

    from shop.models import Tag

    first = Tag.objects.earliest("pk")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE other_part () INHERITS (shop_tag)")
        Tag.objects.filter(pk=first.pk).update(name=first.name)
        noted = pending()
        transaction.set_rollback(True)
    assert f"shop.tag:{first.pk}" in noted and "shop.tag:*" not in noted


def test_a_trigger_of_another_process(gone: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connections

    from shop.models import Author, Tag
    from weir_server.django import database

    connection = connections["default"]
    page = tags_of(lambda: list(Tag.objects.values_list("name")))
    Author.objects.update(name="x")
    assert not page & gone
    do = "UPDATE shop_tag SET name = name"
    made = {
        "sqlite": [f"CREATE TRIGGER other_g AFTER UPDATE ON shop_author BEGIN {do}; END"],
        "postgresql": [
            f"CREATE FUNCTION other_g() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN {do}; RETURN NULL; END'",
            "CREATE TRIGGER other_g AFTER UPDATE ON shop_author FOR EACH STATEMENT EXECUTE FUNCTION other_g()",
        ],
    }
    made["mysql"] = [f"CREATE TRIGGER other_g AFTER UPDATE ON shop_author FOR EACH ROW {do}"]
    undo = "DROP FUNCTION other_g CASCADE" if connection.vendor == "postgresql" else "DROP TRIGGER other_g"
    for statement in made[connection.vendor]:
        # Below what watches, as another process would.
        database.Database(connection).ask(statement, None, 0)
    try:
        until, known = database._effects["default"]
        database._effects["default"] = (until - database.HOLD, known)
        Author.objects.update(name="y")
        assert page & gone
    finally:
        database.Database(connection).ask(undo, None, 0)


def test_a_statement_in_bytes(gone: set[str]) -> None:
    from django.db import connection

    from shop.models import Tag

    page = tags_of(lambda: list(Tag.objects.values_list("name")))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            # Its driver takes none: what is noted counts.
            with pytest.raises(TypeError):
                cursor.execute(b"DELETE FROM\nshop_tag WHERE id = -1")
            return
        cursor.execute(b"DELETE FROM\nshop_tag WHERE id = -1\n")
        cursor.execute(b"UPDATE\nshop_tag\nSET name = name")
    assert page & gone


@on_postgres
def test_a_connection_with_several_roles(gone: set[str]) -> None:
    """What one may ask, the next may not: the change of the site must not fail for it."""
    from django.db import connection, transaction

    from shop.models import Article, Comment

    article = Article.objects.earliest("pk")
    for role in ("other_one", "other_two"):
        database_of(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA public TO {role}")
    database_of(
        "GRANT SELECT, UPDATE, DELETE ON shop_comment TO other_one; GRANT SELECT, DELETE ON shop_comment TO other_two"
    )
    try:
        for role in ("other_one", "other_two", "other_one"):
            comment = Comment.objects.create(article=article, text="x")
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL ROLE {role}")
                cursor.execute("DELETE FROM shop_comment WHERE id = %s", [comment.pk])
                assert cursor.rowcount == 1
    finally:
        for role in ("other_one", "other_two"):
            database_of(f"DROP OWNED BY {role}; DROP ROLE {role}")


def database_of(sql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
