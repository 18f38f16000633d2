//! The actions that policies can be about. A policy that names none of them is refused: one that denies a misspelt
//! action would deny nothing.
//!
//! Service authorization reference, "Actions defined by Amazon S3", as far as they are about buckets and objects, and
//! those that only RGW knows.

use super::wildcard::like;

#[rustfmt::skip]
const ACTIONS: [&str; 96] = [
    "AbortMultipartUpload", "BypassGovernanceRetention", "CreateBucket", "DeleteBucket",
    "DeleteBucketOwnershipControls", "DeleteBucketPolicy", "DeleteBucketPublicAccessBlock", "DeleteBucketReplication",
    "DeleteBucketTagging", "DeleteBucketWebsite", "DeleteObject", "DeleteObjectTagging",
    "DeleteObjectVersion", "DeleteObjectVersionTagging", "DeleteReplicationConfiguration", "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration", "GetBucketAcl", "GetBucketCORS", "GetBucketEncryption",
    "GetBucketLocation", "GetBucketLogging", "GetBucketNotification", "GetBucketNotificationConfiguration",
    "GetBucketObjectLockConfiguration", "GetBucketOwnershipControls", "GetBucketPolicy", "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock", "GetBucketReplication", "GetBucketRequestPayment", "GetBucketTagging",
    "GetBucketVersioning", "GetBucketWebsite", "GetEncryptionConfiguration", "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration", "GetLifecycleConfiguration", "GetMetricsConfiguration", "GetObject",
    "GetObjectAcl", "GetObjectAttributes", "GetObjectLegalHold", "GetObjectRetention",
    "GetObjectTagging", "GetObjectTorrent", "GetObjectVersion", "GetObjectVersionAcl",
    "GetObjectVersionAttributes", "GetObjectVersionForReplication", "GetObjectVersionTagging", "GetObjectVersionTorrent",
    "GetPublicAccessBlock", "GetReplicationConfiguration", "InitiateReplication", "ListAllMyBuckets",
    "ListBucket", "ListBucketMultipartUploads", "ListBucketVersions", "ListMultipartUploadParts",
    "ObjectOwnerOverrideToBucketOwner", "PutAccelerateConfiguration", "PutAnalyticsConfiguration", "PutBucketAcl",
    "PutBucketCORS", "PutBucketEncryption", "PutBucketLogging", "PutBucketNotification",
    "PutBucketNotificationConfiguration", "PutBucketObjectLockConfiguration", "PutBucketOwnershipControls", "PutBucketPolicy",
    "PutBucketPublicAccessBlock", "PutBucketReplication", "PutBucketRequestPayment", "PutBucketTagging",
    "PutBucketVersioning", "PutBucketWebsite", "PutEncryptionConfiguration", "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration", "PutLifecycleConfiguration", "PutMetricsConfiguration", "PutObject",
    "PutObjectAcl", "PutObjectLegalHold", "PutObjectRetention", "PutObjectTagging",
    "PutObjectVersionAcl", "PutObjectVersionTagging", "PutPublicAccessBlock", "PutReplicationConfiguration",
    "ReplicateDelete", "ReplicateObject", "ReplicateTags", "RestoreObject",
];

/// Whether a pattern such as `s3:Get*` is about any action.
pub(super) fn names_any(pattern: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    pattern == "*"
        || pattern
            .strip_prefix("s3:")
            .is_some_and(|name| ACTIONS.iter().any(|action| like(name, &action.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_by_name_and_by_pattern() {
        for known in ["*", "s3:*", "s3:GetObject", "S3:getobject", "s3:Get*Acl", "s3:Put?bject"] {
            assert!(names_any(known), "{known}");
        }
        for unknown in ["", "s3:", "s3", "GetObject", "s3:GetObjects", "s3:Wipe*", "ec2:*", "*:GetObject"] {
            assert!(!names_any(unknown), "{unknown}");
        }
    }
}
