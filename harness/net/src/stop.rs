//! The request to stop a run.

use tokio::sync::watch;

/// Waits until the run is to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // The sender is gone.
        std::future::pending().await
    }
}

/// The result of `work`, or `None` as soon as the run is to stop.
pub(crate) async fn unless_stopped<T>(
    stop: &watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut stop = stop.clone();
    tokio::select! {
        biased;
        () = stopped(&mut stop) => None,
        done = work => Some(done),
    }
}
