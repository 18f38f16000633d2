//! Tunables and `choose_args`.

use super::Edit;
use crate::{ChooseArg, Error, Tunables};

impl Edit<'_> {
    /// Replaces the tunables. Moves data; straw lengths already worked out stay, as in Ceph.
    ///
    /// # Errors
    /// None today; the signature leaves room for refusing what old clients cannot do.
    pub fn set_tunables(&mut self, tunables: Tunables) -> Result<(), Error> {
        self.map.tunables = tunables;
        Ok(())
    }

    /// Gives a bucket other weights or ids for one pool (`set` is its id) or, with
    /// [`crate::CHOOSE_ARGS_DEFAULT`], for all pools without a set of their own.
    ///
    /// # Errors
    /// An unknown bucket, a list of another length than the bucket.
    pub fn set_choose_arg(&mut self, set: i64, bucket: i32, arg: ChooseArg) -> Result<(), Error> {
        let size = self.map.bucket(bucket).ok_or(Error::NoSuchItem(bucket))?.items().len();
        let ids_fit = arg.ids.is_empty() || arg.ids.len() == size;
        if !ids_fit || arg.weight_set.iter().any(|row| row.len() != size) {
            return Err(Error::BadChooseArgs { set, bucket });
        }
        let set = self.map.choose_args.entry(set).or_default();
        if arg.is_empty() {
            drop(set.remove(&bucket))
        } else {
            drop(set.insert(bucket, arg))
        }
        Ok(())
    }

    /// Drops a whole set.
    ///
    /// # Errors
    /// None; a set that is not there is gone already.
    pub fn remove_choose_args(&mut self, set: i64) -> Result<(), Error> {
        self.map.choose_args.remove(&set);
        Ok(())
    }
}
