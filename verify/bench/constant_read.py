"""One public read with a constant answer: what servers without a store answer, and their callers ask."""

from typing import Final

from internshipconnect.internship.v1 import internship_pb2

INTERNSHIP_SERVICE: Final = "/internshipconnect.internship.v1.InternshipService"
GET_METHOD: Final = f"{INTERNSHIP_SERVICE}/GetInternship"
INTERNSHIP_ID: Final = "int_01JD0000000000000000000000"
GET_REQUEST: Final = internship_pb2.GetInternshipRequest(internship_id=INTERNSHIP_ID).SerializeToString()
GET_RESPONSE: Final = internship_pb2.Internship(id=INTERNSHIP_ID, description="d" * 460).SerializeToString()
"""About as long as the echo's answer."""
