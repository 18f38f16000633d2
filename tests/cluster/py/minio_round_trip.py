"""minio-py with its defaults: streamed and multipart puts, ranges, listings, copies, tags, versions, presigned URLs."""

import hashlib
import io
import os
import random
import urllib.request
from datetime import timedelta
from urllib.parse import urlparse

import minio
from minio import Minio
from minio.commonconfig import ENABLED, ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig

BUCKET = "minio-py"
rng = random.Random(8)


def refused(code, call, *arguments, **named):
    """The call must fail with exactly this S3 error code."""
    try:
        call(*arguments, **named)
    except S3Error as error:
        assert error.code == code, f"{code} expected, got {error.code}"
        return
    raise AssertionError(f"{code} expected, but it succeeded")


def content(client, key, **named):
    answer = client.get_object(BUCKET, key, **named)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def main():
    url = urlparse(os.environ["AWS_ENDPOINT_URL"])
    client = Minio(
        url.netloc,
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        secure=url.scheme == "https",
    )
    print("minio", minio.__version__)
    assert not client.bucket_exists(BUCKET)
    client.make_bucket(BUCKET)
    assert client.bucket_exists(BUCKET) and BUCKET in [b.name for b in client.list_buckets()]

    key, data = "a b/ä+&=%.bin", rng.randbytes(300_000)
    done = client.put_object(
        BUCKET, key, io.BytesIO(data), len(data), content_type="text/x-test", metadata={"color": "blue"}
    )
    assert done.etag == hashlib.md5(data).hexdigest()
    stat = client.stat_object(BUCKET, key)
    assert (stat.size, stat.content_type, stat.metadata["x-amz-meta-color"]) == (300_000, "text/x-test", "blue")
    assert content(client, key) == data
    assert content(client, key, offset=1000, length=1000) == data[1000:2000]
    refused("NoSuchKey", client.get_object, BUCKET, "none")
    refused("NoSuchBucket", lambda: list(client.list_objects("minio-py-none")))

    # A stream of unknown length goes in parts.
    large = rng.randbytes(12 << 20)
    done = client.put_object(BUCKET, "parts", io.BytesIO(large), -1, part_size=5 << 20)
    assert done.etag.endswith("-3"), done.etag
    assert content(client, "parts") == large
    client.copy_object(BUCKET, "copy", CopySource(BUCKET, key))
    assert content(client, "copy") == data
    client.compose_object(BUCKET, "composed", [ComposeSource(BUCKET, "parts"), ComposeSource(BUCKET, "copy")])
    assert content(client, "composed") == large + data

    for i in range(30):
        client.put_object(BUCKET, f"list/{i % 3:02}/{i}", io.BytesIO(b"x"), 1)
    everything = list(client.list_objects(BUCKET, prefix="list/", recursive=True))
    assert len(everything) == 30
    folders = [o.object_name for o in client.list_objects(BUCKET, prefix="list/")]
    assert folders == ["list/00/", "list/01/", "list/02/"], folders
    later = list(client.list_objects(BUCKET, prefix="list/", recursive=True, start_after="list/01/zzz"))
    assert len(later) == 10
    assert not list(client.remove_objects(BUCKET, [DeleteObject(o.object_name) for o in everything]))
    assert not list(client.list_objects(BUCKET, prefix="list/", recursive=True))

    tags = Tags.new_object_tags()
    tags["team"] = "storage"
    client.set_object_tags(BUCKET, key, tags)
    assert client.get_object_tags(BUCKET, key) == {"team": "storage"}
    client.delete_object_tags(BUCKET, key)
    assert not client.get_object_tags(BUCKET, key)

    with urllib.request.urlopen(client.presigned_get_object(BUCKET, key, expires=timedelta(minutes=1))) as got:
        assert got.read() == data
    put = client.presigned_put_object(BUCKET, "by url", expires=timedelta(minutes=1))
    with urllib.request.urlopen(urllib.request.Request(put, data=b"by url", method="PUT")) as answer:
        assert answer.status == 200
    assert content(client, "by url") == b"by url"

    client.set_bucket_versioning(BUCKET, VersioningConfig(ENABLED))
    assert client.get_bucket_versioning(BUCKET).status == ENABLED
    first = client.put_object(BUCKET, "v", io.BytesIO(b"one"), 3)
    client.put_object(BUCKET, "v", io.BytesIO(b"two"), 3)
    client.remove_object(BUCKET, "v")
    refused("NoSuchKey", client.get_object, BUCKET, "v")
    assert content(client, "v", version_id=first.version_id) == b"one"
    versions = list(client.list_objects(BUCKET, prefix="v", include_version=True))
    assert [v.is_delete_marker for v in versions].count(True) == 1 and len(versions) == 3
    rest = client.list_objects(BUCKET, recursive=True, include_version=True)
    assert not list(client.remove_objects(BUCKET, (DeleteObject(o.object_name, o.version_id) for o in rest)))
    client.remove_bucket(BUCKET)
    assert not client.bucket_exists(BUCKET)
    print("all done")


main()
