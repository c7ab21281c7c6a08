"""What a refusal may say about the finance contacts."""

from __future__ import annotations

import asyncio

from bursar.billing.models import FinanceNews
from bursar.foundation.ids import new_id
from bursar.notices.news import News, ShortageNews
from tests.notices.mail_host import MailHost
from tests.notices.money_side import MoneySide, refusal
from tests.notices.worker import worker

A = "a@example.org"


async def test_what_the_refused_person_hears(money: MoneySide, mail_host: MailHost) -> None:
    news = ShortageNews(money.database.ledger_pool, fresh_seconds=0)
    mandate_id, nobody = await money.mandate(A), await money.mandate()
    wallets = await money.mandate(A, model="PREPAY_USER")
    wallet = new_id()
    await money.account(wallets, wallet)
    await money.refuse(mandate_id, nobody)
    await money.ride([refusal(wallets, account_id=wallet)])
    assert await news.of(mandate_id, mandate_id) == News(FinanceNews.BEING_TOLD)
    assert await news.of(nobody, nobody) == News(FinanceNews.NOBODY)
    assert await news.of(wallets, wallet) == News(FinanceNews.NOT_TOLD)
    await worker(money, mail_host).work_once()
    told = money.clock.at
    assert await news.of(mandate_id, mandate_id) == News(FinanceNews.TOLD, told)
    money.clock.pass_by(hours=2)
    await money.refuse(mandate_id)
    await worker(money, mail_host).work_once()
    assert await news.notified_at(mandate_id, mandate_id) == told, "the first mail about this shortage"
    await money.fund(mandate_id)
    assert await news.of(mandate_id, mandate_id) == News(FinanceNews.BEING_TOLD)


async def test_a_storm_of_refusals_asks_the_database_once(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    news = ShortageNews(money.database.ledger_pool, fresh_seconds=3600)
    answers = await asyncio.gather(*(news.of(mandate_id, mandate_id) for _ in range(500)))
    assert set(answers) == {News(FinanceNews.BEING_TOLD)}
    await money.settings(mandate_id, notify_emails=[])
    assert (await news.of(mandate_id, mandate_id)).state is FinanceNews.BEING_TOLD, "the answer is kept"


async def test_news_never_fail_a_refusal(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    news = ShortageNews(money.database.ledger_pool)
    await money.database.ledger_pool.close()
    assert await news.of(mandate_id, mandate_id) == News(FinanceNews.NOT_TOLD)
