"""
The governed variables, one class a chapter.

Each has its unit, bounds, default, name in the papers and source. Fields hold whole
units: micro-dollars, micro-tokens, fixed point, days. Defaults without a figure in the
papers are ours, and `docs/readings.md` says why.
"""

from dataclasses import dataclass
from enum import StrEnum

from coopera.params.declared import Unit, declared
from coopera.units import MicroToken, MicroUsd, Wad

BME = "docs/papers/bme.md"
READINGS = "docs/readings.md"


class SupplyBasis(StrEnum):
    """Which tokens the price divides the demand by."""

    CIRCULATING = "circulating"
    CIRCULATING_AND_LOCKED = "circulating_and_locked"


class BuybackBase(StrEnum):
    """What the buy-back takes its share of."""

    NET = "net"
    GROSS = "gross"


class DollarReserveReading(StrEnum):
    """Whether supplier dollars are charged to the dollar reserve."""

    CORRECTED = "corrected"
    LITERAL = "literal"


class PriceImpact(StrEnum):
    """What makes a purchase dearer than the price."""

    PREMIUM = "premium"
    AMM = "amm"


class PhaseTransition(StrEnum):
    """What ends Phase 1, besides a spent allotment."""

    ANY = "any"
    ALL = "all"
    SUPPLY = "supply"
    DEMAND = "demand"
    TIME = "time"


class PoolScope(StrEnum):
    """Who shares one Phase 2 curve."""

    PLATFORM = "platform"
    PROJECT = "project"


class SlashDestination(StrEnum):
    """Who receives a lost bond."""

    RESERVE = "reserve"
    CONSUMER = "consumer"
    BURN = "burn"
    VALIDATORS = "validators"


class BondDemand(StrEnum):
    """Whether bonds that are given back lower the demand for tokens."""

    NET = "net"
    GROSS = "gross"


class DataShare(StrEnum):
    """What a data contributor's royalty is proportional to."""

    KL_REDUCTION = "kl_reduction"
    EXP_KL = "exp_kl"
    SIZE = "size"
    EVEN = "even"
    SHAPLEY = "shapley"


class ComputeSplit(StrEnum):
    """How the nodes of a federated round share its compute royalty."""

    EQUAL = "equal"
    SAMPLES = "samples"
    CONTRIBUTION = "contribution"


class EmptySide(StrEnum):
    """Where a round's slice goes if nobody is on its side."""

    CARRY = "carry"
    OTHER_SIDE = "other_side"


@dataclass(frozen=True, slots=True)
class Token:
    """How many tokens there are, whose they are at first, and when they move."""

    max_supply: MicroToken = declared(
        "1000000000",
        Unit.TOKEN,
        "Tokens that will ever exist",
        low="1",
        high="1000000000",
        paper="MaxTokenSupply",
        source=f"{BME}#token-supply",
    )
    investors_fraction: Wad = declared(
        "0.10", Unit.FRACTION, "Fund of the investors", source=f"{BME}#token-funds"
    )
    team_fraction: Wad = declared(
        "0.20", Unit.FRACTION, "Fund of the team", source=f"{BME}#token-funds"
    )
    advisors_fraction: Wad = declared(
        "0.05", Unit.FRACTION, "Fund of the advisors", source=f"{BME}#token-funds"
    )
    ops_fund_fraction: Wad = declared(
        "0.50",
        Unit.FRACTION,
        "Operations fund, which rewards the community",
        source=f"{BME}#token-funds",
    )
    business_fraction: Wad = declared(
        "0.15",
        Unit.FRACTION,
        "Fund for business development outside",
        source=f"{BME}#token-funds",
    )
    initial_token_reserve: MicroToken = declared(
        "0",
        Unit.TOKEN,
        "Part of the operations fund that this economy starts with; 0 is all of it",
        high="1000000000",
        source=f"{BME}#simulation",
    )
    initial_circulating: MicroToken = declared(
        "0",
        Unit.TOKEN,
        "Tokens in circulation before the first day, out of the business fund",
        high="1000000000",
        source=f"{READINGS}#supply-on-the-first-day",
    )
    vesting_cliff_days: int = declared(
        "365",
        Unit.DAYS,
        "Days before the funds of investors, team, advisors and business vest",
        high="3650",
        source=f"{READINGS}#token-allocation-and-supply",
    )
    vesting_days: int = declared(
        "1095",
        Unit.DAYS,
        "Days over which they vest, in a line, after the cliff",
        low="1",
        high="3650",
        source=f"{READINGS}#token-allocation-and-supply",
    )


@dataclass(frozen=True, slots=True)
class Payments:
    """How income is divided."""

    operations_fraction: Wad = declared(
        "0.30",
        Unit.FRACTION,
        "Part of the income that runs the network",
        paper="FiatOperationsFraction",
        source=f"{BME}#total-income",
    )
    operations_spend_fraction: Wad = declared(
        "0",
        Unit.FRACTION,
        "Part of the day's operations income that is spent the same day",
        source=f"{READINGS}#payments",
    )
    buyback_base: BuybackBase = declared(
        BuybackBase.NET,
        Unit.CHOICE,
        "What is split between buy-back and dollars: net or gross income",
        source=f"{READINGS}#why-the-paper-spends-130-of-income",
    )
    dollar_reserve_reading: DollarReserveReading = declared(
        DollarReserveReading.CORRECTED,
        Unit.CHOICE,
        "Whether supplier dollars leave the dollar reserve, or as printed do not",
        source=f"{READINGS}#the-dollar-reserve-forgets-the-suppliers",
    )


@dataclass(frozen=True, slots=True)
class Buyback:
    """How tokens are bought back."""

    buyback_rate: Wad = declared(
        "0.5",
        Unit.FRACTION,
        "Part of the net income that buys tokens for suppliers",
        paper="BuybackModulation",
        source=f"{BME}#consumer-payments",
    )
    price_impact: PriceImpact = declared(
        PriceImpact.PREMIUM,
        Unit.CHOICE,
        "What makes a purchase dearer than the price",
        source=f"{READINGS}#premium-or-pool",
    )
    price_premium: Wad = declared(
        "0.01",
        Unit.FRACTION,
        "Extra paid for a token, as a part of its price",
        paper="DeltaPriceOfToken",
        source=f"{BME}#supplier-payments",
    )
    amm_depth_usd: MicroUsd = declared(
        "1000000",
        Unit.USD,
        "Dollars in the pool that tokens are bought from",
        low="1",
        high="1000000000",
        source=f"{READINGS}#premium-or-pool",
    )
    burn_fraction: Wad = declared(
        "0",
        Unit.FRACTION,
        "Part of the tokens bought back that is destroyed",
        source=f"{READINGS}#mint-is-release-burn-is-return",
    )
    reserve_floor_fraction: Wad = declared(
        "0.10",
        Unit.FRACTION,
        "Token reserve, as a part of the initial one, at which it is bought back",
        paper="LowerTokenReserveLimit",
        source=f"{BME}#reserve-buy-backs",
    )
    reserve_target_fraction: Wad = declared(
        "0.20",
        Unit.FRACTION,
        "Token reserve, as a part of the initial one, up to which it is bought back",
        source=f"{BME}#reserve-buy-backs",
    )
    max_daily_buyback_usd: MicroUsd = declared(
        "50000",
        Unit.USD_PER_DAY,
        "Most dollars that a day may spend on the token reserve",
        high="1000000000",
        source=f"{READINGS}#buy-backs",
    )


@dataclass(frozen=True, slots=True)
class Pricing:
    """What the token is worth."""

    velocity_per_day: Wad = declared(
        "0.002739726027397260",
        Unit.PER_DAY,
        "Times a day that the supply changes hands; 1 is the paper's literal reading",
        low="0.000001",
        high="100",
        source=f"{READINGS}#one-turnover-a-day",
    )
    supply_basis: SupplyBasis = declared(
        SupplyBasis.CIRCULATING_AND_LOCKED,
        Unit.CHOICE,
        "Tokens that the price divides the demand by",
        source=f"{READINGS}#token-price",
    )
    price_floor_usd: Wad = declared(
        "0.0001",
        Unit.USD_PER_TOKEN,
        "Lowest price of the token",
        low="0.000001",
        high="1000000",
        source=f"{READINGS}#token-price",
    )
    initial_price_usd: Wad = declared(
        "1",
        Unit.USD_PER_TOKEN,
        "Price of the token until the first close of a day",
        low="0.000001",
        high="1000000",
        source=f"{READINGS}#token-price",
    )
    price_change_max: Wad = declared(
        "0.1",
        Unit.FRACTION,
        "Most that the price changes in a day, as a part of it; 0 for no bound",
        high="100",
        source=f"{READINGS}#token-price",
    )
    governance_value_usd_per_day: MicroUsd = declared(
        "0",
        Unit.USD_PER_DAY,
        "Demand for the token for the sake of its vote",
        high="1000000000",
        paper="GovernanceValue",
        source=f"{BME}#token-demand",
    )


@dataclass(frozen=True, slots=True)
class Emission:
    """When new tokens are released."""

    phase1_fraction: Wad = declared(
        "0.60",
        Unit.FRACTION,
        "Part of the token reserve that Phase 1 releases",
        paper="FracPhaseOneTokens",
        source=f"{BME}#phase-1",
    )
    phase1_max_days: int = declared(
        "30",
        Unit.DAYS,
        "Longest Phase 1 of a project",
        low="1",
        high="3650",
        source=f"{BME}#simulation",
    )
    projects_max: int = declared(
        "1",
        Unit.COUNT,
        "Projects that share the Phase 1 tokens",
        low="1",
        high="1000",
        paper="NProject",
        source=f"{BME}#phase-1",
    )
    phase_transition: PhaseTransition = declared(
        PhaseTransition.ANY,
        Unit.CHOICE,
        "What ends Phase 1: targets met, demand, time; any, all, or one of them",
        source=f"{READINGS}#when-phase-1-ends",
    )
    phase2_demand_usd: MicroUsd = declared(
        "1000000",
        Unit.USD,
        "Income of a project over the window that counts as demand",
        high="1000000000",
        source=f"{READINGS}#when-phase-1-ends",
    )
    phase2_demand_days: int = declared(
        "7",
        Unit.DAYS,
        "Window of that income",
        low="1",
        high="365",
        source=f"{READINGS}#when-phase-1-ends",
    )
    job_reward_modulation: Wad = declared(
        "10",
        Unit.FACTOR,
        "Divisor of a job's price in tokens that gives its reward points",
        low="0.01",
        high="1000000",
        paper="JobRewardModulation",
        source=f"{BME}#phase-2-job-rewards",
    )
    phase2_modulation: Wad = declared(
        "1",
        Unit.FACTOR,
        "Slope of the Phase 2 curve",
        high="1000",
        paper="Phase2Modulation",
        source=f"{BME}#phase-2-emissions",
    )
    phase2_pool_scope: PoolScope = declared(
        PoolScope.PLATFORM,
        Unit.CHOICE,
        "Whether projects share one Phase 2 curve or have one each",
        source=f"{READINGS}#emission",
    )


@dataclass(frozen=True, slots=True)
class Onboarding:
    """What it costs to become a supplier."""

    onboarding_rate: Wad = declared(
        "0.1",
        Unit.FRACTION,
        "Onboarding fee, as a part of a supplier's average income over the window",
        high="100",
        paper="OnboardingModulation",
        source=f"{BME}#supplier-onboarding-fee",
    )
    onboarding_window_days: int = declared(
        "30",
        Unit.DAYS,
        "Window of that income",
        low="1",
        high="365",
        paper="W",
        source=f"{BME}#supplier-onboarding-fee",
    )
    min_onboarding_fee: MicroToken = declared(
        "5",
        Unit.TOKEN,
        "Lowest onboarding fee",
        high="1000000",
        source=f"{READINGS}#onboarding",
    )


@dataclass(frozen=True, slots=True)
class Bonding:
    """What a supplier stands to lose."""

    bond_rate: Wad = declared(
        "0.5",
        Unit.FRACTION,
        "Bond for a job, as a part of its price",
        high="100",
        paper="BondModulation",
        source=f"{BME}#supplier-bonds",
    )
    late_bond_rate: Wad = declared(
        "0.1",
        Unit.FRACTION,
        "Part of its bond that a supplier loses who accepts a job and lets it expire",
        source=f"{READINGS}#bonds",
    )
    slash_destination: SlashDestination = declared(
        SlashDestination.RESERVE,
        Unit.CHOICE,
        "Who receives a lost bond",
        source=f"{READINGS}#bonds",
    )
    bond_demand: BondDemand = declared(
        BondDemand.NET,
        Unit.CHOICE,
        "Whether bonds that are given back lower the demand for tokens",
        source=f"{READINGS}#bonds",
    )


@dataclass(frozen=True, slots=True)
class Validation:
    """How work is checked, and what checking pays."""

    validator_reward: MicroToken = declared(
        "0.02",
        Unit.TOKEN,
        "Pay for a verdict that agrees with the outcome",
        high="1000000",
        paper="ValidationModulator",
        source=f"{BME}#validator-payments",
    )
    validator_reward_rate: Wad = declared(
        "0.025",
        Unit.FRACTION,
        "Pay for such a verdict besides, as a part of what the work is paid",
        source=f"{READINGS}#validators-who-do-not-look",
    )
    validators_per_job: int = declared(
        "3",
        Unit.COUNT,
        "Verdicts on one job",
        low="1",
        high="101",
        source=f"{READINGS}#validation",
    )
    validation_rate: Wad = declared(
        "1",
        Unit.FRACTION,
        "Part of the jobs that are checked",
        source=f"{READINGS}#validation",
    )
    detection_rate: Wad = declared(
        "0.95",
        Unit.FRACTION,
        "Part of the checked frauds that are found",
        source=f"{READINGS}#does-verification-deter",
    )
    false_positive_rate: Wad = declared(
        "0.001",
        Unit.FRACTION,
        "Part of the checked honest work that is taken for fraud",
        source=f"{READINGS}#does-verification-deter",
    )
    cheating_cost: Wad = declared(
        "0",
        Unit.FRACTION,
        "Cost of cheating, as a part of the cost of honest work",
        source=f"{READINGS}#does-verification-deter",
    )
    supplier_margin: Wad = declared(
        "0.2",
        Unit.FRACTION,
        "Part of a job's pay that honest work earns beyond its cost",
        source=f"{READINGS}#does-verification-deter",
    )
    reputation_rent: Wad = declared(
        "0",
        Unit.FACTOR,
        "What a good name will still earn, in pays of one job, and a fraud loses",
        high="1000",
        source=f"{READINGS}#does-verification-deter",
    )
    held_back_jobs: int = declared(
        "8",
        Unit.COUNT,
        "Last jobs of a supplier whose pay is held back, and lost with a fraud",
        high="1000",
        source=f"{READINGS}#does-verification-deter",
    )
    units_audited: int = declared(
        "1",
        Unit.COUNT,
        "Random units of a divisible job that are checked",
        low="1",
        high="1000",
        source=f"{READINGS}#jobs-of-many-units",
    )
    verdict_bond: MicroToken = declared(
        "0.5",
        Unit.TOKEN,
        "Least part of its stake that a validator loses with a verdict",
        high="1000000",
        source=f"{READINGS}#validators-who-do-not-look",
    )
    verdict_bond_rate: Wad = declared(
        "0.5",
        Unit.FRACTION,
        "What it loses so, as a part of what the work is paid",
        high="10",
        source=f"{READINGS}#validators-who-do-not-look",
    )
    validator_stake: MicroToken = declared(
        "100",
        Unit.TOKEN,
        "Stake of a validator, out of which the bonds of its verdicts are lost",
        high="1000000",
        source=f"{READINGS}#validators-who-do-not-look",
    )
    canary_rate: Wad = declared(
        "0.05",
        Unit.FRACTION,
        "Part of the verdicts that are asked for on work whose outcome is known",
        source=f"{READINGS}#validators-who-do-not-look",
    )
    validation_cost: Wad = declared(
        "0.03",
        Unit.FRACTION,
        "Cost of checking, as a part of the cost of the work",
        source=f"{READINGS}#validators-who-do-not-look",
    )
    panel_max: int = declared(
        "31",
        Unit.COUNT,
        "Most verdicts on one job, when validators disagree",
        low="1",
        high="101",
        source=f"{READINGS}#validation",
    )


@dataclass(frozen=True, slots=True)
class Reputation:
    """Who gets the next job."""

    reputation_window_jobs: int = declared(
        "20",
        Unit.COUNT,
        "Last jobs that a reputation counts",
        low="1",
        high="1024",
        source=f"{BME}#supplier-reputation",
    )
    reputation_prior_validated: int = declared(
        "1",
        Unit.COUNT,
        "Validated jobs that a newcomer is credited with",
        high="1024",
        source=f"{READINGS}#reputation-and-scheduling",
    )
    reputation_prior_failed: int = declared(
        "1",
        Unit.COUNT,
        "Failed jobs that a newcomer is charged with",
        high="1024",
        source=f"{READINGS}#reputation-and-scheduling",
    )


@dataclass(frozen=True, slots=True)
class Fees:
    """What is withheld from agent, serving, training and launchpad payments."""

    launchpad_tax: Wad = declared(
        "0.01",
        Unit.FRACTION,
        "Tax on every launchpad transaction",
        source="docs/papers/coa.md#taxation",
    )
    api_launchpad_tax: Wad = declared(
        "0.05",
        Unit.FRACTION,
        "Launchpad's part of an agent call",
        source="docs/papers/mvn.md#agent-api-value-flow",
    )
    api_template_fraction: Wad = declared(
        "0.10",
        Unit.FRACTION,
        "Template developer's part of an agent call, tool providers included",
        source="docs/papers/mvn.md#agent-api-value-flow",
    )
    api_tools_fraction: Wad = declared(
        "0.30",
        Unit.FRACTION,
        "Tool providers' share of the template developer's part",
        source="docs/papers/mvn.md#agent-api-value-flow",
    )
    api_serving_fraction: Wad = declared(
        "0.50",
        Unit.FRACTION,
        "Model serving's part of an agent call",
        source="docs/papers/mvn.md#agent-api-value-flow",
    )
    serving_platform_tax: Wad = declared(
        "0.10",
        Unit.FRACTION,
        "Platform's part of model serving",
        source="docs/papers/mvn.md#model-serving-api-value-flow",
    )
    serving_model_fraction: Wad = declared(
        "0.20",
        Unit.FRACTION,
        "Owned model's part of model serving; an open model has none",
        source="docs/papers/mvn.md#model-serving-api-value-flow",
    )
    training_platform_tax: Wad = declared(
        "0.10",
        Unit.FRACTION,
        "Platform's part of a training fee",
        source="docs/papers/mvn.md#model-training-value-flow",
    )
    training_gpu_ratio: Wad = declared(
        "1",
        Unit.FACTOR,
        "Factor on the GPU part of a training fee",
        high="1000",
        paper="Rg",
        source="docs/papers/mvn.md#model-training-value-flow",
    )
    training_data_ratio: Wad = declared(
        "1",
        Unit.FACTOR,
        "Factor on the data part of a training fee",
        high="1000",
        paper="Rd",
        source="docs/papers/mvn.md#model-training-value-flow",
    )


@dataclass(frozen=True, slots=True)
class Market:
    """How jobs find suppliers, and how long everybody may take."""

    exploration_rate: Wad = declared(
        "0.05",
        Unit.FRACTION,
        "Part of the jobs that go to suppliers who have not filled their window yet",
        source=f"{READINGS}#reputation-and-scheduling",
    )
    waiting_usd_per_hour: MicroUsd = declared(
        "1",
        Unit.USD,
        "What an hour of waiting adds to the incentive by which a job is served",
        high="1000000",
        source=f"{READINGS}#reputation-and-scheduling",
    )
    accept_seconds: int = declared(
        "60",
        Unit.SECONDS,
        "Time to accept a job, and to post its bond",
        low="1",
        high="86400",
        source=f"{READINGS}#jobs",
    )
    verdict_seconds: int = declared(
        "600",
        Unit.SECONDS,
        "Time to commit to a verdict, and once more to reveal it",
        low="1",
        high="604800",
        source=f"{READINGS}#jobs",
    )
    certification_seconds: int = declared(
        "3600",
        Unit.SECONDS,
        "Time to deliver the work of a certification",
        low="1",
        high="604800",
        source=f"{READINGS}#jobs",
    )
    reassignments_max: int = declared(
        "1",
        Unit.COUNT,
        "Times that failed work is given to another supplier before the refund",
        high="10",
        source=f"{READINGS}#jobs",
    )
    dormant_days: int = declared(
        "30",
        Unit.DAYS,
        "Days without a job after which a supplier is certified anew",
        low="1",
        high="3650",
        source=f"{READINGS}#jobs",
    )
    deadline_days_max: int = declared(
        "30",
        Unit.DAYS,
        "Longest time that a job may wait and be worked on",
        low="1",
        high="3650",
        source=f"{READINGS}#jobs",
    )
    cancellation_rate: Wad = declared(
        "0.05",
        Unit.FRACTION,
        "Part of the price that a consumer pays who cancels a job that was matched",
        source=f"{READINGS}#jobs",
    )
    cancellation_fee_min_usd: MicroUsd = declared(
        "0.5",
        Unit.USD,
        "What this costs at least, or the whole price where that is less",
        high="1000000",
        source=f"{READINGS}#jobs",
    )


@dataclass(frozen=True, slots=True)
class Royalty:
    """Who keeps earning from a model."""

    compute_fraction: Wad = declared(
        "0.7",
        Unit.FRACTION,
        "Compute's side of the royalty units; the rest is data's",
        source="docs/papers/2pm.md#distribution-process",
    )
    lambda_compute: Wad = declared(
        "0.01",
        Unit.FACTOR,
        "Decay of the compute side, by round",
        low="0.000001",
        high="10",
        paper="Lambda",
        source="docs/papers/2pm.md#computing-power-contribution",
    )
    lambda_data: Wad = declared(
        "0.05",
        Unit.FACTOR,
        "Decay of the data side, by round",
        low="0.000001",
        high="10",
        source="docs/readings.md#two-decays",
    )
    royalty_units: int = declared(
        "100000000",
        Unit.COUNT,
        "Royalty units of a vault, fixed up front",
        low="1",
        high="1000000000",
        source="docs/papers/2pm.md#royalty-vault-mechanism",
    )
    data_share: DataShare = declared(
        DataShare.KL_REDUCTION,
        Unit.CHOICE,
        "What a data contributor's part is proportional to",
        source="docs/readings.md#what-divergence-pays-for",
    )
    compute_split: ComputeSplit = declared(
        ComputeSplit.CONTRIBUTION,
        Unit.CHOICE,
        "How the nodes of a federated round share",
        source="docs/papers/2pm.md#computing-power-contribution",
    )
    empty_side: EmptySide = declared(
        EmptySide.CARRY,
        Unit.CHOICE,
        "Where a round's slice goes if nobody is on its side",
        source="docs/readings.md#royalties",
    )
    exp_kl_beta: Wad = declared(
        "1",
        Unit.FACTOR,
        "Steepness of the exponential reading of divergence",
        high="100",
        source="docs/readings.md#what-divergence-pays-for",
    )
    pool_prior_rows: int = declared(
        "1",
        Unit.COUNT,
        "Rows that every cell of a pool is taken to have before any are given",
        low="1",
        high="1000000",
        source="docs/readings.md#what-divergence-pays-for",
    )
    min_class_mass: Wad = declared(
        "0.001",
        Unit.FRACTION,
        "Part of the target that every cell has at least",
        low="0.000001",
        source="docs/readings.md#what-divergence-pays-for",
    )
    kl_max: Wad = declared(
        "3",
        Unit.FACTOR,
        "Divergence from the target, in nats, above which data earns nothing",
        low="0.000001",
        high="40",
        source="docs/readings.md#what-divergence-pays-for",
    )
    pool_tolerance: Wad = declared(
        "0.1",
        Unit.FRACTION,
        "Part of what a further row dilutes by which data that joins may lead away",
        source="docs/readings.md#what-joins-the-pool",
    )
    full_reduction: Wad = declared(
        "0.01",
        Unit.FRACTION,
        "Part of its divergence that a pool must lose for a round's whole data slice",
        source="docs/readings.md#slices-that-were-carried",
    )
    min_validity: Wad = declared(
        "0.9",
        Unit.FRACTION,
        "Part of the rows looked at that must be valid",
        source="docs/readings.md#royalties",
    )
    audited_rows: int = declared(
        "20",
        Unit.COUNT,
        "Rows of a data set that are looked at, or all where it has fewer",
        low="1",
        high="1000000",
        source="docs/readings.md#royalties",
    )
    rows_per_token: Wad = declared(
        "0",
        Unit.FACTOR,
        "Rows of a round that a staked token answers for; 0 asks for no stake",
        high="1000000",
        source="docs/readings.md#royalties",
    )
    challenge_seconds: int = declared(
        "86400",
        Unit.SECONDS,
        "Time to challenge what was measured of a round",
        high="2592000",
        source="docs/readings.md#royalties",
    )


@dataclass(frozen=True, slots=True)
class Governance:
    """How holders change all this."""

    voting_days: int = declared(
        "7",
        Unit.DAYS,
        "Time to vote",
        low="1",
        high="90",
        source="docs/readings.md#governance",
    )
    timelock_days: int = declared(
        "2",
        Unit.DAYS,
        "Time between approval and execution",
        high="90",
        source="docs/readings.md#governance",
    )
    quorum_fraction: Wad = declared(
        "0.04",
        Unit.FRACTION,
        "Part of the voting power that must vote",
        source="docs/readings.md#governance",
    )
    approval_fraction: Wad = declared(
        "0.5",
        Unit.FRACTION,
        "Part of the votes that must be exceeded",
        source="docs/readings.md#governance",
    )
    proposal_fraction: Wad = declared(
        "0.001",
        Unit.FRACTION,
        "Part of the voting power that may propose",
        source="docs/readings.md#governance",
    )
    duration_factor_max: Wad = declared(
        "1",
        Unit.FACTOR,
        "Voting power of a token staked for longest; 1 is one token, one vote",
        low="1",
        high="10",
        source="docs/readings.md#governance",
    )
    participation_factor_max: Wad = declared(
        "1",
        Unit.FACTOR,
        "Voting power of a token whose holder always votes",
        low="1",
        high="10",
        source="docs/readings.md#governance",
    )
