"""Random changes of every kind: `choose` makes one as JSON, `make` does it."""

import random
import uuid
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction

from shop.models import (
    Article,
    Author,
    Board,
    Category,
    Circle,
    Comment,
    Event,
    Membership,
    Note,
    Place,
    Profile,
    Restaurant,
    Tag,
    Translation,
)

ALL = [
    Author,
    Profile,
    Category,
    Tag,
    Note,
    Article,
    Translation,
    Comment,
    Place,
    Restaurant,
    Circle,
    Membership,
    Event,
]
MODELS = {model.__name__: model for model in ALL}
WORDS = ["Ash", "Beech", "Cedar", "Elm", "Fir", "Hazel", "Larch", "Maple", "Oak", "Pine", "Rowan", "Yew"]
BOARDS = 8
SIZES = {"Author": 8, "Category": 6, "Tag": 6, "Place": 4, "Circle": 4, "Article": 20, "Restaurant": 4}


class RolledBack(Exception):
    pass


def fill(chance: random.Random) -> None:
    """The rows that the site begins with."""
    for name, count in SIZES.items():
        for _ in range(count):
            create(MODELS[name], chance)
    for name, count in (
        ("Comment", 60),
        ("Translation", 20),
        ("Note", 20),
        ("Membership", 15),
        ("Event", 8),
        ("Profile", 5),
    ):
        for _ in range(count):
            create(MODELS[name], chance)
    for article in Article.objects.all():
        article.tags.set(chance.sample(list(Tag.objects.all()), 2))
    Tag.objects.using("second").create(name="elsewhere")
    Board.objects.bulk_create(Board(pk=pk, text="") for pk in range(1, BOARDS + 1))


def word(chance: random.Random) -> str:
    return f"{chance.choice(WORDS)} {chance.randrange(1000)}"


def some(model: Any, chance: random.Random) -> Any:
    keys = list(model.objects.order_by("pk").values_list("pk", flat=True))
    return chance.choice(keys) if keys else None


def values(model: Any, chance: random.Random) -> dict[str, Any]:
    """Values for all columns of a row."""
    texts = {"name", "title", "text", "bio", "kitchen", "role"}
    found: dict[str, Any] = {}
    for field in model._meta.fields:
        if field.name in texts:
            found[field.name] = word(chance)
        elif field.name == "slug":
            found["slug"] = f"s{chance.randrange(40)}"
        elif field.name in ("published", "approved"):
            found[field.name] = chance.random() < 0.8
        elif field.name == "deleted":
            found["deleted"] = chance.random() < 0.1
        elif field.name == "views":
            found["views"] = chance.randrange(100)
        elif field.name == "language":
            found["language"] = chance.choice(["de", "fr", "nl"])
        elif field.name == "content_type":
            about = chance.choice([Article, Place])
            found["content_type_id"] = ContentType.objects.get_for_model(about).pk
            found["object_id"] = some(about, chance) or 1
        elif field.is_relation and not field.primary_key and not field.name.endswith("_ptr"):
            key = some(field.related_model, chance)
            found[field.attname] = None if field.null and chance.random() < 0.2 else key
        elif field.name == "id" and model is Event:
            found["id"] = str(uuid.UUID(int=chance.getrandbits(128)))
    return found


def create(model: Any, chance: random.Random) -> Any:
    given = values(model, chance)
    if clashes(model, given, None):
        return None
    return model.objects.create(**given)


def clashes(model: Any, given: dict[str, Any], pk: Any) -> bool:
    """Whether a unique value is taken, or a row is missing that it needs."""
    others = model.objects.exclude(pk=pk)
    if any(given.get(f.attname, 0) is None for f in model._meta.fields if f.is_relation and not f.null):
        return True
    if "slug" in given and others.filter(slug=given["slug"]).exists():
        return True
    if model is Profile and others.filter(author_id=given.get("author_id")).exists():
        return True
    unique = {key: given[key] for key in ("article_id", "language") if key in given}
    return model is Translation and others.filter(**unique).exists()


def choose(chance: random.Random) -> dict[str, Any]:
    """One change, as JSON."""
    kinds = [
        "create",
        "save",
        "save",
        "save",
        "save_some",
        "delete",
        "update",
        "bulk_update",
        "bulk_create",
        "m2m",
        "raw",
    ]
    name = chance.choice(list(MODELS))
    return {
        "kind": chance.choice(kinds),
        "model": name,
        "seed": chance.randrange(1 << 30),
        "frame": chance.choice(["plain", "plain", "atomic", "savepoint", "rolled back"]),
    }


def write(change: dict[str, Any]) -> str:
    """What one editor writes on the board of their own."""
    if change["seed"] % 2:
        Board.objects.filter(pk=change["board"]).update(text=change["text"])
    else:
        board = Board.objects.get(pk=change["board"])
        board.text = change["text"]
        board.save()
    return "written"


def make(change: dict[str, Any]) -> str:
    if "board" in change:
        return write(change)
    chance, model = random.Random(change["seed"]), MODELS[change["model"]]
    act = KINDS[change["kind"]]
    frame = change["frame"]
    try:
        if frame == "plain":
            act(model, chance)
        else:
            with transaction.atomic():
                if frame == "savepoint":
                    try:
                        with transaction.atomic():
                            save(Tag, chance)
                            raise RolledBack
                    except RolledBack:
                        pass
                act(model, chance)
                if frame == "rolled back":
                    raise RolledBack
    except RolledBack:
        return "rolled back"
    return change["kind"]


def save(model: Any, chance: random.Random, only: bool = False) -> None:
    row = model.objects.filter(pk=some(model, chance)).first()
    if row is None:
        return
    given = values(model, chance)
    given.pop("id", None)
    if only:
        name = chance.choice(list(given))
        given = {name: given[name]}
    if clashes(model, {**vars(row), **given}, row.pk):
        return
    for name, value in given.items():
        setattr(row, name, value)
    row.save(update_fields=list(given) if only else None)


def delete(model: Any, chance: random.Random) -> None:
    # The site must not run empty.
    if model.objects.count() > 3 and model is not Author and model is not Category:
        row = model.objects.filter(pk=some(model, chance)).first()
        if row:
            row.delete()
    create(model, chance)


def texts_of(model: Any, chance: random.Random) -> dict[str, Any]:
    given = values(model, chance)
    given = {name: value for name, value in given.items() if name not in ("slug", "id", "language", "object_id")}
    if model in (Translation, Profile):
        given.pop("article_id", None)
        given.pop("author_id", None)
    given = {name: value for name, value in given.items() if value is not None}
    name = chance.choice(list(given))
    if name == "content_type_id":
        return {"text": word(chance)}
    return {name: given[name]}


def update(model: Any, chance: random.Random) -> None:
    keys = [some(model, chance) for _ in range(chance.randrange(1, 4))]
    model.objects.filter(pk__in=keys).update(**texts_of(model, chance))


def bulk_update(model: Any, chance: random.Random) -> None:
    given = texts_of(model, chance)
    rows = list(model.objects.filter(pk__in=[some(model, chance) for _ in range(3)]))
    for row in rows:
        for name, value in given.items():
            setattr(row, name, value)
    if rows:
        model.objects.bulk_update(rows, [name.removesuffix("_id") for name in given])


def bulk_create(model: Any, chance: random.Random) -> None:
    if model is Restaurant:
        create(model, chance)
        return
    given = [values(model, chance) for _ in range(2)]
    if model in (Author, Article, Translation, Profile):
        given = given[:1]
    model.objects.bulk_create([model(**one) for one in given if not clashes(model, one, None)])


def m2m(model: Any, chance: random.Random) -> None:
    article = Article.objects.filter(pk=some(Article, chance)).first()
    tags = [some(Tag, chance) for _ in range(2)]
    if article:
        act = chance.choice([article.tags.add, article.tags.remove, lambda *keys: article.tags.set(keys)])
        act(*tags)


def raw(model: Any, chance: random.Random) -> None:
    with connection.cursor() as cursor:
        kind = chance.randrange(6)
        if kind == 0:
            cursor.execute("UPDATE shop_tag SET name = %s WHERE id = %s", [word(chance), some(Tag, chance)])
        elif kind == 1:
            cursor.execute("DELETE FROM shop_comment WHERE id = %s", [some(Comment, chance)])
        elif kind == 2:
            cursor.execute("INSERT INTO shop_tag (name) VALUES (%s)", [word(chance)])
        elif kind == 3:
            # Without parameters, a percent sign is one.
            to, begins = some(Article, chance), chance.choice("ABC")
            cursor.execute(f"UPDATE shop_comment SET text = '50%', article_id = {to} WHERE text LIKE '{begins}%'")
        elif kind == 4:
            cursor.execute("UPDATE shop_tag SET name = upper(name)")
        else:
            cursor.execute("UPDATE shop_article SET views = views + 1 WHERE title LIKE 'A%%' AND id <> %s", [0])


KINDS = {
    "create": create,
    "save": save,
    "save_some": lambda model, chance: save(model, chance, only=True),
    "delete": delete,
    "update": update,
    "bulk_update": bulk_update,
    "bulk_create": bulk_create,
    "m2m": m2m,
    "raw": raw,
}
