"""Submitting an application: the listing's conditions, and the data that is frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chassis.errors import Violation, domain_error, invalid_argument, not_found, permission_denied
from chassis.text import is_blank
from services.application.domain.model import (
    Applicant,
    Application,
    ApplicationActorKind,
    ApplicationPolicy,
    ApplicationState,
    HistoryEntry,
    QuestionAnswer,
)
from services.application.domain.moves import due_time

UNPUBLISHED_STATES = frozenset({"DRAFT", "PENDING_REVIEW", "CHANGES_REQUESTED"})


class IntakeQuestionKind(StrEnum):
    """The kind of answer that a question takes."""

    TEXT = "TEXT"
    YES_NO = "YES_NO"
    SINGLE_CHOICE = "SINGLE_CHOICE"
    MULTIPLE_CHOICE = "MULTIPLE_CHOICE"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeQuestion:
    """A listing's question to its applicants."""

    id: str
    kind: IntakeQuestionKind
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingIntake:
    """The fields of a listing that a submission needs."""

    id: str
    version: int
    title: str
    company_id: str
    company_name: str
    state: str
    takes_applications: bool
    apply_open_time: datetime | None = None
    apply_deadline: datetime | None = None
    questions: tuple[IntakeQuestion, ...] = ()
    respond_within: timedelta | None = None
    blind_review: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentSnapshot:
    """The student as the user service knows them now.

    `blind_texts` are the texts of which the blind view was asked for, in their order.
    """

    id: str
    applicant: Applicant
    blocked_company_ids: frozenset[str] = frozenset()
    blind_texts: tuple[str, ...] = ()


def submit_application(
    application_id: str,
    listing: ListingIntake,
    student: StudentSnapshot,
    now: datetime,
    policy: ApplicationPolicy,
    *,
    answers: Sequence[QuestionAnswer] = (),
    cover_letter: str = "",
    operation_id: str = "",
) -> Application:
    """Return the student's application, with profile, answers and the listing's version frozen.

    Raises INTERNSHIP_NOT_FOUND, INTERNSHIP_NOT_OPEN, PERMISSION_DENIED for a company that the student
    has blocked, ANSWERS_INCOMPLETE with a violation for each answer that is wrong or missing.
    """
    _check_open(listing, now)
    if listing.company_id in student.blocked_company_ids:
        raise permission_denied("You have blocked this company; unblock it in your profile to apply.")
    given = check_answers(listing.questions, answers)
    respond_within = listing.respond_within or policy.response_time
    submitted = Application(
        id=application_id,
        student_id=student.id,
        internship_id=listing.id,
        internship_title=listing.title,
        internship_version=listing.version,
        company_id=listing.company_id,
        company_name=listing.company_name,
        applicant=student.applicant,
        answers=given,
        cover_letter=cover_letter,
        blind_review=listing.blind_review,
        state=ApplicationState.SUBMITTED,
        history=(_submission_entry(student.id, now, operation_id),),
        submit_time=now,
        update_time=now,
        respond_by=now + respond_within,
        respond_within=respond_within,
    )
    return replace(submitted, due_time=due_time(submitted, policy))


def texts_of(application: Application) -> list[str]:
    """Return what the student has written: the covering letter, then the texts of the answers."""
    return [application.cover_letter, *(answer.text for answer in application.answers)]


def with_blind_view(application: Application, student: StudentSnapshot) -> Application:
    """Return the application with what a company that reviews blind sees of the student and `texts_of` it."""
    letter, *texts = student.blind_texts
    answers = zip(application.answers, texts, strict=True)
    return replace(
        application,
        applicant=student.applicant,
        blind_cover_letter=letter,
        blind_answers=tuple(replace(answer, text=text) for answer, text in answers),
    )


def _submission_entry(student_id: str, now: datetime, operation_id: str) -> HistoryEntry:
    return HistoryEntry(
        time=now,
        actor=ApplicationActorKind.STUDENT,
        actor_id=student_id,
        source=ApplicationState.DRAFT,
        target=ApplicationState.SUBMITTED,
        seen_time=now,
        operation_id=operation_id,
    )


def _check_open(listing: ListingIntake, now: datetime) -> None:
    if listing.state in UNPUBLISHED_STATES:
        raise not_found("INTERNSHIP_NOT_FOUND", "internship", listing.id)
    too_early = listing.apply_open_time is not None and now < listing.apply_open_time
    too_late = listing.apply_deadline is not None and now >= listing.apply_deadline
    if too_late:
        raise domain_error("INTERNSHIP_NOT_OPEN", "The deadline for applications has passed.")
    if too_early:
        raise domain_error(
            "INTERNSHIP_NOT_OPEN", f"Applications open at {listing.apply_open_time:%Y-%m-%dT%H:%MZ}."
        )
    if not listing.takes_applications:
        raise domain_error("INTERNSHIP_NOT_OPEN", "The internship does not take applications now.")


def check_answers(
    questions: Sequence[IntakeQuestion], answers: Sequence[QuestionAnswer]
) -> tuple[QuestionAnswer, ...]:
    """Return the non-empty answers, in the order given.

    Raises ANSWERS_INCOMPLETE: a wrong answer is named `answers[i]`, an unanswered question by its words.
    """
    asked = {question.id: question for question in questions}
    answers = [_normalised_answer(asked.get(answer.question_id), answer) for answer in answers]
    violations = [*_answer_violations(asked, answers), *_unanswered_violations(questions, answers)]
    if violations:
        raise invalid_argument(*violations, reason="ANSWERS_INCOMPLETE")
    return tuple(answer for answer in answers if _is_filled_in(answer))


def _normalised_answer(question: IntakeQuestion | None, answer: QuestionAnswer) -> QuestionAnswer:
    """Return the answer in canonical spelling: `Yes` becomes `yes`."""
    if question is None or question.kind is not IntakeQuestionKind.YES_NO:
        return answer
    return replace(answer, text=answer.text.strip().casefold())


def _answer_violations(
    asked: Mapping[str, IntakeQuestion], answers: Sequence[QuestionAnswer]
) -> list[Violation]:
    violations = []
    answered: set[str] = set()
    for i, answer in enumerate(answers):
        field = f"answers[{i}]"
        question = asked.get(answer.question_id)
        if question is None:
            violations.append(
                Violation(f"{field}.questionId", f"the listing has no question {answer.question_id!r}")
            )
        elif answer.question_id in answered:
            violations.append(Violation(f"{field}.questionId", f"question {question.id!r} is answered twice"))
        elif _is_filled_in(answer):
            violations.extend(_choice_violations(field, question, answer))
        answered.add(answer.question_id)
    return violations


def _choice_violations(field: str, question: IntakeQuestion, answer: QuestionAnswer) -> list[Violation]:
    """Return the violations of an answer of the wrong kind, or outside of the question's choices."""
    if question.kind in (IntakeQuestionKind.TEXT, IntakeQuestionKind.YES_NO):
        return _text_violations(field, question, answer)
    if answer.text:
        return [Violation(f"{field}.text", f"question {question.id!r} takes choices, not a text")]
    unknown = [choice for choice in answer.choices if choice not in question.choices]
    if unknown:
        wanted = ", ".join(map(repr, question.choices))
        return [
            Violation(
                f"{field}.choices", f"{unknown[0]!r} is not a choice of {question.id!r}; choose from {wanted}"
            )
        ]
    if len(set(answer.choices)) < len(answer.choices):
        return [Violation(f"{field}.choices", f"question {question.id!r} has the same choice twice")]
    if question.kind is IntakeQuestionKind.SINGLE_CHOICE and len(answer.choices) > 1:
        return [Violation(f"{field}.choices", f"question {question.id!r} takes one choice")]
    return []


def _text_violations(field: str, question: IntakeQuestion, answer: QuestionAnswer) -> list[Violation]:
    if answer.choices:
        return [Violation(f"{field}.choices", f"question {question.id!r} takes a text, not choices")]
    if question.kind is IntakeQuestionKind.YES_NO and answer.text not in ("yes", "no"):
        return [Violation(f"{field}.text", f"question {question.id!r} takes `yes` or `no`")]
    return []


def _unanswered_violations(
    questions: Sequence[IntakeQuestion], answers: Sequence[QuestionAnswer]
) -> list[Violation]:
    answered = {answer.question_id for answer in answers if _is_filled_in(answer)}
    return [
        Violation("answers", f"question {question.id!r} must be answered")
        for question in questions
        if question.required and question.id not in answered
    ]


def _is_filled_in(answer: QuestionAnswer) -> bool:
    return bool(answer.choices) or not is_blank(answer.text)
