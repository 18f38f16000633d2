//! The SDK clients of Rust against one endpoint, with the settings that they have when nobody sets any: aws-sdk-s3,
//! object_store and opendal.
//!
//! `tests-sdk-clients CLIENT`, with AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Prints `CLIENT: all
//! done`, or panics. It makes a bucket named after the client; the bucket must not be there.

mod aws;
mod content;
mod dal;
mod store;

use std::process::ExitCode;

/// Where the tests go, and as whom.
pub struct Endpoint {
    /// `http://HOST:PORT`.
    pub url: String,
    /// The access key.
    pub access: String,
    /// Its secret.
    pub secret: String,
}

fn endpoint() -> Result<Endpoint, std::env::VarError> {
    Ok(Endpoint {
        url: std::env::var("AWS_ENDPOINT_URL")?,
        access: std::env::var("AWS_ACCESS_KEY_ID")?,
        secret: std::env::var("AWS_SECRET_ACCESS_KEY")?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // reqwest wants one even for plain HTTP; the first to come stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let name = std::env::args().nth(1).unwrap_or_default();
    let Ok(endpoint) = endpoint() else {
        eprintln!("AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say where to go");
        return ExitCode::from(2);
    };
    match name.as_str() {
        "aws-sdk-s3" => aws::walk(&endpoint).await,
        "object_store" => store::walk(&endpoint).await,
        "opendal" => dal::walk(&endpoint).await,
        _ => {
            eprintln!("usage: tests-sdk-clients aws-sdk-s3 | object_store | opendal");
            return ExitCode::from(2);
        }
    }
    println!("{name}: all done");
    ExitCode::SUCCESS
}
