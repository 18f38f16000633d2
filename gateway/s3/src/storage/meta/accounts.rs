//! Accounts: owners that are no users. An account is a user's row under an id of its own (`RGW` and 17 digits), without
//! keys, so that buckets, quotas, limits and listings by owner work for it as for any other owner. What its users make
//! is the account's.

use crate::error::{Code, S3Error};
use crate::storage::Storage;
use crate::storage::names;
use crate::storage::user_types::{NewKey, NewUser, User, is_account_id};
use gateway_client::Rados;

/// How many ids are drawn before one is believed to be free.
const TRIES: usize = 4;

impl<R: Rados> Storage<R> {
    /// Makes an account; without an id one is drawn. `AccountAlreadyExists`, `EmailExists`, `InvalidArgument` for
    /// what can be no id of an account.
    pub async fn account_create(&self, id: Option<&str>, name: &str, email: &str) -> Result<User, S3Error> {
        if let Some(id) = id.filter(|id| !is_account_id(id)) {
            let message = "An account's id is RGW and 17 digits.";
            return Err(S3Error::invalid_argument(message, "id", id));
        }
        if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
            let message = "An account's name has 1 to 128 visible characters.";
            return Err(S3Error::invalid_argument(message, "name", name));
        }
        let mut taken = S3Error::new(Code::AccountAlreadyExists);
        for _ in 0..TRIES {
            let drawn = format!("RGW{:017}", names::random_id()? % 100_000_000_000_000_000);
            let mut new = NewUser::new(id.unwrap_or(&drawn), name);
            new.user.email = email.to_string();
            new.key = NewKey::Without;
            match self.user_make(new).await {
                Ok((account, _)) => return Ok(account),
                Err(e) if e.code() == Code::UserAlreadyExists && id.is_none() => taken = e,
                Err(e) if e.code() == Code::UserAlreadyExists => break,
                Err(e) => return Err(e),
            }
        }
        Err(if id.is_some() { S3Error::new(Code::AccountAlreadyExists) } else { taken })
    }

    /// An account by id.
    pub async fn account_get(&self, id: &str) -> Result<Option<User>, S3Error> {
        if is_account_id(id) { self.user_get(id).await } else { Ok(None) }
    }

    /// All accounts, by id.
    pub async fn account_list(&self) -> Result<Vec<User>, S3Error> {
        Ok(self.owner_list().await?.into_iter().filter(User::is_account).collect())
    }

    /// All users, by id, without the accounts.
    pub async fn user_list(&self) -> Result<Vec<User>, S3Error> {
        Ok(self.owner_list().await?.into_iter().filter(|user| !user.is_account()).collect())
    }

    /// Removes an account. `NoSuchAccount`; `AccountNotEmpty` while it has users, `BucketNotEmpty` while it owns buckets.
    pub async fn account_rm(&self, id: &str) -> Result<(), S3Error> {
        if self.account_get(id).await?.is_none() {
            return Err(S3Error::new(Code::NoSuchAccount));
        }
        if let Some(user) = self.user_list().await?.into_iter().find(|user| user.account == id) {
            let text = format!("User {} belongs to the account. Remove its users first.", user.uid);
            return Err(S3Error::with_message(Code::AccountNotEmpty, text));
        }
        self.user_rm(id).await
    }
}
