"""
Reading the books: why a receipt moved what it moved, and whether all of it is true.

Nothing here writes to the books. `explain` recomputes a receipt by the formula book,
`audit` recomputes the whole history, `statement` follows one account, and `export`
writes the transfers for other programs.
"""
