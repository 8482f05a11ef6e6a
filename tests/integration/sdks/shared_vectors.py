"""The hundred questions that every SDK is asked, always the same ones."""

from __future__ import annotations

import random
from dataclasses import dataclass

SEED = 20_261_121
COUNT = 100

# Few words, so that queries and documents share some and scores tie; of several scripts, so that a wrong
# encoding on the way changes a score.
WORDS = [
    *("apple", "bread", "cart", "delta", "ember", "fjord", "größe", "höhle", "ísland", "jalapeño"),
    *("κόσμος", "łódź", "море", "naïve", "ørsted", "prix", "señor", "über", "дом", "мир", "東京", "日本"),
    *(
        "서울",
        "ไทย",
        "مرحبا",
        "שלום",
        "नमस्ते",
        "🍎",
        "🇫🇷",
        "👩🏽\u200d🚀",
        "e\u0301t\u00e9",
        "\uff21\uff22\uff23",
    ),
]
SPOILERS = (
    'say "{}" twice',
    "back\\slash {}",
    "tab\t{}",
    "two\nlines {}",
    "<b>{}</b> &amp;",
    "'; -- {}",
    "{} \u2028 \u200b",
    "\U0001f9d1\u200d\U0001f4bb {}",
    "null {}",
    "{} %s {{}}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """A question; `top_n` 0 asks for all."""

    query: str
    documents: list[str]
    top_n: int


def vectors() -> list[Vector]:
    """All of them. Every document fits the fake model, so that no dialect's way to cut it is involved."""
    draw = random.Random(SEED)
    return [_vector(draw, i) for i in range(COUNT)]


def _vector(draw: random.Random, number: int) -> Vector:
    count = 1000 if number == COUNT - 1 else draw.choice((1, 2, 3, 5, 8, 13, 30, 60))
    documents = [_text(draw, draw.randint(1, 25)) for _ in range(count)]
    if count > 2:
        documents[-1] = documents[0]
    top_n = draw.choice((0, 0, 1, (count + 1) // 2, count, count + 5))
    return Vector(query=" ".join(draw.sample(WORDS, draw.randint(1, 6))), documents=documents, top_n=top_n)


def _text(draw: random.Random, words: int) -> str:
    text = " ".join(draw.choices(WORDS, k=words))
    return draw.choice(SPOILERS).format(text) if draw.random() < 0.25 else text
