"""Scanners of documents: the rules of this service alone, or clamd as well."""

from services.user.scanners.clamd import ClamdAddress, ClamdScanner
from services.user.scanners.content_scanner import ContentScanner, RuleScanner, build_scanner

__all__ = ["ClamdAddress", "ClamdScanner", "ContentScanner", "RuleScanner", "build_scanner"]
