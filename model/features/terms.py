"""The terms in the catalogue's formulas.

Their texts are part of the catalogue's hash. `former_texts` keeps the hash if a text is only reworded.
"""

from __future__ import annotations

from typing import Final

TERMS: Final[dict[str, str]] = {
    "transaction": (
        "One id. Rows of the excluded types are dropped first; then an id's rows collapse to its final state, the"
        " greatest in the order PENDING, COMPLETED, CANCELLED, FAILED, DECLINED, REVERSED (an unknown state "
        "counts as the greatest). Of several rows in that state, the one completed last counts, then the one of "
        "the greatest amount, type and direction. Its time is the earliest created_at of the id."
    ),
    "order": "By time, then amount, type, direction, state and completed_at; never by id.",
    "own transactions": (
        'Every transaction except the bank\'s own, PROCESSING_FEE and USER_REWARD. In a formula, "transactions" means '
        "these."
    ),
    "last activity": "The time of the customer's last transaction of their own. The bank's later ones don't count.",
    "look-back": (
        "Only the LOOKBACK_DAYS before the last activity count, and of these the latest MAX_TRANSACTIONS, the "
        "bank's own included."
    ),
    "moves in": "Direction IN and final state COMPLETED; money in is their sum.",
    "moves out": (
        "Direction OUT and final state COMPLETED or PENDING (the money is committed); money out is their sum."
    ),
    "transfers in, transfers out": "BANK_TRANSFER among the moves in, and among the moves out.",
    "card payments": "CARDS among the moves out.",
    "crypto purchases, crypto sales": "CRYPTO_ON_RAMP among the moves out, CRYPTO_OFF_RAMP among the moves in.",
    "top-ups that succeeded": "CARD_TOP_UP among the moves in.",
    "failed top-ups": "CARD_TOP_UP with final state FAILED, DECLINED or CANCELLED.",
    "matches": (
        "Moves out are matched, in order, with the earliest money in that isn't matched yet. A match is a part of a "
        "move in and an equal part of a move out; its time is from the move in to the move out. Money out beyond the "
        "money that is available isn't matched. A move in at the same time as a move out is available to it."
    ),
    "within": "Both ends included. Sums are compared to within a millionth of a euro.",
}
