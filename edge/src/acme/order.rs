//! What is said to the authority: an account once, and an order for each certificate.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, Error, ExternalAccountKey, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rustls::pki_types::CertificateDer;
use tokio::sync::Mutex;

use crate::acme::challenge::{self, ChallengeAnswer};
use crate::acme::https::HttpsClient;
use crate::acme::renewal::Blame;
use crate::acme::store::{AcmeStore, OrderRight};
use crate::settings::{AcmeConfig, ChallengeKind};

/// How long an authority may take to check a name, and then to sign.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));
/// How long to wait for the account: 30 s.
const LOCK_LOOK: Duration = Duration::from_millis(200);
const LOCK_LOOKS: u32 = 150;
/// The errors in RFC 8555 section 6.7 begin with it.
const ERRORS: &str = "urn:ietf:params:acme:error:";

/// Why there is no certificate.
#[derive(Debug)]
pub(super) struct OrderFailure {
    pub(super) why: String,
    pub(super) blame: Blame,
    /// How long the authority said to wait.
    pub(super) wait: Option<Duration>,
}

/// One authority.
pub(super) struct Authority {
    config: AcmeConfig,
    client: HttpsClient,
    account: Mutex<Option<Account>>,
}

impl Authority {
    pub(super) fn new(config: AcmeConfig) -> Result<Self, String> {
        let client = HttpsClient::new(config.ca.as_deref())?;
        Ok(Self { config, client, account: Mutex::new(None) })
    }

    /// Key and chain of a new certificate. `replaced`: the one that it takes the place of.
    pub(super) async fn order(
        &self,
        store: &AcmeStore,
        name: &str,
        kind: ChallengeKind,
        replaced: Option<&CertificateDer<'_>>,
    ) -> Result<String, OrderFailure> {
        let ordered = self.try_order(store, name, kind, replaced).await;
        if ordered.is_err() {
            // The authority may be at other URLs by then: the directory is read again.
            *self.account.lock().await = None;
        }
        ordered
    }

    async fn try_order(
        &self,
        store: &AcmeStore,
        name: &str,
        kind: ChallengeKind,
        replaced: Option<&CertificateDer<'_>>,
    ) -> Result<String, OrderFailure> {
        let account = self.account(store).await?;
        let mut order = self.place(&account, store, name, replaced).await?;
        let mut answers = Vec::new();
        let ready = self.prove(&mut order, store, (name, kind), &mut answers).await;
        for answer in answers {
            answer.take_away(&self.config, store).await;
        }
        ready?;
        let key = order.finalize().await.map_err(|error| self.failed(&error))?;
        let chain = order.poll_certificate(&POLLS).await.map_err(|error| self.failed(&error))?;
        Ok(format!("{key}{chain}"))
    }

    /// The window in which the authority wants a certificate to be replaced, and when to ask again. `None`:
    /// it has no opinion (RFC 9773 is not for all).
    pub(super) async fn window(
        &self,
        store: &AcmeStore,
        certificate: &CertificateDer<'_>,
    ) -> Result<Option<(Range<SystemTime>, Duration)>, OrderFailure> {
        let Ok(id) = CertificateIdentifier::try_from(certificate) else { return Ok(None) };
        let account = self.account(store).await?;
        match account.renewal_info(&id).await {
            Ok((info, again)) => {
                let [start, end] = [info.suggested_window.start, info.suggested_window.end].map(|time| {
                    UNIX_EPOCH + Duration::from_secs(u64::try_from(time.unix_timestamp()).unwrap_or_default())
                });
                Ok(Some((start..end, again)))
            }
            Err(Error::Unsupported(_)) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn place(
        &self,
        account: &Account,
        store: &AcmeStore,
        name: &str,
        replaced: Option<&CertificateDer<'_>>,
    ) -> Result<Order, OrderFailure> {
        let identifiers = [Identifier::Dns(name.to_owned())];
        let wanted = || {
            let order = NewOrder::new(&identifiers);
            self.config
                .profile
                .as_ref()
                .map_or_else(|| NewOrder::new(&identifiers), |profile| order.profile(profile))
        };
        // RFC 9773 section 5. Not every authority is told, and one that refuses it may take the plain order.
        if let Some(replaced) = replaced.and_then(|replaced| CertificateIdentifier::try_from(replaced).ok())
            && let Ok(order) = account.new_order(&wanted().replaces(replaced)).await
        {
            return Ok(order);
        }
        match account.new_order(&wanted()).await {
            Ok(order) => Ok(order),
            Err(error) => {
                if matches!(&error, Error::Api(problem) if is(problem, "accountDoesNotExist")) {
                    store.forget_account().await;
                }
                Err(self.failed(&error))
            }
        }
    }

    /// Answers the challenge of each authorization, and waits until the authority has looked.
    async fn prove(
        &self,
        order: &mut Order,
        store: &AcmeStore,
        (name, kind): (&str, ChallengeKind),
        answers: &mut Vec<ChallengeAnswer>,
    ) -> Result<(), OrderFailure> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|error| self.failed(&error))?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let Some(mut challenge) = authorization.challenge(challenge::type_of(kind)) else {
                return Err(refused(format!("the authority does not offer {}", kind.name())));
            };
            let given = challenge::give(&self.config, store, kind, name, &challenge).await;
            answers.push(given.map_err(refused)?);
            challenge.set_ready().await.map_err(|error| self.failed(&error))?;
        }
        match order.poll_ready(&POLLS).await {
            Ok(OrderStatus::Ready | OrderStatus::Valid) => Ok(()),
            Ok(_) => Err(refused(reason(order).await)),
            Err(Error::Api(problem)) => {
                let why = reason(order).await;
                Err(OrderFailure { why, ..self.failed(&Error::Api(problem)) })
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The account of the state directory, made if there is none.
    async fn account(&self, store: &AcmeStore) -> Result<Account, OrderFailure> {
        let mut known = self.account.lock().await;
        if let Some(account) = &*known {
            return Ok(account.clone());
        }
        let account = account_right(store).await?.hold(self.find_account(store)).await?;
        *known = Some(account.clone());
        Ok(account)
    }

    async fn find_account(&self, store: &AcmeStore) -> Result<Account, OrderFailure> {
        let builder = Account::builder_with_http(Box::new(self.client.clone()));
        let text = store.account().await.map_err(away)?;
        match text.and_then(|text| serde_json::from_slice(&text).ok()) {
            Some(credentials) => {
                builder.from_credentials(credentials).await.map_err(|error| self.failed(&error))
            }
            None => {
                let contact = self.config.email.as_ref().map(|email| format!("mailto:{email}"));
                let contact: Vec<&str> = contact.as_deref().into_iter().collect();
                let new = NewAccount {
                    contact: &contact,
                    terms_of_service_agreed: true,
                    only_return_existing: false,
                };
                let external = self.external_account().map_err(refused)?;
                let made = builder.create(&new, self.config.directory.clone(), external.as_ref()).await;
                let (account, credentials) = made.map_err(|error| self.failed(&error))?;
                let text = serde_json::to_vec(&credentials).map_err(|error| refused(error.to_string()))?;
                let kept = store.keep_account(&text).await;
                kept.map_err(|error| refused(format!("the account cannot be kept: {error}")))?;
                tracing::info!("an account was made with {}", self.config.directory);
                Ok(account)
            }
        }
    }

    fn external_account(&self) -> Result<Option<ExternalAccountKey>, String> {
        let Some(external) = &self.config.external_account else { return Ok(None) };
        Ok(Some(ExternalAccountKey::new(external.id.clone(), &external_key(&external.key_file)?)))
    }

    fn failed(&self, error: &Error) -> OrderFailure {
        let blame = match error {
            Error::Api(problem) if is(problem, "serverInternal") || is(problem, "badNonce") => {
                Blame::Authority
            }
            // The next attempt makes an account.
            Error::Api(problem) if is(problem, "accountDoesNotExist") => Blame::Authority,
            Error::Api(_) | Error::Unsupported(_) | Error::Crypto | Error::KeyRejected => Blame::Refused,
            _ => Blame::Authority,
        };
        OrderFailure { why: error.to_string(), blame, wait: self.client.take_wait() }
    }
}

/// Waits while another process makes the account.
async fn account_right(store: &AcmeStore) -> Result<OrderRight, OrderFailure> {
    for _ in 0..LOCK_LOOKS {
        match store.account_right().await {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) => tokio::time::sleep(LOCK_LOOK).await,
            Err(error) => return Err(away(error)),
        }
    }
    let why = "another process does not finish making the account".into();
    Err(OrderFailure { why, blame: Blame::Authority, wait: None })
}

fn is(problem: &instant_acme::Problem, error: &str) -> bool {
    problem.r#type.as_deref().and_then(|kind| kind.strip_prefix(ERRORS)) == Some(error)
}

/// Nothing is counted against the name.
fn away(error: std::io::Error) -> OrderFailure {
    OrderFailure { why: format!("the account: {error}"), blame: Blame::Authority, wait: None }
}

fn refused(why: String) -> OrderFailure {
    OrderFailure { why, blame: Blame::Refused, wait: None }
}

/// What the authority says of the challenge that it did not find answered.
async fn reason(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        let wrong = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = wrong {
            return problem.to_string();
        }
    }
    "the authority does not say why".into()
}

/// The key of an external account, as authorities write it.
pub(super) fn external_key(file: &Path) -> Result<Vec<u8>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("`{}`: {error}", file.display()))?;
    let text = text.trim().trim_end_matches('=');
    let key = BASE64_URL_SAFE_NO_PAD.decode(text);
    key.map_err(|error| format!("`{}` is not base64url: {error}", file.display()))
}
