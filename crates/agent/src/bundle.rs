//! A bundle from the manager becomes a plan: verified, complete, or refused with a reason.
//!
//! Two things make a bundle true: its bytes have the manager's Ed25519 signature (with a context, so that
//! nothing else that key signed counts), and it names this agent's format. Rule files are fetched by hash.
//! The last bundle that was put in force is kept in `enforced.json`; at a start it is enforced before the
//! manager is asked. The agent never goes back to an older bundle by itself: only that file counts, and it
//! is replaced after the newer one is in force.
use crate::blobs::BlobStore;
use crate::enforcement::{ModulePlan, Plan};
use crate::network::RuleFile;
use crate::state::{self, StateError};
use sakimori_protocol::{BlobRef, Bundle, Hash, SignedBundle, paths};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Bound of the rule files of one bundle, in bytes: four full rule sets of the field.
const RULE_BYTES_MAX: u64 = 128 << 20;

/// A bundle whose signature and format were checked.
#[derive(Clone, Debug)]
pub struct VerifiedBundle {
    /// Its name.
    pub hash: Hash,
    /// Its content.
    pub bundle: Bundle,
    /// As it travelled, to be kept.
    pub signed: SignedBundle,
}

/// Why a bundle is not enforced. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The signature is not the manager's.
    #[error(
        "bundle-signature: the bundle is not signed by this computer's manager; if the manager's signing key was replaced, activate this computer again"
    )]
    Signature,
    /// The content does not parse.
    #[error(
        "bundle-malformed: the bundle cannot be read: manager and agent are more than two minor versions apart, or the manager's store is damaged"
    )]
    Malformed(#[source] serde_json::Error),
    /// A format of another age.
    #[error("bundle-format: the bundle has format {0} and this agent knows {known}: upgrade the agent", known = Bundle::FORMAT)]
    Format(u32),
    /// A rule file over the bound.
    #[error("bundle-size: the bundle's rule files are over {RULE_BYTES_MAX} bytes: assign fewer rules")]
    TooLarge,
    /// A rule file has another length than the bundle says.
    #[error(
        "bundle-blob: rule file '{name}' has {actual} bytes and the bundle says {said}: a proxy or cache on the way changed it, or the manager's store is damaged"
    )]
    BlobSize {
        /// The file.
        name: String,
        /// Bytes named.
        said: u64,
        /// Bytes there.
        actual: u64,
    },
    /// A rule file is not on this computer.
    #[error("bundle-blob: rule file '{0}' is missing")]
    BlobMissing(String),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Checks a bundle's signature and format. `key` is Base64 of the raw Ed25519 public key.
pub fn verify(signed: SignedBundle, key: &str) -> Result<VerifiedBundle, BundleError> {
    if !signed.is_signed_by(key) {
        return Err(BundleError::Signature);
    }
    // The format is looked at before the rest: a newer one need not have the fields of this one.
    #[derive(Deserialize)]
    struct Header {
        format: u32,
    }
    let header: Header = serde_json::from_str(&signed.bundle).map_err(BundleError::Malformed)?;
    if header.format != Bundle::FORMAT {
        return Err(BundleError::Format(header.format));
    }
    let bundle: Bundle = serde_json::from_str(&signed.bundle).map_err(BundleError::Malformed)?;
    let verified = VerifiedBundle { hash: Hash::of(signed.bundle.as_bytes()), bundle, signed };
    let total = verified.blobs().map(|part| part.size).fold(0_u64, u64::saturating_add);
    let each = u64::try_from(paths::BLOB_BYTES).unwrap_or(u64::MAX);
    if total > RULE_BYTES_MAX || verified.blobs().any(|part| part.size > each) {
        return Err(BundleError::TooLarge);
    }
    Ok(verified)
}

// === impl VerifiedBundle ===

impl VerifiedBundle {
    /// The parts it needs.
    pub fn blobs(&self) -> impl Iterator<Item = &BlobRef> {
        self.bundle.modules.values().flat_map(|module| &module.content)
    }

    /// The parts' names.
    pub fn blob_hashes(&self) -> BTreeSet<Hash> {
        self.blobs().map(|blob| blob.hash).collect()
    }

    /// What to put in force; every part must be in the store.
    pub fn plan(&self, blobs: &BlobStore) -> Result<Plan, BundleError> {
        let mut modules = BTreeMap::new();
        for (id, part) in &self.bundle.modules {
            let mut files = Vec::new();
            for reference in &part.content {
                let text = blobs
                    .load(reference.hash)?
                    .ok_or_else(|| BundleError::BlobMissing(reference.name.clone()))?;
                check_size(reference, &text)?;
                files.push(RuleFile { name: reference.name.clone(), text });
            }
            modules.insert(id.clone(), ModulePlan { settings: part.settings.clone(), files });
        }
        Ok(Plan { generation: self.hash, modules })
    }
}

/// Whether a fetched part has the length its bundle says.
pub fn check_size(reference: &BlobRef, bytes: &[u8]) -> Result<(), BundleError> {
    let actual = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if actual == reference.size {
        return Ok(());
    }
    Err(BundleError::BlobSize { name: reference.name.clone(), said: reference.size, actual })
}

/// Where the last enforced bundle is kept.
#[derive(Clone, Debug)]
pub struct EnforcedFile(PathBuf);

// === impl EnforcedFile ===

impl EnforcedFile {
    /// In this state directory.
    pub fn in_dir(state_dir: &Path) -> Self {
        Self(state_dir.join("enforced.json"))
    }

    /// The bundle that was last put in force, verified again; nothing before the first.
    pub fn load(&self, key: &str) -> Result<Option<VerifiedBundle>, BundleError> {
        state::read_json::<SignedBundle>(&self.0)?.map(|signed| verify(signed, key)).transpose()
    }

    /// Keeps a bundle that is now in force.
    pub fn store(&self, bundle: &VerifiedBundle) -> Result<(), BundleError> {
        Ok(state::write_json(&self.0, &bundle.signed)?)
    }

    /// Forgets it.
    pub fn remove(&self) -> Result<(), BundleError> {
        Ok(state::remove(&self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforcement::Refusal;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use sakimori_model::{self as model, Mode, Sid};
    use sakimori_modules::intrusion_prevention::IntrusionPrevention;

    fn key() -> (Ed25519KeyPair, String) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = BASE64.encode(pair.public_key().as_ref());
        (pair, public)
    }

    fn sign(pair: &Ed25519KeyPair, bundle: &str) -> SignedBundle {
        let message = [SignedBundle::CONTEXT, bundle.as_bytes()].concat();
        SignedBundle { bundle: bundle.to_owned(), signature: BASE64.encode(pair.sign(&message).as_ref()) }
    }

    fn text(format: u32, size: u64, port: &str) -> String {
        let hash = Hash::of(b"rules");
        format!(
            r#"{{"format":{format},"tenant":"{id}","policy":"{id}","policyName":"Web server","compiledAt":5,"modules":{{
            "intrusion-prevention":{{"settings":{{"mode":"prevent","httpPorts":["{port}"],"defaultRuleMode":"detect",
            "ruleModes":{{"5":"prevent"}}}},
            "content":[{{"name":"a.rules","hash":"{hash}","size":{size}}}]}}}}}}"#,
            id = uuid::Uuid::nil()
        )
    }

    fn settings(plan: &Plan) -> Result<model::IntrusionPrevention, Refusal> {
        let (settings, _files) = plan.module::<IntrusionPrevention>("intrusion-prevention")?;
        Ok(settings.into())
    }

    #[test]
    fn a_signed_bundle_becomes_a_plan() {
        let (pair, public) = key();
        let dir = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(dir.path()).unwrap();
        let verified = verify(sign(&pair, &text(2, 5, "80")), &public).unwrap();
        assert!(matches!(verified.plan(&blobs), Err(BundleError::BlobMissing(_))));
        blobs.store(b"rules").unwrap();
        let plan = verified.plan(&blobs).unwrap();
        let settings = settings(&plan).unwrap();
        assert_eq!(settings.rule_mode(Sid(5)), Mode::Prevent);
        assert_eq!(settings.rule_mode(Sid(6)), Mode::Detect);
        assert_eq!(plan.generation, verified.hash);

        let file = EnforcedFile::in_dir(dir.path());
        assert!(file.load(&public).unwrap().is_none());
        file.store(&verified).unwrap();
        assert_eq!(file.load(&public).unwrap().unwrap().hash, verified.hash);
    }

    #[test]
    fn what_is_not_the_managers_is_refused() {
        let (pair, public) = key();
        let mut changed = sign(&pair, &text(2, 5, "80"));
        changed.bundle = changed.bundle.replace("prevent", "off");
        let refused = verify(changed, &public).unwrap_err();
        assert!(refused.to_string().contains("activate this computer again"), "says what to do: {refused}");

        let bundle = text(2, 5, "80");
        let no_context =
            SignedBundle { signature: BASE64.encode(pair.sign(bundle.as_bytes()).as_ref()), bundle };
        assert!(
            matches!(verify(no_context, &public), Err(BundleError::Signature)),
            "signed for something else"
        );

        let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
        assert!(matches!(verify(sign(&other, &text(2, 5, "80")), &public), Err(BundleError::Signature)));
    }

    #[test]
    fn what_this_agent_cannot_enforce_is_refused() {
        let (pair, public) = key();
        let newer = verify(sign(&pair, r#"{"format":3}"#), &public).unwrap_err();
        assert!(newer.to_string().contains("upgrade the agent"), "{newer}");
        assert!(matches!(verify(sign(&pair, "{}"), &public), Err(BundleError::Malformed(_))));
        assert!(matches!(verify(sign(&pair, &text(2, 65 << 20, "80")), &public), Err(BundleError::TooLarge)));
        let dir = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(dir.path()).unwrap();
        blobs.store(b"rules").unwrap();
        let ports = verify(sign(&pair, &text(2, 5, "90-80")), &public).unwrap();
        let refused = settings(&ports.plan(&blobs).unwrap()).unwrap_err();
        assert!(refused.reason.contains("a port from 1 to 65535"), "{}", refused.reason);
        let size = verify(sign(&pair, &text(2, 6, "80")), &public).unwrap();
        assert!(matches!(size.plan(&blobs), Err(BundleError::BlobSize { .. })));
    }
}
