"""Every class of records that the network remembers, by the name it is stored under."""

from collections.abc import Mapping
from typing import Final

from coopera.ledger import Account, Hold
from coopera.protocol.books import Day, Settings
from coopera.protocol.contribution import Contribution
from coopera.protocol.data import DataSet, DataStake, Digest, Offer, Part, Row
from coopera.protocol.launchpad import Stake
from coopera.protocol.listing import Agent, DataType, Gpu, Model
from coopera.protocol.live import Payday
from coopera.protocol.money import Reference, Refunded
from coopera.protocol.orders import Audit, Beacon, Earning, Job, Link
from coopera.protocol.supply import Census, Place, Resource, Roll, Seats, Track
from coopera.protocol.training import Node, Round, Training
from coopera.protocol.vaults import ClaimRoot, Holding, Vault

RECORDS: Final[Mapping[str, type]] = {
    "account": Account,
    "agent": Agent,
    "audit": Audit,
    "beacon": Beacon,
    "census": Census,
    "claim_root": ClaimRoot,
    "contribution": Contribution,
    "data_set": DataSet,
    "data_stake": DataStake,
    "data_type": DataType,
    "day": Day,
    "digest": Digest,
    "earning": Earning,
    "gpu": Gpu,
    "hold": Hold,
    "holding": Holding,
    "job": Job,
    "link": Link,
    "model": Model,
    "node": Node,
    "offer": Offer,
    "part": Part,
    "payday": Payday,
    "place": Place,
    "reference": Reference,
    "refunded": Refunded,
    "resource": Resource,
    "roll": Roll,
    "round": Round,
    "row": Row,
    "seats": Seats,
    "settings": Settings,
    "stake": Stake,
    "track": Track,
    "training": Training,
    "vault": Vault,
}

NAMES: Final[Mapping[type, str]] = {cls: name for name, cls in RECORDS.items()}
