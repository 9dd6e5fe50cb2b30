"""A short journey with the client that openapi-python-client makes of the document."""

import json
import os
import re
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

from generated_client import AuthenticatedClient, Client
from generated_client.api.application import accept_offer, get_application, submit_application
from generated_client.api.auth import login, register, verify_email
from generated_client.api.internship import get_internship, list_internships
from generated_client.models import (
    AcceptOfferBody,
    AnswerInput,
    Error,
    LoginBody,
    RegisterBody,
    RegisterBodyKind,
    SubmitApplicationBody,
    VerifyEmailBody,
)

GATEWAY, MAILBOX, EMAIL, PASSWORD, INTERNSHIP, MARKER, FIELD = (
    os.environ[name] for name in ("GATEWAY", "MAILBOX", "EMAIL", "PASSWORD", "INTERNSHIP", "MARKER", "FIELD")
)


def eventually(look: Callable[[], Any], what: str) -> Any:
    pause_s = 0.05
    while pause_s < 10:
        found = look()
        if found:
            return found
        time.sleep(pause_s)
        pause_s *= 1.5
    raise TimeoutError(what)


def mailed_code() -> str | None:
    query = urllib.parse.urlencode({"to": EMAIL})
    mails = json.load(urllib.request.urlopen(f"{MAILBOX}/mails?{query}", timeout=10))["mails"]
    for mail in mails:
        text = json.load(urllib.request.urlopen(f"{MAILBOX}/mails/{mail['id']}", timeout=10))["text"]
        if found := re.search(r"\b(\d{8})\b", text):
            return found.group(1)
    return None


def main() -> None:
    visitor = Client(base_url=GATEWAY)
    kind = RegisterBodyKind.ACCOUNT_KIND_STUDENT
    register.sync(
        client=visitor, body=RegisterBody(email=EMAIL, password=PASSWORD, kind=kind, name="Pia Type")
    )
    code = eventually(mailed_code, "the code")
    assert verify_email.sync(client=visitor, body=VerifyEmailBody(email=EMAIL, code=code)).data
    session = login.sync(client=visitor, body=LoginBody(email=EMAIL, password=PASSWORD)).data
    student = AuthenticatedClient(base_url=GATEWAY, token=session.tokens.access_token)

    def hit() -> Any:
        found = list_internships.sync(client=student, q=MARKER, field=FIELD, skills=["Python", "MongoDB"])
        return next((each for each in found.data if each.id == INTERNSHIP), None)

    listing = get_internship.sync(eventually(hit, "the listing").id, client=student)

    def applied() -> Any:
        answers = [AnswerInput(question_id="start", text="In June")]
        body = SubmitApplicationBody(internship_id=listing.id, answers=answers)
        found = submit_application.sync(client=student, body=body, idempotency_key=str(uuid.uuid4()))
        return None if isinstance(found, Error) else found

    application = get_application.sync(eventually(applied, "the application").id, client=student)
    wrong = list_internships.sync(client=student, page_size=99)
    again = accept_offer.sync(application.id, client=student, body=AcceptOfferBody())
    violations = [one for each in wrong.details for one in each.field_violations or []]
    print(  # noqa: T201 - the test reads it
        json.dumps(
            {
                "title": listing.title,
                "status": application.status,
                "reason": wrong.details[0].reason,
                "violation": [violations[0].field, violations[0].description],
                "moves": [move.to_dict() for each in again.details for move in each.moves or []],
            }
        )
    )


main()
