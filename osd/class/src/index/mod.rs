//! The class `index`: one range shard of a bucket's index, kept in an object's omap (decision D7).
//!
//! Rows, ranges and the steps of a split are drawn in docs/formats/bucket-index.md. Each method touches its
//! own shard and nothing else; gateways drive what takes more than one.

mod api;
mod condemn;
mod garbage;
mod garbage_api;
mod key;
mod lifecycle;
mod list;
mod list_api;
mod merge;
mod merge_api;
mod middle;
mod object;
mod object_lock;
mod placement;
mod rows;
mod scan;
mod shard;
mod split;
mod split_api;
mod upload;
mod upload_api;
mod version;
mod version_api;
mod version_list;

#[cfg(test)]
mod merge_test;
#[cfg(test)]
mod placement_test;
#[cfg(test)]
mod repeat_test;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod version_test;

pub use api::*;
pub use key::{after_key, after_prefix, key_of_row};
pub use merge_api::*;
pub use object_lock::{LockChange, LockReply, ObjectLock, Retention, RetentionMode, SetLock};
pub use placement::MoveRow;
pub use rows::{
    Counters, Detail, GarbageRow, Head, Header, ObjectRow, Part, Split, State, Tag, UploadRow, Version,
    Versioning, Which,
};
pub use upload::PART_NUMBER_MAX;
pub use version_api::*;

use crate::registry::{ClassError, Method, MethodContext, ObjectClass};
use bytes::Bytes;
use stdx::Errno;
use stdx::codec::{Decode, from_bytes, to_bytes};

/// The class.
pub struct Index;

fn input<T: Decode>(bytes: Bytes) -> Result<T, ClassError> {
    from_bytes(bytes).map_err(|_| Errno::EINVAL.into())
}

impl ObjectClass for Index {
    fn name(&self) -> &'static str {
        CLASS
    }

    fn methods(&self) -> &'static [Method] {
        const METHODS: &[Method] = &[
            Method::write("init"),
            Method::read("stat"),
            Method::write("put_row"),
            Method::write("put_rows"),
            Method::read("get_row"),
            Method::write("delete_row").even_when_full(),
            Method::write("set_attrs"),
            Method::write("set_lock"),
            Method::write("move_row"),
            Method::read("list"),
            Method::read("list_versions"),
            Method::write("upload_create"),
            Method::write("part_put"),
            Method::read("part_list"),
            Method::read("upload_list"),
            Method::write("upload_complete").even_when_full(),
            Method::write("upload_abort").even_when_full(),
            Method::read("gc_list"),
            Method::write("gc_done").even_when_full(),
            Method::write("fence").even_when_full(),
            Method::read("referred"),
            Method::write("split_take"),
            Method::read("split_middle"),
            Method::write("split_take_at"),
            Method::read("split_page"),
            Method::write("split_mark"),
            Method::read("split_delta"),
            Method::write("split_ack"),
            Method::write("split_commit"),
            Method::write("split_finish"),
            Method::write("absorb"),
            Method::write("activate"),
            Method::write("merge_take"),
            Method::write("merge_commit"),
            Method::write("merge_abort").even_when_full(),
            Method::write("merge_finish").even_when_full(),
            Method::write("merge_open"),
            Method::write("merge_absorb"),
            Method::write("merge_activate").even_when_full(),
            Method::write("merge_drop").even_when_full(),
            Method::write("merge_forget").even_when_full(),
            Method::write("retire").even_when_full(),
            Method::write("condemn").even_when_full(),
            Method::write("unretire").even_when_full(),
            Method::write("purge").even_when_full(),
            Method::write("empty").even_when_full(),
            Method::write("destroy").even_when_full(),
        ];
        METHODS
    }

    fn call(&self, method: &str, ctx: &mut MethodContext<'_, '_>, bytes: Bytes) -> Result<Bytes, ClassError> {
        Ok(match method {
            "init" => to_bytes(&lifecycle::init(ctx, input(bytes)?).map(|()| Done)?),
            "stat" => to_bytes(&lifecycle::stat(ctx)?),
            "put_row" => to_bytes(&object::put(ctx, input(bytes)?)?),
            "put_rows" => to_bytes(&object::put_many(ctx, input(bytes)?)?),
            "get_row" => to_bytes(&object::get(ctx, input(bytes)?)?),
            "delete_row" => to_bytes(&object::delete(ctx, input(bytes)?)?),
            "set_attrs" => to_bytes(&version::set_attrs(ctx, input(bytes)?)?),
            "set_lock" => to_bytes(&object_lock::set_lock(ctx, input(bytes)?)?),
            "move_row" => to_bytes(&placement::move_row(ctx, input(bytes)?)?),
            "list_versions" => to_bytes(&version_list::versions(ctx, input(bytes)?)?),
            "list" => to_bytes(&list::objects(ctx, input(bytes)?)?),
            "upload_create" => to_bytes(&upload::create(ctx, input(bytes)?)?),
            "part_put" => to_bytes(&upload::part_put(ctx, input(bytes)?)?),
            "part_list" => to_bytes(&upload::part_list(ctx, input(bytes)?)?),
            "upload_list" => to_bytes(&list::uploads(ctx, input(bytes)?)?),
            "upload_complete" => to_bytes(&upload::complete(ctx, input(bytes)?)?),
            "upload_abort" => to_bytes(&upload::abort(ctx, input(bytes)?)?),
            "gc_list" => to_bytes(&garbage::list(ctx, input(bytes)?)?),
            "gc_done" => to_bytes(&garbage::done(ctx, input(bytes)?).map(|()| Done)?),
            "referred" => to_bytes(&garbage::referred(ctx, input(bytes)?)?),
            "fence" => to_bytes(&garbage::fence(ctx, input(bytes)?)?),
            "split_take" => to_bytes(&split::take(ctx, input(bytes)?)?),
            "split_middle" => to_bytes(&middle::step(ctx, input(bytes)?)?),
            "split_take_at" => to_bytes(&split::take_at(ctx, input(bytes)?)?),
            "split_page" => to_bytes(&split::page(ctx, input(bytes)?)?),
            "split_mark" => to_bytes(&split::mark(ctx, input(bytes)?).map(|()| Done)?),
            "split_delta" => to_bytes(&split::delta(ctx, input(bytes)?)?),
            "split_ack" => to_bytes(&split::ack(ctx, input(bytes)?).map(|()| Done)?),
            "split_commit" => to_bytes(&split::commit(ctx, input(bytes)?).map(|()| Done)?),
            "split_finish" => to_bytes(&split::finish(ctx, input(bytes)?)?),
            "absorb" => to_bytes(&split::absorb(ctx, input(bytes)?).map(|()| Done)?),
            "activate" => to_bytes(&split::activate(ctx, input(bytes)?).map(|()| Done)?),
            "merge_take" => to_bytes(&merge::take(ctx, input(bytes)?)?),
            "merge_commit" => to_bytes(&merge::commit(ctx, input(bytes)?).map(|()| Done)?),
            "merge_abort" => to_bytes(&merge::abort(ctx, input(bytes)?).map(|()| Done)?),
            "merge_finish" => to_bytes(&merge::finish(ctx, input(bytes)?).map(|()| Done)?),
            "merge_open" => to_bytes(&merge::open(ctx, input(bytes)?)?),
            "merge_absorb" => to_bytes(&merge::absorb(ctx, input(bytes)?).map(|()| Done)?),
            "merge_activate" => to_bytes(&merge::activate(ctx, input(bytes)?).map(|()| Done)?),
            "merge_drop" => to_bytes(&merge::drop_out(ctx, input(bytes)?)?),
            "merge_forget" => to_bytes(&merge::forget(ctx, input(bytes)?).map(|()| Done)?),
            "retire" => to_bytes(&lifecycle::retire(ctx, input(bytes)?).map(|()| Done)?),
            "condemn" => to_bytes(&condemn::condemn(ctx, input(bytes)?).map(|()| Done)?),
            "unretire" => to_bytes(&lifecycle::unretire(ctx, input(bytes)?).map(|()| Done)?),
            "purge" => to_bytes(&lifecycle::purge(ctx)?),
            "empty" => to_bytes(&condemn::empty(ctx, input(bytes)?)?),
            "destroy" => to_bytes(&lifecycle::destroy(ctx)?),
            _ => return Err(Errno::EOPNOTSUPP.into()),
        })
    }
}

/// The output of methods that have nothing to say: no bytes.
pub struct Done;
stdx::codec_plain!(Done {});
