"""The gRPC face of the internship service: parse, call, map."""

from services.internship.api.servicer import InternshipServicer

__all__ = ["InternshipServicer"]
