//! `/admin/user?subuser`: subusers, which act in their user's name as far as they are let.

use super::user::{check_key_type, found, key_of};
use super::{required_uid, shapes, switch, text};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::server::Gateway;
use crate::storage::Access;
use gateway_client::Rados;
use serde_json::Value;

/// Makes, changes or removes one.
pub(super) async fn run<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Option<Value>, S3Error> {
    let uid = required_uid(rq)?;
    let name = name_of(rq, &uid)?;
    match rq.method.as_str() {
        "PUT" => put(gw, rq, &uid, &name, true).await.map(Some),
        "POST" => put(gw, rq, &uid, &name, false).await.map(Some),
        "DELETE" => {
            gw.storage.subuser_rm(&uid, &name).await?;
            Ok(None)
        }
        _ => Err(Code::MethodNotAllowed.into()),
    }
}

/// The subuser: `NAME` or `UID:NAME`. The parameter may stand there twice, the first time without a value.
fn name_of(rq: &Request, uid: &str) -> Result<String, S3Error> {
    let named = rq.query.iter().find(|(name, value)| *name == "subuser" && !value.is_empty());
    let word = named.map_or("", |(_, value)| value);
    let name = word.strip_prefix(uid).and_then(|rest| rest.strip_prefix(':')).unwrap_or(word);
    let good = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
        let message = "A subuser is named by 1 to 64 letters, digits, _, -, . and @.";
        return Err(S3Error::invalid_argument(message, "subuser", word));
    }
    Ok(name.to_string())
}

async fn put<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    uid: &str,
    name: &str,
    new: bool,
) -> Result<Value, S3Error> {
    check_key_type(rq)?;
    let access = rq.query.get("access").map(Access::parse).transpose()?;
    let user = gw.storage.user_change(uid, |user| {
        match (new, user.subusers.contains_key(name)) {
            (true, true) => return Err(Code::SubuserExists.into()),
            (false, false) => return Err(Code::NoSuchSubUser.into()),
            _ => {}
        }
        let had = user.subusers.get(name).copied().unwrap_or(Access::None);
        user.subusers.insert(name.to_string(), access.unwrap_or(had));
        Ok(())
    });
    user.await?;
    let key = key_of(rq)?;
    let draws = ["generate-secret", "gen-access-key", "generate-key"];
    let mut draw = text(rq, "key-type").is_some() && new;
    for name in draws {
        draw |= switch(rq, name)? == Some(true);
    }
    if key.is_some() || draw {
        gw.storage.key_create_for(uid, name, key).await?;
    }
    Ok(shapes::subusers(&found(gw, uid).await?))
}
