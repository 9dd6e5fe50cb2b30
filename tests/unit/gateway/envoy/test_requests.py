"""What the edge lets pass of a request is what its contract takes, in one place and one spelling."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any, Final, cast

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import Parse

from chassis.contracts import HttpBinding, RpcSpec, imported_contracts
from gateway.api_surface import edge_rpcs
from tests.unit.gateway.envoy.lua_script import BodyFields, EdgeScript, ScriptRefusal

SCRIPT: Final = EdgeScript(imported_contracts())
BINDINGS: Final = [(rpc, binding) for rpc in edge_rpcs() for binding in rpc.http]
every_binding: Final = pytest.mark.parametrize(
    ("rpc", "binding"), BINDINGS, ids=[f"{binding.method} {binding.path}" for _, binding in BINDINGS]
)
WITH_BODY: Final = [(rpc, binding) for rpc, binding in BINDINGS if binding.body and not rpc.http_body_field]
every_body: Final = pytest.mark.parametrize(
    ("rpc", "binding"), WITH_BODY, ids=[f"{binding.method} {binding.path}" for _, binding in WITH_BODY]
)
LISTING: Final = "/api/v1/internships/int_1"
CREATE: Final = ("POST", "/api/v1/internships")


def concrete(binding: HttpBinding) -> str:
    return re.sub(r"\{[^}]*\}", "some-id", binding.path)


def body_type(rpc: RpcSpec, binding: HttpBinding) -> Descriptor:
    request: Any = rpc.request_type.DESCRIPTOR
    found: Descriptor = request if binding.body == "*" else request.fields_by_name[binding.body].message_type
    return found


def is_own(field: FieldDescriptor) -> bool:
    """Return whether a field holds a message of our own contracts."""
    return field.message_type is not None and field.message_type.file.package.startswith("internshipconnect")


def places(kind: Descriptor, *above: Descriptor) -> Iterator[tuple[str, Any]]:
    """Yield every object of a body by its path, with a function that wraps its content into the body."""
    yield "", lambda content: content
    for field in kind.fields:
        if is_own(field) and field.message_type not in above:
            name = field.json_name
            step = f"{name}[0]" if field.is_repeated else name
            for path, wrapped in places(cast(Descriptor, field.message_type), *above, kind):
                yield f"{step}.{path}".rstrip("."), _wrapper(name, wrapped, in_list=field.is_repeated)


def _wrapper(name: str, wrapped: Any, *, in_list: bool) -> Any:
    return lambda content: {name: [wrapped(content)] if in_list else wrapped(content)}


def refusal_of(answer: ScriptRefusal | BodyFields | None) -> ScriptRefusal:
    assert isinstance(answer, ScriptRefusal), answer
    return answer


@every_binding
def test_every_path_of_the_contracts_takes_its_method_and_no_path_with_a_slash_more(
    rpc: RpcSpec, binding: HttpBinding
) -> None:
    path = concrete(binding)
    allowed = SCRIPT.methods(path)
    assert allowed is not None
    assert binding.method in allowed.split(", ")
    reads = [one for one, other in BINDINGS if other.method == "GET" and concrete(other) == path]
    assert ("HEAD" in allowed.split(", ")) == any(not one.server_streaming for one in reads)
    for other in (f"{path}/", f"/{path}", path.replace("/", "//"), f"{path}//", path.upper()):
        assert SCRIPT.methods(other) is None, other


@every_body
def test_what_belongs_in_the_body_is_refused_in_the_query(rpc: RpcSpec, binding: HttpBinding) -> None:
    in_path = set(re.findall(r"\{([^}]*)\}", binding.path))
    for field in body_type(rpc, binding).fields:
        if is_own(field) or field.name in in_path:
            continue
        for name in {field.json_name, field.name, field.json_name.replace("a", "%61")}:
            refused = refusal_of(SCRIPT.query(binding.method, concrete(binding), f"{name}=x"))
            [violation] = refused.violations.values()
            if field.name != "etag":
                assert "body" in violation, refused
            assert refused.reason == "INVALID_FIELD"


@every_binding
def test_a_variable_of_the_path_has_no_other_source(rpc: RpcSpec, binding: HttpBinding) -> None:
    request: Any = rpc.request_type.DESCRIPTOR
    for name in re.findall(r"\{([^}]*)\}", binding.path):
        json_name = request.fields_by_name[name].json_name
        for spelling in {name, json_name}:
            refused = refusal_of(SCRIPT.query(binding.method, concrete(binding), f"{spelling}=other"))
            assert (refused.reason, "path" in refused.violations[spelling]) == ("INVALID_FIELD", True)
            if binding.body == "*":
                body = json.dumps({spelling: "other"})
                refused = refusal_of(SCRIPT.body(binding.method, concrete(binding), body))
                assert "path" in refused.violations[spelling]
                same = json.dumps({spelling: "some-id"})
                assert isinstance(SCRIPT.body(binding.method, concrete(binding), same), BodyFields)


@every_binding
def test_a_parameter_that_the_call_does_not_have_is_named(rpc: RpcSpec, binding: HttpBinding) -> None:
    refused = refusal_of(SCRIPT.query(binding.method, concrete(binding), "utm_source=a"))
    assert (refused.reason, list(refused.violations)) == ("UNKNOWN_PARAMETER", ["utm_source"])


@every_body
def test_an_unknown_field_is_named_at_every_depth_of_every_body(rpc: RpcSpec, binding: HttpBinding) -> None:
    for place, wrapped in places(body_type(rpc, binding)):
        body = json.dumps(wrapped({"colour": {"deep": [1]}}))
        refused = refusal_of(SCRIPT.body(binding.method, concrete(binding), body))
        assert refused.reason == "INVALID_FIELD"
        assert list(refused.violations) == [f"{place}.colour".lstrip(".")]


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("pageSize=1&pageSize=2", "pageSize", "twice"),
        ("pageSize=1&page_size=2", "page_size", "twice"),
        ("pagesize=1", "pagesize", "did you mean `pageSize`?"),
        ("a" * 4_000 + "=1", "a" * 80 + "...", "allowed: city, companyId"),
        ("q.x=1", "q.x", "no such parameter"),
        ("postedSince.seconds=1", "postedSince.seconds", "no such parameter"),
        ("withFacets=yes", "withFacets", "must be true or false, not yes"),
        ("with_facets=1", "with_facets", "must be true or false, not 1"),
        ("literal=%6Eo", "literal", "must be true or false, not no"),
    ],
)
def test_a_wrong_parameter_is_refused_with_a_remedy(query: str, field: str, says: str) -> None:
    refused = refusal_of(SCRIPT.query("GET", "/api/v1/internships", query))
    assert list(refused.violations) == [field]
    assert says in refused.violations[field]


def test_right_parameters_pass_in_both_spellings_and_lists_may_repeat() -> None:
    for query in ("q=a+b&pageSize=2&skills=a&skills=b", "page_size=2&min_hourly_pay_minor=3", "&&q", "=x"):
        assert SCRIPT.query("GET", "/api/v1/internships", query) is None
    for value in ("true", "false", "True", "FALSE", ""):
        assert SCRIPT.query("GET", "/api/v1/internships", f"withFacets={value}") is None
    assert SCRIPT.query("PATCH", LISTING, "updateMask=title,compensation.currency") is None


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"questions": [{}, {"choises": []}]}, "questions[1].choises", "did you mean `choices`?"),
        ({"applyDeadline": {"seconds": 1}}, "applyDeadline", "one value"),
        ({"title": {"a": 1}}, "title", "one value"),
        ({"title": ["a"]}, "title", "not a list"),
        ({"compensation": [{"paid": True}]}, "compensation", "not a list"),
        ({"skills": {"name": "a"}}, "skills", "list is wanted"),
        ({"responsibilities": "a"}, "responsibilities", "list is wanted"),
        ({"responsibilities": ["a", None]}, "responsibilities[1]", "must not be null"),
        ({"locations": [None]}, "locations[0]", "must not be null"),
        ({"compensation": {"maxMinor": 1, "max_minor": 2}}, "compensation.max_minor", "twice"),
        ({"__proto__": {"admin": True}}, "__proto__", "no such field"),
        ({"": 1}, "", "no such field"),
        ({"compensation": {"paid": "yes"}}, "compensation.paid", 'must be true or false, not "yes"'),
        ({"questions": [{"required": "1"}]}, "questions[0].required", 'must be true or false, not "1"'),
        ({"questions": [{"required": 0}]}, "questions[0].required", "must be true or false, not 0"),
    ],
)
def test_a_wrong_field_is_refused_with_a_remedy(body: Any, field: str, says: str) -> None:
    refused = refusal_of(SCRIPT.body(*CREATE, json.dumps(body)))
    assert refused.reason == "INVALID_FIELD"
    assert says in refused.violations[field]


@pytest.mark.parametrize("value", ["true", "false", '"true"', '"FALSE"', r'"tr\u0075e"', "null"])
def test_true_and_false_pass_with_and_without_quotes(value: str) -> None:
    assert isinstance(SCRIPT.body(*CREATE, f'{{"compensation": {{"paid": {value}}}}}'), BodyFields)


@pytest.mark.parametrize(
    "body",
    ['{"title":"a","title":"b"}', r'{"title":"a","\u0074itle":"b"}', r'{"t\u0069tle":"a","title":"b"}'],
)
def test_a_field_that_is_given_twice_is_refused_however_it_is_escaped(body: str) -> None:
    assert "twice" in refusal_of(SCRIPT.body(*CREATE, body)).violations["title"]


@pytest.mark.parametrize(
    "body",
    [
        "", " ", "null", "[]", "3", '"x"', "{", "}", '{"skills":[', "// {}",
        '{"title"}', '{"title":}', '{"title":"a",}', "{'title':'a'}",
        "{title:1}", '{"title":"a"} x', '{"title":"a"}{}', '{"title":a}', '{"title":+1}', '{"title":1.2.3}',
        '{"title":"a}', '{"title":tru}', '{"title":NaN}', '{"title":0x10}', '{,}', '{"title" "a"}',
        '{"skills":[1,]}', '{"skills":[1 2]}', "\ufeff{}",
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_malformed_and_says_where(body: str) -> None:
    body = body.encode().decode("latin-1")
    refused = refusal_of(SCRIPT.body(*CREATE, body))
    assert refused.reason == "MALFORMED_REQUEST"
    assert re.search(r"At character \d+: ", refused.message)


@pytest.mark.parametrize(
    ("body", "held"),
    [
        ("{}", ()),
        ('{"title":"","skills":[],"compensation":null}', ("title", "skills", "compensation")),
        ('{"compensation":{"paid":false,"currency":null}}', ("compensation.paid", "compensation.currency")),
        ('{"compensation":{}}', ()),
        (
            '{ "apply_deadline" : "2027-01-01T00:00:00Z" , "external_id":"x" }',
            ("applyDeadline", "externalId"),
        ),
        ('{"skills":[{"name":"a","required":true}],"locations":[{}]}', ("skills", "locations")),
        (r'{"title":"a\"b\\","field":"{\"x\":1}"}', ("title", "field")),
        ('{"openings":-1.5e+3,"hires":0}', ("openings", "hires")),
    ],
)
def test_a_body_holds_exactly_what_it_names_each_at_its_own_depth(body: str, held: tuple[str, ...]) -> None:
    assert SCRIPT.body("PATCH", LISTING, body) == BodyFields(held)


def _leaves(kind: Descriptor, json_path: str = "", path: str = "") -> Iterator[tuple[str, str]]:
    for field in kind.fields:
        here = f"{json_path}{field.json_name}", f"{path}{field.name}"
        yield here
        if is_own(field) and not field.is_repeated:
            yield from _leaves(cast(Descriptor, field.message_type), f"{here[0]}.", f"{here[1]}.")


def test_every_field_of_an_update_can_be_named_in_a_mask() -> None:
    updates = [rpc for rpc in edge_rpcs() if "update_mask" in rpc.request_type.DESCRIPTOR.fields_by_name]
    assert updates
    for rpc in updates:
        for json_path, path in _leaves(body_type(rpc, rpc.http[0])):
            assert list(Parse(json.dumps(json_path), FieldMask()).paths) == [path]


HOSTILE: Final = {
    "a list without end": "[" * 1_000_000,
    "objects without end": '{"a":' * 200_000,
    "a known field without end": '{"title":' + "[" * 1_000_000,
    "known objects without end": '{"compensation":' * 60_000,
    "escaped quotes": '{"title":"' + r"\"" * 500_000 + '"}',
    "backslashes": '{"title":"' + r"\\" * 500_000 + '"}',
    "backslashes without end": '{"title":"' + "\\" * 1_000_000,
    "blanks": "{" + " " * 1_000_000 + "}",
    "unknown fields": "{" + ",".join(f'"k{n}":1' for n in range(90_000)) + "}",
    "one unknown name": '{"' + "k" * 1_000_000 + '":1}',
    "an escaped name": '{"' + r"\u0061" * 170_000 + '":1}',
    "the same field": "{" + '"title":1,' * 90_000 + '"title":1}',
    "many items": '{"skills":[' + "1," * 500_000 + "1]}",
    "many objects": '{"skills":[' + "{}," * 300_000 + "{}]}",
    "many small objects": '{"skills":[' + '{"name":"a"},' * 80_000 + "{}]}",
    "many names of anything": '{"x":{' + ",".join(f'"k{n}":1' for n in range(90_000)) + "}}",
    "digits": '{"title":' + "1" * 1_000_000 + "}",
    "a text without end": '{"title":"' + "x" * 1_000_000,
    "commas": "{" + "," * 1_000_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_no_body_of_a_mebibyte_holds_a_worker_for_long(body: str) -> None:
    began = time.process_time()
    SCRIPT.body(*CREATE, body)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ('W/"1-2-3"', True),
        ('"1-2-3"', True),
        ('"a", W/"1-2-3" , "b"', True),
        ("*", True),
        (" * ", True),
        ('W/"1-2-34"', False),
        ('W/"1-2-3', False),
        ("1-2-3", False),
        ('"0-1-2-3"', False),
        ('"*"', False),
        ("", False),
        ('"a","b"', False),
    ],
)
def test_a_tag_is_compared_weakly_and_whole(wanted: str, names: bool) -> None:
    assert SCRIPT.matches_etag(wanted, 'W/"1-2-3"') == names


def test_a_request_whose_first_line_is_not_readable_is_not_taken_for_one_with_a_wrong_body() -> None:
    status, content_type, body = SCRIPT.local_reply(400, "Bad Request", None)
    answer = json.loads(body)
    assert (status, content_type, answer["details"][0]["reason"]) == (
        400,
        "application/json",
        "MALFORMED_REQUEST",
    )
    assert "one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT in upper case" in answer["message"]
    assert "JSON" not in answer["message"]


def test_what_the_transcoder_says_of_a_body_stays_about_the_body() -> None:
    _, _, body = SCRIPT.local_reply(400, "Unexpected token.\n{", "/api/v1/auth/login")
    assert json.loads(body)["message"] == (
        "The body is not the JSON that this call takes; see the API page for its fields. "
        "Reading it as JSON failed: Unexpected token."
    )


UPLOAD: Final = ("PUT", "/api/v1/documents/doc_1/content?ticket=abc")
MAX_UPLOAD_BYTES: Final = next(rpc.max_request_bytes for rpc in edge_rpcs() if rpc.name == "UploadDocument")


@pytest.mark.parametrize("body", ["%PDF-1.7", "{not JSON", '{"colour": 1}', "\x00\xff"])
@pytest.mark.parametrize("content_type", ["", "application/pdf", "application/json"])
def test_a_file_passes_as_it_is_whatever_it_says_it_is(body: str, content_type: str) -> None:
    assert SCRIPT.ask(*UPLOAD, body, content_type=content_type) is None


def test_a_file_that_is_too_large_by_its_own_word_is_refused_before_it_comes() -> None:
    assert SCRIPT.ask(*UPLOAD, content_length=str(MAX_UPLOAD_BYTES)) is None
    answer = SCRIPT.ask(*UPLOAD, content_length=str(MAX_UPLOAD_BYTES + 1))
    assert answer is not None
    status, body = answer
    assert (status, json.loads(body)["details"][0]["reason"]) == ("413", "PAYLOAD_TOO_LARGE")
    assert str(MAX_UPLOAD_BYTES) in json.loads(body)["message"]


def test_the_query_of_an_upload_is_checked_as_any_other() -> None:
    answer = SCRIPT.ask("PUT", "/api/v1/documents/doc_1/content?tiket=abc", "%PDF-1.7")
    assert answer is not None
    assert json.loads(answer[1])["details"][0]["reason"] == "UNKNOWN_PARAMETER"


@pytest.mark.parametrize(
    ("authorization", "has_token", "has_key"),
    [
        (None, None, None),
        ("Bearer eyJhbGciOiJFUzI1NiJ9.e30.c2ln", True, None),
        ("Bearer ick_01M82MXNND3Z0G5R7K2C4W8Y9B_abc", True, True),
        ("bearer  ick_", True, True),
        ("Bearer xick_01M82MXNND3Z0G5R7K2C4W8Y9B_abc", True, None),
        ("Basic ick_01M82MXNND3Z0G5R7K2C4W8Y9B_abc", True, None),
    ],
)
def test_the_filter_for_api_keys_is_asked_for_keys_only(
    authorization: str | None, has_token: bool | None, has_key: bool | None
) -> None:
    headers = {":method": "GET", ":path": "/api/v1/internships"}
    headers |= {"authorization": authorization} if authorization else {}
    _, _, saved = SCRIPT.raw_ask(headers)
    assert (saved["has_token"], saved["has_api_key"]) == (has_token, has_key)


@pytest.mark.parametrize(
    ("text", "saved", "reason"),
    [
        ("Jwt is missing", {}, "TOKEN_MISSING"),
        ("Jwt is missing", {"has_token": True}, "TOKEN_INVALID"),
        ("Jwt issuer is not configured", {"has_token": True}, "TOKEN_INVALID"),
        ("Jwt is expired", {"has_token": True}, "TOKEN_EXPIRED"),
        ("API_KEY_INVALID", {"has_token": True, "has_api_key": True}, "API_KEY_INVALID"),
    ],
)
def test_a_refused_token_is_said_to_be_missing_only_when_there_was_none(
    text: str, saved: dict[str, bool], reason: str
) -> None:
    refused = json.dumps({"code": 16, "message": text, "details": []})
    status, body = SCRIPT.answer("401", refused, saved, content_type="application/json")
    assert (status, json.loads(body)["details"][0]["reason"]) == ("401", reason)
