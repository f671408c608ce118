"""Words as small whole numbers."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar, final

Word = TypeVar("Word", bound=Hashable)


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

    def learn_all(self, words: Iterable[Word]) -> list[int]:
        """Number many words."""
        return list(map(self.learn, words))

    def word(self, code: int) -> Word:
        """Give the word of a code."""
        return self.words()[code]

    def words(self) -> list[Word]:
        """List the words in the order of their codes."""
        if len(self._words) < len(self._codes):
            self._words = list(self._codes)
        return self._words
