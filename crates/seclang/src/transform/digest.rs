//! `md5`, `sha1`: the raw digest.

use sha1::Digest as _;

use super::changed;

pub(super) fn md5(input: &[u8]) -> Option<Vec<u8>> {
    changed(input, md5::Md5::digest(input).to_vec())
}

pub(super) fn sha1(input: &[u8]) -> Option<Vec<u8>> {
    changed(input, sha1::Sha1::digest(input).to_vec())
}
