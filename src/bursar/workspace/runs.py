"""Runs of this worker: beginning them, letting them go on, stopping them; and noticing those that lost their worker.

A run is a task of its own. Whoever asked for it may come and go; it ends by itself, by being stopped, or with its
worker.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, cast
from uuid import UUID

import asyncpg
import orjson
import structlog

from bursar.billing.models import LANGUAGES, Language
from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.foundation.money import format_amount
from bursar.foundation.problems import Problem, invalid_field
from bursar.gateway.asgi import AsgiApp
from bursar.gateway.gateway import Gateway
from bursar.gateway.routes import gateway_routes
from bursar.identity.internal_token import InternalTokens
from bursar.identity.principal import MandateFacts, Person
from bursar.workspace import events, run_store
from bursar.workspace.journal import Journal
from bursar.workspace.messages import Conversation
from bursar.workspace.models import OfferedModel, offered_model
from bursar.workspace.run_store import LeaseLost, RunKey
from bursar.workspace.states import RunEnd, RunStatus
from bursar.workspace.threads import Thread, find_thread, read_messages, store_messages
from bursar.workspace.trouble import end_of, error_event, failed

if TYPE_CHECKING:
    from bursar.workspace.loop import Loop

SWEEP_SECONDS: Final = 5.0
SHUTDOWN_SECONDS: Final = 8.0
_COST_SECONDS: Final[Mapping[RunStatus, float]] = {
    "FINISHED": 5.0,
    "PARKED": 5.0,
    "FAILED": 5.0,
    "STOPPED": 1.0,
    "INTERRUPTED": 1.0,
}
"""How long the end waits for the last call to be settled. A call that was left may be read on for long."""
_TITLE_CHARACTERS: Final = 60
_LOOP: Final = "bursar.workspace.loop"
"""Imported by name, and not before it is needed."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says; `message_id` is the client's own."""

    run_id: str
    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Whose:
    """The person, in their mandate, and the language in which they are spoken to."""

    mandate: MandateFacts
    person: Person
    language: Language


WhyCancelled = Literal["stopped", "stopping", "lost"]
"""By its person, with its worker, or because others have taken it for dead."""


@dataclass(slots=True)
class _Running:
    journal: Journal
    whose: Whose
    thread: Thread
    model: OfferedModel
    cost_before_nanos: int
    why_cancelled: WhyCancelled | None = None
    has_begun: bool = False
    is_concluding: bool = False
    task: asyncio.Task[None] | None = field(default=None)


class Runs:
    """One per worker."""

    def __init__(self, database: Database, gateway: Gateway, tokens: InternalTokens) -> None:
        self.journals: dict[RunKey, Journal] = {}
        self._database = database
        self._gateway = gateway
        self._tokens = tokens
        self._routes: Mapping[tuple[str, str], AsgiApp] = {
            (route.method, route.path): route.app for route in gateway_routes(gateway)
        }
        self._running: dict[RunKey, _Running] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._warm: asyncio.Future[ModuleType] | None = None

    async def start(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep_on(), name="workspace-sweeper")

    async def stop(self) -> None:
        """What still runs is interrupted, told so, and can be continued on any worker."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
        self.interrupt_all()
        tasks = [run.task for run in self._running.values() if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=SHUTDOWN_SECONDS)

    def interrupt_all(self) -> None:
        """What runs here stands still soon, and can go on elsewhere."""
        for running in tuple(self._running.values()):
            self._cancel(running, "stopping")

    def warm_up(self) -> None:
        """Somebody is about to ask: begin with the imports of the loop, some seconds of work, beside the event loop."""
        if self._warm is None:
            self._warm = asyncio.get_running_loop().run_in_executor(None, importlib.import_module, _LOOP)

    # --- asked by people ---------------------------------------------------------------------------------------------

    async def begin(self, whose: Whose, thread_id: UUID, asked: Asked) -> RunKey:
        """A new run of a thread. Raises a 404, 409, 422 or 429 `Problem`."""
        mandate_id, user_id = whose.mandate.mandate_id, whose.person.user_id
        key, lease = RunKey(mandate_id, thread_id, asked.run_id), new_id()
        async with self._database.as_mandate(mandate_id) as connection:
            thread = await find_thread(connection, mandate_id, user_id, thread_id)
            model = self._model_of(whose, thread)
            await run_store.begin(connection, key, user_id, whose.language, lease, _title(asked.text))
            conversation = Conversation(await read_messages(connection, mandate_id, thread_id))
            if conversation.find(asked.message_id) is not None:
                raise invalid_field("messages", "the last message is in this thread already")
            conversation.add(asked.message_id, "user", asked.run_id, asked.text)
            await store_messages(connection, mandate_id, thread_id, conversation.take_changed())
        self._set_going(key, lease, whose, thread, model, conversation, run_store.Resumed(0, 0), 0)
        return key

    async def go_on(self, whose: Whose, thread_id: UUID, run_id: str) -> tuple[RunKey, int]:
        """Let a run that stands still go on; after which event. Raises a 404, 409 or 422 `Problem`."""
        mandate_id, user_id = whose.mandate.mandate_id, whose.person.user_id
        key, lease = RunKey(mandate_id, thread_id, run_id), new_id()
        async with self._database.as_mandate(mandate_id) as connection:
            thread = await find_thread(connection, mandate_id, user_id, thread_id)
            if thread.run is None or thread.run.run_id != run_id:
                if await run_store.state(connection, key) is None:
                    raise Problem(404, "not_found", "Not found", "There is no such run.")
                raise Problem(409, "not_resumable", "Nothing to continue", "Something newer was asked in this thread.")
            model = self._model_of(whose, thread)
            resumed = await run_store.resume(connection, key, whose.language, lease)
            conversation = Conversation(await read_messages(connection, mandate_id, thread_id))
        cost_nanos = thread.run.cost_nanos
        self._set_going(key, lease, whose, thread, model, conversation, resumed, cost_nanos)
        return key, resumed.last_event_id

    async def ask_to_stop(self, whose: Whose, thread_id: UUID, run_id: str) -> str:
        """The run's status as of now; a running one ends soon, on whatever worker. Raises a 404 `Problem`."""
        key = await self.find(whose, thread_id, run_id)
        async with self._database.as_mandate(key.mandate_id) as connection:
            await run_store.ask_to_stop(connection, key)
            state = await run_store.state(connection, key)
        if (running := self._running.get(key)) is not None:
            self._cancel(running, "stopped")
        return "RUNNING" if state is None else state.status

    async def find(self, whose: Whose, thread_id: UUID, run_id: str) -> RunKey:
        """Raises a 404 `Problem`, also for a run of somebody else."""
        mandate_id = whose.mandate.mandate_id
        key = RunKey(mandate_id, thread_id, run_id)
        async with self._database.as_mandate(mandate_id) as connection:
            await find_thread(connection, mandate_id, whose.person.user_id, thread_id)
            if await run_store.state(connection, key) is None:
                raise Problem(404, "not_found", "Not found", "There is no such run.")
        return key

    def _model_of(self, whose: Whose, thread: Thread) -> OfferedModel:
        model = offered_model(self._gateway, whose.mandate, thread.model)
        if model is None:
            raise invalid_field("model", "the thread's model may not be used here: choose another one")
        return model

    # --- running -----------------------------------------------------------------------------------------------------

    def _set_going(
        self,
        key: RunKey,
        lease: UUID,
        whose: Whose,
        thread: Thread,
        model: OfferedModel,
        conversation: Conversation,
        resumed: run_store.Resumed,
        cost_before_nanos: int,
    ) -> None:
        def cancel(why: WhyCancelled) -> Callable[[], None]:
            return lambda: self._cancel(running, why)

        journal = Journal(
            self._database,
            key,
            lease,
            conversation,
            last_event_id=resumed.last_event_id,
            step_count=resumed.step_count,
            on_stop=cancel("stopped"),
            on_lost=cancel("lost"),
        )
        running = _Running(journal, whose, thread, model, cost_before_nanos)
        continued = resumed.last_event_id > 0
        journal.emit(events.run_started(str(key.thread_id), key.run_id, continued=continued))
        self.journals[key] = journal
        self._running[key] = running
        journal.start()
        running.task = asyncio.get_running_loop().create_task(self._go(running), name="workspace-run")

    def _cancel(self, running: _Running, why: WhyCancelled) -> None:
        """Once, and not while the run is being concluded: what it ends with is to be told."""
        if running.task is not None and running.why_cancelled is None and not running.is_concluding:
            running.why_cancelled = why
            if running.has_begun:
                running.task.cancel()

    async def _go(self, running: _Running) -> None:
        """One go, from its first event to its last. Raises nothing."""
        key = running.journal.key
        loop: Loop | None = None
        # A task that is cancelled before it begins would never get to its end.
        running.has_begun = True
        try:
            try:
                if running.why_cancelled is not None:
                    raise asyncio.CancelledError
                loop = await self._new_loop(running)
                await loop.run()
                end = RunEnd("FINISHED")
            except asyncio.CancelledError:
                end = self._end_of_cancelled(running)
            except Exception as error:
                end = self._end_of_failed(running, error)
            running.is_concluding = True
            if running.why_cancelled != "lost":
                await self._conclude(running, loop, end)
        except (LeaseLost, TimeoutError):
            _log.warning("workspace_run_lost", run_id=key.run_id, thread_id=str(key.thread_id))
        except asyncio.CancelledError:
            _log.warning("workspace_run_cut_off", run_id=key.run_id, thread_id=str(key.thread_id))
        except Exception:
            _log.exception("workspace_run_not_concluded", run_id=key.run_id, thread_id=str(key.thread_id))
        finally:
            running.journal.abandon()
            self.journals.pop(key, None)
            self._running.pop(key, None)

    def _end_of_cancelled(self, running: _Running) -> RunEnd:
        if running.why_cancelled == "stopped":
            return RunEnd("STOPPED")
        return failed("INTERRUPTED", running.whose.language)

    def _end_of_failed(self, running: _Running, error: Exception) -> RunEnd:
        loop_module = importlib.import_module(_LOOP)
        if isinstance(error, loop_module.StepLimit):
            return failed("STEP_LIMIT", running.whose.language)
        end = end_of(error, running.whose.language)
        if end.billing is None:
            _log.warning("workspace_run_failed", run_id=running.journal.key.run_id, code=end.error_code, exc_info=error)
        return end

    async def _new_loop(self, running: _Running) -> Loop:
        module = await asyncio.to_thread(importlib.import_module, _LOOP)
        mandate, person = running.whose.mandate, running.whose.person
        assignment = module.Assignment(
            database=self._database,
            routes=self._routes,
            new_token=lambda: self._tokens.make(mandate.mandate_id, person.user_id),
            journal=running.journal,
            kind=running.thread.kind,
            model=running.model.model,
            dialect=running.model.dialect,
            currency=mandate.currency,
            accept_language=running.whose.language,
            cost_before_nanos=running.cost_before_nanos,
        )
        return cast("Loop", module.Loop(assignment))

    async def _conclude(self, running: _Running, loop: Loop | None, end: RunEnd) -> None:
        journal, key = running.journal, running.journal.key
        cost_nanos: int | None = running.cost_before_nanos
        if loop is not None:
            loop.close_text()
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await loop.close_step(_COST_SECONDS[end.status])
            cost_nanos = loop.cost_nanos if loop.is_cost_known else None
        if end.status == "STOPPED":
            journal.emit(events.custom("bursar.stopped", {}))
        cost = None if cost_nanos is None else format_amount(cost_nanos)
        total = {"cost": cost, "currency": running.whose.mandate.currency, "steps": journal.step_count}
        journal.emit(events.custom("bursar.cost", total))
        if end.status in ("FINISHED", "STOPPED"):
            journal.emit(events.run_finished(str(key.thread_id), key.run_id, stopped=end.status == "STOPPED"))
        else:
            journal.emit(error_event(end))
        await journal.close(end)

    # --- what lost its worker ----------------------------------------------------------------------------------------

    async def _sweep_on(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
                await run_store.note_late_costs(self._database)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                _log.warning("workspace_not_swept", error=" ".join(str(error).split()))

    async def sweep(self) -> int:
        """Mark runs whose worker has not been heard of; how many."""
        marked = 0
        for key in await run_store.left_behind(self._database):
            async with self._database.as_mandate(key.mandate_id) as connection:
                named = await run_store.language_of(connection, key)
                end = failed("INTERRUPTED", named if named in LANGUAGES else "en")
                event_id = await run_store.interrupt(connection, key, end.error_code or "", end.error_message or "")
                if event_id is not None:
                    text = orjson.dumps(error_event(end)).decode()
                    await run_store.store_events(connection, key, [(event_id, text)])
                    marked += 1
        return marked


def _title(text: str) -> str:
    """The first words of what is asked."""
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_CHARACTERS else line[: _TITLE_CHARACTERS - 1].rstrip() + "…"
