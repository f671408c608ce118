"""
Every command there is: its name, what it does, and who may give it.

The operator may give all of them; a member those that spend its own money, or list its
own work. Nobody else may give any.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from coopera.errors import BadBooks, Malformed, NotAllowed
from coopera.params import Params
from coopera.protocol import (
    contribution,
    data,
    holds,
    jobs,
    launchpad,
    listing,
    live,
    money,
    royalties,
    services,
    supply,
    training,
    validation,
    vaults,
)
from coopera.protocol.books import OpenBooks, open_books
from coopera.protocol.rehearsal import CloseEpoch, close_epoch
from coopera.protocol.state import Diff, PreState

OPERATOR: Final = "operator"
"""Caller that runs the network."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with a command, and for whom."""

    kind: str
    """Name of the command, in receipts and on the wire."""
    transition: Callable[[PreState, Any, Any], Diff]
    payer: Callable[[Any], str] | None = None
    """Member that may give the command; none where only the operator may."""
    reads_history: bool = False
    """Reads earlier receipts, or all records: waits until they are written."""


def _owner_of(path: object) -> str:
    return str(path).rpartition(":")[0]


COMMANDS: Final[Mapping[type, Rule]] = {
    OpenBooks: Rule("open_books", open_books),
    money.OpenAccounts: Rule("open_accounts", money.open_accounts),
    money.CloseAccounts: Rule(
        "close_accounts", money.close_accounts, lambda c: c.owner, reads_history=True
    ),
    money.Deposit: Rule("deposit", money.deposit),
    money.RequestWithdrawal: Rule(
        "request_withdrawal", money.request_withdrawal, lambda c: _owner_of(c.account)
    ),
    money.ConfirmWithdrawal: Rule("confirm_withdrawal", money.confirm_withdrawal),
    money.CancelWithdrawal: Rule("cancel_withdrawal", money.cancel_withdrawal),
    money.GrantCredit: Rule("grant_credit", money.grant_credit),
    money.Move: Rule("move", money.move, lambda c: _owner_of(c.debit)),
    money.RefundCharge: Rule("refund_charge", money.refund_charge, reads_history=True),
    holds.OpenHold: Rule("open_hold", holds.open_hold, lambda c: c.consumer),
    holds.VoidHold: Rule("void_hold", holds.void_hold),
    holds.ExpireHolds: Rule("expire_holds", holds.expire_holds),
    listing.ListModel: Rule("list_model", listing.list_model),
    listing.ListAgent: Rule("list_agent", listing.list_agent, lambda c: c.creator),
    listing.ListGpu: Rule("list_gpu", listing.list_gpu),
    listing.ListData: Rule("list_data", listing.list_data),
    services.CallAgent: Rule("call_agent", services.call_agent),
    services.CallModel: Rule("call_model", services.call_model),
    services.Train: Rule("train", services.train),
    services.PayJob: Rule("pay_job", services.pay_job),
    listing.Retire: Rule("retire", listing.retire, lambda c: c.owner),
    launchpad.PayLaunchpad: Rule(
        "pay_launchpad", launchpad.pay_launchpad, lambda c: _owner_of(c.payer)
    ),
    launchpad.ReturnStake: Rule(
        "return_stake", launchpad.return_stake, lambda c: _owner_of(c.account)
    ),
    contribution.ListContribution: Rule(
        "list_contribution", contribution.list_contribution
    ),
    contribution.Contribute: Rule("contribute", contribution.contribute),
    contribution.ShareBudget: Rule(
        "share_budget", contribution.share_budget, reads_history=True
    ),
    supply.RegisterResource: Rule(
        "register_resource", supply.register_resource, lambda c: c.owner
    ),
    supply.RepriceResource: Rule(
        "reprice_resource", supply.reprice_resource, lambda c: c.owner
    ),
    supply.CertifyResource: Rule("certify_resource", supply.certify_resource),
    supply.StakeCertificate: Rule(
        "stake_certificate", supply.stake_certificate, lambda c: c.owner
    ),
    supply.RevokeCertificate: Rule("revoke_certificate", supply.revoke_certificate),
    supply.ClaimSeat: Rule("claim_seat", supply.claim_seat, lambda c: c.owner),
    supply.RetireResource: Rule(
        "retire_resource", supply.retire_resource, lambda c: c.owner
    ),
    jobs.RequestCertification: Rule(
        "request_certification", jobs.request_certification, lambda c: c.owner
    ),
    jobs.CreateJob: Rule("create_job", jobs.create_job, lambda c: c.consumer),
    jobs.CancelJob: Rule("cancel_job", jobs.cancel_job, lambda c: c.consumer),
    jobs.MatchTask: Rule("match_task", jobs.match_task),
    jobs.AcceptTask: Rule("accept_task", jobs.accept_task, lambda c: c.owner),
    jobs.DeclineTask: Rule("decline_task", jobs.decline_task, lambda c: c.owner),
    jobs.DeliverTask: Rule("deliver_task", jobs.deliver_task, lambda c: c.owner),
    jobs.ExpireTask: Rule("expire_task", jobs.expire_task),
    validation.OpenBeacon: Rule("open_beacon", validation.open_beacon),
    validation.RevealLink: Rule("reveal_link", validation.reveal_link),
    validation.DrawValidators: Rule("draw_validators", validation.draw_validators),
    validation.CommitVerdict: Rule(
        "commit_verdict", validation.commit_verdict, lambda c: c.owner
    ),
    validation.RevealVerdict: Rule(
        "reveal_verdict", validation.reveal_verdict, lambda c: c.owner
    ),
    validation.ConcludeAudit: Rule("conclude_audit", validation.conclude_audit),
    validation.PostCanary: Rule("post_canary", validation.post_canary),
    validation.RevealCanary: Rule("reveal_canary", validation.reveal_canary),
    training.CreateTraining: Rule(
        "create_training", training.create_training, lambda c: c.creator
    ),
    training.StartRound: Rule("start_round", training.start_round, lambda c: c.creator),
    training.SelectNodes: Rule(
        "select_nodes", training.select_nodes, lambda c: c.creator
    ),
    training.FinishWork: Rule("finish_work", training.finish_work, lambda c: c.node),
    training.VerifyWork: Rule("verify_work", training.verify_work),
    training.AggregateRound: Rule(
        "aggregate_round", royalties.aggregate_round, lambda c: c.creator
    ),
    training.ChallengeRound: Rule(
        "challenge_round", training.challenge_round, lambda c: c.challenger
    ),
    training.ResolveChallenge: Rule("resolve_challenge", training.resolve_challenge),
    training.ShareRound: Rule("share_round", royalties.share_round),
    training.AbandonRound: Rule(
        "abandon_round", training.abandon_round, lambda c: c.creator
    ),
    training.FinishTraining: Rule(
        "finish_training", training.finish_training, lambda c: c.creator
    ),
    data.RegisterData: Rule(
        "register_data", data.register_data, lambda c: c.contributor
    ),
    data.DeclareRows: Rule("declare_rows", data.declare_rows, lambda c: c.contributor),
    data.CommitHistogram: Rule(
        "commit_histogram", data.commit_histogram, lambda c: c.contributor
    ),
    data.AuditData: Rule("audit_data", data.audit_data),
    data.StakeData: Rule("stake_data", data.stake_data, lambda c: c.contributor),
    data.ReturnDataStake: Rule(
        "return_data_stake", data.return_data_stake, lambda c: c.contributor
    ),
    data.OfferData: Rule("offer_data", data.offer_data, lambda c: c.contributor),
    vaults.PayRoyalty: Rule(
        "pay_royalty", vaults.pay_royalty, lambda c: _owner_of(c.payer)
    ),
    vaults.CollectRevenue: Rule("collect_revenue", vaults.collect_revenue),
    vaults.MoveUnits: Rule("move_units", vaults.move_units, lambda c: c.holder),
    vaults.PublishClaims: Rule("publish_claims", vaults.publish_claims),
    vaults.ClaimRoyalty: Rule(
        "claim_royalty", vaults.claim_royalty, lambda c: c.holder
    ),
    live.CloseDay: Rule("close_day", live.close_day, reads_history=True),
    live.PayEarnings: Rule("pay_earnings", live.pay_earnings),
    CloseEpoch: Rule("close_epoch", close_epoch, reads_history=True),
}
"""By class. What is metered is charged by the operator's gateway, never by a payer."""

KINDS: Final[Mapping[str, type]] = {rule.kind: cls for cls, rule in COMMANDS.items()}


def rule_of(command: object) -> Rule:
    """Find what is done with a command. Refuses with `Malformed` what is none."""
    rule = COMMANDS.get(type(command))
    if rule is None:
        raise Malformed(f"{type(command).__name__} is no command")
    return rule


def execute(pre: PreState, params: Params | None, caller: str, command: object) -> Diff:
    """
    Do what a command says, for who gives it; without parameters, only open the books.

    Refusals, in order of precedence: `Malformed` for what is no command, `NotAllowed`,
    `BadBooks` where they are not open, those of the command.
    """
    rule = rule_of(command)
    concerned = rule.payer(command) if rule.payer else ""
    if caller != OPERATOR and (not concerned or caller != concerned):
        who = f"{OPERATOR} or the member it concerns" if rule.payer else OPERATOR
        raise NotAllowed(f"{rule.kind} may be given by {who}, and not by {caller}")
    if params is None and not isinstance(command, OpenBooks):
        raise BadBooks("the books are not open yet; run: coopera books open")
    return rule.transition(pre, params, command)
