"""Long lists of which little changes from one plan to the next: what runs, and who holds what.

Such a list is kept in chunks. A `Chunked` never changes, and the next one of the same list shares
with it every chunk in which nothing has changed. So to make one costs little, what is different
about two of them lies in the chunks that they do not share, and what a chunk says of its elements
is found out once for as long as it lives.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain, compress, count
from operator import is_not
from typing import TYPE_CHECKING, Final, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

K = TypeVar("K", bound="Hashable")
T = TypeVar("T")
S = TypeVar("S")

CHUNK: Final = 32
"""So many elements are in one at most: of thousands about as many chunks are looked at as elements
of the one that has changed."""
SPARE: Final = 8
"""A list has at most so many chunks more than twice those that its elements need."""


class Chunk(Generic[T, S]):
    """Some elements that follow each other, and what is said of them once somebody asks."""

    def __init__(self, items: Iterable[T], summarize: Callable[[tuple[T, ...]], S]) -> None:
        self.items = tuple(items)
        self._summarize = summarize

    @cached_property
    def summary(self) -> S:
        """See `ChunkBook`."""
        return self._summarize(self.items)


class Chunked(Sequence[T], Generic[T, S]):
    """See the module. What is equal to a tuple has the same elements in the same order."""

    def __init__(self, chunks: Iterable[Chunk[T, S]] = ()) -> None:
        self.chunks = tuple(chunks)

    def __len__(self) -> int:
        """How many elements there are."""
        return sum([len(chunk.items) for chunk in self.chunks])

    def __iter__(self) -> Iterator[T]:
        """All of them, in order."""
        return chain.from_iterable([chunk.items for chunk in self.chunks])

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        """As of a tuple."""
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        """Whether these are the elements of another one, or of a tuple."""
        if not isinstance(other, Chunked | tuple):
            return NotImplemented
        return tuple(self) == tuple(other)

    def __hash__(self) -> int:
        """By its elements."""
        return hash(tuple(self))

    @cached_property
    def summaries(self) -> list[S]:
        """What each chunk says of its elements."""
        return [chunk.summary for chunk in self.chunks]

    def changes_since(self, before: Chunked[T, S]) -> tuple[list[T], list[T]]:
        """What was in another one and is not here, and the other way round: the very objects."""
        mine, others = self.chunks, before.chunks
        # Most stand where they stood.
        places = list(compress(count(), map(is_not, others, mine)))
        left = [*(others[place] for place in places), *others[len(mine) :]]
        made = [*(mine[place] for place in places), *mine[len(others) :]]
        both = set(map(id, left)) & set(map(id, made))
        gone = [one for chunk in left if id(chunk) not in both for one in chunk.items]
        come = [one for chunk in made if id(chunk) not in both for one in chunk.items]
        was, now = set(map(id, gone)), set(map(id, come))
        return [one for one in gone if id(one) not in now], [
            one for one in come if id(one) not in was
        ]


class ChunkBook(Generic[K, T, S]):
    """A list that changes, each element by its key, in the order in which the keys came.
    `summarize` says what is to be known of a chunk's elements. It is for one thread."""

    def __init__(self, summarize: Callable[[tuple[T, ...]], S]) -> None:
        self._summarize = summarize
        self._shelves: list[dict[K, T]] = []
        """What is in each chunk."""
        self._place_of: dict[K, int] = {}
        self._chunks: list[Chunk[T, S]] = []
        self._changed: set[int] = set()
        """The places of those chunks that are not as their shelves are."""
        self._now: Chunked[T, S] = Chunked()

    def __len__(self) -> int:
        """How many elements there are."""
        return len(self._place_of)

    def __iter__(self) -> Iterator[K]:
        """The keys, in the order in which they came."""
        return iter(self._place_of)

    def get(self, key: K) -> T | None:
        """The element of a key."""
        place = self._place_of.get(key)
        return None if place is None else self._shelves[place][key]

    def put(self, key: K, one: T) -> None:
        """The element of a key from now on. An equal one stays the object that it was."""
        place = self._place_of.get(key)
        if place is None:
            if not self._shelves or len(self._shelves[-1]) >= CHUNK:
                self._shelves.append({})
                self._chunks.append(Chunk((), self._summarize))
            place = self._place_of[key] = len(self._shelves) - 1
        elif self._shelves[place][key] == one:
            return
        self._shelves[place][key] = one
        self._changed.add(place)

    def pop(self, key: K) -> None:
        """It has no element any more, if it had one."""
        place = self._place_of.pop(key, None)
        if place is not None:
            del self._shelves[place][key]
            self._changed.add(place)

    def now(self) -> Chunked[T, S]:
        """All elements as they are."""
        if self._changed:
            if len(self._shelves) > SPARE + 2 * len(self) // CHUNK:
                self._close_up()
            for place in self._changed:
                self._chunks[place] = Chunk(self._shelves[place].values(), self._summarize)
            self._changed.clear()
            self._now = Chunked(self._chunks)
        return self._now

    def _close_up(self) -> None:
        """Most chunks have become nearly empty: put all on as few as will do."""
        every = [pair for shelf in self._shelves for pair in shelf.items()]
        self._shelves = [dict(every[at : at + CHUNK]) for at in range(0, len(every), CHUNK)]
        self._place_of = {key: at for at, shelf in enumerate(self._shelves) for key in shelf}
        self._chunks = [Chunk((), self._summarize) for _ in self._shelves]
        self._changed = set(range(len(self._shelves)))
