//! aws-sdk-s3: its default checksums, multipart, pages, conditions, versions, copies and presigned URLs.

use crate::Endpoint;
use crate::content::{bytes, same};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumMode, CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier,
    VersioningConfiguration,
};
use std::time::Duration;

const BUCKET: &str = "aws-sdk-s3";

fn client(endpoint: &Endpoint) -> Client {
    let keys = aws_credential_types::Credentials::from_keys(&endpoint.access, &endpoint.secret, None);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&endpoint.url)
        .force_path_style(true)
        .credentials_provider(keys)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

#[track_caller]
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    match result {
        Ok(answer) => panic!("refused it should be: {answer:?}"),
        Err(e) => e.code().unwrap_or_default().to_string(),
    }
}

async fn put(s3: &Client, key: &str, data: &[u8]) {
    s3.put_object()
        .bucket(BUCKET)
        .key(key)
        .body(ByteStream::from(data.to_vec()))
        .send()
        .await
        .expect("a put");
}

async fn get(s3: &Client, key: &str) -> Vec<u8> {
    let got = s3.get_object().bucket(BUCKET).key(key).send().await.expect("a get");
    got.body.collect().await.expect("its body").to_vec()
}

/// Everything, one after the other.
pub async fn walk(endpoint: &Endpoint) {
    let s3 = client(endpoint);
    s3.create_bucket().bucket(BUCKET).send().await.expect("a new bucket");
    let large = bytes(1, 300_000);
    objects(&s3, &large).await;
    multipart(&s3).await;
    pages(&s3).await;
    conditions(&s3).await;
    presigned(&s3, &large).await;
    versions(&s3).await;
}

async fn objects(s3: &Client, large: &[u8]) {
    let key = "a b/\u{e4}+&=%.bin";
    let put = s3.put_object().bucket(BUCKET).key(key).metadata("color", "blue").content_type("text/x-test");
    let put = put.body(ByteStream::from(large.to_vec())).send().await.expect("a put");
    assert!(
        put.checksum_crc32().is_some() || put.checksum_crc64_nvme().is_some(),
        "its default checksum: {put:?}"
    );
    let got = s3
        .get_object()
        .bucket(BUCKET)
        .key(key)
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .expect("a get");
    assert_eq!(got.content_type(), Some("text/x-test"));
    assert_eq!(got.metadata().and_then(|m| m.get("color")).map(String::as_str), Some("blue"));
    assert_eq!(got.e_tag(), put.e_tag());
    same(&got.body.collect().await.expect("its body, checked by the client").to_vec(), large);
    let range =
        s3.get_object().bucket(BUCKET).key(key).range("bytes=1000-1999").send().await.expect("a range");
    assert_eq!(range.content_range(), Some("bytes 1000-1999/300000"));
    same(&range.body.collect().await.expect("its body").to_vec(), &large[1000..2000]);
    let head = s3.head_object().bucket(BUCKET).key(key).send().await.expect("a head");
    assert_eq!(head.content_length(), Some(300_000));
    let copy =
        s3.copy_object().bucket(BUCKET).key("copy").copy_source("aws-sdk-s3/a%20b/%C3%A4%2B%26%3D%25.bin");
    copy.send().await.expect("a copy");
    same(&get(s3, "copy").await, large);
    assert_eq!(code(s3.get_object().bucket(BUCKET).key("none").send().await), "NoSuchKey");
    assert_eq!(code(s3.list_objects_v2().bucket("aws-sdk-none").send().await), "NoSuchBucket");
    assert!(
        s3.head_object()
            .bucket(BUCKET)
            .key("none")
            .send()
            .await
            .is_err_and(|e| e.into_service_error().is_not_found())
    );
}

async fn multipart(s3: &Client) {
    let (one, two) = (bytes(2, 5 << 20), bytes(3, (5 << 20) + 1));
    let upload = s3.create_multipart_upload().bucket(BUCKET).key("parts").send().await.expect("an upload");
    let id = upload.upload_id().expect("its id");
    let mut parts = Vec::new();
    for (number, data) in [(1, &one), (2, &two)] {
        let part = s3.upload_part().bucket(BUCKET).key("parts").upload_id(id).part_number(number);
        let part = part.body(ByteStream::from(data.clone())).send().await.expect("a part");
        let done = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(part.e_tag().map(String::from))
            .set_checksum_crc32(part.checksum_crc32().map(String::from))
            .set_checksum_crc64_nvme(part.checksum_crc64_nvme().map(String::from));
        parts.push(done.build());
    }
    let copied = s3.upload_part_copy().bucket(BUCKET).key("parts").upload_id(id).part_number(3);
    let copied = copied
        .copy_source("aws-sdk-s3/copy")
        .copy_source_range("bytes=0-9")
        .send()
        .await
        .expect("a part copied");
    let result = copied.copy_part_result().expect("its result");
    let third = CompletedPart::builder()
        .part_number(3)
        .set_e_tag(result.e_tag().map(String::from))
        .set_checksum_crc32(result.checksum_crc32().map(String::from))
        .set_checksum_crc64_nvme(result.checksum_crc64_nvme().map(String::from));
    parts.push(third.build());
    let listed = s3.list_parts().bucket(BUCKET).key("parts").upload_id(id).send().await.expect("the parts");
    assert_eq!(
        listed.parts().iter().map(|p| p.size().unwrap_or(0)).collect::<Vec<_>>(),
        [5 << 20, (5 << 20) + 1, 10]
    );
    let all = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete =
        s3.complete_multipart_upload().bucket(BUCKET).key("parts").upload_id(id).multipart_upload(all);
    let done = complete.send().await.expect("completion");
    assert!(done.e_tag().is_some_and(|e| e.ends_with("-3\"")), "{done:?}");
    same(&get(s3, "parts").await, &[&one[..], &two, &get(s3, "copy").await[..10]].concat());
    let upload = s3.create_multipart_upload().bucket(BUCKET).key("never").send().await.expect("an upload");
    let abort = s3
        .abort_multipart_upload()
        .bucket(BUCKET)
        .key("never")
        .upload_id(upload.upload_id().expect("its id"));
    abort.send().await.expect("an abort");
}

async fn pages(s3: &Client) {
    for i in 0..25 {
        put(s3, &format!("page/{i:02}/x"), b"p").await;
    }
    let mut pages = s3.list_objects_v2().bucket(BUCKET).prefix("page/").max_keys(10).into_paginator().send();
    let (mut keys, mut count) = (Vec::new(), 0);
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        keys.extend(page.contents().iter().filter_map(|o| o.key().map(String::from)));
        count += 1;
    }
    assert_eq!((count, keys.len()), (3, 25));
    assert!(keys.is_sorted());
    let folded =
        s3.list_objects_v2().bucket(BUCKET).prefix("page/").delimiter("/").send().await.expect("prefixes");
    assert_eq!(folded.common_prefixes().len(), 25);
    let all = keys.iter().map(|k| ObjectIdentifier::builder().key(k).build().expect("a key")).collect();
    let delete = Delete::builder().set_objects(Some(all)).build().expect("a list");
    let deleted = s3.delete_objects().bucket(BUCKET).delete(delete).send().await.expect("many deletes");
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (25, 0));
}

async fn conditions(s3: &Client) {
    let create =
        || s3.put_object().bucket(BUCKET).key("lock").if_none_match("*").body(ByteStream::from_static(b"1"));
    let first = create().send().await.expect("the first one");
    assert_eq!(code(create().send().await), "PreconditionFailed");
    let change = |etag: &str| {
        s3.put_object().bucket(BUCKET).key("lock").if_match(etag).body(ByteStream::from_static(b"2"))
    };
    let etag = first.e_tag().expect("an ETag");
    change(etag).send().await.expect("the one that knows it");
    assert_eq!(code(change(etag).send().await), "PreconditionFailed");
    assert_eq!(
        code(s3.get_object().bucket(BUCKET).key("lock").if_match(etag).send().await),
        "PreconditionFailed"
    );
    s3.delete_object().bucket(BUCKET).key("lock").send().await.expect("a delete");
}

async fn presigned(s3: &Client, large: &[u8]) {
    let lifetime = || PresigningConfig::expires_in(Duration::from_secs(60)).expect("a minute");
    let http = reqwest::Client::new();
    let url = s3.put_object().bucket(BUCKET).key("by url").presigned(lifetime()).await.expect("a URL");
    let mut request = http.put(url.uri()).body(large.to_vec());
    for (name, value) in url.headers() {
        request = request.header(name, value);
    }
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    let url = s3.get_object().bucket(BUCKET).key("by url").presigned(lifetime()).await.expect("a URL");
    let answer = http.get(url.uri()).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    same(&answer.bytes().await.expect("its body"), large);
}

async fn versions(s3: &Client) {
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    s3.put_bucket_versioning().bucket(BUCKET).versioning_configuration(on).send().await.expect("versions");
    put(s3, "v", b"one").await;
    put(s3, "v", b"two").await;
    s3.delete_object().bucket(BUCKET).key("v").send().await.expect("a delete");
    assert_eq!(code(s3.get_object().bucket(BUCKET).key("v").send().await), "NoSuchKey");
    let listed = s3.list_object_versions().bucket(BUCKET).prefix("v").send().await.expect("the versions");
    assert_eq!((listed.versions().len(), listed.delete_markers().len()), (2, 1));
    let oldest = listed.versions().last().and_then(|v| v.version_id()).expect("a version");
    let old = s3.get_object().bucket(BUCKET).key("v").version_id(oldest).send().await.expect("the old one");
    same(&old.body.collect().await.expect("its body").to_vec(), b"one");
    // All of it goes, so that the bucket can.
    let mut pages = s3.list_object_versions().bucket(BUCKET).send().await.expect("all versions");
    loop {
        let all = pages.versions().iter().map(|v| (v.key(), v.version_id()));
        let all = all.chain(pages.delete_markers().iter().map(|m| (m.key(), m.version_id())));
        for (key, version) in all {
            let delete = s3.delete_object().bucket(BUCKET).key(key.unwrap_or_default());
            delete.set_version_id(version.map(String::from)).send().await.expect("a version's end");
        }
        if pages.is_truncated() != Some(true) {
            break;
        }
        pages = s3.list_object_versions().bucket(BUCKET).send().await.expect("all versions");
    }
    s3.delete_bucket().bucket(BUCKET).send().await.expect("an empty bucket goes");
}
