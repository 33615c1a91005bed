//! Orders to the process from inside it, which have an answer: the admin listener's reload and upgrade.

use tokio::sync::{mpsc, oneshot};

use crate::reload::ReloadReport;

/// Orders that wait to be carried out; more are refused.
const WAITING: usize = 16;

/// An order, and where its answer goes.
#[derive(Debug)]
pub(crate) enum Order {
    Reload(oneshot::Sender<ReloadReport>),
    Upgrade(oneshot::Sender<UpgradeOutcome>),
}

/// How an upgrade ended: the new process serves, or why it does not.
pub type UpgradeOutcome = Result<(), String>;

/// Why an order was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process drains, or has too many orders to carry out")]
pub struct OrderRefusal;

/// Gives orders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ProcessControl(mpsc::Sender<Order>);

/// The orders, for whoever carries them out.
#[derive(Debug)]
pub struct ControlOrders(mpsc::Receiver<Order>);

/// Both ends.
pub fn channel() -> (ProcessControl, ControlOrders) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (ProcessControl(sender), ControlOrders(receiver))
}

impl ProcessControl {
    /// Reads the settings again and takes them over, as SIGHUP does.
    pub async fn reload(&self) -> Result<ReloadReport, OrderRefusal> {
        self.order(Order::Reload).await
    }

    /// Starts the program anew and hands over to it, as SIGUSR2 does. Answers when the new process serves, or
    /// has ended.
    pub async fn upgrade(&self) -> Result<UpgradeOutcome, OrderRefusal> {
        self.order(Order::Upgrade).await
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, OrderRefusal> {
        let (sender, receiver) = oneshot::channel();
        self.0.try_send(order(sender)).map_err(|_| OrderRefusal)?;
        receiver.await.map_err(|_| OrderRefusal)
    }
}

impl ControlOrders {
    /// The next; never, once nobody can give one.
    pub(crate) async fn next(&mut self) -> Order {
        match self.0.recv().await {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }
}
