"""The gRPC face of the internship service: parse, call, map."""

from .servicer import InternshipApi

__all__ = ["InternshipApi"]
