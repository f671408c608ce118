"""Words as small whole numbers."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, final

import numpy as np

Word = TypeVar("Word", bound=Hashable)


@final
@dataclass(frozen=True, slots=True)
class Coded(Generic[Word]):
    """A column of words, each written once."""

    codes: np.ndarray
    """Where the word of each row stands."""
    words: Sequence[Word]

    @classmethod
    def of(cls, column: "Column") -> "Coded[Any]":
        """Write the words of a column once each."""
        if isinstance(column, Coded):
            return column
        known = Vocabulary[Any]()
        return Coded(known.learn_all(column), known.words())

    def __getitem__(self, rows: np.ndarray) -> "Coded[Word]":
        """Take some rows."""
        return Coded(self.codes[rows], self.words)

    def are(self, word: Word) -> np.ndarray:
        """Tell which rows have a word."""
        code = self.words.index(word) if word in self.words else -1
        return np.asarray(self.codes == code)


Column: TypeAlias = Sequence[Any] | np.ndarray | Coded[Any]
"""What the rows of a table have."""


class _Codes(dict[Word, int]):
    """Numbers a word when it is first looked up."""

    __slots__ = ()

    def __missing__(self, word: Word) -> int:
        """Give the next number."""
        code = self[word] = len(self)
        return code


@final
class Vocabulary(Generic[Word]):
    """Words, numbered from 0 in the order in which they were first learnt."""

    __slots__ = ("_codes", "_words", "code", "learn")

    def __init__(self) -> None:
        self._codes: _Codes[Word] = _Codes()
        self._words: list[Word] = []
        self.code = self._codes.get
        """Look a word up without keeping it, so that questions fill no memory."""
        self.learn = self._codes.__getitem__
        """
        Number a word, which is kept from now on.

        >>> devices = Vocabulary[str]()
        >>> devices.learn("h100"), devices.learn("a100"), devices.learn("h100")
        (0, 1, 0)
        >>> devices.code("b200") is None, devices.word(1)
        (True, 'a100')
        """

    def __len__(self) -> int:
        """Count the words."""
        return len(self._codes)

    def learn_all(self, words: Iterable[Word] | Coded[Word]) -> np.ndarray:
        """
        Number the words of a column.

        >>> regions = Vocabulary[str]()
        >>> regions.learn_all(Coded(np.array([1, 1, 0]), ("us", "eu"))).tolist()
        [1, 1, 0]
        >>> regions.learn_all(["asia", "eu"]).tolist()
        [2, 1]
        """
        if isinstance(words, Coded):
            return np.asarray(self.learn_all(words.words)[words.codes])
        return np.fromiter(map(self.learn, words), np.int32)

    def word(self, code: int) -> Word:
        """Give the word of a code."""
        return self.words()[code]

    def words(self) -> list[Word]:
        """List the words in the order of their codes."""
        if len(self._words) < len(self._codes):
            self._words = list(self._codes)
        return self._words
