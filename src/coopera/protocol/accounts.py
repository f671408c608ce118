"""The network's own accounts, by the names that rules call them."""

from typing import Final

from coopera.ledger import account

SETTLEMENT: Final = account("settlement", "usd")
TAXES: Final = account("settlement", "taxes")
WAITING_CAPITAL: Final = account("settlement", "buyback")
OPERATIONS: Final = account("reserve", "usd", "operations")
CAPITAL: Final = account("reserve", "usd", "buyback")
MARKET_USD: Final = account("market", "usd")
MARKET: Final = account("market", "token")
FLOAT: Final = account("reserve", "token", "float")
BONDS: Final = account("escrow", "bonds")
BURNED: Final = account("burned")
HELD_USD: Final = account("escrow", "heldback", "usd")
STAKES: Final = account("escrow", "stakes")
HELD_TOKEN: Final = account("escrow", "heldback", "token")
VALIDATORS: Final = account("validators", "token")
