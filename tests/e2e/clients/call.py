"""A call and an error over gRPC, with the Python package of an export, in an environment of its own."""

import json
import os
from importlib.metadata import version

import grpc
from google.rpc import error_details_pb2, status_pb2

from internshipconnect.internship.v1 import internship_pb2
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub

with grpc.insecure_channel(os.environ["GATEWAY"].removeprefix("http://")) as channel:
    internships = InternshipServiceStub(channel)
    internships.ListInternships(internship_pb2.ListInternshipsRequest(page_size=1), timeout=10)
    try:
        internships.GetInternship(internship_pb2.GetInternshipRequest(internship_id="int_1"), timeout=10)
        raise AssertionError("a wrong ID was taken")
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())
status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
info = error_details_pb2.ErrorInfo()
status.details[0].Unpack(info)
versions = [version("grpcio"), version("protobuf")]
print(json.dumps({"reason": info.reason, "versions": versions}))  # noqa: T201 - the test reads it
