import itertools

from gluon_deeprnn.data.gutenberg import split_gutenberg, strip_gutenberg
import pytest

OWN = "A chapter of mine.\n\n" + "I wrote these words in the harbour myself.\n" * 40
LICENCE = ("\nUpdated editions will replace the previous one.\n\n*** START: FULL LICENSE ***\n\n"
           + "THE FULL PROJECT GUTENBERG LICENSE\n" + "You comply with all other terms of this agreement.\n" * 60
           + "how to help produce our new eBooks, and how to\n"
           "subscribe to our email newsletter to hear about new eBooks.\n")
NEW = ("The Project Gutenberg eBook of Emma\n    \nThis ebook is for the use of anyone anywhere,\n"
       "of the Project Gutenberg License included with this ebook or online\n\nTitle: Emma\n\n\nAuthor: Jane Austen\n\n"
       "*** START OF THE PROJECT GUTENBERG EBOOK EMMA ***\n\n\n", "EMMA\n\nEmma Woodhouse, handsome.\n\nFINIS\n\n\n",
       "            *** END OF THE PROJECT GUTENBERG EBOOK EMMA ***\n" + LICENCE)
OF_2005 = ("Project Gutenberg's The Adventures of Sherlock Holmes, by Arthur Conan Doyle\n\nThis eBook is for the use "
           "of anyone\n\nTitle: The Adventures\n\n*** START OF THIS PROJECT GUTENBERG EBOOK THE ADVENTURES OF\n"
           "SHERLOCK HOLMES ***\n\n", "To Sherlock Holmes she is always the woman.\n\n",
           "End of Project Gutenberg's The Adventures of Sherlock Holmes, by Arthur\nConan Doyle\n\n"
           "*** END OF THIS PROJECT GUTENBERG EBOOK THE ADVENTURES ***\n\n***** This file should be named 1.txt *****\n"
           + LICENCE)
OF_2002 = ("The Project Gutenberg EBook of X, by Y\n\nCopyright laws are changing.\n\n"
           "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n", "The story X.\n\n",
           "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n\nThis file should be named x10.txt or x10.zip\n\n"
           "Project Gutenberg eBooks are often created from several printed\neditions.\n\n"
           + "We are now trying to release all our eBooks one year in advance.\n\n" * 40
           + "*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02/11/02*END*\n\n")
OF_1994 = ("*****The Project Gutenberg Etext of Alice in Wonderland*****\n#1 in our series by Lewis Carroll\n\n"
           "Copyright laws are changing all over the world.\n\n***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**\n"
           + "By using any part of this PROJECT GUTENBERG-tm etext, you agree.\n" * 30
           + "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n\n", "ALICE\n\nThe rabbit ran.\n\n",
           "End of The Project Gutenberg Etext of Alice in Wonderland\n")
SHORT = ("The Project Gutenberg eBook of Alpha\n\nThis header is about Alpha.\n\n"
         "*** START OF THE PROJECT GUTENBERG EBOOK ALPHA ***\n\n", "The old letter.\n\n",
         "*** END OF THE PROJECT GUTENBERG EBOOK ALPHA ***\n\nThe licence of Alpha.\nlicence words licence words\n")
BOOKS = {"new": NEW, "2005": OF_2005, "2002": OF_2002, "1994": OF_1994, "short": SHORT}


@pytest.mark.parametrize("own", ["", OWN], ids=["", "own text between"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_book_of_a_file_is_taken_and_what_stands_between_them(own, number):
    for names in itertools.permutations(BOOKS, number):
        text = own + "".join("".join(BOOKS[name]) + own for name in names)
        kept, left_out = split_gutenberg(text)
        assert kept == own + "".join(BOOKS[name][1] + own for name in names), names
        assert len(kept) + len(left_out) == len(text)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_real_books_that_were_joined_are_the_books(real_text, ends):
    books = [real_text(f"{name}.txt").read_text(encoding="utf-8-sig") for name in (
        "austen_emma_pg158", "verne_eighty_days_pg103", "wells_doctor_moreau_pg159")]
    alone = [strip_gutenberg(book) for book in books]
    for book, text in zip(books, alone):
        assert 18_000 < len(book) - len(text) < 22_000  # header and licence
        assert "gutenberg" not in text.lower()
    assert strip_gutenberg("".join(books)) == "".join(alone)
    assert strip_gutenberg(OWN + OWN.join(books) + OWN) == OWN + OWN.join(alone) + OWN


def test_a_footer_before_a_whole_book_does_not_hide_the_book():
    assert strip_gutenberg(NEW[2] + "".join(NEW)) == NEW[1]
    assert strip_gutenberg("The end.\n" + NEW[2] + "".join(NEW)) == "The end.\n" + NEW[1]


def test_a_book_whose_end_or_beginning_is_missing_is_kept():
    assert strip_gutenberg(NEW[0] + NEW[1] + "".join(SHORT)) == NEW[1] + SHORT[1]
    assert strip_gutenberg(NEW[1] + NEW[2] + SHORT[1] + SHORT[2]) == NEW[1] + SHORT[1]


@pytest.mark.parametrize("line", [
    "End of Project Gutenberg was what they called it.", "End of the Project Gutenberg EBook of life, he said.",
    "*** a line of stars ***", "START OF THE PROJECT GUTENBERG EBOOK"])
def test_a_sentence_that_only_looks_like_a_marker_is_a_part_of_the_text(line):
    text = f"It was night.\n\n{line}\nThe rest goes on.\n\n" * 30 + "The end.\n\n"
    assert split_gutenberg(text) == (text, "")
    if "EBook" not in line:  # within a book, that is its end, and what follows is kept
        assert strip_gutenberg(NEW[0] + text + NEW[2]) == text


def test_a_text_before_a_marker_without_a_header_is_kept():
    for own in ("One line.\n", OWN):
        assert strip_gutenberg(own + "*** START OF THE PROJECT GUTENBERG EBOOK X ***\nOnce\n") == own + "Once\n"
        assert strip_gutenberg("Once\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n" + own) == "Once\n" + own


def test_line_feeds_at_the_beginning_are_removed_from_any_text():
    assert split_gutenberg("\n\nOnce\n\n") == ("Once\n\n", "\n\n")
