"""The long texts of seeded listings, made from the words of their line of work."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from devstack.seed.places import SeedCity
from devstack.seed.trades import Trade


@dataclass(frozen=True)
class SeedQuestion:
    """A question to applicants; with choices it takes one of them, else yes or no, or a text."""

    id: str
    kind: str
    text: str
    required: bool
    choices: tuple[str, ...] = ()


_TEAMS: Final = (
    "a team of six",
    "a small team",
    "two engineers and a designer",
    "people from five countries",
)
_SCHEDULES: Final = (
    "You get a mentor who has time for you, a project of your own and feedback every week.",
    "Each week begins with a plan and ends with something that you can show.",
    "In the first week you meet everybody; in the second you ship something small.",
    "Halfway through we talk about what you want to learn next, and make room for it.",
)
_CLOSING_SENTENCES: Final = (
    "At the end you present your work to the whole company.",
    "Many of our interns stay as working students.",
    "We write a reference that says what you did.",
)
_DUTIES: Final = (
    "Keep notes that the next intern can start from",
    "Take part in the weekly review and show your work",
    "Ask when something is unclear, and write the answer down",
    "Pair with your mentor twice a week",
)
_QUESTIONS: Final = (
    SeedQuestion("why", "TEXT", "Why this internship, in three sentences?", True),
    SeedQuestion("start", "YES_NO", "Can you start within the window above?", True),
    SeedQuestion("hours", "SINGLE_CHOICE", "How many days a week?", True, ("3", "4", "5")),
    SeedQuestion("work", "TEXT", "A link to something that you made", False),
)


def draft_description(
    dice: random.Random, company: str, trade: Trade, skills: Sequence[str], city: SeedCity
) -> str:
    """Return three paragraphs about the internship."""
    first, second = dice.sample(trade.tasks, 2)
    return (
        f"Join {company} in {city.name}. As an intern you {first} and {second}, "
        f"side by side with {dice.choice(_TEAMS)} who do it every day.\n\n"
        f"You work with {', '.join(skills)}; what you do not know yet you learn here. "
        f"{dice.choice(_SCHEDULES)}\n\n"
        f"{dice.choice(_CLOSING_SENTENCES)}"
    )


def draft_responsibilities(dice: random.Random, trade: Trade) -> tuple[str, ...]:
    """Return the tasks of an intern."""
    own = [task[0].upper() + task[1:] for task in trade.tasks]
    return (*dice.sample(own, len(own)), *dice.sample(_DUTIES, 2))


def draft_qualifications(dice: random.Random, trade: Trade, skills: Sequence[str]) -> tuple[str, ...]:
    """Return the qualifications of an intern."""
    majors = dice.sample(trade.majors, min(2, len(trade.majors)))
    return (
        f"You study {' or '.join(majors)}, or something close to it",
        f"You have used {skills[0]} in a course or for something of your own",
        *(f"Some {skill} helps" for skill in skills[1:3]),
        dice.choice(("Good English", "You like to explain things", "You finish what you begin")),
    )


def draft_questions(dice: random.Random) -> tuple[SeedQuestion, ...]:
    """Return up to three questions, in their order."""
    chosen = set(dice.sample(range(len(_QUESTIONS)), dice.choice((0, 1, 2, 2, 3))))
    return tuple(question for number, question in enumerate(_QUESTIONS) if number in chosen)


def draft_answer(dice: random.Random, question: SeedQuestion, trade: Trade) -> str:
    """Return an applicant's answer."""
    if question.kind == "YES_NO":
        return "yes"
    if question.choices:
        return dice.choice(question.choices)
    return f"I want to {dice.choice(trade.tasks)}, and I learn best by doing."
