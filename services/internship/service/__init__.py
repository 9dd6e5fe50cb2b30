"""The use cases: what happens, in order."""

from .finding import Finding
from .ledger import Ledger
from .lexicon import Lexicon
from .listings import Listings
from .moderation import Moderation
from .openings import Openings
from .reindexing import Reindexing
from .suggesting import Suggesting
from .upkeep import Upkeep
from .views import Views, ViewTelling

__all__ = [
    "Finding",
    "Ledger",
    "Lexicon",
    "Listings",
    "Moderation",
    "Openings",
    "Reindexing",
    "Suggesting",
    "Upkeep",
    "ViewTelling",
    "Views",
]
