//! What can be wrong with a map or with a change to one. Each error names the item it is about.

use std::fmt;

/// A change that cannot be made, or a map that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "fields are the ids the variant's sentence speaks of")]
pub enum Error {
    /// No item has this name.
    NoSuchName(String),
    /// No item has this id.
    NoSuchItem(i32),
    /// No type has this name.
    NoSuchType(String),
    /// No rule has this id.
    NoSuchRule(u32),
    /// No device has this class.
    NoSuchClass(String),
    /// The name is taken.
    NameTaken(String),
    /// The id is taken.
    IdTaken(i32),
    /// A name of Ceph's maps has letters, digits, `-`, `_`, `.` only.
    BadName(String),
    /// The bucket is of another type than the location says.
    WrongType { bucket: String, is: String, wanted: String },
    /// The location has no bucket of a known type above the item.
    EmptyLocation { item: i32 },
    /// Two levels of a location, or a child and its parent, are in the wrong order.
    TypeOrder { bucket: i32, item: i32 },
    /// The bucket cannot be removed: it has items.
    NotEmpty(i32),
    /// The bucket cannot be removed: a rule takes it.
    InUse { item: i32, rule: u32 },
    /// The item is in the bucket already.
    AlreadyThere { bucket: i32, item: i32 },
    /// A bucket reaches itself.
    Cycle { bucket: i32 },
    /// A bucket holds an item that does not exist.
    DanglingItem { bucket: i32, item: i32 },
    /// An item stands twice in one bucket, or in two buckets of one tree.
    DuplicateItem { bucket: i32, item: i32 },
    /// A bucket's slot and its id differ.
    WrongSlot { bucket: i32, slot: i32 },
    /// A weight that is negative or beyond what a sum can hold.
    WeightOverflow { bucket: i32, item: i32 },
    /// A weight below zero or no number.
    BadWeight { item: i32, weight: String },
    /// A tree bucket of more than 64 items; Ceph stores its node count in one byte.
    TreeTooLarge { bucket: i32, items: usize },
    /// Items of a uniform bucket must weigh the same.
    UnequalWeight { bucket: i32, item: i32 },
    /// The arrays beside a bucket's items do not have one entry an item.
    BadShape { bucket: i32 },
    /// A type's number leaves what Ceph stores.
    BadType { bucket: i32, kind: i32 },
    /// A device number that is negative or beyond [`crate::DEVICES_MAX`].
    BadDevice(i32),
    /// More buckets than [`crate::BUCKETS_MAX`].
    TooManyBuckets,
    /// A rule that emits nothing.
    NoEmit { rule: u32 },
    /// A rule takes an item that does not exist.
    BadTake { rule: u32, item: i32 },
    /// A rule chooses before it takes.
    ChooseBeforeTake { rule: u32, step: usize },
    /// A rule chooses a type that does not exist.
    BadChooseType { rule: u32, kind: i32 },
    /// A rule's count or number of tries is beyond what could end in reasonable time.
    BadStepArgument { rule: u32, step: usize, value: i32 },
    /// A rule has a step of a newer Ceph.
    UnknownStep { rule: u32, op: u32 },
    /// All 256 rule ids are taken.
    TooManyRules,
    /// A weight set or id list of `choose_args` does not fit its bucket.
    BadChooseArgs { set: i64, bucket: i32 },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName(name) => write!(f, "no item is named '{name}'"),
            Self::NoSuchItem(item) => write!(f, "item {item} does not exist"),
            Self::NoSuchType(name) => write!(f, "no type is named '{name}'"),
            Self::NoSuchRule(rule) => write!(f, "rule {rule} does not exist"),
            Self::NoSuchClass(class) => write!(f, "no device has class '{class}'"),
            Self::NameTaken(name) => write!(f, "the name '{name}' is taken"),
            Self::IdTaken(item) => write!(f, "the id {item} is taken"),
            Self::BadName(name) => {
                write!(f, "'{name}' is no name: use letters, digits, '-', '_' and '.'")
            }
            Self::WrongType { bucket, is, wanted } => {
                write!(f, "'{bucket}' is a {is}, not a {wanted}")
            }
            Self::EmptyLocation { item } => {
                write!(f, "the location of item {item} names no bucket above it")
            }
            Self::TypeOrder { bucket, item } => {
                write!(f, "bucket {bucket} cannot hold item {item}: its type is not above the item's")
            }
            Self::NotEmpty(item) => write!(f, "bucket {item} has items; remove or move them first"),
            Self::InUse { item, rule } => {
                write!(f, "item {item} is taken by rule {rule}; remove the rule first")
            }
            Self::AlreadyThere { bucket, item } => {
                write!(f, "item {item} is in bucket {bucket} already")
            }
            Self::Cycle { bucket } => write!(f, "bucket {bucket} contains itself"),
            Self::DanglingItem { bucket, item } => {
                write!(f, "bucket {bucket} holds item {item}, which does not exist")
            }
            Self::DuplicateItem { bucket, item } => {
                write!(f, "item {item} stands in bucket {bucket} and once more in the same tree")
            }
            Self::WrongSlot { bucket, slot } => {
                write!(f, "bucket {bucket} is stored in the place of bucket {slot}")
            }
            Self::WeightOverflow { bucket, item } => {
                write!(f, "the weight of item {item} takes bucket {bucket} over 65535")
            }
            Self::BadWeight { item, weight } => {
                write!(f, "item {item} cannot weigh {weight}: weights go from 0 to 65535")
            }
            Self::TreeTooLarge { bucket, items } => {
                write!(f, "tree bucket {bucket} has {items} items; a tree holds 64 at most, use straw2")
            }
            Self::UnequalWeight { bucket, item } => {
                write!(f, "item {item} must weigh what the others in uniform bucket {bucket} weigh")
            }
            Self::BadShape { bucket } => {
                write!(f, "the weights of bucket {bucket} do not match its items")
            }
            Self::BadType { bucket, kind } => {
                write!(f, "bucket {bucket} has type {kind}, which the map does not define")
            }
            Self::BadDevice(item) => write!(f, "{item} is no device number"),
            Self::TooManyBuckets => write!(f, "the map has too many buckets"),
            Self::NoEmit { rule } => write!(f, "rule {rule} emits nothing; end it with 'step emit'"),
            Self::BadTake { rule, item } => {
                write!(f, "rule {rule} takes item {item}, which does not exist")
            }
            Self::ChooseBeforeTake { rule, step } => {
                write!(f, "rule {rule} chooses in step {step} before it has taken an item")
            }
            Self::BadChooseType { rule, kind } => {
                write!(f, "rule {rule} chooses type {kind}, which does not exist")
            }
            Self::BadStepArgument { rule, step, value } => {
                write!(f, "rule {rule}, step {step}: {value} is out of bounds")
            }
            Self::UnknownStep { rule, op } => {
                write!(f, "rule {rule} has a step of a newer Ceph (number {op})")
            }
            Self::TooManyRules => write!(f, "all 256 rule ids are taken"),
            Self::BadChooseArgs { set, bucket } => {
                write!(f, "choose_args {set} does not fit bucket {bucket}")
            }
        }
    }
}

impl std::error::Error for Error {}
