"""What `ic moderate` shows can be taken into its other commands."""

import io

from rich.console import Console

from internshipconnect.internship.v1 import internship_pb2 as pb
from ops.commands.moderate import _cases_table

LISTING = "int_01M8J8B6Z3RQ8QBHPRBR1DKSV9"


def test_the_id_of_a_listing_stays_in_one_piece_on_a_narrow_screen() -> None:
    case = pb.ModerationCase()
    case.internship.id = LISTING
    case.internship.company.name = "Weiß & Söhne, Gesellschaft mit beschränkter Haftung"
    case.internship.title = "Working student for data, statistics and machine learning"
    screen = io.StringIO()

    Console(file=screen, width=80).print(_cases_table(pb.ListModerationCasesResponse(cases=[case])))

    assert LISTING in screen.getvalue()
