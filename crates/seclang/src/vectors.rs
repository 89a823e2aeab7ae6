//! One operator on one value, for test vectors.

use sakimori_model::Diagnostic;

use crate::Loader;
use crate::operator::{self, Context};

/// Whether the operator called `name` with `argument` matches `input`, and what it captured.
///
/// # Errors
/// What is wrong with the operator.
pub fn judge_value(
    name: &str,
    argument: &str,
    input: &[u8],
    loader: &dyn Loader,
) -> Result<(bool, Vec<Vec<u8>>), Diagnostic> {
    let operator = operator::compile(&name.to_ascii_lowercase(), argument, loader)
        .map_err(|finding| finding.at("operator", 1))?;
    let expand = |_: &crate::template::Template| Vec::new();
    let mut context =
        Context { expand: &expand, capture: true, captured: Vec::new(), tired: false, exhausted: false };
    let matched = operator.matches(input, &mut context);
    Ok((matched, context.captured))
}
