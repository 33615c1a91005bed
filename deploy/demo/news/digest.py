"""Reading the articles' text: words that mark one out, texts alike, passages found.

Nothing is kept: each page does this work anew.
"""

import re
from collections import Counter
from dataclasses import dataclass
from math import log, sqrt

WORD = re.compile(r"[a-z]{4,}")
WORDS_A_MINUTE = 220
SNIPPET_REACH = 90

# Words of four letters and more that say nothing about a text.
COMMON = frozenset(
    """about above after again against along already also although always among another around asked away back because
    been before behind being below best better between both came cannot come could does done down each early either
    else enough even ever every face felt find first five four from gave give given goes going gone good half hand have
    having here herself himself home house however hundred into itself just keep kept know known last late later least
    left less like little long look made make making many mean might more morning most much must name near need never
    next none nobody nothing number often once only open other over part people place plan plans point rather really
    right said same says seen since small some something soon still such take taken than that their them then there
    these they thing things think this those though thought thousand three through time times today told took toward
    tuesday twelve twenty under until upon used very want wants week weeks well went were what when where which while
    whole whose will with within without word work would year years yesterday your
    monday wednesday thursday friday saturday sunday nine eight seven read reads reader millrace evening""".split()
)


@dataclass(frozen=True)
class Passage:
    """A stretch of text; `found` marks the words searched for."""

    text: str
    found: bool


def words(text):
    """How often each telling word occurs in a text."""
    return Counter(word for word in WORD.findall(text.lower()) if word not in COMMON)


def reading_minutes(text):
    return max(1, round(len(text.split()) / WORDS_A_MINUTE))


class Corpus:
    """A set of texts and the weight of each word in them: many times here, seldom elsewhere, weighs most (tf-idf)."""

    def __init__(self, texts):
        """`texts` maps a key, such as an article's id, to its text."""
        self.counts = {key: words(text) for key, text in texts.items()}
        holders = Counter()
        for counted in self.counts.values():
            holders.update(counted.keys())
        total = len(self.counts)
        self.rarity = {word: log(total / held) for word, held in holders.items()}

    def weights(self, key):
        return {word: (1 + log(n)) * self.rarity[word] for word, n in self.counts[key].items()}

    def telling(self, keys, limit):
        """The words that mark out the texts `keys` against all others, heaviest first."""
        sums = Counter()
        for key in keys:
            sums.update(self.weights(key))
        return [word for word, _weight in sums.most_common(limit)]

    def alike(self, key, limit):
        """The keys of the texts nearest to one text by cosine, nearest first."""
        wanted = self.weights(key)
        nearness = {}
        for other in self.counts:
            if other == key:
                continue
            theirs = self.weights(other)
            shared = sum(weight * theirs[word] for word, weight in wanted.items() if word in theirs)
            if shared:
                nearness[other] = shared / sqrt(sum(weight * weight for weight in theirs.values()))
        return sorted(nearness, key=nearness.get, reverse=True)[:limit]


def matches(terms, headline, body):
    """How well a text fits the terms searched for: 0 unless it holds them all; a headline counts ten times."""
    headline, body = headline.lower(), body.lower()
    found = [10 * headline.count(term) + body.count(term) for term in terms]
    return sum(found) if all(found) else 0


def snippet(terms, text):
    """The passage of a text around the first term found, as a list of `Passage`."""
    pattern = re.compile("|".join(re.escape(term) for term in terms), re.IGNORECASE)
    first = pattern.search(text)
    middle = first.start() if first else 0
    start = max(0, middle - SNIPPET_REACH)
    if start:
        start = text.find(" ", start) + 1
    end = min(len(text), middle + 2 * SNIPPET_REACH)
    if end < len(text):
        end = text.rfind(" ", middle, end) if " " in text[middle:end] else end
    passages, at = [], start
    for match in pattern.finditer(text, start, end):
        passages += [Passage(text[at : match.start()], False), Passage(match.group(), True)]
        at = match.end()
    passages.append(Passage(text[at:end], False))
    return [Passage("… ", False), *passages] if start else passages
