"""A Flask site with SQLAlchemy: three tables, pages that read them, and changes."""

import os
import random
from typing import Any

import sqlalchemy as sa
from flask import Flask, jsonify, request
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column, relationship

from weir_server.flask import Weir, private, shared, tag


class Base(DeclarativeBase):
    pass


shelf = sa.Table(
    "shelf",
    Base.metadata,
    sa.Column("book_id", sa.ForeignKey("book.id"), primary_key=True),
    sa.Column("genre_id", sa.ForeignKey("genre.id"), primary_key=True),
)


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))
    books: Mapped[list["Book"]] = relationship(back_populates="author")


class Genre(Base):
    __tablename__ = "genre"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(50))
    slug: Mapped[str] = mapped_column(sa.String(50), unique=True)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")
    genres: Mapped[list[Genre]] = relationship(secondary=shelf)


engine = sa.create_engine(os.environ.get("BOOKS", "sqlite://"), connect_args={"timeout": 20})
app = Flask(__name__)
app.config["WEIR"] = {"TTL": "1d", "WAIT": 5.0}
weir = Weir(app, engine=engine, metadata=Base.metadata)


def fill() -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Author(id=number, name=f"author {number}") for number in range(1, 6))
        session.add_all(Genre(id=number, name=f"genre {number}") for number in range(1, 5))
        session.flush()
        for number in range(1, 21):
            genres = [session.get_one(Genre, 1 + number % 4)]
            book = Book(title=f"book {number}", slug=f"s{number}", author_id=1 + number % 5, genres=genres)
            session.add(book)
        session.commit()


@app.get("/")
def home() -> Any:
    with Session(engine) as session:
        books = session.scalars(sa.select(Book).options(joinedload(Book.author)).order_by(Book.title, Book.id).limit(5))
        return jsonify([[book.title, book.author.name] for book in books])


@app.get("/book/<slug>")
def book(slug: str) -> Any:
    with Session(engine) as session:
        found = session.scalar(sa.select(Book).where(Book.slug == slug))
        if found is None:
            return jsonify(None)
        return jsonify([found.title, found.author.name, sorted(genre.name for genre in found.genres)])


@app.get("/author/<int:number>")
def author(number: int) -> Any:
    with Session(engine) as session:
        found = session.get(Author, number)
        count = session.scalar(sa.select(sa.func.count()).where(Book.author_id == number))
        return jsonify(found and [found.name, count, sorted(book.title for book in found.books)])


@app.get("/genre/<int:number>")
def genre(number: int) -> Any:
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT b.title FROM book b JOIN shelf s ON s.book_id = b.id WHERE s.genre_id = :n ORDER BY b.id"),
            {"n": number},
        )
        return jsonify([title for (title,) in rows])


@app.get("/weather")
@shared(ttl="1h", tags=["weather"])
def weather() -> str:
    return "sunny"


@app.get("/mine")
@private
def mine() -> str:
    return "mine"


@app.post("/change")
def change() -> str:
    make(request.get_json()["seed"])
    return "done"


@app.post("/purge")
def purge() -> Any:
    return jsonify(weir.purge(tags=["weather", Book, tag(Book, slug="s1")]).complete)


def make(seed: int) -> str:
    chance = random.Random(seed)
    kind = chance.choice(["title", "author", "slug", "genres", "new", "delete", "update", "text", "back", "savepoint"])
    word = f"{chance.choice('abcdefgh')} {chance.randrange(1000)}"
    with Session(engine) as session:
        books = session.scalars(sa.select(Book).order_by(Book.id)).all()
        one = chance.choice(books)
        if kind in ("title", "back"):
            one.title = word
        elif kind == "author":
            one.author_id = chance.randrange(1, 6)
        elif kind == "slug":
            slug = f"s{chance.randrange(1, 40)}"
            if all(book.slug != slug for book in books):
                one.slug = slug
        elif kind == "genres":
            one.genres = [session.get_one(Genre, number) for number in chance.sample(range(1, 5), 2)]
        elif kind == "new":
            slug = f"s{chance.randrange(1, 40)}"
            if all(book.slug != slug for book in books):
                session.add(Book(title=word, slug=slug, author_id=chance.randrange(1, 6)))
        elif kind == "delete" and len(books) > 10:
            one.genres = []
            session.flush()
            session.delete(one)
        elif kind == "update":
            session.execute(sa.update(Book).where(Book.author_id == chance.randrange(1, 6)).values(title=word))
        elif kind == "text":
            session.execute(
                sa.text("UPDATE author SET name = :name WHERE id = :id"), {"name": word, "id": chance.randrange(1, 6)}
            )
        elif kind == "savepoint":
            session.execute(sa.update(Genre).where(Genre.id == 1).values(name=word))
            with session.begin_nested() as inner:
                session.execute(sa.update(Genre).where(Genre.id == 2).values(name=word))
                inner.rollback()
        session.flush()
        if kind == "back":
            session.rollback()
        else:
            session.commit()
    return kind
