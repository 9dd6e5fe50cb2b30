"""A student's documents over HTTP: uploaded and downloaded by links, as curl does it."""

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import httpx
import pytest
from google.api.httpbody_pb2 import HttpBody
from typer.testing import CliRunner

from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from internshipconnect.user.v1 import documents_pb2 as pb
from internshipconnect.user.v1.documents_pb2_grpc import DocumentServiceStub
from ops.cli import app
from tests.stack import StackHandle
from tests.unit.user.files import EICAR, docx, pdf
from tests.waiting import WAIT_TIMEOUT_S

NewPerson = Callable[..., ApiUser]
MEGABYTE = 1024 * 1024


def begin(student: ApiUser, name: str = "Resume 2027.pdf") -> Json:
    return student.post("/api/v1/documents", kind="DOCUMENT_KIND_RESUME", name=name)


def put(stack: StackHandle, student: ApiUser, url: str, content: Any, **headers: str) -> httpx.Response:
    """Send a file as a student does who sends the access token as well."""
    signed_in = {"authorization": f"Bearer {student.access_token}", **headers}
    return httpx.put(url, content=content, headers=signed_in, timeout=30, verify=stack.trust)


def reason_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"][0]["reason"]


def await_state(student: ApiUser, document_id: str, state: str) -> Json:
    def found() -> Json | None:
        document = student.get(f"/api/v1/documents/{document_id}")
        return document if document["state"] == f"DOCUMENT_STATE_{state}" else None

    return wait_for_result(found, f"the document to be {state}")


def uploaded(stack: StackHandle, student: ApiUser, content: bytes) -> Json:
    begun = begin(student)
    answer = put(stack, student, begun["uploadUrl"], content)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_document_goes_up_and_down_by_curl(
    stack: StackHandle, new_person: NewPerson, tmp_path: Path
) -> None:
    student, content = new_person(), pdf(b"x" * 9 * MEGABYTE)
    (tmp_path / "resume.pdf").write_bytes(content)
    begun = begin(student)
    assert begun["document"]["state"] == "DOCUMENT_STATE_UPLOADING"
    curl = ["curl", "--silent", "--show-error", "--fail", "--insecure"]
    up = [*curl, "--upload-file", "resume.pdf", "--header", "content-type: application/pdf"]
    subprocess.run([*up, begun["uploadUrl"]], cwd=tmp_path, check=True, stdout=subprocess.PIPE)
    document = await_state(student, begun["document"]["id"], "READY")
    assert document["versions"][0]["mediaType"] == "application/pdf"
    assert document["versions"][0]["sizeBytes"] == len(content)

    link = student.get(f"/api/v1/documents/{document['id']}:downloadUrl")
    down = [*curl, "--remote-name", "--remote-header-name", "--dump-header", "headers", link["url"]]
    subprocess.run(down, cwd=tmp_path, check=True)
    assert (tmp_path / "Resume 2027.pdf").read_bytes() == content
    headers = (tmp_path / "headers").read_text().lower()
    assert "content-type: application/pdf" in headers
    assert "content-disposition: attachment" in headers
    assert "x-content-type-options: nosniff" in headers
    assert "sandbox" in headers and "default-src 'none'" in headers
    assert "cache-control: private" in headers


def test_a_content_is_refused_for_its_size_type_and_address(
    stack: StackHandle, new_person: NewPerson
) -> None:
    student = new_person()
    url = begin(student)["uploadUrl"]
    assert reason_of(put(stack, student, url, b"MZ\x90\x00", **{"content-type": "application/pdf"})) == (
        400,
        "UNSUPPORTED_FILE",
    )
    assert reason_of(put(stack, student, url[:-4] + "AAAA", pdf())) == (403, "LINK_INVALID")
    assert reason_of(httpx.get(url, verify=stack.trust)) == (403, "LINK_INVALID")
    too_large = put(stack, student, url, (b"x" * MEGABYTE for _ in range(12)))
    assert reason_of(too_large) == (413, "PAYLOAD_TOO_LARGE")
    assert student.get("/api/v1/documents")["data"][0]["state"] == "DOCUMENT_STATE_UPLOADING"


def test_a_content_that_is_too_large_by_its_own_word_is_refused_before_it_is_sent(
    stack: StackHandle, new_person: NewPerson
) -> None:
    url = urlsplit(begin(new_person())["uploadUrl"])
    if url.scheme == "https":
        pytest.skip("the socket of this test speaks no TLS")
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=20) as line:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nhost: x\r\ncontent-length: {11 * MEGABYTE}\r\n\r\n"
        line.sendall(head.encode() + b"%PDF-")
        assert line.recv(64).startswith(b"HTTP/1.1 413")


def test_an_upload_that_is_killed_half_way_leaves_nothing(stack: StackHandle, new_person: NewPerson) -> None:
    student = new_person()
    begun = begin(student)
    url = urlsplit(begun["uploadUrl"])
    if url.scheme == "https":
        pytest.skip("the socket of this test speaks no TLS")
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=20) as line:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nhost: x\r\ncontent-length: {5 * MEGABYTE}\r\n\r\n"
        line.sendall(head.encode() + pdf()[:-6] + b"x" * 2 * MEGABYTE)
        time.sleep(0.5)
    folder = stack.topology.blobs_folder / "documents"
    assert not [path for path in folder.rglob("*") if begun["document"]["id"] in str(path)]
    [document] = student.get("/api/v1/documents")["data"]
    assert document["state"] == "DOCUMENT_STATE_UPLOADING"
    assert put(stack, student, begun["uploadUrl"], pdf()).status_code == 200
    await_state(student, document["id"], "READY")


def test_uploads_count_in_a_class_of_their_own_for_the_account_that_is_signed_in(
    stack: StackHandle, new_person: NewPerson
) -> None:
    student = new_person()
    url = begin(student)["uploadUrl"]
    for _ in range(5):
        first, second = (put(stack, student, url, pdf()).headers for _ in range(2))
        if "x-ratelimit-limit" in first and "x-ratelimit-limit" in second:
            break  # A limiter that is too slow to answer counts nothing, and announces nothing.
    assert int(first["x-ratelimit-limit"]) == 5 * stack.topology.limits_times
    assert int(first["x-ratelimit-remaining"]) - int(second["x-ratelimit-remaining"]) == 1
    assert '"UPLOAD"' in first["ratelimit-policy"]


def test_a_document_of_somebody_else_is_out_of_reach(stack: StackHandle, new_person: NewPerson) -> None:
    student, other = new_person(), new_person()
    document = uploaded(stack, student, docx())
    await_state(student, document["id"], "READY")
    path = f"/api/v1/documents/{document['id']}"
    for method, where in (("GET", path), ("GET", f"{path}:downloadUrl"), ("DELETE", path)):
        with pytest.raises(ApiError) as refused:
            other.call(method, where)
        assert (refused.value.status, refused.value.reason) == (404, "DOCUMENT_NOT_FOUND")


def test_a_harmful_document_is_kept_from_everybody_and_a_better_version_takes_its_place(
    stack: StackHandle, new_person: NewPerson
) -> None:
    student = new_person()
    document = uploaded(stack, student, pdf(EICAR))
    found = await_state(student, document["id"], "QUARANTINED")
    assert found["versions"][0]["quarantineReason"] == "QUARANTINE_REASON_MALWARE"
    path = f"/api/v1/documents/{document['id']}"
    with pytest.raises(ApiError) as refused:
        student.get(f"{path}:downloadUrl")
    assert (refused.value.status, refused.value.reason) == (400, "DOCUMENT_NOT_READY")

    begun = student.post(f"{path}/versions")
    assert put(stack, student, begun["uploadUrl"], docx()).status_code == 200
    await_state(student, document["id"], "READY")
    changed = student.patch(path, name="Better.docx")
    link = student.get(f"{path}:downloadUrl")
    answer = httpx.get(link["url"], verify=stack.trust)
    assert (answer.content, link["version"]) == (docx(), 2)
    assert "Better.docx" in answer.headers["content-disposition"]
    assert changed["isDefault"]


def test_an_operator_finds_and_mends_what_was_lost(stack: StackHandle, new_person: NewPerson) -> None:
    student = new_person()
    document = uploaded(stack, student, docx())
    await_state(student, document["id"], "READY")
    folder = stack.topology.blobs_folder / "documents"
    [file] = [path for path in folder.rglob("*") if path.is_file() and document["id"] in str(path)]
    uploaded(stack, student, docx())
    file.unlink()

    command = ["documents", "verify", "--stack", stack.topology.name]
    for arguments in (command, [*command, "--write"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert "records" in result.output
    found = await_state(student, document["id"], "QUARANTINED")
    assert found["versions"][0]["quarantineReason"] == "QUARANTINE_REASON_CONTENT_LOST"


def test_a_deleted_document_is_gone_with_its_file(stack: StackHandle, new_person: NewPerson) -> None:
    student = new_person()
    document = uploaded(stack, student, docx())
    await_state(student, document["id"], "READY")
    student.call("DELETE", f"/api/v1/documents/{document['id']}")
    assert student.get("/api/v1/documents")["data"] == []
    folder = stack.topology.blobs_folder / "documents"
    wait_for_result(
        lambda: None if [path for path in folder.rglob("*") if document["id"] in str(path)] else True,
        "the file to be deleted",
    )


def test_a_document_goes_up_over_grpc_as_well(stack: StackHandle, new_person: NewPerson) -> None:
    student, content = new_person(), pdf(b"x" * 8 * MEGABYTE)
    begun = begin(student)
    ticket = parse_qs(urlsplit(begun["uploadUrl"]).query)["ticket"][0]
    request = pb.UploadDocumentRequest(
        document_id=begun["document"]["id"], ticket=ticket, content=HttpBody(data=content)
    )
    with grpc.insecure_channel(f"127.0.0.1:{stack.topology.gateway}") as channel:
        document = DocumentServiceStub(channel).UploadDocument(request, timeout=WAIT_TIMEOUT_S)
    assert document.versions[0].size_bytes == len(content)
    await_state(student, document.id, "READY")
