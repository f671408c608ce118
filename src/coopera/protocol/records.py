"""Every class of records that the network remembers, by the name it is stored under."""

from collections.abc import Mapping
from typing import Final

from coopera.ledger import Account, Hold
from coopera.protocol.books import Day, Settings
from coopera.protocol.contribution import Contribution
from coopera.protocol.launchpad import Stake
from coopera.protocol.listing import Agent, DataType, Gpu, Model
from coopera.protocol.money import Reference, Refunded

RECORDS: Final[Mapping[str, type]] = {
    "account": Account,
    "agent": Agent,
    "contribution": Contribution,
    "data_type": DataType,
    "day": Day,
    "gpu": Gpu,
    "hold": Hold,
    "model": Model,
    "reference": Reference,
    "refunded": Refunded,
    "settings": Settings,
    "stake": Stake,
}

NAMES: Final[Mapping[type, str]] = {cls: name for name, cls in RECORDS.items()}
