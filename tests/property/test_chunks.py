"""A list in chunks is the list, whatever of it comes, goes and changes; checked against a dict."""

from __future__ import annotations

import pytest

from quarterdeck.basics.chance import Chance
from quarterdeck.core.scheduling.chunks import CHUNK, SPARE, ChunkBook, Chunked

One = tuple[int, int]
Book = ChunkBook[int, One, list[int]]


def odd_ones(listed: tuple[One, ...]) -> list[int]:
    """A summary: which of the keys are odd."""
    return [key for key, _ in listed if key % 2]


def change(chance: Chance, book: Book, known: dict[int, One], made: int) -> None:
    """Something of everything; of what is equal the object stays as it was."""
    for key in range(made, made + chance.below(30)):
        book.put(key, known.setdefault(key, (key, 0)))
    for key in [key for key in known if chance.happens(0.05)]:
        book.pop(key)
        del known[key]
    for key, one in known.items():
        if chance.happens(0.02):
            known[key] = (key, one[1] + 1)
            book.put(key, known[key])
        elif chance.happens(0.02):
            book.put(key, (key, one[1] + 0))
    book.pop(-1)


def differences(was: dict[int, One], now: dict[int, One]) -> tuple[set[int], set[int]]:
    """What went and what came, by identity."""
    before, after = set(map(id, was.values())), set(map(id, now.values()))
    return before - after, after - before


@pytest.mark.parametrize("seed", range(60))
def test_it_is_as_a_dict_would_be(seed: int) -> None:
    """The order as well, and what is different from any list that it was before."""
    chance, book, known = Chance(seed), Book(odd_ones), dict[int, One]()
    before: list[tuple[dict[int, One], Chunked[One, list[int]]]] = [({}, Chunked())]
    for made in range(0, 3000, 100):
        change(chance, book, known, made)
        now = book.now()
        assert now == tuple(known.values())
        assert (len(book), len(now)) == (len(known), len(known))
        assert all(book.get(key) is one for key, one in known.items())
        assert [key for few in now.summaries for key in few] == [key for key in known if key % 2]
        was, then = chance.pick(before)
        assert then == tuple(was.values()), "it has changed since"
        gone, come = now.changes_since(then)
        assert (set(map(id, gone)), set(map(id, come))) == differences(was, known)
        before.append((dict(known), now))


def test_what_is_not_changed_is_shared() -> None:
    """So it takes few chunks to tell what has changed, and each is summed up once."""
    asked: list[int] = []

    def summarize(listed: tuple[One, ...]) -> list[int]:
        asked.append(len(listed))
        return []

    book = Book(summarize)
    for key in range(10 * CHUNK):
        book.put(key, (key, 0))
    first = book.now()
    assert book.now() is first
    assert first.summaries == [[]] * 10
    book.put(5 * CHUNK, (5 * CHUNK, 1))
    second = book.now()
    assert second.summaries == [[]] * 10
    assert len(set(first.chunks) & set(second.chunks)) == 9
    assert len(asked) == 11


def test_a_list_that_has_become_short_has_few_chunks() -> None:
    """However many of its elements came before those that stay."""
    book = Book(odd_ones)
    for key in range(100 * CHUNK):
        book.put(key, (key, 0))
        if key % CHUNK:
            book.pop(key)
        assert len(book.now().chunks) <= SPARE + 2 * len(book) // CHUNK + 1
    assert [key for key, _ in book.now()] == list(range(0, 100 * CHUNK, CHUNK))
