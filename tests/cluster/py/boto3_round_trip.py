"""boto3 as an application uses it, with the checksums that it sends and verifies by default."""

import hashlib
import os
import random
import urllib.error
import urllib.request

import boto3
import botocore
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = "boto3"
rng = random.Random(7)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def refused(code, call, **arguments):
    """The call must fail with exactly this S3 error code."""
    try:
        call(**arguments)
    except ClientError as error:
        got = error.response["Error"]["Code"]
        assert got == code, f"{code} expected, got {got}"
        return
    raise AssertionError(f"{code} expected, but it succeeded")


def main():
    config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    s3 = boto3.client("s3", config=config)
    assert s3.meta.config.request_checksum_calculation == "when_supported", "the default is on"
    print("boto3", boto3.__version__, "botocore", botocore.__version__)
    s3.create_bucket(Bucket=BUCKET)
    assert BUCKET in [b["Name"] for b in s3.list_buckets()["Buckets"]]

    # Default checksums: bytes are hashed in a header, streams in a trailer.
    small = rng.randbytes(100_000)
    put = s3.put_object(Bucket=BUCKET, Key="small", Body=small, Metadata={"k": "v"}, ContentType="text/x-test")
    assert put["ETag"] == '"' + hashlib.md5(small).hexdigest() + '"', put["ETag"]
    assert "ChecksumCRC32" in put or "ChecksumCRC64NVME" in put, sorted(put)
    got = s3.get_object(Bucket=BUCKET, Key="small", ChecksumMode="ENABLED")
    assert sha(got["Body"].read()) == sha(small)
    assert got["Metadata"] == {"k": "v"} and got["ContentType"] == "text/x-test"

    for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        if algorithm in ("CRC32C", "CRC64NVME") and not has_crt():
            continue
        key = "sum/" + algorithm
        put = s3.put_object(Bucket=BUCKET, Key=key, Body=small, ChecksumAlgorithm=algorithm)
        head = s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
        assert put["Checksum" + algorithm] == head["Checksum" + algorithm], (algorithm, put, head)

    # Streams of a length that is known only to seek: the managed transfer, 64 MiB in parts of 8.
    large = rng.randbytes(64 << 20)
    path = os.path.join(os.environ["HOME"], "boto3-large")
    with open(path, "wb") as file:
        file.write(large)
    transfer = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=4)
    s3.upload_file(path, BUCKET, "large", Config=transfer)
    s3.download_file(BUCKET, "large", path + ".back", Config=transfer)
    with open(path + ".back", "rb") as file:
        assert sha(file.read()) == sha(large)
    with open(path, "rb") as file:
        s3.put_object(Bucket=BUCKET, Key="streamed", Body=file)
    assert s3.head_object(Bucket=BUCKET, Key="streamed")["ContentLength"] == len(large)
    part = s3.get_object(Bucket=BUCKET, Key="large", PartNumber=2)
    assert part["PartsCount"] == 8 and sha(part["Body"].read()) == sha(large[8 << 20 : 16 << 20])

    # Multipart by hand, with a checksum on each part, one part copied.
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="hand", ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, body in ((1, large[: 5 << 20]), (3, large[5 << 20 : 11 << 20])):
        done = s3.upload_part(
            Bucket=BUCKET, Key="hand", UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256"
        )
        parts.append({"PartNumber": number, "ETag": done["ETag"], "ChecksumSHA256": done["ChecksumSHA256"]})
    listed = s3.list_parts(Bucket=BUCKET, Key="hand", UploadId=upload)["Parts"]
    assert [p["PartNumber"] for p in listed] == [1, 3], listed
    done = s3.complete_multipart_upload(
        Bucket=BUCKET, Key="hand", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    assert done["ETag"].endswith('-2"'), done["ETag"]
    assert done["ChecksumSHA256"].endswith("-2"), done
    assert sha(s3.get_object(Bucket=BUCKET, Key="hand")["Body"].read()) == sha(large[: 11 << 20])
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="copied")["UploadId"]
    done = s3.upload_part_copy(
        Bucket=BUCKET, Key="copied", UploadId=upload, PartNumber=1, CopySource={"Bucket": BUCKET, "Key": "large"},
        CopySourceRange="bytes=1-6000000",
    )
    s3.complete_multipart_upload(
        Bucket=BUCKET, Key="copied", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": done["CopyPartResult"]["ETag"]}]},
    )
    assert sha(s3.get_object(Bucket=BUCKET, Key="copied")["Body"].read()) == sha(large[1:6000001])
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="dropped")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="dropped", UploadId=upload, PartNumber=1, Body=b"x")
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == ["dropped"]
    s3.abort_multipart_upload(Bucket=BUCKET, Key="dropped", UploadId=upload)
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="dropped")

    # Conditions.
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="small", Body=b"", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="small", Body=b"", IfMatch='"0"')
    s3.put_object(Bucket=BUCKET, Key="fresh", Body=b"1", IfNoneMatch="*")
    refused("304", s3.get_object, Bucket=BUCKET, Key="small", IfNoneMatch='"' + hashlib.md5(small).hexdigest() + '"')
    refused("404", s3.head_object, Bucket=BUCKET, Key="nothing")

    # Presigned, used without any SDK. Left to itself, boto3 signs URLs of us-east-1 with SigV2.
    path_style = {"addressing_style": "path"}
    for signer in (s3, boto3.client("s3", config=Config(signature_version="s3v4", s3=path_style))):
        url = signer.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "signed"}, ExpiresIn=60)
        with urllib.request.urlopen(urllib.request.Request(url, data=small, method="PUT", headers={"Content-Type": ""})) as answer:
            assert answer.status == 200
        url = signer.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "signed"}, ExpiresIn=60)
        with urllib.request.urlopen(url) as answer:
            assert sha(answer.read()) == sha(small)
        try:
            urllib.request.urlopen(url.replace("signed", "large", 1))
            raise AssertionError("a URL signed for another key was taken")
        except urllib.error.HTTPError as error:
            assert error.code == 403, error.code

    # Listing by pages and by folder.
    for i in range(25):
        s3.put_object(Bucket=BUCKET, Key=f"list/{i % 5}/{i:02}", Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 4})
    keys = [row["Key"] for page in pages for row in page.get("Contents", [])]
    assert keys == sorted(f"list/{i % 5}/{i:02}" for i in range(25)), keys
    folders = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", Delimiter="/")["CommonPrefixes"]
    assert [f["Prefix"] for f in folders] == [f"list/{i}/" for i in range(5)], folders
    first = s3.list_objects(Bucket=BUCKET, Prefix="list/", MaxKeys=3)
    assert first["IsTruncated"] and len(first["Contents"]) == 3

    # Delete all at once, then the bucket.
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=BUCKET)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    rows = [{"Key": row["Key"]} for page in pages for row in page["Contents"]]
    done = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": rows})
    assert len(done["Deleted"]) == len(rows) and "Errors" not in done, done
    s3.delete_bucket(Bucket=BUCKET)
    refused("404", s3.head_bucket, Bucket=BUCKET)
    print("all done")


def has_crt():
    """CRC32C and CRC64NVME need the optional awscrt package."""
    try:
        import awscrt  # noqa: F401

        return True
    except ImportError:
        return False


main()
