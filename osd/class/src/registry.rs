//! The compiled-in classes, and what a method sees while it runs.

use bytes::Bytes;
use osd_object::Op;
use osd_object::draft::Draft;
use stdx::Errno;
use stdx::time::WallTime;

/// Rows up to this size in one step are taken also when full.
const SMALL_ROWS_BYTES: usize = 4096;

/// Whether something only reads an object or may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Changes nothing.
    Read,
    /// May change the object.
    Write,
}

/// One method of a class, as the class declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name, unique in the class.
    pub name: &'static str,
    /// What it may do.
    pub access: Access,
    /// Whether a full OSD still runs it: it frees space, or takes next to none.
    pub when_full: bool,
}

impl Method {
    /// A method that changes nothing.
    pub const fn read(name: &'static str) -> Method {
        Method { name, access: Access::Read, when_full: true }
    }
    /// A method that may change the object.
    pub const fn write(name: &'static str) -> Method {
        Method { name, access: Access::Write, when_full: false }
    }

    /// The same method, run by a full OSD too: for what removes, or is needed to remove.
    pub const fn even_when_full(self) -> Method {
        Method { when_full: true, ..self }
    }
}

/// Why a method refused; the whole compound operation then fails and leaves nothing behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassError {
    /// The code that the client gets.
    pub code: Errno,
    /// What the method says besides, in its own encoding (a redirect, say); usually empty.
    pub detail: Bytes,
}

impl ClassError {
    /// A refusal that carries something to read.
    pub fn with_detail(code: Errno, detail: Bytes) -> ClassError {
        ClassError { code, detail }
    }
}

impl From<Errno> for ClassError {
    fn from(code: Errno) -> ClassError {
        ClassError { code, detail: Bytes::new() }
    }
}

impl std::fmt::Display for ClassError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.code, f)
    }
}

impl std::error::Error for ClassError {}

/// A class: a name and its methods. Holds no state of its own; everything lives in the object.
pub trait ObjectClass: Sync {
    /// The name that `Op::Call` gives, as `index`.
    fn name(&self) -> &'static str;

    /// The methods it has. A call of any other fails with EOPNOTSUPP before `call` is reached.
    fn methods(&self) -> &'static [Method];

    /// Runs one of `methods()`. The input came from a client: decode it with bounds, answer EINVAL to
    /// nonsense. Must be a function of the draft, the input and `ctx.mtime()` alone.
    fn call(&self, method: &str, ctx: &mut MethodContext<'_, '_>, input: Bytes) -> Result<Bytes, ClassError>;
}

/// What a method works on.
pub struct MethodContext<'d, 'v> {
    draft: &'d mut Draft<'v>,
    mtime: WallTime,
    access: Access,
}

impl<'d, 'v> MethodContext<'d, 'v> {
    /// A context over a draft; the executor makes it, and tests of a class may.
    pub fn new(draft: &'d mut Draft<'v>, mtime: WallTime, access: Access) -> MethodContext<'d, 'v> {
        MethodContext { draft, mtime, access }
    }

    /// The time of day that the operation carries. Not monotonic; never a reason to lose data.
    pub fn mtime(&self) -> WallTime {
        self.mtime
    }

    /// Whether the method declared that it may write.
    pub fn may_write(&self) -> bool {
        self.access == Access::Write
    }

    /// The object as the operation has left it so far.
    pub fn object(&self) -> &Draft<'v> {
        self.draft
    }

    /// The object, to change it. Only for methods declared as `Access::Write`: what a reading method
    /// changed would be thrown away, so that is a mistake in the class.
    pub fn object_mut(&mut self) -> &mut Draft<'v> {
        assert!(self.access == Access::Write, "a class method that is declared read-only wants to write");
        self.draft
    }
}

/// The classes of this build.
#[derive(Clone)]
pub struct Registry {
    classes: Vec<&'static dyn ObjectClass>,
}

impl Registry {
    /// The classes every OSD has.
    pub fn standard() -> Registry {
        Registry::new(&[&crate::index::Index, &crate::lock::Lock])
    }

    /// Exactly these classes. Two of one name are a mistake in the build.
    pub fn new(classes: &[&'static dyn ObjectClass]) -> Registry {
        let mut names: Vec<&str> = classes.iter().map(|c| c.name()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|w| w[0] != w[1]), "two object classes of one name: {names:?}");
        Registry { classes: classes.to_vec() }
    }

    /// A class by name.
    pub fn class(&self, name: &str) -> Option<&'static dyn ObjectClass> {
        self.classes.iter().find(|c| c.name() == name).copied()
    }

    /// A class and its declaration of a method. EOPNOTSUPP if this build has no such method.
    pub fn method(&self, class: &str, method: &str) -> Result<(&'static dyn ObjectClass, Method), Errno> {
        let class = self.class(class).ok_or(Errno::EOPNOTSUPP)?;
        let method = class.methods().iter().find(|m| m.name == method).ok_or(Errno::EOPNOTSUPP)?;
        Ok((class, *method))
    }

    /// Whether a compound operation may change its object. An unknown method counts as a read: it fails.
    pub fn access(&self, ops: &[Op]) -> Access {
        ops.iter().map(|op| self.access_of(op)).max().unwrap_or(Access::Read)
    }

    /// Whether a compound operation may take space: an OSD that is full refuses it with ENOSPC, and goes on
    /// with reads and with everything that frees.
    pub fn takes_space(&self, ops: &[Op]) -> bool {
        ops.iter().any(|op| match op {
            Op::Delete | Op::RmXattr { .. } | Op::OmapRm { .. } | Op::OmapRmRange { .. } => false,
            // Bookkeeping that deleting needs, such as a gateway's lease: little, and replaced in place.
            Op::Create { .. } | Op::Watch { .. } | Op::Unwatch { .. } => false,
            Op::OmapSet { rows } => {
                rows.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() > SMALL_ROWS_BYTES
            }
            Op::Call { class, method, .. } => self.method(class, method).is_ok_and(|(_, m)| !m.when_full),
            other => self.access_of(other) == Access::Write,
        })
    }

    fn access_of(&self, op: &Op) -> Access {
        match op {
            Op::AssertExists
            | Op::AssertVersion { .. }
            | Op::CmpXattr { .. }
            | Op::CmpOmap { .. }
            | Op::AssertSnapsKnown
            | Op::Stat
            | Op::Read { .. }
            | Op::GetXattr { .. }
            | Op::GetXattrs
            | Op::OmapGet { .. }
            | Op::OmapGetRange { .. }
            | Op::ListSnaps
            | Op::ListWatchers
            | Op::WatchPing { .. }
            | Op::Notify { .. }
            | Op::NotifyAck { .. } => Access::Read,
            Op::Create { .. }
            | Op::Write { .. }
            | Op::WriteFull { .. }
            | Op::Append { .. }
            | Op::WriteSame { .. }
            | Op::SetAllocHint { .. }
            | Op::Rollback { .. }
            | Op::Watch { .. }
            | Op::Unwatch { .. }
            | Op::Zero { .. }
            | Op::Truncate { .. }
            | Op::Delete
            | Op::SetXattr { .. }
            | Op::RmXattr { .. }
            | Op::OmapSet { .. }
            | Op::OmapRm { .. }
            | Op::OmapRmRange { .. } => Access::Write,
            Op::Call { class, method, .. } => {
                self.method(class, method).map_or(Access::Read, |(_, m)| m.access)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_osd_still_does_what_frees_space_and_refuses_what_takes_it() {
        let registry = Registry::standard();
        let call =
            |method: &str| Op::Call { class: "index".into(), method: method.into(), input: Bytes::new() };
        let rows = |n: usize| Op::OmapSet { rows: vec![(Bytes::from_static(b"k"), vec![0; n].into())] };
        for frees in
            [Op::Delete, call("delete_row"), call("gc_done"), call("list"), call("no_such"), rows(100)]
        {
            assert!(!registry.takes_space(std::slice::from_ref(&frees)), "{frees:?}");
        }
        for takes in
            [Op::Write { offset: 0, data: Bytes::new() }, call("put_row"), call("part_put"), rows(5000)]
        {
            assert!(registry.takes_space(&[Op::Delete, takes.clone()]), "{takes:?}");
        }
    }
}
