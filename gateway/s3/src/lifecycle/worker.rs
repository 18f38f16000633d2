//! Carries the rules out: one round over each bucket per day, by whichever gateway takes it. A round goes by ranges of
//! keys and leaves its place in the bucket's row, so that another gateway goes on where one stopped.

use super::judge::{Calendar, Item, Wanted};
use super::{DAY_MS, Rule};
use crate::error::{Code, S3Error};
use crate::storage::{
    Bucket, Deletion, LifecycleRow, ListEntry, Seen, Stage, Storage, UploadQuery, VersionEntry, VersionQuery,
    Which,
};
use crate::tags;
use futures_util::StreamExt;
use futures_util::stream;
use gateway_client::Rados;
use std::time::{Duration, Instant};

/// How often buckets are looked at, when days are as usual.
const EVERY: Duration = Duration::from_secs(600);
/// Never oftener than this.
const EVERY_MIN: Duration = Duration::from_millis(10);
/// A worker that gave no sign for so long has died.
const LEASE_MS: u64 = 60_000;
/// A row without rules goes so long after its rules were put: a PUT of rules notes the row first.
const FORGET_MS: u64 = 3_600_000;
/// Versions of one page, and of one sign of life.
const PAGE: u32 = 1000;
/// Deletes under way together.
const AT_ONCE: usize = 8;
/// At most so many versions are removed per second, so that clients hardly notice.
const PER_SECOND: u32 = 1000;

/// Works until it is dropped. Any number of gateways may do so at once.
pub(crate) async fn keep<R: Rados>(storage: Storage<R>) {
    let mut day = storage.lifecycle_day();
    let Ok(me) = getrandom::u64() else {
        tracing::error!("lifecycle rules are not carried out here: the system gave no random number");
        return;
    };
    loop {
        let every = day.borrow_and_update().map_or(EVERY, |day| (day / 2).clamp(EVERY_MIN, EVERY));
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            // The sender lives as long as the storage handle here.
            _ = day.changed() => continue,
        }
        let day_ms = day.borrow().map(|day| u64::try_from(day.as_millis()).unwrap_or(u64::MAX).max(1));
        if let Err(e) = look(&storage, me, day_ms).await {
            tracing::warn!("looking for lifecycle rules failed, goes on later: {e}");
        }
    }
}

/// One look at all buckets with rules.
pub(crate) async fn look<R: Rados>(
    storage: &Storage<R>,
    me: u64,
    day_ms: Option<u64>,
) -> Result<(), S3Error> {
    for (name, row) in storage.lifecycle_rows().await? {
        let now_ms = storage.rados().now().millis();
        if !is_due(&row, me, now_ms, day_ms) {
            continue;
        }
        let bucket = storage.settled(&name).await?.filter(|bucket| bucket.id.0 == row.id);
        let rules = match &bucket {
            Some(bucket) => super::of(&bucket.settings)?,
            None => Vec::new(),
        };
        let (Some(bucket), false) = (bucket, rules.is_empty()) else {
            if now_ms.saturating_sub(row.put_ms) > FORGET_MS {
                storage.lifecycle_exchange(&name, &row, None).await?;
            }
            continue;
        };
        let round = Round { storage, bucket, rules, calendar: Calendar { now_ms, day_ms }, me, row };
        if let Err(e) = round.run().await {
            tracing::warn!(bucket = name, "a round of lifecycle rules stopped, goes on later: {e}");
        }
    }
    Ok(())
}

/// Whether a round is to be begun or gone on with.
fn is_due(row: &LifecycleRow, me: u64, now_ms: u64, day_ms: Option<u64>) -> bool {
    if row.worker != 0 && row.worker != me && row.lease_ms > now_ms {
        return false;
    }
    match (&row.stage, day_ms) {
        (Stage::Done, Some(day_ms)) => now_ms.saturating_sub(row.begun_ms) >= day_ms / 2,
        (Stage::Done, None) => now_ms / DAY_MS > row.begun_ms / DAY_MS,
        _ => true,
    }
}

struct Round<'a, R: Rados> {
    storage: &'a Storage<R>,
    bucket: Bucket,
    rules: Vec<Rule>,
    calendar: Calendar,
    me: u64,
    row: LifecycleRow,
}

impl<R: Rados> Round<'_, R> {
    /// Goes on to the end, or until another worker has the bucket.
    async fn run(mut self) -> Result<(), S3Error> {
        let begun_ms = match self.row.stage {
            Stage::Done => self.calendar.now_ms,
            _ => self.row.begun_ms,
        };
        let stage = match self.row.stage.clone() {
            Stage::Done => Stage::Versions { after: None },
            stage => stage,
        };
        if !self.advance(begun_ms, stage.clone()).await? {
            return Ok(());
        }
        if let Stage::Versions { after } = stage
            && !self.versions(begun_ms, after).await?
        {
            return Ok(());
        }
        if self.rules.iter().any(|rule| rule.abort_days.is_some()) && !self.uploads(begun_ms).await? {
            return Ok(());
        }
        self.advance(begun_ms, Stage::Done).await?;
        Ok(())
    }

    /// Leaves a sign of life and the place. Whether the bucket is still ours.
    async fn advance(&mut self, begun_ms: u64, stage: Stage) -> Result<bool, S3Error> {
        let over = stage == Stage::Done;
        let lease_ms = if over { 0 } else { self.storage.rados().now().millis().saturating_add(LEASE_MS) };
        let worker = if over { 0 } else { self.me };
        let new = LifecycleRow { begun_ms, stage, worker, lease_ms, ..self.row.clone() };
        let ours = self.storage.lifecycle_exchange(&self.bucket.full_name(), &self.row, Some(&new)).await?;
        self.row = new;
        Ok(ours)
    }

    async fn versions(&mut self, begun_ms: u64, after: Option<String>) -> Result<bool, S3Error> {
        let mut query = VersionQuery { key_marker: after, max: PAGE, ..VersionQuery::default() };
        let mut walk = Walk::default();
        loop {
            let since = Instant::now();
            let page = self.storage.list_versions(&self.bucket, &query).await?;
            let mut due = Vec::new();
            for entry in page.versions {
                if let Some(ready) = walk.push(entry) {
                    due.extend(self.judge(ready));
                }
            }
            if !page.truncated {
                due.extend(walk.end().and_then(|ready| self.judge(ready)));
            }
            let done = self.carry_out(due).await;
            if !page.truncated {
                return Ok(true);
            }
            pace(since, done).await;
            query.key_marker = page.next_key_marker;
            query.version_marker = page.next_version_marker.map(|v| v.which());
            // Keys before the one that is being looked at are done for good.
            let stage = Stage::Versions { after: walk.finished.clone() };
            if !self.advance(begun_ms, stage).await? {
                return Ok(false);
            }
        }
    }

    /// What is due of a version, if anything is.
    fn judge(&self, ready: Ready) -> Option<(Ready, Due)> {
        let class = &ready.entry.object.storage_class;
        let item = ready.item(&ready.entry.object);
        let mut looks = false;
        for rule in &self.rules {
            match rule.wants(&item, self.calendar) {
                Wanted::Gone => return Some((ready, Due::Gone)),
                Wanted::IfTagged => looks = true,
                Wanted::Nothing => {}
            }
            looks |= rule.moves(&item, self.calendar).is_some_and(|(_, wanted)| wanted != class);
        }
        looks.then_some((ready, Due::Looked))
    }

    /// Does what is due; how many versions were changed or removed. What cannot be done is tried again in the next
    /// round.
    async fn carry_out(&self, due: Vec<(Ready, Due)>) -> u32 {
        let work = due.into_iter().map(|(ready, due)| async move {
            let done = match due {
                Due::Gone => self.remove(&ready).await,
                Due::Looked => self.look_closer(&ready).await,
            };
            match done {
                Ok(done) => u32::from(done),
                // Locked, or replaced meanwhile: as it should be.
                Err(e) if matches!(e.code(), Code::AccessDenied | Code::OperationAborted) => 0,
                Err(e) => {
                    let (bucket, key) = (&self.bucket.name, &ready.entry.object.key);
                    tracing::warn!(bucket, key, "what a lifecycle rule wants could not be done: {e}");
                    0
                }
            }
        });
        let counts: Vec<u32> = stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
        counts.into_iter().sum()
    }

    async fn remove(&self, ready: &Ready) -> Result<bool, S3Error> {
        let entry = &ready.entry;
        // A current object is deleted as by its owner: hidden, where the bucket keeps versions.
        let hides = entry.latest && !entry.marker;
        let deletion = Deletion {
            key: entry.object.key.clone(),
            which: if hides { Which::Current } else { entry.version.which() },
            if_seen: Some(ready.seen()),
            ..Deletion::default()
        };
        Ok(self.storage.delete(&self.bucket, &deletion).await?.existed)
    }

    /// Decides with the version's tags at hand, and does it.
    async fn look_closer(&self, ready: &Ready) -> Result<bool, S3Error> {
        let entry = &ready.entry;
        let found = self.storage.find(&self.bucket, &entry.object.key, entry.version.which(), false).await?;
        let Some(found) = found.object() else { return Ok(false) };
        let tags = tags::of(&found.attrs.extra)?;
        let object = ListEntry { size: found.size, mtime: found.mtime, ..entry.object.clone() };
        let item = Item { marker: false, ..ready.item(&object) };
        let fitting = || self.rules.iter().filter(|rule| rule.fits_tags(&tags));
        if fitting().any(|rule| rule.wants(&item, self.calendar) == Wanted::IfTagged) {
            return self.remove(ready).await;
        }
        match fitting().filter_map(|rule| rule.moves(&item, self.calendar)).max() {
            Some((_, class)) if class != found.attrs.storage_class => {
                self.storage.change_class(&self.bucket, item.key, &ready.seen(), class).await
            }
            _ => Ok(false),
        }
    }

    async fn uploads(&mut self, begun_ms: u64) -> Result<bool, S3Error> {
        let mut query = UploadQuery { max: PAGE, ..UploadQuery::default() };
        loop {
            if !self.advance(begun_ms, Stage::Uploads).await? {
                return Ok(false);
            }
            let since = Instant::now();
            let page = self.storage.upload_list(&self.bucket, &query).await?;
            let mut aborted = 0;
            for upload in &page.uploads {
                let initiated_ms = upload.initiated.millis();
                if !self.rules.iter().any(|rule| rule.aborts(&upload.key, initiated_ms, self.calendar)) {
                    continue;
                }
                match self.storage.upload_abort(&self.bucket, &upload.key, upload.id).await {
                    Ok(()) => aborted += 1,
                    Err(e) if e.code() == Code::NoSuchUpload => {}
                    Err(e) => return Err(e),
                }
            }
            if !page.truncated {
                return Ok(true);
            }
            pace(since, aborted).await;
            query.key_marker = page.next_key_marker;
            query.upload_id_marker = page.next_upload_id_marker;
        }
    }
}

/// Waits so that what was done since then was not too quick.
async fn pace(since: Instant, done: u32) {
    let least = Duration::from_secs(1) * done / PER_SECOND;
    tokio::time::sleep(least.saturating_sub(since.elapsed())).await;
}

/// What is due of a version.
enum Due {
    /// It goes.
    Gone,
    /// Something, depending on its tags; or another storage class.
    Looked,
}

/// A version with what its neighbours are.
struct Ready {
    entry: VersionEntry,
    superseded: Option<(u64, u32)>,
    alone: bool,
}

impl Ready {
    fn item<'a>(&self, object: &'a ListEntry) -> Item<'a> {
        Item {
            key: &object.key,
            size: object.size,
            mtime_ms: object.mtime.millis(),
            marker: self.entry.marker,
            superseded: self.superseded,
            alone: self.alone,
        }
    }
    fn seen(&self) -> Seen {
        Seen { version: self.entry.version, mtime: self.entry.object.mtime }
    }
}

/// Goes through a listing of versions, one behind: whether a version is alone shows only at the next one.
#[derive(Default)]
struct Walk {
    pending: Option<Ready>,
    /// Keys up to this one are wholly done.
    finished: Option<String>,
}

impl Walk {
    /// Takes the next entry, and gives the one before it.
    fn push(&mut self, entry: VersionEntry) -> Option<Ready> {
        let before = self.pending.take();
        let same = before.as_ref().filter(|b| b.entry.object.key == entry.object.key);
        let superseded = match same {
            // Resumed in the middle of a key that changed meanwhile: the round after this one sees it whole.
            None if !entry.latest => Some((u64::MAX, 0)),
            None => None,
            Some(b) => {
                let newer = b.superseded.map_or(0, |(_, newer)| newer.saturating_add(1));
                Some((b.entry.object.mtime.millis(), newer))
            }
        };
        let goes_on = same.is_some();
        if let Some(b) = before.as_ref().filter(|_| !goes_on) {
            self.finished = Some(b.entry.object.key.clone());
        }
        self.pending = Some(Ready { entry, superseded, alone: false });
        before.map(|b| Ready { alone: !goes_on && b.superseded.is_none(), ..b })
    }

    /// The last one.
    fn end(&mut self) -> Option<Ready> {
        let last = self.pending.take()?;
        Some(Ready { alone: last.superseded.is_none(), ..last })
    }
}
