//! What an NBD client may send: the options of its handshake, and its requests.

use crate::allocated::most_at_once;
use crate::targets::Outcome;
use gateway_nbd::protocol::handshake::{Handshake, Headers, Session, Step, Tls};
use gateway_nbd::protocol::option_bytes::OptionHead;
use gateway_nbd::protocol::reply::To;
use gateway_nbd::protocol::request::{Command, Request, head_bytes};
use gateway_nbd::protocol::words::{
    EXTENDED_REQUEST_MAGIC, OPTION_MAGIC, OPTION_REPLY_MAGIC, REQUEST_BYTES_MAX, REQUEST_MAGIC, option,
};
use gateway_nbd::{ExportError, Facts};
use stdx::Rng;

/// A reply to an option is not longer than this for each thing that it tells.
const REPLY_BYTES_MAX: usize = 20 + 4 + 4096;
const SIZE: u64 = 1 << 30;

fn text(s: &str) -> Vec<u8> {
    [&(s.len() as u32).to_be_bytes()[..], s.as_bytes()].concat()
}

/// Flags, then options as tools send them.
pub(crate) fn sound_handshake(rng: &mut Rng) -> Vec<u8> {
    let mut out = u32::to_be_bytes(3).to_vec();
    let name = ["rbd/a", "a@monday", ""][rng.below(3) as usize];
    for _ in 0..1 + rng.below(6) {
        let queries = ["base:allocation", "base:", "nacre:diff:monday", "nacre:", "qemu:dirty-bitmap:x"];
        let (which, data) = match rng.below(8) {
            0 => (option::LIST, Vec::new()),
            1 => (option::STRUCTURED_REPLY, Vec::new()),
            2 => (option::EXTENDED_HEADERS, Vec::new()),
            3 => (option::STARTTLS, Vec::new()),
            4 => (option::INFO, [text(name), vec![0, 1, 0, 3]].concat()),
            5 => (option::GO, [text(name), vec![0, 0]].concat()),
            _ => {
                let count = rng.below(4) as usize;
                let mut data = [text(name), (count as u32).to_be_bytes().to_vec()].concat();
                (0..count).for_each(|_| data.extend(text(queries[rng.below(5) as usize])));
                let set = rng.chance(1, 2);
                (if set { option::SET_META_CONTEXT } else { option::LIST_META_CONTEXT }, data)
            }
        };
        out.extend(OPTION_MAGIC.to_be_bytes());
        out.extend(which.to_be_bytes());
        out.extend((data.len() as u32).to_be_bytes());
        out.extend(data);
    }
    out
}

/// How long each of the replies in `sent` is; an error if it is not made of replies.
fn replies(mut sent: &[u8]) -> Result<(), String> {
    while !sent.is_empty() {
        let head = sent.first_chunk::<20>().ok_or("a reply without a head")?;
        let len = u32::from_be_bytes([head[16], head[17], head[18], head[19]]) as usize;
        let magic = head.first_chunk().map_or(0, |b| u64::from_be_bytes(*b));
        if magic != OPTION_REPLY_MAGIC || len + 20 > REPLY_BYTES_MAX {
            return Err(format!("a reply of {len} bytes that begins with {magic:#x}"));
        }
        sent = sent.get(20 + len..).ok_or("a reply that is cut off")?;
    }
    Ok(())
}

/// Accepted: an export was used.
fn talk(input: &[u8]) -> Result<bool, String> {
    let Some((flags, mut rest)) = input.split_first_chunk::<4>() else { return Ok(false) };
    let Ok(mut handshake) = Handshake::begin(u32::from_be_bytes(*flags), Tls::Offered) else {
        return Ok(false);
    };
    let facts = Ok(Facts { size: SIZE, read_only: false, block_min: 1, block_preferred: 4096 });
    let mut used = false;
    while let Some((head, after)) = rest.split_first_chunk::<16>() {
        let Ok(head) = OptionHead::parse(head) else { break };
        let Some((data, after)) = after.split_at_checked(head.len as usize) else { break };
        rest = after;
        if head.too_big() {
            replies(&handshake.refuse_big(head.option))?;
            continue;
        }
        match handshake.option(head.option, data) {
            Step::Send(bytes) => replies(&bytes)?,
            Step::Close(bytes) => {
                replies(&bytes)?;
                break;
            }
            Step::StartTls(bytes) => {
                replies(&bytes)?;
                handshake = handshake.under_tls();
            }
            Step::List => replies(&handshake.answer_list(&Ok(vec!["rbd/a".into()])))?,
            Step::Info { name, go } => {
                replies(&handshake.answer_info(&name, go, &facts))?;
                used |= go;
            }
            Step::Contexts { option, name, queries } => {
                let known = Ok(vec!["monday".to_string(), "tuesday".to_string()]);
                replies(&handshake.answer_contexts(option, &name, &queries, &known))?;
                let session = handshake.session(&name);
                if session.difference != handshake.since(&name).is_some() {
                    return Err("a difference without its snapshot".into());
                }
                let unknown = Err(ExportError::Unknown("no".into()));
                replies(&handshake.answer_contexts(option, &name, &queries, &unknown))?;
            }
            Step::ExportName { .. } => return Ok(true),
        }
    }
    Ok(used)
}

pub(crate) fn handshake(input: &[u8]) -> Result<Outcome, String> {
    let (talked, allocated_bytes) = most_at_once(|| talk(input));
    Ok(Outcome { accepted: talked?, allocated_bytes })
}

/// Requests of both kinds of headers; the first byte says which.
pub(crate) fn sound_requests(rng: &mut Rng) -> Vec<u8> {
    let wide = rng.chance(1, 2);
    let mut out = vec![u8::from(wide)];
    for _ in 0..1 + rng.below(5) {
        let (command, len) = (rng.below(8) as u16, rng.below(2000));
        let flags = if rng.chance(1, 4) { 1 << rng.below(6) } else { 0 };
        out.extend(if wide { EXTENDED_REQUEST_MAGIC } else { REQUEST_MAGIC }.to_be_bytes());
        out.extend((flags as u16).to_be_bytes());
        out.extend(command.to_be_bytes());
        out.extend(rng.next_u64().to_be_bytes());
        out.extend(rng.below(SIZE).to_be_bytes());
        match wide {
            true => out.extend(len.to_be_bytes()),
            false => out.extend((len as u32).to_be_bytes()),
        }
        out.resize(out.len() + if command == 1 { len as usize } else { 0 }, 7);
    }
    out
}

pub(crate) fn requests(input: &[u8]) -> Result<Outcome, String> {
    let (done, allocated_bytes) = most_at_once(|| all_requests(input));
    Ok(Outcome { accepted: done?, allocated_bytes })
}

/// Accepted: one of them could be carried out.
fn all_requests(input: &[u8]) -> Result<bool, String> {
    let Some((kind, all)) = input.split_first() else { return Ok(false) };
    let headers = [Headers::Simple, Headers::Extended, Headers::Structured][usize::from(kind % 3)];
    let session = Session { headers, allocation: kind % 5 == 1, difference: kind % 7 == 1 };
    let (mut some, mut replies) = (false, Vec::new());
    for read_only in [false, true] {
        let mut rest = all;
        let facts = Facts { size: SIZE, read_only, block_min: 1, block_preferred: 4096 };
        while let Some((head, after)) = rest.split_at_checked(head_bytes(headers)) {
            let Ok(request) = Request::parse(head, headers) else { break };
            if request.memory_bytes() > REQUEST_BYTES_MAX {
                return Err(format!("{request:?} takes {} bytes", request.memory_bytes()));
            }
            let to = To { headers, cookie: request.cookie, offset: request.offset };
            let checked = request.check(&facts, &session);
            replies.push(checked.map_or_else(|error| to.failed(error, true), |_| to.done()));
            if let Ok(command) = checked {
                some = true;
                let moves = matches!(command, Command::Read { .. } | Command::Write);
                let inside = request.offset.checked_add(request.len).is_some_and(|end| end <= SIZE);
                let any = matches!(command, Command::Flush | Command::Disconnect);
                if !any && (!inside || moves && request.len > u64::from(REQUEST_BYTES_MAX)) {
                    return Err(format!("{request:?} is carried out as {command:?}"));
                }
            }
            if request.hopeless() {
                break;
            }
            let Some((_, after)) = after.split_at_checked(request.payload_len as usize) else { break };
            rest = after;
        }
    }
    Ok(some)
}
