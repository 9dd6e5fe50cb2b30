"""What a person is shown for states, as the values of their enum declare it in the contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from google.protobuf import descriptor_pool

from chassis.contracts import ContractError, imported_contracts
from chassis.message_fields import EnumNames
from internshipconnect.options.v1 import options_pb2


@dataclass(frozen=True, slots=True)
class ShownState:
    """What a person is shown for one state.

    `status` is a value's name without its prefix, `words` are English, `step` counts how far along the person
    sees it: a smaller one is a step back.
    """

    status: str
    words: str
    step: int


@cache
def read_shown_states(enum_name: str) -> Mapping[str, ShownState]:
    """Return the shown status of each state of an enum, by the states' names without prefix.

    `enum_name` is full, e.g. `internshipconnect.application.v1.ApplicationState`. Raises ContractError for a
    state that declares none, and KeyError for an enum that no contract has.
    """
    imported_contracts()
    enum = descriptor_pool.Default().FindEnumTypeByName(enum_name)
    names, shown = EnumNames(enum), {}
    for value in enum.values:
        declared = value.GetOptions().Extensions[options_pb2.state_shown]
        if declared.status and declared.words:
            shown[names.name(value.number)] = ShownState(declared.status, declared.words, declared.step)
        elif value.number:
            raise ContractError(f"{enum_name}: {value.name} does not declare what is shown for it")
    return MappingProxyType(shown)
