"""The books that the examples use: real ones where they are available, else parts of Python's own documentation."""

import os
from pathlib import Path
from typing import List

from gluon_deeprnn.data import Source, corpus, default_corpus, read_texts

BOOKS = ("timemachine.txt", "wells_war_of_the_worlds_pg36.txt", "wells_doctor_moreau_pg159.txt",
         "verne_eighty_days_pg103.txt", "austen_emma_pg158.txt")


def one_book() -> Source:
    """*The Time Machine* where it is available, else Python's documentation."""
    return default_corpus()


def several_books() -> List[Source]:
    """The books in ``GLUON_DEEPRNN_DATA``, in the order of `BOOKS`; else Python's documentation in four parts."""
    folder = os.environ.get("GLUON_DEEPRNN_DATA", "")
    found = [Path(folder) / name for name in BOOKS if folder and (Path(folder) / name).exists()]
    if len(found) >= 2:
        return read_texts(found)
    print("fewer than two of the books were found: using four parts of Python's documentation")
    text = corpus("python-docs").text
    quarter = len(text) // 4
    return [Source(f"python-docs {i + 1} of 4", text[i * quarter:(i + 1) * quarter], "") for i in range(4)]
