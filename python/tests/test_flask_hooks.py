"""What runs before a Flask view, and beside requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sa = pytest.importorskip("sqlalchemy")
from flask import Flask, abort, g, render_template_string  # noqa: E402
from sqlalchemy import orm  # noqa: E402

from weir_server.flask import Weir  # noqa: E402


class Base(orm.DeclarativeBase):
    pass


class Tenant(Base):
    __tablename__ = "tenant"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    slug: orm.Mapped[str] = orm.mapped_column(sa.String(20), unique=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(20))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/tenants")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(Tenant(slug="ann", name="Ann's"))
        session.commit()
    app = Flask("hooks")
    app.config["WEIR"] = {"TTL": "1d", "ADMIN": "127.0.0.1:1"}
    # Nobody keeps it.
    Weir(app, engine=engine, metadata=Base.metadata)

    @app.url_value_preprocessor
    def find(_: str | None, values: dict[str, Any] | None) -> None:
        if values and "tenant" in values:
            with orm.Session(engine) as session:
                g.tenant = session.scalar(sa.select(Tenant).where(Tenant.slug == values.pop("tenant"))) or abort(404)

    app.add_url_rule("/<tenant>/", "home", lambda: g.tenant.name)
    app.add_url_rule("/", "front", lambda: render_template_string("Hello {{ visitor_value('name', 'friend') }}"))
    yield app
    engine.dispose()


def test_what_is_read_for_the_values_in_a_url_counts(app: Flask) -> None:
    client = app.test_client()
    found = client.get("/ann/")
    assert found.text == "Ann's" and "tenant:slug=ann" in found.headers["Surrogate-Key"].split()
    missing = client.get("/bob/")
    assert missing.status_code == 404 and "tenant:slug=bob" in missing.headers["Surrogate-Key"].split()


def test_a_page_that_is_made_beside_requests(app: Flask) -> None:
    """A letter, for which there is a context and no request of a visitor."""
    with app.test_request_context("/"):
        assert app.view_functions["front"]() == "Hello friend"
        assert app.process_response(app.make_response("letter")).get_data(as_text=True) == "letter"
