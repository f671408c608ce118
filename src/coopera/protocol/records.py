"""Every class of records that the network remembers, by the name it is stored under."""

from collections.abc import Mapping
from typing import Final

from coopera.ledger import Account, Hold
from coopera.protocol.books import Day, Settings
from coopera.protocol.contribution import Contribution
from coopera.protocol.money import PaidIn, Reference, Refunded
from coopera.protocol.services import Agent, DataType, Gpu, Model

RECORDS: Final[Mapping[str, type]] = {
    "account": Account,
    "agent": Agent,
    "contribution": Contribution,
    "data_type": DataType,
    "day": Day,
    "gpu": Gpu,
    "hold": Hold,
    "model": Model,
    "paid_in": PaidIn,
    "reference": Reference,
    "refunded": Refunded,
    "settings": Settings,
}

NAMES: Final[Mapping[type, str]] = {cls: name for name, cls in RECORDS.items()}
