"""boto3 makes a bucket a website, and a browser's requests are answered by it. WEBSITE_HOST is the host name that the
gateway serves websites under. Then it asks more than it may."""

import os
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = {"Bucket": "site"}
URL = os.environ["AWS_ENDPOINT_URL"]


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None


def visit(path, bucket="site"):
    """Status, headers and body of what a browser is answered."""
    request = urllib.request.Request(URL + path, headers={"Host": f"{bucket}.{os.environ['WEBSITE_HOST']}"})
    opener = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({}))
    try:
        answer = opener.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read().decode()


def website(s3):
    s3.create_bucket(**BUCKET)
    pages = {"index.html": "home", "docs/index.html": "docs", "error.html": "sorry"}
    for key, body in pages.items():
        s3.put_object(Key=key, Body=body.encode(), ContentType="text/html", **BUCKET)
    s3.put_object(Key="away", Body=b"", WebsiteRedirectLocation="https://example.org/", **BUCKET)
    everybody = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"],'
    everybody += ' "Resource": ["arn:aws:s3:::site", "arn:aws:s3:::site/*"]}]}'
    s3.put_bucket_policy(Policy=everybody, **BUCKET)
    rule = {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "docs/"}}
    config = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}, "RoutingRules": [rule]}
    s3.put_bucket_website(WebsiteConfiguration=config, **BUCKET)
    kept = s3.get_bucket_website(**BUCKET)
    assert {name: kept[name] for name in config} == config, kept
    end = time.monotonic() + 30
    while visit("/")[0] != 200:
        assert time.monotonic() < end, visit("/")
        time.sleep(0.2)
    for path, status, body in (("/", 200, "home"), ("/docs/", 200, "docs"), ("/none", 404, "sorry")):
        got = visit(path)
        assert (got[0], got[2]) == (status, body), (path, got)
    assert visit("/docs")[1]["Location"] == "/docs/"
    assert visit("/old/a")[1]["Location"].endswith("/docs/a")
    assert visit("/away")[1]["Location"] == "https://example.org/"
    assert s3.head_object(Key="away", **BUCKET)["WebsiteRedirectLocation"] == "https://example.org/"
    assert visit("/", bucket="nobodys")[0] == 404
    s3.delete_bucket_website(**BUCKET)
    try:
        s3.get_bucket_website(**BUCKET)
        raise AssertionError("it is no website any more")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchWebsiteConfiguration"
    print("website: pages, redirects, errors")


def main():
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})
    website(boto3.client("s3", config=config))
    print("all done")


main()
