//! Which keys this monitor admits: the map's rules.
//!
//! A monitor that is behind must be able to catch up with others whose keys were replaced since, so as long as it does not
//! know the present it admits any key that the authority signed for a monitor.

use crate::view::View;
use std::sync::Arc;
use tokio::sync::watch;
use wire_transport::Security;

/// Hands the rules over as they change. Ends with its monitor.
pub(crate) async fn follow(security: Security, view: Arc<View>, mut adrift: watch::Receiver<bool>) {
    let mut news = view.subscribe();
    loop {
        let mut rules = view.with(|state| state.map().keys.clone());
        if *adrift.borrow_and_update() || !view.is_open() {
            rules.retain(|name, _| !name.starts_with("mon."));
        }
        security.admission().replace(&rules);
        let over = tokio::select! {
            changed = news.changed() => changed.is_err(),
            changed = adrift.changed() => changed.is_err(),
        };
        if over {
            return;
        }
    }
}
