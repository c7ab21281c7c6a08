"""MONEY.md, how much to hold, and the one rule for the reason of a refusal."""

from __future__ import annotations

import pytest

from tests.ledger.scenario import play, scenarios

RULES = """
## How much to hold 1: something between minimum and desired is granted
top-up 10                         | balance 10
reserve a 2..5                    | granted 5 of 10
reserve b 2..9                    | granted 5 of 5
see pool                          | balance 10 held 10 available 0

## How much to hold 1: the minimum exactly fits
top-up 10
reserve a 10..20                  | granted 10 of 10
see pool                          | balance 10 held 10 available 0

## How much to hold 1: or nothing is granted, and nothing changes
top-up 10
reserve a 10.000000001..20        | REQUEST_TOO_LARGE needs 10.000000001 available 10 held 0
see pool                          | balance 10 held 0 available 10

## How much to hold 1: desired is capped at the share of what the account has
terms PREPAY_MANDATE share 10
top-up 100
reserve a 1..50                   | granted 10 of 100
reserve b 1..50                   | granted 10 of 90
see pool                          | balance 100 held 20 available 80

## How much to hold 1: a share below the minimum grants the minimum
terms PREPAY_MANDATE share 10
top-up 100
reserve a 15..50                  | granted 15 of 100

## How much to hold 1: the share is that of the whole call, however often it grows
terms PREPAY_MANDATE share 10
top-up 100
reserve a 1..4                    | granted 4
extend a 5..50                    | granted 10 of 96
extend a 11..50                   | granted 11 of 90
see pool                          | balance 100 held 11 available 89

## How much to hold 1: the share counts the credit line
terms POSTPAY line 100 share 10
reserve a 1..50                   | granted 10 of 100

## How much to hold 1: a free call holds nothing, on an empty pool too
reserve a 0                       | granted 0 of 0
settle a 0                        | settled 0

## How much to hold 1: an extension is in totals and may come twice
top-up 10
reserve a 2                       | granted 2
extend a 4                        | granted 4 of 8
extend a 4                        | granted 4 of 6
extend a 3..9                     | granted 4 of 6
see pool                          | balance 10 held 4 available 6

## How much to hold 1: all limits at once, or nothing
top-up 10
limit user:anna day 6
limit mandate:all month 4
reserve a 3..9 by anna            | granted 4 of 10
limit user:anna day               | spent 0 held 4
limit mandate:all month           | spent 0 held 4
reserve b 1 by anna               | FUNDS_HELD
limit user:anna day               | spent 0 held 4

## Refusals: any limit with F below R is LIMIT_REACHED, before the payer is looked at
limit user:anna day 2 spent 1.5
reserve a 1 by anna               | LIMIT_REACHED user day needs 1 available 0 held 0
reserve b 1 by ben                | BALANCE_EXHAUSTED

## Refusals: limits are looked at in the order key, user, model, mandate
top-up 10
limit mandate:all day 0
reserve a 1 by anna key k of m    | LIMIT_REACHED mandate day
limit model:m day 0
reserve a 1 by anna key k of m    | LIMIT_REACHED model day
limit user:anna day 0
reserve a 1 by anna key k of m    | LIMIT_REACHED user day
limit key:k day 0
reserve a 1 by anna key k of m    | LIMIT_REACHED key day

## Refusals: F of a limit counts what others hold
top-up 10
limit user:anna day 5
reserve a 4 by anna               | granted 4
reserve b 2 by anna               | FUNDS_HELD needs 2 available 6 held 4
reserve c 6 by anna               | LIMIT_REACHED user day
settle a 4                        | settled 4
reserve b 2 by anna               | LIMIT_REACHED user day needs 2 available 6 held 0

## Refusals: an empty payer is BALANCE_EXHAUSTED
reserve a 1                       | BALANCE_EXHAUSTED needs 1 available 0 held 0

## Refusals: below 5 % of the last top-up the payer is exhausted
top-up 10
reserve a 9.6                     | granted 9.6
settle a 9.6
reserve b 0.45                    | BALANCE_EXHAUSTED needs 0.45 available 0.4 held 0

## Refusals: at 5 % of the last top-up it is only too poor
top-up 10
reserve a 9.5
settle a 9.5
reserve b 0.55                    | REQUEST_TOO_LARGE needs 0.55 available 0.5 held 0

## Refusals: below 1.00, whichever is smaller
top-up 1000
reserve a 999
settle a 999
reserve b 2                       | REQUEST_TOO_LARGE
reserve c 0.5                     | granted 0.5
settle c 0.5
reserve d 2                       | BALANCE_EXHAUSTED needs 2 available 0.5 held 0

## Refusals: what exhausted means can be configured
terms PREPAY_MANDATE below 5
top-up 10
reserve a 5
settle a 5
reserve b 6                       | REQUEST_TOO_LARGE
reserve c 1
settle c 1
reserve d 6                       | BALANCE_EXHAUSTED

## Refusals: a wallet's last top-up may have come from the pool
top-up 100
to-wallet anna 10
terms PREPAY_USER
reserve a 9.6 wallet anna
settle a 9.6
reserve b 1 wallet anna           | BALANCE_EXHAUSTED needs 1 available 0.4 held 0

## Refusals: else the money is there but held
top-up 10
reserve a 8
reserve b 3                       | FUNDS_HELD needs 3 available 2 held 8
release a                         | released 0
reserve b 3                       | granted 3 of 10

## Refusals: an extension does not wait for what it holds itself
top-up 10
reserve a 8
extend a 11                       | REQUEST_TOO_LARGE needs 3 available 2 held 8
reserve b 2
extend a 9                        | FUNDS_HELD needs 1 available 0 held 10
settle b 2
extend a 9                        | BALANCE_EXHAUSTED needs 1 available 0 held 8

## Refusals: debt is exhausted, for a free call too
terms POSTPAY line 10
reserve a 10
settle a 10
terms POSTPAY line 5
reserve b 1                       | BALANCE_EXHAUSTED needs 1 available -5 held 0
reserve c 0                       | BALANCE_EXHAUSTED

## Refusals: a mandate that is not active begins nothing
top-up 10
reserve a 1
terms PREPAY_MANDATE inactive
reserve b 1                       | MANDATE_NOT_ACTIVE
extend a 2                        | MANDATE_NOT_ACTIVE
settle a 1                        | settled 1

## Refusals: other terms than the caller assumed
top-up 10
terms POSTPAY line 1
reserve a 1 as PREPAY_MANDATE     | TERMS_CHANGED
reserve a 1 as POSTPAY            | granted 1

## The payer never falls back from one account to another
top-up 10
terms PREPAY_USER
reserve a 1 wallet anna           | BALANCE_EXHAUSTED needs 1 available 0 held 0
reserve b 1 as PREPAY_USER        | OUT_OF_RANGE
terms PREPAY_MANDATE
reserve c 1 wallet anna           | OUT_OF_RANGE
reserve d 1 wallet revenue as PREPAY_USER | OUT_OF_RANGE
see pool                          | balance 10 held 0 available 10

## Amounts are within range
top-up 4000000000                 | balance 4000000000
top-up 4000000000                 | OUT_OF_RANGE
reserve a 5..3                    | OUT_OF_RANGE
reserve a -1                      | OUT_OF_RANGE
reserve a 1 bound -1              | OUT_OF_RANGE
reserve a 1 ttl 0                 | OUT_OF_RANGE
extend a 1 used -1                | OUT_OF_RANGE
reserve a 4000000000              | granted 4000000000
extend a -1                       | OUT_OF_RANGE
settle a -1                       | OUT_OF_RANGE
charge 1                          | OUT_OF_RANGE
top-up -1                         | OUT_OF_RANGE
top-up 0                          | OUT_OF_RANGE
refund -1                         | OUT_OF_RANGE
correct 0                         | OUT_OF_RANGE
to-wallet anna 0                  | OUT_OF_RANGE
to-wallet pool 1                  | OUT_OF_RANGE
to-wallet revenue 1               | OUT_OF_RANGE

## Sums stay within range
terms UNLIMITED
reserve a 4000000000
reserve b 4000000000
reserve c 4000000000              | OUT_OF_RANGE
settle a 4000000000               | settled 4000000000
settle b 4000000000               | settled 4000000000
reserve d 1000000000
settle d 4000000000               | OUT_OF_RANGE
settle d 1000000000               | settled 1000000000
"""


@pytest.mark.parametrize(("rule", "table"), scenarios(RULES))
def test_holding(rule: str, table: str) -> None:
    play(table)
