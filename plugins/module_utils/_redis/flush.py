# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Emptying caches: copy, save, compare, delete. PRIVATE to the collection.

A key is deleted only after the disk has it, and only if it is still exactly what the disk has. While the server
copies one batch of keys, the batch before is written to disk and its deletion is sent behind the copies.
"""

from __future__ import annotations

import contextlib
import random
import typing as t
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from .._errors import RunbookError
from .._run import RunFolder
from . import backup, bigkey
from .backup import PartWriter, Record
from .commands import CHANGED, GONE, REMOVED, KeyCommands, ScriptCalls, expiry_by_ttl
from .connection import (
    ASKING,
    REDIRECTS,
    CommandError,
    Connection,
    first_error,
    is_error,
    is_redirect,
    pack,
    refused,
)
from .plan import FlushRequest, pending_keys
from .scan import START, scan, sizes_of
from .session import DATA, Session
from .throttle import Pace
from .topology import slot_of

# A batch's copies are made in one turn of the server's event loop: half a MiB takes it two to three ms.
_FLIGHT_BYTES = 512 * 1024
_ATTEMPTS = 3
_SIZED_AT_ONCE = 500
_BIG_KEY_SYNC_BYTES = 8 * 1024 * 1024


@dataclass
class FlushCounts:
    """What became of the keys. ``changed`` keys were rewritten meanwhile and left alone; ``gone`` ones vanished."""

    removed: int = 0
    changed: int = 0
    gone: int = 0
    big: int = 0


@dataclass
class _Batch:
    """Keys on their way: copied, then saved (as ``member`` of the backup's part), then removed by ``calls``."""

    keys: list[bytes]
    sizes: list[int]
    calls: ScriptCalls | None = None
    records: list[Record] = field(default_factory=list)
    expiries: list[int] = field(default_factory=list)
    member: int = -1


class _FoundKey(t.NamedTuple):
    """A key that matches, the index of its pattern, and its size in memory (bytes)."""

    key: bytes
    pattern: int
    size: int = 0


class Flush:
    """Flushes patterns on one primary, into the folder of one run.

    ``unsettled`` tells that another pass is needed: keys were on their way between nodes, or another primary has
    taken over, which may not know of all deletions. ``stray`` keys lie on this node and belong to another one.
    """

    def __init__(
        self,
        session: Session,
        request: FlushRequest,
        pace: Pace,
        folder: RunFolder,
        part_numbers: t.Iterator[int],
        *,
        between: t.Callable[[], None],
        on_progress: t.Callable[[int], None],
        allow: t.Callable[[int], None],
    ) -> None:
        """``between`` runs between two batches and may raise to stop; ``on_progress`` gets the keys removed.

        ``allow`` gets the number of keys that this pass touches in all, before it does, and raises where that is more
        than the plan's guards allow.
        """
        self._session = session
        self._request = request
        self._pace = pace
        self._folder = folder
        self._part_numbers = part_numbers
        self._between = between
        self._on_progress = on_progress
        self._allow = allow
        self._touched = 0
        self._commands = KeyCommands(session.data)
        self._part: PartWriter | None = None
        self._part_number = 0
        self._cursor: bytes | None = START
        self._queue: deque[tuple[bytes, int]] = deque()
        self._unwanted: deque[bytes] = deque()
        self.slots: frozenset[int] | None = None
        self._arriving: list[_FoundKey] = []
        self._held: set[bytes] = set()
        self._lead = b""
        self._attempts: dict[bytes, int] = {}
        self._copying: _Batch | None = None
        self._copied: _Batch | None = None
        self._removing: _Batch | None = None
        self._unsaved: list[bytes] = []
        self._quarantined: bytes | None = None
        self._quarantined_saved = False
        self._failovers = session.failovers
        self.unsettled = False
        self.stray = 0
        self.counts = FlushCounts()
        self.rdb_version = 0

    def begin_pass(self, slots: frozenset[int] | None) -> None:
        """Begin a pass over all patterns, in a part of its own; ``slots`` are those that the node owns in a cluster.

        Big keys that are renamed away, by an interrupted attempt too, are finished first.

        A key may move to another node, where it is saved again: its records are in the order of the parts' numbers
        only if each part holds the keys of slots that no other node has at that time.
        """
        self.close()
        self._restart_count()
        self.unsettled = False
        self.stray = 0
        self.slots = slots
        self._arriving.clear()
        if self.has_failed_over:
            self._session.retrying(lambda: self._commands.load(self._session.data))
            self._heed_failover()
        else:
            self._recover_quarantined(bigkey.pending_quarantines)
        self._note_held()

    def _restart_count(self) -> None:
        """Count anew what a pass touches: what another one has touched may be there again."""
        self._touched = 0

    def _touch(self, number: int) -> None:
        self._allow(self._touched + number)
        self._touched += number

    @property
    def has_failed_over(self) -> bool:
        """Whether another primary has taken over of which no notice was taken yet."""
        return self._session.failovers > self._failovers

    def _note_held(self) -> None:
        """Note which keys have an older value in quarantine, somewhere on its way: that has to be saved first."""
        self._held = set(bigkey.pending_quarantines(self._folder.path).values())

    def run(self) -> None:
        """Flush all patterns; connections that drop are opened again, and what was under way is finished."""
        self._cursor = START
        self._repeat()

    @property
    def has_arriving(self) -> bool:
        """Whether there are keys of slots that were on their way to this node when the pass began."""
        return bool(self._arriving)

    def run_arriving(self) -> None:
        """Flush the keys of slots that were on their way here, after the node that had them has done its part.

        Until a slot has arrived as a whole, its keys answer only to those who ask (ASKING) for them.
        """
        self.close()
        self._note_held()
        arriving, self._arriving = self._arriving, []
        self._lead = ASKING
        self._cursor = None
        try:
            self._session.retrying(lambda: self._enqueue(self._sized(self._leave_held(arriving))))
            self._repeat()
        finally:
            self._lead = b""

    def _sized(self, found: list[_FoundKey]) -> list[_FoundKey]:
        sizes: list[int] = []
        for start in range(0, len(found), _SIZED_AT_ONCE):
            keys = [each.key for each in found[start : start + _SIZED_AT_ONCE]]
            sizes += sizes_of(self._session.monitor(), keys, self._lead)
        return [each._replace(size=size) for each, size in zip(found, sizes)]

    def _repeat(self) -> None:
        try:
            while True:
                try:
                    self._finish_interrupted()
                    self._walk()
                    return
                except RunbookError as exc:
                    if not self._session.is_passing(exc):
                        raise
                    self._session.reconnect(exc)
                    self._session.retrying(lambda: self._commands.load(self._session.data))
                    # Keys that were refused have left the queue.
                    if isinstance(exc, CommandError) or self.has_failed_over:
                        self._begin_again()
        except (RunbookError, OSError):
            self._settle_and_leave()
            raise

    def _recover_quarantined(self, which: t.Callable[[Path], dict[bytes, bytes]]) -> None:
        """Finish big keys of this run that are still, or again, renamed away."""
        self._session.retrying(lambda: self._finish_all(which(self._folder.path)))

    def _finish_all(self, quarantined: t.Mapping[bytes, bytes]) -> None:
        for name, key in quarantined.items():
            exists = self._session.data.pipeline([pack(b"EXISTS", name)])[0]
            if is_redirect(exists):
                # The owner of its slot takes care of it, unless it is on its way there.
                self.unsettled = self.unsettled or not str(exists).startswith("MOVED")
                continue
            if is_error(exists):
                raise refused("EXISTS", exists)
            if exists:
                self._save_big(key, name)
            else:
                self._folder.record(released=name.hex())

    def _begin_again(self) -> None:
        """Another primary has taken over: its cursors are others, and what was deleted last may be there again."""
        self.unsettled = True
        self._cursor = START
        self._queue.clear()
        self._unwanted.clear()
        self._restart_count()
        self._heed_failover()

    def _heed_failover(self) -> None:
        """Finish all big keys again: another primary may not know of what was finished last."""
        self._failovers = self._session.failovers
        self._recover_quarantined(bigkey.all_quarantines)

    def close(self) -> None:
        """Close the backup's part and put it on record."""
        if self._part is not None:
            self._folder.add_part({**self._part.close(), "node": self._session.server.url})
            self._part = None

    # -- the walk ----------------------------------------------------------------------------------------------------

    def _walk(self) -> None:
        if self._cursor is not None:
            sized = self._request.makes_backup
            pages = scan(
                self._session.scan, self._request.matcher, self._pace.scan_count, cursor=self._cursor, sized=sized
            )
            for page in pages:
                sizes = page.sizes or [0] * len(page.keys)
                found = self._leave_held(list(map(_FoundKey, page.keys, page.patterns, sizes)))
                found = self._leave_arriving(found)
                if self._request.mode == "expire":
                    keys = [each.key for each in found]
                    pending = set(pending_keys(self._session.monitor(), keys, self._request))
                    found = [each for each in found if each.key in pending]
                self._enqueue(found)
                self._cursor = None if page.cursor == START else page.cursor
                self._work_off(self._pace.batch_size())
                self._pace.pace(0)
                self._between()
        # Keys that changed under way come back to the queue until their attempts are used up.
        self._work_off(1)
        while self._copied or self._removing:
            self._next()
            self._work_off(1)

    def _enqueue(self, found: t.Iterable[_FoundKey]) -> None:
        """Queue keys: apart from the others those that nobody wants saved."""
        for key, pattern, size in found:
            if self._request.patterns[pattern].backup or self._request.saver(key, pattern) is not None:
                self._queue.append((key, size))
            else:
                self._unwanted.append(key)

    def _work_off(self, least: int) -> None:
        """Work on what is queued while that is at least so many keys of a kind."""
        while len(self._unwanted) >= least:
            self._advance(None)
            self._step(self._remove_unsaved)
        while len(self._queue) >= least:
            self._next()

    def _step(self, work: t.Callable[[], int]) -> None:
        """Do a step of work, which returns how many keys it took."""
        self._between()
        taken = work()
        self._on_progress(self.counts.removed)
        self._pace.pace(taken)

    def _next(self) -> None:
        self._step(self._remove_saved)

    def _remove_saved(self) -> int:
        if self._queue and self._queue[0][1] >= self._request.big_key_bytes:
            self._advance(None)
            self._touch(1)
            key, _size = self._queue.popleft()
            self._remove_big(key)
            return 1
        batch = self._take_batch()
        self._advance(batch)
        return len(batch.keys) if batch else 0

    def _take_batch(self) -> _Batch | None:
        batch = _Batch([], [])
        budget = _FLIGHT_BYTES
        limit = self._pace.batch_size()
        taken: set[bytes] = set()
        while self._queue and len(batch.keys) < limit and budget > 0:
            key, size = self._queue[0]
            if size >= self._request.big_key_bytes or (batch.keys and size > budget):
                break
            self._queue.popleft()
            # SCAN may return a key twice, and one call would find it unchanged both times.
            if key in taken:
                continue
            taken.add(key)
            batch.keys.append(key)
            batch.sizes.append(size)
            budget -= size
        return batch if batch.keys else None

    def _leave_held(self, found: list[_FoundKey]) -> list[_FoundKey]:
        if not self._held:
            return found
        own = [each for each in found if each.key not in self._held]
        self.unsettled = self.unsettled or len(own) < len(found)
        return own

    def _leave_arriving(self, found: list[_FoundKey]) -> list[_FoundKey]:
        """Put keys aside that this node did not own when the pass began."""
        if self.slots is None:
            return found
        own: list[_FoundKey] = []
        for each in found:
            (own if slot_of(each.key) in self.slots else self._arriving).append(each)
        return own

    # -- keys in batch ----------------------------------------------------------------------------------------------

    def _advance(self, batch: _Batch | None) -> None:
        """Have a batch copied, save the one before meanwhile, and have it removed; without a batch, finish all.

        The outcomes of a removal are read one step later, so that the server has work while we prepare the next.
        """
        data = self._session.data
        if batch:
            self._copying = batch
            data.send(self._commands.copy(batch.keys, self._lead))
        if self._copied:
            self._save(self._copied)
        self._settle_removing()
        if self._copied:
            self._touch(len(self._copied.records))
            self._removing, self._copied = self._copied, None
            self._send_removal(self._removing)
        if batch:
            copies = self._receive(data, len(batch.keys) * self._commands.replies_per_copy)
            if self._scripts_are_gone(copies):
                self._queue.extendleft(zip(batch.keys, batch.sizes))
                self._copying = None
                return
            copies = self._leave_redirected(batch, copies)
            batch.records, batch.expiries = self._commands.copies(batch.keys, copies)
            self.counts.gone += len(batch.keys) - len(batch.records)
            self._leave_big(batch)
            self._copying, self._copied = None, batch
        else:
            self._settle_removing()

    def _scripts_are_gone(self, replies: list[t.Any]) -> bool:
        """Load the scripts again if somebody has flushed them (before Redis 7.0, copies are made by one as well)."""
        error = first_error(replies)
        if error is None or not str(error).startswith("NOSCRIPT"):
            return False
        # Replies may be pending on the data connection; scripts are loaded for all connections.
        self._commands.load(self._session.monitor())
        return True

    def _leave_redirected(self, batch: _Batch, replies: list[t.Any]) -> list[t.Any]:
        """Take keys out of a batch that have moved to another node since they were found here."""
        if first_error(replies) is None:
            return replies
        step = self._commands.replies_per_copy
        kept: list[t.Any] = []
        keys, sizes = [], []
        for index, (key, size) in enumerate(zip(batch.keys, batch.sizes)):
            own = replies[index * step : (index + 1) * step]
            if any(map(is_redirect, own)):
                self._note_redirected(own)
            else:
                keys.append(key)
                sizes.append(size)
                kept += own
        batch.keys, batch.sizes = keys, sizes
        return kept

    def _leave_big(self, batch: _Batch) -> None:
        """Take keys out of a batch that are larger than the server has guessed from a few of their elements."""
        limit = self._request.big_key_bytes
        large = {record.key: len(record.payload) for record in batch.records if len(record.payload) >= limit}
        if not large:
            return
        self._queue.extend(large.items())
        kept = [(key, size) for key, size in zip(batch.keys, batch.sizes) if key not in large]
        batch.keys, batch.sizes = [key for key, _size in kept], [size for _key, size in kept]
        copies = [copy for copy in zip(batch.records, batch.expiries) if copy[0].key not in large]
        batch.records, batch.expiries = [record for record, _end in copies], [end for _record, end in copies]

    def _note_redirected(self, replies: t.Sequence[t.Any]) -> None:
        """A key that not even ASKING finds was left behind by a move long ago, or has just gone back."""
        if self._lead and any(is_error(reply) and str(reply).startswith("MOVED") for reply in replies):
            self.stray += 1
        else:
            self.unsettled = True

    def _receive(self, connection: Connection, count: int) -> list[t.Any]:
        """Return the replies to ``count`` commands, without those to what leads each of them."""
        return connection.receive(2 * count)[1::2] if self._lead else connection.receive(count)

    def _settle_removing(self, *, certain: bool = True) -> None:
        if self._removing and self._removing.calls:
            replies = self._receive(self._session.data, len(self._removing.calls.records))
            outcomes = self._removing.calls.outcomes(replies)
            batch, self._removing = self._removing, None
            self._settle(batch, outcomes, certain=certain)

    def _save(self, batch: _Batch) -> None:
        if batch.records:
            self.rdb_version = self.rdb_version or backup.rdb_version(batch.records[0].payload)
            body = b"".join(map(backup.restore_command, batch.records))
            batch.member = self._open_part().append(body, len(batch.records), memory=sum(batch.sizes))

    def _send_removal(self, batch: _Batch) -> None:
        if self._request.mode == "delete":
            batch.calls = self._commands.remove(batch.records, batch.expiries, self._lead)
        else:
            now = self._commands.server_time()
            moments = [now + self._random_life() for _record in batch.records]
            ends = [min(moment, expiry) if expiry > 0 else moment for moment, expiry in zip(moments, batch.expiries)]
            batch.calls = self._commands.shorten(batch.records, batch.expiries, ends, self._lead)
        self._session.data.send(batch.calls.blob)

    def _random_life(self) -> int:
        return int(random.uniform(0, self._request.expire_window) * 1000)

    def _settle(self, batch: _Batch, outcomes: list[t.Any], *, certain: bool) -> None:
        """Count what became of a saved batch, and note which of its records do not stand for a removed key.

        After a lost connection (not ``certain``) the command may have been carried out before, its reply being lost.
        """
        removed = outcomes.count(REMOVED)
        void: list[int] = []
        failure = None
        if removed < len(outcomes):
            for index, (record, outcome) in enumerate(zip(batch.records, outcomes)):
                if outcome == REMOVED:
                    continue
                if not certain and self._was_ours(record, outcome):
                    removed += 1
                    continue
                void.append(index)
                if is_redirect(outcome):
                    self.unsettled = True
                elif is_error(outcome):
                    failure = failure or self._failure(record, outcome)
                elif outcome == CHANGED:
                    self._try_again(record)
                else:
                    self.counts.gone += 1
        self.counts.removed += removed
        self._touched -= len(void)
        self._record(batch, removed, void)
        if failure:
            raise failure

    def _was_ours(self, record: Record, outcome: t.Any) -> bool:
        """Tell whether a repeated removal found the work of the first one."""
        if self._request.mode == "delete":
            return bool(outcome == GONE)
        return outcome == CHANGED and not pending_keys(self._session.monitor(), [record.key], self._request)

    def _record(self, batch: _Batch, removed: int, void: list[int]) -> None:
        if batch.member >= 0:
            self._folder.record(part=self._part_number, member=batch.member, removed=removed, void=void)

    def _failure(self, record: Record, outcome: t.Any) -> RunbookError | None:
        if str(outcome).startswith("CROSSSLOT"):
            # What looks like one server is a proxy in front of a cluster.
            self._commands.keys_per_call = 1
            self._queue.append((record.key, len(record.payload)))
            return None
        if self._scripts_are_gone([outcome]):
            self._queue.append((record.key, len(record.payload)))
            return None
        act = "UNLINK" if self._request.mode == "delete" else "PEXPIREAT"
        return refused(f"EVALSHA of DUMP, GET, PEXPIRETIME and {act}", outcome)

    def _try_again(self, record: Record) -> None:
        attempts = self._attempts[record.key] = self._attempts.get(record.key, 1) + 1
        if attempts > _ATTEMPTS:
            self.counts.changed += 1
            del self._attempts[record.key]
        else:
            self._queue.append((record.key, len(record.payload)))

    def _finish_interrupted(self) -> None:
        """After a lost connection: remove again what may be left, and queue again what was only copied or asked for."""
        if self._quarantined is not None:
            self._finish_quarantined(self._quarantined)
        if self._removing:
            self._send_removal(self._removing)
            self._settle_removing(certain=False)
        for batch in (self._copying, self._copied):
            if batch:
                self._record(batch, 0, list(range(len(batch.records))))
                self._queue.extendleft(zip(batch.keys, batch.sizes))
        self._copying = self._copied = None
        if self._unsaved:
            self._unlink(self._unsaved, certain=False)

    def _settle_and_leave(self) -> None:
        """Before an error leaves: read the outcomes that are on their way, and drop what was only copied."""
        with contextlib.suppress(RunbookError, OSError):
            self._settle_removing()
        with contextlib.suppress(OSError):
            if self._copied:
                self._record(self._copied, 0, list(range(len(self._copied.records))))
        self._session.reset(DATA)

    def _remove_unsaved(self) -> int:
        number = min(self._pace.batch_size(), len(self._unwanted))
        self._touch(number)
        keys = list(dict.fromkeys(self._unwanted.popleft() for _number in range(number)))
        self._touched -= number - len(keys)
        return self._unlink(keys)

    def _unlink(self, keys: list[bytes], *, certain: bool = True) -> int:
        """Remove keys without a copy; after a lost connection (not ``certain``) they may have been removed before."""
        self._unsaved = keys
        data = self._session.data
        if self._request.mode == "delete":
            data.send(self._commands.remove_unsaved(keys, self._lead))
        else:
            lives = [self._random_life() for _key in keys]
            data.send(self._commands.shorten_unsaved(keys, lives, self._lead))
        outcomes = self._receive(data, len(keys))
        self._unsaved = []
        if self._scripts_are_gone(outcomes):
            self._touched -= len(keys)
            self._unwanted.extendleft(keys)
            return 0
        failed = [outcome for outcome in outcomes if is_error(outcome)]
        redirects = [outcome for outcome in failed if is_redirect(outcome)]
        for redirect in redirects:
            self._note_redirected([redirect])
        found = outcomes.count(REMOVED)
        gone = len(outcomes) - found - len(failed)
        removed = found if certain else found + gone
        self.counts.removed += removed
        self.counts.gone += gone if certain else 0
        self._touched -= len(outcomes) - removed
        self._folder.record(removed=removed)
        error = next((outcome for outcome in failed if not is_redirect(outcome)), None)
        if error is not None:
            raise refused("UNLINK" if self._request.mode == "delete" else "EVALSHA of PTTL and PEXPIRE", error)
        return len(keys)

    # -- big keys ----------------------------------------------------------------------------------------------------

    def _remove_big(self, key: bytes) -> None:
        self._quarantined, self._quarantined_saved = key, False
        name = bigkey.quarantine_name(key, self._folder.run_id)
        self._folder.record(quarantine=name.hex(), key=key.hex(), durable=True)
        # A renaming of which the reply was lost may have been carried out after we asked for its outcome.
        try:
            renamed = bigkey.rename_away(self._session.data, key, name) or self._session.data.execute(b"EXISTS", name)
        except CommandError as exc:
            if exc.code not in REDIRECTS:
                raise
            # While a slot is on its way, no key in it can be renamed.
            self.unsettled = True
            self._release(name, removed=0)
            return
        if renamed:
            self._save_big(key, name)
        else:
            self.counts.gone += 1
            self._release(name, removed=0)

    def _save_big(self, key: bytes, name: bytes) -> None:
        """Save a key that was renamed away, then remove it; put it back if it cannot be saved."""
        self._quarantined = key
        self._quarantined_saved = False
        part = self._open_part()
        mark = part.mark()
        try:
            outcome = self._save_chunks(part, key, name)
        except RunbookError as exc:
            on_its_way = isinstance(exc, CommandError) and exc.code in REDIRECTS
            goes_on = on_its_way or self._session.is_passing(exc)
            if not (goes_on and self._quarantined_saved):
                part.rewind(mark)
            if on_its_way:
                # To another node under its name in quarantine, where the next pass finds it.
                self._quarantined = None
                self.unsettled = True
                return
            if goes_on:
                raise
            self._session.reset(DATA)
            if self._session.data.execute(b"RENAMENX", name, key, optional=True):
                self._release(name, removed=0)
            raise
        if outcome == REMOVED:
            self.counts.removed += 1
            self.counts.big += 1
        else:
            part.rewind(mark)
            self.counts.gone += 1
        self._release(name, removed=int(outcome == REMOVED))

    def _release(self, name: bytes, removed: int) -> None:
        self._quarantined = None
        self._folder.record(released=name.hex(), removed=removed)

    def _finish_quarantined(self, key: bytes) -> None:
        """After a lost connection: the key has its own name still, or is in quarantine, or was removed."""
        name = bigkey.quarantine_name(key, self._folder.run_id)
        exists = self._session.data.pipeline([pack(b"EXISTS", name)])[0]
        if is_redirect(exists):
            self._quarantined = None
            self.unsettled = True
        elif is_error(exists):
            raise refused("EXISTS", exists)
        elif exists:
            self._save_big(key, name)
        elif self._quarantined_saved:
            self.counts.removed += 1
            self.counts.big += 1
            self._release(name, removed=1)
        else:
            self._touched -= 1
            self._queue.appendleft((key, self._request.big_key_bytes))
            self._release(name, removed=0)

    def _save_chunks(self, part: PartWriter, key: bytes, name: bytes) -> int:
        data = self._session.data
        expires_at = self._expiry(name)
        if expires_at == -2:
            return GONE
        flags = backup.BIG | backup.FIRST
        unsynced = whole = 0
        for commands in bigkey.read_in_chunks(data, name, key):
            self._between()
            body = b"".join(commands)
            part.append(body, 0, flags, sync=False)
            flags = backup.BIG
            unsynced += len(body)
            whole += len(body)
            if unsynced > _BIG_KEY_SYNC_BYTES:
                part.sync()
                unsynced = 0
        if not data.execute(b"EXISTS", name):
            return GONE
        # The server guesses from a few of the elements.
        memory = max(data.execute(b"MEMORY", b"USAGE", name, optional=True) or 0, whole)
        ending = b"" if expires_at < 0 else pack(b"PEXPIREAT", key, b"%d" % expires_at)
        part.append(ending, 1, flags | backup.LAST, memory=memory)
        self._quarantined_saved = True
        if self._request.mode == "delete":
            data.execute(b"UNLINK", name)
            return REMOVED
        moment = self._commands.server_time() + self._random_life()
        data.execute(b"PEXPIREAT", name, b"%d" % (min(moment, expires_at) if expires_at > 0 else moment))
        if not data.execute(b"RENAMENX", name, key):
            data.execute(b"UNLINK", name)
        return REMOVED

    def _expiry(self, key: bytes) -> int:
        """Return when a key expires in Unix milliseconds, -1 for never, -2 if there is no such key."""
        data = self._session.data
        if data.server.has_expiretime:
            return int(data.execute(b"PEXPIRETIME", key))
        return expiry_by_ttl(data, key)

    # -- bookkeeping -------------------------------------------------------------------------------------------------

    def _open_part(self) -> PartWriter:
        if self._part is None:
            self._part_number = next(self._part_numbers)
            self._folder.record(opened=self._part_number, node=self._session.server.url)
            self._part = PartWriter(self._folder.path / f"part-{self._part_number:04d}.resp.gz")
        return self._part
