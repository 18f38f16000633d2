//! `/admin/account`: accounts, which own what their users make.

use super::{DOCUMENT_BYTES_MAX, needs, number, required, shapes, text};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::server::Gateway;
use crate::storage::User;
use gateway_client::Rados;
use http::Method;
use serde_json::{Value, json};

type Answer = Result<Option<Value>, S3Error>;

/// Finds what is asked and does it.
pub(super) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Answer {
    needs(&rq, "accounts", rq.method != Method::GET)?;
    match (rq.method.as_str(), rq.query.has("quota")) {
        ("GET", false) => Ok(Some(shape(&found(gw, required(&rq, "id")?).await?))),
        ("POST", false) => create(gw, &rq).await,
        ("PUT", false) => modify(gw, &rq).await,
        ("PUT", true) => set_quota(gw, rq).await,
        ("DELETE", false) => {
            gw.storage.account_rm(required(&rq, "id")?).await?;
            Ok(None)
        }
        _ => Err(Code::MethodNotAllowed.into()),
    }
}

async fn found<R: Rados>(gw: &Gateway<R>, id: &str) -> Result<User, S3Error> {
    gw.storage.account_get(id).await?.ok_or_else(|| Code::NoSuchAccount.into())
}

/// Names of users are unique within a tenant; an account has none.
fn check_tenant(rq: &Request) -> Result<(), S3Error> {
    match text(rq, "tenant") {
        None => Ok(()),
        Some(_) => Err(S3Error::with_message(Code::NotImplemented, "Accounts of tenants are not built.")),
    }
}

async fn create<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Answer {
    check_tenant(rq)?;
    let email = text(rq, "email").unwrap_or("");
    let made = gw.storage.account_create(text(rq, "id"), required(rq, "name")?, email).await?;
    match number(rq, "max-buckets")? {
        Some(max) => change(gw, &made.uid, |account| account.max_buckets = max).await,
        None => Ok(Some(shape(&made))),
    }
}

async fn modify<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Answer {
    check_tenant(rq)?;
    let (id, max) = (required(rq, "id")?, number(rq, "max-buckets")?);
    change(gw, id, |account| {
        if let Some(name) = text(rq, "name") {
            account.display_name = name.to_string();
        }
        if let Some(email) = rq.query.get("email") {
            account.email = email.to_string();
        }
        account.max_buckets = max.unwrap_or(account.max_buckets);
    })
    .await
}

async fn change<R: Rados>(gw: &Gateway<R>, id: &str, put: impl Fn(&mut User)) -> Answer {
    found(gw, id).await?;
    let changed = gw.storage.user_change(id, |account| {
        put(account);
        Ok(())
    });
    Ok(Some(shape(&changed.await?)))
}

async fn set_quota<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Answer {
    let document = rq.optional_document(DOCUMENT_BYTES_MAX).await?;
    let id = required(&rq, "id")?;
    found(gw, id).await?;
    let of_account = match text(&rq, "quota-type") {
        Some("account") => true,
        Some("bucket") => false,
        other => {
            let message = "quota-type must be account or bucket.";
            return Err(S3Error::invalid_argument(message, "quota-type", other.unwrap_or("")));
        }
    };
    let put = |account: &mut User| {
        let quota = if of_account { &mut account.user_quota } else { &mut account.bucket_quota };
        shapes::change_quota(quota, &rq, &document)
    };
    gw.storage.user_change(id, put).await?;
    Ok(None)
}

/// An account in RGW's JSON, as far as there is something behind it.
fn shape(account: &User) -> Value {
    json!({
        "id": account.uid,
        "tenant": "",
        "name": account.display_name,
        "email": account.email,
        "quota": shapes::quota(&account.user_quota),
        "bucket_quota": shapes::quota(&account.bucket_quota),
        "max_buckets": account.max_buckets,
    })
}
