"""Skills of students and the taxonomy: any text is a skill, one that is known there has an ID."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from chassis.errors import Violation
from chassis.search.skill_taxonomy import shared_skill_taxonomy
from chassis.search.text_analysis import name_key

if TYPE_CHECKING:
    from services.user.domain.profile import Skill


def with_skill_id(skill: "Skill") -> "Skill":
    """Return the skill with the ID of its name, if it has none yet and the name is known."""
    known = None if skill.id else shared_skill_taxonomy().find_by_name(skill.name)
    return skill if known is None else replace(skill, id=known.id)


def skill_id_violations(before: Collection["Skill"], after: Collection["Skill"]) -> Iterator[Violation]:
    """Yield a violation for each ID that is not the name's.

    Skills that stay as they are keep their IDs, even if the taxonomy has lost them since.
    """
    taxonomy = shared_skill_taxonomy()
    for index, skill in enumerate(after):
        if not skill.id or skill in before:
            continue
        path, meant = f"student.skills[{index}].id", taxonomy.get(skill.id)
        if meant is None:
            yield Violation(path, f"`{skill.id}` is not an ID of the taxonomy; leave it out for free text")
        elif taxonomy.find_by_name(skill.name) is not meant:
            yield Violation(path, f"is the ID of {meant.name}, not of `{skill.name}`")


def skill_key(skill: "Skill") -> str:
    """Return the key by which a skill is found: its ID, else its name without case and accents."""
    return with_skill_id(skill).id or name_key(skill.name)


def wanted_skill_key(text: str) -> str:
    """Return the key of a skill that somebody looks for by ID, by name or by another name."""
    taxonomy = shared_skill_taxonomy()
    known = taxonomy.get(text.strip()) or taxonomy.find_by_name(text)
    return name_key(text) if known is None else known.id


def skill_names(skill: "Skill") -> tuple[str, ...]:
    """Return the skill as written, and all its names in the taxonomy."""
    known = shared_skill_taxonomy().get(with_skill_id(skill).id)
    return (skill.name,) if known is None else (skill.name, *known.names)
