"""Every feature as Polars expressions, written from the catalogue's formulas and independently of the kernel.

It is the kernel's peer in benchmarks and its oracle in tests. Sums that are compared or matched are in whole millionths
of a euro, so they don't depend on the order of rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from customer_risk.model.features import residence
from customer_risk.model.features.catalogue import LOOKBACK_DAYS, MAX_TRANSACTIONS, NAMES
from customer_risk.model.features.vocabulary import DIRECTIONS, STATES, TYPES, UNKNOWN_OFFSET

BY = "customer_id"
MICRO = 1_000_000
BANKS = ("PROCESSING_FEE", "USER_REWARD")
LIMITS = (500, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000)

own = ~pl.col("type").is_in(BANKS)
came = (pl.col("direction") == "IN") & (pl.col("state") == "COMPLETED")
went = (pl.col("direction") == "OUT") & pl.col("state").is_in(["COMPLETED", "PENDING"])
refused = pl.col("state").is_in(["FAILED", "DECLINED"])
failed = pl.col("state").is_in(["FAILED", "DECLINED", "CANCELLED"])
transfer = pl.col("type") == "BANK_TRANSFER"
card = pl.col("type") == "CARDS"
on_ramp = pl.col("type") == "CRYPTO_ON_RAMP"
top_up = pl.col("type") == "CARD_TOP_UP"
amount = pl.col("amount")
positive = amount > 0
since = pl.col("created_at") - pl.col("created_at").first()
ago = pl.col("created_at").last() - pl.col("created_at")


def features(
    customers: pl.DataFrame,
    events: pl.DataFrame,
    *,
    lookback_days: float = LOOKBACK_DAYS,
    most: int = MAX_TRANSACTIONS,
    excluded: Sequence[str] = ("MANUAL",),
) -> pl.DataFrame:
    """Return customer_id and every feature: one row a customer, in the order of customers; null where missing."""
    rows = final_transactions(events.join(customers.select(BY), on=BY), lookback_days, most, excluded)
    mine = rows.filter(own)
    table = customers.select(BY, *_profile(customers))
    parts = (
        _single(mine),
        _entropy(mine),
        _local(mine, table),
        _busiest(mine),
        _passing(mine),
        _swept(mine),
        _fed(mine),
    )
    for part in parts:
        table = table.join(part, on=BY, how="left", maintain_order="left")
    first = rows.group_by(BY).agg(
        pl.col("whole").first(), starts_with_fee=(pl.col("type").first() == "PROCESSING_FEE").cast(pl.Float64)
    )
    table = table.join(first, on=BY, how="left", maintain_order="left")
    table = table.with_columns(
        transactions=pl.col("transactions").fill_null(0),
        no_transactions=pl.col("transactions").is_null(),
        turnover_per_active_day=(pl.col("in_sum") + pl.col("out_sum")) / pl.col("active_days"),
        active_day_share=pl.col("active_days") / (pl.col("span_days").floor() + 1),
        irrevocable_out=(irrevocable := pl.col("onramp_sum") + pl.col("transfer_out_sum") + pl.col("card_large_sum")),
        irrevocable_share=_share(pl.min_horizontal(irrevocable, "in_sum"), pl.col("in_sum")),
        transfer_flow=irrevocable + pl.col("transfer_in_sum"),
        pass_24h_share=_share(pl.col("pass_24h"), pl.col("in_sum")),
        passed_share=_share(pl.col("passed"), pl.col("in_sum")),
        onramp_against_reason=pl.when(pl.col("reason_crypto") == 1)
        .then(pl.lit(0.0) * pl.col("tried"))
        .otherwise("tried"),
        low_income_in=pl.col("in_sum") * pl.col("occupation_low_income"),
        no_biometrics_in=pl.col("in_sum") * pl.col("no_biometrics"),
        age_years=(pl.col("last_day") - pl.col("birth_day")) / 365.25,
        **{
            name: pl.when("whole").then(name)
            for name in NAMES
            if name.startswith("first_") or name == "starts_with_fee"
        },
    )
    return table.select(BY, *(pl.col(name).cast(pl.Float64) for name in NAMES))


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)


def final_transactions(events: pl.DataFrame, lookback_days: float, most: int, excluded: Sequence[str]) -> pl.DataFrame:
    """Collapse, sort and cut to the look-back; `whole` is true if no earlier transaction was left out."""

    def known(column: str, names: tuple[str, ...]) -> pl.Expr:
        return pl.when(pl.col(column).is_in(names)).then(column).otherwise(pl.lit("OTHER")).alias(column)

    def rank(column: str, names: tuple[str, ...]) -> pl.Expr:
        return pl.col(column).replace_strict(dict(zip((*names, "OTHER"), range(len(names) + 1), strict=True)))

    ranks = [rank("type", TYPES), rank("direction", DIRECTIONS), rank("state", STATES)]
    rows = (
        events.with_columns(known("state", STATES), known("type", TYPES), known("direction", DIRECTIONS))
        .filter(~pl.col("type").is_in(list(excluded)))
        .sort(BY, "id", ranks[2], "completed_at", "amount", *ranks[:2], nulls_last=False)
        .group_by(BY, "id")
        .agg(pl.col("created_at").min(), pl.exclude("created_at").last())
        .sort(BY, "created_at", "amount", *ranks, "completed_at", nulls_last=False)
        .with_columns(place=pl.int_range(pl.len()).over(BY))
    )
    last = rows.filter(own).group_by(BY).agg(last=pl.col("created_at").last(), last_place=pl.col("place").last())
    rows = rows.join(last, on=BY, maintain_order="left").filter(pl.col("place") <= pl.col("last_place"))
    kept = rows.filter(
        pl.col("created_at") >= pl.col("last") - pl.duration(microseconds=round(lookback_days * 86_400 * MICRO)),
        pl.col("place") > pl.col("last_place") - most,
    )
    return kept.with_columns(whole=pl.col("place").first().over(BY) == 0)


def _profile(customers: pl.DataFrame) -> list[pl.Expr]:
    def yes(condition: pl.Expr) -> pl.Expr:
        return condition.fill_null(value=False).cast(pl.Float64)

    def of_places(function: object, other: str | None = None) -> pl.Series:
        pairs = zip(customers["country_of_residence"], customers[other] if other else customers[BY], strict=True)
        codes = [function(country, value) if other else function(country) for country, value in pairs]  # type: ignore[operator]
        return pl.Series([None if code == -1 else code for code in codes], dtype=pl.Float64)

    reason, occupation = pl.col("reason_to_use_app"), pl.col("occupation")
    gaps = [pl.col(name).is_null() for name in ("has_biometrics", "kyc_state", "screening_state")]
    return [
        (~pl.col("has_biometrics")).cast(pl.Float64).alias("no_biometrics"),
        (pl.col("kyc_state") != "COMPLETED").cast(pl.Float64).alias("kyc_incomplete"),
        (pl.col("screening_state") != "COMPLETED").cast(pl.Float64).alias("screening_review"),
        pl.col("is_pep").cast(pl.Float64).alias("politically_exposed"),
        pl.col("is_adverse_media_minor").cast(pl.Float64).alias("adverse_media"),
        pl.sum_horizontal(*gaps, reason.is_null(), occupation.is_null()).alias("profile_gaps"),
        reason.is_null().alias("reason_missing"),
        yes(reason.is_in(["CRYPTO_SERVICES", "NON_CUSTODIAL_CRYPTO_WALLET"])).alias("reason_crypto"),
        yes(reason == "INTERNATIONAL_TRANSFERS").alias("reason_transfers"),
        yes(reason == "TRAVEL_ACCOUNT").alias("reason_travel"),
        yes(occupation.is_in(["STUDENTS", "UNEMPLOYED", "RETIRED"])).alias("occupation_low_income"),
        of_places(residence.document_mismatch, "document_issuing_country").alias("document_mismatch"),
        of_places(residence.overseas).alias("overseas"),
        of_places(residence.phone_mismatch, "phone_number_country_code").alias("phone_mismatch"),
        of_places(residence.foreign_locale, "locale").alias("foreign_locale"),
        of_places(residence.utc_offset).replace(UNKNOWN_OFFSET, None).alias("utc_offset"),
        pl.col("date_of_birth").cast(pl.Int32).alias("birth_day"),
    ]


def _single(mine: pl.DataFrame) -> pl.DataFrame:
    """Return the features that one grouping of the transactions gives."""

    def total(condition: pl.Expr) -> pl.Expr:
        return amount.filter(condition).sum()

    def most(condition: pl.Expr) -> pl.Expr:
        return amount.filter(condition).max().fill_null(0)

    def within(condition: pl.Expr, days: int) -> pl.Expr:
        return amount.filter(condition & (since <= pl.duration(days=days))).sum()

    n = pl.len()
    hour = pl.duration(hours=1)
    gaps = pl.col("created_at").diff().dt.total_microseconds().drop_nulls()
    any_ = pl.lit(1) == 1
    cards_out = card & (pl.col("direction") == "OUT")
    return mine.group_by(BY, maintain_order=True).agg(
        transactions=n,
        span_days=(pl.col("created_at").last() - pl.col("created_at").first()).dt.total_microseconds() / 86_400 / MICRO,
        active_days=(since.dt.total_microseconds() // (86_400 * MICRO)).n_unique(),
        last_day=pl.col("created_at").last().dt.date().cast(pl.Int32),
        in_sum=total(came),
        in_max=most(came),
        out_count=went.sum(),
        out_sum=total(went),
        out_max=most(went),
        out_mean=amount.filter(went).mean(),
        attempted_max=amount.max(),
        amount_median=amount.filter(positive).median(),
        amount_variation=pl.when(positive.sum() > 1).then(
            amount.filter(positive).std(ddof=0) / amount.filter(positive).mean()
        ),
        value_per_transaction=total(came | went) / n,
        large_share=(amount >= 100).mean(),
        first_amount=amount.first(),
        last_amount=amount.last(),
        out_to_in=_share(total(went), total(came)).clip(upper_bound=3),
        left_sum=total(came) - total(went),
        left_share=_share(total(came) - total(went), total(came)).clip(0),
        declined_share=(pl.col("state") == "DECLINED").mean(),
        failed_share=(pl.col("state") == "FAILED").mean(),
        cancelled_share=(pl.col("state") == "CANCELLED").mean(),
        reversed_share=(pl.col("state") == "REVERSED").mean(),
        pending_share=(
            (pl.col("state") == "PENDING")
            | (pl.col("completed_at") > pl.col("created_at").last()).fill_null(value=False)
        ).mean(),
        transfer_in_count=(transfer & came).sum(),
        transfer_in_sum=total(transfer & came),
        transfer_in_max=most(transfer & came),
        transfer_in_share=_share(total(transfer & came), total(came)),
        transfer_out_count=(transfer & went).sum(),
        transfer_out_sum=total(transfer & went),
        transfer_out_count_share=(transfer & went).mean(),
        onramp_count=(on_ramp & went).sum(),
        onramp_sum=total(on_ramp & went),
        onramp_cancelled_count=(on_ramp & failed).sum(),
        tried=total(on_ramp),
        offramp_sum=total((pl.col("type") == "CRYPTO_OFF_RAMP") & came),
        topup_failed_count=(top_up & failed).sum(),
        topup_failed_sum=total(top_up & failed),
        topup_failed_share=_share((top_up & failed).sum(), top_up.sum()),
        topup_never_succeeded=(top_up & failed).any() & ~(top_up & came).any(),
        topup_done_count=(top_up & came).sum(),
        topup_in_share=_share(total(top_up & came), total(came)),
        card_count=cards_out.sum(),
        card_large_sum=total(card & went & (amount >= 300)),
        card_small_share=(card & went & positive & (amount <= 50)).mean(),
        card_check_share=_share((cards_out & ~positive).sum(), cards_out.sum()),
        card_refused_share=_share((card & refused).sum(), card.sum()),
        last_1h_count=(ago <= hour).sum(),
        last_24h_count=(ago <= 24 * hour).sum(),
        last_7d_count=(ago <= 168 * hour).sum(),
        last_30d_count=(ago <= 720 * hour).sum(),
        last_7d_in=total(came & (ago <= 168 * hour)),
        last_7d_out=total(went & (ago <= 168 * hour)),
        first_3d_attempted=within(any_, 3),
        first_7d_out=within(went, 7),
        first_14d_out=within(went, 14),
        first_14d_attempted=within(any_, 14),
        first_14d_transfers=within(transfer & (came | went), 14),
        first_14d_turnover=within(came | went, 14),
        first_30d_attempted=within(any_, 30),
        gap_median_hours=gaps.median() / 3_600 / MICRO,
        gap_burstiness=pl.when((gaps.len() >= 3) & (gaps.sum() > 0)).then(
            (gaps.std(ddof=0) - gaps.mean()) / (gaps.std(ddof=0) + gaps.mean())
        ),
        round_out_share=_share((went & positive & (amount % 50 == 0)).sum(), (went & positive).sum()),
        below_threshold_count=pl.any_horizontal((amount >= 0.95 * x) & (amount < x) for x in LIMITS).sum(),
    )


def _entropy(mine: pl.DataFrame) -> pl.DataFrame:
    kinds = mine.group_by(BY, "type", "direction").len()
    part = pl.col("len") / pl.col("len").sum()
    return kinds.group_by(BY).agg(kind_entropy=-(part * part.log()).sum())


def _local(mine: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    local = mine.join(table.select(BY, "utc_offset").drop_nulls(), on=BY).with_columns(
        local=pl.col("created_at") + pl.duration(minutes=pl.col("utc_offset").cast(pl.Int64))
    )
    hour, day = pl.col("local").dt.hour(), pl.col("local").dt.weekday()
    return local.group_by(BY).agg(
        night_share=(hour < 6).mean(), office_share=hour.is_between(9, 17).mean(), weekend_share=(day >= 6).mean()
    )


def _busiest(mine: pl.DataFrame) -> pl.DataFrame:
    sums = {
        "1h": {"busiest_1h_count": pl.len()},
        "24h": {
            "busiest_24h_count": pl.len(),
            "busiest_24h_in": amount.filter(came).sum(),
            "busiest_24h_out": amount.filter(went).sum(),
            "busiest_24h_refused": refused.sum(),
        },
        "168h": {"busiest_7d_transfers_in": amount.filter(transfer & came).sum()},
    }
    found = mine.select(BY).unique()
    for period, named in sums.items():
        windows = mine.rolling("created_at", period=period, group_by=BY, closed="both").agg(**named)
        found = found.join(windows.group_by(BY).agg(pl.col(name).max() for name in named), on=BY, how="left")
    return found


def _micro(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(micro=(amount * MICRO).round().cast(pl.Int64))


def _matches(ins: pl.DataFrame, outs: pl.DataFrame) -> pl.DataFrame:
    """Match moves out with the earliest money in: customer, lag, part (millionths of a euro), start.

    Up to each move out, O has gone out and I had come in. By reflection (Skorokhod) max(0, max of O - I so far) of it
    was not covered, so O less that was matched; laid end to end, moves in and matched moves out overlap in matches.
    """
    moves = pl.concat([ins.with_columns(sign=0), outs.with_columns(sign=1)]).sort(
        BY, "created_at", "sign", maintain_order=True
    )
    moves = (
        _micro(moves)
        .with_columns(
            came=(pl.col("micro") * (1 - pl.col("sign"))).cum_sum().over(BY),
            went=(pl.col("micro") * pl.col("sign")).cum_sum().over(BY),
        )
        .with_columns(uncovered=(pl.col("went") - pl.col("came")).cum_max().over(BY).clip(0))
        .with_columns(matched=pl.col("went") - pl.col("uncovered"))
    )
    arrivals = moves.filter(pl.col("sign") == 0).select(BY, "created_at", end="came")
    departures = moves.filter(pl.col("sign") == 1, pl.col("matched") > 0).select(
        BY, left_at="created_at", end="matched"
    )
    departures = departures.filter(pl.col("end") > pl.col("end").shift(1).over(BY).fill_null(0))
    ends = pl.concat([arrivals.select(BY, "end"), departures.select(BY, "end")]).unique().sort(BY, "end")
    pieces = (
        ends.with_columns(part=pl.col("end") - pl.col("end").shift(1).over(BY).fill_null(0))
        .sort("end")
        .join_asof(arrivals.sort("end"), on="end", by=BY, strategy="forward", check_sortedness=False)
        .join_asof(departures.sort("end"), on="end", by=BY, strategy="forward", check_sortedness=False)
        .drop_nulls(["created_at", "left_at"])
    )
    return pieces.select(BY, "part", start="created_at", lag=pl.col("left_at") - pl.col("created_at"))


def _passing(mine: pl.DataFrame) -> pl.DataFrame:
    part, lag = pl.col("part"), pl.col("lag")

    def up_to(hours: int) -> pl.Expr:
        return part.filter(lag <= pl.duration(hours=hours)).sum() / MICRO

    first = mine.group_by(BY).agg(first=pl.col("created_at").first(), out_sum=_micro_sum(went))
    pieces = _matches(mine.filter(came & positive), mine.filter(went & positive)).join(first, on=BY).sort(BY, "lag")
    early = pl.col("start") - pl.col("first") <= pl.duration(days=14)
    passing = pieces.group_by(BY, maintain_order=True).agg(
        pass_1h=up_to(1),
        pass_24h=up_to(24),
        pass_72h=up_to(72),
        passed=part.sum() / MICRO,
        first_14d_passed=part.filter(early & (lag <= pl.duration(hours=72))).sum() / MICRO,
        dwell_median_hours=lag.filter(part.cum_sum() * 2 >= part.sum()).first() / pl.duration(hours=1),
    )
    large = mine.filter(transfer & came & (amount >= 100))
    pieces = _matches(large, mine.filter(went & (amount >= 100)))
    large_pass = pieces.group_by(BY).agg(transfer_pass_72h=up_to(72))
    zero = ["pass_1h", "pass_24h", "pass_72h", "passed", "first_14d_passed", "transfer_pass_72h"]
    return (
        first.join(passing, on=BY, how="left")
        .join(large_pass, on=BY, how="left")
        .join(large.group_by(BY).agg(large=amount.sum()), on=BY, how="left")
        .with_columns(pl.col(zero).fill_null(0))
        .with_columns(
            unfunded_out=pl.col("out_sum") / MICRO - pl.col("passed"),
            transfer_pass_72h_share=_share(pl.col("transfer_pass_72h"), pl.col("large")),
        )
        .drop("first", "out_sum", "large")
    )


def _micro_sum(condition: pl.Expr) -> pl.Expr:
    return (amount.filter(condition) * MICRO).round().cast(pl.Int64).sum()


def _sum_between(at: pl.DataFrame, rows: pl.DataFrame, begin: pl.Expr, end: pl.Expr) -> pl.DataFrame:
    """Add to each row of `at` the sum (millionths) of `rows` of its customer within its begin..end, both included."""
    running = (
        _micro(rows)
        .sort(BY, "created_at")
        .select(BY, time="created_at", so_far=pl.col("micro").cum_sum().over(BY))
        .group_by(BY, "time")
        .agg(pl.col("so_far").last())
        .sort("time")
    )
    found = at.with_columns(begin=begin, end=end)
    for name, exact in (("begin", False), ("end", True)):
        found = (
            found.sort(name)
            .join_asof(running, left_on=name, right_on="time", by=BY, allow_exact_matches=exact, check_sortedness=False)
            .rename({"so_far": f"up_to_{name}"})
            .drop("time")
        )
    return found.with_columns(between=pl.col("up_to_end").fill_null(0) - pl.col("up_to_begin").fill_null(0))


def _swept(mine: pl.DataFrame) -> pl.DataFrame:
    large = _micro(mine.filter(transfer & came & (amount >= 100)))
    time = pl.col("created_at")
    found = _sum_between(large, mine.filter(went), time, time + pl.duration(hours=72))
    swept = found.group_by(BY).agg(
        sweep_count=(pl.col("between") * 10 >= pl.col("micro") * 8).sum(),
        sweep_share=(pl.col("between") * 10 >= pl.col("micro") * 8).mean(),
        sweep_max=pl.min_horizontal("micro", "between").max() / MICRO,
    )
    return (
        mine.select(BY)
        .unique()
        .join(swept, on=BY, how="left")
        .with_columns(pl.col("sweep_count", "sweep_max").fill_null(0))
    )


def _fed(mine: pl.DataFrame) -> pl.DataFrame:
    purchases = _micro(mine.filter(on_ramp & went))
    time = pl.col("created_at")
    fed = mine.select(BY).unique()
    for name, source in (("onramp_fed_by_transfers", transfer & came), ("onramp_fed_by_topups", top_up & came)):
        found = _sum_between(purchases, mine.filter(source), time - pl.duration(hours=72), time)
        sums = found.group_by(BY).agg((pl.min_horizontal("micro", "between").sum() / MICRO).alias(name))
        fed = fed.join(sums, on=BY, how="left").with_columns(pl.col(name).fill_null(0.0))
    return fed
