"""What notebooks ask without grading: guesses, quiz questions and hints, from a few marks in their sources.

A cell tagged `guess` holds a question, one tagged `quiz` three of them, with a blank line between. Below a question is a line for each
choice, its reason behind `::`; `+` marks the right one, and lines that are indented go on:

    Where in C do its entries lie?
    - everywhere :: From a pixel go two chains, and each meets one pixel a frame.
    + on slanted lines :: A pixel's chain
      meets nearly the same row and column in the next frame.

Each choice becomes an HTML element `<details>`, which opens to its reason: in JupyterLab, in the book and on a code host alike, with no
script and no kernel. Choices are plain text, with `code` and *emphasis*; reasons are Markdown.

An exercise has two hints, each a paragraph of its quote: `> *Hint: where to think.*` and `> *Nearly: almost the line.*` They are folded
in the same way. The header's list of what the reader will be able to do names behind each entry the exercises, or the questions of
the quiz, that show it: `(02.1, quiz 2)`.
"""

from __future__ import annotations

import html
import re
from typing import NamedTuple

RIGHT, WRONG = "**Yes.**", "**No.**"
FOLDS = {"Hint": "Hint: where to think", "Nearly": "Hint: nearly the line"}
QUIZ = """\
## Three questions

What has stayed? Open the answer that you would give, then the others: each has its reason."""


class Choice(NamedTuple):
    text: str
    right: bool
    reason: str


class Question(NamedTuple):
    text: str
    choices: list[Choice]


class Outcome(NamedTuple):
    """What a reader will be able to do, and where they show it: exercises such as "02.1", questions such as "quiz 2"."""

    text: str
    shown_by: list[str]


def questions(text: str) -> list[Question]:
    """The questions of a cell; raise ValueError where one is not as the module's head says."""
    found = [_question(block) for block in re.split(r"\n\s*\n", text.strip())]
    for question in found:
        right = sum(choice.right for choice in question.choices)
        if right != 1 or not 2 <= len(question.choices) <= 4:
            raise ValueError(f"expected 2 to 4 choices of which 1 is right, not {right} of them: {question.text}")
        for choice in question.choices:
            if not choice.reason or "$" in choice.text:
                raise ValueError(f"expected plain text and a reason behind '::': {choice.text}")
    return found


def _question(block: str) -> Question:
    entries: list[tuple[str, list[str]]] = [("", [])]
    for line in block.splitlines():
        if line.startswith(("- ", "+ ")):
            entries.append((line[0], [line[2:].strip()]))
        else:
            entries[-1][1].append(line.strip())
    joined = [(mark, " ".join(lines)) for mark, lines in entries]
    choices = [
        Choice(choice.strip(), mark == "+", reason.strip())
        for mark, (choice, _, reason) in ((mark, text.partition("::")) for mark, text in joined[1:])
    ]
    return Question(joined[0][1], choices)


def folded(summary: str, body: str) -> str:
    """Markdown that shows only a summary until it is opened."""
    return f"<details><summary>{_plain(summary)}</summary>\n\n{body}\n\n</details>"


def _plain(text: str) -> str:
    """HTML of a line with `code` and *emphasis*: Markdown does not look inside of a summary."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
    return re.sub(r"(?<!\w)\*([^*]+)\*(?!\w)", r"<em>\1</em>", text)


def asked(question: Question, name: str) -> str:
    """A question as Markdown, with its choices to be opened."""
    choices = [
        folded(choice.text, f"{RIGHT if choice.right else WRONG} {choice.reason}") for choice in question.choices
    ]
    return "\n".join([f"**{name}** {question.text}", "", *choices])


def guess(text: str) -> str:
    """The cell of a guess."""
    (question,) = questions(text)
    return asked(question, "Guess first.")


def quiz(text: str) -> str:
    """The cell of a notebook's three questions."""
    found = questions(text)
    if len(found) != 3:
        raise ValueError(f"expected three questions in a quiz, not {len(found)}")
    return "\n\n".join([QUIZ, *(asked(question, f"{i}.") for i, question in enumerate(found, 1))])


HINT = re.compile(r"^> \*(?P<step>Hint|Nearly): (?P<text>.*?)\*$(?=\n>?\s*$|\n> \*|\Z)", re.MULTILINE | re.DOTALL)
"""A hint, as sources write it."""


def with_hints(text: str) -> str:
    """An exercise's cell with its hints folded."""

    def fold(found: re.Match[str]) -> str:
        body = re.sub(r"\n> ?", "\n", found["text"])
        body = body[0].upper() + body[1:]
        return "\n".join(f"> {line}".rstrip() for line in folded(FOLDS[found["step"]], body).splitlines())

    return HINT.sub(fold, text)


def outcomes(header: str) -> list[Outcome]:
    """What a notebook's header says that its reader will be able to do."""
    listed = header.partition("**Afterwards you will be able to**")[2].partition("**Takes**")[0]
    found = []
    for entry in re.split(r"^- ", listed.strip(), flags=re.MULTILINE)[1:]:
        text, _, shown = " ".join(entry.split()).rstrip(";.").rpartition(" (")
        found.append(Outcome(text, shown.rstrip(")").split(", ")))
    return found


def table(headers: dict[str, str]) -> str:
    """A Markdown table of the outcomes of all notebooks, from their headers by number."""
    rows = [
        f"| {number} | {text.replace('|', '&#124;')} | {', '.join(shown_by)} |"
        for number, header in headers.items()
        for text, shown_by in outcomes(header)
    ]
    return "\n".join(["| notebook | afterwards one is able to | shown by |", "|---|---|---|", *rows])


def exercises(text: str) -> list[str]:
    """The numbers of the exercises that a source sets."""
    return re.findall(r"> \*\*Exercise (\d\d\.\d)\*\*", text)
