//! Asking the monitors and printing what they say.

use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::session;
use gateway_client::{Client, ClientError};
use placement_map::refusal::RefusalKind;
use placement_map::status::{Answer, Query};
use placement_map::{Command, CommandReply};

/// Asks a question of the cluster that the flags name.
pub(super) async fn ask(global: &Global, query: Query) -> Result<Answer, Failure> {
    session::open(global).await?.query(query).await.map_err(failure)
}

/// Asks for a change, and says `done` when it is made.
pub(super) async fn order(global: &Global, command: Command, done: &str) -> Result<CommandReply, Failure> {
    let client = session::open(global).await?;
    order_with(&client, global, command, done).await
}

/// The same with a client at hand.
pub(super) async fn order_with(
    client: &Client,
    global: &Global,
    command: Command,
    done: &str,
) -> Result<CommandReply, Failure> {
    let reply = client.command(command).await.map_err(failure)?;
    say_done(global, done);
    Ok(reply)
}

pub(super) fn say_done(global: &Global, done: &str) {
    match global.format {
        Format::Plain => println!("{done}"),
        Format::Json => println!("{}", serde_json::json!({ "done": done })),
    }
}

/// Has a daemon leave. One that the monitors do not know, while something of it is `left_here`, has left already: the
/// command before this one was killed after they had agreed, and this one goes on from there.
pub(super) async fn order_leave(
    client: &Client,
    global: &Global,
    command: Command,
    done: &str,
    left_here: bool,
) -> Result<(), Failure> {
    match client.command(command).await {
        Err(ClientError::Refused(refusal)) if left_here && refusal.kind == RefusalKind::NotFound => {
            eprintln!("the monitors know it no more; what is left of it on this host goes");
        }
        Err(e) => return Err(failure(e)),
        Ok(_) => {}
    }
    say_done(global, done);
    Ok(())
}

/// Prints an answer: as JSON, or as `plain` puts it.
pub(super) fn show(global: &Global, answer: &Answer, plain: impl FnOnce() -> String) -> Result<(), Failure> {
    match global.format {
        Format::Plain => println!("{}", plain().trim_end()),
        Format::Json => println!("{}", serde_json::to_string(answer).map_err(Failure::unusable)?),
    }
    Ok(())
}

/// The monitors' answer was of another kind than the question.
pub(super) fn nonsense() -> Failure {
    Failure::unusable("the monitors' answer makes no sense; are their version and this program's the same?")
}

/// A refusal is a no; anything else means that nothing could be asked.
pub(super) fn failure(error: ClientError) -> Failure {
    match error {
        ClientError::Refused(_) | ClientError::Denied(_) => Failure::no(error),
        _ => Failure::unusable(error),
    }
}
