//! What an authority looks at to see whose a name is. Answers to http-01 and tls-alpn-01 lie where all edges
//! find them, so that whichever is asked can give them.

use std::process::Stdio;
use std::time::Duration;

use instant_acme::{ChallengeHandle, ChallengeType};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use tokio::process::Command;
use tokio::time::timeout;

use crate::acme::state::{self, StateDirectory};
use crate::acme::store::{AcmeStore, AnswerPlace};
use crate::settings::{AcmeConfig, ChallengeKind};
use crate::tls::certificate::Certificate;

/// How long `dns_command` may take: some services write zones once in a minute.
const COMMAND: Duration = Duration::from_secs(300);
/// How much of what it says is logged.
const LONGEST_WORD: usize = 400;

/// Takes the answer away when it is no longer needed.
pub(super) enum ChallengeAnswer {
    Placed(AnswerPlace),
    Record { name: String, value: String },
}

pub(super) fn type_of(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http => ChallengeType::Http01,
        ChallengeKind::TlsAlpn => ChallengeType::TlsAlpn01,
        ChallengeKind::Dns => ChallengeType::Dns01,
    }
}

/// Puts the answer where the authority looks.
pub(super) async fn give(
    config: &AcmeConfig,
    store: &AcmeStore,
    kind: ChallengeKind,
    name: &str,
    challenge: &ChallengeHandle<'_>,
) -> Result<ChallengeAnswer, String> {
    let proof = challenge.key_authorization();
    let placed = async |place: AnswerPlace, content: &[u8]| match store.give_answer(&place, content).await {
        Ok(()) => Ok(ChallengeAnswer::Placed(place)),
        Err(error) => Err(error.to_string()),
    };
    match kind {
        ChallengeKind::Http => {
            placed(AnswerPlace::Http(challenge.token.clone()), proof.as_str().as_bytes()).await
        }
        ChallengeKind::TlsAlpn => {
            let text =
                certificate_that_proves(name, proof.digest().as_ref()).map_err(|error| error.to_string())?;
            placed(AnswerPlace::TlsAlpn(name.to_owned()), text.as_bytes()).await
        }
        ChallengeKind::Dns => {
            // RFC 8555 section 8.4: for "*.example.com" it is that of "example.com".
            let name = format!("_acme-challenge.{}", name.strip_prefix("*.").unwrap_or(name));
            let value = proof.dns_value();
            run(config, "add", &name, &value).await?;
            tokio::time::sleep(config.dns_wait.0).await;
            Ok(ChallengeAnswer::Record { name, value })
        }
    }
}

impl ChallengeAnswer {
    pub(super) async fn take_away(self, config: &AcmeConfig, store: &AcmeStore) {
        let wrong = match self {
            Self::Placed(place) => store.take_answer_away(&place).await.err().map(|error| error.to_string()),
            Self::Record { name, value } => run(config, "remove", &name, &value).await.err(),
        };
        if let Some(wrong) = wrong {
            tracing::warn!("the answer to a challenge remains: {wrong}");
        }
    }
}

/// RFC 8737 section 3: a certificate for the name alone, with the digest in an extension.
fn certificate_that_proves(name: &str, digest: &[u8]) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    Ok(format!("{}{}", key.serialize_pem(), params.self_signed(&key)?.pem()))
}

/// What answers a challenge for this name in a handshake, if one is under way.
pub(super) fn alpn_answer(state: &StateDirectory, name: &str) -> Option<Certificate> {
    read_answer(name, &state::read(&state.alpn_answer(name)).ok()?)
}

pub(super) fn read_answer(name: &str, text: &[u8]) -> Option<Certificate> {
    Certificate::from_pem(text)
        .inspect_err(|error| tracing::error!("the answer to a challenge for `{name}` is broken: {error}"))
        .ok()
}

/// `COMMAND… add NAME VALUE`.
async fn run(config: &AcmeConfig, action: &str, name: &str, value: &str) -> Result<(), String> {
    let Some((program, arguments)) = config.dns_command.0.split_first() else {
        return Err("`edge.acme.dns_command` is not set".into());
    };
    let mut command = Command::new(program);
    command.args(arguments).args([action, name, value]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = match timeout(COMMAND, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("`{program}` cannot be run: {error}")),
        Err(_) => return Err(format!("`{program} {action}` took longer than {COMMAND:?}")),
    };
    if output.status.success() {
        return Ok(());
    }
    let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(LONGEST_WORD).collect();
    Err(format!("`{program} {action} {name} …` failed ({}): {said}", output.status))
}

/// A certificate for handshakes that offer nothing but this protocol.
pub(crate) const ALPN: &[u8] = b"acme-tls/1";
