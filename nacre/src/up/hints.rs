//! What a person needs to use the cluster that has just come up.

use crate::cluster::advert::FirstUser;
use crate::cluster::layout::Layout;
use crate::cluster::settings::ClusterSettings;

/// Prints ready lines for aws-cli, rclone and restic.
pub(super) fn print(layout: &Layout, settings: &ClusterSettings, user: &FirstUser) {
    let url = settings.gateway.s3_url();
    let (key, secret) = (&user.access_key, &user.secret_key);
    println!(
        "
The cluster is up. S3 is at {url}

  export AWS_ACCESS_KEY_ID={key}
  export AWS_SECRET_ACCESS_KEY={secret}
  export AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL={url}

  aws s3 mb s3://photos && aws s3 cp FILE s3://photos/

  rclone lsd :s3,provider=Other,env_auth=true,endpoint='{url}':

  restic -r s3:{url}/backup init

  nacre image create disk1 --size 10G --data {dir}      nacre image map disk1 --data {dir}

  nacre status --data {dir}      Ctrl-C stops the cluster; the same command resumes it.
",
        dir = layout.root().display()
    );
}
