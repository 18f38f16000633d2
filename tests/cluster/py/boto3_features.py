"""boto3 walks through object lock, lifecycle, forms and encryption. A day of lifecycle rules lasts two seconds here, and
`first-key` and `second-key` may be named for SSE-KMS."""

import datetime
import os
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

UTC = datetime.timezone.utc
FAR = datetime.datetime(2130, 1, 1, tzinfo=UTC)


def refused(code, call, **arguments):
    """The call must fail with exactly this S3 error code."""
    try:
        call(**arguments)
    except ClientError as error:
        got = error.response["Error"]["Code"]
        assert got == code, f"{code} expected, got {got}"
        return
    raise AssertionError(f"{code} expected, but it succeeded")


def until(what, check, patience=60):
    """Waits for something that a worker does in its own time."""
    end = time.monotonic() + patience
    while not check():
        assert time.monotonic() < end, f"{what}: not within {patience} s"
        time.sleep(0.2)


def locks(s3):
    bucket = {"Bucket": "locked"}
    s3.create_bucket(ObjectLockEnabledForBucket=True, **bucket)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}, **bucket
    )
    by_default = s3.put_object(Key="k", Body=b"a", **bucket)["VersionId"]
    assert s3.head_object(Key="k", **bucket)["ObjectLockMode"] == "GOVERNANCE"
    refused("AccessDenied", s3.delete_object, Key="k", VersionId=by_default, **bucket)
    s3.delete_object(Key="k", VersionId=by_default, BypassGovernanceRetention=True, **bucket)
    strict = s3.put_object(
        Key="k", Body=b"b", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=FAR, **bucket
    )["VersionId"]
    bypass = {"VersionId": strict, "BypassGovernanceRetention": True}
    refused("AccessDenied", s3.delete_object, Key="k", **bypass, **bucket)
    weaker = {"Mode": "COMPLIANCE", "RetainUntilDate": FAR - datetime.timedelta(days=1)}
    refused("AccessDenied", s3.put_object_retention, Key="k", Retention=weaker, **bucket)
    held = s3.put_object(Key="h", Body=b"c", **bucket)["VersionId"]
    s3.put_object_legal_hold(Key="h", LegalHold={"Status": "ON"}, **bucket)
    refused("AccessDenied", s3.delete_object, Key="h", VersionId=held, BypassGovernanceRetention=True, **bucket)
    many = {"Objects": [{"Key": "h", "VersionId": held}, {"Key": "none"}]}
    assert [e["Code"] for e in s3.delete_objects(Delete=many, **bucket)["Errors"]] == ["AccessDenied"]
    refused("BucketNotEmpty", s3.delete_bucket, **bucket)
    print("locks: held")


def lifecycle(s3):
    bucket = {"Bucket": "lifecycle"}
    s3.create_bucket(**bucket)
    s3.put_bucket_versioning(VersioningConfiguration={"Status": "Enabled"}, **bucket)
    for n in range(4):
        s3.put_object(Key="old/versions", Body=str(n).encode(), **bucket)
    s3.put_object(Key="old/hidden", Body=b"x", Tagging="end=yes", **bucket)
    s3.put_object(Key="keep/tagged", Body=b"x", Tagging="end=no", **bucket)
    s3.create_multipart_upload(Key="old/upload", **bucket)
    rules = [
        {
            "ID": "older",
            "Status": "Enabled",
            "Filter": {"Prefix": "old/"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
        {
            "ID": "tagged",
            "Status": "Enabled",
            "Filter": {"Tag": {"Key": "end", "Value": "yes"}},
            "Expiration": {"Days": 1},
        },
    ]
    s3.put_bucket_lifecycle_configuration(LifecycleConfiguration={"Rules": rules}, **bucket)
    shown = s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    assert shown == rules, shown

    def keys(kind):
        page = s3.list_object_versions(**bucket)
        return [v["Key"] for v in page.get(kind, [])]

    until("a tagged object is hidden", lambda: keys("DeleteMarkers") == ["old/hidden"])
    until("older versions go", lambda: keys("Versions").count("old/versions") == 2)
    until("uploads are aborted", lambda: "Uploads" not in s3.list_multipart_uploads(**bucket))
    assert "keep/tagged" in keys("Versions") and "old/hidden" in keys("Versions")
    head = s3.put_object(Key="old/new", Body=b"x", Tagging="end=yes", **bucket)
    assert 'rule-id="tagged"' in head["Expiration"], head
    print("lifecycle: what was due is gone")


def forms(s3):
    bucket = {"Bucket": "forms"}
    s3.create_bucket(**bucket)
    post = s3.generate_presigned_post(
        "forms",
        "up/${filename}",
        Fields={"Content-Type": "text/plain", "success_action_status": "201"},
        Conditions=[
            ["starts-with", "$Content-Type", "text/"],
            {"success_action_status": "201"},
            ["content-length-range", 1, 100],
        ],
    )

    def send(body, fields):
        edge = "form-boundary"
        lines = []
        for name, value in fields.items():
            lines += [f"--{edge}", f'Content-Disposition: form-data; name="{name}"', "", value]
        lines += [f"--{edge}", 'Content-Disposition: form-data; name="file"; filename="a.txt"', "", body]
        data = ("\r\n".join(lines) + f"\r\n--{edge}--\r\n").encode()
        request = urllib.request.Request(post["url"], data, method="POST")
        request.add_header("Content-Type", f"multipart/form-data; boundary={edge}")
        try:
            return urllib.request.urlopen(request).status
        except urllib.error.HTTPError as error:
            return error.code

    assert send("hello", post["fields"]) == 201
    assert s3.get_object(Key="up/a.txt", **bucket)["Body"].read() == b"hello"
    assert send("x" * 101, post["fields"]) == 400
    assert send("hello", {**post["fields"], "acl": "public-read"}) == 403
    print("forms: stored and refused")


def encryption(s3):
    bucket = {"Bucket": "encrypted"}
    s3.create_bucket(**bucket)
    key = os.urandom(32)
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
    data = os.urandom(9_000_000)
    s3.put_object(Key="c", Body=data, **customer, **bucket)
    assert s3.get_object(Key="c", **customer, **bucket)["Body"].read() == data
    part = s3.get_object(Key="c", Range="bytes=4194000-4260000", **customer, **bucket)["Body"].read()
    assert part == data[4194000:4260001]
    refused("InvalidRequest", s3.get_object, Key="c", **bucket)
    refused("InvalidRequest", s3.get_object, Key="c", **{**customer, "SSECustomerKey": os.urandom(32)}, **bucket)
    from_customer = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": key}
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "first-key"}
    s3.copy_object(Key="k", CopySource="encrypted/c", **from_customer, **kms, **bucket)
    got = s3.get_object(Key="k", **bucket)
    assert got["SSEKMSKeyId"] == "first-key" and got["Body"].read() == data
    refused("KMS.NotFoundException", s3.put_object, Key="n", Body=b"x", **{**kms, "SSEKMSKeyId": "none"}, **bucket)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(ServerSideEncryptionConfiguration={"Rules": [rule]}, **bucket)
    upload = s3.create_multipart_upload(Key="m", **bucket)["UploadId"]
    parts = []
    for number, piece in enumerate((data[:6_000_000], data[6_000_000:]), 1):
        done = s3.upload_part(Key="m", UploadId=upload, PartNumber=number, Body=piece, **bucket)
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    s3.complete_multipart_upload(Key="m", UploadId=upload, MultipartUpload={"Parts": parts}, **bucket)
    got = s3.get_object(Key="m", **bucket)
    assert got["ServerSideEncryption"] == "AES256" and got["Body"].read() == data
    print("encryption: what went in came out")


def main():
    config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, signature_version="s3v4")
    s3 = boto3.client("s3", config=config)
    for walk in (locks, forms, encryption, lifecycle):
        walk(s3)
    print("all done")


main()
