//! Several clients create one object exclusively at once: exactly one is told that it did. Then it is deleted, and
//! nobody sees it again.

use super::{FULL_PAUSE, PAUSE, User};
use crate::run::Run;
use gateway_client::Client;
use osd_object::Op;
use std::sync::Arc;
use std::time::Instant;
use stdx::Errno;

/// Races until the run stops.
pub(super) async fn race(run: Arc<Run>, clients: Vec<Client>) {
    let users: Vec<User> = clients.into_iter().map(|client| User { run: run.clone(), client }).collect();
    let mut round = 0;
    while !run.stopping() {
        round += 1;
        let (name, begun) = (format!("exclusive-{round}"), Instant::now());
        let create = || vec![Op::Create { exclusive: true }];
        let (a, b, c) = tokio::join!(
            users[0].operate(&name, create()),
            users[1].operate(&name, create()),
            users[2].operate(&name, create())
        );
        let answers = [a, b, c];
        if answers.iter().any(|a| a.as_ref().is_err_and(|e| e.code == Errno::ENOSPC)) {
            // Some were refused for want of space; a name that nobody uses again says nothing any more.
            users[0].pause(FULL_PAUSE).await;
            continue;
        }
        let made = answers.iter().filter(|a| a.is_ok()).count();
        let refused = answers.iter().filter(|a| a.as_ref().is_err_and(|e| e.code == Errno::EEXIST)).count();
        if (made, refused) != (1, 2) {
            return run.broken(format!(
                "{name} was created exclusively by three clients, and they were told {answers:?}"
            ));
        }
        users[0].acknowledged("create", begun);
        let begun = Instant::now();
        match users[1].operate(&name, vec![Op::Delete]).await {
            Ok(_) => users[1].acknowledged("delete", begun),
            Err(e) if e.code == Errno::ENOSPC => continue,
            Err(e) => return users[1].unexpected(&format!("deleting {name}"), &e),
        }
        match users[2].operate(&name, vec![Op::Stat]).await {
            Err(e) if e.code == Errno::ENOENT => {}
            other => {
                return run.broken(format!("{name} was deleted, and then a stat of it answers {other:?}"));
            }
        }
        users[0].pause(PAUSE * 10).await;
    }
}
