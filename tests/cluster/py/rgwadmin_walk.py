"""The Admin Ops API as tools written for RGW use it: the `rgwadmin` package, and requests that botocore signs."""

import json
import os
from urllib.parse import urlparse

import boto3
import botocore.session
import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from rgwadmin import RGWAdmin
from rgwadmin import exceptions
from rgwadmin.user import RGWUser

URL = os.environ["AWS_ENDPOINT_URL"]


def refused(error, call, *arguments, **named):
    """The call must fail with exactly this exception of rgwadmin's."""
    try:
        call(*arguments, **named)
    except exceptions.RGWAdminException as got:
        assert type(got) is error, f"{error.__name__} expected, got {got!r}"
        return
    raise AssertionError(f"{error.__name__} expected, but it succeeded")


def s3_of(key):
    return boto3.client(
        "s3", aws_access_key_id=key["access_key"], aws_secret_access_key=key["secret_key"], endpoint_url=URL
    )


def signed(method, path):
    """One request that botocore signs for `us-east-1`, as exporters written in Python send it."""
    request = AWSRequest(method=method, url=URL + path)
    S3SigV4Auth(botocore.session.get_session().get_credentials(), "s3", "us-east-1").add_auth(request)
    answer = urllib3.PoolManager().request(method, URL + path, headers=dict(request.headers))
    return answer.status, json.loads(answer.data or b"null")


def users(rgw):
    made = rgw.create_user(uid="tool", display_name="A tool", email="tool@example.org", max_buckets=5)
    assert (made["user_id"], made["display_name"], made["email"]) == ("tool", "A tool", "tool@example.org")
    assert (made["max_buckets"], made["suspended"], made["caps"], made["subusers"]) == (5, 0, [], [])
    assert made["keys"][0]["user"] == "tool" and len(made["keys"]) == 1
    refused(exceptions.UserAlreadyExists, rgw.create_user, uid="tool", display_name="again")
    refused(exceptions.EmailExists, rgw.create_user, uid="x", display_name="x", email="tool@example.org")
    assert "tool" in rgw.get_users()
    assert rgw.get_user(uid="tool") == rgw.get_user(access_key=made["keys"][0]["access_key"])
    refused(exceptions.NoSuchUser, rgw.get_user, uid="nobody")
    changed = rgw.modify_user(uid="tool", display_name="Another", max_buckets=7, suspended=False)
    assert (changed["display_name"], changed["max_buckets"], changed["email"]) == ("Another", 7, "tool@example.org")
    assert RGWUser.fetch("tool").display_name == "Another"
    return made["keys"][0]


def keys(rgw):
    added = rgw.create_key(uid="tool", access_key="TOOLKEY2", secret_key="toolsecret2", generate_key=False)
    assert {"user": "tool", "access_key": "TOOLKEY2", "secret_key": "toolsecret2"} in added
    assert len(rgw.create_key(uid="tool")) == 3
    refused(exceptions.NoSuchUser, rgw.create_key, uid="nobody")
    rgw.remove_key(access_key="TOOLKEY2", uid="tool")
    assert "TOOLKEY2" not in [k["access_key"] for k in rgw.get_user(uid="tool")["keys"]]


def capabilities(rgw, key):
    by_tool = RGWAdmin(key["access_key"], key["secret_key"], urlparse(URL).netloc, secure=False)
    refused(exceptions.AccessDenied, by_tool.get_user, uid="tool")
    assert rgw.add_capability(uid="tool", user_caps="users=read;buckets=*") == [
        {"type": "buckets", "perm": "*"},
        {"type": "users", "perm": "read"},
    ]
    try:
        rgw.add_capability(uid="tool", user_caps="nonsense=read")
        raise AssertionError("there is no such capability")
    except exceptions.RGWAdminException as got:
        # RGW's own code, which this package does not know by name.
        assert got.code == "InvalidCapability", got
    left = rgw.remove_capability(uid="tool", user_caps="buckets=write")
    assert left == [{"type": "buckets", "perm": "read"}, {"type": "users", "perm": "read"}], left


def buckets(rgw, key):
    s3 = s3_of(key)
    s3.create_bucket(Bucket="tools-bucket")
    s3.put_object(Bucket="tools-bucket", Key="one", Body=b"x" * 5000)
    s3.put_object(Bucket="tools-bucket", Key="two", Body=b"y")
    assert rgw.get_bucket(uid="tool") == ["tools-bucket"] and "tools-bucket" in rgw.get_buckets()
    stats = rgw.get_bucket(bucket="tools-bucket", stats=True)
    main = stats["usage"]["rgw.main"]
    assert (stats["bucket"], stats["owner"], main["num_objects"], main["size"]) == ("tools-bucket", "tool", 2, 5001)
    assert main["size_kb"] == 5 and stats["bucket_quota"]["enabled"] is False
    RGWAdmin.parse_rados_datestring(stats["mtime"])
    assert rgw.get_bucket(uid="tool", stats=True)[0]["id"] == stats["id"]
    used = rgw.get_user(uid="tool", stats=True)["stats"]
    assert (used["num_objects"], used["size"]) == (2, 5001)
    assert rgw.check_bucket_index(bucket="tools-bucket", check_objects=True) is not None
    assert rgw.get_metadata("bucket", key="tools-bucket")["data"]["owner"] == "tool"
    rgw.remove_object(bucket="tools-bucket", object_name="two")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="tools-bucket")["Contents"]] == ["one"]
    refused(exceptions.NoSuchKey, rgw.remove_object, bucket="tools-bucket", object_name="two")
    refused(exceptions.NoSuchBucket, rgw.get_bucket, bucket="nothing-of-the-kind")
    refused(exceptions.BucketNotEmpty, rgw.remove_bucket, bucket="tools-bucket")


def quotas(rgw, key):
    rgw.set_user_quota(uid="tool", quota_type="user", max_size_kb=100, max_objects=10, enabled=True)
    quota = rgw.get_user_quota(uid="tool")
    assert (quota["enabled"], quota["max_size"], quota["max_size_kb"], quota["max_objects"]) == (True, 102400, 100, 10)
    rgw.set_user_quota(uid="tool", quota_type="bucket", max_objects=3, enabled=False)
    assert rgw.get_user_bucket_quota(uid="tool")["max_objects"] == 3
    rgw.set_bucket_quota(uid="tool", bucket="tools-bucket", max_objects=1, enabled=True)
    assert rgw.get_bucket(bucket="tools-bucket", stats=True)["bucket_quota"]["max_objects"] == 1
    refused(exceptions.NoSuchUser, rgw.get_user_quota, uid="nobody")


def owners(rgw):
    rgw.create_user(uid="heir", display_name="Heir")
    rgw.link_bucket(bucket="tools-bucket", uid="heir")
    assert rgw.get_bucket(uid="heir") == ["tools-bucket"] and rgw.get_bucket(uid="tool") == []
    refused(exceptions.NoSuchUser, rgw.link_bucket, bucket="tools-bucket", uid="nobody")


def exporters():
    """What prometheus exporters and billing scripts ask."""
    status, all_stats = signed("GET", "/admin/bucket?format=json&stats=True")
    assert status == 200 and {b["bucket"] for b in all_stats} >= {"tools-bucket"}
    status, usage = signed("GET", "/admin/usage?format=json&show-summary=False")
    assert status == 200 and isinstance(usage["entries"], list), usage
    status, info = signed("GET", "/admin/info?format=json")
    assert status == 200 and info["info"]["storage_backends"][0]["cluster_id"]
    status, page = signed("GET", "/admin/metadata/user?max-entries=1")
    assert status == 200 and page["count"] == 1 and page["truncated"] and page["marker"], page
    status, error = signed("GET", "/admin/user?uid=nobody")
    assert (status, error["Code"]) == (404, "NoSuchUser")


def main():
    keys_of_admin = (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    RGWAdmin.connect(
        access_key=keys_of_admin[0], secret_key=keys_of_admin[1], server=urlparse(URL).netloc, secure=False
    )
    rgw = RGWAdmin.get_connection()
    key = users(rgw)
    keys(rgw)
    capabilities(rgw, key)
    buckets(rgw, key)
    quotas(rgw, key)
    owners(rgw)
    assert rgw.get_usage(uid="tool", show_summary=True) is not None
    exporters()
    rgw.remove_bucket(bucket="tools-bucket", purge_objects=True)
    for uid in ["tool", "heir"]:
        rgw.remove_user(uid=uid, purge_data=True)
        refused(exceptions.NoSuchUser, rgw.get_user, uid=uid)
    print("all done")


main()
