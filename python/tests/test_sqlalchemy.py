"""SQLAlchemy with the drivers that sites use: whatever a page shows, a change of it purges the page, and none fails."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sa = pytest.importorskip("sqlalchemy")
from sqlalchemy import orm  # noqa: E402
from sqlalchemy.dialects import postgresql, sqlite  # noqa: E402

from weir_server import _sqlalchemy  # noqa: E402
from weir_server._reads import Hold  # noqa: E402


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(50), unique=True)
    kind: orm.Mapped[str] = orm.mapped_column(default="author")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "author"}


class Poet(Author):
    __tablename__ = "poet"
    id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id"), primary_key=True)
    verse: orm.Mapped[str] = orm.mapped_column(default="")
    __mapper_args__ = {"polymorphic_identity": "poet"}


class Book(Base):
    __tablename__ = "book"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    title: orm.Mapped[str]
    pages: orm.Mapped[int] = orm.mapped_column(default=1)
    author_id: orm.Mapped[int | None] = orm.mapped_column(sa.ForeignKey("author.id"))
    author: orm.Mapped[Author | None] = orm.relationship(backref="books")


Session = orm.Session
READS: dict[str, Callable[[Session], Any]] = {
    "by key": lambda s: [book.title for book in s.scalars(sa.select(Book).where(Book.id == 2))],
    "get": lambda s: (found := s.get(Book, 1)) and found.title,
    "by name": lambda s: s.scalar(sa.select(Author.id).where(Author.name == "zed")),
    "of an author": lambda s: list(s.scalars(sa.select(Book.title).where(Book.author_id == 2).order_by(Book.id))),
    "several": lambda s: list(s.scalars(sa.select(Book.title).where(Book.id.in_([1, 3])).order_by(Book.id))),
    "count": lambda s: s.scalar(sa.select(sa.func.count()).select_from(Book)),
    "joined": lambda s: [
        (book.title, book.author and book.author.name)
        for book in s.scalars(sa.select(Book).options(orm.joinedload(Book.author)).where(Book.id == 2))
    ],
    "select in": lambda s: [
        (author.name, sorted(book.title for book in author.books))
        for author in s.scalars(sa.select(Author).options(orm.selectinload(Author.books)).order_by(Author.id))  # type: ignore[attr-defined]
    ],
    "lazy": lambda s: (author := s.get(Author, 2)) and sorted(book.title for book in author.books),  # type: ignore[attr-defined]
    "a CTE": lambda s: list(
        s.scalars(sa.select((cte := sa.select(Book.title, Book.id).cte()).c.title).order_by(cte.c.id))
    ),
    "a CTE with a function": lambda s: list(
        s.execute(
            sa.text("WITH x AS (SELECT REPLACE(title, 'a', 'b') AS t FROM book WHERE id = 1) SELECT t FROM x")
        ).scalars()
    ),
    "text": lambda s: list(s.execute(sa.text("SELECT title FROM book WHERE book.id = :id"), {"id": 2}).scalars()),
    "poets": lambda s: [(poet.name, poet.verse) for poet in s.scalars(sa.select(Poet).order_by(Poet.id))],
    "all kinds": lambda s: [
        (one.name, type(one).__name__)
        for one in s.scalars(sa.select(orm.with_polymorphic(Author, "*")).order_by(Author.id))
    ],
    "exists": lambda s: list(
        s.scalars(sa.select(Author.name).where(Author.books.any(Book.pages > 5)).order_by(Author.id))  # type: ignore[attr-defined]
    ),
    "locked": lambda s: list(s.scalars(sa.select(Book.title).where(Book.id == 3).with_for_update())),
}


def change(session: Session, **values: Any) -> None:
    for name, value in values.items():
        setattr(session.get_one(Book, 2), name, value)


def core(statement: Any, *more: Any) -> Callable[[Session], Any]:
    return lambda session: session.execute(statement, *more)


def upsert(session: Session) -> None:
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(Author).values(name="ann", kind="author")
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"name": "upserted"}))


def backref(session: Session) -> None:
    author = session.get_one(Author, 1)
    author.books.append(session.get_one(Book, 3))  # type: ignore[attr-defined]
    session.flush()


def nested(session: Session) -> None:
    with session.begin_nested() as point:
        session.execute(sa.update(Book).where(Book.id == 1).values(title="never"))
        point.rollback()
    with session.begin_nested():
        session.execute(sa.update(Book).where(Book.id == 3).values(title="kept"))


WRITES: dict[str, Callable[[Session], Any]] = {
    "a row": lambda s: change(s, title="changed"),
    "a moved row": lambda s: change(s, author_id=1),
    "many new rows": lambda s: s.add_all([Author(name="zed"), Author(name="why"), Book(title="new", author_id=2)]),
    "rows in bulk": lambda s: s.execute(sa.insert(Author), [{"name": "zed"}, {"name": "why"}]),
    "rows by their values": core(sa.insert(Author).values([{"name": "zed", "kind": "author"}])),
    "rows that come back": lambda s: s.scalars(
        sa.insert(Book).returning(Book), [{"title": "one", "author_id": 2}, {"title": "two", "author_id": 2}]
    ).all(),
    "an update": core(sa.update(Book).where(Book.author_id == 2).values(pages=Book.pages + 10)),
    "an update of many": core(sa.update(Book), [{"id": 1, "title": "m1"}, {"id": 3, "title": "m3"}]),
    "an update of all": core(sa.update(Book).values(title="all")),
    "an update by another table": core(
        sa.update(Book).where(Book.author_id == Author.id, Author.name == "ann").values(title="of ann")
    ),
    "an update that says what": lambda s: s.execute(
        sa.update(Book).where(Book.id == 1).values(title="said").returning(Book.id)
    ).all(),
    "by expression": core(
        sa.update(Book).where(Book.id == 2).values(author_id=sa.select(sa.func.min(Author.id)).scalar_subquery())
    ),
    "text": core(sa.text("UPDATE book SET title = :title WHERE id = :id"), {"title": "text", "id": 3}),
    "text of many": core(
        sa.text("UPDATE book SET title = :t WHERE id = :id"), [{"t": "t1", "id": 1}, {"t": "t2", "id": 2}]
    ),
    "a deletion": core(sa.delete(Book).where(Book.id == 1)),
    "a row goes": lambda s: s.delete(s.get_one(Book, 2)),
    "merged": lambda s: s.merge(Book(id=3, title="merged", author_id=1)),
    "merged anew": lambda s: s.merge(Author(id=9, name="zed")),
    "upsert": upsert,
    "nested": nested,
    "a poet": lambda s: s.add(Poet(name="zed", verse="new")),
    "a poet's verse": lambda s: setattr(s.scalars(sa.select(Poet)).one(), "verse", "other"),
    "a poet by table": core(sa.update(Poet.__table__).values(verse="by table")),
    "saved in bulk": lambda s: s.bulk_save_objects([Author(name="zed"), Author(name="x")]),
    "mappings in bulk": lambda s: s.bulk_update_mappings(orm.class_mapper(Book), [{"id": 2, "title": "mapped"}]),
    "a backref": backref,
}


def urls(directory: Path) -> dict[str, str]:
    found = {"sqlite": f"sqlite:///{directory}/one", "aiosqlite": f"sqlite+aiosqlite:///{directory}/two"}
    if socket := os.environ.get("SITE_POSTGRES"):
        found |= {name: f"postgresql+{name}://postgres@/postgres?host={socket}" for name in ("psycopg", "asyncpg")}
    return found


class Site:
    """An engine that is watched, with its rows."""

    def __init__(self, url: str) -> None:
        from sqlalchemy.ext.asyncio import create_async_engine

        self.url = url
        self.is_async = "+aiosqlite" in url or "+asyncpg" in url
        self.engine: Any = create_async_engine(url) if self.is_async else sa.create_engine(url)
        self.loop = asyncio.new_event_loop()
        self.noted: list[tuple[set[str], Hold]] = []
        self.gone: set[str] = set()
        plain = getattr(self.engine, "sync_engine", self.engine)
        _sqlalchemy.Watch(plain, Base.metadata, lambda *read: self.noted.append(read), self.gone.update)

    def run(self, work: Callable[[Session], Any]) -> Any:
        if not self.is_async:
            with Session(self.engine) as session:
                done = work(session)
                session.commit()
                return done

        from sqlalchemy.ext.asyncio import AsyncSession

        async def later() -> Any:
            async with AsyncSession(self.engine) as session:
                done = await session.run_sync(work)
                await session.commit()
                return done

        return self.loop.run_until_complete(later())

    def fill(self) -> None:
        def make(session: Session) -> None:
            Base.metadata.drop_all(session.connection())
            Base.metadata.create_all(session.connection())
            session.add_all([Author(name="ann"), Author(name="bob"), Poet(name="cyd", verse="verse")])
            session.flush()
            session.add_all(Book(title=f"Tale {number}", author_id=1 + number % 2) for number in (1, 2, 3))

        self.run(make)

    def read(self, name: str) -> tuple[Any, set[str], bool]:
        self.noted.clear()
        shown = repr(self.run(READS[name]))
        return shown, set().union(*(tags for tags, _ in self.noted)), all(hold is Hold.LONG for _, hold in self.noted)

    def end(self) -> None:
        done = self.engine.dispose()
        if self.is_async:
            self.loop.run_until_complete(done)
        self.loop.close()


@pytest.fixture(params=["sqlite", "aiosqlite", "psycopg", "asyncpg"])
def site(request: Any, tmp_path: Path) -> Iterator[Site]:
    known = urls(tmp_path)
    if request.param not in known:
        pytest.skip("by test_postgres.py")
    if "+" in known[request.param]:
        pytest.importorskip(request.param)
    found = Site(known[request.param])
    yield found
    found.end()


def test_no_page_is_old_after_any_change(site: Site) -> None:
    old = []
    for write, work in WRITES.items():
        site.fill()
        before = {name: site.read(name) for name in READS}
        assert all(is_long for _, _, is_long in before.values())
        site.gone.clear()
        site.run(work)
        gone = set(site.gone)
        for name, (shown, tags, _) in before.items():
            now = site.read(name)[0]
            if now != shown and not tags & gone:
                old.append(f"{name} after {write}: {shown} {now} {sorted(tags)} {sorted(gone)}")
    assert not old, "\n".join(old)


def test_rows_by_their_keys_have_tags_of_their_own(site: Site) -> None:
    """Their table alone would purge them with each change of it."""
    site.fill()
    for name, tag in [
        ("by key", "book:2"),
        ("get", "book:1"),
        ("of an author", "book:author_id=2"),
        ("text", "book:2"),
    ]:
        tags = site.read(name)[1]
        assert tag in tags and "book" not in tags, (name, tags)
    assert "author:name=zed" in site.read("by name")[1]


def test_tables_in_schemas(site: Site) -> None:
    """Two of them have one name, and another key each."""
    metadata = sa.MetaData()
    places = {
        name: sa.Table(
            table, metadata, sa.Column("id", kind, primary_key=True), sa.Column("text", sa.Text), schema=name
        )
        for name, table, kind in (("one", "same", sa.Integer), ("two", "same", sa.Text), ("three", "other", sa.Integer))
    }
    plain = getattr(site.engine, "sync_engine", site.engine)

    @sa.event.listens_for(plain, "connect")
    def attach(connection: Any, _: Any) -> None:
        if plain.dialect.name == "sqlite":
            for name in places:
                cursor = connection.cursor()
                cursor.execute(f"ATTACH '{site.url.partition('///')[2]}-{name}' AS {name}")
                cursor.close()

    read: set[str] = set()
    # The engine is watched for other tables as well: who was first there tells of all.
    gone = site.gone
    _sqlalchemy.Watch(plain, metadata, lambda tags, _: read.update(tags), gone.update)

    def fill(session: Session) -> None:
        if plain.dialect.name == "postgresql":
            for name in places:
                session.execute(sa.text(f"DROP SCHEMA IF EXISTS {name} CASCADE"))
                session.execute(sa.text(f"CREATE SCHEMA {name}"))
        metadata.drop_all(session.connection())
        metadata.create_all(session.connection())
        for table in places.values():
            key = "1" if table.schema == "two" else 1
            session.execute(sa.insert(table).values(id=key, text="before"))

    site.run(fill)
    for name, table in places.items():
        key = "1" if name == "two" else 1
        for work in (
            lambda s, table=table, key=key: s.execute(sa.update(table).where(table.c.id == key).values(text="now")),
            lambda s, table=table: s.execute(sa.delete(table).where(table.c.text == "now")),
        ):
            shown = site.run(lambda s, table=table, key=key: s.execute(sa.select(table).where(table.c.id == key)).all())
            tags = set(read)
            gone.clear()
            site.run(work)
            assert (
                site.run(lambda s, table=table, key=key: s.execute(sa.select(table).where(table.c.id == key)).all())
                != shown
            )
            assert tags & gone, (name, tags, gone)
            read.clear()
    assert "other:1" in tags and "other" not in tags, "its name says which it is"


def test_transactions_by_hand(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/one", isolation_level="AUTOCOMMIT")
    gone: set[str] = set()
    Base.metadata.create_all(engine)
    _sqlalchemy.Watch(engine, Base.metadata, lambda *_: None, gone.update)
    insert = sa.insert(Author).values(name="ann", kind="author")
    with engine.connect() as connection:
        for end in ("ROLLBACK", "COMMIT"):
            connection.execute(sa.text("BEGIN"))
            connection.execute(insert)
            assert not gone, "not before the commit"
            connection.execute(sa.text(end))
            assert bool(gone) == (end == "COMMIT")
        gone.clear()
        connection.execute(sa.delete(Author))
        assert "author:name=ann" in gone
    engine.dispose()


def test_what_may_be_done_although_it_failed(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/one", isolation_level="AUTOCOMMIT")
    gone: set[str] = set()
    Base.metadata.create_all(engine)
    _sqlalchemy.Watch(engine, Base.metadata, lambda *_: None, gone.update)
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.insert(Author), [{"name": "ann", "kind": "author"}, {"name": "ann", "kind": "author"}])
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(Author)) == 1
    assert "author:*" in gone and "author" in gone
    engine.dispose()


def test_what_other_engines_read_is_kept_for_no_long_time(tmp_path: Path) -> None:
    from weir_server._site import Site as WeirSite
    from weir_server._site import Visit, leave, visiting

    engines = [sa.create_engine(f"sqlite:///{tmp_path}/{name}") for name in ("first", "second", "third")]
    weir = WeirSite({"TTL": "1d", "ADMIN": "127.0.0.1:1"})
    weir.watch(engines[:2], Base.metadata)
    for engine, hold in zip(engines, (Hold.LONG, Hold.LONG, Hold.SHORT), strict=True):
        Base.metadata.create_all(engine)
        visit = Visit()
        token = visiting.set(visit)
        with Session(engine.execution_options(logging_token="x")) as session:
            session.scalar(sa.select(Book.title).where(Book.id == 1))
        leave(visit, token)
        assert visit.hold is hold and ("book:1" in visit.tags) == (hold is Hold.LONG)
        engine.dispose()


def test_what_comes_from_a_cache_of_the_application_is_kept_for_no_long_time() -> None:
    pytest.importorskip("flask_caching")
    from flask import Flask
    from flask_caching import Cache

    from weir_server.flask import Weir

    app = Flask("cached")
    app.config["WEIR"] = {"TTL": "1d", "ADMIN": "127.0.0.1:1"}
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    Weir(app)

    @app.get("/")
    @cache.cached(timeout=60)
    def page() -> str:
        return "a page"

    @app.get("/whole")
    def whole() -> str:
        return "a page"

    client = app.test_client()
    for _ in range(2):
        assert "Weir-Cache-Control" not in client.get("/").headers
    assert client.get("/whole").headers["Weir-Cache-Control"] == "max-age=86400"


def test_caches_of_other_kinds() -> None:
    from weir_server._caches import watch_class

    class Base:
        def get(self) -> str:
            return "base"

    class Early(Base):
        def get(self) -> str:
            return "early"

    noted: list[int] = []
    watch_class(Base, ("get", "missing"), lambda: noted.append(1))

    class Late(Early):
        async def get(self) -> str:  # type: ignore[override]
            return "late"

    assert [Base().get(), Early().get(), asyncio.run(Late().get())] == ["base", "early", "late"]  # type: ignore[arg-type,func-returns-value]
    assert len(noted) == 3


def test_another_engine_of_the_same_database_purges_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for writing, of which nobody has told Weir; and a task's own."""
    from weir_server._site import Site

    url = f"sqlite:///{tmp_path}/same.sqlite3"
    reader, writer, elsewhere = (sa.create_engine(at) for at in (url, url, f"sqlite:///{tmp_path}/other.sqlite3"))
    site, purged = Site({"ADMIN": "127.0.0.1:1"}), []
    monkeypatch.setattr(site, "deliver", purged.append)
    tables = sa.MetaData()
    things = sa.Table("same", tables, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    site.watch(reader, tables)
    for engine in (reader, elsewhere):
        tables.create_all(engine)
    for engine, expected in ((writer, {"same", "same:7"}), (elsewhere, set())):
        purged.clear()
        with engine.begin() as connection:
            connection.execute(sa.insert(things).values(id=7, name="a"))
            assert not purged, "before the commit"
        assert set().union(*purged) == expected


def test_names_of_tags() -> None:
    class Base(orm.DeclarativeBase):
        pass

    class Page(Base):
        __tablename__ = "Odd page"
        key: orm.Mapped[int] = orm.mapped_column("page_id", primary_key=True)
        slug: orm.Mapped[str] = orm.mapped_column("page_slug", sa.String(20), unique=True)
        text: orm.Mapped[str] = orm.mapped_column(sa.Text)

    class Place(Base):
        __tablename__ = "place"
        row: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        column: orm.Mapped[int] = orm.mapped_column(primary_key=True)

    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine, expire_on_commit=False) as session:
        page, place = Page(key=7, slug="x", text="y"), Place(row=1, column=2)
        session.add_all([page, place])
        session.commit()
    for found, expected in (
        (_sqlalchemy.tag(page), "odd_page:7"),
        (_sqlalchemy.tag(Page), "odd_page"),
        (_sqlalchemy.tag(Page, slug="X"), "odd_page:page_slug=x"),
        (_sqlalchemy.tag(Page, key=7), "odd_page:7"),
        # Its values have no tags.
        (_sqlalchemy.tag(Page, text="y"), "odd_page"),
        (_sqlalchemy.tag(place), "place"),
        (_sqlalchemy.tag("weather"), "weather"),
    ):
        assert found == expected
    # Those are what a change of the row purges.
    gone: set[str] = set()
    _sqlalchemy.Watch(engine, Base.metadata, lambda *_: None, gone.update)
    with Session(engine) as session:
        session.execute(sa.update(Page).values(text="z"))
        session.execute(sa.update(Place).values(column=3))
        session.commit()
    assert {"odd_page:7", "odd_page:page_slug=x", "odd_page", "place"} <= gone
    engine.dispose()


def test_models_that_are_imported_late(tmp_path: Path) -> None:
    """A task may import them after the first statement; another process may not know them at all."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/late")
    tables = sa.MetaData()
    first = sa.Table("first", tables, sa.Column("id", sa.Integer, primary_key=True))
    gone: set[str] = set()
    _sqlalchemy.Watch(engine, tables, lambda *_: None, gone.update)
    with engine.begin() as connection:
        tables.create_all(connection)
        connection.execute(sa.insert(first).values(id=1))
        connection.execute(sa.text("CREATE TABLE second (id INTEGER PRIMARY KEY, text TEXT)"))
        connection.execute(sa.text("INSERT INTO second (id, text) VALUES (1, 'a'), (2, 'b')"))
    assert {"first:1", "second", "second:*", "second:+"} <= gone, "what pages of it have elsewhere"
    second = sa.Table("second", tables, sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
    gone.clear()
    with engine.begin() as connection:
        connection.execute(sa.update(second).where(second.c.id == 2).values(text="c"))
    assert gone == {"second", "second:2"}
    engine.dispose()
