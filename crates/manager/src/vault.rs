//! Secrets at rest: what receivers shall know and nobody else is sealed before it goes into the database.
//!
//! The key lies in `secrets.key` of the data directory, so a copy of the database alone tells nothing; a backup has
//! both, and managers of one database have the same key. Sealed is with ChaCha20-Poly1305 under a random nonce; tenant
//! and channel are authenticated along, so that a sealed text moved to another channel does not open there.
use crate::authority::{self, AuthorityError};
use crate::secrets;
use crate::store::{Sealed, Store, StoreError, TenantCtx};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sakimori_api::ChannelSecrets;
use std::path::Path;
use uuid::Uuid;

/// Before a sealed text; older versions wrote the secrets as JSON, which begins with a brace.
const SEALED: &str = "sealed1:";

/// The key of secrets at rest.
#[derive(Debug)]
pub(crate) struct Vault {
    key: LessSafeKey,
    name: String,
}

/// A sealed text could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VaultError {
    /// Sealed with another key, or changed since.
    #[error(
        "The secrets cannot be opened: secrets.key in the data directory is not the key that they were sealed with. \
         Restore it from a backup, or give the secrets anew."
    )]
    Key,
    /// No random bytes.
    #[error(transparent)]
    Secret(#[from] secrets::SecretError),
}

impl Vault {
    /// Reads the key, or makes it.
    pub(crate) fn open(dir: &Path) -> Result<Self, AuthorityError> {
        let path = dir.join("secrets.key");
        let damaged = || AuthorityError::Damaged(path.clone());
        let text = if let Some(text) = authority::read(&path)? {
            text
        } else {
            let text = BASE64.encode(secrets::random::<32>()?);
            authority::write(&path, text.as_bytes(), 0o600)?;
            text
        };
        let bytes = BASE64.decode(text.trim_ascii()).map_err(|_e| damaged())?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_e| damaged())?;
        // Not the key's own digest: what names it must not be something to guess it by.
        let name = secrets::digest(&format!("sakimori secrets key {text}"));
        Ok(Self { key: LessSafeKey::new(key), name })
    }

    /// Tells this key from others.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Seals a channel's secrets.
    pub(crate) fn seal(
        &self,
        tenant: Uuid,
        channel: Uuid,
        secrets: &ChannelSecrets,
    ) -> Result<Sealed, VaultError> {
        let nonce = secrets::random::<NONCE_LEN>()?;
        // Texts in a map always have a JSON form.
        let mut bytes = serde_json::to_vec(secrets).unwrap_or_default();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad(tenant, channel), &mut bytes)
            .map_err(|_e| VaultError::Key)?;
        Ok(Sealed(format!("{SEALED}{}", BASE64.encode([nonce.as_slice(), &bytes].concat()))))
    }

    /// Opens what [`Self::seal`] sealed, or what an older version wrote as it was.
    pub(crate) fn unseal(
        &self,
        tenant: Uuid,
        channel: Uuid,
        sealed: &Sealed,
    ) -> Result<ChannelSecrets, VaultError> {
        let Some(text) = sealed.0.strip_prefix(SEALED) else {
            return serde_json::from_str(&sealed.0).map_err(|_e| VaultError::Key);
        };
        let bytes = BASE64.decode(text).map_err(|_e| VaultError::Key)?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::Key)?;
        let mut rest = rest.to_vec();
        let opened = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad(tenant, channel), &mut rest)
            .map_err(|_e| VaultError::Key)?;
        serde_json::from_slice(opened).map_err(|_e| VaultError::Key)
    }

    /// Seals what an older version wrote as it was.
    pub(crate) async fn seal_old(&self, store: &Store) -> Result<(), StoreError> {
        for tenant in store.tenants().await? {
            let ctx = TenantCtx::system(tenant);
            for row in store.channels(&ctx, "", 1_000).await? {
                if row.secrets.0.starts_with(SEALED) {
                    continue;
                }
                let Ok(secrets) = self.unseal(tenant, row.id, &row.secrets) else { continue };
                if let Ok(sealed) = self.seal(tenant, row.id, &secrets) {
                    store.channel_sealed(tenant, row.id, &row.secrets, &sealed).await?;
                }
            }
        }
        Ok(())
    }
}

fn aad(tenant: Uuid, channel: Uuid) -> Aad<String> {
    Aad::from(format!("sakimori channel {tenant} {channel}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_secrets_open_for_their_channel_and_key_alone() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let vault = Vault::open(dir.path()).unwrap();
        let secrets = ChannelSecrets { password: Some("hush".to_owned()), ..ChannelSecrets::default() };
        let (tenant, channel) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = vault.seal(tenant, channel, &secrets).unwrap();
        assert!(!sealed.0.contains("hush"), "{}", sealed.0);
        assert_ne!(vault.seal(tenant, channel, &secrets).unwrap(), sealed, "another nonce each time");
        let again = Vault::open(dir.path()).unwrap();
        assert_eq!(
            (again.unseal(tenant, channel, &sealed), again.name()),
            (Ok(secrets.clone()), vault.name())
        );
        assert_eq!(again.unseal(tenant, tenant, &sealed), Err(VaultError::Key));
        assert_eq!(again.unseal(channel, channel, &sealed), Err(VaultError::Key));
        let stranger = Vault::open(other.path()).unwrap();
        assert_eq!(stranger.unseal(tenant, channel, &sealed), Err(VaultError::Key));
        assert_ne!(stranger.name(), vault.name());
        for broken in ["sealed1:", "sealed1:AAAA", "sealed1:!", "", "x"] {
            assert_eq!(vault.unseal(tenant, channel, &Sealed(broken.to_owned())), Err(VaultError::Key));
        }
        let old = Sealed(serde_json::to_string(&secrets).unwrap());
        assert_eq!(vault.unseal(tenant, channel, &old), Ok(secrets));
    }
}
