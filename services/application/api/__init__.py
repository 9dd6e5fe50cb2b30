"""The gRPC face of the application service."""

from services.application.api.servicer import ApplicationServicer

__all__ = ["ApplicationServicer"]
