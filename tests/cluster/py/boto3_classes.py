"""boto3 chooses storage classes: CAPACITY lies in an erasure-coded pool, ONEZONE in a replicated one. The first argument
says how far to go: `fill` (a day of lifecycle rules lasts two seconds), `read` what `fill` left, or
delete it (`empty`)."""

import hashlib
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = {"Bucket": "classes"}
SIZES = {"empty": 0, "small": 4096, "inline": 32768, "medium": 300_001, "large": (9 << 20) + 5}


def content(name, size):
    seed = hashlib.sha256(name.encode()).digest()
    return (seed * (size // 32 + 1))[:size]


def until(what, check, patience=90):
    end = time.monotonic() + patience
    while not check():
        assert time.monotonic() < end, f"{what}: not within {patience} s"
        time.sleep(0.3)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return
    raise AssertionError(f"{code} expected, but it succeeded")


def classes(s3):
    page = s3.list_objects_v2(**BUCKET)
    return {o["Key"]: o["StorageClass"] for o in page.get("Contents", [])}


def fill(s3):
    s3.create_bucket(**BUCKET)
    for wanted in ("STANDARD", "CAPACITY", "ONEZONE"):
        for name, size in SIZES.items():
            key = f"{wanted}/{name}"
            s3.put_object(Key=key, Body=content(key, size), StorageClass=wanted, **BUCKET)
            head = s3.head_object(Key=key, **BUCKET)
            assert head.get("StorageClass", "STANDARD") == wanted, head
    refused("InvalidStorageClass", s3.put_object, Key="x", Body=b"", StorageClass="GLACIER", **BUCKET)

    upload = s3.create_multipart_upload(Key="CAPACITY/parts", StorageClass="CAPACITY", **BUCKET)["UploadId"]
    whole = content("CAPACITY/parts", 12 << 20)
    named = {"Key": "CAPACITY/parts", "UploadId": upload, **BUCKET}
    parts = []
    for number in (1, 2):
        body = whole[(number - 1) * (6 << 20):number * (6 << 20)]
        tag = s3.upload_part(PartNumber=number, Body=body, **named)["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    assert s3.list_parts(**named)["StorageClass"] == "CAPACITY"
    assert s3.list_multipart_uploads(**BUCKET)["Uploads"][0]["StorageClass"] == "CAPACITY"
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **named)
    told = s3.get_object_attributes(Key="CAPACITY/parts", ObjectAttributes=["StorageClass"], **BUCKET)
    assert told["StorageClass"] == "CAPACITY"
    print("classes: chosen and reported")

    key = "CAPACITY/copied"
    s3.put_object(Key=key, Body=content(key, 5000), **BUCKET)
    s3.copy_object(Key=key, CopySource=f"classes/{key}", StorageClass="CAPACITY", **BUCKET)
    refused("InvalidRequest", s3.copy_object, Key=key, CopySource=f"classes/{key}", StorageClass="CAPACITY", **BUCKET)

    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.put_object(Key="CAPACITY/moved", Body=content("CAPACITY/moved", 5 << 20), **BUCKET)
    s3.put_object(Key="CAPACITY/secret", Body=content("CAPACITY/secret", 100_000), **customer, **BUCKET)
    before = s3.head_object(Key="CAPACITY/moved", **BUCKET)
    move = {"ID": "move", "Status": "Enabled", "Filter": {"Prefix": "CAPACITY/"}}
    move["Transitions"] = [{"Days": 1, "StorageClass": "CAPACITY"}]
    s3.put_bucket_lifecycle_configuration(LifecycleConfiguration={"Rules": [move]}, **BUCKET)
    kept = s3.get_bucket_lifecycle_configuration(**BUCKET)["Rules"][0]
    assert kept["Transitions"] == move["Transitions"], kept
    moved = ("CAPACITY/moved", "CAPACITY/secret")
    until("objects to move", lambda: all(classes(s3)[key] == "CAPACITY" for key in moved))
    after = s3.head_object(Key="CAPACITY/moved", **BUCKET)
    assert (before["ETag"], before["LastModified"]) == (after["ETag"], after["LastModified"])
    print("rules: moved what was due")


def read(s3):
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    found = classes(s3)
    assert len(found) == 19, found
    for key, wanted in found.items():
        assert key.startswith(wanted), (key, wanted)
        more = customer if key.endswith("secret") else {}
        got = s3.get_object(Key=key, **more, **BUCKET)["Body"].read()
        assert got == content(key, len(got)), key
        size = SIZES.get(key.split("/")[1], len(got))
        assert len(got) == size, key
    part = s3.get_object(Key="CAPACITY/large", Range="bytes=4194300-4194400", **BUCKET)["Body"].read()
    assert part == content("CAPACITY/large", SIZES["large"])[4194300:4194401]
    print("read: everything, whatever its class")


def empty(s3):
    gone = [{"Key": key} for key in classes(s3)]
    assert "Errors" not in s3.delete_objects(Delete={"Objects": gone}, **BUCKET)
    assert classes(s3) == {}
    print("empty: everything is deleted")


def main():
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    {"fill": fill, "read": read, "empty": empty}[sys.argv[1]](s3)
    print("all done")


main()
