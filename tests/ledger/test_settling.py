"""MONEY.md: settling, limits, idempotency, and what runs out."""

from __future__ import annotations

import pytest

from tests.ledger.scenario import play, scenarios

RULES = """
## Settling 1: the actual cost is charged and the rest is free
top-up 10
reserve a 5
settle a 3                        | settled 3
see pool                          | balance 7 held 0 available 7
see revenue                       | balance 3
see funding                       | balance -10

## Settling 1: above the hold, the payer bears what is available
top-up 10
reserve a 5
settle a 8                        | settled 8
see pool                          | balance 2 held 0 available 2

## Settling 1: and the operator bears the rest
top-up 10
reserve a 5
settle a 12                       | settled 10 overrun 2
see pool                          | balance 0 held 0 available 0
see overrun_loss                  | balance -2
see revenue                       | balance 12

## Settling 1: another call's hold is never touched
top-up 10
reserve a 5
reserve b 4
settle a 12                       | settled 6 overrun 6
see pool                          | balance 4 held 4 available 0
settle b 4                        | settled 4

## Settling 1: a prepaid balance is never negative, a limit may be overrun by what was spent
top-up 10
limit mandate:all day 5
reserve a 5
settle a 8                        | settled 8
limit mandate:all day             | spent 8 held 0
reserve b 1                       | LIMIT_REACHED mandate day

## Settling 2: a call that was never made costs nothing
top-up 10
reserve a 5
release a                         | released 0
see pool                          | balance 10 held 0 available 10
release a                         | released 0
settle a 5                        | HOLD_RESOLVED

## Settling: a hold resolves once, and says the same again
top-up 10
reserve a 5
settle a 3                        | settled 3
settle a 4                        | settled 3
release a                         | settled 3
extend a 6                        | HOLD_RESOLVED
see pool                          | balance 7 held 0 available 7

## Settling: what does not exist is said so
settle a 1                        | HOLD_NOT_FOUND
release a                         | HOLD_NOT_FOUND
extend a 1                        | HOLD_NOT_FOUND
expire a                          | HOLD_NOT_FOUND

## Settling: a hold is only settled on its own payer
top-up 10
top-up 10 wallet anna
reserve a 5
settle a 5 wallet anna            | HOLD_NOT_FOUND
release a wallet anna             | HOLD_NOT_FOUND
extend a 6 wallet anna            | HOLD_NOT_FOUND
see pool                          | balance 10 held 5 available 5

## Settling: a call that cost nothing is settled at nothing
top-up 10
reserve a 5
settle a 0                        | settled 0
see pool                          | balance 10 held 0 available 10

## Settling 7: UNLIMITED is a flag, nothing is refused for money
terms UNLIMITED
reserve a 1000..5000              | granted 5000
settle a 7000                     | settled 7000
see pool                          | balance -7000

## Settling 7: UNLIMITED, but caps still hold
terms UNLIMITED
limit user:anna day 5
reserve a 3..9 by anna            | granted 5
reserve b 1 by anna               | FUNDS_HELD
settle a 6                        | settled 6
reserve c 1 by anna               | LIMIT_REACHED user day

## Settling 7: POSTPAY runs down to the credit line
terms POSTPAY line 10
reserve a 10                      | granted 10 of 10
settle a 15                       | settled 10 overrun 5
see pool                          | balance -10 held 0 available 0
reserve b 1                       | BALANCE_EXHAUSTED
terms POSTPAY line 11
reserve b 1                       | granted 1 of 1

## Settling 7: the line is read at the moment, a hold above it settles
terms POSTPAY line 10
reserve a 10
terms POSTPAY line 2
settle a 10                       | settled 10
see pool                          | balance -10 held 0 available -8
reserve b 1                       | BALANCE_EXHAUSTED needs 1 available -8

## Settling 7: an open hold settles on the payer of its admission
top-up 10
top-up 10 wallet anna
reserve a 5
terms PREPAY_USER
settle a 5                        | settled 5
see pool                          | balance 5
see anna                          | balance 10

## Settling 7: extensions obey the new terms
top-up 10
reserve a 10
terms POSTPAY line 5
extend a 12                       | granted 12
terms PREPAY_MANDATE
extend a 13                       | BALANCE_EXHAUSTED
settle a 12                       | settled 12
see pool                          | balance -2

## Settling 7: a wallet stays prepaid whatever the mandate's terms become
top-up 10 wallet anna
terms PREPAY_USER
reserve a 5 wallet anna
terms POSTPAY line 100
extend a 11                       | REQUEST_TOO_LARGE
settle a 12                       | settled 10 overrun 2
see anna                          | balance 0
terms UNLIMITED
top-up 5 wallet anna
terms PREPAY_USER
reserve b 5 wallet anna
terms UNLIMITED
extend b 6                        | BALANCE_EXHAUSTED
settle b 6                        | settled 5 overrun 1
correct -1 wallet anna            | INSUFFICIENT_FUNDS

## Settling 7: leaving UNLIMITED with debts refuses new calls, and nothing else happens
terms UNLIMITED
reserve a 5
reserve b 5
settle a 5
terms PREPAY_MANDATE
reserve c 1                       | BALANCE_EXHAUSTED needs 1 available -10 held 5
settle b 5                        | settled 5
see pool                          | balance -10

## Limits 1: settling moves every leg
top-up 10
limit key:k day 9
limit user:anna month 9
limit model:m week 9
limit mandate:all total 9
reserve a 5 by anna key k of m
settle a 3
limit key:k day                   | spent 3 held 0
limit user:anna month             | spent 3 held 0
limit model:m week                | spent 3 held 0
limit mandate:all total           | spent 3 held 0

## Limits 1: what the operator bears is not the user's
top-up 5
limit user:anna day 9
reserve a 5 by anna
settle a 8                        | settled 5 overrun 3
limit user:anna day               | spent 5 held 0

## Limits 2: two caps of one scope both hold
top-up 10
limit user:anna day 4
limit user:anna month 6
reserve a 3..9 by anna            | granted 4
settle a 4
reserve b 1 by anna               | LIMIT_REACHED user day
limit user:anna day 9
reserve c 1..9 by anna            | granted 2

## Limits 2: extensions count in the limits of the admission
top-up 10
limit user:anna day 5
reserve a 3 by anna
extend a 4..9                     | granted 5
extend a 6                        | LIMIT_REACHED user day
limit user:anna day               | spent 0 held 5

## Limits 2: deleting a cap keeps its legs, but refuses nothing any more
top-up 10
limit user:anna day 5
reserve a 5 by anna
limit user:anna day 5 deleted
extend a 6                        | granted 6
reserve b 4 by anna               | granted 4
settle a 6                        | settled 6
limit user:anna day               | spent 6 held 0

## Limits: a cap lowered below what is spent refuses, and raised again lets through
top-up 10
limit user:anna day 5
reserve a 3 by anna
settle a 3
limit user:anna day 2
reserve b 1 by anna               | LIMIT_REACHED user day
limit user:anna day 4
reserve b 1 by anna               | granted 1

## Idempotency: the same again answers the same
top-up 10 again t                 | balance 10
top-up 10 again t                 | balance 10
see pool                          | balance 10
reserve a 5 again r               | granted 5 of 10
reserve a 5 again r               | granted 5 of 10
settle a 3 again s                | settled 3
settle a 3 again s                | settled 3
reserve a 5 again r               | granted 5 of 10
see pool                          | balance 7 held 0 available 7

## Idempotency: other content is a conflict
top-up 10 again t                 | balance 10
top-up 11 again t                 | IDEMPOTENCY_CONFLICT
see pool                          | balance 10

## Idempotency: the scope is the caller's
top-up 10 again t caller one      | balance 10
top-up 10 again t caller two      | balance 20

## Idempotency: refusals are not remembered
reserve a 5 again r               | BALANCE_EXHAUSTED
top-up 10
reserve a 5 again r               | granted 5 of 10

## Crashes 3: the reaper settles at the last recorded usage
top-up 10
reserve a 5 bound 1
extend a 6 used 4                 | granted 6
extend a 6 used 3                 | granted 6
+61s
expire a                          | expired 4
see pool                          | balance 6 held 0 available 6

## Crashes 3: with none recorded, at the bound of the input
top-up 10
reserve a 5 bound 1
+61s
expire a                          | expired 1
expire a                          | expired 1
see pool                          | balance 9 held 0 available 9

## Crashes 3: never above the hold
top-up 10
reserve a 5 bound 1
extend a 5 used 7
+61s
expire a                          | expired 5
see pool                          | balance 5

## Crashes 3: what still lives does not run out
top-up 10
reserve a 5 ttl 60
+59s
expire a                          | NOT_DUE
extend a 5                        | granted 5
+59s
expire a                          | NOT_DUE

## Crashes 3: what arrives later posts one adjustment
top-up 10
limit user:anna day 9
reserve a 5 bound 1 by anna
+61s
expire a                          | expired 1
settle a 4                        | expired 4
settle a 9                        | expired 4
see pool                          | balance 6
limit user:anna day               | spent 4 held 0

## Crashes 3: an adjustment may give money back
top-up 10
limit user:anna day 9
reserve a 5 bound 3 by anna
+61s
expire a                          | expired 3
settle a 1                        | expired 1
see pool                          | balance 9
see revenue                       | balance 1
limit user:anna day               | spent 1 held 0

## Crashes 3: an adjustment goes by the rules of settling
top-up 10
reserve a 5 bound 1
+61s
expire a
reserve b 8
settle a 5                        | expired 2 overrun 3
see pool                          | balance 8 held 8 available 0

## Crashes 3: an equal amount needs no transfer, and is still the one adjustment
top-up 10
reserve a 5 bound 1
+61s
expire a
settle a 1                        | expired 1
settle a 5                        | expired 1
release a                         | expired 1

## Crashes 4: a release that comes late gives back what the reaper took
top-up 10
reserve a 5 bound 1
+61s
expire a                          | expired 1
release a                         | expired 0
see pool                          | balance 10
release a                         | expired 0

## Money in and out: a correction has a sign
correct 5                         | balance 5
correct -3                        | balance 2
correct -3                        | INSUFFICIENT_FUNDS needs 3 available 2
terms POSTPAY line 1
correct -3                        | balance -1

## Money in and out: a refund is at most what is available, never the line
terms POSTPAY line 10
top-up 5
reserve a 2
refund 4                          | INSUFFICIENT_FUNDS needs 4 available 3
refund 3                          | balance 2

## Money in and out: between pool and wallet only what is there
terms POSTPAY line 10
top-up 5
to-wallet anna 6                  | INSUFFICIENT_FUNDS needs 6 available 5
to-wallet anna 4                  | balance 1
to-wallet anna -5                 | INSUFFICIENT_FUNDS needs 5 available 4
to-wallet anna -1                 | balance 2
see anna                          | balance 3
"""


@pytest.mark.parametrize(("rule", "table"), scenarios(RULES))
def test_settling(rule: str, table: str) -> None:
    play(table)
