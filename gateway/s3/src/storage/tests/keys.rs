//! Keys that are replaced: what they sealed still opens, wherever the rotation was cut short.

use super::*;
use gateway_client::memory::Fault;
use stdx::Errno;

/// Seals under the cluster's key, and what opens it again.
async fn sealed(s: &Store) -> Seal {
    s.seal_by_cluster(None).await.unwrap()
}

async fn opens(s: &Store, seal: &Seal) -> bool {
    s.open_by_cluster(seal.sealing.clone()).await.is_ok_and(|opened| opened.key == seal.key)
}

fn rows(r: &MemoryRados) -> BTreeMap<Bytes, Bytes> {
    objects(r, 0).remove(names::ENCRYPTION_KEYS).map(|o| o.omap.into_iter().collect()).unwrap_or_default()
}

#[tokio::test]
async fn another_root_key_seals_everything_anew() {
    let r = cluster();
    let (s, other) = (Storage::new(r.clone(), tiny()), Storage::new(r.clone(), tiny()));
    s.set_kms_keys(vec!["named".into()]);
    let before = [sealed(&s).await, s.seal_by_cluster(Some("named")).await.unwrap()];
    assert!(opens(&other, &before[0]).await);
    let old = rows(&r);
    assert_eq!(s.rotate_root_key().await.unwrap(), 2);
    let new = rows(&r);
    assert_eq!(new.keys().collect::<Vec<_>>(), old.keys().collect::<Vec<_>>(), "the former root key is gone");
    assert!(new.iter().all(|(row, value)| old[row] != *value));
    for s in [&s, &other, &Storage::new(r.clone(), tiny())] {
        for seal in &before {
            assert!(opens(s, seal).await);
        }
        assert!(opens(&other, &sealed(s).await).await);
    }
    // A gateway that still believes in the former one makes no key by it.
    other.set_kms_keys(vec!["late".into()]);
    assert_eq!(s.rotate_root_key().await.unwrap(), 2);
    let late = other.seal_by_cluster(Some("late")).await.unwrap();
    assert!(opens(&Storage::new(r.clone(), tiny()), &late).await);
    assert_eq!(s.settle_keys().await.unwrap(), 0);
}

#[tokio::test]
async fn a_wrapping_keys_earlier_versions_open_what_they_wrapped() {
    let r = cluster();
    let (s, other) = (Storage::new(r.clone(), tiny()), Storage::new(r.clone(), tiny()));
    let mut seals = vec![sealed(&s).await];
    assert!(opens(&other, &seals[0]).await);
    for versions in 2..5 {
        assert_eq!(s.rotate_wrapping_key("aws/s3").await.unwrap(), versions);
        seals.push(sealed(&s).await);
        assert_eq!(s.rotate_root_key().await.unwrap(), versions);
    }
    for s in [&s, &other, &Storage::new(r.clone(), tiny())] {
        for seal in &seals {
            assert!(opens(s, seal).await);
        }
    }
    assert_eq!(s.rotate_wrapping_key("none").await.unwrap_err().code(), Code::KMSNotFoundException);
    let told = s.encryption_keys().await.unwrap();
    assert_eq!(told, EncryptionKeys { former_roots: 0, keys: [("aws/s3".to_string(), 4)].into() });
}

#[test]
fn a_rotation_that_was_cut_short_is_carried_on() {
    let mut died = 0;
    for (at, lost) in (0..30).flat_map(|at| [(at, false), (at, true)]) {
        let r = cluster();
        let seals = gateway(async {
            let s = Storage::new(r.clone(), tiny());
            s.set_kms_keys(vec!["a".into(), "b".into()]);
            let seals =
                [s.seal_by_cluster(Some("a")).await.unwrap(), s.seal_by_cluster(Some("b")).await.unwrap()];
            if lost {
                r.inject(at, 1, Fault::LoseReply(Errno::ETIMEDOUT));
            }
            r.inject(at + u64::from(lost), u64::MAX, Fault::Refuse(Errno::ETIMEDOUT));
            died += u64::from(s.rotate_root_key().await.is_err());
            seals
        });
        r.heal();
        gateway(async {
            let s = Storage::new(r.clone(), tiny());
            for seal in &seals {
                assert!(opens(&s, seal).await, "at {at}");
            }
            s.settle_keys().await.unwrap();
            assert_eq!(s.encryption_keys().await.unwrap().former_roots, 0, "at {at}");
            for seal in &seals {
                assert!(opens(&s, seal).await, "at {at}");
                assert!(opens(&Storage::new(r.clone(), tiny()), seal).await, "at {at}");
            }
        });
    }
    assert!(died > 10, "only {died} operations were cut");
}
