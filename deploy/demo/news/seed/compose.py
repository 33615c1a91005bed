"""Two hundred articles out of `stories.toml` and `facts.toml`: the same ones on every machine."""

import random
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.utils.text import slugify

HERE = Path(__file__).parent
SEED = 1871  # the year the paper was founded
NEWEST = datetime(2026, 11, 20, 5, 30, tzinfo=UTC)
ASIDES_PER_ARTICLE = 5

AUTHORS = {
    "Hedda Lockyer": "the council, the courts and what happens between them",
    "Tomas Garnett": "the river, above and below the weir",
    "Ines Okafor": "work, trade and the railway",
    "Wilm Sayer": "stage, music and books",
    "Perpetua Cobb": "sport, and the weather it is played in",
    "Dietrich Nettle": "food, gardens and inns",
    "Lotte Rask": "the town, at night and early",
    "Ezra Penrose": "whatever is left over",
}
BEATS = {
    "town": ["Hedda Lockyer", "Lotte Rask"],
    "river": ["Tomas Garnett", "Lotte Rask"],
    "work": ["Ines Okafor", "Hedda Lockyer"],
    "culture": ["Wilm Sayer", "Ezra Penrose"],
    "sport": ["Perpetua Cobb", "Ezra Penrose"],
    "table": ["Dietrich Nettle", "Tomas Garnett"],
}


@dataclass(frozen=True)
class Draft:
    slug: str
    section: str
    headline: str
    standfirst: str
    body: str
    author: str
    tags: list[str]
    published: datetime
    reads: int


def drafts(count):
    """Yields `count` articles, newest first."""
    told = tomllib.loads((HERE / "stories.toml").read_text(encoding="utf-8"))
    known = tomllib.loads((HERE / "facts.toml").read_text(encoding="utf-8"))
    chance = random.Random(SEED)
    slugs, published, order = set(), NEWEST, []
    for _ in range(count):
        if not order:  # every story once before any comes again
            order = chance.sample(told["story"], len(told["story"]))
        story = order.pop()
        section = story["section"]
        slug = ""
        while not slug or slug in slugs:  # drawn again if it came out as one before
            facts = draw_facts(story, known, chance)
            headline = sentence(chance.choice(story["headlines"]).format(**facts))
            slug = slugify(headline)
        slugs.add(slug)
        paragraphs = [chance.choice(wordings) for wordings in story["paragraphs"]]
        for aside in chance.sample(told["asides"][section], ASIDES_PER_ARTICLE):
            paragraphs.insert(chance.randint(2, len(paragraphs)), aside)
        yield Draft(
            slug=slug,
            section=section,
            headline=headline,
            standfirst=sentence(chance.choice(story["standfirsts"]).format(**facts)),
            body="\n\n".join(sentence(paragraph.format(**facts)) for paragraph in paragraphs),
            author=chance.choice(BEATS[section]),
            tags=[*story["tags"], slugify(facts["place"].removeprefix("the "))],
            published=published,
            reads=int(180 * chance.paretovariate(1.3)),
        )
        published -= timedelta(minutes=chance.randint(11 * 60, 35 * 60))


def draw_facts(story, known, chance):
    """One choice for every name a story may use, and its `_cap` form, which begins a sentence."""
    surnames = chance.sample(known["last"], 4)
    forenames = [*chance.sample(known["women"], 3), chance.choice(known["men"])]
    roles = ("person", "third", "voice", "other")
    facts = {role: f"{first} {last}" for role, first, last in zip(roles, forenames, surnames)}
    for name, choices in {**known["facts"], **story["facts"]}.items():
        facts[name] = chance.choice(choices)
        facts[f"{name}_cap"] = sentence(facts[name])
    return facts


def sentence(text):
    return text[:1].upper() + text[1:]
