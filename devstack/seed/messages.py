"""What seeded people and listings look like as messages of the services."""

import random
from datetime import datetime, timedelta

from devstack.seed.places import SeedCity
from devstack.seed.population import SeedApplication, SeedCompany, SeedListing, SeedStudent
from devstack.seed.wording import SeedQuestion, draft_answer
from internshipconnect.application.v1 import application_pb2 as apply
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as listing
from internshipconnect.user.v1 import user_pb2 as user


def posting_message(each: SeedListing, now: datetime) -> listing.Internship:
    """Return the listing's text; its dates follow `now`."""
    posting = listing.Internship(
        title=each.title,
        description=each.description,
        locations=[location_message(each.city)],
        work_mode=common.WorkMode.Value(f"WORK_MODE_{each.work_mode}"),
        employment=listing.EMPLOYMENT_FULL_TIME
        if each.hours_per_week >= 35
        else listing.EMPLOYMENT_PART_TIME,
        compensation=compensation_message(each),
        skills=[
            listing.SkillNeed(name=name, required=number == 0) for number, name in enumerate(each.skills)
        ],
        field=each.trade.field,
        duration_weeks=each.duration_weeks,
        hours_per_week=each.hours_per_week,
        openings=each.openings,
        responsibilities=each.responsibilities,
        qualifications=each.qualifications,
        questions=[question_message(question) for question in each.questions],
        documents_required=each.documents,
        eligibility=listing.Eligibility(school_years=each.school_years, majors=each.trade.majors),
        respond_within_days=each.respond_within_days,
    )
    starts = (now + timedelta(days=each.days_until_start)).date()
    setattr(posting.start_window, "from", starts.isoformat())
    posting.start_window.to = (starts + timedelta(days=45)).isoformat()
    posting.apply_deadline.FromDatetime(now + timedelta(days=each.days_until_deadline))
    return posting


def location_message(city: SeedCity) -> common.Location:
    """Return the city as a place."""
    return common.Location(city=city.name, country=city.country, lat=city.lat, lng=city.lng)


def company_message(company: SeedCompany) -> user.Company:
    """Return what the company's page says."""
    page = user.Company(about=company.about, url=company.url, size=user.COMPANY_SIZE_51_TO_200)
    page.locations.append(location_message(company.city))
    return page


def profile_message(student: SeedStudent) -> user.Me:
    """Return what the student's profile says."""
    profile = user.StudentProfile(
        headline=student.headline,
        location=location_message(student.city),
        skills=[common.Skill(name=name, level=common.SKILL_LEVEL_INTERMEDIATE) for name in student.skills],
        education=[user.Education(institution=student.school, area=student.trade.majors[0], start="2025-10")],
        visibility=user.VISIBILITY_RECRUITERS if student.searchable else user.VISIBILITY_WHEN_I_APPLY,
    )
    return user.Me(student=profile)


def question_message(question: SeedQuestion) -> listing.Question:
    """Return a question of a listing."""
    return listing.Question(
        id=question.id,
        kind=listing.QuestionKind.Value(f"QUESTION_KIND_{question.kind}"),
        text=question.text,
        required=question.required,
        choices=question.choices,
    )


def answer_message(question: SeedQuestion, text: str) -> apply.Answer:
    """Return an applicant's answer to a question."""
    if question.choices:
        return apply.Answer(question_id=question.id, choices=[text])
    return apply.Answer(question_id=question.id, text=text)


def application_message(each: SeedApplication, listing_of_it: SeedListing) -> apply.SubmitApplicationRequest:
    """Return what the student writes, without the listing's ID; the same on each run."""
    dice = random.Random(f"{each.listing}:{each.student}")  # noqa: S311 - reproducible on purpose
    trade = listing_of_it.trade
    return apply.SubmitApplicationRequest(
        cover_letter=f"I would like to learn from you how to {dice.choice(trade.tasks)}.",
        answers=[
            answer_message(question, draft_answer(dice, question, trade))
            for question in listing_of_it.questions
        ],
    )


def compensation_message(each: SeedListing) -> listing.Compensation:
    """Return what the listing pays by the month."""
    if not each.paid:
        return listing.Compensation(paid=False, unpaid_basis="Counts as a mandatory internship")
    return listing.Compensation(
        paid=True,
        min_minor=each.monthly_pay_minor,
        max_minor=each.monthly_pay_minor * 6 // 5,
        currency=each.currency,
        unit=listing.PAY_UNIT_MONTH,
    )
