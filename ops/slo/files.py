"""The files of the objectives; a stack is described without reading them."""

from pathlib import Path
from typing import Final

OBJECTIVES_FILE: Final = Path(__file__).with_name("objectives.yaml")
SLO_RULES_FILE: Final = Path(__file__).with_name("rules.yaml")
