"""One protocol each, named as its exchange, "_" for "-": a few obvious lines with Decimals.

`apply(books, entry, frame)` takes a received line of a session (`dir` is recv or http) with its
decoded frame, every number a text, and returns the symbols whose book changed. A module whose
frames are no plain JSON has `decode(raw bytes)` too.
"""
