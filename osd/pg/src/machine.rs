//! The machine's state and its dispatcher: which handler an event goes to, and what is done after each.

use crate::config::PgConfig;
use crate::durability::{Durability, Then};
use crate::effect::{Effect, Ticket};
use crate::erasure_coded::gather::Gather;
use crate::erasure_coded::member::ShardReading;
use crate::erasure_coded::shape::Shape;
use crate::erasure_coded::sidecar::PreparedWrites;
use crate::event::{Event, PoolSpec};
use crate::lease::granted::Granted;
use crate::log::Log;
use crate::log::rows::{Info, LoadError, MetaRows, load};
use crate::ops::Ops;
use crate::peering::last_words::LastWords;
use crate::peering::primary::Primary;
use crate::recovery::follower::Follower;
use crate::removal::Removal;
use crate::repair::fetch::Fetch;
use crate::repair::whole::Whole;
use crate::sabotage::Bug;
use crate::scrub::Scrub;
use crate::scrub::member::Scanning;
use crate::status::Copied;
use crate::trim::TrimPace;
use osd_class::Registry;
use osd_object::{ObjectId, ObjectRead, Transaction};
use placement_map::{Epoch, OsdId, PgId, PgRow, PoolSnaps, SnapRuns};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stdx::Time;
use wire_codec::PgMessage;
use wire_codec::pg::{Inconsistent, ScrubStamps};

/// One PG at one OSD. See the crate's page for how it is driven.
pub struct Pg {
    pub(crate) id: PgId,
    pub(crate) me: OsdId,
    pub(crate) config: PgConfig,
    pub(crate) registry: Registry,
    pub(crate) meta: MetaRows,

    // What the map says.
    pub(crate) now: Time,
    pub(crate) epoch: Epoch,
    pub(crate) row: PgRow,
    pub(crate) up: Vec<OsdId>,
    pub(crate) alive: BTreeMap<OsdId, Epoch>,
    pub(crate) pool: PoolSpec,
    /// Whose stores take no more.
    pub(crate) full: BTreeSet<OsdId>,
    pub(crate) may_recover: bool,
    /// The process is about to stop.
    pub(crate) resigned: bool,
    /// When we last gave up the lead, if nobody activated an interval since.
    pub(crate) yielded_at: Option<Time>,

    /// Where the logs of members that stopped in order ended.
    pub(crate) last_words: BTreeMap<OsdId, LastWords>,

    /// The latest interval known, by a row or a query. Never goes back.
    pub(crate) interval: u64,
    /// A former life of this OSD took part up to this interval: it cannot be primary in it again.
    pub(crate) former_life: u64,
    /// The info row as handed to the store.
    pub(crate) info: Info,
    pub(crate) log: Log,
    /// Removed snapshots for which no object keeps anything any more.
    pub(crate) purged: SnapRuns,
    pub(crate) trim_pace: TrimPace,
    /// Objects that recovery touched since the log was last level with them.
    pub(crate) dirty: BTreeSet<ObjectId>,
    pub(crate) granted: Granted,
    /// What a primary is telling us.
    pub(crate) follower: Follower,
    /// Our own tenure, while the row says so.
    pub(crate) primary: Option<Primary>,
    pub(crate) removal: Option<Removal>,
    /// We hold a copy that by our map nobody counts on; when to ask again whether it may go.
    pub(crate) stray_again_at: Option<Time>,

    /// How the pool codes, if it is erasure-coded.
    pub(crate) shape: Option<Shape>,
    /// Writes put aside until they are certain.
    pub(crate) prepared: PreparedWrites,
    /// Shards being gathered.
    pub(crate) gathers: BTreeMap<Ticket, Gather>,
    /// Ranges being fetched from other members' copies.
    pub(crate) fetches: BTreeMap<Ticket, Fetch>,
    /// What was copied to other members since this machine was made.
    pub(crate) copied: Copied,
    /// Objects that are read here to be written anew everywhere.
    pub(crate) wholes: BTreeMap<Ticket, Whole>,
    /// Ranges written again here since this machine was made, since they could not be read.
    pub(crate) repaired: u64,
    /// The comparison of copies that is under way, as primary.
    pub(crate) scrub: Option<Scrub>,
    /// Rounds of comparisons since this machine was made.
    pub(crate) scrubs_numbered: u64,
    /// What a primary wants to know of what we hold.
    pub(crate) scanning: Option<Scanning>,
    /// When the PG was last compared.
    pub(crate) stamps: ScrubStamps,
    /// What comparisons found and left. Emptied when somebody else becomes primary.
    pub(crate) inconsistent: BTreeMap<ObjectId, Inconsistent>,
    /// Reads of our shard or copy that wait for the view.
    pub(crate) shard_reads: VecDeque<ShardReading>,

    pub(crate) ops: Ops,
    pub(crate) durability: Durability,
    pub(crate) reads: BTreeMap<Ticket, ReadFor>,
    /// Objects written during this `handle`: the view does not show it yet.
    pub(crate) written_now: BTreeSet<ObjectId>,
    /// Something was put off for the next `handle`, which should come at once.
    pub(crate) again: bool,
    out: VecDeque<Effect>,
}

/// What a data read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFor {
    /// A client's operation, by its number.
    Op(u64),
    /// A range of our own shard, for what is gathered.
    Shard {
        /// What.
        gather: Ticket,
        /// The shard.
        position: usize,
    },
    /// A range of our shard, for the primary.
    Member {
        /// The primary.
        to: OsdId,
        /// Its interval.
        interval: u64,
        /// Its name for the read.
        read: u64,
    },
    /// Our own copy, for a member whose copy is bad.
    Copy {
        /// What.
        fetch: Ticket,
    },
    /// All of our own copy, for members that missed a write.
    Whole,
    /// A piece of a push to a member.
    Push {
        /// To whom.
        to: OsdId,
        /// Within this attempt.
        attempt: u64,
        /// Which.
        push: u64,
    },
}

impl Pg {
    /// A machine for `pg` at `me`, with what an earlier one left in the store. It does nothing before its
    /// first `Event::Map`, except to clear away pieces of interrupted pushes.
    ///
    /// Errors: the PG's bookkeeping cannot be read or is damaged; then this OSD must not take part in it.
    pub fn new(
        pg: PgId,
        me: OsdId,
        now: Time,
        view: &dyn ObjectRead,
        config: PgConfig,
        registry: Registry,
    ) -> Result<Pg, LoadError> {
        assert!(
            config.in_flight_max * 2 <= config.log_entries_max,
            "what is in flight must never be trimmed"
        );
        let loaded = load(view, pg)?;
        let promised = loaded.info.interval > 0 && !config.sabotage.breaks(Bug::ForgetPromise);
        let granted = if promised { Granted::unknown(now, config.lease) } else { Granted::default() };
        let mut machine = Pg {
            id: pg,
            me,
            config,
            registry,
            meta: MetaRows::new(pg),
            now,
            epoch: Epoch::default(),
            row: PgRow::default(),
            up: Vec::new(),
            alive: BTreeMap::new(),
            pool: PoolSpec {
                size: 0,
                min_size: 1,
                pg_num: pg.seed + 1,
                pg_num_made: pg.seed + 1,
                ec: None,
                records: false,
                fast_read: false,
                snaps: PoolSnaps::default(),
                may_yield: false,
            },
            full: BTreeSet::new(),
            may_recover: true,
            resigned: false,
            yielded_at: None,
            last_words: BTreeMap::new(),
            interval: loaded.info.interval,
            former_life: loaded.info.interval,
            info: loaded.info,
            log: loaded.log,
            purged: loaded.purged,
            trim_pace: TrimPace::default(),
            dirty: loaded.dirty,
            granted,
            follower: Follower::default(),
            primary: None,
            removal: None,
            stray_again_at: None,
            shape: None,
            prepared: PreparedWrites::default(),
            gathers: BTreeMap::new(),
            fetches: BTreeMap::new(),
            copied: Copied::default(),
            wholes: BTreeMap::new(),
            repaired: 0,
            scrub: None,
            scrubs_numbered: 0,
            scanning: None,
            stamps: loaded.stamps,
            inconsistent: BTreeMap::new(),
            shard_reads: VecDeque::new(),
            ops: Ops::default(),
            durability: Durability::default(),
            reads: BTreeMap::new(),
            written_now: BTreeSet::new(),
            again: false,
            out: VecDeque::new(),
        };
        if loaded.existed {
            machine.clear_temps(loaded.records, view)?;
        }
        Ok(machine)
    }

    /// Takes one event in. `now` never goes back; `view` shows all that was handed to the store.
    pub fn handle(&mut self, now: Time, event: Event, view: &dyn ObjectRead) {
        self.now = self.now.max(now);
        self.written_now.clear();
        self.again = false;
        match event {
            Event::Map { epoch, row, up, alive, pool } => self.on_map(epoch, row, up, alive, pool),
            Event::PoolDeleted => self.on_pool_deleted(),
            Event::Full(full) => self.full = full,
            Event::TrimPace(pace) => self.trim_pace = pace,
            Event::Resign => self.resign(),
            Event::MayRecover(may) => self.may_recover = may,
            Event::ClientOp { session, op } => self.on_client_op(session, op),
            Event::SessionGone { session } => self.on_session_gone(session),
            Event::Peer { from, message } => self.on_peer(from, message, view),
            Event::Stored { ticket } => self.durability.stored(ticket),
            Event::ReadDone { ticket, result } => match self.reads.remove(&ticket) {
                Some(ReadFor::Op(number)) => self.op_read(number, ticket, result, view),
                Some(ReadFor::Shard { gather, position }) => {
                    self.shard_came(gather, position, result.ok(), view);
                }
                Some(ReadFor::Member { to, interval, read }) => {
                    self.shard_was_read(to, interval, read, result.ok());
                }
                Some(ReadFor::Push { to, attempt, push }) => self.push_read(to, attempt, push, result, view),
                Some(ReadFor::Whole) => self.whole_read(ticket, result, view),
                Some(ReadFor::Copy { fetch }) => self.copy_came(fetch, self.me, result.ok(), view),
                // Its reader lost interest: a tenure or an attempt ended.
                None => {}
            },
            Event::Scrubbed { ticket, entries } => self.scrubbed(ticket, entries, view),
            Event::Scrub(order) => self.order_scrub(order),
            Event::ScrubBaseline(at) => self.scrub_baseline(at),
            Event::Tick => {}
        }
        self.settle(view);
    }

    /// The next effect to carry out.
    pub fn poll(&mut self) -> Option<Effect> {
        self.out.pop_front()
    }

    /// When to hand in a `Tick`. A time that has passed: at once, after the effects are carried out.
    pub fn next_timeout(&self) -> Option<Time> {
        if self.again {
            return Some(Time::ZERO);
        }
        let as_primary = [
            self.serve_timeout(),
            self.lease_timeout(),
            self.proposal_timeout(),
            self.peers_timeout(),
            self.gathers_timeout(),
            self.fetches_timeout(),
            self.scrub.as_ref().and_then(Scrub::timeout),
            self.commits_timeout(),
            self.trim_timeout(),
            self.watch_timeout(),
        ];
        as_primary.into_iter().chain([self.stray_again_at]).flatten().min()
    }

    /// What follows from the new state, until nothing does. In this order: what became durable, what is
    /// thereby committed, what may be proposed or served, then new work, clients before recovery.
    fn settle(&mut self, view: &dyn ObjectRead) {
        while let Some(then) = self.durability.ready() {
            self.became_durable(then);
        }
        self.try_serve();
        self.advance_commit();
        if self.primary.as_ref().is_some_and(|p| !p.replies.awaiting_lease.is_empty()) {
            // The last member whose lease was lacking may have left the set instead of granting one.
            self.answer_confirmed_reads();
            self.renew_leases();
        }
        self.serve_shard_reads(view);
        self.advance_gathers(view);
        self.advance_fetches(view);
        self.advance_scrub(view);
        self.serve_scan(view);
        self.run_ops(view);
        self.advance_peers(view);
        self.advance_trim(view);
        self.advance_watches(view);
        self.level_shards();
        self.propose();
        self.advertise_stray();
        self.advance_removal(view);
        // Replies and acknowledgements that needed no disk.
        while let Some(then) = self.durability.ready() {
            self.became_durable(then);
        }
        self.advance_commit();
        self.tell_who_left();
        self.tell_commits();
    }

    fn became_durable(&mut self, then: Then) {
        match then {
            Then::Send(to, message) => {
                // What was promised to an earlier primary is not told to it any more.
                if message.interval() == self.interval || self.breaks(Bug::ObeyStaleInterval) {
                    self.send(to, message);
                }
            }
            Then::Acknowledge { to, interval, seq, stamp } => {
                if interval == self.interval {
                    self.send(to, PgMessage::Replicated { interval, durable_to: seq, stamp });
                }
            }
            Then::OwnWrite { interval, seq } => {
                if let Some(p) = self.primary.as_mut().filter(|p| p.interval == interval) {
                    p.local_durable = p.local_durable.max(seq);
                }
            }
            Then::IntervalNoted(interval) => {
                if let Some(p) = self.primary.as_mut().filter(|p| p.interval == interval) {
                    p.noted = true;
                }
            }
            Then::RemoveMore => self.remove_more(),
        }
    }

    fn on_peer(&mut self, from: OsdId, message: PgMessage, view: &dyn ObjectRead) {
        if let PgMessage::Stale { interval } = message {
            // Somebody replaced us: be silent until the map says who. The tenure ends now, not with that map: reads and
            // writes that still wait for the disk would be answered and sent in the name of an interval that is not ours.
            if interval > self.interval {
                self.interval = interval;
                self.end_tenure();
            }
            return;
        }
        if let PgMessage::LastWords { head, .. } = message {
            self.on_last_words(from, head);
            return;
        }
        if message.interval() < self.interval && !self.breaks(Bug::ObeyStaleInterval) {
            self.send(from, PgMessage::Stale { interval: self.interval });
            return;
        }
        if let PgMessage::Query { interval, attempt, shard } = message {
            self.on_query(from, interval, attempt, shard);
            return;
        }
        if let PgMessage::QueryDivided { interval, attempt, shard, pg_num } = message {
            // Until our map shows what was divided, what is here is another PG than the one that is meant: taking part
            // in its interval would put writes of one into the log of the other. The primary asks again.
            if pg_num == self.pool.pg_num || self.breaks(Bug::JoinUndivided) {
                self.on_query(from, interval, attempt, shard);
            }
            return;
        }
        if message.interval() > self.interval {
            // Only a query tells of an interval; its sender will repeat it.
            return;
        }
        match message {
            PgMessage::Stale { .. }
            | PgMessage::Query { .. }
            | PgMessage::QueryDivided { .. }
            | PgMessage::LastWords { .. } => {
                unreachable!("handled above")
            }
            PgMessage::Head { attempt, tail, head, runs, condition, shard, .. } => {
                self.on_head(from, attempt, crate::log::Outline { tail, head, runs }, condition, shard);
            }
            PgMessage::LogRequest { attempt, after, .. } => self.on_log_request(from, attempt, after),
            PgMessage::Log { attempt, after, objects, .. } => self.on_log(from, attempt, after, objects),
            PgMessage::Join { attempt, after, backfill, shard, keep, .. } => {
                self.on_join(from, attempt, after, backfill, (shard, keep));
            }
            PgMessage::Replicate {
                entry, prev, trim_to, committed_to, stamp, lease, transaction, ..
            } => {
                if !self.follows(from) {
                    return;
                }
                self.granted.grant(self.now, from, lease);
                let write =
                    crate::replicated::replica::Write { entry, prev, trim_to, committed_to, transaction };
                self.on_replicate(from, write, stamp);
            }
            PgMessage::ShardRead { interval, read, object, version, offset, len, committed_to } => {
                let reading = ShardReading { from, interval, read, object, version, offset, len };
                self.on_shard_read(reading, committed_to);
            }
            PgMessage::ShardData { read, data, .. } => self.on_shard_data(from, read, data, view),
            PgMessage::Committed { committed_to, .. } => self.on_committed(from, committed_to),
            PgMessage::Applied { applied_to, .. } => self.on_applied(from, applied_to),
            PgMessage::ShardRepair { object, version, offset, data, .. } => {
                self.on_shard_repair(from, object, version, (offset, data), view);
            }
            PgMessage::ShardRepaired { object, .. } => self.shard_repaired(from, &object),
            PgMessage::ScrubAsk { scrub, after, end, only, deep, committed_to, .. } => {
                self.on_scrub_ask(from, scrub, (after, end, only), deep, committed_to);
            }
            PgMessage::ScrubMap { scrub, entries, reach, .. } => {
                self.member_scanned(from, scrub, entries, reach);
            }
            PgMessage::ScrubEnd { stamps, .. } => self.on_scrub_end(stamps),
            PgMessage::Replicated { durable_to, stamp, .. } => self.on_replicated(from, durable_to, stamp),
            PgMessage::LeaseRequest { interval, stamp, lease } => {
                if self.follows(from) {
                    self.granted.grant(self.now, from, lease);
                    self.send(from, PgMessage::LeaseGrant { interval, stamp });
                }
            }
            PgMessage::Resigned { .. } => self.granted.stopped(from),
            PgMessage::LeaseGrant { stamp, .. } => self.lease_granted(from, stamp),
            PgMessage::Push(push) => self.on_push(from, push),
            PgMessage::Pushed { attempt, push, chunk, .. } => {
                self.on_pushed(from, attempt, push, chunk, view)
            }
            PgMessage::Adopt { attempt, after, entries, first, last, staged, .. } => {
                let page = crate::recovery::adopt::Page { after, entries, first, last, staged };
                self.on_adopt(from, attempt, page);
            }
            PgMessage::Stray { .. } => self.on_stray(from),
            PgMessage::Remove { attempt, .. } => self.on_remove(from, attempt),
            PgMessage::Adopted { attempt, head, .. } => self.on_adopted(from, attempt, head),
            PgMessage::Rejoin { attempt, .. } => self.on_rejoin(from, attempt),
            PgMessage::Scan { attempt, after, max, .. } => self.on_scan(from, attempt, after, max, view),
            PgMessage::Scanned { attempt, after, objects, more, .. } => {
                self.on_scanned(from, attempt, after, objects, more, view);
            }
        }
    }

    /// Whether the simulator broke this rule; `false` in the product.
    #[inline(always)]
    pub(crate) fn breaks(&self, bug: Bug) -> bool {
        self.config.sabotage.breaks(bug)
    }
    pub(crate) fn effect(&mut self, effect: Effect) {
        self.out.push_back(effect);
    }
    pub(crate) fn send(&mut self, to: OsdId, message: PgMessage) {
        self.out.push_back(Effect::Send { to, message });
    }
    /// Hands a transaction to the store.
    pub(crate) fn store(&mut self, transaction: Transaction) {
        for m in &transaction.mutations {
            if !self.written_now.contains(m.object()) {
                self.written_now.insert(m.object().clone());
            }
        }
        let ticket = self.durability.store();
        self.out.push_back(Effect::Store { ticket, transaction });
    }
    /// Hands a transaction that holds the info row to the store.
    pub(crate) fn store_info(&mut self) {
        let mut t = Transaction::new();
        self.meta.info(&mut t, &self.info);
        self.store(t);
    }
}
