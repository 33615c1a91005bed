"""A FastAPI site with SQLAlchemy's async sessions, and a form in a shared page."""

import os
import random
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from weir_server.asgi import Weir, private, shared, tag
from weir_server.asgi_csrf import Csrf


class Base(DeclarativeBase):
    pass


class Topic(Base):
    __tablename__ = "topic"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(50), unique=True)
    text: Mapped[str] = mapped_column(sa.String(50))
    topic_id: Mapped[int] = mapped_column(sa.ForeignKey("topic.id"))


engine = create_async_engine(os.environ.get("NOTES", "sqlite+aiosqlite://"), connect_args={"timeout": 20})
sessions = async_sessionmaker(engine)
csrf = Csrf()
app = FastAPI()
weir = Weir(ttl="1d", wait=5.0, engine=engine, metadata=Base.metadata)
app.add_middleware(csrf)
app.add_middleware(weir)
TOPICS, NOTES = range(1, 5), range(1, 21)


async def fill() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session:
        session.add_all(Topic(id=number, name=f"topic {number}") for number in TOPICS)
        session.add_all(Note(slug=f"s{n}", text=f"note {n}", topic_id=1 + n % 4) for n in NOTES)
        await session.commit()


@app.get("/")
async def home() -> Any:
    async with sessions() as session:
        rows = await session.execute(
            sa.select(Note.text, Topic.name)
            .join(Topic, Note.topic_id == Topic.id)
            .order_by(Note.text, Note.id)
            .limit(5)
        )
        return [list(row) for row in rows]


@app.get("/note/{slug}")
async def note(slug: str) -> Any:
    async with sessions() as session:
        found = await session.scalar(sa.select(Note).where(Note.slug == slug))
        return found and [found.text, (await session.get_one(Topic, found.topic_id)).name]


@app.get("/topic/{number}")
async def topic(number: int) -> Any:
    async with sessions() as session:
        found = await session.get(Topic, number)
        texts = await session.scalars(sa.select(Note.text).where(Note.topic_id == number).order_by(Note.id))
        return [found and found.name, list(texts)]


@app.get("/streamed")
async def streamed() -> StreamingResponse:
    async def parts() -> Any:
        async with sessions() as session:
            yield str(await session.scalar(sa.select(sa.func.count()).select_from(Note)))

    return StreamingResponse(parts())


@app.get("/weather")
@shared(ttl="1h", tags=["weather"])
def weather() -> str:
    return "sunny"


@app.get("/mine")
@private
async def mine() -> str:
    return "mine"


@app.get("/letter", response_class=HTMLResponse)
@shared(ttl="1h")
async def letter(request: Request) -> str:
    return f'<form method="post"><input type="hidden" name="csrf_token" value="{csrf.token(request)}"></form>'


@app.get("/hello", response_class=HTMLResponse)
@shared(ttl="1h")
async def hello(request: Request) -> str:
    return f'<p title="{weir.visitor_value(request, "name", "<you>")}">{csrf.token(request)}'


@app.post("/sign-in", dependencies=[Depends(csrf.protect)])
async def sign_in(name: Annotated[str, Form()]) -> HTMLResponse:
    response = HTMLResponse("welcome")
    weir.remember(response, name=name)
    return response


@app.post("/sign-out", dependencies=[Depends(csrf.protect)])
async def sign_out() -> HTMLResponse:
    response = HTMLResponse("good bye")
    weir.forget(response)
    return response


@app.post("/letter", dependencies=[Depends(csrf.protect)])
async def send(text: Annotated[str, Form()] = "") -> str:
    return f"sent {text}"


@app.post("/change")
async def change(seed: int) -> str:
    return await make(seed)


@app.post("/purge")
async def purge() -> bool:
    return (await weir.apurge(tags=["weather", Note, tag(Note, slug="s1")])).complete


@app.post("/leave")
async def leave() -> RedirectResponse:
    async with sessions() as session:
        await session.execute(sa.update(Note).where(Note.slug == "s3").values(text="left"))
        await session.commit()
    return RedirectResponse("/", 302)


async def make(seed: int) -> str:
    chance = random.Random(seed)
    kind = chance.choice(["text", "topic", "slug", "new", "delete", "update", "raw", "back", "savepoint"])
    word = f"{chance.choice('abcdefgh')} {chance.randrange(1000)}"
    async with sessions() as session:
        notes = (await session.scalars(sa.select(Note).order_by(Note.id))).all()
        one, slug = chance.choice(notes), f"s{chance.randrange(1, 40)}"
        is_free = all(note.slug != slug for note in notes)
        if kind in ("text", "back"):
            one.text = word
        elif kind == "topic":
            one.topic_id = chance.choice(TOPICS)
        elif kind == "slug" and is_free:
            one.slug = slug
        elif kind == "new" and is_free:
            session.add(Note(text=word, slug=slug, topic_id=chance.choice(TOPICS)))
        elif kind == "delete" and len(notes) > 10:
            await session.delete(one)
        elif kind == "update":
            await session.execute(sa.update(Note).where(Note.topic_id == chance.choice(TOPICS)).values(text=word))
        elif kind == "raw":
            given = {"name": word, "id": chance.choice(TOPICS)}
            await session.execute(sa.text("UPDATE topic SET name = :name WHERE id = :id"), given)
        elif kind == "savepoint":
            await session.execute(sa.update(Topic).where(Topic.id == 1).values(name=word))
            async with session.begin_nested() as inner:
                await session.execute(sa.update(Topic).where(Topic.id == 2).values(name=word))
                await inner.rollback()
        await session.flush()
        await (session.rollback() if kind == "back" else session.commit())
    return kind
