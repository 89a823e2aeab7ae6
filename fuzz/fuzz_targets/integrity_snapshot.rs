#![no_main]
use sakimori_integrity::snapshot::{decode, encode};
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(sets) = decode(bytes, 1000) {
        let again = encode(sets.iter().map(|set| (set.name.as_str(), &set.definition, &set.baseline)).collect::<Vec<_>>().into_iter());
        assert!(decode(&again, 1000).is_ok());
    }
});
