"""Every class of records that the network remembers, by the name it is stored under."""

from collections.abc import Mapping
from typing import Final

from coopera.ledger import Account, Hold
from coopera.protocol.books import Day, Settings
from coopera.protocol.contribution import Contribution
from coopera.protocol.launchpad import Stake
from coopera.protocol.listing import Agent, DataType, Gpu, Model
from coopera.protocol.live import Payday
from coopera.protocol.money import Reference, Refunded
from coopera.protocol.orders import Audit, Beacon, Earning, Job, Link
from coopera.protocol.supply import Census, Place, Resource, Roll, Seats, Track

RECORDS: Final[Mapping[str, type]] = {
    "account": Account,
    "agent": Agent,
    "audit": Audit,
    "beacon": Beacon,
    "census": Census,
    "contribution": Contribution,
    "data_type": DataType,
    "day": Day,
    "earning": Earning,
    "gpu": Gpu,
    "hold": Hold,
    "job": Job,
    "link": Link,
    "model": Model,
    "payday": Payday,
    "place": Place,
    "reference": Reference,
    "refunded": Refunded,
    "resource": Resource,
    "roll": Roll,
    "seats": Seats,
    "settings": Settings,
    "stake": Stake,
    "track": Track,
}

NAMES: Final[Mapping[type, str]] = {cls: name for name, cls in RECORDS.items()}
