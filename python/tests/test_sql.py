"""What the reader finds in statements: pinned, followed and whole tables; inserts and changes."""

import pytest

from weir_server import _writes
from weir_server._reads import branch_tag
from weir_server._sql import Pin, Statement, Statements, Table, Tree, Value

INT = Pin("author", "int")
OWNER = Pin("owner", "int", rare=False)
SCHEMA = {
    "article": Table(
        "shop.article",
        "id",
        {"id": Pin(None, "int"), "slug": Pin("slug", "text"), "author_id": INT, "category_id": Pin("category", "int")},
        frozenset({"id", "slug", "author_id", "maker_id"}),
        # `maker_id` has no constraint.
        refers={"author_id": "author", "category_id": "tag"},
    ),
    "author": Table("shop.author", "id", {"id": Pin(None, "int")}, frozenset({"id"})),
    "tag": Table("shop.tag", "id", {"id": Pin(None, "int")}, frozenset({"id"})),
    "article_tags": Table(
        "shop.article_tags",
        "id",
        {"id": Pin(None, "int"), "article_id": Pin("article", "int"), "tag_id": Pin("tag", "int")},
        frozenset({"id", "article_id", "tag_id"}),
        refers={"article_id": "article", "tag_id": "tag"},
    ),
    "profile": Table("shop.profile", "user_id", {"user_id": Pin(None, "int")}, frozenset({"user_id"})),
    "page": Table(
        "cms.page",
        "id",
        {"id": Pin(None, "int"), "path": Pin("path", "text"), "slug": Pin("slug", "text"), "owner_id": OWNER},
        frozenset({"id", "path", "slug"}),
        Tree("path", "depth", 4, "numchild"),
    ),
}


def read(sql: str) -> Statement:
    return Statements(SCHEMA).read(sql)


def told(found: Statement) -> str:
    """In short: article.slug=1 (the second parameter), author@3 (followed by the fourth column), tag (whole)."""

    def value(one: Value) -> str:
        return repr(one.literal) if one.parameter is None else str(one.parameter)

    pinned = [f"{one.table}.{one.column}={','.join(map(value, one.values))}" for one in found.pinned]
    followed = [f"{one.table}@{one.result_column}" for one in found.followed]
    return " ".join(sorted(pinned) + sorted(followed) + sorted(found.tables))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('SELECT "article"."id" FROM "article" WHERE "article"."slug" = %s LIMIT 21', "article.slug=0"),
        ('SELECT "article"."id" FROM "article"', "article"),
        ("SELECT a.id FROM article a WHERE a.id IN (%s, %s)", "article.id=0,1"),
        ("SELECT a.id FROM article AS a WHERE a.id = 7 AND a.title LIKE %s", "article.id=7"),
        # The best of several; the order of conditions does not matter.
        ("SELECT a.id FROM article a WHERE a.author_id = %s AND (a.slug = %s AND NOT a.draft)", "article.slug=1"),
        # What holds for some rows only.
        ("SELECT a.id FROM article a WHERE a.id = %s OR a.draft", "article"),
        ("SELECT a.id FROM article a WHERE NOT (a.id = %s)", "article"),
        ("SELECT a.id FROM article a WHERE NOT a.id = %s", "article"),
        ("SELECT a.id FROM article a WHERE a.id = %s + 1", "article"),
        ("SELECT a.id FROM article a WHERE a.id BETWEEN %s AND %s", "article"),
        ("SELECT a.id FROM article a WHERE CASE WHEN a.id = %s THEN 1 ELSE 0 END", "article"),
        # With schemas.
        ('SELECT "x"."article"."id" FROM "x"."article" WHERE "x"."article"."id" = %s', "article.id=0"),
        ("SELECT x.article.id FROM x.article WHERE x.article.id = x.article.author_id", "article"),
        # With a cast.
        ("SELECT a.id FROM article a WHERE a.id = %s::INTEGER AND a.slug = %s::VARCHAR", "article.id=0"),
        ("SELECT a.id FROM article a WHERE a.slug = %s::VARCHAR(3)", "article"),
        # Joined by the primary key, and shown only.
        (
            "SELECT a.id, u.id, u.name FROM article a INNER JOIN author u ON (a.author_id = u.id) WHERE a.slug = %s",
            "article.slug=0 author@1",
        ),
        ("SELECT a.id, u.id FROM article a INNER JOIN author u ON (a.author_id = u.id)", "author@1 article"),
        # What is not there may come, where no constraint says otherwise.
        ("SELECT a.id, u.id FROM article a INNER JOIN author u ON (a.maker_id = u.id)", "article author"),
        ("SELECT a.id, u.id FROM article a LEFT OUTER JOIN author u ON (a.maker_id = u.id)", "article author"),
        ("SELECT u.id, p.user_id FROM author u LEFT OUTER JOIN profile p ON (u.id = p.user_id)", "author profile"),
        # Its key is not in the result.
        (
            "SELECT a.id, u.name FROM article a INNER JOIN author u ON (a.author_id = u.id) WHERE a.slug = %s",
            "article.slug=0 author",
        ),
        # It chooses or orders rows of which not all are shown, or may.
        (
            "SELECT a.id, u.id FROM article a INNER JOIN author u ON (a.author_id = u.id) WHERE u.name = %s",
            "article author",
        ),
        (
            "SELECT a.id, u.id FROM article a INNER JOIN author u ON (a.author_id = u.id) ORDER BY u.name LIMIT 3",
            "article author",
        ),
        (
            "SELECT a.id, u.id FROM article a INNER JOIN author u ON (a.author_id = u.id) ORDER BY u.name",
            "author@1 article",
        ),
        (
            "SELECT a.id, u.id FROM article a INNER JOIN author u ON (a.author_id = u.id) WHERE (name = 'x')",
            "article author",
        ),
        (
            "SELECT DISTINCT ON (a.title) a.id, u.id FROM article a JOIN author u ON (u.id = a.author_id) ORDER BY u.x",
            "article author",
        ),
        (
            "SELECT COUNT(a.id), u.id FROM article a INNER JOIN author u ON (a.author_id = u.id) GROUP BY u.id",
            "article author",
        ),
        # Many to many: the rows of the through table are pinned, those behind it followed.
        (
            "SELECT t.id, t.name FROM tag t INNER JOIN article_tags x ON (t.id = x.tag_id) WHERE x.article_id = %s"
            " ORDER BY t.name",
            "article_tags.article_id=0 tag@0",
        ),
        (
            "SELECT t.id FROM tag t INNER JOIN article_tags x ON (t.id = x.tag_id AND t.shown) WHERE x.article_id = %s",
            "article_tags.article_id=0 tag",
        ),
        # An inner join by a column that may be null leaves rows out.
        (
            "SELECT x.id, a.id, c.id FROM article_tags x INNER JOIN article a ON (x.article_id = a.id)"
            " INNER JOIN tag c ON (a.category_id = c.id) WHERE x.id = %s",
            "article_tags.id=0 tag@2 article",
        ),
        (
            "SELECT x.id, a.id, c.id FROM article_tags x INNER JOIN article a ON (x.article_id = a.id)"
            " LEFT OUTER JOIN tag c ON (a.category_id = c.id) WHERE x.id = %s",
            "article_tags.id=0 article@1 tag@2",
        ),
        # What equals a known value is known, but not against the direction of a left join.
        (
            "SELECT u.id, COUNT(a.id) FROM author u LEFT OUTER JOIN article a ON (u.id = a.author_id)"
            " WHERE u.id = %s GROUP BY u.id",
            "article.author_id=0 author.id=0",
        ),
        (
            "SELECT u.id FROM author u LEFT JOIN article a ON (u.id = a.author_id AND a.author_id = %s)",
            "article.author_id=0 author",
        ),
        # Queries within queries.
        (
            "SELECT a.id FROM article a WHERE a.id IN (SELECT x.article_id FROM article_tags x WHERE x.tag_id = %s)",
            "article_tags.tag_id=0 article",
        ),
        (
            "SELECT EXISTS(SELECT 1 AS a FROM article u0 WHERE u0.author_id = (u.id)) FROM author u WHERE u.id = %s",
            "author.id=0 article",
        ),
        ("SELECT s.n FROM (SELECT a.id AS n FROM article a WHERE a.slug = %s) s", "article.slug=0"),
        ("SELECT a.id FROM article a WHERE a.id = %s UNION SELECT t.id FROM tag t", "article.id=0 tag"),
        ("(SELECT id FROM tag) UNION (SELECT id FROM author) ORDER BY 1", "author tag"),
        # What is not understood counts as a whole.
        ("WITH t AS (SELECT id FROM article) SELECT * FROM t, tag", "article tag"),
        ('WITH RECURSIVE t(n) AS (SELECT id FROM article UNION SELECT n FROM t) SELECT n FROM t, "tag"', "article tag"),
        ("WITH t AS (SELECT id FROM a_view) SELECT * FROM t JOIN article a ON t.id = a.id", "a_view article"),
        ("SELECT id FROM article JOIN a_view USING (id) WHERE EXTRACT(year FROM date) = %s", "a_view article"),
        ('SELECT 1 FROM (article a JOIN public."A view" v ON a.id = v.id), tag', "A view article tag"),
        ("SELECT 1 FROM article a CROSS JOIN LATERAL (SELECT 1 FROM ONLY other WHERE a.x) x(y)", "article other"),
        ("SELECT 1 FROM article a JOIN tag USING (id) WHERE a.x IS DISTINCT FROM tag.y", "article tag"),
        ("SELECT a.id FROM article a RIGHT JOIN author u ON (a.author_id = u.id) WHERE a.id = %s", "article author"),
        ("SELECT a.id FROM article a, author u WHERE a.id = %s AND u.id = a.author_id", "article.id=0 author"),
        ("SELECT id FROM view_of_articles", "view_of_articles"),
        ("SELECT a.id FROM article a WHERE a.slug = 'it\\'s' OR 1 = 1", "article"),
        ("SELECT /* tag */ a.id FROM article a -- author\n WHERE a.slug = 'tag'", "article.slug='tag'"),
        ("SELECT 1", ""),
        ("SAVEPOINT a", ""),
    ],
)
def test_reads(sql: str, expected: str) -> None:
    found = read(sql)
    assert (told(found), found.writes) == (expected, False)


def test_a_function_that_is_read_from_may_read_anything() -> None:
    for sql, unknown in (
        ("SELECT a.id FROM article a JOIN best_of(%s) b ON a.id = b.id", True),
        ("SELECT a.id FROM article a, LATERAL shop.best_of(a.id) b", True),
        ("SELECT a.id FROM article a, unnest(a.tags) t", False),
        ("SELECT a.id FROM article a CROSS JOIN jsonb_array_elements_text(a.data) AS t(x)", False),
        ("WITH b(id) AS (SELECT 1) SELECT a.id FROM article a JOIN b USING (id)", False),
    ):
        assert read(sql).unknown == unknown, sql


@pytest.mark.parametrize(
    "condition",
    [
        "p.path LIKE %s ESCAPE '\\' OR p.path LIKE %s ESCAPE '\\'",
        "p.path LIKE %s ESCAPE '\\' OR p.depth = %s",
        "p.path LIKE %s OR p.depth = %s",
        "p.path BETWEEN %s AND %s OR p.depth = %s",
    ],
)
def test_one_of_several_branches_is_not_the_branch(condition: str) -> None:
    assert told(read(f"SELECT p.id FROM page p WHERE ({condition})")) == "page"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE article, tag SET article.title = tag.name",
        "UPDATE article a INNER JOIN tag t ON a.id = t.id SET t.name = a.title WHERE a.id = %s",
        "DELETE FROM article, tag USING article INNER JOIN tag WHERE tag.id = article.id",
    ],
)
def test_mysql_changes_several_tables_at_once(sql: str) -> None:
    assert read(sql).written == {"article", "tag"}
    assert read("UPDATE article a SET title = 1 WHERE a.id IN (SELECT id FROM tag)").written == {"article"}


def test_marks_of_parameters() -> None:
    found = read("SELECT a.id FROM article a WHERE a.data ? 'x' AND a.id = %s")
    assert told(found) == "article.id=0"
    found = Statements(SCHEMA, mark="?").read("SELECT a.id FROM article a WHERE a.title <> ? AND a.id IN (?, ?)")
    assert told(found) == "article.id=1,2"
    found = read("SELECT a.id FROM article a WHERE a.id = %(id_1)s")
    assert found.pinned[0].values[0].of({"id_1": 7}) == 7


def test_inserts() -> None:
    found = read('INSERT INTO "article" ("slug", "author_id") VALUES (%s, %s), (%s, NOW()) RETURNING "article"."id"')
    assert found.insert and found.insert.columns == ("slug", "author_id")
    assert [[value and value.parameter for value in row] for row in found.insert.rows] == [[0, 1], [2, None]]
    assert read("INSERT OR IGNORE INTO tag (name) VALUES (%s)").insert
    # Many rows as Django 5.2 writes them for PostgreSQL: a list for each column.
    lists = 'INSERT INTO "article" ("slug", "author_id") SELECT * FROM UNNEST((%s)::varchar(50)[], (%s)::bigint[])'
    for end in ("", ' RETURNING "article"."id"', " ON CONFLICT DO NOTHING"):
        found = read(lists + end)
        assert found.insert and not found.written and not found.insert.rows, end
        assert [value.parameter for value in found.insert.lists] == [0, 1]
        tags = _writes.inserted(SCHEMA["article"], found.insert, [["a", "b"], [7, 8]], False, key_follows=True)
        label = SCHEMA["article"].label
        assert {f"{label}:slug=a", f"{label}:slug=b", f"{label}:author=7"} <= tags and f"{label}:+" not in tags
        short = _writes.inserted(SCHEMA["article"], found.insert, [["a"], [7, 8]], False, key_follows=True)
        assert short == _writes.whole(label), "lists of two lengths make no sense"
    for sql in (
        "INSERT INTO tag (name) SELECT * FROM UNNEST(ARRAY(SELECT name FROM author))",
        "INSERT INTO tag (name) SELECT * FROM UNNEST((%s)::text[], (%s)::text[])",
        "INSERT INTO tag SELECT * FROM author",
        "REPLACE INTO tag (name) VALUES (%s)",
        "INSERT INTO tag (id) VALUES (%s) ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name",
        "INSERT INTO tag DEFAULT VALUES",
    ):
        found = read(sql)
        assert (found.insert, found.written) == (None, {"tag"}), sql


def test_changes() -> None:
    change = read(
        'UPDATE "article" SET "slug" = %s, "views" = ("article"."views" + %s) WHERE "article"."id" = %s'
    ).change
    assert change and (change.table, change.sets, change.first_parameter) == ("article", ("slug", "views"), 2)
    assert change.where == 'WHERE "article"."id" = %s'
    change = read("DELETE FROM article WHERE id IN (%s, %s)").change
    assert change and (change.sets, change.first_parameter, change.where) == (None, 0, "WHERE id IN (%s, %s)")
    change = read("DELETE FROM tag").change
    assert change and change.where == ""
    for sql in (
        "UPDATE tag SET name = %s WHERE id = %s RETURNING id",
        "UPDATE tag SET name = u.name FROM author u WHERE u.id = tag.id",
        "DELETE FROM tag USING author WHERE author.id = tag.id",
        "TRUNCATE TABLE tag",
        "ALTER TABLE tag ADD COLUMN x int",
        "WITH gone AS (SELECT 1) DELETE FROM tag WHERE id = 1",
    ):
        found = read(sql)
        assert found.change is None and "tag" in found.written, sql


FROM_PAGE = "SELECT p.id FROM page p WHERE "


@pytest.mark.parametrize(
    ("condition", "parameters", "expected"),
    [
        ("p.depth = %s AND p.path BETWEEN %s AND %s", (3, "000100010000", "00010001ZZZZ"), "cms.page:in=00010001"),
        ("p.path BETWEEN %s AND %s AND p.live", ("000100010000", "00010001ZZZZ"), "cms.page:under=00010001"),
        ("p.depth = %s AND p.path BETWEEN %s AND %s", (4, "000100010000", "00010001ZZZZ"), "cms.page:under=00010001"),
        ("p.path LIKE %s ESCAPE '\\' AND p.depth >= %s", ("00010002%", 2), "cms.page:under=00010002"),
        ("p.path::text LIKE %s", ("00010002%",), "cms.page:under=00010002"),
        # Half a step says nothing, and neither does what stands behind a wildcard.
        ("p.path LIKE %s", ("00010_02%",), "cms.page:under=0001"),
        ("p.path LIKE %s", ("%0001",), "cms.page"),
        ("p.path BETWEEN %s AND %s", ("0001", 7), "cms.page"),
        # An owner has many pages, a branch fewer.
        ("p.owner_id = %s AND p.path LIKE %s", (1, "00010002%"), "cms.page:under=00010002"),
    ],
)
def test_branches_of_trees(condition: str, parameters: tuple[object, ...], expected: str) -> None:
    found = read(FROM_PAGE + condition)
    assert not found.tables and not found.pinned
    assert [branch_tag(branch, parameters, SCHEMA) for branch in found.branches] == [expected]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("p.path BETWEEN %s AND %s AND p.slug = %s", "page.slug=2"),
        ("p.path NOT BETWEEN %s AND %s", "page"),
        ("p.path NOT LIKE %s", "page"),
        ("p.path LIKE %s OR p.live", "page"),
        ("p.path LIKE %s || p.slug", "page"),
        ("p.path BETWEEN %s AND %s + 1", "page"),
        ("p.path LIKE %s ESCAPE '\\' AND p.title = 'a\\'", "page"),
    ],
)
def test_what_is_no_branch(condition: str, expected: str) -> None:
    found = read(FROM_PAGE + condition)
    assert (told(found), found.branches) == (expected, [])


@pytest.mark.parametrize("sql", ["TRUNCATE tag CASCADE", "truncate table tag restart identity cascade"])
def test_what_goes_with_a_table_may_be_any(sql: str) -> None:
    assert read(sql).written == set(SCHEMA)
    assert read(sql.lower().replace("cascade", "")).written == {"tag"}


def test_names_in_quotes_may_hold_anything() -> None:
    odd = Table("odd.one", "id", {"id": Pin(None, "int")}, frozenset({"id"}))
    reader = Statements({**SCHEMA, "odd.name of it": odd})
    for quoted in ('"odd.name of it"', "`odd.name of it`", "[odd.name of it]"):
        assert reader.read(f"WITH x AS (SELECT id FROM {quoted}) SELECT * FROM tag, x").tables == {
            "tag",
            "odd.name of it",
        }
        assert reader.read(f"WITH x AS (SELECT 1) UPDATE {quoted} SET id = 1").written == {"odd.name of it"}


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        # Words of changes that change nothing.
        ("WITH x AS (SELECT REPLACE(title, 'a', 'b') AS t FROM article) SELECT t FROM x", False),
        ("WITH x AS (SELECT id FROM article) SELECT id FROM x FOR NO KEY UPDATE", False),
        (
            "SELECT a.id FROM (article a INNER JOIN author u ON a.author_id = u.id) WHERE a.title = 'DELETE FROM x'",
            False,
        ),
        ("SELECT id FROM article /* then update it set by set */ CROSS JOIN LATERAL (SELECT 1) x(one)", False),
        ("TABLE article", False),
        ("WITH x AS (UPDATE article SET title = 'x' RETURNING id) SELECT id FROM x", True),
        ('WITH x AS (UPDATE ONLY "public"."article" AS "a" SET title = %s RETURNING id) SELECT id FROM x', True),
        ("WITH x AS (DELETE FROM article RETURNING id) SELECT id FROM x", True),
        ("WITH x AS (SELECT 1 AS id) INSERT INTO article (id) SELECT id FROM x", True),
        ("WITH x AS (SELECT 1 AS id) UPDATE OR IGNORE article SET id = 2 WHERE id IN (SELECT id FROM x)", True),
        ("WITH x AS (SELECT 1 AS id) MERGE INTO article USING x ON x.id = article.id WHEN MATCHED THEN DELETE", True),
        # Where a text ends is not known.
        ("WITH x AS (SELECT 'it\\'s' AS t), y AS (DELETE FROM article) SELECT 'x' FROM x", True),
        ("EXPLAIN ANALYZE UPDATE article SET title = 'x'", True),
    ],
)
def test_what_cannot_be_read_writes_if_it_may(sql: str, writes: bool) -> None:
    found = read(sql)
    assert found.writes == writes and "article" in found.tables, found


def test_a_change_is_asked_for_as_it_was_written() -> None:
    for sql, written, where in (
        (
            'UPDATE "x"."article" SET title = %s WHERE "x"."article"."id" = %s',
            '"x"."article"',
            '"x"."article"."id" = %s',
        ),
        ("UPDATE article SET title = 1", "article", ""),
        ("DELETE FROM x.article WHERE x.article.id = 1", "x.article", "x.article.id = 1"),
        ("DELETE FROM article", "article", ""),
        # As Django's `flush` writes it.
        ('DELETE FROM "article";', '"article"', ""),
        ("DELETE FROM article -- all of them", "article", ""),
        ("UPDATE article SET title = 1 WHERE id = 1 ; -- one", "article", "WHERE id = 1"),
    ):
        change = read(sql).change
        assert change and (change.table, change.written) == ("article", written) and change.where.endswith(where), sql
    assert read("UPDATE article SET title = 1 WHERE CURRENT OF c").written == {"article"}


def test_numbered_parameters() -> None:
    reader = Statements(SCHEMA, "$")
    assert told(reader.read("SELECT a.id FROM article a WHERE a.slug = $2::VARCHAR AND a.x = $1")) == "article.slug=1"
    change = reader.read(
        "UPDATE article SET title = $1 WHERE id = $3::INTEGER AND x = $2 AND y = $3 AND z = '$9'"
    ).change
    assert change and change.where == "WHERE id = $1::INTEGER AND x = $2 AND y = $1 AND z = '$9'"
    assert change.given(("a", "b", "c")) == ("c", "b")
    whole = reader.read("DELETE FROM article").change
    assert whole and whole.given(()) == ()
