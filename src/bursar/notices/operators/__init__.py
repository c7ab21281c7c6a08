"""What operators are told: an upstream that turns our account away, holds that went wrong, books that do not add up.

Owns: the table `operator_alert` (small, of no mandate), the rules of telling operators (`rules`, pure), the ear of a
worker (`news`), and the watch that the messenger keeps (`watch`).

Invariants: as for mandates, one mail to each operator per alert and cooldown, over all workers and servers; a repeat
says what has been added; nothing here can delay or fail a call.
"""
