#![no_main]
use sakimori_recommend::Ranges;
use sakimori_recommend::version::{debian, dotted};
libfuzzer_sys::fuzz_target!(|texts: (&str, &str)| {
    let (a, b) = texts;
    for order in [debian, dotted] {
        assert_eq!(order(a, b), order(b, a).reverse());
        if let Ok(ranges) = Ranges::parse(a) {
            let _inside = ranges.contain(b, order);
        }
    }
});
